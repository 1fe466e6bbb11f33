// Package bridge joins the two shores: it knows which channel of the platform is which camera
// of the site, pulls a camera while somebody watches, and turns queries and controls from above
// into operations on the site.
//
// It knows neither SIP nor RTSP: what it needs of them are the interfaces in this file.
package bridge

import (
	"context"
	"net/netip"

	"gbgate/gb28181/sdp"
	"gbgate/media"
)

// Source is where a channel's pictures come from.
type Source interface {
	// Run pulls until ctx ends or something fails, and says why. It does not retry. It hands
	// every unit to sink, from one goroutine and in order; sink takes over the reference.
	Run(ctx context.Context, sink func(*media.Unit)) error
	// Check asks whether the source would deliver, without opening a media session.
	Check(ctx context.Context) error
}

// PTZ moves a camera. Velocities are −1 … 1 of what the camera can: pan right +, tilt up +,
// zoom in +; focus far +, iris open +. 0 leaves the axis alone.
type PTZ interface {
	Move(ctx context.Context, pan, tilt, zoom float64) error
	Stop(ctx context.Context) error
	Lens(ctx context.Context, focus, iris float64) error
	SetPreset(ctx context.Context, n int, name string) error
	GotoPreset(ctx context.Context, n int) error
	RemovePreset(ctx context.Context, n int) error
}

// Call is one INVITE from above. ServeMedia answers it; returning hangs up.
type Call interface {
	Channel() string     // the code the superior knows the channel by
	Offer() *sdp.Offer   // what it wants, and where
	LocalIP() netip.Addr // the address to bind media to
	// Answer accepts the call and returns when media may start.
	Answer(ctx context.Context, a sdp.Answer) error
}

// Kinder is an error that knows what kind of failure it is; kinds change how a feed retries.
type Kinder interface {
	// LockedOut tells that trying again soon would make it worse (a wrong password locks the account).
	LockedOut() bool
	// Unsupported tells that the camera works but sends nothing that can go upward.
	Unsupported() bool
}
