//go:build !race

// With the race detector sync.Pool forgets things on purpose, so allocations can't be counted.

package ps

import (
	"testing"

	"gbgate/media"
)

func TestMuxAllocatesNothing(t *testing.T) {
	for _, c := range benchUnits {
		t.Run(c.name, func(t *testing.T) {
			u := newUnit(c.codec, c.key, 7200, 3600, pattern(c.size, 1), withAudio(media.PCMU))
			defer u.Release()
			if got := testing.AllocsPerRun(1000, func() { mux(u, c.pol, product).Recycle() }); got != 0 {
				t.Errorf("mux: %v allocations per unit, want 0", got)
			}
			if got := testing.AllocsPerRun(1000, func() { Of(u, c.pol) }); got != 0 {
				t.Errorf("Of: %v allocations per further viewer, want 0", got)
			}
		})
	}
}

// TestUnitLife counts the whole way of a unit: taken from the pool, muxed, given back.
func TestUnitLife(t *testing.T) {
	desc, data := withAudio(media.PCMA), pattern(19_000, 1)
	got := testing.AllocsPerRun(1000, func() {
		u := media.NewUnit(len(data))
		u.Codec, u.Key, u.Desc = media.H264, true, desc
		u.Append(data...)
		Of(u, AudioPCMA)
		u.Release()
	})
	// One for media's buffer pool, none for the pack.
	if got > 1 {
		t.Errorf("%v allocations per unit, want at most 1", got)
	}
}
