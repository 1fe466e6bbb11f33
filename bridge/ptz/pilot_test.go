package ptz

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gbgate/gb28181"
	"gbgate/gb28181/manscdp"
)

// gimbal is a turret that turns a quarter of a circle a second, knows where it looks, and has all
// that a PTZ may have.
type gimbal struct {
	turret
	pan      float64
	velocity float64
	since    time.Time
	blind    bool
	jammed   bool         // what aims at something fails
	missing  map[int]bool // presets
}

func (g *gimbal) settle() float64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	g.pan += g.velocity * 0.5 * now.Sub(g.since).Seconds()
	g.pan = math.Mod(g.pan+3, 2) - 1
	g.since = now
	return g.pan
}

// set changes what the gimbal is like.
func (g *gimbal) set(change func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	change()
}

func (g *gimbal) has(what func() bool) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return what()
}

func (g *gimbal) Move(ctx context.Context, pan, tilt, zoom float64) error {
	g.settle()
	g.set(func() { g.velocity = pan })
	return g.turret.Move(ctx, pan, tilt, zoom)
}

func (g *gimbal) Stop(ctx context.Context) error {
	g.settle()
	g.set(func() { g.velocity = 0 })
	return g.turret.Stop(ctx)
}

func (g *gimbal) GotoPreset(ctx context.Context, n int) error {
	if g.has(func() bool { return g.missing[n] }) {
		return errors.New("no such preset")
	}
	return g.turret.GotoPreset(ctx, n)
}

func (g *gimbal) Position(context.Context) (pan, tilt, zoom float64, err error) {
	if g.has(func() bool { return g.blind }) {
		return 0, 0, 0, errors.New("no status")
	}
	return g.settle(), 0, 0, nil
}

func (g *gimbal) GotoHome(ctx context.Context) error { return g.note(ctx, "home") }

func (g *gimbal) MoveTo(ctx context.Context, pan, tilt, zoom *float64) error {
	axis := func(v *float64) string {
		if v == nil {
			return "-"
		}
		return fmt.Sprintf("%.2f", *v)
	}
	if g.has(func() bool { return g.jammed }) {
		return errors.New("jammed")
	}
	return g.note(ctx, "aim %s %s %s", axis(pan), axis(tilt), axis(zoom))
}

func (g *gimbal) DragZoom(ctx context.Context, x, y, factor float64) error {
	if g.has(func() bool { return g.jammed }) {
		return errors.New("jammed")
	}
	return g.note(ctx, "drag %.2f %.2f %.2f", x, y, factor)
}

// code is an instruction for cruises and scans.
func code(op gb28181.PTZOp, group uint8, value int) string {
	return gb28181.PTZCommand{
		Op: op, Group: group, Preset: uint8(value), Value: uint16(value),
	}.Encode()
}

// flight is a camera that has a gimbal, and who steers it, within a synctest bubble.
func flight(dir string) (g *gimbal, s *seat, stop func()) {
	g = &gimbal{turret: turret{began: time.Now()}, since: time.Now()}
	m, stop := mounted(g, dir)
	return g, &seat{m, &Operator{}}, stop
}

