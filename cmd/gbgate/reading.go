package main

import (
	"context"
	"runtime/debug"
)

// memoryGrowth is how far the heap may grow beyond what lives, in percent. Nearly all that lives are the
// cached pictures of the cameras, and the hot path makes no garbage: half as much again is room enough,
// while Go's default would let the pictures take twice their size.
const memoryGrowth = 50

// tuneMemory sets the collector for a box of little memory, unless GOGC says otherwise.
func tuneMemory(getenv func(string) string) {
	if getenv("GOGC") == "" {
		debug.SetGCPercent(memoryGrowth)
	}
}

// poll reads from the cameras until the returned function is called.
func (g *gateway) poll(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := fatal("poller", g.poller.Run(ctx)); err != nil {
			g.log.Error("cameras are not read any more", "error", err)
		}
	}()
	return func() { cancel(errStopped); <-done }
}
