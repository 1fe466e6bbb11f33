package rtpout

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// held counts who holds a pack.
type held struct{ atomic.Int64 }

func (h *held) Retain()  { h.Add(1) }
func (h *held) Release() { h.Add(-1) }

// turning returns a wheel that runs; stop ends it and waits.
func turning(t testing.TB) (w *Wheel, stop func()) {
	t.Helper()
	w = NewWheel()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = w.Run(ctx) })
	stop = func() { cancel(); running.Wait() }
	t.Cleanup(stop)
	for !w.runs.Load() {
		time.Sleep(time.Millisecond)
	}
	return w, stop
}

// TestOfferSendsEverythingInOrder mixes all ways of sending: what goes out at once, what the wheel spreads, what
// waits behind that, and a WritePack behind it all.
func TestOfferSendsEverythingInOrder(t *testing.T) {
	for _, path := range []udpPath{pathGSO, pathMMsg, pathWrite} {
		t.Run(path.String(), func(t *testing.T) {
			checkLeaks(t)
			r := newReceiver(t)
			w, _ := turning(t)
			s := open(t, Config{Remote: r.addr(), Wheel: w})
			h := &held{}
			if s.Offer(1, 0, pack(100, 0), h) {
				t.Fatal("Offer before Connect")
			}
			connect(t, s)
			force(s, path)
			sizes := []int{20_000, 160_000, 400, 400, 60_000, 1}
			for i, n := range sizes {
				if !s.Offer(uint32(3600*i), 10*time.Millisecond, pack(n, byte(i)), h) {
					t.Fatalf("pack %d was not taken", i)
				}
			}
			last := uint32(3600 * len(sizes))
			if err := s.WritePack(t.Context(), last, 0, pack(3000, 9)); err != nil {
				t.Fatal(err)
			}
			seq := uint16(1)
			for i, n := range sizes {
				seq = r.expect(seq, uint32(3600*i), pack(n, byte(i)))
			}
			r.expect(seq, last, pack(3000, 9))
			if st := s.Stats(); st.Dropped != 0 || st.MaxBurst > maxBurst || h.Load() != 0 {
				t.Errorf("dropped %d, bursts of %d, %d packs held", st.Dropped, st.MaxBurst, h.Load())
			}
		})
	}
}

// TestOfferIsRefused where nobody would send the rest, and where too much waits: then nothing has changed.
func TestOfferIsRefused(t *testing.T) {
	checkLeaks(t)
	r := newReceiver(t)
	h := &held{}
	alone := open(t, Config{Remote: r.addr()})
	connect(t, alone)
	still := open(t, Config{Remote: r.addr(), Wheel: NewWheel()})
	connect(t, still)
	if alone.Offer(0, 0, pack(100, 0), h) || still.Offer(0, 0, pack(100, 0), h) {
		t.Error("a pack was taken without a wheel that turns")
	}
	w, stop := turning(t)
	s := open(t, Config{Remote: r.addr(), Wheel: w})
	connect(t, s)
	taken := 0
	for s.Offer(uint32(3600*taken), time.Hour, pack(100_000, 1), h) {
		if taken++; taken > 2*maxOffered {
			t.Fatal("packs are taken without end")
		}
	}
	if taken != 1+maxOffered || h.Load() != int64(taken) {
		t.Errorf("%d packs were taken and %d are held, want %d", taken, h.Load(), 1+maxOffered)
	}
	stop()
	if h.Load() != 0 {
		t.Errorf("%d packs are held when the wheel has stopped", h.Load())
	}
	if s.Offer(0, 0, pack(100, 0), h) {
		t.Error("a pack was taken after the end of the wheel")
	}
	if err := s.WritePack(t.Context(), 99*3600, 0, pack(100, 0)); err != nil {
		t.Errorf("WritePack after the end of the wheel: %v", err)
	}
}

