package ptz

import "sync"

// Tasks counts work that nobody waits for at once, so that the end can.
type Tasks struct {
	mu     sync.Mutex
	closed bool
	all    sync.WaitGroup
}

// begin admits one task; false: it is too late. Each admitted one calls end.
func (t *Tasks) begin() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false
	}
	t.all.Add(1)
	return true
}

func (t *Tasks) end() { t.all.Done() }

// Close admits no more and waits for those that run.
func (t *Tasks) Close() {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.all.Wait()
}
