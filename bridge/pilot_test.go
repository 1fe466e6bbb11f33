package bridge

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
	return g.note(ctx, "aim %s %s %s", axis(pan), axis(tilt), axis(zoom))
}

func (g *gimbal) DragZoom(ctx context.Context, x, y, factor float64) error {
	return g.note(ctx, "drag %.2f %.2f %.2f", x, y, factor)
}

func (g *gimbal) Switch(ctx context.Context, n int, on bool) error {
	return g.note(ctx, "switch %d %v", n, on)
}

// code is an instruction for cruises, scans and switches.
func code(op gb28181.PTZOp, group uint8, value int) string {
	return gb28181.PTZCommand{
		Op: op, Group: group, Preset: uint8(value), Value: uint16(value), Switch: uint8(value),
	}.Encode()
}

// flight is a site with one camera that has a gimbal, within a synctest bubble.
func flight(t *testing.T, dir string) (g *gimbal, v *View, stop func()) {
	t.Helper()
	g = &gimbal{turret: turret{began: time.Now()}, since: time.Now()}
	site := NewSite(Config{StateDir: dir}, []Camera{{Name: "gate", ID: gate, Source: &probe{}, PTZ: g}})
	v = site.View(ViewConfig{NodeID: node, Channels: []string{"*"}})
	_, stop = running(t, site, nil)
	return g, v, stop
}

