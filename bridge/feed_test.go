package bridge

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gbgate/bridge/playback/tape"
	"gbgate/media"
)

// camera is a Source whose life the test writes: each Run takes the next act.
type camera struct {
	acts   []act
	always act // when the acts are used up

	mu     sync.Mutex
	runs   int
	checks []error
	open   int // sessions at once
	most   int
}

// act is one Run: wait, then pictures every 40 ms for a time, then the error. A play of 0
// goes on until the context ends.
type act struct {
	wait, play time.Duration
	err        error
	silent     bool  // no pictures
	gop        int64 // pictures from one key picture to the next; default 25
}

func (c *camera) Run(ctx context.Context, sink func(*media.Unit)) error {
	c.mu.Lock()
	a := c.always
	if c.runs < len(c.acts) {
		a = c.acts[c.runs]
	}
	c.runs++
	c.open++
	c.most = max(c.most, c.open)
	c.mu.Unlock()
	defer func() { c.mu.Lock(); c.open--; c.mu.Unlock() }()
	if err := media.Wait(ctx, a.wait); err != nil {
		return err
	}
	if a.err != nil && a.play == 0 {
		return a.err
	}
	began := time.Now()
	for i := int64(0); a.play == 0 || time.Since(began) < a.play; i++ {
		if !a.silent {
			sink(tape.Picture(i%cmp.Or(a.gop, 25) == 0, i*3600))
		}
		if err := media.Wait(ctx, 40*time.Millisecond); err != nil {
			return err
		}
	}
	return a.err
}

func (c *camera) Check(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.checks) == 0 {
		return nil
	}
	err := c.checks[0]
	if len(c.checks) > 1 {
		c.checks = c.checks[1:]
	}
	return err
}

func (c *camera) count() (runs, open, most int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.runs, c.open, c.most
}

// wrong is an error with a kind.
type wrong struct{ locked, unsupported, strange bool }

func (w wrong) Error() string     { return "password refused" }
func (w wrong) LockedOut() bool   { return w.locked }
func (w wrong) Unsupported() bool { return w.unsupported }
func (w wrong) Strange() bool     { return w.strange }

var testRetry = Retry{Min: time.Second, Max: 30 * time.Second, Locked: 5 * time.Minute}

// startFeed runs a feed within a synctest bubble; stop ends it and waits.
func startFeed(t *testing.T, src Source) (f *Feed, stop func()) {
	t.Helper()
	f = NewFeed(src, 10*time.Second, testRetry, media.Limits{}, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = f.Run(ctx) }()
	return f, func() { cancel(); <-done }
}

func TestFeedPullsOnceWhateverTheNumberOfViewers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cam := &camera{always: act{wait: time.Second}}
		f, stop := startFeed(t, cam)
		time.Sleep(time.Hour)
		if runs, _, _ := cam.count(); runs != 0 {
			t.Fatalf("pulled %d times while nobody watched", runs)
		}
		var leases []*Lease
		for range 5 {
			l := f.Subscribe(media.FromCachedGOP)
			if err := l.Ready(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			leases = append(leases, l)
		}
		if runs, open, most := cam.count(); runs != 1 || open != 1 || most != 1 {
			t.Errorf("runs %d, open %d, at most %d; want one session", runs, open, most)
		}
		for _, l := range leases {
			l.Close()
			l.Close() // harmless
		}
		time.Sleep(9 * time.Second)
		if got := f.State(); got != Lingering {
			t.Errorf("9 s after the last viewer: %v, want lingering", got)
		}
		again := f.Subscribe(media.FromCachedGOP)
		time.Sleep(time.Minute)
		if got := f.State(); got != Live {
			t.Errorf("with a viewer again: %v, want live", got)
		}
		again.Close()
		time.Sleep(11 * time.Second)
		if got := f.State(); got != Idle {
			t.Errorf("11 s after the last viewer: %v, want idle", got)
		}
		if runs, open, _ := cam.count(); runs != 1 || open != 0 {
			t.Errorf("runs %d, open %d; want 1, 0", runs, open)
		}
		stop()
	})
}

func TestViewerOutlivesItsCameraAndSeesTimeGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cam := &camera{acts: []act{{play: 2 * time.Second, err: errors.New("reset")}}, always: act{wait: time.Second}}
		f, stop := startFeed(t, cam)
		l := f.Subscribe(media.FromCachedGOP)
		last, biggest := int64(-1), int64(0)
		for range 100 {
			u, err := l.Read(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if u.DTS <= last {
				t.Fatalf("DTS %d after %d", u.DTS, last)
			}
			if last >= 0 {
				biggest = max(biggest, u.DTS-last)
			}
			last = u.DTS
			u.Release()
		}
		// 1 s of back-off (less a fifth at most) and 1 s of handshake passed while it was gone.
		if gap := media.Duration(biggest); gap < 1800*time.Millisecond || gap > 2100*time.Millisecond {
			t.Errorf("the gap on the time line is %v, want the time that passed", gap)
		}
		l.Close()
		stop()
	})
}

func TestReadyTellsWhyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := wrong{locked: true}
		cam := &camera{always: act{wait: 100 * time.Millisecond, err: refused}}
		f, stop := startFeed(t, cam)
		first := f.Subscribe(media.FromCachedGOP)
		began := time.Now()
		if err := first.Ready(t.Context(), nil); !errors.Is(err, error(refused)) {
			t.Errorf("first viewer got %v, want %v", err, refused)
		}
		if d := time.Since(began); d != 100*time.Millisecond {
			t.Errorf("told after %v, want as soon as it is known", d)
		}
		// A wrong password is not tried again for each viewer: that locks the account.
		second := f.Subscribe(media.FromCachedGOP)
		if err := second.Ready(t.Context(), nil); !errors.Is(err, error(refused)) {
			t.Errorf("second viewer got %v, want %v", err, refused)
		}
		time.Sleep(3 * time.Minute)
		if runs, _, _ := cam.count(); runs != 1 {
			t.Errorf("a refused password was tried %d times in 3 minutes", runs)
		}
		first.Close()
		second.Close()
		stop()
	})
}

func TestLostWaitsForTheGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone := errors.New("no route to host")
		cam := &camera{acts: []act{{play: time.Minute, err: gone}}, always: act{err: gone}}
		f, stop := startFeed(t, cam)
		l := f.Subscribe(media.FromCachedGOP)
		began := time.Now()
		err := l.Lost(t.Context(), 10*time.Second)
		if !errors.Is(err, gone) {
			t.Errorf("got %v, want %v", err, gone)
		}
		if d := time.Since(began); d < 69*time.Second || d > 71*time.Second {
			t.Errorf("lost after %v, want a minute and the grace", d)
		}
		l.Close()
		stop()
	})
}

func TestBackoffDoublesUpToItsBound(t *testing.T) {
	for failures, want := range map[int]time.Duration{
		1: time.Second, 2: 2 * time.Second, 5: 16 * time.Second, 6: 30 * time.Second, 1000: 30 * time.Second,
	} {
		for range 100 {
			if d := testRetry.delay(failures, errors.New("x")); d > want || d < want*8/10 {
				t.Fatalf("after %d failures %v, want %v less at most a fifth", failures, d, want)
			}
		}
	}
}

// A camera that is off for a night has a line an hour in the log, not one for each attempt; another reason, and an end
// after it was well, are told at once.
func TestTheSameReasonIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		off, refused := act{err: errors.New("no answer")}, act{err: errors.New("connection refused")}
		cam := &camera{acts: []act{off, off, off, refused, refused, {play: time.Minute, err: refused.err}}, always: off}
		var log bytes.Buffer
		f := NewFeed(cam, 10*time.Second, testRetry, media.Limits{}, slog.New(slog.NewTextHandler(&log, nil)))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); _ = f.Run(ctx) }()
		viewer := f.Subscribe(media.FromCachedGOP)
		time.Sleep(3 * time.Hour)
		cancel()
		<-done
		viewer.Close()
		if got, want := strings.Count(log.String(), "does not deliver"), 6; got != want {
			runs, _, _ := cam.count()
			t.Errorf("%d lines after %d attempts, want %d:\n%s", got, runs, want, log.String())
		}
	})
}

func TestHealthBelievesBadNewsWhenTheySayItTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := errors.New("no route to host")
		for _, c := range []struct {
			name   string
			checks []error
			want   []Condition // after each second look
		}{
			{"well", []error{nil}, []Condition{ON}},
			{"a hiccup", []error{down, nil}, []Condition{ON}},
			{"down", []error{down}, []Condition{OFF}},
			{"unsupported", []error{wrong{unsupported: true}}, []Condition{DEFECT}},
		} {
			cam := &camera{checks: c.checks}
			f, stop := startFeed(t, cam)
			h := newHealth(f, Probing{}, newSlots())
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() { defer close(done); _ = h.run(ctx) }()
			synctest.Wait()
			if got := h.Now(); got.Condition != ON {
				t.Errorf("%s: %v after one look, want ON until it is confirmed", c.name, got.Condition)
			}
			time.Sleep(6 * time.Second)
			if got := h.Now(); got.Condition != c.want[0] || (got.Reason == "") != (got.Condition == ON) {
				t.Errorf("%s: %+v, want %v with its reason", c.name, got, c.want[0])
			}
			cancel()
			<-done
			stop()
		}
	})
}

func TestHealthSeesAPictureThatStandsStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cam := &camera{acts: []act{{play: 2 * time.Second, err: nil}}, always: act{silent: true}}
		f := NewFeed(cam, time.Second, testRetry, media.Limits{}, slog.New(slog.DiscardHandler))
		h := newHealth(f, Probing{}, newSlots())
		f.state = Live
		u := tape.Picture(true, 0)
		u.Arrived = time.Now().Add(-30 * time.Second)
		f.stream.Write(u)
		condition, reason, err := h.look(t.Context())
		if err != nil || condition != VLOST || reason != "RTSP up, no key frame for 30 s" {
			t.Errorf("got %v %q %v", condition, reason, err)
		}
		f.stream.Close(nil)
	})
}
