package media

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ErrClosed is what a Reader reports after it, or its Stream without a cause, was closed.
var ErrClosed = errors.New("stream closed")

// UnitReader is anything that units can be read from: a live stream, a recording, a replay.
type UnitReader interface {
	// Read returns the next unit; the caller releases it. It blocks until there is one,
	// ctx ends (its cause is returned), or the stream is over.
	Read(ctx context.Context) (*Unit, error)
	Close() error
}

// Limits bound what a Stream keeps in memory. A zero field means its default.
type Limits struct {
	CacheBytes int           // the cached group of pictures; default 8 MiB
	CacheSpan  time.Duration // its length; default 12 s (smart codecs send a key picture every 5–10 s)
	QueueBytes int           // what a reader may lag behind; default 16 MiB
	QueueUnits int           // the same in units; default 2048
}

func (l Limits) withDefaults() Limits {
	if l.CacheBytes == 0 {
		l.CacheBytes = 8 << 20
	}
	if l.CacheSpan == 0 {
		l.CacheSpan = 12 * time.Second
	}
	if l.QueueBytes == 0 {
		l.QueueBytes = 16 << 20
	}
	if l.QueueUnits == 0 {
		l.QueueUnits = 2048
	}
	return l
}

// Start says where a new Reader begins.
type Start uint8

// The places a Reader can begin at. Both are key pictures.
const (
	FromCachedGOP Start = iota // the last key picture that went by, at once
	FromNextKey                // the next one to come
)

// Stream hands every unit written to it to all of its readers and keeps the current group of
// pictures, so that a new reader has a picture at once. A reader that lags loses units, never
// the writer its time: the camera is never blocked.
type Stream struct {
	limits Limits

	mu         sync.Mutex
	desc       *Description
	clock      int64   // of the last unit
	picture    int64   // DTS of the last picture
	interval   int64   // from the one before it
	cache      []*Unit // from the last key picture on; empty: not cached (none yet, or beyond the limits)
	cacheBytes int
	readers    map[*Reader]struct{}
	cause      error // not nil: closed
	stats      StreamStats
}

// StreamStats is evidence of what a stream has carried.
type StreamStats struct {
	Units, Keys, Bytes uint64
	LastUnit           time.Time // arrival of the newest unit
	LastKey            time.Time // arrival of the newest key picture
	CachedUnits        int
	CachedBytes        int
	Readers            int
}

// NewStream returns a stream without units.
func NewStream(limits Limits) *Stream {
	return &Stream{limits: limits.withDefaults(), readers: make(map[*Reader]struct{}), clock: -1}
}

// Write hands u to every reader and takes over the caller's reference. It never blocks.
func (s *Stream) Write(u *Unit) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer u.Release()
	if s.cause != nil {
		return
	}
	s.tick(u)
	u.Announce = u.Desc != s.desc
	s.desc = u.Desc
	s.stats.Units++
	s.stats.Bytes += uint64(len(u.Data))
	s.stats.LastUnit = u.Arrived
	if u.Key {
		s.stats.Keys++
		s.stats.LastKey = u.Arrived
	}
	s.remember(u)
	for r := range s.readers {
		r.push(u)
	}
}

// tick gives u its place on the stream's clock. Pictures keep their times: audio that is ahead of
// them (its alignment is no better than its arrival) waits at most half a picture in front, so that
// it does not push the next picture on.
func (s *Stream) tick(u *Unit) {
	at := u.DTS
	if u.Codec.IsVideo() {
		s.interval, s.picture = min(u.DTS-s.picture, Clock), u.DTS
	} else if u.Desc.HasVideo() {
		at = min(at, s.picture+s.interval/2)
	}
	u.Clock = max(at, s.clock+1)
	s.clock = u.Clock
}

// remember keeps u in the cached group of pictures if it belongs there.
func (s *Stream) remember(u *Unit) {
	switch {
	case u.Key:
		s.forget()
	case len(s.cache) == 0:
		return
	case s.cacheBytes+len(u.Data) > s.limits.CacheBytes, s.span(u) > s.limits.CacheSpan:
		// A group this long would start a viewer too far in the past: it waits for the next key.
		s.forget()
		return
	}
	u.Retain()
	s.cache = append(s.cache, u)
	s.cacheBytes += len(u.Data)
}

func (s *Stream) span(u *Unit) time.Duration {
	return time.Duration(u.DTS-s.cache[0].DTS) * time.Second / Clock
}

func (s *Stream) forget() {
	for i, u := range s.cache {
		u.Release()
		s.cache[i] = nil
	}
	s.cache, s.cacheBytes = s.cache[:0], 0
}

// Subscribe returns a reader that begins at start. On a closed stream it reports the cause
// at its first Read.
func (s *Stream) Subscribe(start Start) *Reader {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := &Reader{stream: s, wake: make(chan struct{}, 1), waiting: true}
	if s.cause != nil {
		r.cause = s.cause
		return r
	}
	if start == FromCachedGOP {
		for _, u := range s.cache {
			r.push(u)
		}
	}
	s.readers[r] = struct{}{}
	return r
}

// Description tells what flows, nil before the first unit.
func (s *Stream) Description() *Description {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.desc
}

// Stats returns a snapshot.
func (s *Stream) Stats() StreamStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.CachedUnits, st.CachedBytes, st.Readers = len(s.cache), s.cacheBytes, len(s.readers)
	return st
}

// Starving tells whether somebody reads and all who do wait for a key picture, none being cached.
func (s *Stream) Starving() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for r := range s.readers {
		if !r.Waiting() {
			return false
		}
	}
	return len(s.readers) > 0 && len(s.cache) == 0
}

// Reset forgets the cached pictures, because the source has gone: a viewer that comes now
// shall not be shown the past. Readers stay, and go on at the next key picture.
func (s *Stream) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget()
	for r := range s.readers {
		r.mu.Lock()
		r.waiting = true
		r.mu.Unlock()
	}
}

// Close ends the stream: readers get what is queued for them, then cause (ErrClosed if nil).
func (s *Stream) Close(cause error) {
	if cause == nil {
		cause = ErrClosed
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cause != nil {
		return
	}
	s.cause = cause
	s.forget()
	for r := range s.readers {
		r.end(cause)
	}
	clear(s.readers)
}
