package bridge

import (
	"context"
	"time"
)

// part tells that all was sent and waits for the superior to hang up, or to want more.
func (p *player) part(ctx, waiting context.Context, out outlet) error {
	p.pace.halt()
	if p.bye == nil {
		p.bye = newParting(ctx, out)
	}
	select {
	case <-p.bye.done:
	case <-waiting.Done():
		return context.Cause(waiting)
	}
	if err := pause(waiting, time.Until(p.bye.until)); err != nil {
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

func newParting(ctx context.Context, out outlet) *parting {
	ctx, cancel := context.WithCancel(ctx)
	b := &parting{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(b.done)
		grace := out.over(ctx)
		b.told, b.until = ctx.Err() == nil, time.Now().Add(grace)
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
func (p *player) recall() {
	if p.bye != nil {
		p.bye.stop()
		p.bye = nil
	}
}

// handOn leaves to the next run, which a re-INVITE brings, what the superior knows: it is not told twice.
func (p *player) handOn() {
	if p.bye != nil && p.bye.stop() {
		p.bye.until = time.Now().Add(leaveWithin)
	} else {
		p.bye = nil
	}
}
