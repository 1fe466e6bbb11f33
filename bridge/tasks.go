package bridge

import "sync"

// tasks counts work that nobody waits for at once, so that the end can.
type tasks struct {
	mu     sync.Mutex
	closed bool
	all    sync.WaitGroup
}

// begin admits one task; false: it is too late. Each admitted one calls end.
func (t *tasks) begin() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false
	}
	t.all.Add(1)
	return true
}

func (t *tasks) end() { t.all.Done() }

// close admits no more and waits for those that run.
func (t *tasks) close() {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.all.Wait()
}
