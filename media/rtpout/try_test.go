package rtpout

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestTryPackChangesNothingWhenItDoesNotSend mixes both ways of sending: what TryPack refuses,
// WritePack sends with the numbers that come next.
func TestTryPackChangesNothingWhenItDoesNotSend(t *testing.T) {
	r := newReceiver(t)
	s := open(t, Config{Remote: r.addr()})
	small, big := pack(20_000, 1), pack(60_000, 2)
	if s.TryPack(1, small) {
		t.Fatal("TryPack before Connect")
	}
	if err := s.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !s.TryPack(3600, small) {
		t.Fatal("a pack of 15 packets was not sent at once")
	}
	seq := r.expect(1, 3600, small)
	if s.TryPack(7200, big) {
		t.Error("a pack of 43 packets went out in one burst")
	}
	if err := s.WritePack(t.Context(), 7200, 20*time.Millisecond, big); err != nil {
		t.Fatal(err)
	}
	seq = r.expect(seq, 7200, big)
	time.Sleep(30 * time.Millisecond)

	b := s.link.(*udpLink).out
	for _, errno := range []unix.Errno{unix.EAGAIN, unix.ENOBUFS, unix.ECONNREFUSED, unix.EIO} {
		b.sendmsgNow = func(uintptr, *unix.Msghdr) unix.Errno { return errno }
		if s.TryPack(10800, small) {
			t.Errorf("TryPack says it sent in spite of %v", errno)
		}
	}
	if got := s.Stats().Path; got != "mmsg" {
		t.Errorf("path %q after EIO, want mmsg", got)
	}
	if s.TryPack(10800, small) {
		t.Error("TryPack without GSO")
	}
	if err := s.WritePack(t.Context(), 10800, 0, small); err != nil {
		t.Fatal(err)
	}
	r.expect(seq, 10800, small)
	if st := s.Stats(); st.Dropped != 0 || st.MaxBurst > 32 {
		t.Errorf("dropped %d, bursts of %d", st.Dropped, st.MaxBurst)
	}
}

// TestTryPackKeepsBursts wants packs that follow each other at once refused when together they are too many.
func TestTryPackKeepsBursts(t *testing.T) {
	r := newReceiver(t)
	s := open(t, Config{Remote: r.addr()})
	if err := s.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		s.TryPack(uint32(3600*i), pack(20_000, 1))
	}
	if got := s.Stats().MaxBurst; got > 32 {
		t.Errorf("a burst of %d packets", got)
	}
}