func TestCruise(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(t *testing.T, g *gimbal, v *View)
		want []string
	}{
		{"round and round, until it is stopped", func(t *testing.T, _ *gimbal, v *View) {
			steer(t, v, code(gb28181.PTZCruiseDwell, 1, 30))
			steer(t, v, code(gb28181.PTZStartCruise, 1, 0))
			time.Sleep(80 * time.Second)
			steer(t, v, goStop)
		}, []string{"0s goto 4", "30s goto 7", "60s goto 4", "80s stop"}},
		{"an operator takes it over", func(t *testing.T, _ *gimbal, v *View) {
			steer(t, v, code(gb28181.PTZStartCruise, 1, 0))
			time.Sleep(15 * time.Second)
			steer(t, v, goLeft)
			time.Sleep(time.Second)
			steer(t, v, goStop)
		}, []string{"0s goto 4", "10s goto 7", "15s move -1.0 0.0 0.0", "16s stop"}},
		{"a preset takes it over", func(t *testing.T, _ *gimbal, v *View) {
			steer(t, v, code(gb28181.PTZStartCruise, 1, 0))
			time.Sleep(5 * time.Second)
			steer(t, v, goPreset)
		}, []string{"0s goto 4", "5s goto 3"}},
		{"the lens does not", func(t *testing.T, _ *gimbal, v *View) {
			steer(t, v, code(gb28181.PTZStartCruise, 1, 0))
			time.Sleep(5 * time.Second)
			steer(t, v, goFar)
			steer(t, v, lensStop)
			time.Sleep(6 * time.Second)
			steer(t, v, goStop)
		}, []string{"0s goto 4", "5s lens 1.0 0.0", "5s lens 0.0 0.0", "10s goto 7", "11s stop"}},
		{"it goes on without its superior", func(t *testing.T, _ *gimbal, v *View) {
			steer(t, v, code(gb28181.PTZStartCruise, 1, 0))
			v.Release()
			time.Sleep(15 * time.Second)
			steer(t, v, goStop)
		}, []string{"0s goto 4", "10s goto 7", "15s stop"}},
		{"a point that is gone is passed over", func(t *testing.T, g *gimbal, v *View) {
			g.set(func() { g.missing = map[int]bool{4: true} })
			steer(t, v, code(gb28181.PTZStartCruise, 1, 0))
			time.Sleep(15 * time.Second)
			steer(t, v, goStop)
		}, []string{"10s goto 7", "15s stop"}},
		{"all of them are gone", func(t *testing.T, g *gimbal, v *View) {
			g.set(func() { g.missing = map[int]bool{4: true, 7: true} })
			steer(t, v, code(gb28181.PTZStartCruise, 1, 0))
			time.Sleep(time.Minute)
			g.set(func() { g.missing = nil })
			time.Sleep(time.Minute)
		}, nil},
		{"a point is taken out", func(t *testing.T, _ *gimbal, v *View) {
			steer(t, v, code(gb28181.PTZDeleteCruisePoint, 1, 4))
			steer(t, v, code(gb28181.PTZStartCruise, 1, 0))
			time.Sleep(15 * time.Second)
			steer(t, v, goStop)
		}, []string{"0s goto 7", "10s goto 7", "15s stop"}},
		{"the cruise is deleted", func(t *testing.T, _ *gimbal, v *View) {
			steer(t, v, code(gb28181.PTZDeleteCruisePoint, 1, 0))
			steer(t, v, code(gb28181.PTZStartCruise, 1, 0))
		}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, v, stop := flight(t, "")
				steer(t, v, code(gb28181.PTZAddCruisePoint, 1, 4))
				steer(t, v, code(gb28181.PTZAddCruisePoint, 1, 7))
				c.do(t, g, v)
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
		g, v, stop := flight(t, "")
		set := func(pan float64, op gb28181.PTZOp) {
			g.set(func() { g.pan, g.since = pan, time.Now() })
			steer(t, v, code(op, 2, 0))
		}
		steer(t, v, code(gb28181.PTZStartScan, 2, 0)) // has no borders yet
		set(0.9, gb28181.PTZScanLeft)
		set(-0.8, gb28181.PTZScanRight) // behind the camera
		steer(t, v, code(gb28181.PTZScanSpeed, 2, 4095))
		g.set(func() { g.pan, g.since = 0.95, time.Now() })
		steer(t, v, code(gb28181.PTZStartScan, 2, 0))
		time.Sleep(5 * time.Second)
		steer(t, v, goStop)
		if got := g.take(); len(got) < 4 || got[0] != "0s move 1.0 0.0 0.0" || got[len(got)-1] != "5s stop" {
			t.Errorf("%q is no scan", got)
		}
		// At its speed of half a range a second it went to and fro over 0.3 of it.
		steer(t, v, code(gb28181.PTZStartScan, 2, 0))
		time.Sleep(time.Second)
		g.take()
		g.set(func() { g.blind = true })
		time.Sleep(time.Minute)
		if got := g.take(); len(got) != 1 || got[0][len(got[0])-4:] != "stop" {
			t.Errorf("%q was done by a scan that can't see, want a stop", got)
		}
		g.set(func() { g.blind = false })
		steer(t, v, code(gb28181.PTZStartScan, 2, 0))
		time.Sleep(100 * time.Millisecond)
		g.take()
		stop()
		if got := g.take(); len(got) != 1 || got[0][len(got[0])-4:] != "stop" {
			t.Errorf("%q was done at the end of everything, want a stop", got)
		}
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
		do     func(t *testing.T, v *View)
		wanted []string
	}{
		{"after a while without use", toFive, func(t *testing.T, v *View) {
			time.Sleep(20 * time.Second)
			steer(t, v, goLeft)
			steer(t, v, goStop)
			time.Sleep(20 * time.Second)
			steer(t, v, goFar)
			steer(t, v, lensStop)
			time.Sleep(5 * time.Minute)
		}, []string{"20s move -1.0 0.0 0.0", "20s stop", "40s lens 1.0 0.0", "40s lens 0.0 0.0", "70s goto 5"}},
		{"to the camera's own home", manscdp.HomePosition{Enabled: 1, ResetTime: 30}, func(_ *testing.T, _ *View) {
			time.Sleep(time.Minute)
		}, []string{"30s home"}},
		{"not while it cruises", toFive, func(t *testing.T, v *View) {
			steer(t, v, code(gb28181.PTZAddCruisePoint, 0, 9))
			steer(t, v, code(gb28181.PTZCruiseDwell, 0, 100))
			steer(t, v, code(gb28181.PTZStartCruise, 0, 0))
			time.Sleep(150 * time.Second)
			steer(t, v, goStop)
			time.Sleep(time.Minute)
		}, []string{"0s goto 9", "100s goto 9", "150s stop", "180s goto 5"}},
		{"switched off", manscdp.HomePosition{Enabled: 0, ResetTime: 30, PresetIndex: new(5)}, func(_ *testing.T, _ *View) {
			time.Sleep(time.Hour)
		}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, v, stop := flight(t, "")
				answer, err := v.DeviceControl(t.Context(), &manscdp.DeviceControl{Header: header(gate), HomePosition: &c.home})
				if err != nil || answer.Result != manscdp.OK {
					t.Fatalf("%+v %v", answer, err)
				}
				c.do(t, v)
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
		_, v, stop := flight(t, dir)
		point := &manscdp.DeviceControl{
			Header: header(gate), PTZCmd: code(gb28181.PTZAddCruisePoint, 3, 4),
			PTZCmdParams: &manscdp.PTZCmdParams{CruiseTrackName: "夜间"},
		}
		if _, err := v.DeviceControl(t.Context(), point); err != nil {
			t.Fatal(err)
		}
		steer(t, v, code(gb28181.PTZAddCruisePoint, 3, 7))
		steer(t, v, code(gb28181.PTZAddCruisePoint, 3, 4))
		steer(t, v, code(gb28181.PTZCruiseDwell, 3, 20))
		steer(t, v, code(gb28181.PTZCruiseSpeed, 3, 4095))
		steer(t, v, code(gb28181.PTZAddCruisePoint, 0, 1))
		stop()
	})
	synctest.Test(t, func(t *testing.T) {
		_, v, stop := flight(t, dir)
		defer stop()
		list, err := v.CruiseTrackList(t.Context(), &manscdp.CruiseTrackListQuery{Header: header(gate)})
		want := []manscdp.CruiseTrack{{Number: 0, Name: "cruise 0"}, {Number: 3, Name: "夜间"}}
		if err != nil || list.SumNum != 2 || !cmp.Equal(list.Tracks, want) {
			t.Errorf("tracks %+v %v", list, err)
		}
		track, err := v.CruiseTrack(t.Context(), &manscdp.CruiseTrackQuery{Header: header(gate), Number: 3})
		point := func(preset int) manscdp.CruisePoint {
			return manscdp.CruisePoint{PresetIndex: preset, StayTime: 20, Speed: 15}
		}
		points := []manscdp.CruisePoint{point(4), point(7), point(4)}
		if err != nil || track.SumNum != 3 || track.Name != "夜间" || !cmp.Equal(track.Points, points) {
			t.Errorf("track %+v %v", track, err)
		}
		for _, number := range []int{9, -1, 256} {
			none, err := v.CruiseTrack(t.Context(), &manscdp.CruiseTrackQuery{Header: header(gate), Number: number})
			if err != nil || none.SumNum != 0 || none.Number != number {
				t.Errorf("track %d: %+v %v", number, none, err)
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
		site := testSite(head)
		_, stop := running(t, site, nil)
		view := func(priority int, lock time.Duration) *View {
			return site.View(ViewConfig{NodeID: node, Channels: []string{"*"}, PTZPriority: priority, PTZLock: lock})
		}
		holder, equal, above, loose := view(1, 30*time.Second), view(1, 30*time.Second), view(2, 30*time.Second), view(0, 0)
		for _, step := range []struct {
			after time.Duration
			v     *View
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
			steer(t, step.v, goPreset)
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
