package ptz

import (
	"context"
	"time"
)

// Head moves a camera. Velocities are −1 … 1 of what the camera can: pan right +, tilt up +,
// zoom in +; focus far +, iris open +. 0 leaves the axis alone.
type Head interface {
	Move(ctx context.Context, pan, tilt, zoom float64) error
	Stop(ctx context.Context) error
	Lens(ctx context.Context, focus, iris float64) error // 0, 0 stops the lens
	SetPreset(ctx context.Context, n int, name string) error
	GotoPreset(ctx context.Context, n int) error
	RemovePreset(ctx context.Context, n int) error
}

// Positioner is a Head that knows where it looks.
type Positioner interface {
	// Position returns pan and tilt from −1 to 1 (half a turn left to half a turn right, straight
	// down to straight up) and zoom from 0 (wide) to 1.
	Position(ctx context.Context) (pan, tilt, zoom float64, err error)
}

// Homer is a Head with a home position of its own.
type Homer interface {
	GotoHome(ctx context.Context) error
}

// Aimer is a Head that goes to a position, in the units of Positioner; nil leaves an axis alone.
type Aimer interface {
	MoveTo(ctx context.Context, pan, tilt, zoom *float64) error
}

// DragZoomer is a Head that brings a part of the picture to its middle.
type DragZoomer interface {
	// DragZoom aims at x, y (−1 … 1 from the middle, right and up) and zooms by factor: 2 makes
	// things twice as big, 0.5 half as big.
	DragZoom(ctx context.Context, x, y, factor float64) error
}

// Tiring is a Head whose movements end by themselves unless they are repeated.
type Tiring interface {
	// Tires returns how long a movement lasts by itself; 0: until it is stopped, or nothing is known.
	Tires() time.Duration
}
