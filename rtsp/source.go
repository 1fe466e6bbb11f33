package rtsp

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"gbgate/media"
)

// Config tells how to reach one stream of one camera.
type Config struct {
	Name      string // for logs
	URL       string // rtsp:// or rtsps://; path and query go to the camera byte for byte
	Username  string // wins over user name and password in the URL
	Password  string
	Transport string // of RTP: "tcp" (default), "udp" or "auto" (TCP, then UDP)
	UserAgent string // default "gbgate"; some cameras refuse a request without one

	ConnectTimeout time.Duration // default 5 s
	ReplyTimeout   time.Duration // default 10 s, for each reply of the camera
	FrameTimeout   time.Duration // default 10 s, longest time without a picture
	Poller         *Poller       // reads for many cameras; nil: a goroutine for this one alone
	Log            *slog.Logger  // nil: silent
}

// Source pulls one stream. Its methods may be called again and again, but not at the same time.
type Source struct {
	Config

	udpWorked atomic.Bool // "auto" begins with what worked last
	keepalive keepalive
}

// Camera is what a stream offers, as its DESCRIBE says.
type Camera struct {
	Video  media.Track
	Audio  media.Track
	Server string // the Server header, "" if absent
	// LeftOut names the tracks that are not taken and why, in plain words.
	LeftOut []string
}

// maxSessions bounds the connections of one Run: three redirects, another transport, a camera that hangs up
// after its challenge.
const maxSessions = 5

// Run pulls the stream until ctx ends or something fails, and returns the cause of ctx or an *Error. It
// does not try again by itself, except over the other transport when Config.Transport is "auto".
//
// sink takes over the reference of each unit. It is called in decoding order, never at the same time
// and not after Run has returned, on the goroutine that reads from the camera: it must not block.
func (s *Source) Run(ctx context.Context, sink func(*media.Unit)) error {
	return s.sessions(ctx, func(c *session) error {
		err := c.run(ctx, sink)
		if f := c.feed.Load(); f != nil && c.auto {
			s.udpWorked.Store(c.udp && f.progress().pictures > 0)
		}
		return err
	})
}

// Check connects and asks for the description, without opening a media session. Its errors are those of Run.
func (s *Source) Check(ctx context.Context) (*Camera, error) {
	var camera *Camera
	err := s.sessions(ctx, func(c *session) (err error) {
		camera, err = c.check(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	return camera, nil
}

// sessions opens one session after the other as long as each says how the next should differ.
func (s *Source) sessions(ctx context.Context, use func(*session) error) error {
	cfg, target, auth, err := s.prepare()
	if err != nil {
		return err
	}
	auto := cfg.Transport == "auto"
	udp := cfg.Transport == "udp" || auto && s.udpWorked.Load()
	var opened reopening
	for range maxSessions {
		err = use(&session{
			cfg: cfg, target: target, auth: auth, udp: udp, auto: auto, keepalive: &s.keepalive,
			log: cfg.Log.With("camera", cfg.Name),
		})
		var next *again
		switch {
		case !errors.As(err, &next):
			return err
		case next.udp:
			cfg.Log.Info("camera gives no RTP over TCP, trying UDP", "camera", cfg.Name, "reason", next.why)
			udp = true
		case next.redirect != "":
			to, _, _, bad := parseAddress(next.redirect)
			if bad != nil || to.scheme != target.scheme {
				return next.why
			}
			if !strings.EqualFold(to.hostname(), target.hostname()) {
				auth = newAuthenticator("", "")
				auth.stranger = true
			}
			target = to
		case !opened.again(auth, next):
			return auth.hungUp(next.why)
		}
		auth.older = true
	}
	return asError(err)
}

// reopening is how often a camera was connected to because it had hung up.
type reopening int

// again tells whether to connect once more to a camera that hung up, and prepares auth for it.
//
//	nothing signed ──► connect, sign at once ──► hung up: over
//	hung up on a signature ──► connect, ask for the challenge ──► hung up behind that: connect, sign at once
//	                                                          └─► hung up on the second signature: over
func (r *reopening) again(auth *authenticator, next *again) bool {
	signed := auth.unanswered()
	*r++
	switch {
	case *r == 1 && signed:
		auth.options = false
		auth.askAnew()
	case *r == 1, *r == 2 && auth.careful && !signed:
		auth.options, auth.careful = next.signOptions, false
	default:
		return false
	}
	return true
}

// prepare fills in the defaults and takes the URL apart.
func (s *Source) prepare() (Config, address, *authenticator, error) {
	cfg := s.Config
	cfg.Transport = cmp.Or(cfg.Transport, "tcp")
	cfg.UserAgent = cmp.Or(cfg.UserAgent, "gbgate")
	cfg.ConnectTimeout = cmp.Or(cfg.ConnectTimeout, 5*time.Second)
	cfg.ReplyTimeout = cmp.Or(cfg.ReplyTimeout, 10*time.Second)
	cfg.FrameTimeout = cmp.Or(cfg.FrameTimeout, 10*time.Second)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	target, user, password, err := parseAddress(cfg.URL)
	if err != nil {
		return cfg, target, nil, &Error{Kind: Protocol, Text: err.Error(), Err: err}
	}
	if cfg.Username != "" || cfg.Password != "" {
		user, password = cfg.Username, cfg.Password
	}
	if strings.ContainsAny(cfg.UserAgent+user, "\r\n") {
		return cfg, target, nil, &Error{Kind: Protocol, Text: "line break in the user name or the user agent"}
	}
	return cfg, target, newAuthenticator(user, password), nil
}
