package media

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func videoDesc() *Description { return &Description{Video: Track{Codec: H264}} }

// unit makes one of n bytes; key ones begin a group of pictures.
func unit(key bool, dts int64, n int) *Unit {
	u := NewUnit(n)
	u.Codec, u.Key, u.DTS, u.PTS, u.Desc = H264, key, dts, dts, videoDesc()
	u.Data = u.Data[:n]
	return u
}

func readAll(t *testing.T, r *Reader) (dts []int64) {
	t.Helper()
	for r.Queued() > 0 {
		u, err := r.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		dts = append(dts, u.DTS)
		u.Release()
	}
	return dts
}

func equal(a, b []int64) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func TestReaderBeginsAtAKeyPicture(t *testing.T) {
	s := NewStream(Limits{})
	early := s.Subscribe(FromCachedGOP)
	s.Write(unit(false, 1, 10)) // mid-group: nobody can decode it
	s.Write(unit(true, 2, 10))
	s.Write(unit(false, 3, 10))
	cached, next := s.Subscribe(FromCachedGOP), s.Subscribe(FromNextKey)
	s.Write(unit(true, 4, 10))
	for _, c := range []struct {
		name string
		r    *Reader
		want []int64
	}{
		{"before the first key", early, []int64{2, 3, 4}},
		{"from the cached group", cached, []int64{2, 3, 4}},
		{"from the next key", next, []int64{4}},
	} {
		if got := readAll(t, c.r); !equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
		c.r.Close()
	}
	s.Close(nil)
}

func TestLaggingReaderGoesOnAtTheNextKey(t *testing.T) {
	s := NewStream(Limits{QueueUnits: 3})
	r := s.Subscribe(FromNextKey)
	for i, key := range []bool{true, false, false, false, false, true, false} {
		s.Write(unit(key, int64(i), 10))
	}
	if got, want := readAll(t, r), []int64{5, 6}; !equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := r.Dropped(); got != 4 {
		t.Errorf("dropped %d, want 4", got)
	}
	r.Close()
	s.Close(nil)
}

func TestResetShowsNobodyThePast(t *testing.T) {
	s := NewStream(Limits{})
	r := s.Subscribe(FromNextKey)
	s.Write(unit(true, 1, 10))
	s.Reset()
	late := s.Subscribe(FromCachedGOP)
	s.Write(unit(false, 2, 10)) // of a group whose key picture was lost with the old source
	s.Write(unit(true, 3, 10))
	if got, want := readAll(t, r), []int64{1, 3}; !equal(got, want) {
		t.Errorf("reader from before: got %v, want %v", got, want)
	}
	if got, want := readAll(t, late), []int64{3}; !equal(got, want) {
		t.Errorf("reader from after: got %v, want %v", got, want)
	}
	r.Close()
	late.Close()
	s.Close(nil)
}

func TestUnitOfAnotherDescriptionAnnouncesIt(t *testing.T) {
	s := NewStream(Limits{})
	r := s.Subscribe(FromNextKey)
	before := videoDesc()
	after := &Description{Video: before.Video, Audio: Track{Codec: PCMA}}
	for i, d := range []*Description{before, before, after, after} {
		u := unit(i == 0, int64(i), 1)
		u.Desc = d
		s.Write(u)
	}
	for i, want := range []bool{true, false, true, false} {
		u, err := r.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if u.Announce != want {
			t.Errorf("unit %d announces: %v, want %v", i, u.Announce, want)
		}
		u.Release()
	}
	r.Close()
	s.Close(nil)
}

