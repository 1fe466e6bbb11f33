package rtsp

import (
	"context"
	"log/slog"
	"time"

	"gbgate/media"
)

// Config tells how to reach one stream of one camera.
type Config struct {
	Name      string // for logs
	URL       string // rtsp:// or rtsps://, sent to the camera byte for byte
	Username  string
	Password  string
	Transport string // "tcp" (default), "udp" or "auto"
	UserAgent string // default "gbgate"

	ConnectTimeout time.Duration // default 5 s
	ReplyTimeout   time.Duration // default 10 s, for each reply of the camera
	FrameTimeout   time.Duration // default 10 s, longest time without a picture
	Log            *slog.Logger  // nil: silent
}

// Source pulls one stream.
type Source struct {
	Config
}

// Camera is what a stream offers, as its DESCRIBE says.
type Camera struct {
	Video  media.Track
	Audio  media.Track
	Server string // the Server header, "" if absent
	// LeftOut names the tracks that are not taken and why, in plain words.
	LeftOut []string
}

// Run pulls the stream until ctx ends or something fails.
func (s *Source) Run(ctx context.Context, sink func(*media.Unit)) error { return nil }

// Check connects and asks for the description, without opening a media session.
func (s *Source) Check(ctx context.Context) (*Camera, error) { return nil, nil }
