package cascade

import (
	"context"
	"errors"
	"time"
)

// span is the time that something of the superior's may run: a context, and how it ends.
type span struct {
	ctx context.Context
	end context.CancelCauseFunc
}

func newSpan(ctx context.Context) span {
	ctx, end := context.WithCancelCause(ctx)
	return span{ctx, end}
}

// next is a span for what comes after s has ended.
func (s span) next() span { return newSpan(context.WithoutCancel(s.ctx)) }

// lost ends everything that hangs on the registration: GB/T 28181-2022 Annex K has media released when the peer is
// judged offline, at once or, with Compat.MediaGrace, unless it is back soon.
func (p *Platform) lost(cause error) {
	cause = errors.Join(ErrOffline, cause)
	p.mu.Lock()
	p.status.RegisteredUntil = time.Time{}
	work := p.work
	p.work = work.next()
	p.mu.Unlock()
	work.end(cause)
	if grace := p.cfg.Compat.MediaGrace; grace > 0 && !errors.Is(cause, errUnknown) {
		p.spare(grace, cause)
	} else {
		p.endCalls(cause)
	}
	p.site.Release()
	p.dropSubscriptions(cause)
}

// spare lets the calls go on for a while.
func (p *Platform) spare(grace time.Duration, cause error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.spared != nil {
		return
	}
	var mine *time.Timer
	mine = time.AfterFunc(grace, func() {
		p.mu.Lock()
		late := p.spared != mine
		p.mu.Unlock()
		if !late {
			p.endCalls(cause)
		}
	})
	p.spared = mine
}

// backInTime ends the sparing: the superior is there again.
func (p *Platform) backInTime() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.spared != nil {
		p.spared.Stop()
		p.spared = nil
	}
}

// endCalls ends the calls that there are; new ones may come.
func (p *Platform) endCalls(cause error) {
	p.mu.Lock()
	if p.spared != nil {
		p.spared.Stop()
		p.spared = nil
	}
	calling := p.calling
	p.calling = calling.next()
	p.mu.Unlock()
	calling.end(cause)
}

// endAll ends everything, and lets nothing new in.
func (p *Platform) endAll() {
	p.mu.Lock()
	p.running = false
	work := p.work
	p.mu.Unlock()
	work.end(ErrShutdown)
	p.endCalls(ErrShutdown)
}
