package playback

import (
	"context"
	"time"

	"gbgate/media"
)

// part tells that all was sent and waits for the superior to hang up, or to want more.
func (p *Player) part(ctx, waiting context.Context, out Outlet) error {
	p.pace.halt()
	if p.bye == nil {
		p.bye = newParting(ctx, out)
	}
	select {
	case <-p.bye.done:
	case <-waiting.Done():
		return context.Cause(waiting)
	}
	if err := media.Wait(waiting, time.Until(p.bye.until)); err != nil {
		return err
	}
	return errLeft
}

// parting is the end of a recording on its way to the superior. It has a goroutine of its own, which an order that
// changes nothing does not end.
type parting struct {
	cancel context.CancelFunc
	done   chan struct{} // closed when the rest is there
	told   bool          // and not given up
	until  time.Time     // the superior's time to hang up
}

func newParting(ctx context.Context, out Outlet) *parting {
	ctx, cancel := context.WithCancel(ctx)
	b := &parting{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(b.done)
		heard := out.Over(ctx)
		b.told, b.until = ctx.Err() == nil, time.Now()
		if heard {
			b.until = b.until.Add(leaveWithin)
		}
	}()
	return b
}

// stop ends what is under way and tells whether the superior had heard.
func (b *parting) stop() bool {
	b.cancel()
	<-b.done
	return b.told
}

// recall takes the end back: there is more, or the superior wants none.
func (p *Player) recall() {
	if p.bye != nil {
		p.bye.stop()
		p.bye = nil
	}
}

// handOn leaves to the next run, which a re-INVITE brings, what the superior knows: it is not told twice.
func (p *Player) handOn() {
	if p.bye != nil && p.bye.stop() {
		p.bye.until = time.Now().Add(leaveWithin)
	} else {
		p.bye = nil
	}
}
