package rehearsal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"gbgate/gb28181/sdp"
	"gbgate/gb28181/sipua"
)

// PlayRequest is what to play, how, and for how long.
type PlayRequest struct {
	Channel string
	// Kind is sdp.Playback or sdp.Download for what was recorded from Start to Stop (zero: to the end); the zero value
	// is live play. Speed is the a=downloadspeed of a download.
	Kind        sdp.Kind
	Start, Stop time.Time
	Speed       float64
	// Transport is named after the offer's a=setup: "udp", "tcp-passive" (we listen) or "tcp-active" (we connect).
	Transport string
	// Pictures and Duration end the play, whichever is reached first; Duration counts from the first packet. Both
	// zero: 25 pictures.
	Pictures int
	Duration time.Duration
	// Timeout is how long media may be missing, at the start and later; 10 s when zero.
	Timeout time.Duration
	// Save takes the program stream, SaveAudio the audio frames' bytes; both may be nil.
	Save, SaveAudio io.Writer

	// AckDelay and NoACK withhold the ACK; NoBye leaves the call standing, as Monibuca does.
	AckDelay time.Duration
	NoACK    bool
	NoBye    bool
	// NoSSRC offers without a y= line; SSRC offers this one instead of one of our own.
	NoSSRC bool
	SSRC   uint32
	// ByeByCallID hangs up with other tags than the call's, as a B2BUA in between does.
	ByeByCallID bool
	// Repeats sends INVITE, ACK and BYE that many times more, byte for byte; the answers must be the same.
	Repeats int
	// CancelAfter takes the INVITE back after that time; the play then fails with the 487. 0: never.
	CancelAfter time.Duration
	// NoOffer sends the INVITE without a session description: the node offers, our answer is in the ACK.
	NoOffer bool
	// Reinvite is a second INVITE in the call, after half of the pictures.
	Reinvite Reinvite
	// LateListen begins to listen for TCP only that long after the ACK, as Monibuca does.
	LateListen time.Duration
	// Linger keeps the receiver open that long after the BYE was answered: packets then are a fault.
	Linger time.Duration
	// Edit may change the INVITE, body included, before it is sent.
	Edit func(*sipua.Request)
}

// PlayResult is how a play went. Times count from the INVITE.
type PlayResult struct {
	Channel, Transport string
	Codec              string // empty: no video was recognised
	Width, Height      int
	FPS                float64
	BitrateKbps        int
	Audio              string // codec; empty: none came

	Answered     time.Duration // 200
	FirstPacket  time.Duration
	FirstPicture time.Duration // its last packet

	Packets, LostPackets int
	Pictures             int
	AudioFrames          int
	AudioBytes           int
	MaxBurst             int // most packets within one millisecond
	SenderReports        int // RTCP
	AnswerSDP            string
	// HungUp: the node sent BYE before we did.
	HungUp bool
	// Faults are the rules that answer and stream broke, one plain sentence each.
	Faults []string
	// Report has the details.
	Report Report
}

// The transports of a PlayRequest.
const (
	UDP        = "udp"
	TCPPassive = "tcp-passive"
	TCPActive  = "tcp-active"
)

// Reinvite is what a second INVITE in a call wants.
type Reinvite uint8

// The kinds of second INVITEs.
const (
	NoReinvite   Reinvite = iota
	ReinviteSame          // nothing: the answer must be that of the first
	ReinviteMove          // media at another port from now on; UDP only
	ReinviteHold          // no media for a second, then media again
)

// Why a play that was answered ended too early.
var (
	ErrNoMedia    = errors.New("no media in time")
	ErrHungUp     = errors.New("the node hung up")
	ErrDisconnect = errors.New("the media connection ended")
)

// watchEvery is how often a play looks at its clocks; byeGrace is how long the node's BYE may trail the end of its
// media connection.
const (
	watchEvery = 20 * time.Millisecond
	byeGrace   = 500 * time.Millisecond
)

