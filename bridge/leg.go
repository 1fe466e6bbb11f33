package bridge

import (
	"context"
	"io"
	"sync/atomic"
	"time"

	"gbgate/gb28181"
	"gbgate/gb28181/sdp"
)

// leg is the way of one call's media to its superior, whatever is sent on it: a live camera or a recording.
type leg struct {
	view    *View
	channel *Channel
	line    *line
	offer   atomic.Pointer[sdp.Offer] // with an SSRC; one that came with the ACK replaces our own
	began   time.Time
	kept    bool          // the dialog has the line
	skipped atomic.Uint64 // packs that the receiver or the superior's share was too slow for
}

func newLeg(v *View, channel *Channel, l *line, offer *sdp.Offer) *leg {
	g := &leg{view: v, channel: channel, line: l, began: time.Now()}
	g.offer.Store(offer)
	return g
}

// open answers the call, leaves keep to its dialog where that keeps things, and directs the line to where the offer
// wants media. Then the line is ours until line.release.
func (g *leg) open(ctx context.Context, call Call, answer sdp.Answer, keep io.Closer) error {
	if err := call.Answer(ctx, answer); err != nil {
		return err
	}
	if k, ok := call.(Keeper); ok {
		k.Keep(keep)
		g.kept = true
	}
	offer := g.offer.Load()
	if told := call.Offer(); told.Remote != offer.Remote {
		offer = g.view.numbered(told)
		g.offer.Store(offer)
	}
	return g.line.take(ctx, offer)
}

func (g *leg) status() CallStatus {
	names := map[sdp.Transport]string{sdp.UDP: "udp", sdp.TCPPassive: "tcp-passive", sdp.TCPActive: "tcp-active"}
	offer := g.offer.Load()
	return CallStatus{
		Superior: g.view.cfg.Superior, Camera: g.channel.Name, Channel: g.view.idOf(g.channel),
		Kind: offer.Kind.String(), Transport: names[offer.Transport],
		Remote: offer.Remote.String(), LocalPort: g.line.LocalPort(),
		SSRC: gb28181.FormatSSRC(offer.SSRC), Since: g.began, Skipped: g.skipped.Load(),
		Stats: g.line.Stats(),
	}
}
