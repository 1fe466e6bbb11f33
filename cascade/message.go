package cascade

import (
	"context"
	"errors"
	"time"

	"gbgate/gb28181"
	"gbgate/gb28181/manscdp"
	"gbgate/gb28181/sipua"
)

const maxUnknown = 64 // CmdTypes that are logged once; of further ones nothing is said

// asked is one MANSCDP command from above whose 200 has been sent.
type asked struct {
	from    string // user of the request's From: the Response goes there
	arrival uint64
	at      time.Time // of the 200
	m       manscdp.Message
	ctx     context.Context
	done    func() // to be called when all is done
}

// onMessage answers a MESSAGE at once and acts after that: superiors wait for the 200 and for the Response apart.
func (p *Platform) onMessage(r *sipua.Request) {
	m, err := manscdp.Decode(r.Body)
	if err != nil {
		p.undecoded(r, err)
		return
	}
	c, ok := p.action(m)
	if !ok {
		respond(r, 200)
		return
	}
	// WVP answers so as a lower platform; a 200 would have the superior wait for a Response.
	if !c.anyDevice && p.cfg.Compat.UnknownDevice == "sip404" && !p.knows(m.Head().DeviceID) {
		refuse(r, gb28181.Errorf(404, "No such device"))
		return
	}
	ctx, done, ok := p.accept()
	if !ok {
		refuse(r, gb28181.Errorf(503, "Too much is waiting"))
		return
	}
	respond(r, 200)
	c.act(p, asked{from: r.From.URI.User, arrival: r.Arrival, at: time.Now(), m: m, ctx: ctx, done: done})
}

// undecoded answers what manscdp could not read: 400, 415, or 200 for a command that we do not have, as WVP does.
func (p *Platform) undecoded(r *sipua.Request, err error) {
	var unknown *manscdp.UnknownError
	if !errors.As(err, &unknown) {
		p.log.Warn("message not readable", "error", err, "bytes", len(r.Body))
		refuse(r, err)
		return
	}
	name := unknown.Root + " " + unknown.Header.CmdType
	p.mu.Lock()
	first := !p.unknown[name] && len(p.unknown) < maxUnknown
	if first {
		p.unknown[name] = true
	}
	p.mu.Unlock()
	if first {
		p.log.Warn("command not supported", "command", name)
	}
	respond(r, 200)
}

// sleep waits; false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// afterAnswer waits until the 200 is old enough: srs-sip begins to listen for the Response only when it has seen it.
func (p *Platform) afterAnswer(ctx context.Context, a asked) bool {
	return sleep(ctx, p.cfg.Timers.ResponseDelay-time.Since(a.at))
}