func TestCruise(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(t *testing.T, g *gimbal, s *seat)
		want []string
	}{
		{"round and round, until it is stopped", func(t *testing.T, _ *gimbal, s *seat) {
			steer(t, s, code(gb28181.PTZCruiseDwell, 1, 30))
			steer(t, s, code(gb28181.PTZStartCruise, 1, 0))
			time.Sleep(80 * time.Second)
			steer(t, s, goStop)
		}, []string{"0s goto 4", "30s goto 7", "60s goto 4", "80s stop"}},
		{"an operator takes it over", func(t *testing.T, _ *gimbal, s *seat) {
			steer(t, s, code(gb28181.PTZStartCruise, 1, 0))
			time.Sleep(15 * time.Second)
			steer(t, s, goLeft)
			time.Sleep(time.Second)
			steer(t, s, goStop)
		}, []string{"0s goto 4", "10s goto 7", "15s move -1.0 0.0 0.0", "16s stop"}},
		{"a preset takes it over", func(t *testing.T, _ *gimbal, s *seat) {
			steer(t, s, code(gb28181.PTZStartCruise, 1, 0))
			time.Sleep(5 * time.Second)
			steer(t, s, goPreset)
		}, []string{"0s goto 4", "5s goto 3"}},
		{"the lens does not", func(t *testing.T, _ *gimbal, s *seat) {
			steer(t, s, code(gb28181.PTZStartCruise, 1, 0))
			time.Sleep(5 * time.Second)
			steer(t, s, goFar)
			steer(t, s, lensStop)
			time.Sleep(6 * time.Second)
			steer(t, s, goStop)
		}, []string{"0s goto 4", "5s lens 1.0 0.0", "5s lens 0.0 0.0", "10s goto 7", "11s stop"}},
		{"it goes on without its superior", func(t *testing.T, _ *gimbal, s *seat) {
			steer(t, s, code(gb28181.PTZStartCruise, 1, 0))
			s.Release()
			time.Sleep(15 * time.Second)
			steer(t, s, goStop)
		}, []string{"0s goto 4", "10s goto 7", "15s stop"}},
		{"a point that is gone is passed over", func(t *testing.T, g *gimbal, s *seat) {
			g.set(func() { g.missing = map[int]bool{4: true} })
			steer(t, s, code(gb28181.PTZStartCruise, 1, 0))
			time.Sleep(15 * time.Second)
			steer(t, s, goStop)
		}, []string{"10s goto 7", "15s stop"}},
		{"all of them are gone", func(t *testing.T, g *gimbal, s *seat) {
			g.set(func() { g.missing = map[int]bool{4: true, 7: true} })
			steer(t, s, code(gb28181.PTZStartCruise, 1, 0))
			time.Sleep(time.Minute)
			g.set(func() { g.missing = nil })
			time.Sleep(time.Minute)
		}, nil},
		{"a point is taken out", func(t *testing.T, _ *gimbal, s *seat) {
			steer(t, s, code(gb28181.PTZDeleteCruisePoint, 1, 4))
			steer(t, s, code(gb28181.PTZStartCruise, 1, 0))
			time.Sleep(15 * time.Second)
			steer(t, s, goStop)
		}, []string{"0s goto 7", "10s goto 7", "15s stop"}},
		{"the cruise is deleted", func(t *testing.T, _ *gimbal, s *seat) {
			steer(t, s, code(gb28181.PTZDeleteCruisePoint, 1, 0))
			steer(t, s, code(gb28181.PTZStartCruise, 1, 0))
		}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, s, stop := flight("")
				steer(t, s, code(gb28181.PTZAddCruisePoint, 1, 4))
				steer(t, s, code(gb28181.PTZAddCruisePoint, 1, 7))
				c.do(t, g, s)
				time.Sleep(time.Minute)
				stop()
				if diff := cmp.Diff(c.want, g.take()); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

func TestScan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, s, stop := flight("")
		set := func(pan float64, op gb28181.PTZOp) {
			g.set(func() { g.pan, g.since = pan, time.Now() })
			steer(t, s, code(op, 2, 0))
		}
		steer(t, s, code(gb28181.PTZStartScan, 2, 0)) // has no borders yet
		set(0.9, gb28181.PTZScanLeft)
		set(-0.8, gb28181.PTZScanRight) // behind the camera
		steer(t, s, code(gb28181.PTZScanSpeed, 2, 4095))
		g.set(func() { g.pan, g.since = 0.95, time.Now() })
		steer(t, s, code(gb28181.PTZStartScan, 2, 0))
		time.Sleep(5 * time.Second)
		steer(t, s, goStop)
		if got := g.take(); len(got) < 4 || got[0] != "0s move 1.0 0.0 0.0" || got[len(got)-1] != "5s stop" {
			t.Errorf("%q is no scan", got)
		}
		// At its speed of half a range a second it went to and fro over 0.3 of it.
		steer(t, s, code(gb28181.PTZStartScan, 2, 0))
		time.Sleep(time.Second)
		g.take()
		g.set(func() { g.blind = true })
		time.Sleep(time.Minute)
		if got := g.take(); len(got) != 1 || got[0][len(got[0])-4:] != "stop" {
			t.Errorf("%q was done by a scan that can't see, want a stop", got)
		}
		g.set(func() { g.blind = false })
		steer(t, s, code(gb28181.PTZStartScan, 2, 0))
		time.Sleep(100 * time.Millisecond)
		g.take()
		stop()
		if got := g.take(); len(got) != 1 || got[0][len(got[0])-4:] != "stop" {
			t.Errorf("%q was done at the end of everything, want a stop", got)
		}
	})
}

