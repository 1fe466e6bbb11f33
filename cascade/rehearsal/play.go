package rehearsal

import (
	"context"
	"errors"
	"io"
	"time"

	"gbgate/gb28181/sipua"
)

// PlayRequest is what to play, how, and for how long.
type PlayRequest struct {
	Channel string
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

// call is what the SIP side must know of a play.
type call struct {
	hungUp chan struct{} // closed when the node's BYE came
}

// Play is not there yet.
func (n *Node) Play(ctx context.Context, req PlayRequest) (*PlayResult, error) {
	return nil, errors.New("rehearsal: not there yet")
}

func (p *Platform) bye(_ context.Context, r *sipua.Request) {}
