package bridge

import (
	"context"
	"math"
	"sync"
	"time"

	"gbgate/media"
)

// shareDepth is how much of its share a superior may use at once, as time: more than a key picture
// takes, less than what fills the queue of an uplink.
const shareDepth = time.Second

const (
	// usedOver is the time over which the use of a share is reckoned: some groups of pictures.
	usedOver = 4 * time.Second
	// shortFor is how long a share counts as used up after something was left out.
	shortFor = 10 * time.Second
)

// share is a superior's part of the uplink, over all of its calls: a bucket of bytes. What does not fit
// is left out up to the next key picture of its call, so that no picture is ever torn. Calls under way may
// overdraw it by half, which a key picture may not: where it is too little for all, some go on whole and
// others wait, instead of all being torn in turn.
type share struct {
	rate float64 // bytes a second

	mu    sync.Mutex
	left  float64
	since time.Time // when left was reckoned
	used  float64   // bytes a second, lately
	short time.Time // when something was left out for the last time
}

// newShare returns nil, which lets everything pass, for 0.
func newShare(kbps int) *share {
	if kbps <= 0 {
		return nil
	}
	rate := float64(kbps) * 1000 / 8
	return &share{rate: rate, left: rate * shareDepth.Seconds()}
}

// take tells whether n bytes may be sent now; key: they begin a group of pictures.
func (s *share) take(n int, key bool) bool {
	if s == nil {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	depth := s.rate * shareDepth.Seconds()
	s.fill(depth)
	floor := -depth / 2
	if key {
		floor = min(0, depth-float64(n)) // one bigger than the bucket waits until it is full
	}
	if s.left-float64(n) < floor {
		s.short = s.since
		return false
	}
	s.spend(n)
	return true
}

// spend takes n bytes out of the bucket; s.mu is held.
func (s *share) spend(n int) {
	s.left -= float64(n)
	s.used += float64(n) / usedOver.Seconds()
}

// giveBack returns n bytes that were taken and not sent.
func (s *share) giveBack(n int) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spend(-n)
}

// full tells whether a stream of so many bytes a second more (0: not known) has no room.
func (s *share) full(more float64) bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fill(s.rate * shareDepth.Seconds())
	return !s.short.IsZero() && time.Since(s.short) < shortFor || s.used+more > s.rate
}

// Ranks of those who may wait for their part of a share: what a recording takes must be left to others, as parts of
// the bucket.
const (
	watched = 0.0 // somebody looks at it
	fetched = 0.5 // a file that is downloaded takes what live calls and playbacks leave
)

// wait returns when n bytes of a rank may be sent, or the cause of ctx.
func (s *share) wait(ctx context.Context, n int, rank float64) error {
	if s == nil {
		return nil
	}
	depth := s.rate * shareDepth.Seconds()
	for {
		s.mu.Lock()
		s.fill(depth)
		missing := float64(n) + min(rank*depth, max(depth-float64(n), 0)) - s.left
		if full := depth - s.left; missing > full {
			missing = full // bigger than the bucket: it goes when that is full
		}
		if missing <= 0 {
			s.spend(n)
			s.mu.Unlock()
			return nil
		}
		s.mu.Unlock()
		if err := media.Wait(ctx, max(time.Duration(missing/s.rate*float64(time.Second)), time.Millisecond)); err != nil {
			return err
		}
	}
}

// fill reckons what has come into the bucket; s.mu is held.
func (s *share) fill(depth float64) {
	now := time.Now()
	if !s.since.IsZero() {
		past := now.Sub(s.since)
		s.left = min(depth, s.left+s.rate*past.Seconds())
		s.used *= math.Exp(-past.Seconds() / usedOver.Seconds())
	}
	s.since = now
}