// Whatever ends a scan, the camera moves elsewhere or stands still soon.
func TestNoScanTurnsForEver(t *testing.T) {
	drag := &manscdp.DragZoom{Length: 800, Width: 600, MidPointX: 600, MidPointY: 150, LengthX: 200, LengthY: 100}
	fails := func(g *gimbal) { g.set(func() { g.jammed, g.missing = true, map[int]bool{3: true} }) }
	begin := func(t *testing.T, s *seat) {
		steer(t, s, code(gb28181.PTZAddCruisePoint, 1, 3))
		steer(t, s, code(gb28181.PTZStartCruise, 1, 0))
	}
	for _, c := range []struct {
		name string
		do   func(t *testing.T, g *gimbal, s *seat)
		want string // done last, at 60 s
	}{
		{"it goes on", func(*testing.T, *gimbal, *seat) {}, "move"},
		{"without its superior, too", func(_ *testing.T, _ *gimbal, s *seat) { s.Release() }, "move"},
		{"it is another camera", func(t *testing.T, _ *gimbal, s *seat) {
			if err := s.Replace(nil); err != nil {
				t.Error(err)
			}
		}, "stop"},
		{"the camera is let go", func(_ *testing.T, _ *gimbal, s *seat) { s.Close() }, "stop"},
		{"a preset", func(t *testing.T, _ *gimbal, s *seat) { steer(t, s, goPreset) }, "goto 3"},
		{"a preset that is not set", func(t *testing.T, g *gimbal, s *seat) { fails(g); steer(t, s, goPreset) }, "stop"},
		{"and its platform goes", func(t *testing.T, g *gimbal, s *seat) {
			fails(g)
			steer(t, s, goPreset)
			s.Release()
		}, "stop"},
		{"and the camera is let go", func(t *testing.T, g *gimbal, s *seat) {
			fails(g)
			steer(t, s, goPreset)
			s.Close()
		}, "stop"},
		{"a position that it can't reach", func(t *testing.T, g *gimbal, s *seat) {
			fails(g)
			_ = s.Aim(t.Context(), s.who, &manscdp.PTZPrecise{Pan: new(90.0)})
		}, "stop"},
		{"a box that it can't reach", func(t *testing.T, g *gimbal, s *seat) {
			fails(g)
			_ = s.DragZoom(t.Context(), s.who, drag, true)
		}, "stop"},
		{"a cruise", func(t *testing.T, _ *gimbal, s *seat) { begin(t, s) }, "goto 3"},
		{"a cruise whose points are gone", func(t *testing.T, g *gimbal, s *seat) { fails(g); begin(t, s) }, "stop"},
		{"a movement", func(t *testing.T, _ *gimbal, s *seat) { steer(t, s, goLeft) }, "move"},
		{"a stop", func(t *testing.T, _ *gimbal, s *seat) { steer(t, s, goStop) }, "stop"},
		{"another scan", func(t *testing.T, _ *gimbal, s *seat) {
			steer(t, s, code(gb28181.PTZStartScan, 2, 0))
		}, "move"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, s, stop := flight("")
				for pan, op := range map[float64]gb28181.PTZOp{-0.5: gb28181.PTZScanLeft, 0.5: gb28181.PTZScanRight} {
					g.set(func() { g.pan, g.since = pan, time.Now() })
					steer(t, s, code(op, 2, 0))
				}
				g.set(func() { g.pan, g.since = 0, time.Now() })
				steer(t, s, code(gb28181.PTZStartScan, 2, 0))
				time.Sleep(time.Minute + 100*time.Millisecond)
				g.take()
				c.do(t, g, s)
				time.Sleep(5 * time.Second)
				did := g.take()
				stops, last := 0, ""
				for _, d := range did {
					_, last, _ = strings.Cut(d, " ")
					if last == "stop" {
						stops++
					}
				}
				if moves := c.want == "move"; !strings.HasPrefix(last, c.want) || !moves && len(did) != 1 || moves && stops != 0 {
					t.Errorf("%q, want %s and nothing else", did, c.want)
				}
				stop()
				time.Sleep(time.Hour)
				if g.has(func() bool { return g.velocity != 0 }) && !strings.HasPrefix(c.want, "goto") {
					t.Error("it turns for ever")
				}
			})
		})
	}
}

