// Package bridge joins the two shores: it knows which channel of the platform is which camera
// of the site, pulls a camera while somebody watches, and turns queries and controls from above
// into operations on the site.
//
// It knows neither SIP nor RTSP: what it needs of them are the interfaces in this file and in
// device.go.
package bridge

import (
	"context"
	"io"
	"net/netip"
	"time"

	"gbgate/gb28181/manscdp"
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

// Call is one INVITE from above. ServeMedia answers it; returning hangs up.
type Call interface {
	Channel() string     // the code the superior knows the channel by
	Offer() *sdp.Offer   // what it wants, and where
	LocalIP() netip.Addr // the address to bind media to
	// Answer accepts the call and returns when media may start.
	Answer(ctx context.Context, a sdp.Answer) error
}

// Keeper is a Call of a dialog whose calls follow each other: a re-INVITE moves or resumes the media.
type Keeper interface {
	// Kept returns what the call before has kept, nil: nothing. That call uses it until Answer has returned, or
	// a little longer.
	Kept() io.Closer
	// Keep, called after Answer, leaves c to the dialog, which closes it in the end.
	Keep(c io.Closer)
}

// Steered is a Call whose superior may control what it is sent, and is told when that is over.
type Steered interface {
	// OnControl makes f take playback controls (MANSRTSP in INFO); f may be called concurrently, and arrival rises in
	// the order in which they came. The reply is the body of the answer.
	OnControl(f func(arrival uint64, body []byte) (reply []byte, err error))
	// Notify sends a message inside the call's dialog and waits for its answer.
	Notify(ctx context.Context, m manscdp.Message) error
}

// Kinder is an error that knows what kind of failure it is; kinds change how a feed retries.
type Kinder interface {
	// LockedOut tells that trying again soon would make it worse (a wrong password locks the account).
	LockedOut() bool
	// Unsupported tells that the camera works but sends nothing that can go upward.
	Unsupported() bool
	// Strange tells that something answers where the camera is, and not as it should: it may be another device.
	Strange() bool
}

// Tuning is the part of a superior's registration that the superior may read and set
// (BasicParam, GB/T 28181-2022 A.2.3.2.1). Its methods may be called at any time.
type Tuning interface {
	// Tuned returns what is in force: the time between keepalives, how many may go unanswered,
	// and the life of a registration.
	Tuned() (interval time.Duration, count int, expires time.Duration)
	// Tune sets all three: the keepalive at once, expires from the next REGISTER on.
	Tune(interval time.Duration, count int, expires time.Duration)
}

// Positioner knows where the gateway is.
type Positioner interface {
	// Fix returns the newest position; false: it is unknown or too old to tell.
	Fix() (Fix, bool)
}

// Fix is a position (WGS-84).
type Fix struct {
	Time      time.Time
	Longitude float64 // degrees, east +
	Latitude  float64 // degrees, north +
	Speed     float64 // km/h
	Direction float64 // degrees from north, clockwise
	Altitude  float64 // m
}
