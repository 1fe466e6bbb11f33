// Package ptz moves one camera for several platforms: their commands in order, nothing that turns for ever, and the
// cruises, scans and the way home that go on when nobody commands.
package ptz

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"gbgate/gb28181"
	"gbgate/gb28181/manscdp"
)

const (
	// minVelocity is what a set direction with speed 0 means: slowest, not stop.
	minVelocity = 0.05
	// usualZoom is the magnification of a dome at its longest, as no camera interface tells it.
	usualZoom = 30
	// stopWithin is how long a camera may take to stop when its mount is closed.
	stopWithin = 2 * time.Second
)

var errNoHome = errors.New("the camera has no home position of its own")

// Config is what a mount is made of.
type Config struct {
	Head   Head
	Camera string // its name
	Dir    string // where cruises and scans are kept; "" = in memory
	Tasks  *Tasks // what is done when nobody waits for it
	Log    *slog.Logger
}

// Mount is one camera that can be moved (云台). Its methods may be called at any time, by several goroutines.
type Mount struct {
	motion *motion
	pilot  *pilot
}

// Operator is who commands cameras: a platform. It is known by its address.
type Operator struct {
	Name     string
	Priority int           // a higher one takes cameras over from a lower one that holds them
	Lock     time.Duration // nobody else of the same priority moves a camera so long after it did; 0: last writer wins
	Watchdog time.Duration // a camera is stopped so long after the last command; 0 = 15 s, negative: never
}

func (o *Operator) watchdog() time.Duration {
	if o.Watchdog == 0 {
		return usualWatchdog
	}
	return o.Watchdog
}

// New returns a mount. Close ends it.
func New(cfg Config) *Mount {
	m := newMotion(cfg.Head, cfg.Tasks, cfg.Log)
	kept, err := openTours(cfg.Dir, cfg.Camera)
	if err != nil {
		cfg.Log.Error("cruises and scans of the camera begin anew", "reason", err.Error())
	}
	return &Mount{motion: m, pilot: &pilot{motion: m, tours: kept, log: cfg.Log}}
}

// Close ends what the camera does by itself, and stops it.
func (m *Mount) Close() {
	last, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	m.pilot.close()
	m.motion.close(last)
}

// Release stops, soon, what o has set in motion, and gives up its hold.
func (m *Mount) Release(o *Operator) { m.motion.release(o) }

// Touch puts the way home off: the camera is used.
func (m *Mount) Touch() { m.pilot.touch() }

// SetHome keeps the home position (看守位) and begins to wait for the time to go there.
func (m *Mount) SetHome(h manscdp.HomePosition) { m.pilot.setHome(h) }

// Home is the home position that was set last; nil: none.
func (m *Mount) Home() *manscdp.HomePosition { return m.pilot.homePosition() }

// Tours returns the camera's cruises and scans as JSON; nil: there are none.
func (m *Mount) Tours() (json.RawMessage, error) { return m.pilot.tours.text() }

// Replace ends what the camera does by itself, forgets its home position and puts other cruises and scans, as Tours has
// returned them (nil: none), in the place of its own: it is another camera than the one that those were made on.
func (m *Mount) Replace(tours json.RawMessage) error {
	m.pilot.forget()
	return m.pilot.tours.replace(tours)
}

// Tracks names the cruise tracks (巡航轨迹) that have points, by number.
func (m *Mount) Tracks() []manscdp.CruiseTrack { return m.pilot.tours.list() }

// Track describes one cruise track; one that there is not has no points.
func (m *Mount) Track(number int) (name string, points []manscdp.CruisePoint) {
	return m.pilot.tours.points(number)
}

// Position tells where the camera looks, in the units of GB/T 28181-2022 A.2.6.15. errors.ErrUnsupported: it can't
// tell.
func (m *Mount) Position(ctx context.Context) (manscdp.PTZPosition, error) {
	p, ok := m.motion.head.(Positioner)
	if !ok {
		return manscdp.PTZPosition{}, errors.ErrUnsupported
	}
	ctx, cancel := context.WithTimeout(ctx, commandWithin)
	defer cancel()
	pan, tilt, zoom, err := p.Position(ctx)
	if err != nil {
		return manscdp.PTZPosition{}, err
	}
	return position(pan, tilt, zoom), nil
}

