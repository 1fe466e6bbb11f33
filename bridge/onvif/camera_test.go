package onvif_test

import (
	"context"
	"errors"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gbgate/bridge/onvif"
	"gbgate/rtsp/simcam"
)

func camera(t *testing.T, d *simcam.ONVIF, cfg onvif.CameraConfig) *onvif.Camera {
	t.Helper()
	if cfg.Username == "" {
		cfg.Config = account()
	}
	cfg.Address = d.URL()
	c, err := onvif.NewCamera(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// What a camera is told for each movement, and that it stands still at the end.
func TestMovement(t *testing.T) {
	type quirks = simcam.ONVIFQuirks
	for name, c := range map[string]struct {
		quirks quirks
		cfg    onvif.CameraConfig
		do     func(context.Context, *onvif.Camera) error
		want   []string
	}{
		"right and stop": {
			do: func(ctx context.Context, c *onvif.Camera) error {
				return errors.Join(c.Move(ctx, 0.5, 0, 0), c.Stop(ctx))
			},
			want: []string{"ContinuousMove pan=0.5 tilt=0", "Stop"},
		},
		"an axis that moved is stopped by the next command": {
			do: func(ctx context.Context, c *onvif.Camera) error {
				return errors.Join(
					c.Move(ctx, 0, 0, 1), c.Move(ctx, -1, 0.25, 0), c.Move(ctx, 0, 0, -0.5), c.Stop(ctx),
					c.Move(ctx, 0.1, 0, 0), c.Stop(ctx),
				)
			},
			want: []string{
				"ContinuousMove zoom=1", "ContinuousMove pan=-1 tilt=0.25 zoom=0", "ContinuousMove pan=0 tilt=0 zoom=-0.5",
				"Stop", "ContinuousMove pan=0.1 tilt=0", "Stop",
			},
		},
		"nothing is a stop": {
			do:   func(ctx context.Context, c *onvif.Camera) error { return c.Move(ctx, 0, 0, 0) },
			want: []string{"Stop"},
		},
		"no Stop": {
			quirks: quirks{NoStop: true},
			do: func(ctx context.Context, c *onvif.Camera) error {
				return errors.Join(c.Move(ctx, 1, 0, 0), c.Stop(ctx), c.Stop(ctx))
			},
			want: []string{
				"ContinuousMove pan=1 tilt=0", "ContinuousMove pan=0 tilt=0 zoom=0", "ContinuousMove pan=0 tilt=0 zoom=0",
			},
		},
		"Stop is HTML": {
			quirks: quirks{NoStop: true, UnknownIsHTML: true},
			do: func(ctx context.Context, c *onvif.Camera) error {
				return errors.Join(c.Move(ctx, 1, 0, 0), c.Stop(ctx))
			},
			want: []string{"ContinuousMove pan=1 tilt=0", "ContinuousMove pan=0 tilt=0 zoom=0"},
		},
		"Stop without effect": {
			quirks: quirks{StopIgnored: true}, cfg: onvif.CameraConfig{ZeroStop: true},
			do: func(ctx context.Context, c *onvif.Camera) error {
				return errors.Join(c.Move(ctx, 1, 0, 0), c.Stop(ctx))
			},
			want: []string{"ContinuousMove pan=1 tilt=0", "Stop", "ContinuousMove pan=0 tilt=0 zoom=0"},
		},
		"one axis at a time": {
			quirks: quirks{OneAxis: true},
			do: func(ctx context.Context, c *onvif.Camera) error {
				return errors.Join(c.Move(ctx, 0.2, -0.8, 0), c.Stop(ctx))
			},
			want: []string{"ContinuousMove pan=0 tilt=-0.8", "Stop"},
		},
		"time-outs are refused": {
			quirks: quirks{RefusesTimeout: true},
			do: func(ctx context.Context, c *onvif.Camera) error {
				return errors.Join(c.Move(ctx, 0, 0.5, 0), c.Stop(ctx))
			},
			want: []string{"ContinuousMove pan=0 tilt=0.5", "Stop"},
		},
		"infinite spaces": {
			quirks: quirks{InfiniteSpaces: true},
			do: func(ctx context.Context, c *onvif.Camera) error {
				return errors.Join(c.Move(ctx, 2, 0, 0), c.Stop(ctx))
			},
			want: []string{"ContinuousMove pan=1 tilt=0", "Stop"},
		},
		"no nodes, no PTZ in the profiles": {
			quirks: quirks{NoNodes: true, NoPTZInProfile: true},
			do: func(ctx context.Context, c *onvif.Camera) error {
				return errors.Join(c.Move(ctx, 0, 1, 0), c.Stop(ctx))
			},
			want: []string{"ContinuousMove pan=0 tilt=1", "Stop"},
		},
		"drag zoom": {
			do:   func(ctx context.Context, c *onvif.Camera) error { return c.DragZoom(ctx, 0.5, -0.5, 30) },
			want: []string{"RelativeMove 0.500 -0.500 1.000"},
		},
		"drag zoom without fields of view": { // a picture is 60° wide there, of 360°
			quirks: quirks{NoFOV: true},
			do:     func(ctx context.Context, c *onvif.Camera) error { return c.DragZoom(ctx, 0.5, -0.5, 30) },
			want:   []string{"RelativeMove 0.083 -0.094 1.000"},
		},
		"precisely one axis": {
			do: func(ctx context.Context, c *onvif.Camera) error {
				return errors.Join(
					c.MoveTo(ctx, new(0.5), nil, nil), c.MoveTo(ctx, nil, new(-0.25), nil), c.MoveTo(ctx, nil, nil, new(0.75)),
				)
			},
			want: []string{
				"AbsoluteMove 0.500 0.000 0.000", "AbsoluteMove 0.500 -0.250 0.000", "AbsoluteMove 0.500 -0.250 0.750",
			},
		},
		"home, wiper": {
			do: func(ctx context.Context, c *onvif.Camera) error {
				return errors.Join(c.GotoHome(ctx), c.Switch(ctx, 1, true))
			},
			want: []string{"GotoHomePosition", "SendAuxiliaryCommand tt:Wiper|On"},
		},
		"relay output": {
			do: func(ctx context.Context, c *onvif.Camera) error {
				return errors.Join(c.Switch(ctx, 7, true), c.Switch(ctx, 7, false))
			},
			want: []string{"SetRelayOutputState active", "SetRelayOutputState inactive"},
		},
		"focus and iris": {
			do: func(ctx context.Context, c *onvif.Camera) error {
				return errors.Join(
					c.Lens(ctx, 0.5, 0), c.Lens(ctx, -1, 0), c.Lens(ctx, 0, 0), c.Lens(ctx, 0, -1), c.Lens(ctx, 0, 1),
				)
			},
			want: []string{
				"Move focus speed=0.5", "Move focus speed=-1", "Stop focus",
				"SetImagingSettings iris=2.2", "SetImagingSettings iris=0",
			},
		},
		"stop ends the focus too": {
			do: func(ctx context.Context, c *onvif.Camera) error {
				return errors.Join(c.Lens(ctx, 0.5, 0), c.Stop(ctx))
			},
			want: []string{"Move focus speed=0.5", "Stop focus", "Stop"},
		},
		"focus speeds without direction": {
			quirks: quirks{PositiveFocus: true},
			do:     func(ctx context.Context, c *onvif.Camera) error { return c.Lens(ctx, -0.5, 0) },
			want:   []string{"Move focus distance=-5"},
		},
		"automatic focus": {
			quirks: quirks{AutoFocus: true},
			do:     func(ctx context.Context, c *onvif.Camera) error { return c.Lens(ctx, 1, 0) },
			want:   []string{"Move focus speed=1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := start(t, simcam.ONVIFConfig{Quirks: c.quirks})
			must(t, c.do(t.Context(), camera(t, d, c.cfg)))
			if diff := cmp.Diff(c.want, d.Commands()); diff != "" {
				t.Errorf("commands (-want +got):\n%s", diff)
			}
			if d.Moving() {
				t.Error("the camera still moves")
			}
		})
	}
}

// What a camera lacks is said so, and known as unsupported.
func TestLackingParts(t *testing.T) {
	type quirks = simcam.ONVIFQuirks
	for name, c := range map[string]struct {
		quirks quirks
		do     func(ctx context.Context, c *onvif.Camera) error
	}{
		"no imaging": {
			quirks{NoImaging: true}, func(ctx context.Context, c *onvif.Camera) error { return c.Lens(ctx, 1, 0) },
		},
		"no iris": {
			quirks{NoImaging: true}, func(ctx context.Context, c *onvif.Camera) error { return c.Lens(ctx, 0, 1) },
		},
		"no position": {quirks{NoPosition: true}, func(ctx context.Context, c *onvif.Camera) error {
			_, _, _, err := c.Position(ctx)
			return err
		}},
		"no position to drag from": {quirks{NoPosition: true, NoFOV: true}, func(ctx context.Context, c *onvif.Camera) error {
			return c.DragZoom(ctx, 0.5, 0, 2)
		}},
		"no such relay":  {quirks{}, func(ctx context.Context, c *onvif.Camera) error { return c.Switch(ctx, 8, true) }},
		"no such switch": {quirks{}, func(ctx context.Context, c *onvif.Camera) error { return c.Switch(ctx, 99, true) }},
	} {
		t.Run(name, func(t *testing.T) {
			d := start(t, simcam.ONVIFConfig{Quirks: c.quirks})
			err := c.do(t.Context(), camera(t, d, onvif.CameraConfig{}))
			if !errors.Is(err, errors.ErrUnsupported) || len(d.Commands()) > 0 {
				t.Errorf("%v and %q, want what is not supported and nothing done", err, d.Commands())
			}
		})
	}
}

// A PTZ service alone makes no camera move (Reolink); a profile's configuration or a node does.
func TestMoves(t *testing.T) {
	type quirks = simcam.ONVIFQuirks
	for name, c := range map[string]struct {
		cfg  simcam.ONVIFConfig
		want bool
	}{
		"dome":             {simcam.ONVIFConfig{}, true},
		"fixed":            {simcam.ONVIFConfig{Fixed: true}, false},
		"a node alone":     {simcam.ONVIFConfig{Quirks: quirks{NoPTZInProfile: true}}, true},
		"a profile alone":  {simcam.ONVIFConfig{Quirks: quirks{NoNodes: true}}, true},
		"a service, empty": {simcam.ONVIFConfig{Quirks: quirks{NoNodes: true, NoPTZInProfile: true}}, false},
	} {
		got, err := camera(t, start(t, c.cfg), onvif.CameraConfig{}).Moves(t.Context())
		if err != nil || got != c.want {
			t.Errorf("%s: moves %v %v, want %v", name, got, err, c.want)
		}
	}
}

// A camera that ends movements by itself is known by what its profile says.
func TestMovementThatTires(t *testing.T) {
	d := start(t, simcam.ONVIFConfig{Quirks: simcam.ONVIFQuirks{MovesTire: time.Second}})
	c := camera(t, d, onvif.CameraConfig{})
	if got := c.Tires(); got != 0 {
		t.Errorf("before it was asked a movement lasts %v", got)
	}
	must(t, c.Move(t.Context(), 0.1, 0, 0))
	if got := c.Tires(); got != time.Second {
		t.Errorf("a movement lasts %v, want a second", got)
	}
	for range 2000 {
		if !d.Moving() {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if pan, _, _ := d.Position(); d.Moving() || math.Abs(pan-0.05) > 0.02 {
		t.Errorf("it went to %v and moves %v, want a second at a twentieth", pan, d.Moving())
	}
}

// The head goes where it is sent, and says so.
func TestPosition(t *testing.T) {
	for name, quirks := range map[string]simcam.ONVIFQuirks{"generic": {}, "degrees": {DegreeSpaces: true}} {
		t.Run(name, func(t *testing.T) {
			d := start(t, simcam.ONVIFConfig{Quirks: quirks})
			c := camera(t, d, onvif.CameraConfig{})
			must(t, c.MoveTo(t.Context(), new(-0.5), new(0.25), new(0.75)))
			pan, tilt, zoom, err := c.Position(t.Context())
			must(t, err)
			simPan, simTilt, simZoom := d.Position()
			for _, v := range [][3]float64{{pan, simPan, -0.5}, {tilt, simTilt, 0.25}, {zoom, simZoom, 0.75}} {
				if math.Abs(v[0]-v[2]) > 0.001 || math.Abs(v[1]-v[2]) > 0.001 {
					t.Errorf("camera says %.3f, looks at %.3f, want %.3f", v[0], v[1], v[2])
				}
			}
		})
	}
}

func TestFixedCamera(t *testing.T) {
	d := start(t, simcam.ONVIFConfig{Fixed: true})
	c := camera(t, d, onvif.CameraConfig{})
	if err := c.Move(t.Context(), 1, 0, 0); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Move: %v, want unsupported", err)
	}
	if err := c.Switch(t.Context(), 2, true); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Switch: %v, want unsupported", err)
	}
	if err := c.Switch(t.Context(), 7, true); err != nil || !d.Relay() {
		t.Errorf("its relay output: %v, active %v", err, d.Relay())
	}
}

// Stop is carried out although its caller has gone.
func TestStopOutlivesItsCaller(t *testing.T) {
	d := start(t, simcam.ONVIFConfig{})
	c := camera(t, d, onvif.CameraConfig{})
	must(t, c.Move(t.Context(), 1, 0, 0))
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	must(t, c.Stop(gone))
	if d.Moving() {
		t.Error("the camera still moves")
	}
}

// Of many movements at once the camera gets some and the Stop behind them ends it.
func TestLastCommandWins(t *testing.T) {
	d := start(t, simcam.ONVIFConfig{})
	c := camera(t, d, onvif.CameraConfig{})
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if err := c.Move(t.Context(), float64(i+1)/20, 0, 0); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	must(t, c.Stop(t.Context()))
	commands := d.Commands()
	if last := commands[len(commands)-1]; last != "Stop" || d.Moving() {
		t.Errorf("last of %d commands is %q, moving %v", len(commands), last, d.Moving())
	}
}

// shelf is a PresetStore.
type shelf struct{ list []onvif.Preset }

func (s *shelf) Load() ([]onvif.Preset, error) { return s.list, nil }

func (s *shelf) Save(list []onvif.Preset) error {
	s.list = list
	return nil
}

func TestPresets(t *testing.T) {
	d := start(t, simcam.ONVIFConfig{Quirks: simcam.ONVIFQuirks{ASCIINames: true}})
	store := &shelf{}
	c := camera(t, d, onvif.CameraConfig{Presets: store})
	ctx := t.Context()
	must(
		t, c.MoveTo(ctx, new(0.5), new(0.5), new(0.0)), c.SetPreset(ctx, 7, "东门"),
		c.MoveTo(ctx, new(-0.5), new(0.0), new(0.0)), c.SetPreset(ctx, 3, "gate"),
		c.GotoPreset(ctx, 7),
	)
	if pan, tilt, _ := d.Position(); math.Abs(pan-0.5)+math.Abs(tilt-0.5) > 0.01 {
		t.Errorf("preset 7 looks at %.2f %.2f, want 0.5 0.5", pan, tilt)
	}
	if diff := cmp.Diff(map[string]string{"preset_1": "preset7", "preset_2": "gate"}, d.Presets()); diff != "" {
		t.Errorf("presets of the camera (-want +got):\n%s", diff)
	}

	// Another process finds the same map.
	again := camera(t, d, onvif.CameraConfig{Presets: store})
	list, err := again.Presets(ctx)
	must(t, err)
	want := []onvif.Preset{{Number: 3, Token: "preset_2", Name: "gate"}, {Number: 7, Token: "preset_1", Name: "东门"}}
	if diff := cmp.Diff(want, list); diff != "" {
		t.Errorf("presets (-want +got):\n%s", diff)
	}
	must(t, again.RemovePreset(ctx, 7), again.RemovePreset(ctx, 7), again.RemovePreset(ctx, 200))
	if diff := cmp.Diff(map[string]string{"preset_2": "gate"}, d.Presets()); diff != "" {
		t.Errorf("presets of the camera after removal (-want +got):\n%s", diff)
	}
	if err := again.GotoPreset(ctx, 7); err == nil || err.Error() != "preset 7 is not set" {
		t.Errorf("GotoPreset 7: %v", err)
	}
	if err := again.SetPreset(ctx, 256, ""); err == nil {
		t.Error("preset 256 is taken")
	}
}

// Overwriting keeps the token; a token that the camera lost is made anew.
func TestPresetThatIsSetAgain(t *testing.T) {
	d := start(t, simcam.ONVIFConfig{})
	c := camera(t, d, onvif.CameraConfig{})
	must(t, c.SetPreset(t.Context(), 1, ""), c.SetPreset(t.Context(), 1, "door"))
	if diff := cmp.Diff(map[string]string{"preset_1": "door"}, d.Presets()); diff != "" {
		t.Errorf("presets (-want +got):\n%s", diff)
	}
	must(t, c.Client().RemoveDevicePreset(t.Context(), "main", "preset_1"), c.SetPreset(t.Context(), 1, "door"))
	if diff := cmp.Diff(map[string]string{"preset_2": "door"}, d.Presets()); diff != "" {
		t.Errorf("presets (-want +got):\n%s", diff)
	}
}

func TestPresetSlots(t *testing.T) {
	d := start(t, simcam.ONVIFConfig{Quirks: simcam.ONVIFQuirks{SlotsOnly: true}})
	c := camera(t, d, onvif.CameraConfig{})
	must(t, c.SetPreset(t.Context(), 5, "five"), c.GotoPreset(t.Context(), 5))
	if diff := cmp.Diff(map[string]string{"5": "five"}, d.Presets()); diff != "" {
		t.Errorf("presets (-want +got):\n%s", diff)
	}
}

func TestTours(t *testing.T) {
	d := start(t, simcam.ONVIFConfig{})
	c := camera(t, d, onvif.CameraConfig{})
	must(t, c.SetPreset(t.Context(), 1, ""))
	tours, err := c.Client().Tours(t.Context(), "main")
	must(t, err)
	want := []onvif.Tour{{Token: "tour1", Name: "all", State: "Idle", Presets: []string{"preset_1"}}}
	if diff := cmp.Diff(want, tours); diff != "" {
		t.Errorf("tours (-want +got):\n%s", diff)
	}
	must(t, c.Client().OperateTour(t.Context(), "main", "tour1", "Start"))
	tours, err = c.Client().Tours(t.Context(), "main")
	must(t, err)
	if tours[0].State != "Touring" {
		t.Errorf("the tour is %s, want Touring", tours[0].State)
	}
}

// A camera that stops answering costs a Stop its time, not for ever.
func TestStopEnds(t *testing.T) {
	d := start(t, simcam.ONVIFConfig{Quirks: simcam.ONVIFQuirks{Silent: true}})
	cfg := onvif.CameraConfig{}
	cfg.Config = onvif.Config{Timeout: 50 * time.Millisecond}
	cfg.Address = d.URL()
	c, err := onvif.NewCamera(cfg)
	must(t, err)
	if err := c.Stop(t.Context()); kind(err) != onvif.Unreachable {
		t.Errorf("got %v, want unreachable", err)
	}
}
