package media

import (
	"context"
	"sync"
)

// Reader is one consumer's place in a Stream. It has a bounded queue; when the consumer lags
// behind the bound, the queue is emptied and it goes on at the next key picture: a decoder
// never sees a torn group of pictures.
type Reader struct {
	// What a unit needs that goes the short way stands first: it is cold when its turn comes.
	mu      sync.Mutex
	idle    bool             // the consumer waits in Read with nothing queued
	waiting bool             // for a key picture
	inline  func(*Unit) bool // see Inline; nil: none

	stream  *Stream
	wake    chan struct{}
	queue   []*Unit // ring
	head, n int
	bytes   int
	dropped uint64
	cause   error
}

// Inline gives the reader a short way: a unit that comes while the consumer waits in Read is first
// offered to f, on the goroutine that writes to the stream, which spares waking the consumer. f returns
// whether it took the unit; it must not block, keep the unit without retaining it, or call the reader or
// its stream. f never runs at the same time as the consumer is outside of Read. Call Inline before the
// first Read.
func (r *Reader) Inline(f func(*Unit) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inline = f
}

// push queues u unless the reader waits for a key picture. The stream's lock is held.
func (r *Reader) push(u *Unit) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waiting && !u.Key && u.Desc.HasVideo() {
		return
	}
	if r.idle && r.inline != nil && r.inline(u) {
		r.waiting = false
		return
	}
	limits := r.stream.limits
	if r.n >= limits.QueueUnits || r.bytes+len(u.Data) > limits.QueueBytes {
		r.dropped += uint64(r.n)
		r.empty()
		if !u.Key {
			r.dropped++
			r.waiting = true
			return
		}
	}
	r.waiting = false
	u.Retain()
	if r.n == len(r.queue) {
		r.grow()
	}
	r.queue[(r.head+r.n)%len(r.queue)] = u
	r.n++
	r.bytes += len(u.Data)
	r.idle = false
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *Reader) grow() {
	bigger := make([]*Unit, max(64, 2*len(r.queue)))
	for i := range r.n {
		bigger[i] = r.queue[(r.head+i)%len(r.queue)]
	}
	r.queue, r.head = bigger, 0
}

func (r *Reader) empty() {
	for range r.n {
		r.pop().Release()
	}
}

func (r *Reader) pop() *Unit {
	u := r.queue[r.head]
	r.queue[r.head] = nil
	r.head = (r.head + 1) % len(r.queue)
	r.n--
	r.bytes -= len(u.Data)
	return u
}

// Read implements UnitReader.
func (r *Reader) Read(ctx context.Context) (*Unit, error) {
	for {
		r.mu.Lock()
		if r.n > 0 {
			u := r.pop()
			r.mu.Unlock()
			return u, nil
		}
		cause := r.cause
		r.idle = cause == nil
		r.mu.Unlock()
		if cause != nil {
			return nil, cause
		}
		select {
		case <-r.wake:
		case <-ctx.Done():
			r.mu.Lock()
			r.idle = false
			r.mu.Unlock()
			return nil, context.Cause(ctx)
		}
	}
}

// Queued is how many units wait to be read: 0 means the reader is level with the camera.
func (r *Reader) Queued() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.n
}

// Waiting tells whether the reader waits for a key picture: since it began, or since it lost its place.
func (r *Reader) Waiting() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.waiting
}

// Dropped is how many units were lost because the reader lagged.
func (r *Reader) Dropped() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.dropped
}

// end stops the reader after what is queued. The stream's lock is held.
func (r *Reader) end(cause error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cause = cause
	r.idle = false
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Close takes the reader off the stream and gives its units back. Twice is harmless.
func (r *Reader) Close() error {
	r.stream.mu.Lock()
	delete(r.stream.readers, r)
	r.stream.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.empty()
	r.idle = false
	if r.cause == nil {
		r.cause = ErrClosed
	}
	return nil
}
