package simcam

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/pion/rtp"

	"gbgate/media"
)

// archivePlay is one PLAY: what is sent until it ends or another one begins.
type archivePlay struct {
	client *archiveClient
	from   time.Time // forwards: the earlier one
	until  time.Time // zero: to the end
	scale  float64
	intra  bool
	free   bool // as fast as it is read
	cseq   byte
	stop   chan struct{}
	done   chan struct{}
	began  time.Time
	start  time.Time // recorded time of the first picture
	last   int64     // number of the last picture
	late   bool      // a BYE of the PLAY before is to come
}

// pictureTime is the distance of two pictures in the recording.
const pictureTime = 40 * time.Millisecond

// at returns the first recorded moment from t on, zero if there is none.
func (a *Archive) at(t time.Time) time.Time {
	for _, s := range a.cfg.Spans {
		if t.Before(s[0]) {
			return s[0]
		}
		if t.Before(s[1]) {
			return t
		}
	}
	return time.Time{}
}

// recordedAt tells whether a moment is recorded, and whether the picture there is the last of its span.
func (a *Archive) recordedAt(t time.Time) (ok, last bool) {
	for _, s := range a.cfg.Spans {
		if !t.Before(s[0]) && t.Before(s[1]) {
			return true, !t.Add(pictureTime).Before(s[1])
		}
	}
	return false, false
}

// play answers PLAY.
func (c *archiveClient) play(r *base.Request, reply *base.Response) (*base.Response, func()) {
	quirks := c.cfg.Quirks
	if quirks.OnePlay && c.played {
		return status(base.StatusMethodNotValidInThisState), nil
	}
	p := &archivePlay{
		client: c, from: c.from, until: c.until, scale: 1, stop: make(chan struct{}), done: make(chan struct{}),
	}
	if text := first(r, "Range"); c.cfg.Vendor == "" && text != "" {
		var err error
		if p.from, p.until, err = parseClockRange(text); err != nil {
			return status(457), nil
		}
	}
	if scale, err := strconv.ParseFloat(first(r, "Scale"), 64); err == nil && !quirks.NoScale {
		p.scale = scale
	}
	p.free = strings.EqualFold(first(r, "Rate-Control"), "no") && !quirks.NoRateControl
	p.intra = strings.HasPrefix(first(r, "Frames"), "intra") && !quirks.NoFrames
	if n, err := strconv.Atoi(first(r, "CSeq")); err == nil && !quirks.ZeroCSeq {
		p.cseq = byte(n)
	}
	if p.scale > 0 && c.at(p.from).IsZero() {
		return status(457), nil
	}
	p.late = quirks.LateBye && c.played
	c.halt()
	if p.free {
		reply.Header["Rate-Control"] = base.HeaderValue{"no"}
	}
	c.playing, c.played = p, true
	return reply, func() { go p.run() }
}

func parseClockRange(text string) (from, until time.Time, err error) {
	span, ok := strings.CutPrefix(text, "clock=")
	a, b, cut := strings.Cut(span, "-")
	if !ok || !cut {
		return from, until, errors.New("no clock range")
	}
	if from, err = time.Parse("20060102T150405Z", a); err == nil && b != "" {
		until, err = time.Parse("20060102T150405Z", b)
	}
	return from, until, err
}

// halt ends what plays.
func (c *archiveClient) halt() {
	if p := c.playing; p != nil {
		close(p.stop)
		<-p.done
		c.playing = nil
	}
}

// run sends pictures and sound until the end.
func (p *archivePlay) run() {
	defer close(p.done)
	p.began = time.Now()
	var err error
	if p.scale < 0 {
		err = p.backwards()
	} else {
		err = p.forwards()
	}
	if err == nil {
		err = p.end()
	}
	if err != nil && !errors.Is(err, errHalted) {
		_ = p.client.conn.Close()
	}
}

var errHalted = errors.New("halted")

// forwards begins with the key picture at or before from.
func (p *archivePlay) forwards() error {
	c := p.client
	gop := int64(c.clip.GOP)
	n := c.at(p.from).UnixMilli() / pictureTime.Milliseconds() / gop * gop
	frames := int64(-1)
	sent := 0
	for ; ; n++ {
		at := time.UnixMilli(n * pictureTime.Milliseconds())
		if !p.until.IsZero() && !at.Before(p.until) {
			return nil
		}
		ok, last := c.recordedAt(at)
		if !ok {
			next := c.at(at)
			if next.IsZero() {
				return nil
			}
			// The group of pictures that a span begins in is whole.
			n, frames = next.UnixMilli()/pictureTime.Milliseconds()/gop*gop, -1
			if before := time.UnixMilli(n * pictureTime.Milliseconds()); before.Before(at) {
				n += gop
			}
			at = time.UnixMilli(n * pictureTime.Milliseconds())
			_, last = c.recordedAt(at)
		}
		if !p.intra || n%gop == 0 {
			if err := p.picture(n, at, last, false); err != nil {
				return err
			}
			sent++
		}
		if !p.intra && p.scale == 1 {
			if err := p.sound(&frames, at); err != nil {
				return err
			}
		}
		if c.hangUp(sent) {
			return errors.New("session dies")
		}
	}
}

// hangUp tells whether the session dies now.
func (a *Archive) hangUp(sent int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.cfg.Quirks.HangsUpAfter == 0 || sent < a.cfg.Quirks.HangsUpAfter || a.hungUp {
		return false
	}
	a.hungUp = true
	return true
}

