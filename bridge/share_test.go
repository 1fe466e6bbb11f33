package bridge

import (
	"context"
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

// A download takes what is left and waits for it; a playback beside it goes on at its rate.
func TestShareMakesDownloadsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const kbps = 8000
		s := newShare(kbps)
		began := time.Now()
		for range 400 { // 20 MB at 1 MB/s
			if err := s.wait(t.Context(), 50_000, fetched); err != nil {
				t.Fatal(err)
			}
			if !s.take(10_000, false) {
				t.Fatal("a live picture is left out because of a download")
			}
		}
		if took := time.Since(began); took < 22*time.Second || took > 26*time.Second {
			t.Errorf("24 MB took %v at 1 MB/s", took)
		}
		if err := s.wait(t.Context(), 3_000_000, fetched); err != nil { // bigger than the bucket
			t.Error(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.wait(ctx, 1, watched); err == nil {
			t.Error("waiting does not end with its context")
		}
	})
}
