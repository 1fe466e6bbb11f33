package ptz

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gbgate/gb28181"
	"gbgate/gb28181/manscdp"
	"gbgate/media"
)

// turret is a PTZ that writes down when it was told what.
type turret struct {
	began time.Time
	takes time.Duration // for each command

	mu        sync.Mutex
	did       []string
	fail      int // stops that fail
	fixedLens bool
	tires     time.Duration
}

func (p *turret) Tires() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tires
}

func (p *turret) set(change func(*turret)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(p)
}

func (p *turret) note(ctx context.Context, format string, args ...any) error {
	if err := media.Wait(ctx, p.takes); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.did = append(p.did, fmt.Sprintf("%.0fs ", time.Since(p.began).Seconds())+fmt.Sprintf(format, args...))
	return nil
}

func (p *turret) Move(ctx context.Context, pan, tilt, zoom float64) error {
	return p.note(ctx, "move %.1f %.1f %.1f", pan, tilt, zoom)
}

func (p *turret) Stop(ctx context.Context) error {
	p.mu.Lock()
	p.fail--
	fail := p.fail >= 0
	p.mu.Unlock()
	if err := p.note(ctx, "stop"); err != nil || !fail {
		return err
	}
	return errors.New("time-out")
}

func (p *turret) Lens(ctx context.Context, focus, iris float64) error {
	p.mu.Lock()
	fixed := p.fixedLens
	p.mu.Unlock()
	if fixed {
		return fmt.Errorf("camera has no imaging: %w", errors.ErrUnsupported)
	}
	return p.note(ctx, "lens %.1f %.1f", focus, iris)
}

func (p *turret) SetPreset(ctx context.Context, n int, _ string) error {
	return p.note(ctx, "set %d", n)
}
func (p *turret) GotoPreset(ctx context.Context, n int) error   { return p.note(ctx, "goto %d", n) }
func (p *turret) RemovePreset(ctx context.Context, n int) error { return p.note(ctx, "remove %d", n) }

func (p *turret) take() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	did := p.did
	p.did = nil
	return did
}

const (
	goLeft   = "A50F0102FF0000B6"
	goRight  = "A50F0101FF0000B5"
	goStop   = "A50F0100000000B5"
	goFar    = "A50F0141FF0000F5"
	lensStop = "A50F0140000000F5"
	goPreset = "A50F01820003003A"
)

// seat is where a platform steers the camera from.
type seat struct {
	*Mount
	who *Operator
}

func (s *seat) Release() { s.Mount.Release(s.who) }

// mounted puts a camera up, which stop takes down.
func mounted(head Head, dir string) (m *Mount, stop func()) {
	tasks := &Tasks{}
	m = New(Config{Head: head, Camera: "gate", Dir: dir, Tasks: tasks, Log: slog.New(slog.DiscardHandler)})
	return m, sync.OnceFunc(func() { m.Close(); tasks.Close() })
}

// steer gives an instruction; whether it is carried out shows at the camera.
func steer(t *testing.T, s *seat, code string) {
	t.Helper()
	cmd, err := gb28181.ParsePTZ(code, true)
	if err != nil {
		t.Fatal(err)
	}
	_ = s.Control(t.Context(), s.who, cmd, manscdp.PTZCmdParams{})
}

