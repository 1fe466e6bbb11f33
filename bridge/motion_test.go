package bridge

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

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

func steer(t *testing.T, v *View, code string) {
	t.Helper()
	c := &manscdp.DeviceControl{Header: manscdp.Header{SN: "1", DeviceID: gate}, PTZCmd: code}
	if _, err := v.DeviceControl(t.Context(), c); err != nil {
		t.Error(err)
	}
}

func TestNoCameraTurnsForEver(t *testing.T) {
	for _, c := range []struct {
		name string
		cfg  ViewConfig
		fail int
		do   func(t *testing.T, v *View, stop func())
		want []string
	}{
		{
			"the stop is lost",
			ViewConfig{},
			0,
			func(t *testing.T, v *View, _ func()) { steer(t, v, goLeft) },
			[]string{"0s move -1.0 0.0 0.0", "15s stop"},
		},
		{
			"the watchdog's time",
			ViewConfig{PTZWatchdog: 3 * time.Second},
			0,
			func(t *testing.T, v *View, _ func()) { steer(t, v, goLeft) },
			[]string{"0s move -1.0 0.0 0.0", "3s stop"},
		},
		{
			"no watchdog wanted",
			ViewConfig{PTZWatchdog: -1},
			0,
			func(t *testing.T, v *View, _ func()) { steer(t, v, goLeft); time.Sleep(time.Hour) },
			[]string{"0s move -1.0 0.0 0.0", "3720s stop"}, // at the end of everything
		},
		{
			"repeats keep it going",
			ViewConfig{},
			0,
			func(t *testing.T, v *View, _ func()) {
				for range 3 {
					steer(t, v, goLeft)
					time.Sleep(10 * time.Second)
				}
			},
			[]string{"0s move -1.0 0.0 0.0", "10s move -1.0 0.0 0.0", "20s move -1.0 0.0 0.0", "35s stop"},
		},
		{
			"the operator stops it",
			ViewConfig{},
			0,
			func(t *testing.T, v *View, _ func()) { steer(t, v, goLeft); steer(t, v, goStop) },
			[]string{"0s move -1.0 0.0 0.0", "0s stop"},
		},
		{
			"a stop that fails is tried again",
			ViewConfig{},
			1,
			func(t *testing.T, v *View, _ func()) { steer(t, v, goLeft); steer(t, v, goStop) },
			[]string{"0s move -1.0 0.0 0.0", "0s stop", "2s stop"},
		},
		{
			"but not for ever",
			ViewConfig{},
			99,
			func(t *testing.T, v *View, _ func()) { steer(t, v, goLeft); steer(t, v, goStop) },
			[]string{"0s move -1.0 0.0 0.0", "0s stop", "2s stop", "4s stop", "6s stop"},
		},
		{
			"the lens has a stop of its own",
			ViewConfig{},
			0,
			func(t *testing.T, v *View, _ func()) {
				steer(t, v, goFar)
				time.Sleep(time.Second)
				steer(t, v, goLeft)
				time.Sleep(time.Second)
				steer(t, v, lensStop)
			},
			[]string{"0s lens 1.0 0.0", "1s move -1.0 0.0 0.0", "2s lens 0.0 0.0", "16s stop"},
		},
		{
			"a movement that the camera would end is repeated",
			ViewConfig{},
			0,
			func(t *testing.T, v *View, _ func()) {
				c, _ := v.channel(gate)
				c.motion.ptz.(*turret).set(func(p *turret) { p.tires = 10 * time.Second })
				steer(t, v, goLeft)
				time.Sleep(7 * time.Second)
				steer(t, v, goStop)
				time.Sleep(time.Minute)
				steer(t, v, goRight) // never stopped
			},
			[]string{
				"0s move -1.0 0.0 0.0", "3s move -1.0 0.0 0.0", "6s move -1.0 0.0 0.0", "7s stop",
				"67s move 1.0 0.0 0.0", "70s move 1.0 0.0 0.0", "73s move 1.0 0.0 0.0", "76s move 1.0 0.0 0.0",
				"79s move 1.0 0.0 0.0", "82s stop",
			},
		},
		{
			"not after a stop that failed",
			ViewConfig{},
			1,
			func(t *testing.T, v *View, _ func()) {
				c, _ := v.channel(gate)
				c.motion.ptz.(*turret).set(func(p *turret) { p.tires = 2 * time.Second })
				steer(t, v, goLeft)
				time.Sleep(1500 * time.Millisecond)
				steer(t, v, goStop)
			},
			[]string{"0s move -1.0 0.0 0.0", "1s move -1.0 0.0 0.0", "2s stop", "4s stop"},
		},
		{
			"nor after the watchdog, where the camera is too busy to be stopped",
			ViewConfig{PTZWatchdog: 4 * time.Second},
			0,
			func(t *testing.T, v *View, _ func()) {
				c, _ := v.channel(gate)
				c.motion.ptz.(*turret).set(func(p *turret) { p.tires = 2 * time.Second })
				steer(t, v, goLeft)
				if err := c.motion.turn.Acquire(t.Context(), 1); err != nil {
					t.Error(err)
				}
				time.Sleep(7 * time.Second)
				c.motion.turn.Release(1)
			},
			[]string{"0s move -1.0 0.0 0.0", "8s stop"},
		},
		{
			"nor where the watchdog is sooner",
			ViewConfig{},
			0,
			func(t *testing.T, v *View, _ func()) {
				c, _ := v.channel(gate)
				c.motion.ptz.(*turret).set(func(p *turret) { p.tires = time.Minute })
				steer(t, v, goLeft)
			},
			[]string{"0s move -1.0 0.0 0.0", "15s stop"},
		},
		{
			"a lens without a motor is not stopped",
			ViewConfig{},
			0,
			func(t *testing.T, v *View, _ func()) {
				c, _ := v.channel(gate)
				c.motion.ptz.(*turret).set(func(p *turret) { p.fixedLens = true })
				steer(t, v, goFar)
				steer(t, v, lensStop)
			},
			nil,
		},
		{
			"a journey to a preset is not cut short",
			ViewConfig{},
			0,
			func(t *testing.T, v *View, _ func()) { steer(t, v, goLeft); steer(t, v, goPreset) },
			[]string{"0s move -1.0 0.0 0.0", "0s goto 3"},
		},
		{
			"the last call ends",
			ViewConfig{},
			0,
			func(t *testing.T, v *View, _ func()) {
				c, _ := v.channel(gate)
				v.callBegins(c)
				v.callBegins(c)
				steer(t, v, goLeft)
				time.Sleep(time.Second)
				v.callEnds(c)
				time.Sleep(time.Second)
				v.callEnds(c)
			},
			[]string{"0s move -1.0 0.0 0.0", "2s stop"},
		},
		{
			"the registration is lost",
			ViewConfig{},
			0,
			func(t *testing.T, v *View, _ func()) { steer(t, v, goLeft); time.Sleep(time.Second); v.Release() },
			[]string{"0s move -1.0 0.0 0.0", "1s stop"},
		},
		{
			"we stop",
			ViewConfig{},
			0,
			func(t *testing.T, v *View, stop func()) { steer(t, v, goLeft); time.Sleep(time.Second); stop() },
			[]string{"0s move -1.0 0.0 0.0", "1s stop"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				head := &turret{began: time.Now(), fail: c.fail}
				site := testSite(head)
				c.cfg.NodeID, c.cfg.Channels = node, []string{"*"}
				v := site.View(c.cfg)
				_, stop := running(t, site, nil)
				c.do(t, v, stop)
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
		site := testSite(head)
		_, stop := running(t, site, nil)
		one := site.View(ViewConfig{NodeID: node, Channels: []string{"*"}})
		two := site.View(ViewConfig{NodeID: alien, Channels: []string{"*"}})
		var all sync.WaitGroup
		for _, c := range []struct {
			v    *View
			code string
		}{{one, goLeft}, {one, goStop}, {two, goRight}} { // the camera is still busy with the first
			all.Go(func() { steer(t, c.v, c.code) })
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
		site := testSite(head)
		_, stop := running(t, site, nil)
		v := site.View(ViewConfig{NodeID: node, Channels: []string{"*"}})
		began := time.Now()
		steer(t, v, goLeft)
		if d := time.Since(began); d != deviceTimeout {
			t.Errorf("gave up after %v, want %v", d, deviceTimeout)
		}
		began = time.Now()
		stop()
		if d := time.Since(began); d > stopWithin {
			t.Errorf("the end took %v, want at most %v", d, stopWithin)
		}
	})
}