// TestOfferEnds: Close, and Move to another stream, leave out what is not sent yet; WritePack waits for it no longer
// than its context.
func TestOfferEnds(t *testing.T) {
	checkLeaks(t)
	r, next := newReceiver(t), newReceiver(t)
	w, _ := turning(t)
	s := open(t, Config{Remote: r.addr(), Wheel: w})
	connect(t, s)
	h := &held{}
	offer := func(ts uint32) {
		t.Helper()
		if !s.Offer(ts, time.Hour, pack(100_000, 1), h) {
			t.Fatal("not taken")
		}
	}
	offer(3600)
	offer(7200)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := s.WritePack(ctx, 10800, 0, pack(1, 1)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("WritePack behind a pack that takes an hour: %v", err)
	}
	if err := s.Move(next.addr(), 200000002, 96); err != nil {
		t.Fatal(err)
	}
	if h.Load() != 0 {
		t.Errorf("%d packs are held after Move", h.Load())
	}
	if err := s.WritePack(t.Context(), 14400, 0, pack(1000, 1)); err != nil {
		t.Fatal(err)
	}
	if p := next.packet(); p.Timestamp != 14400 || p.SSRC != 200000002 {
		t.Errorf("the first packet after Move has the time %d and SSRC %d, want 14400 and 200000002", p.Timestamp, p.SSRC)
	}
	time.Sleep(30 * time.Millisecond)
	offer(18000)
	s.Close()
	if h.Load() != 0 {
		t.Errorf("%d packs are held after Close", h.Load())
	}
}

// TestOfferMeetsErrors: those that pass are tried again by the wheel, those that do not end the sender.
func TestOfferMeetsErrors(t *testing.T) {
	for _, errno := range []unix.Errno{unix.EAGAIN, unix.ENOBUFS, unix.EINTR, unix.ECONNREFUSED, unix.EIO} {
		t.Run(errno.Error(), func(t *testing.T) {
			checkLeaks(t)
			r := newReceiver(t)
			w, _ := turning(t)
			s := open(t, Config{Remote: r.addr(), Wheel: w})
			connect(t, s)
			calls := 0
			s.link.(*udpLink).out.sendmsg = func(fd int, msg *unix.Msghdr) unix.Errno {
				if calls++; calls%2 == 1 {
					return errno
				}
				return sendmsg(fd, msg)
			}
			h := &held{}
			seq := uint16(1)
			for i := range uint32(3) {
				if !s.Offer(3600*i, 5*time.Millisecond, pack(60_000, byte(i)), h) {
					t.Fatal("not taken")
				}
				seq = r.expect(seq, 3600*i, pack(60_000, byte(i)))
			}
		})
	}
	r := newReceiver(t)
	w, _ := turning(t)
	s := open(t, Config{Remote: r.addr(), Wheel: w})
	connect(t, s)
	u := s.link.(*udpLink)
	u.spacing = time.Microsecond
	u.out.sendmsg = func(int, *unix.Msghdr) unix.Errno { return unix.ECONNREFUSED }
	h := &held{}
	for range maxOffered {
		s.Offer(0, 0, pack(100, 0), h)
	}
	<-s.Done()
	if err := s.Err(); !errors.Is(err, ErrUnreachable) || h.Load() != 0 {
		t.Errorf("ended with %v, %d packs held", err, h.Load())
	}
}

// TestOfferKeepsBursts wants packs that follow each other at once not to make a burst that is too long.
func TestOfferKeepsBursts(t *testing.T) {
	r := newReceiver(t)
	w, _ := turning(t)
	s := open(t, Config{Remote: r.addr(), Wheel: w})
	connect(t, s)
	h := &held{}
	for i := range 200 {
		s.Offer(uint32(3600*i), 0, pack(20_000, 1), h)
	}
	if got := s.Stats().MaxBurst; got > maxBurst {
		t.Errorf("a burst of %d packets", got)
	}
}

// TestWheelServesManySenders: each gets its pack out whole, whatever the others do.
func TestWheelServesManySenders(t *testing.T) {
	checkLeaks(t)
	w, _ := turning(t)
	var all sync.WaitGroup
	for i := range 20 {
		r := newReceiver(t)
		s := open(t, Config{Remote: r.addr(), Wheel: w})
		connect(t, s)
		all.Go(func() {
			h := &held{}
			for n := range uint32(5) {
				for !s.Offer(3600*n, time.Duration(i)*time.Millisecond, pack(70_000, byte(n)), h) {
					time.Sleep(time.Millisecond)
				}
			}
		})
		all.Go(func() {
			seq := uint16(1)
			for n := range uint32(5) {
				seq = r.expect(seq, 3600*n, pack(70_000, byte(n)))
			}
		})
	}
	all.Wait()
}
