package bridge

import (
	"context"
	"net/netip"

	"gbgate/gb28181/sdp"
	"gbgate/media/rtpout"
)

// line is the sender of a call. A re-INVITE hands it on to the call that follows in the dialog, so that media still
// come from the port that the superior was told.
type line struct {
	*rtpout.Sender
	udp   bool
	local netip.Addr

	turn chan struct{} // full while a session sends
	// What the session whose turn it is knows.
	aimed target
	feed  *Feed // whose unit was sent last
	last  int64 // that unit's place on the stream's clock
}

// target is where media go and as what.
type target struct {
	remote      netip.AddrPort
	ssrc        uint32
	payloadType uint8
}

func targetOf(offer *sdp.Offer) target { return target{offer.Remote, offer.SSRC, offer.PayloadType} }

// line returns the sender for a call: the one of the call before in the dialog where that can send as offer wants,
// else a new one.
func (v *View) line(call Call, offer *sdp.Offer) (l *line, inherited bool, err error) {
	var kept *line
	if k, ok := call.(Keeper); ok {
		kept, _ = k.Kept().(*line)
	}
	return v.lineOr(kept, call, offer)
}

// lineOr returns kept, which may be nil, where that can send as offer wants, else a new line.
func (v *View) lineOr(kept *line, call Call, offer *sdp.Offer) (l *line, inherited bool, err error) {
	if kept != nil && kept.udp && offer.Transport == sdp.UDP && kept.local == call.LocalIP() && kept.Err() == nil {
		return kept, true, nil
	}
	sender, err := rtpout.Open(v.sending(offer, call.LocalIP(), offer.SSRC))
	if err != nil {
		return nil, false, err
	}
	return &line{
		Sender: sender, udp: offer.Transport == sdp.UDP, local: call.LocalIP(), aimed: targetOf(offer),
		turn: make(chan struct{}, 1),
	}, false, nil
}

// take waits until the session before has stopped, and directs the line to where offer wants media.
func (l *line) take(ctx context.Context, offer *sdp.Offer) error {
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	to := targetOf(offer)
	if to == l.aimed {
		return nil
	}
	if err := l.Move(to.remote, to.ssrc, to.payloadType); err != nil {
		l.release()
		return err
	}
	l.aimed = to
	return nil
}

// release lets the session after go on.
func (l *line) release() { <-l.turn }
