package relay

import (
	"cmp"
	"math/rand/v2"
	"sync"
	"time"
)

// shaper decides what becomes of each packet of one direction, in the order they arrive. It does not wait: with the
// same arrivals and the same seed it decides the same.
type shaper struct {
	mu      sync.Mutex
	path    Path
	off     bool
	random  *rand.Rand
	arrived time.Time   // the last arrival
	due     time.Time   // of the last packet that kept its place
	drained []time.Time // when those that wait for the bottleneck leave it, in order
	free    time.Time   // when the bottleneck is
	stats   Stats
}

func newShaper(p Path, seed, direction uint64) *shaper {
	return &shaper{path: p, random: rand.New(rand.NewPCG(seed, direction))}
}

func (s *shaper) set(p Path) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.path = p
}

func (s *shaper) setOff(off bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.off = off
}

func (s *shaper) snapshot() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

func (s *shaper) delivered() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Delivered++
}

func (s *shaper) overflowed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Overflowed++
}

// datagram says when a datagram that arrived now is due, and how many copies of it; none is loss.
func (s *shaper) datagram(now time.Time, b []byte) (due time.Time, copies int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now = s.arrive(now)
	p := &s.path
	// Each choice is made for each datagram, so that one setting does not shift the others' luck.
	lost, twice, late := s.chance(p.Loss), s.chance(p.Duplicate), s.chance(p.Reorder)
	jitter := s.jitter()
	if p.Drop != nil && p.Drop(s.stats.Seen, b) {
		lost = true
	}
	if lost || s.off {
		s.stats.Lost++
		return time.Time{}, 0
	}
	leaves, ok := s.bottleneck(now, len(b))
	if !ok {
		s.stats.Overflowed++
		return time.Time{}, 0
	}
	copies = 1
	if twice {
		s.stats.Duplicated++
		copies = 2
	}
	due = later(leaves.Add(p.Delay+jitter), s.due)
	if late {
		s.stats.Reordered++
		return due.Add(cmp.Or(p.Late, defaultLate)), copies
	}
	s.due = due
	return due, copies
}

// segment says when a segment of a TCP stream is due. The bottleneck is shared with the other connections, the place
// in the stream is the caller's to keep.
func (s *shaper) segment(now time.Time, size int) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	now = s.arrive(now)
	p := &s.path
	lost, jitter := s.chance(p.Loss), s.jitter()
	due := s.drain(now, size).Add(p.Delay + jitter)
	if lost {
		s.stats.Lost++
		due = due.Add(cmp.Or(p.Recovery, defaultRecovery))
	}
	return due
}

func (s *shaper) segmentSize() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return min(cmp.Or(s.path.Segment, defaultSegment), maxDatagram)
}

func (s *shaper) arrive(now time.Time) time.Time {
	if s.stats.Seen++; s.stats.Seen > 1 {
		s.stats.MaxGap = max(s.stats.MaxGap, now.Sub(s.arrived))
	}
	s.arrived = later(s.arrived, now)
	return s.arrived
}

// bottleneck says when a datagram has passed it; not ok: the queue in front of it is full.
func (s *shaper) bottleneck(now time.Time, size int) (time.Time, bool) {
	s.settle(now)
	if s.path.Rate <= 0 && s.path.Bandwidth <= 0 {
		return now, true
	}
	if len(s.drained) >= cmp.Or(s.path.Queue, defaultQueue) {
		return time.Time{}, false
	}
	leaves := s.drain(now, size)
	s.drained = append(s.drained, leaves)
	s.stats.MaxQueue = max(s.stats.MaxQueue, len(s.drained))
	return leaves, true
}

// settle takes those out of the queue that have left it.
func (s *shaper) settle(now time.Time) {
	n := 0
	for n < len(s.drained) && !s.drained[n].After(now) {
		n++
	}
	s.drained = append(s.drained[:0], s.drained[n:]...)
}

// drain books the bottleneck for one packet.
func (s *shaper) drain(now time.Time, size int) time.Time {
	var cost time.Duration
	if r := s.path.Rate; r > 0 {
		cost = time.Second / time.Duration(r)
	}
	if bw := s.path.Bandwidth; bw > 0 {
		cost = max(cost, time.Duration(int64(size)*8*int64(time.Second)/int64(bw)))
	}
	if cost == 0 {
		return now
	}
	s.free = later(s.free, now).Add(cost)
	return s.free
}

func (s *shaper) chance(p float64) bool { return s.random.Float64() < p }

func (s *shaper) jitter() time.Duration {
	luck := s.random.Float64()
	return time.Duration(luck * float64(s.path.Jitter))
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
