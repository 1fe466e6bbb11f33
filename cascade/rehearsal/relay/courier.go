package relay

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// courier delivers datagrams when they are due.
type courier struct {
	mu    sync.Mutex
	held  parcels
	count uint64
	wake  chan struct{}
}

// parcel is a datagram on its way.
type parcel struct {
	due     time.Time
	number  uint64 // of those due at the same time the first comes first
	data    []byte
	deliver func([]byte)
}

func newCourier() *courier { return &courier{wake: make(chan struct{}, 1)} }

// take accepts a datagram, whose bytes are the courier's from now on; false: it carries too many already.
func (c *courier) take(due time.Time, data []byte, deliver func([]byte)) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.held) >= maxHeld {
		return false
	}
	c.count++
	heap.Push(&c.held, parcel{due, c.count, data, deliver})
	if c.held[0].number == c.count {
		select {
		case c.wake <- struct{}{}:
		default:
		}
	}
	return true
}

// run delivers until ctx ends; what is still on its way then is lost.
func (c *courier) run(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Reset(c.deliverDue(time.Now()))
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-c.wake:
		}
	}
}

// deliverDue delivers what is due and returns how long it is until the next.
func (c *courier) deliverDue(now time.Time) time.Duration {
	for {
		c.mu.Lock()
		if len(c.held) == 0 {
			c.mu.Unlock()
			return time.Hour
		}
		if wait := c.held[0].due.Sub(now); wait > 0 {
			c.mu.Unlock()
			return wait
		}
		p := heap.Pop(&c.held).(parcel)
		c.mu.Unlock()
		p.deliver(p.data)
	}
}

// parcels is a heap, the next due first.
type parcels []parcel

func (p parcels) Len() int      { return len(p) }
func (p parcels) Swap(i, j int) { p[i], p[j] = p[j], p[i] }
func (p *parcels) Push(x any)   { *p = append(*p, x.(parcel)) }

func (p parcels) Less(i, j int) bool {
	if p[i].due.Equal(p[j].due) {
		return p[i].number < p[j].number
	}
	return p[i].due.Before(p[j].due)
}

func (p *parcels) Pop() any {
	old := *p
	last := old[len(old)-1]
	old[len(old)-1] = parcel{}
	*p = old[:len(old)-1]
	return last
}
