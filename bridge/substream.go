package bridge

import (
	"context"

	"gbgate/gb28181"
	"gbgate/gb28181/sdp"
	"gbgate/media"
)

// watchCamera subscribes a call to the stream of the camera that it is to get, and waits until it can be answered.
// leave gives the lease back.
func (v *View) watchCamera(ctx context.Context, c *Channel, offer *sdp.Offer) (l *Lease, leave func(), err error) {
	feed := v.choose(c, offer)
	for {
		lease := feed.Subscribe(v.cfg.Start)
		stop := v.hasten(ctx, c, lease)
		leave := func() { stop(); _ = lease.Close() }
		if err := v.awaitCamera(ctx, c, lease); err != nil {
			leave()
			return nil, nil, err
		}
		if d := feed.stream.Description(); !d.HasVideo() || d.Video.Codec != media.H265 || !v.cfg.RefuseH265 {
			return lease, leave, nil
		}
		leave()
		if !v.cfg.H265Sub || c.sub == nil || feed == c.sub {
			return nil, nil, gb28181.Errorf(488, "camera sends H.265, which this platform does not take")
		}
		v.log.Info("H.265 is not taken: the sub stream is sent", "camera", c.Name)
		feed = c.sub
	}
}

// choose returns the stream of a camera that a call wants, as far as there is one: the offer says which, else the
// configuration does, and else a share of the uplink that is used up.
func (v *View) choose(c *Channel, offer *sdp.Offer) *Feed {
	switch {
	case c.sub == nil || offer.Stream == 0:
		return c.feed
	case offer.Stream > 0 || v.cfg.SubStream:
		return c.sub
	case v.cfg.ShareSub && v.share.full(c.feed.rate()):
		v.log.Info("the share of the uplink is used up: the sub stream is sent", "camera", c.Name)
		return c.sub
	}
	return c.feed
}
