package onvif

import (
	"context"
	"maps"
	"slices"
	"sync"
)

// party is everybody who listens to the events of one device: the channels of a recorder share one
// subscription, as devices have few (onvif-simulator: two). One of them leads, that is, it pulls and
// hands on to all; when it goes, another does. When the device fails, all are told why.
type party struct {
	mu     sync.Mutex
	guests map[*guest]struct{}
	now    *term            // nil: nobody leads
	states map[string]Event // the last of each topic and source, for who comes later
}

type guest struct{ fn func(Event) }

// term is the time of one leader; err counts when done is closed.
type term struct {
	done chan struct{}
	err  error
}

// maxStates bounds the states that are kept for who comes later.
const maxStates = 256

// listen hands on the device's events until ctx ends or the device fails. fn is called from one
// goroutine at a time.
func (c *Client) listen(ctx context.Context, fn func(Event)) error {
	p, g := &c.party, &guest{fn}
	p.join(g)
	defer p.leave(g)
	for {
		t, leads := p.lead()
		if leads {
			err := c.Events(ctx, p.tell)
			p.resign(t, ctx.Err() != nil, err)
			return err
		}
		select {
		case <-t.done:
			if t.err != nil {
				return t.err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (p *party) join(g *guest) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.guests == nil {
		p.guests = make(map[*guest]struct{})
	}
	p.guests[g] = struct{}{}
	for _, e := range p.states {
		e.Initial = true
		g.fn(e)
	}
}

// leave returns when g is not called any more.
func (p *party) leave(g *guest) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.guests, g)
}

// lead makes the caller the leader unless there is one.
func (p *party) lead() (t *term, leads bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.now == nil {
		p.now, p.states = &term{done: make(chan struct{})}, make(map[string]Event)
		return p.now, true
	}
	return p.now, false
}

// resign ends a term. A leader that goes of its own accord leaves the others to choose a new one.
func (p *party) resign(t *term, accord bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !accord {
		t.err = err
	}
	p.now, p.states = nil, nil
	close(t.done)
}

func (p *party) tell(e Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.HasState {
		key := e.Topic
		for _, name := range slices.Sorted(maps.Keys(e.Source)) {
			key += " " + name + "=" + e.Source[name]
		}
		if _, known := p.states[key]; known || len(p.states) < maxStates {
			p.states[key] = e
		}
	}
	for g := range p.guests {
		g.fn(e)
	}
}
