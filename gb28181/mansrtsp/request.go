// Package mansrtsp is the playback control of GB/T 28181 (Annex B): RTSP-like
// requests that travel in SIP INFO.
package mansrtsp

import (
	"time"

	"gbgate/gb28181"
)

// Methods of a Request.
const (
	Play     = "PLAY"
	Pause    = "PAUSE"
	Teardown = "TEARDOWN"
)

// Request is one playback control command.
type Request struct {
	Method  string // Play, Pause or Teardown
	Version string // RTSP/1.0, or MANSRTSP/1.0 of old platforms
	CSeq    string // as written; srs-sip always sends 0
	Scale   Scale
	Range   *Range
	PauseAt *time.Duration // with Pause: media time from the start of the session; nil pauses at once
}

// Scale is the speed of a playback, 1 being real time and negative values
// backwards. 0 means that the request does not name one.
type Scale float64

// Range is a part of the recording, in media time from the start of the session (its t=).
type Range struct {
	Now   bool // from where we are: resume; Start has no meaning
	Start time.Duration
	End   *time.Duration // nil: to the end. Before Start it asks for reverse play
}

// Parse reads the body of an INFO. It fails with a *gb28181.Error 400.
func Parse(body []byte) (*Request, error) { return nil, gb28181.Errorf(400, "not yet") }