// A slow scan outlives the watchdog of whoever moved the camera before, and cameras that end a movement by themselves.
func TestScanGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, s, stop := flight("")
		steer(t, s, code(gb28181.PTZScanLeft, 2, 0))
		g.set(func() { g.pan = 0.9 })
		steer(t, s, code(gb28181.PTZScanRight, 2, 0))
		steer(t, s, code(gb28181.PTZScanSpeed, 2, 1))
		g.turret.set(func(p *turret) { p.tires = 6 * time.Second })
		steer(t, s, goLeft)
		steer(t, s, code(gb28181.PTZStartScan, 2, 0))
		time.Sleep(time.Second) // the first look
		g.take()
		time.Sleep(19 * time.Second)
		did := g.take()
		if len(did) != 6 || strings.Contains(strings.Join(did, ""), "stop") {
			t.Errorf("%q in 19 s, want the movement every 3 s", did)
		}
		stop()
	})
}

func TestTurn(t *testing.T) {
	for _, c := range []struct{ pan, left, right, toward, want float64 }{
		{0, -0.5, 0.5, 1, 1},
		{0, -0.5, 0.5, -1, -1},
		{0.6, -0.5, 0.5, 1, -1},
		{-0.6, -0.5, 0.5, -1, 1},
		{0.95, 0.9, -0.9, 1, 1}, // over the back
		{-0.85, 0.9, -0.9, 1, -1},
		{0.85, 0.9, -0.9, -1, 1},
	} {
		if got := turn(c.pan, c.left, c.right, c.toward); got != c.want {
			t.Errorf("turn%v = %v", c, got)
		}
	}
}

