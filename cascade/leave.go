package cascade

import (
	"context"
	"time"
)

// leave says BYE to all calls, then unregisters, within Timers.Leave.
func (p *Platform) leave(ctx context.Context) State {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.cfg.Timers.Leave)
	defer cancel()
	for _, s := range p.subscriptions("") {
		s.terminate()
	}
	p.endAll()
	p.site.Release()
	p.waitCalls(ctx, p.cfg.Timers.Leave/2)
	p.unregister(ctx)
	return Offline
}

// waitCalls waits until the calls have said BYE, so that the superior gets it while it still knows us.
func (p *Platform) waitCalls(ctx context.Context, d time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	for _, c := range p.allCalls() {
		select {
		case <-c.done:
		case <-ctx.Done():
			p.log.Warn("call still ending", "call", c.id)
		}
	}
}

// unregister takes the binding back, where there is one or may be: a REGISTER that a superior has not answered within
// a second has most likely made none. Some platforms never answer (srs-sip), so ctx bounds it, and a superior
// that has been silent before gets little more than the packet.
func (p *Platform) unregister(ctx context.Context) {
	registered, underway := p.until().After(time.Now()), time.Since(p.reg.inFlight) < time.Second
	switch {
	case !registered && !underway:
		return
	case !registered, p.reg.missed > 0, !p.reg.inFlight.IsZero():
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, p.cfg.Timers.Leave/6)
		defer cancel()
	}
	_, _, err := p.registerExchange(ctx, 0, false)
	if err != nil {
		p.log.Info("unregistration not confirmed", "error", err)
	}
	p.mu.Lock()
	p.status.RegisteredUntil = time.Time{}
	p.mu.Unlock()
}
