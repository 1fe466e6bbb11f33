package bridge

import (
	"context"
	"sync"
	"time"
)

// orphanAfter is how long the media of a call may take to stop when the call has ended.
const orphanAfter = time.Second

// orphans measures what outlives its call.
type orphans struct {
	mu    sync.Mutex
	total time.Duration
	late  map[*ending]struct{} // calls that have ended while their media are still there
}

// ending is the end of one call.
type ending struct {
	at      time.Time
	stopped bool // the media have ended
}

// watch notes when ctx, which is a call, ends. The function it returns is called when the media have.
func (o *orphans) watch(ctx context.Context) (stopped func()) {
	e := &ending{}
	forget := context.AfterFunc(ctx, func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		if !e.stopped {
			if o.late == nil {
				o.late = make(map[*ending]struct{})
			}
			e.at = time.Now()
			o.late[e] = struct{}{}
		}
	})
	return func() {
		forget()
		o.mu.Lock()
		defer o.mu.Unlock()
		e.stopped = true
		if _, late := o.late[e]; late {
			o.total += e.orphaned()
			delete(o.late, e)
		}
	}
}

func (e *ending) orphaned() time.Duration { return max(time.Since(e.at)-orphanAfter, 0) }

// time is the sum, with that of the media which still go on.
func (o *orphans) time() time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	total := o.total
	for e := range o.late {
		total += e.orphaned()
	}
	return total
}