// backwards sends group after group, the last one first; each is sent forwards.
func (p *archivePlay) backwards() error {
	c := p.client
	gop := int64(c.clip.GOP)
	for n := p.from.UnixMilli() / pictureTime.Milliseconds() / gop * gop; ; n -= gop {
		at := time.UnixMilli(n * pictureTime.Milliseconds())
		if at.Before(c.cfg.Spans[0][0]) || !p.until.IsZero() && at.Before(p.until) {
			return nil
		}
		for i := range gop {
			at := at.Add(time.Duration(i) * pictureTime)
			if ok, last := c.recordedAt(at); ok {
				if err := p.picture(n+i, at, last, i == 0); err != nil {
					return err
				}
			}
			if p.intra {
				break
			}
		}
	}
}

// pace waits until a picture is due.
func (p *archivePlay) pace(at time.Time) error {
	if p.start.IsZero() {
		p.start = at
	}
	wait := time.Duration(0)
	if !p.free {
		wait = time.Until(p.began.Add(time.Duration(float64(at.Sub(p.start)) / max(p.scale, 0.01))))
	}
	if wait <= 0 {
		select {
		case <-p.stop:
			return errHalted
		default:
			return nil
		}
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-p.stop:
		return errHalted
	case <-timer.C:
		return nil
	}
}

// remain sends another key picture of a PLAY that is over.
func (p *archivePlay) remain() {
	p.stop = make(chan struct{})
	gop := int64(p.client.clip.GOP)
	n := p.last / gop * gop
	_ = p.picture(n, time.UnixMilli(n*pictureTime.Milliseconds()), false, false)
}

// picture sends the picture with number n, counted from 1970.
func (p *archivePlay) picture(n int64, at time.Time, last, discontinuity bool) error {
	if err := p.pace(at); err != nil {
		return err
	}
	c := p.client
	p.last = n
	clip := c.clip.Pictures[n%int64(len(c.clip.Pictures))]
	packets, err := c.tracks[0].encode(clip.NALUs)
	if err != nil {
		return err
	}
	spans := c.cfg.Spans
	flags := byte(0)
	for bit, on := range map[byte]bool{
		0x80: clip.Key, 0x40: last, 0x20: discontinuity,
		0x10: last && c.cfg.Quirks.Ends == EndByTerminalBit && !at.Add(pictureTime).Before(spans[len(spans)-1][1]),
	} {
		if on {
			flags |= bit
		}
	}
	for i, packet := range packets {
		packet.Timestamp = uint32(n * int64(pictureTime/time.Millisecond) * (media.Clock / 1000))
		if err := p.send(c.video, packet, at, flags, i == 0); err != nil {
			return err
		}
	}
	if p.late {
		p.late = false
		return p.write(c.video+1, goodbye())
	}
	return nil
}

// sound sends the audio frames up to the end of the picture at at.
func (p *archivePlay) sound(frames *int64, at time.Time) error {
	c := p.client
	if c.audio < 0 {
		return nil
	}
	samples, rate := int64(c.clip.FrameSamples), int64(c.clip.Audio.SampleRate)
	until := at.Add(pictureTime).UnixMilli() * rate / 1000 / samples
	if *frames < 0 {
		*frames = at.UnixMilli() * rate / 1000 / samples
	}
	for ; *frames < until; *frames++ {
		packets, err := c.tracks[1].encode([][]byte{c.clip.Frames[*frames%int64(len(c.clip.Frames))]})
		if err != nil {
			return err
		}
		recorded := time.UnixMicro(*frames * samples * 1000 / rate * 1000)
		for _, packet := range packets {
			packet.Timestamp = uint32(*frames * samples)
			if err := p.send(c.audio, packet, recorded, 0, true); err != nil {
				return err
			}
		}
	}
	return nil
}

// send writes one packet; the first one of a picture says when it was recorded.
func (p *archivePlay) send(channel int, packet *rtp.Packet, at time.Time, flags byte, first bool) error {
	c := p.client
	if first && !c.cfg.Quirks.NoExtension {
		var ext [12]byte
		binary.BigEndian.PutUint32(ext[0:], uint32(at.Unix()+2208988800))
		binary.BigEndian.PutUint32(ext[4:], uint32(int64(at.Nanosecond())<<32/int64(time.Second)))
		ext[8], ext[9] = flags, p.cseq
		packet.Extension, packet.ExtensionProfile = true, 0xabac
		if err := packet.SetExtension(0, ext[:]); err != nil {
			return err
		}
	}
	body, err := packet.Marshal()
	if err != nil {
		return err
	}
	return p.write(channel, body)
}

func (p *archivePlay) write(channel int, body []byte) error {
	c := p.client
	c.writing.Lock()
	defer c.writing.Unlock()
	frame := append([]byte{'$', byte(channel), byte(len(body) >> 8), byte(len(body))}, body...)
	if d := c.cfg.Quirks.HangsUpWhenUnread; d > 0 {
		_ = c.conn.SetWriteDeadline(time.Now().Add(d))
	}
	_, err := c.conn.Write(frame)
	if e := net.Error(nil); errors.As(err, &e) && e.Timeout() {
		return fmt.Errorf("client does not read: %w", err)
	}
	return err
}

// goodbye is an RTCP BYE.
func goodbye() []byte { return []byte{0x81, 203, 0, 1, 1, 2, 3, 4} }

// end tells the client in the recorder's way that there is no more.
func (p *archivePlay) end() error {
	c := p.client
	switch c.cfg.Quirks.Ends {
	case EndByBye:
		return p.write(c.video+1, goodbye())
	case EndByAnnounce:
		c.writing.Lock()
		defer c.writing.Unlock()
		_, err := fmt.Fprintf(c.conn, "ANNOUNCE %s RTSP/1.0\r\nCSeq: 1\r\nSession: 4711\r\nNotice: 2101\r\n\r\n", c.URL())
		return err
	case EndByClosing:
		return errors.New("recording is over")
	case EndByTerminalBit, EndBySilence:
	}
	return nil
}
