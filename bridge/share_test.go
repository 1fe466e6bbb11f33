package bridge

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestShareHoldsTheRate sends more calls than fit and wants no more than the share to pass, whole groups
// of pictures only.
func TestShareHoldsTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const kbps, calls, seconds = 8000, 4, 60 // calls of 4 Mbit/s each
		s := newShare(kbps)
		torn := [calls]bool{}
		sent, whole := 0, 0
		for frame := range seconds * 25 {
			for c := range calls {
				key, size := (frame+c*12)%50 == 0, 17_500
				if key {
					size = 140_000
				}
				torn[c] = torn[c] && !key
				if torn[c] {
					continue
				}
				if !s.take(size, key) {
					torn[c] = true
					continue
				}
				sent += size
				if (frame+c*12)%50 == 49 {
					whole++
				}
			}
			time.Sleep(40 * time.Millisecond)
		}
		if limit := kbps * 1000 / 8 * (seconds + 2); sent > limit {
			t.Errorf("%d bytes passed in %d s, want at most %d", sent, seconds, limit)
		}
		if least := kbps * 1000 / 8 * seconds * 3 / 4; sent < least {
			t.Errorf("%d bytes passed, want at least %d: the share is not used", sent, least)
		}
		// Two calls of the four fit: half of all groups of pictures, less what waits in between.
		if least := seconds / 2 * 2 / 2; whole < least {
			t.Errorf("%d groups of pictures passed whole, want at least %d", whole, least)
		}
	})
}

func TestShareLetsABigKeyPicturePass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShare(1000) // the bucket holds 125 kB
		if !s.take(200_000, true) {
			t.Error("a key picture bigger than a full bucket never passes")
		}
		if s.take(1000, true) {
			t.Error("the bucket is overdrawn and a key picture passes")
		}
		if s.take(1000, false) {
			t.Error("more than half of the bucket is overdrawn and a picture passes")
		}
		time.Sleep(2 * time.Second)
		if !s.take(1000, true) {
			t.Error("the bucket does not fill again")
		}
	})
}

func TestNoShareIsNoLimit(t *testing.T) {
	if s := newShare(0); s != nil || !s.take(1<<30, true) {
		t.Error("no limit was asked for")
	}
}
