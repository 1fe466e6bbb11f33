package rtsp

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"gbgate/media"
)

const (
	talkFrame = 160 // samples of G.711 in a packet: 20 ms
	talkStep  = 20 * time.Millisecond
	// talkBehind is how late a talker may be before the time lost is let go: a camera plays what comes late in fast
	// motion, or not at all.
	talkBehind = 200 * time.Millisecond
	talkWrite  = 2 * time.Second

	backChannel = "www.onvif.org/ver20/backchannel"
)

// Talk is the way of sound to a camera's loudspeaker: the audio back channel of ONVIF (Streaming Specification 5.3).
// A camera has one talker at a time. One goroutine uses it.
type Talk struct {
	track   track
	channel byte
	session *playingSession

	rest      []byte // less than a frame
	due       time.Time
	sequence  uint16
	timestamp uint32
	ssrc      uint32
	marker    bool // the next packet begins to talk
}

// BackChannel asks what the camera's loudspeaker takes, without opening a media session. A camera without one is an
// *Error of kind Unsupported.
func (s *Source) BackChannel(ctx context.Context) (media.Codec, error) {
	var codec media.Codec
	err := s.talking().sessions(ctx, func(c *session) error {
		c.talk = true
		_, err := c.check(ctx)
		if err == nil {
			codec = c.offer.video.Codec
		}
		return talkError(err)
	})
	return codec, err
}

// OpenTalk opens the camera's back channel, in a session of its own.
func (s *Source) OpenTalk(ctx context.Context) (*Talk, error) {
	lasting, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	p := &playingSession{cancel: cancel, done: make(chan struct{})}
	up := make(chan error, 1)
	go func() {
		defer close(p.done)
		p.err = s.talking().sessions(lasting, func(c *session) error {
			c.talk = true
			p.session = c
			return talkError(c.keep(lasting, up))
		})
		select {
		case up <- p.err:
		default:
		}
	}()
	err := error(nil)
	select {
	case err = <-up:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		cancel(errTalkOver)
		<-p.done
		return nil, err
	}
	c := p.session
	c.mu.Lock()
	defer c.mu.Unlock()
	return &Talk{
		track: *c.offer.video, channel: c.channels[standInVideo], session: p,
		sequence: uint16(rand.Uint32()), timestamp: rand.Uint32(), ssrc: rand.Uint32(), marker: true,
	}, nil
}

var errTalkOver = errors.New("rtsp: talk is over")

// talking returns the source of the back channel: over TCP, and by the URL that Dahua has for it.
func (s *Source) talking() *Source {
	other := &Source{Config: s.Config}
	other.Transport, other.Poller = "tcp", nil
	if strings.Contains(other.URL, "/cam/realmonitor?") && !strings.Contains(other.URL, "proto=") {
		other.URL += "&unicast=true&proto=Onvif"
	}
	return other
}

// talkError says in plain words that there is no back channel. ONVIF has 551 for it; others refuse anyhow.
func talkError(err error) error {
	known := (*Error)(nil)
	if errors.As(err, &known) &&
		(known.Kind == NoVideo || known.Kind == Protocol && strings.Contains(known.Text, "refused with")) {
		return &Error{Kind: Unsupported, Text: "camera has no back channel: " + known.Text, Err: err}
	}
	return err
}

// chooseBackChannel takes the first track that goes to the camera and that we can speak.
func (table *trackTable) chooseBackChannel() (*offer, *Error) {
	var other []string
	for i := range table.Tracks {
		t := &table.Tracks[i]
		switch {
		case t.Media != "audio" || !t.SendOnly:
		case t.Codec == media.PCMA || t.Codec == media.PCMU:
			return &offer{video: t}, nil
		default:
			other = append(other, t.label())
		}
	}
	if len(other) > 0 {
		return nil, &Error{Kind: NoVideo, Text: "its loudspeaker takes " + strings.Join(other, ", ") + " and not G.711"}
	}
	return nil, &Error{Kind: NoVideo, Text: "nothing in its description is sendonly"}
}

// Codec is what Write takes: G.711 A-law or µ-law, 8 kHz mono.
func (t *Talk) Codec() media.Codec { return t.track.Codec }

// Write sends samples at the pace of their sound, in packets of 20 ms; what does not fill one waits for more. It
// returns when the last packet has gone, so that it takes about as long as the sound lasts.
func (t *Talk) Write(ctx context.Context, samples []byte) error {
	t.rest = append(t.rest, samples...)
	for len(t.rest) >= talkFrame {
		if err := t.wait(ctx); err != nil {
			return err
		}
		if err := t.send(t.rest[:talkFrame]); err != nil {
			return err
		}
		t.rest = t.rest[talkFrame:]
	}
	return nil
}

func (t *Talk) wait(ctx context.Context) error {
	now := time.Now()
	if now.Sub(t.due) > talkBehind { // it begins, or was silent
		skipped := max(0, min(now.Sub(t.due), time.Hour))
		if !t.due.IsZero() {
			t.timestamp += uint32(skipped / (time.Second / 8000))
		}
		t.due, t.marker = now, true
	}
	timer := time.NewTimer(time.Until(t.due))
	defer timer.Stop()
	t.due = t.due.Add(talkStep)
	select {
	case <-timer.C:
		return nil
	case <-t.session.done:
		return t.session.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// send writes one packet as an interleaved frame.
func (t *Talk) send(samples []byte) error {
	size := 12 + len(samples)
	b := make([]byte, 4+12, 4+size)
	b[0], b[1] = '$', t.channel
	binary.BigEndian.PutUint16(b[2:], uint16(size))
	b[4], b[5] = 0x80, t.track.PayloadType
	if t.marker {
		b[5] |= 0x80
		t.marker = false
	}
	binary.BigEndian.PutUint16(b[6:], t.sequence)
	binary.BigEndian.PutUint32(b[8:], t.timestamp)
	binary.BigEndian.PutUint32(b[12:], t.ssrc)
	t.sequence++
	t.timestamp += uint32(len(samples))
	return t.session.session.norm.frame(append(b, samples...))
}

// Close hangs up.
func (t *Talk) Close() error {
	t.session.cancel(errTalkOver)
	<-t.session.done
	return nil
}
