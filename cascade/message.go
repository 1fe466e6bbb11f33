package cascade

import (
	"cmp"
	"context"
	"errors"
	"strings"
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

// command is one row of the dispatch table; act takes over asked.done.
type command struct {
	root, name string
	act        func(p *Platform, a asked)
}

// commands is the dispatch table. What manscdp reads and this does not name gets its 200 and nothing else.
func commands() []command {
	return []command{
		{manscdp.Query, "Catalog", queued((*Platform).catalog)},
		{manscdp.Query, "DeviceInfo", queued((*Platform).deviceInfo)},
		{manscdp.Query, "DeviceStatus", queued((*Platform).deviceStatus)},
		{manscdp.Control, "DeviceControl", (*Platform).control},
	}
}

// queued leaves a query to the workers.
func queued(answer func(p *Platform, ctx context.Context, a asked)) func(*Platform, asked) {
	return func(p *Platform, a asked) {
		run := func(ctx context.Context) { answer(p, ctx, a) }
		p.jobs <- job{ctx: a.ctx, run: run, done: a.done} // room was taken in accept
	}
}

// onMessage answers a MESSAGE at once and acts after that: superiors wait for the 200 and for the Response apart.
func (p *Platform) onMessage(r *sipua.Request) {
	m, err := manscdp.Decode(r.Body)
	if err != nil {
		p.undecoded(r, err)
		return
	}
	act := p.action(m)
	if act == nil {
		respond(r, 200)
		return
	}
	ctx, done, ok := p.accept()
	if !ok {
		refuse(r, gb28181.Errorf(503, "Too much is waiting"))
		return
	}
	respond(r, 200)
	act(p, asked{from: r.From.URI.User, arrival: r.Arrival, at: time.Now(), m: m, ctx: ctx, done: done})
}

func (p *Platform) action(m manscdp.Message) func(*Platform, asked) {
	for _, c := range p.commands {
		if c.root == m.Root() && strings.EqualFold(c.name, m.Head().CmdType) {
			return c.act
		}
	}
	return nil
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

func (p *Platform) deviceInfo(ctx context.Context, a asked) {
	q, ok := a.m.(*manscdp.DeviceInfoQuery)
	if !ok {
		return
	}
	limited, cancel := context.WithTimeout(ctx, p.cfg.Timers.Operation)
	defer cancel()
	res, err := p.site.DeviceInfo(limited, q)
	if err != nil || res == nil {
		p.log.Warn("device info", "device", q.DeviceID, "error", err)
		res = &manscdp.DeviceInfoResponse{Result: manscdp.ERROR}
	}
	if d := p.cfg.Device; q.DeviceID == p.cfg.NodeID {
		res.DeviceName = cmp.Or(res.DeviceName, d.Name)
		res.Manufacturer = cmp.Or(res.Manufacturer, d.Manufacturer)
		res.Model = cmp.Or(res.Model, d.Model)
		res.Firmware = cmp.Or(res.Firmware, d.Firmware)
	}
	res.Header = q.Answer()
	p.answer(ctx, a, res)
}

func (p *Platform) deviceStatus(ctx context.Context, a asked) {
	q, ok := a.m.(*manscdp.DeviceStatusQuery)
	if !ok {
		return
	}
	limited, cancel := context.WithTimeout(ctx, p.cfg.Timers.Operation)
	defer cancel()
	res, err := p.site.DeviceStatus(limited, q)
	if err != nil || res == nil {
		p.log.Warn("device status", "device", q.DeviceID, "error", err)
		res = &manscdp.DeviceStatusResponse{Result: manscdp.ERROR, Online: "OFFLINE", Status: manscdp.ERROR}
	}
	res.Header = q.Answer()
	p.answer(ctx, a, res)
}

// answer sends a Response of one part: a new MESSAGE with the SN of the question.
func (p *Platform) answer(ctx context.Context, a asked, m manscdp.Message) {
	req, err := p.message(m, a.from)
	if err != nil {
		p.log.Error("response not sent", "error", err)
		return
	}
	if !p.afterAnswer(ctx, a) {
		return
	}
	res, err := p.request(ctx, req)
	switch {
	case err != nil:
		p.log.Warn("response lost", "command", m.Head().CmdType, "sn", m.Head().SN, "error", err)
	case res.Code/100 != 2:
		p.log.Warn("response refused", "command", m.Head().CmdType, "sn", m.Head().SN, "code", res.Code)
	}
}

// afterAnswer waits until the 200 is old enough: srs-sip begins to listen for the Response only when it has seen it.
func (p *Platform) afterAnswer(ctx context.Context, a asked) bool {
	return sleep(ctx, p.cfg.Timers.ResponseDelay-time.Since(a.at))
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
