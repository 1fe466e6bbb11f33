package bridge

import (
	"context"
	"sync"
	"time"

	"gbgate/gb28181/manscdp"
)

// stopWithin is how long a camera may take to stop when its gear ends.
const stopWithin = 2 * time.Second

// gear is what works behind a channel. It outlives changes of the channel's names and codes.
type gear struct {
	feed   *Feed
	sub    *Feed // the second stream; nil: there is none
	health *health
	motion *motion   // nil: fixed
	events *listener // nil: nobody listens to the camera

	pilot *pilot    // nil: fixed
	scout *scouting // nil: all is known
}

// run keeps feed and health going until ctx ends, and lets the camera stand still then.
func (g *gear) run(ctx context.Context) {
	var others sync.WaitGroup
	others.Go(func() { _ = g.health.run(ctx) })
	if g.motion != nil {
		others.Add(1)
		context.AfterFunc(ctx, func() { // not a goroutine that waits: there may be 10 000 channels
			defer others.Done()
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
			defer cancel()
			g.pilot.close()
			g.motion.halt(last, func(*axis) bool { return true })
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
	if g.pilot == nil {
		return nil
	}
	return g.pilot.homePosition()
}

func (g *gear) setHomePosition(h *manscdp.HomePosition) { g.pilot.setHome(*h) }
