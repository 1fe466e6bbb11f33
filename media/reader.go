package media

import (
	"context"
	"sync"
)

// Reader is one consumer's place in a Stream. It has a bounded queue; when the consumer lags
// behind the bound, the queue is emptied and it goes on at the next key picture: a decoder
// never sees a torn group of pictures.
type Reader struct {
	stream *Stream
	wake   chan struct{}

	mu      sync.Mutex
	queue   []*Unit // ring
	head, n int
	bytes   int
	waiting bool // for a key picture
	dropped uint64
	cause   error
}

// push queues u unless the reader waits for a key picture. The stream's lock is held.
func (r *Reader) push(u *Unit) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waiting && !u.Key && u.Desc.HasVideo() {
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
		r.mu.Unlock()
		if cause != nil {
			return nil, cause
		}
		select {
		case <-r.wake:
		case <-ctx.Done():
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
	if r.cause == nil {
		r.cause = ErrClosed
	}
	return nil
}
