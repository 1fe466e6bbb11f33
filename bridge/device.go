package bridge

import "context"

// PresetLister is a ptz.Head that knows its presets.
type PresetLister interface {
	// Presets returns them in the order of their numbers.
	Presets(ctx context.Context) ([]Preset, error)
}

// Preset is a stored position.
type Preset struct {
	Number int // 1 … 255
	Name   string
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

// Recorder records a camera by hand (手动录像), besides what else it records of it.
type Recorder interface {
	// Manual starts or stops it. It does not block.
	Manual(on bool)
}

// Switcher is a camera with auxiliary switches (辅助开关), which need nothing that moves.
type Switcher interface {
	// Switch turns switch n, 1 … 255, on or off: 1 is the wiper, 2 by custom a lamp, 7 the first relay output.
	Switch(ctx context.Context, n int, on bool) error
}

// Doubtful is the ptz.Head of a camera that may turn out to be fixed.
type Doubtful interface {
	// Fixed tells that it can't be moved, as far as is known.
	Fixed() bool
}

// Scout finds out which device a camera is and what it can do, as soon as it is reached and whenever it is back
// or answers strangely.
type Scout interface {
	// Look finds it out, or says why it can't yet; changed tells that it can do something else than was thought before.
	// Where it finds another device than the one that had the camera's name before, it puts aside what was made of that
	// one, and gives back what was put aside of the one it finds.
	Look(ctx context.Context, made Made) (changed bool, err error)
}

// Made is what superiors have made of a camera: cruises, scans and home position.
type Made interface {
	// Read returns it as JSON; nil: nothing.
	Read() ([]byte, error)
	// Replace puts in its place what Read has returned at another time; nil: nothing. What the camera does by itself
	// ends, and so does a recording by hand: both were meant for another device.
	Replace(text []byte) error
}

// Describer is a camera that knows what it is.
type Describer interface {
	// Describe returns maker, model and firmware; "" where the camera does not tell.
	Describe(ctx context.Context) (manufacturer, model, firmware string, err error)
}