func TestClockRisesAndPicturesKeepTheirTimes(t *testing.T) {
	s := NewStream(Limits{})
	r := s.Subscribe(FromNextKey)
	desc := &Description{Video: Track{Codec: H264}, Audio: Track{Codec: AAC}}
	steps := []struct {
		codec     Codec
		dts, want int64
	}{
		{H264, 90000, 90000},
		{H264, 93600, 93600},
		{AAC, 93592, 93601},  // a little behind the picture before it
		{AAC, 93600, 93602},  // again
		{H264, 97200, 97200}, // on time
		{AAC, 110000, 99000}, // far ahead: half a picture
		{AAC, 115760, 99001},
		{H264, 100800, 100800}, // on time all the same
	}
	for i, step := range steps {
		u := unit(i == 0, step.dts, 1)
		u.Codec, u.Desc = step.codec, desc
		s.Write(u)
	}
	for i, step := range steps {
		u, err := r.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if u.Clock != step.want {
			t.Errorf("unit %d: clock %d, want %d", i, u.Clock, step.want)
		}
		u.Release()
	}
	r.Close()
	s.Close(nil)
}

func TestCacheIsBoundedInBytesAndTime(t *testing.T) {
	for _, c := range []struct {
		name   string
		limits Limits
	}{
		{"bytes", Limits{CacheBytes: 25}},
		{"time", Limits{CacheSpan: 15 * time.Second}},
	} {
		s := NewStream(c.limits)
		s.Write(unit(true, 0, 10))
		s.Write(unit(false, 10*Clock, 10))
		if got := s.Stats().CachedUnits; got != 2 {
			t.Errorf("%s: cached %d, want 2", c.name, got)
		}
		s.Write(unit(false, 20*Clock, 10))
		if got := s.Stats().CachedUnits; got != 0 {
			t.Errorf("%s: cached %d beyond the limit, want 0", c.name, got)
		}
		s.Write(unit(false, 21*Clock, 10))
		if r := s.Subscribe(FromCachedGOP); r.Queued() != 0 {
			t.Errorf("%s: a reader got half a group", c.name)
		}
		s.Close(nil)
	}
}

func TestReadEndsWithTheCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewStream(Limits{})
		r := s.Subscribe(FromNextKey)
		ctx, cancel := context.WithCancelCause(t.Context())
		bye := errors.New("BYE")
		go func() { time.Sleep(time.Second); cancel(bye) }()
		if _, err := r.Read(ctx); !errors.Is(err, bye) {
			t.Errorf("got %v, want %v", err, bye)
		}
		gone := errors.New("camera gone")
		s.Write(unit(true, 1, 1))
		s.Close(gone)
		if u, err := r.Read(t.Context()); err != nil {
			t.Errorf("a queued unit was lost: %v", err)
		} else {
			u.Release()
		}
		if _, err := r.Read(t.Context()); !errors.Is(err, gone) {
			t.Errorf("got %v, want %v", err, gone)
		}
		if _, err := s.Subscribe(FromCachedGOP).Read(t.Context()); !errors.Is(err, gone) {
			t.Errorf("late reader got %v, want %v", err, gone)
		}
	})
}

type recycled struct{ n *int }

func (d recycled) Recycle() { *d.n++ }

func TestUnitIsRecycledWithWhatWasDerivedFromIt(t *testing.T) {
	s := NewStream(Limits{})
	a, b := s.Subscribe(FromNextKey), s.Subscribe(FromNextKey)
	s.Write(unit(true, 1, 100))
	built, gone := 0, 0
	build := func(*Unit) Derived { built++; return recycled{&gone} }
	for _, r := range []*Reader{a, b} {
		u, err := r.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		u.Derive(0, build)
		u.Release()
	}
	if built != 1 || gone != 0 {
		t.Errorf("built %d times, recycled %d, want 1 and 0 (the cache still holds it)", built, gone)
	}
	s.Close(nil)
	if gone != 1 {
		t.Errorf("recycled %d times, want 1", gone)
	}
}