func TestHomePosition(t *testing.T) {
	toFive := manscdp.HomePosition{Enabled: 1, ResetTime: 30, PresetIndex: new(5)}
	for _, c := range []struct {
		name   string
		home   manscdp.HomePosition
		do     func(t *testing.T, s *seat)
		wanted []string
	}{
		{"after a while without use", toFive, func(t *testing.T, s *seat) {
			time.Sleep(20 * time.Second)
			steer(t, s, goLeft)
			steer(t, s, goStop)
			time.Sleep(20 * time.Second)
			steer(t, s, goFar)
			steer(t, s, lensStop)
			time.Sleep(5 * time.Minute)
		}, []string{"20s move -1.0 0.0 0.0", "20s stop", "40s lens 1.0 0.0", "40s lens 0.0 0.0", "70s goto 5"}},
		{"to the camera's own home", manscdp.HomePosition{Enabled: 1, ResetTime: 30}, func(_ *testing.T, _ *seat) {
			time.Sleep(time.Minute)
		}, []string{"30s home"}},
		{"not while it cruises", toFive, func(t *testing.T, s *seat) {
			steer(t, s, code(gb28181.PTZAddCruisePoint, 0, 9))
			steer(t, s, code(gb28181.PTZCruiseDwell, 0, 100))
			steer(t, s, code(gb28181.PTZStartCruise, 0, 0))
			time.Sleep(150 * time.Second)
			steer(t, s, goStop)
			time.Sleep(time.Minute)
		}, []string{"0s goto 9", "100s goto 9", "150s stop", "180s goto 5"}},
		{"switched off", manscdp.HomePosition{Enabled: 0, ResetTime: 30, PresetIndex: new(5)}, func(_ *testing.T, _ *seat) {
			time.Sleep(time.Hour)
		}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, s, stop := flight("")
				s.SetHome(c.home)
				c.do(t, s)
				stop()
				if diff := cmp.Diff(c.wanted, g.take()); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

// Cruises and scans are there again after a restart, and told to who asks.
func TestToursAreKept(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		_, s, stop := flight(dir)
		point := gb28181.PTZCommand{Op: gb28181.PTZAddCruisePoint, Group: 3, Preset: 4}
		if err := s.Control(t.Context(), s.who, point, manscdp.PTZCmdParams{CruiseTrackName: "夜间"}); err != nil {
			t.Fatal(err)
		}
		steer(t, s, code(gb28181.PTZAddCruisePoint, 3, 7))
		steer(t, s, code(gb28181.PTZAddCruisePoint, 3, 4))
		steer(t, s, code(gb28181.PTZCruiseDwell, 3, 20))
		steer(t, s, code(gb28181.PTZCruiseSpeed, 3, 4095))
		steer(t, s, code(gb28181.PTZAddCruisePoint, 0, 1))
		stop()
	})
	synctest.Test(t, func(t *testing.T) {
		_, s, stop := flight(dir)
		defer stop()
		want := []manscdp.CruiseTrack{{Number: 0, Name: "cruise 0"}, {Number: 3, Name: "夜间"}}
		if diff := cmp.Diff(want, s.Tracks()); diff != "" {
			t.Error(diff)
		}
		point := func(preset int) manscdp.CruisePoint {
			return manscdp.CruisePoint{PresetIndex: preset, StayTime: 20, Speed: 15}
		}
		name, points := s.Track(3)
		if want := []manscdp.CruisePoint{point(4), point(7), point(4)}; name != "夜间" || !cmp.Equal(points, want) {
			t.Errorf("track %q %+v", name, points)
		}
		for _, number := range []int{9, -1, 256} {
			if name, points := s.Track(number); name != "" || points != nil {
				t.Errorf("track %d: %q %+v", number, name, points)
			}
		}
	})
	file := filepath.Join(dir, "tours", "gate.json")
	for text, damaged := range map[string]bool{
		"{": true, "": true, `{"cruises":{"1":{"presets":[3]},"900":{}}}`: true, strings.Repeat(" ", maxTours+1): true,
		`{"cruises":{"1":null,"2":{"presets":[0]}},"scans":{"1":null}}`: false, `{"cruises":null,"scans":null}`: false,
	} {
		name := text[:min(len(text), 50)]
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		kept, err := openTours(dir, "gate")
		if kept == nil || len(kept.list()) != 0 || (err != nil) != damaged {
			t.Fatalf("%q: %v %v", name, kept, err)
		}
		err = errors.Join(
			kept.program(gb28181.PTZCommand{Op: gb28181.PTZAddCruisePoint, Group: 1, Preset: 2}, ""), kept.border(1, true, 0),
		)
		if err != nil {
			t.Errorf("%q: %v", name, err)
		}
		if aside, _ := os.ReadFile(file + ".damaged"); damaged && string(aside) != text {
			t.Errorf("%q is not kept aside", name)
		}
	}
	// What can't be read may be whole: it is not written over.
	if err := errors.Join(os.Remove(file), os.Mkdir(file, 0o700)); err != nil {
		t.Fatal(err)
	}
	kept, err := openTours(dir, "gate")
	if err == nil || kept.border(1, true, 0) != nil {
		t.Errorf("a file that can't be read: %v", err)
	}
	if info, err := os.Stat(file); err != nil || !info.IsDir() {
		t.Errorf("what can't be read is not left alone: %v", err)
	}
}

// One platform holds a camera for a while after each command; a higher one takes it over.
func TestLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		head := &turret{began: time.Now()}
		m, stop := mounted(head, "")
		at := func(priority int, lock time.Duration) *seat {
			return &seat{m, &Operator{Priority: priority, Lock: lock}}
		}
		holder, equal, above, loose := at(1, 30*time.Second), at(1, 30*time.Second), at(2, 30*time.Second), at(0, 0)
		for _, step := range []struct {
			after time.Duration
			seat  *seat
			did   []string
		}{
			{0, loose, []string{"0s goto 3"}},
			{0, holder, []string{"0s goto 3"}}, // loose holds nothing
			{10 * time.Second, equal, nil},
			{0, loose, nil},
			{0, above, []string{"10s goto 3"}},
			{29 * time.Second, holder, nil},
			{2 * time.Second, holder, []string{"41s goto 3"}},
		} {
			time.Sleep(step.after)
			steer(t, step.seat, goPreset)
			if diff := cmp.Diff(step.did, head.take()); diff != "" {
				t.Error(diff)
			}
		}
		holder.Release() // it is gone
		steer(t, loose, goPreset)
		if len(head.take()) != 1 {
			t.Error("a platform that is gone holds the camera")
		}
		stop()
	})
}
