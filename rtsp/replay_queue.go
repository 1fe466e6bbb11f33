package rtsp

import (
	"sync"

	"gbgate/media"
)

// What may wait for the reader of a recording: more only costs memory, since the recorder waits too.
const (
	replayUnits = 256
	replayBytes = 4 << 20
)

// replayQueue holds the units between the goroutine that reads from the recorder and the one that plays. A full
// queue blocks the former, and with it, through TCP, the recorder.
type replayQueue struct {
	wake chan struct{} // holds one when there may be something new

	mu       sync.Mutex
	room     sync.Cond
	units    []*media.Unit
	bytes    int
	refusing bool // what comes is thrown away
	// asking: a PLAY waits for its reply, which the goroutine that pushes must read. It does not wait for room.
	asking   bool
	finished bool // nothing more comes
}

func newReplayQueue() *replayQueue {
	q := &replayQueue{wake: make(chan struct{}, 1), refusing: true, asking: true}
	q.room.L = &q.mu
	return q
}

// push takes over the reference of u.
func (q *replayQueue) push(u *media.Unit) {
	q.mu.Lock()
	defer q.mu.Unlock()
	full := func() bool {
		return len(q.units) > 0 && (len(q.units) >= replayUnits || q.bytes+len(u.Data) > replayBytes)
	}
	for !q.refusing && !q.asking && full() {
		q.room.Wait()
	}
	if q.refusing || full() {
		u.Release()
		return
	}
	q.units = append(q.units, u)
	q.bytes += len(u.Data)
	q.signal()
}

func (q *replayQueue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// pop returns the next unit, nil if there is none yet; over: there will be none.
func (q *replayQueue) pop() (u *media.Unit, over bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.units) == 0 {
		return nil, q.finished
	}
	u = q.units[0]
	q.units[0] = nil
	q.units = q.units[1:]
	q.bytes -= len(u.Data)
	q.room.Signal()
	return u, false
}

// peek tells whether a unit waits, or that none will come.
func (q *replayQueue) peek() (waits, finished bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.units) > 0, q.finished
}

// finish says that what is queued is all.
func (q *replayQueue) finish() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.finished = !q.refusing
	q.signal()
}

// refuse empties the queue and keeps it empty; nobody is blocked by it.
func (q *replayQueue) refuse() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.empty()
	q.refusing, q.asking, q.finished = true, true, false
	q.room.Broadcast()
}

// drop empties the queue.
func (q *replayQueue) drop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.empty()
}

func (q *replayQueue) empty() {
	for _, u := range q.units {
		u.Release()
	}
	q.units, q.bytes = nil, 0
}

// answered says that the PLAY has its reply: from now on what comes too fast waits.
func (q *replayQueue) answered() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.asking = false
}

// accept ends refuse. Up to answered what does not fit is lost: it is what a recorder still sends of the PLAY before.
func (q *replayQueue) accept() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.refusing, q.finished = false, false
}