// Play invites a channel, receives and judges its media, and hangs up. An error before the answer comes with a nil
// result; a refusal has a *gb28181.Error in its chain. An error after the answer (ErrNoMedia, ErrHungUp,
// ErrDisconnect, the end of ctx) comes with what was received until then. Broken rules are no error but Faults.
func (n *Node) Play(ctx context.Context, req PlayRequest) (*PlayResult, error) {
	if req.Pictures <= 0 && req.Duration <= 0 {
		req.Pictures = 25
	}
	req.Timeout = orDefault(req.Timeout, 10*time.Second)
	c, err := n.newCall(req)
	if err != nil {
		return nil, fmt.Errorf("play %s: %w", req.Channel, err)
	}
	defer c.media.close()
	n.p.enter(c)
	defer n.p.leave(c)
	defer func() {
		if c.moved != nil {
			c.moved.close()
		}
	}()

	if err := c.invite(ctx); err != nil {
		return nil, fmt.Errorf("play %s: %w", req.Channel, err)
	}
	err = c.receive(ctx)
	if byeErr := c.hangUp(ctx); err == nil {
		err = byeErr
	}
	c.media.close()
	if err != nil {
		err = fmt.Errorf("play %s: %w", req.Channel, err)
	}
	return c.result(), err
}

// receive acknowledges the answer and takes media until the play's goal is reached.
func (c *call) receive(ctx context.Context) error {
	acked := make(chan error, 1)
	wait, cancel := context.WithCancel(ctx)
	go func() { acked <- c.acknowledge(wait) }()
	err := c.connect(wait)
	if err == nil {
		err = c.reinvite(ctx)
	}
	if err == nil {
		err = c.watch(ctx)
	}
	cancel()
	if ackErr := <-acked; err == nil {
		err = ackErr
	}
	return err
}

// watch waits for the first reason to end the play.
func (c *call) watch(ctx context.Context) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-c.sink.reached:
			return nil
		case <-c.hungUp:
			return ErrHungUp
		case <-c.sink.over:
			return c.overReason(ctx)
		case <-ctx.Done():
			return context.Cause(ctx)
		case now := <-tick.C:
			first, last := c.sink.times()
			if c.req.Duration > 0 && !first.IsZero() && now.Sub(first) >= c.req.Duration {
				return nil
			}
			if last.Before(c.answered) {
				last = c.answered
			}
			if now.Sub(last) > c.req.Timeout {
				return ErrNoMedia
			}
		}
	}
}

// overReason says why the media connection is over; a BYE or the goal that came with its end counts first.
func (c *call) overReason(ctx context.Context) error {
	grace, cancel := context.WithTimeout(ctx, byeGrace)
	defer cancel()
	select {
	case <-c.sink.reached:
		return nil
	case <-c.hungUp:
		return ErrHungUp
	case <-grace.Done():
		return fmt.Errorf("%w: %w", ErrDisconnect, c.sink.overErr())
	}
}

// result puts together what the call and its receiver know.
func (c *call) result() *PlayResult {
	rep, reports := c.sink.finish()
	since := func(t time.Time) time.Duration {
		if t.IsZero() {
			return 0
		}
		return t.Sub(c.invited)
	}
	rep.Faults = append(c.faults.list(), rep.Faults...)
	res := &PlayResult{
		Channel: c.req.Channel, Transport: c.req.Transport,
		Codec: rep.Codec, Width: rep.Width, Height: rep.Height, FPS: rep.FPS,
		BitrateKbps: rep.BitrateKbps, Audio: rep.Audio,
		Answered: since(c.answered), FirstPacket: since(rep.FirstPacket), FirstPicture: since(rep.FirstPicture),
		Packets: rep.Packets, LostPackets: rep.LostPackets, Pictures: rep.Pictures,
		AudioFrames: rep.AudioFrames, AudioBytes: rep.AudioBytes, MaxBurst: rep.MaxBurst,
		SenderReports: reports, AnswerSDP: c.answerSDP, Faults: rep.Faults, Report: rep,
	}
	select {
	case <-c.hungUp:
		res.HungUp = true
	default:
	}
	return res
}
