package ps

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzDemuxer feeds anything, whole and in pieces: nothing panics, frames stay within the limit, and
// the result does not depend on where the pieces end.
func FuzzDemuxer(f *testing.F) {
	f.Add(new(builder).pack(0).headers().pes(3600, "one").more("more").audio(3600, "a").pack(3600).pes(7200, "two").b, 5)
	f.Add(new(builder).stuffed(0).pes(3600, "one").raw(0, 0, 1, 0xE0, 0, 0, 0x80, 0x80, 5).b, 1)
	f.Fuzz(func(t *testing.T, b []byte, chunk int) {
		const limit = 1000
		whole, pieces := newRecorder(), newRecorder()
		whole.MaxFrame, pieces.MaxFrame = limit, limit
		whole.feed(b, len(b))
		pieces.feed(b, max(chunk, 1))
		for _, f := range whole.frames {
			if len(f.Data) > limit {
				t.Fatalf("a frame of %d bytes", len(f.Data))
			}
		}
		// Where a packet of length 0 is too long, the bytes given up depend on the pieces.
		for _, f := range append(whole.faults, pieces.faults...) {
			if f == FaultFrameTooBig {
				return
			}
		}
		if diff := cmp.Diff(whole.frames, pieces.frames); diff != "" {
			t.Errorf("frames depend on the pieces (-whole +pieces):\n%s", diff)
		}
		if diff := cmp.Diff(whole.faults, pieces.faults); diff != "" {
			t.Errorf("faults depend on the pieces (-whole +pieces):\n%s", diff)
		}
	})
}
