package record

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// writeEvery is how long a full part waits at most until it is written.
const writeEvery = 100 * time.Millisecond

// fullPart is a part that has ended.
type fullPart struct {
	part
	next  int64 // ticks, of what follows; < 0: not known
	waits bool  // to be written
}

func (f *fullPart) reset() {
	f.part.reset()
	f.waits = false
}

// swap puts the part aside for the archive to write and begins another; false: it must be written by Run, which makes
// the file, too. next is as for flush. r.mu is held.
func (r *Recorder) swap(next int64) bool {
	t := &r.take
	if r.full.waits || t.segment == nil || !r.archive.crew.runs.Load() {
		return false
	}
	r.full.next, r.full.waits = t.ticks(next), true
	r.full.part, t.part = t.part, r.full.part
	t.part.interval = r.full.last(r.full.next)
	return true
}

// spill writes the part that waits, and one that a camera with few pictures has begun long ago.
func (r *Recorder) spill(now time.Time) {
	if !r.disk.TryLock() {
		return // Run is at it
	}
	defer r.disk.Unlock()
	r.mu.Lock()
	if p := &r.take.part; r.take.recording() && !p.empty() && now.Sub(p.began) >= partPatience {
		r.swap(-1)
	}
	waits := r.full.waits
	r.mu.Unlock()
	if !waits {
		return
	}
	err := r.write(&r.full.part, r.full.next)
	if err != nil {
		r.fail(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.broken = true
		r.stats.Lost += uint64(r.full.units())
	}
	r.full.reset()
}

// crew is the recorders at work. What they have is written by one goroutine, several times a second and one behind the
// other: a goroutine that wakes for each part, and a system call beside others, cost more in Go's scheduler than the
// writing itself. Where a disk is too slow for that, each recorder writes for itself again.
type crew struct {
	joined chan struct{}
	runs   atomic.Bool

	mu      sync.Mutex
	members []*Recorder // never changed, but replaced
}

// attach takes a recorder in until leave is called.
func (a *Archive) attach(r *Recorder) (leave func()) {
	c := &a.crew
	c.mu.Lock()
	defer c.mu.Unlock()
	c.members = append(slices.Clone(c.members), r)
	select {
	case c.joined <- struct{}{}:
	default:
	}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.members = slices.DeleteFunc(slices.Clone(c.members), func(m *Recorder) bool { return m == r })
	}
}

func (c *crew) present() []*Recorder {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.members
}

// run writes until ctx ends.
func (c *crew) run(ctx context.Context) {
	c.runs.Store(true)
	defer c.runs.Store(false)
	ticker := time.NewTicker(writeEvery)
	defer ticker.Stop()
	for {
		members := c.present()
		wake := ticker.C
		if len(members) == 0 {
			wake = nil
		}
		select {
		case <-wake:
		case <-c.joined:
		case <-ctx.Done():
			return
		}
		now := time.Now()
		for _, r := range members {
			r.spill(now)
		}
	}
}
