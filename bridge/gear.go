package bridge

import (
	"context"
	"sync"

	"gbgate/bridge/ptz"
	"gbgate/gb28181/manscdp"
)

// gear is what works behind a channel. It outlives changes of the channel's names and codes.
type gear struct {
	feed   *Feed
	sub    *Feed // the second stream; nil: there is none
	health *health
	mount  *ptz.Mount // nil: fixed
	events *listener  // nil: nobody listens to the camera
	scout  *scouting  // nil: all is known
}

// run keeps feed and health going until ctx ends, and lets the camera stand still then.
func (g *gear) run(ctx context.Context) {
	var others sync.WaitGroup
	others.Go(func() { _ = g.health.run(ctx) })
	if g.mount != nil {
		others.Add(1)
		context.AfterFunc(ctx, func() { // not a goroutine that waits: there may be 10 000 channels
			defer others.Done()
			g.mount.Close()
		})
	}
	if g.scout != nil {
		others.Go(func() { g.scout.run(ctx) })
	}
	if g.events != nil {
		others.Go(func() { g.events.run(ctx) })
	}
	if g.sub != nil {
		others.Go(func() { _ = g.sub.Run(ctx) })
	}
	_ = g.feed.Run(ctx)
	others.Wait()
}

func (g *gear) homePosition() *manscdp.HomePosition {
	if g.mount == nil {
		return nil
	}
	return g.mount.Home()
}
