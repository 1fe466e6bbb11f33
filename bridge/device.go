package bridge

import "context"

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
	Position(ctx context.Context) (Aim, error)
}

// Aim is where a camera looks, as GB/T 28181-2022 A.2.6.16 tells it.
type Aim struct {
	Pan  float64 // degrees, 0 … 360
	Tilt float64 // degrees, −30 … 90
	Zoom float64 // magnification; 0 = unknown
	// Of the picture at this zoom; 0 = unknown.
	HorizontalAngle, VerticalAngle float64 // degrees
	ViewDistance                   float64 // m
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
