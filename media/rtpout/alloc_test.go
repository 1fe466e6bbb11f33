//go:build !race

package rtpout

import (
	"testing"
	"time"
)

func TestWriteAllocatesNothing(t *testing.T) {
	check := func(name string, s *Sender, n int, spread time.Duration) {
		t.Helper()
		bufs, ts := pack(n, 1), uint32(0)
		got := testing.AllocsPerRun(200, func() {
			ts += 3600
			if err := s.WritePack(t.Context(), ts, spread, bufs); err != nil {
				t.Fatal(err)
			}
		})
		if got != 0 {
			t.Errorf("%s, %d bytes: %v allocations per pack, want 0", name, n, got)
		}
	}
	for _, path := range []udpPath{pathGSO, pathMMsg, pathWrite} {
		s := benchSender(t, UDP)
		force(s, path)
		check(path.String(), s, 19_000, 0)
		check(path.String(), s, 100_000, time.Millisecond)
	}
	w, _ := turning(t)
	s, ts, h := benchSender(t, UDP), uint32(0), &held{}
	s.cfg.Wheel = w
	for _, size := range []int{400, 100_000} {
		bufs := pack(size, 1)
		got := testing.AllocsPerRun(200, func() {
			for ts += 3600; !s.Offer(ts, 0, bufs, h); {
				time.Sleep(time.Millisecond)
			}
		})
		if got != 0 {
			t.Errorf("Offer, %d bytes: %v allocations per pack, want 0", size, got)
		}
	}
	check("writev", benchSender(t, TCPActive), 160_000, 0)
}