func TestNoCameraTurnsForEver(t *testing.T) {
	for _, c := range []struct {
		name string
		who  Operator
		fail int
		do   func(t *testing.T, s *seat, stop func())
		want []string
	}{
		{
			"the stop is lost",
			Operator{},
			0,
			func(t *testing.T, s *seat, _ func()) { steer(t, s, goLeft) },
			[]string{"0s move -1.0 0.0 0.0", "15s stop"},
		},
		{
			"the watchdog's time",
			Operator{Watchdog: 3 * time.Second},
			0,
			func(t *testing.T, s *seat, _ func()) { steer(t, s, goLeft) },
			[]string{"0s move -1.0 0.0 0.0", "3s stop"},
		},
		{
			"no watchdog wanted",
			Operator{Watchdog: -1},
			0,
			func(t *testing.T, s *seat, _ func()) { steer(t, s, goLeft); time.Sleep(time.Hour) },
			[]string{"0s move -1.0 0.0 0.0", "3720s stop"}, // at the end of everything
		},
		{
			"repeats keep it going",
			Operator{},
			0,
			func(t *testing.T, s *seat, _ func()) {
				for range 3 {
					steer(t, s, goLeft)
					time.Sleep(10 * time.Second)
				}
			},
			[]string{"0s move -1.0 0.0 0.0", "10s move -1.0 0.0 0.0", "20s move -1.0 0.0 0.0", "35s stop"},
		},
		{
			"the operator stops it",
			Operator{},
			0,
			func(t *testing.T, s *seat, _ func()) { steer(t, s, goLeft); steer(t, s, goStop) },
			[]string{"0s move -1.0 0.0 0.0", "0s stop"},
		},
		{
			"a stop that fails is tried again",
			Operator{},
			1,
			func(t *testing.T, s *seat, _ func()) { steer(t, s, goLeft); steer(t, s, goStop) },
			[]string{"0s move -1.0 0.0 0.0", "0s stop", "2s stop"},
		},
		{
			"but not for ever",
			Operator{},
			99,
			func(t *testing.T, s *seat, _ func()) { steer(t, s, goLeft); steer(t, s, goStop) },
			[]string{"0s move -1.0 0.0 0.0", "0s stop", "2s stop", "4s stop", "6s stop"},
		},
		{
			"the lens has a stop of its own",
			Operator{},
			0,
			func(t *testing.T, s *seat, _ func()) {
				steer(t, s, goFar)
				time.Sleep(time.Second)
				steer(t, s, goLeft)
				time.Sleep(time.Second)
				steer(t, s, lensStop)
			},
			[]string{"0s lens 1.0 0.0", "1s move -1.0 0.0 0.0", "2s lens 0.0 0.0", "16s stop"},
		},
		{
			"a movement that the camera would end is repeated",
			Operator{},
			0,
			func(t *testing.T, s *seat, _ func()) {
				s.motion.head.(*turret).set(func(p *turret) { p.tires = 10 * time.Second })
				steer(t, s, goLeft)
				time.Sleep(7 * time.Second)
				steer(t, s, goStop)
				time.Sleep(time.Minute)
				steer(t, s, goRight) // never stopped
			},
			[]string{
				"0s move -1.0 0.0 0.0", "3s move -1.0 0.0 0.0", "6s move -1.0 0.0 0.0", "7s stop",
				"67s move 1.0 0.0 0.0", "70s move 1.0 0.0 0.0", "73s move 1.0 0.0 0.0", "76s move 1.0 0.0 0.0",
				"79s move 1.0 0.0 0.0", "82s stop",
			},
		},
		{
			"not after a stop that failed",
			Operator{},
			1,
			func(t *testing.T, s *seat, _ func()) {
				s.motion.head.(*turret).set(func(p *turret) { p.tires = 2 * time.Second })
				steer(t, s, goLeft)
				time.Sleep(1500 * time.Millisecond)
				steer(t, s, goStop)
			},
			[]string{"0s move -1.0 0.0 0.0", "1s move -1.0 0.0 0.0", "2s stop", "4s stop"},
		},
		{
			"nor after the watchdog, where the camera is too busy to be stopped",
			Operator{Watchdog: 4 * time.Second},
			0,
			func(t *testing.T, s *seat, _ func()) {
				s.motion.head.(*turret).set(func(p *turret) { p.tires = 2 * time.Second })
				steer(t, s, goLeft)
				if err := s.motion.turn.Acquire(t.Context(), 1); err != nil {
					t.Error(err)
				}
				time.Sleep(7 * time.Second)
				s.motion.turn.Release(1)
			},
			[]string{"0s move -1.0 0.0 0.0", "8s stop"},
		},
		{
			"nor where the watchdog is sooner",
			Operator{},
			0,
			func(t *testing.T, s *seat, _ func()) {
				s.motion.head.(*turret).set(func(p *turret) { p.tires = time.Minute })
				steer(t, s, goLeft)
			},
			[]string{"0s move -1.0 0.0 0.0", "15s stop"},
		},
		{
			"a lens without a motor is not stopped",
			Operator{},
			0,
			func(t *testing.T, s *seat, _ func()) {
				s.motion.head.(*turret).set(func(p *turret) { p.fixedLens = true })
				steer(t, s, goFar)
				steer(t, s, lensStop)
			},
			nil,
		},
		{
			"a journey to a preset is not cut short",
			Operator{},
			0,
			func(t *testing.T, s *seat, _ func()) { steer(t, s, goLeft); steer(t, s, goPreset) },
			[]string{"0s move -1.0 0.0 0.0", "0s goto 3"},
		},
		{
			"its operator is gone",
			Operator{},
			0,
			func(t *testing.T, s *seat, _ func()) { steer(t, s, goLeft); time.Sleep(time.Second); s.Release() },
			[]string{"0s move -1.0 0.0 0.0", "1s stop"},
		},
		{
			"we stop",
			Operator{},
			0,
			func(t *testing.T, s *seat, stop func()) { steer(t, s, goLeft); time.Sleep(time.Second); stop() },
			[]string{"0s move -1.0 0.0 0.0", "1s stop"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				head := &turret{began: time.Now(), fail: c.fail}
				m, stop := mounted(head, "")
				c.do(t, &seat{m, &c.who}, stop)
				time.Sleep(2 * time.Minute)
				stop()
				if diff := cmp.Diff(c.want, head.take()); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

func TestTheLastWriterWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		head := &turret{began: time.Now(), takes: 2 * time.Second}
		m, stop := mounted(head, "")
		one, two := &seat{m, &Operator{Name: "one"}}, &seat{m, &Operator{Name: "two"}}
		var all sync.WaitGroup
		for _, c := range []struct {
			seat *seat
			code string
		}{{one, goLeft}, {one, goStop}, {two, goRight}} { // the camera is still busy with the first
			all.Go(func() { steer(t, c.seat, c.code) })
			synctest.Wait()
		}
		all.Wait()
		if diff := cmp.Diff([]string{"2s move -1.0 0.0 0.0", "4s move 1.0 0.0 0.0"}, head.take()); diff != "" {
			t.Error(diff)
		}
		one.Release() // it is the other one's movement now
		time.Sleep(10 * time.Second)
		if did := head.take(); did != nil {
			t.Errorf("the end of the first superior did %v", did)
		}
		two.Release()
		time.Sleep(3 * time.Second)
		if diff := cmp.Diff([]string{"16s stop"}, head.take()); diff != "" {
			t.Error(diff)
		}
		stop()
	})
}

func TestACameraThatHangsDoesNotHoldTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		head := &turret{began: time.Now(), takes: time.Hour}
		m, stop := mounted(head, "")
		began := time.Now()
		steer(t, &seat{m, &Operator{}}, goLeft)
		if d := time.Since(began); d != commandWithin {
			t.Errorf("gave up after %v, want %v", d, commandWithin)
		}
		began = time.Now()
		stop()
		if d := time.Since(began); d > stopWithin {
			t.Errorf("the end took %v, want at most %v", d, stopWithin)
		}
	})
}
