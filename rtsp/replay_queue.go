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
	asking bool
	end    ending
}

// ending is what a recorder has said of the end.
type ending uint8

const (
	goesOn  ending = iota
	saidBye        // a BYE. GStreamer may send that of the PLAY before behind the first pictures of the next one
	through        // nothing more comes
)

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
	if q.end == saidBye { // it was of the PLAY before
		q.end = goesOn
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

// pop returns the next unit; nil: there is none yet, and will be none where the recorder has said so.
func (q *replayQueue) pop() (*media.Unit, ending) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.units) == 0 {
		return nil, q.end
	}
	u := q.units[0]
	q.units[0] = nil
	q.units = q.units[1:]
	q.bytes -= len(u.Data)
	q.room.Signal()
	return u, goesOn
}

// peek tells whether a unit waits, and what the recorder has said of the end.
func (q *replayQueue) peek() (waits bool, end ending) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.units) > 0, q.end
}

// finish says that what is queued is all.
func (q *replayQueue) finish(end ending) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.refusing {
		q.end = max(q.end, end)
	}
	q.signal()
}

// refuse empties the queue and keeps it empty; nobody is blocked by it.
func (q *replayQueue) refuse() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.empty()
	q.refusing, q.asking, q.end = true, true, goesOn
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
	q.refusing, q.end = false, goesOn
}