// Control carries a front-end control instruction out (GB/T 28181-2022 annex A.3).
func (m *Mount) Control(
	ctx context.Context, o *Operator, cmd gb28181.PTZCommand, names manscdp.PTZCmdParams,
) error {
	if err := m.motion.claim(o); err != nil {
		return err
	}
	motion, head, pilot := m.motion, m.motion.head, m.pilot
	switch cmd.Op {
	case gb28181.PTZMove:
		pilot.takeOver()
		return motion.drive(ctx, body, o, !cmd.IsStop(), func(ctx context.Context) error {
			if cmd.IsStop() {
				return head.Stop(ctx)
			}
			return head.Move(ctx, velocity(cmd.Pan, cmd.PanSpeed, 255),
				velocity(cmd.Tilt, cmd.TiltSpeed, 255), velocity(cmd.Zoom, cmd.ZoomSpeed, 15))
		})
	case gb28181.PTZLens:
		pilot.touch()
		return motion.drive(ctx, lens, o, !cmd.IsStop(), func(ctx context.Context) error {
			return head.Lens(ctx, velocity(cmd.Focus, cmd.FocusSpeed, 255), velocity(cmd.Iris, cmd.IrisSpeed, 255))
		})
	case gb28181.PTZSetPreset, gb28181.PTZGotoPreset, gb28181.PTZDeletePreset:
		goes := cmd.Op == gb28181.PTZGotoPreset
		if pilot.touch(); goes {
			pilot.takeOver()
		}
		return motion.do(ctx, goes, func(ctx context.Context) error {
			return preset(ctx, head, cmd, names.PresetName)
		})
	default:
		return m.tour(ctx, cmd, names.CruiseTrackName)
	}
}

func preset(ctx context.Context, head Head, cmd gb28181.PTZCommand, name string) error {
	switch n := int(cmd.Preset); {
	case n == 0:
		return manscdp.ErrBadValue // reserved
	case cmd.Op == gb28181.PTZSetPreset:
		return head.SetPreset(ctx, n, name)
	case cmd.Op == gb28181.PTZGotoPreset:
		return head.GotoPreset(ctx, n)
	default:
		return head.RemovePreset(ctx, n)
	}
}

func velocity(direction int8, speed uint8, full float64) float64 {
	return float64(direction) * max(minVelocity, float64(speed)/full)
}

// tour programs and starts cruises (巡航) and scans (线扫).
func (m *Mount) tour(ctx context.Context, cmd gb28181.PTZCommand, name string) error {
	switch cmd.Op {
	case gb28181.PTZStartCruise:
		c, err := m.pilot.tours.cruiseOf(cmd.Group)
		if err != nil {
			return err
		}
		m.pilot.start(c.name(int(cmd.Group)), func(ctx context.Context) error { return m.pilot.cruise(ctx, c) })
		return nil
	case gb28181.PTZScanLeft, gb28181.PTZScanRight, gb28181.PTZStartScan, gb28181.PTZScanSpeed:
		return m.scan(ctx, cmd)
	default:
		return m.pilot.tours.program(cmd, name)
	}
}

func (m *Mount) scan(ctx context.Context, cmd gb28181.PTZCommand) error {
	where, ok := m.motion.head.(Positioner)
	if !ok {
		return errBlind
	}
	switch cmd.Op {
	case gb28181.PTZScanSpeed:
		return m.pilot.tours.scanSpeed(cmd.Group, int(cmd.Value))
	case gb28181.PTZStartScan:
		left, right, speed, err := m.pilot.tours.borders(cmd.Group)
		if err != nil {
			return err
		}
		m.pilot.start("scan", func(ctx context.Context) error { return m.pilot.scan(ctx, where, left, right, speed) })
		return nil
	default:
		pan, err := m.pilot.look(ctx, where)
		if err != nil {
			return err
		}
		return m.pilot.tours.border(cmd.Group, cmd.Op == gb28181.PTZScanLeft, pan)
	}
}

// DragZoom brings a box drawn in the playback window to the middle and makes it as wide as the
// window (拉框放大), or the window as small as the box (拉框缩小).
func (m *Mount) DragZoom(ctx context.Context, o *Operator, box *manscdp.DragZoom, in bool) error {
	if err := m.motion.claim(o); err != nil {
		return err
	}
	z, ok := m.motion.head.(DragZoomer)
	switch {
	case !ok:
		return errors.ErrUnsupported
	case box.Length <= 0 || box.Width <= 0 || box.LengthX <= 0 || box.LengthY <= 0,
		box.MidPointX < 0 || box.MidPointX > box.Length || box.MidPointY < 0 || box.MidPointY > box.Width:
		return manscdp.ErrBadValue
	}
	length, width := float64(box.Length), float64(box.Width)
	x, y := 2*float64(box.MidPointX)/length-1, 1-2*float64(box.MidPointY)/width
	factor := min(length/float64(box.LengthX), width/float64(box.LengthY))
	if !in {
		factor = 1 / factor
	}
	m.pilot.takeOver()
	return m.motion.do(ctx, true, func(ctx context.Context) error { return z.DragZoom(ctx, x, y, factor) })
}

// Aim goes to a position (精准云台控制, 2022).
func (m *Mount) Aim(ctx context.Context, o *Operator, to *manscdp.PTZPrecise) error {
	if err := m.motion.claim(o); err != nil {
		return err
	}
	a, ok := m.motion.head.(Aimer)
	if !ok {
		return errors.ErrUnsupported
	}
	pan, tilt, zoom, err := aim(to)
	if err != nil {
		return err
	}
	m.pilot.takeOver()
	return m.motion.do(ctx, true, func(ctx context.Context) error { return a.MoveTo(ctx, pan, tilt, zoom) })
}
