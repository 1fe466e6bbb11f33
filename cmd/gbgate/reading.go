package main

import "context"

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
