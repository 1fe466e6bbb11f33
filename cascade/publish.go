package cascade

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"slices"
	"time"

	"gbgate/gb28181/manscdp"
)

// Publish tells the superior what happened on the site. It never blocks and may be called at any time.
//
// Changes of the catalog go to those who subscribed to them, collected; an alarm goes to its subscription, or by
// MESSAGE where there is none; everything else goes by MESSAGE. While we are not registered the last 64 messages wait;
// what subscriptions wait for is bounded, too, and the oldest goes first.
func (p *Platform) Publish(m manscdp.Message) {
	switch m := m.(type) {
	case *manscdp.CatalogNotify:
		p.publishChanges(m)
	case *manscdp.MobilePositionNotify, *manscdp.PTZPositionNotify: // asked for when they are due
	case *manscdp.AlarmNotify:
		p.publishAlarm(m.For(p.Edition()))
	default:
		p.push(m)
	}
}

func (p *Platform) publishChanges(m *manscdp.CatalogNotify) {
	for _, s := range p.subscriptions("Catalog") {
		s.mu.Lock()
		full := false
		for _, it := range m.Items {
			full = !s.changes.add(it, time.Now()) || full
		}
		s.mu.Unlock()
		if full {
			p.log.Warn("catalog changes lost: too many are waiting", "call", s.callID)
		}
		poke(s.wake)
	}
}

// publishAlarm never sends an alarm both ways: WVP would record it twice. A subscription whose filter leaves it out has
// said that it is not wanted.
func (p *Platform) publishAlarm(m *manscdp.AlarmNotify) {
	subscribed := false
	for _, s := range p.subscriptions("Alarm") {
		if s.covers(m.DeviceID) {
			s.addAlarm(m)
			subscribed = true
		}
	}
	if !subscribed && !p.cfg.Compat.NoAlarmPush {
		p.push(m)
	}
}

// push sends a message of our own accord, or keeps it until we are registered. It goes behind what waits already, which
// may be there for a moment after the registration, too.
func (p *Platform) push(m manscdp.Message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) == maxAnswers {
		p.waiting = slices.Delete(p.waiting, 0, 1)
	}
	p.waiting = append(p.waiting, m)
	if p.running && p.status.State.registered() {
		p.tell()
	}
}

// tell queues what waits, each under a header of ours; the callers' are not changed, as they may go to several
// superiors. p.mu is held.
func (p *Platform) tell() {
	for _, m := range p.waiting {
		own, err := withHeader(m, p.nextSN(), p.cfg.NodeID)
		if err != nil {
			p.log.Error("message not sent", "error", err)
			continue
		}
		if len(p.outgoing) == maxAnswers {
			p.outgoing = slices.Delete(p.outgoing, 0, 1)
		}
		p.outgoing = append(p.outgoing, own)
	}
	p.waiting = nil
	if p.telling || len(p.outgoing) == 0 {
		return
	}
	p.telling = true
	ctx := p.work.ctx
	p.busy.Go(func() { p.tellAll(ctx) })
}

// tellAll sends what is queued in its order, so that nobody has left before he entered: the next message when the
// former has its answer, or after PartTimeout without one. What the end of ctx leaves over waits for the registration.
func (p *Platform) tellAll(ctx context.Context) {
	for {
		p.mu.Lock()
		if ctx.Err() != nil {
			p.waiting = append(p.waiting, p.outgoing...)
			p.waiting, p.outgoing = p.waiting[max(0, len(p.waiting)-maxAnswers):], nil
		}
		if len(p.outgoing) == 0 {
			p.telling = false
			p.mu.Unlock()
			return
		}
		m := p.outgoing[0]
		p.outgoing = p.outgoing[1:]
		p.mu.Unlock()
		req, err := p.message(m, p.superior().id)
		if err != nil {
			p.log.Error("message not sent", "error", err)
			continue
		}
		answered := make(chan struct{})
		p.dispatch(ctx, &p.pushes, func(ctx context.Context) {
			defer close(answered)
			p.deliver(ctx, m, req)
		})
		late := time.NewTimer(p.cfg.Timers.PartTimeout)
		select {
		case <-answered:
		case <-late.C:
		case <-ctx.Done():
		}
		late.Stop()
	}
}

// withHeader copies a message under another SN, and with a DeviceID if it has none.
func withHeader(m manscdp.Message, sn, device string) (manscdp.Message, error) {
	from := reflect.ValueOf(m)
	if from.Kind() != reflect.Pointer || from.IsNil() {
		return nil, fmt.Errorf("%T is no message", m)
	}
	to := reflect.New(from.Type().Elem())
	to.Elem().Set(from.Elem())
	own, ok := to.Interface().(manscdp.Message)
	if !ok {
		return nil, fmt.Errorf("%T is no message", m)
	}
	h := own.Head()
	h.SN, h.DeviceID = sn, cmp.Or(h.DeviceID, device)
	return own, nil
}

// flush sends what waited for the registration.
func (p *Platform) flush() {
	p.mu.Lock()
	p.tell()
	p.mu.Unlock()
	for _, s := range p.subscriptions("") {
		poke(s.wake)
	}
}
