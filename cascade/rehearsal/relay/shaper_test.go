package relay

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// offer passes datagrams of 1000 bytes, one a step apart, and returns when each copy is due, in ms after start.
func offer(s *shaper, n int, step time.Duration) (due []float64) {
	for i := range n {
		at, copies := s.datagram(start.Add(time.Duration(i)*step), make([]byte, 1000))
		for range copies {
			due = append(due, float64(at.Sub(start))/float64(time.Millisecond))
		}
	}
	return due
}

func TestShaperWithoutLuck(t *testing.T) {
	second := func(n uint64, b []byte) bool { return n == 2 && len(b) == 1000 }
	for _, c := range []struct {
		name string
		path Path
		n    int
		step time.Duration
		want []float64
	}{
		{"nothing", Path{}, 3, time.Millisecond, []float64{0, 1, 2}},
		{"delay", Path{Delay: 10 * time.Millisecond}, 3, time.Millisecond, []float64{10, 11, 12}},
		{"all lost", Path{Loss: 1}, 3, 0, nil},
		{"all twice", Path{Duplicate: 1}, 2, time.Millisecond, []float64{0, 0, 1, 1}},
		{"all late", Path{Reorder: 1}, 2, time.Millisecond, []float64{30, 31}},
		{"scripted loss", Path{Drop: second}, 3, time.Millisecond, []float64{0, 2}},
		{"rate", Path{Rate: 1000}, 3, 0, []float64{1, 2, 3}},
		{"bandwidth", Path{Bandwidth: 8_000_000}, 3, 0, []float64{1, 2, 3}},
		{"the slower of both", Path{Bandwidth: 8_000_000, Rate: 500}, 2, 0, []float64{2, 4}},
		{"a burst overflows the queue", Path{Rate: 1000, Queue: 2}, 4, 0, []float64{1, 2}},
		{"the queue drains meanwhile", Path{Rate: 1000, Queue: 2}, 4, 500 * time.Microsecond, []float64{1, 2, 3}},
		{"a slow sender never waits", Path{Rate: 1000, Queue: 1}, 3, 2 * time.Millisecond, []float64{1, 3, 5}},
	} {
		if diff := cmp.Diff(c.want, offer(newShaper(c.path, 1, 1), c.n, c.step)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

// A burst of 100 packets into a queue of 64 loses what has not drained; the same 100 in bursts of 32, spread over
// the time that twice their rate leaves, lose nothing. This is what a paced sender is for.
func TestShaperPunishesBursts(t *testing.T) {
	path := Path{Rate: 5000, Queue: 64} // 100 packets in 20 ms
	burst := newShaper(path, 1, 1)
	offer(burst, 100, 0)
	if got := burst.snapshot(); got.Overflowed != 36 || got.MaxQueue != 64 || got.Seen != 100 {
		t.Errorf("one burst: %+v, want 36 of 100 lost", got)
	}
	paced := newShaper(path, 1, 1)
	for i := range 100 {
		paced.datagram(start.Add(time.Duration(i/32)*10*time.Millisecond), make([]byte, 1000))
	}
	if got := paced.snapshot(); got.Overflowed != 0 || got.MaxQueue != 32 || got.MaxGap != 10*time.Millisecond {
		t.Errorf("four bursts over 40 ms: %+v, want none lost", got)
	}
}

func TestShaperLuckIsRepeatable(t *testing.T) {
	path := Path{Loss: 0.1, Duplicate: 0.1, Reorder: 0.1, Jitter: 5 * time.Millisecond}
	const n = 2000
	s := newShaper(path, 7, 1)
	first := offer(s, n, time.Millisecond)
	if diff := cmp.Diff(first, offer(newShaper(path, 7, 1), n, time.Millisecond)); diff != "" {
		t.Errorf("the same seed decides otherwise:\n%s", diff)
	}
	if slices.Equal(first, offer(newShaper(path, 8, 1), n, time.Millisecond)) {
		t.Error("another seed decides the same")
	}
	got := s.snapshot()
	for what, count := range map[string]uint64{"lost": got.Lost, "twice": got.Duplicated, "late": got.Reordered} {
		if count < n/20 || count > n/5 {
			t.Errorf("%d of %d %s, want about a tenth", count, n, what)
		}
	}
	// Only what is reordered loses its place.
	plain := offer(newShaper(Path{Jitter: 50 * time.Millisecond}, 7, 1), n, time.Millisecond)
	if !slices.IsSorted(plain) {
		t.Error("jitter alone changes the order")
	}
	if slices.IsSorted(first) {
		t.Error("nothing was overtaken")
	}
}

func TestShaperOff(t *testing.T) {
	s := newShaper(Path{}, 1, 1)
	s.setOff(true)
	if got := offer(s, 3, 0); got != nil {
		t.Errorf("a black hole lets %v through", got)
	}
	s.setOff(false)
	if got := offer(s, 3, 0); len(got) != 3 {
		t.Errorf("%v came after the black hole", got)
	}
}

func TestSegmentsWaitForTheBottleneckAndForLoss(t *testing.T) {
	s := newShaper(Path{Delay: time.Millisecond, Bandwidth: 8_000_000}, 1, 1)
	for i, want := range []time.Duration{2 * time.Millisecond, 3 * time.Millisecond} {
		if got := s.segment(start, 1000).Sub(start); got != want {
			t.Errorf("segment %d is due after %v, want %v", i, got, want)
		}
	}
	s.set(Path{Loss: 1})
	if got := s.segment(start.Add(time.Second), 1000).Sub(start); got != 1200*time.Millisecond {
		t.Errorf("a lost segment is due after %v, want 1.2 s", got)
	}
	s.set(Path{Loss: 1, Recovery: time.Millisecond, Segment: 7})
	if got := s.segment(start.Add(time.Second), 1000).Sub(start); got != 1001*time.Millisecond || s.segmentSize() != 7 {
		t.Errorf("due after %v in segments of %d", got, s.segmentSize())
	}
}

func TestCourierDeliversInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, began := newCourier(), time.Now()
		type delivery struct {
			Data string
			At   time.Duration
		}
		var got []delivery
		note := func(b []byte) { got = append(got, delivery{string(b), time.Since(began)}) }
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); c.run(ctx) }()
		for _, p := range []struct {
			data string
			due  time.Duration
		}{{"c", 30}, {"a", 10}, {"b1", 20}, {"b2", 20}, {"never", 5000}} {
			if !c.take(began.Add(p.due*time.Millisecond), []byte(p.data), note) {
				t.Errorf("%s not taken", p.data)
			}
		}
		time.Sleep(time.Second)
		cancel()
		<-done
		want := []delivery{{"a", 10e6}, {"b1", 20e6}, {"b2", 20e6}, {"c", 30e6}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("deliveries (-want +got):\n%s", diff)
		}
	})
}

func TestCourierIsBounded(t *testing.T) {
	c := newCourier()
	for i := range maxHeld {
		if !c.take(start, nil, nil) {
			t.Fatalf("number %d not taken", i)
		}
	}
	if c.take(start, nil, nil) {
		t.Errorf("it carries more than %d", maxHeld)
	}
}
