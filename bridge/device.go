package bridge

import (
	"context"
	"time"
)

// PTZ moves a camera. Velocities are −1 … 1 of what the camera can: pan right +, tilt up +,
// zoom in +; focus far +, iris open +. 0 leaves the axis alone.
type PTZ interface {
	Move(ctx context.Context, pan, tilt, zoom float64) error
	Stop(ctx context.Context) error
	Lens(ctx context.Context, focus, iris float64) error // 0, 0 stops the lens
	SetPreset(ctx context.Context, n int, name string) error
	GotoPreset(ctx context.Context, n int) error
	RemovePreset(ctx context.Context, n int) error
}

// PresetLister is a PTZ that knows its presets.
type PresetLister interface {
	// Presets returns them in the order of their numbers.
	Presets(ctx context.Context) ([]Preset, error)
}

// Preset is a stored position.
type Preset struct {
	Number int // 1 … 255
	Name   string
}

// PTZPositioner is a PTZ that knows where it looks.
type PTZPositioner interface {
	// Position returns pan and tilt from −1 to 1 (half a turn left to half a turn right, straight
	// down to straight up) and zoom from 0 (wide) to 1.
	Position(ctx context.Context) (pan, tilt, zoom float64, err error)
}

// Snapshotter takes single pictures.
type Snapshotter interface {
	// Snapshot returns a JPEG of now.
	Snapshot(ctx context.Context) ([]byte, error)
}

// Rebooter restarts a camera.
type Rebooter interface {
	Reboot(ctx context.Context) error
}

// KeyFramer is a camera that makes a key picture when asked. A request that comes sooner than the camera
// bears (two seconds after the one before) costs nothing: it is answered by that one's picture.
type KeyFramer interface {
	RequestKeyFrame(ctx context.Context) error
}

// Homer is a PTZ with a home position of its own.
type Homer interface {
	GotoHome(ctx context.Context) error
}

// Aimer is a PTZ that goes to a position, in the units of PTZPositioner; nil leaves an axis alone.
type Aimer interface {
	MoveTo(ctx context.Context, pan, tilt, zoom *float64) error
}

// DragZoomer is a PTZ that brings a part of the picture to its middle.
type DragZoomer interface {
	// DragZoom aims at x, y (−1 … 1 from the middle, right and up) and zooms by factor: 2 makes
	// things twice as big, 0.5 half as big.
	DragZoom(ctx context.Context, x, y, factor float64) error
}

// Switcher is a PTZ with auxiliary switches (辅助开关).
type Switcher interface {
	// Switch turns switch n, 1 … 255, on or off: 1 is the wiper, 2 by custom a lamp.
	Switch(ctx context.Context, n int, on bool) error
}

// Recorder records a camera by hand (手动录像), besides what else it records of it.
type Recorder interface {
	// Manual starts or stops it. It does not block.
	Manual(on bool)
}

// Doubtful is a PTZ of a camera that may turn out to be fixed.
type Doubtful interface {
	// Fixed tells that it can't be moved, as far as is known.
	Fixed() bool
}

// Scout finds out what a camera can do, as soon as it is reached.
type Scout interface {
	// Look finds it out, or says why it can't yet; changed tells that it is something else than was
	// thought before.
	Look(ctx context.Context) (changed bool, err error)
}

// Describer is a camera that knows what it is.
type Describer interface {
	// Describe returns maker, model and firmware; "" where the camera does not tell.
	Describe(ctx context.Context) (manufacturer, model, firmware string, err error)
}

// Tiring is a PTZ whose movements end by themselves unless they are repeated.
type Tiring interface {
	// Tires returns how long a movement lasts by itself; 0: until it is stopped, or nothing is known.
	Tires() time.Duration
}
