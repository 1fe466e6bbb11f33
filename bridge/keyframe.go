package bridge

import (
	"context"
	"errors"
	"sync"
	"time"

	"gbgate/media"
)

const (
	// handshake is how long a camera that is not pulled yet has for its RTSP handshake. Most begin with a key
	// picture by themselves; one that has not by then is asked.
	handshake = time.Second
	// keyWithin is how long the request for a key picture may take.
	keyWithin = 5 * time.Second
)

// hasten sees to it that a new viewer need not wait long for a key picture: it asks the camera for one of its main
// stream and, where none comes, opens the session anew. The function it returns ends that and waits.
func (v *View) hasten(ctx context.Context, c *Channel, lease *Lease) (stop func()) {
	if lease.Queued() > 0 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var asking sync.WaitGroup
	asking.Go(func() {
		timer := time.NewTimer(handshake)
		defer timer.Stop()
		if lease.feed.live() || errors.Is(lease.Ready(ctx, timer.C), errTimer) {
			v.requestKey(ctx, c, lease)
		}
		for lease.Waiting() && media.Wait(ctx, thirst) == nil {
			if lease.Waiting() && lease.feed.reopen() {
				v.log.Info("camera's session is opened anew: no key picture comes", "camera", c.Name)
			}
		}
	})
	return func() { cancel(); asking.Wait() }
}

// requestKey asks the camera for a key picture; it is only a wish.
func (v *View) requestKey(ctx context.Context, c *Channel, lease *Lease) {
	if c.KeyFramer == nil || lease.feed != c.feed {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, keyWithin)
	defer cancel()
	if err := c.KeyFramer.RequestKeyFrame(ctx); err != nil && ctx.Err() == nil {
		v.log.Debug("no key picture on request", "camera", c.Name, "reason", err.Error())
	}
}
