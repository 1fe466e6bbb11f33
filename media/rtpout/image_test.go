package rtpout

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestViewersOfOneStreamShareAnImage: each gets every pack whole, with numbers of its own, whatever the sizes and
// though one of them gets a pack that the others don't.
func TestViewersOfOneStreamShareAnImage(t *testing.T) {
	checkLeaks(t)
	w, stop := turning(t)
	h := &held{}
	const viewers = 4
	var to [viewers]*receiver
	var from [viewers]*Sender
	var seq [viewers]uint16
	for i := range viewers {
		to[i] = newReceiver(t)
		from[i] = open(t, Config{Remote: to[i].addr(), Wheel: w})
		connect(t, from[i])
		seq[i] = 1
	}
	offer := func(i int, ts uint32, bufs [][]byte) {
		t.Helper()
		if !from[i].Offer(ts, 10*time.Millisecond, bufs, h) {
			t.Fatal("not taken")
		}
		seq[i] = to[i].expect(seq[i], ts, bufs)
	}
	for n, size := range []int{20_000, 1400, 1, 1401, 2800, 28_000, 100_000, 30_000, 400} {
		ts := uint32(7200 * (n + 1))
		bufs := pack(size, byte(n))
		for i := range viewers {
			offer(i, ts, bufs)
			if n == 4 && i == 1 {
				offer(i, ts+3600, pack(5000, 99))
			}
		}
		time.Sleep(10 * time.Millisecond) // the next is a burst of its own
		if shared := size > 1400 && size < 32*1400; shared && w.image.pack != &bufs[0] {
			t.Errorf("a pack of %d bytes for %d viewers has no image", size, viewers)
		}
	}
	// Whoever fails takes the other way.
	bufs, ts := pack(20_000, 7), uint32(1e6)
	for i := range viewers {
		if i == viewers-1 {
			calls := 0
			from[i].link.(*udpLink).out.sendmsg = func(fd int, msg *unix.Msghdr) unix.Errno {
				if calls++; calls == 1 {
					return unix.ENOBUFS
				}
				return sendmsg(fd, msg)
			}
		}
		offer(i, ts, bufs)
	}
	stop()
	if h.Load() != 0 {
		t.Errorf("%d packs are held when the wheel has stopped", h.Load())
	}
}
