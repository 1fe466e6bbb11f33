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
		s := benchSender(t, UDP, nil)
		force(s, path)
		check(path.String(), s, 19_000, 0)
		check(path.String(), s, 100_000, time.Millisecond)
	}
	w, _ := turning(t)
	s, ts, h := benchSender(t, UDP, w), uint32(0), &held{}
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
	var viewers [3]*Sender
	for i := range viewers {
		viewers[i] = benchSender(t, UDP, w)
	}
	packs := [][][]byte{pack(20_000, 1), pack(20_000, 2)}
	turn := 0
	if got := testing.AllocsPerRun(200, func() {
		turn++
		for _, v := range viewers {
			unpaced(v)
			v.Offer(uint32(turn)*3600, 0, packs[turn%2], h)
		}
	}); got != 0 {
		t.Errorf("Offer to three viewers: %v allocations per pack, want 0", got)
	}
	check("writev", benchSender(t, TCPActive, nil), 160_000, 0)
}