func TestBufferClassesWasteAtMostAFifth(t *testing.T) {
	for size := 1; size < 9<<20; size += 1 + size/37 {
		class, got := classOf(size)
		if got < size || (size > 1<<minBufferBits && class >= 0 && got > size+size/4) {
			t.Fatalf("classOf(%d) = %d", size, got)
		}
		if class >= 0 {
			if again, same := classOf(got); again != class || same != got {
				t.Fatalf("class size %d of %d is in class %d, not %d", got, size, again, class)
			}
		}
	}
}

func TestSteadyStateFanOutDoesNotAllocate(t *testing.T) {
	s := NewStream(Limits{})
	r := s.Subscribe(FromNextKey)
	desc := videoDesc()
	dts := int64(0)
	step := func() {
		u := NewUnit(1000)
		u.Codec, u.Key, u.Desc, u.DTS = H264, dts%25 == 0, desc, dts
		u.Data = u.Data[:1000]
		dts++
		s.Write(u)
		got, err := r.Read(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		got.Release()
	}
	for range 200 {
		step()
	}
	if raceEnabled { // sync.Pool drops items on purpose under the race detector
		return
	}
	if n := testing.AllocsPerRun(1000, step); n >= 1 {
		t.Errorf("%v allocations per unit, want 0", n)
	}
}

func BenchmarkFanOut(b *testing.B) {
	for _, readers := range []int{1, 4, 16} {
		b.Run(string(rune('0'+readers/10))+string(rune('0'+readers%10))+"readers", func(b *testing.B) {
			s := NewStream(Limits{})
			rs := make([]*Reader, readers)
			for i := range rs {
				rs[i] = s.Subscribe(FromNextKey)
			}
			desc := videoDesc()
			b.ReportAllocs()
			for i := range b.N {
				u := NewUnit(20000)
				u.Codec, u.Key, u.Desc, u.DTS = H264, i%50 == 0, desc, int64(i)
				u.Data = u.Data[:20000]
				s.Write(u)
				for _, r := range rs {
					if got, err := r.Read(b.Context()); err == nil {
						got.Release()
					}
				}
			}
		})
	}
}

// waitIdle returns once the consumer waits in Read.
func waitIdle(t *testing.T, r *Reader) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		r.mu.Lock()
		idle := r.idle
		r.mu.Unlock()
		if idle {
			return
		}
	}
	t.Fatal("the consumer does not come back to Read")
}

// TestInlineOnlyWhileTheConsumerWaits wants units in order whichever way each goes, and none lost.
func TestInlineOnlyWhileTheConsumerWaits(t *testing.T) {
	s := NewStream(Limits{})
	defer s.Close(nil)
	r := s.Subscribe(FromNextKey)
	defer r.Close()
	var inline []int64
	refused := int64(4)
	r.Inline(func(u *Unit) bool {
		if u.DTS == refused {
			return false
		}
		inline = append(inline, u.DTS)
		return true
	})
	s.Write(unit(false, 1, 10)) // nobody can begin here
	s.Write(unit(true, 2, 10))  // nobody waits yet
	read := make(chan int64)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		for {
			u, err := r.Read(ctx)
			if err != nil {
				ended <- err
				return
			}
			read <- u.DTS
			u.Release()
		}
	}()
	s.Write(unit(false, 3, 10))
	got := []int64{<-read, <-read}
	waitIdle(t, r)
	s.Write(unit(false, refused, 10))
	s.Write(unit(false, 5, 10)) // behind one that is queued
	got = append(got, <-read, <-read)
	waitIdle(t, r)
	s.Write(unit(true, 6, 10))
	s.Write(unit(false, 7, 10))
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	s.Write(unit(false, 8, 10)) // nobody waits any more
	if want := []int64{2, 3, 4, 5}; !equal(got, want) {
		t.Errorf("read %v, want %v", got, want)
	}
	if want := []int64{6, 7}; !equal(inline, want) {
		t.Errorf("taken inline: %v, want %v", inline, want)
	}
	if n := r.Queued(); n != 1 {
		t.Errorf("%d units are queued, want 1", n)
	}
}
