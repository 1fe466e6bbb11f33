package cascade

import (
	"context"
	"slices"
	"sync"
	"time"

	"gbgate/gb28181/manscdp"
)

const maxLanes = 4096 // devices whose last PTZ is remembered

// lanes bring the controls of each device into the order in which the sockets delivered them: handlers run in
// goroutines of their own, and a stop that overtakes its move leaves a camera turning.
type lanes struct {
	mu      sync.Mutex
	waiting map[string][]asked // by DeviceID, by arrival
	running map[string]bool
	last    map[string]uint64 // arrival of the last PTZ executed
}

func newLanes() *lanes {
	return &lanes{
		waiting: make(map[string][]asked),
		running: make(map[string]bool),
		last:    make(map[string]uint64),
	}
}

// control queues a DeviceControl behind the older ones of its device.
func (p *Platform) control(a asked) {
	id := a.m.Head().DeviceID
	l := p.lanes
	l.mu.Lock()
	defer l.mu.Unlock()
	at, _ := slices.BinarySearchFunc(l.waiting[id], a.arrival, func(w asked, arrival uint64) int {
		if w.arrival < arrival {
			return -1
		}
		return 1
	})
	l.waiting[id] = slices.Insert(l.waiting[id], at, a)
	if !l.running[id] {
		l.running[id] = true
		p.busy.Go(func() { p.runLane(id) })
	}
}

// runLane executes one device's controls until none is left.
func (p *Platform) runLane(id string) {
	for {
		a, wait, ok := p.lanes.next(id, p.cfg.Timers.Reorder)
		switch {
		case !ok:
			return
		case wait > 0:
			time.Sleep(wait) // milliseconds
		default:
			p.execute(a)
			a.done()
		}
	}
}

// next takes the oldest control of a device, or says how long to wait for older ones still on their way.
func (l *lanes) next(id string, reorder time.Duration) (a asked, wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.waiting[id]
	if len(w) == 0 {
		delete(l.waiting, id)
		delete(l.running, id)
		return asked{}, 0, false
	}
	if wait = reorder - time.Since(w[0].at); wait > 0 {
		return asked{}, wait, true
	}
	l.waiting[id] = w[1:]
	return w[0], 0, true
}

// overtaken says that a newer PTZ of the device was executed before this one, and notes this one otherwise.
func (l *lanes) overtaken(id string, arrival uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if arrival < l.last[id] {
		return true
	}
	if _, known := l.last[id]; !known && len(l.last) >= maxLanes {
		clear(l.last)
	}
	l.last[id] = arrival
	return false
}

// execute runs one control and answers it if its kind has a Response (GB/T 28181-2022 9.3.1 d, e).
func (p *Platform) execute(a asked) {
	c, ok := a.m.(*manscdp.DeviceControl)
	if !ok || a.ctx.Err() != nil {
		return
	}
	kind := c.Kind()
	if kind == manscdp.ControlPTZ && p.lanes.overtaken(c.DeviceID, a.arrival) {
		p.log.Warn("PTZ command dropped: a newer one was executed", "device", c.DeviceID, "sn", c.SN)
		return
	}
	ctx, cancel := context.WithTimeout(a.ctx, p.cfg.Timers.Operation)
	defer cancel()
	res, err := p.site.DeviceControl(ctx, c)
	if err != nil {
		p.log.Warn("control failed", "command", kind.String(), "device", c.DeviceID, "error", err)
		res = &manscdp.ControlResponse{Result: manscdp.ERROR}
	}
	if !kind.Answered() && !p.cfg.Compat.RespondControls {
		return
	}
	if res == nil {
		res = &manscdp.ControlResponse{Result: manscdp.OK}
	}
	res.Header = c.Answer()
	p.answer(a, res)
}
