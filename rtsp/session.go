package rtsp

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/description"

	"gbgate/media"
)

const (
	never      = 200 * 365 * 24 * time.Hour // for gortsplib's time-outs, see normConn
	rtpTimeout = 5 * time.Second            // without any RTP over TCP, "auto" goes on with UDP
	closeTime  = 2 * time.Second            // after which a closing connection is cut
	udpBuffer  = 2 << 20
	signings   = 4 // times one request is sent because of 401
)

// session is one connection to a camera, from dialling to TEARDOWN.
//
//	dial ─▶ describe ─▶ set up ─▶ play ─▶ watch ─▶ close
//
// gortsplib drives the exchange on its own goroutine and reads on another, where the methods of traffic
// and the sink run.
type session struct {
	cfg    Config
	target address
	auth   *authenticator
	udp    bool
	auto   bool       // another transport may be tried
	replay *replaying // nil: a live stream
	talk   bool       // the back channel is what is wanted
	log    *slog.Logger

	client *gortsplib.Client
	ended  chan struct{}        // closed when gortsplib is through
	endErr error                // why, once ended is closed
	desc   *description.Session // the stand-in's
	used   channelUse           // reading goroutine only
	feed   atomic.Pointer[feed]

	mu         sync.Mutex
	conn       net.Conn    // the bare socket
	norm       *normConn   // what gortsplib has in its place
	timer      *time.Timer // runs while a reply is waited for
	cause      error       // why the session ended, if we know better than gortsplib
	last       reply
	atOptions  bool // the camera asked for the password at OPTIONS already
	base       address
	offer      *offer
	server     string
	playFields []field // the headers of the next PLAY
	id         string  // of the session
	playing    bool
	timeout    time.Duration // of the session, as the camera names it
	keepalive  *keepalive
	channels   map[string]byte // stand-in URL → interleaved channel of its RTP
}

// reply is what the camera said to the request waited for.
type reply struct {
	method   string
	code     int // 0: nothing yet
	reason   string
	location string
}

// start makes gortsplib ready; the connection is opened by the first request.
func (s *session) start() error {
	transport := gortsplib.TransportTCP
	if s.udp {
		transport = gortsplib.TransportUDP
	}
	s.base = s.target
	s.timeout = defaultTimeout
	s.channels = make(map[string]byte)
	s.client = &gortsplib.Client{
		Scheme:            "rtsp", // TLS is inside dial, below normConn
		Host:              standInHost,
		ReadTimeout:       never,
		Transport:         &transport,
		AnyPortEnable:     true, // OpenIPC names no server_port
		UserAgent:         s.cfg.UserAgent,
		DialContext:       s.dial,
		ListenPacket:      listenPacket,
		OnTransportSwitch: func(error) {},
		OnPacketsLost:     func(uint64) {},
		OnDecodeError:     func(error) {},
	}
	if err := s.client.Start2(); err != nil {
		return err
	}
	s.ended = make(chan struct{})
	go func() {
		defer close(s.ended)
		s.endErr = s.client.Wait()
	}()
	return nil
}

func listenPacket(network, address string) (net.PacketConn, error) {
	pc, err := net.ListenPacket(network, address)
	if udp, ok := pc.(*net.UDPConn); ok {
		_ = udp.SetReadBuffer(udpBuffer) // as much as the system allows
	}
	return pc, err
}

// dial connects to the camera, whatever address gortsplib believes in.
func (s *session) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.ConnectTimeout)
	defer cancel()
	to := s.target.dial()
	dialer := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3,
	}}
	inner, err := dialer.DialContext(ctx, network, to)
	if err != nil {
		return nil, dialError(err, to, s.cfg.ConnectTimeout)
	}
	polled, err := s.poll(inner)
	if err != nil {
		return nil, err
	}
	if polled != nil {
		inner = polled
	}
	s.mu.Lock()
	s.conn = inner
	s.mu.Unlock()
	if s.target.scheme == "rtsps" {
		// Cameras sign their own certificates, so there is nothing to verify against.
		secure := tls.Client(inner, &tls.Config{ServerName: s.target.hostname(), InsecureSkipVerify: true}) //nolint:gosec
		if err := secure.HandshakeContext(ctx); err != nil {
			_ = inner.Close()
			return nil, &Error{Kind: Protocol, Text: "TLS handshake failed: " + err.Error(), Err: err}
		}
		inner = secure
	}
	norm := newNormConn(inner, s, &s.used)
	s.mu.Lock()
	s.norm = norm
	s.mu.Unlock()
	if polled != nil {
		norm.polled = true
		if err := s.cfg.Poller.begin(polled, norm.readable); err != nil {
			_ = polled.Close()
			return nil, dialError(err, to, s.cfg.ConnectTimeout)
		}
	}
	return norm, nil
}

// poll gives a connection to the Poller, if there is one and no TLS in between; else it returns nil.
func (s *session) poll(inner net.Conn) (*polledConn, error) {
	plain, ok := inner.(*net.TCPConn)
	if !ok || s.cfg.Poller == nil || s.target.scheme == "rtsps" {
		return nil, nil //nolint:nilnil // it stays as it is
	}
	polled, err := s.cfg.Poller.adopt(plain)
	if err != nil {
		_ = inner.Close()
		return nil, dialError(err, s.target.dial(), s.cfg.ConnectTimeout)
	}
	return polled, nil
}

// fail ends the session at once, for a reason that gortsplib does not know.
func (s *session) fail(cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cause == nil {
		s.cause = cause
	}
	if s.conn != nil {
		_ = s.conn.Close()
	}
}

// check describes the stream and hangs up.
func (s *session) check(ctx context.Context) (*Camera, error) {
	var camera *Camera
	err := s.during(ctx, func() error {
		if err := s.describe(); err != nil {
			return err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		camera = s.offer.camera()
		camera.Server = s.server
		return nil
	})
	return camera, err
}

// run pulls the stream until ctx ends or something fails.
func (s *session) run(ctx context.Context, sink func(*media.Unit)) error {
	return s.during(ctx, func() error {
		if err := s.describe(); err != nil {
			return err
		}
		if err := s.setUp(sink); err != nil {
			return err
		}
		if err := s.play(); err != nil {
			return err
		}
		return s.watch(ctx)
	})
}

// during runs f between start and close; the end of ctx closes the session below it.
func (s *session) during(ctx context.Context, f func() error) error {
	if err := s.start(); err != nil {
		return err
	}
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(closed)
		s.close()
	})
	err := f()
	if stop() {
		s.close()
	} else {
		<-closed
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// keep sets the session up, gives up a nil when it plays, and keeps it until ctx ends or something fails.
func (s *session) keep(ctx context.Context, up chan<- error) error {
	return s.during(ctx, func() error {
		if err := s.describe(); err != nil {
			return err
		}
		if err := s.setUp(nil); err != nil {
			return err
		}
		if err := s.play(); err != nil {
			return err
		}
		select {
		case up <- nil:
		default:
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-s.ended:
			return s.over(ctx)
		}
	})
}

// over tells why the session has ended by itself, unless ctx has ended it.
func (s *session) over(ctx context.Context) error {
	err := s.explain(s.endErr)
	if ctx.Err() == nil && kindOf(err) == Closed {
		s.keepalive.lost()
	}
	return err
}

// close ends the session in order: nothing to the sink any more, TEARDOWN, a second at most for its answer.
func (s *session) close() {
	if f := s.feed.Load(); f != nil {
		f.close()
	}
	s.mu.Lock()
	s.disarm()
	conn := s.conn
	s.mu.Unlock()
	if conn != nil {
		cut := time.AfterFunc(closeTime, func() { _ = conn.Close() })
		defer cut.Stop()
	}
	s.client.Close()
	<-s.ended
	s.mu.Lock()
	defer s.mu.Unlock()
	s.disarm() // a request may have been on its way
	s.report()
}

// report logs what was odd about a session, after its end.
func (s *session) report() {
	if s.norm == nil {
		return
	}
	args := []any{"udp", s.udp, "junk_bytes", s.norm.junk}
	if f := s.feed.Load(); f != nil {
		p := f.progress()
		args = append(args, "packets", p.packets, "pictures", p.pictures,
			"stray_packets", f.video.strays, "malformed_packets", f.video.malformed)
	}
	s.log.Debug("RTSP session ended", args...)
}

// describe asks for the description and chooses the tracks; inbound does both.
func (s *session) describe() error {
	u, err := base.ParseURL(standInDescribe)
	if err != nil {
		return err
	}
	return s.request(func() error {
		s.desc, _, err = s.client.Describe(u)
		return err
	})
}

// request carries out one exchange, again and signed anew when the camera answers with a challenge.
func (s *session) request(exchange func() error) error {
	for try := range signings {
		s.mu.Lock()
		s.last = reply{}
		s.mu.Unlock()
		err := exchange()
		if err == nil {
			return nil
		}
		s.mu.Lock()
		last := s.last
		s.mu.Unlock()
		if last.code != 401 {
			err = s.explain(err)
			if last.code == 0 && lost(err) && (try > 0 || s.challengedAtOptions()) { // closed after the challenge
				if failure := s.auth.retry(); failure != nil {
					return failure
				}
				// At OPTIONS that is, where DESCRIBE did not leave any more.
				return &again{signOptions: s.challengedAtOptions() && (try == 0 || last.method == ""), why: asError(err)}
			}
			return err
		}
		if failure := s.auth.retry(); failure != nil {
			return failure
		}
	}
	return &Error{Kind: Auth, Text: "camera asks for a password again and again"}
}

func (s *session) challengedAtOptions() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.atOptions
}

// explain turns what gortsplib reports into what an operator can use.
func (s *session) explain(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var known *Error
	switch {
	case s.cause != nil:
		return s.cause
	case errors.As(err, &known):
		return known
	case s.last.code >= 300 && s.last.location != "":
		return &again{redirect: s.last.location, why: statusError(s.last.method, s.last.code, s.last.reason)}
	case s.last.code >= 300:
		return statusError(s.last.method, s.last.code, s.last.reason)
	case s.playing:
		return &Error{Kind: Closed, Text: "camera closed the connection", Err: err}
	case lost(err) && s.last.method != "":
		return &Error{Kind: Protocol, Text: "camera closed the connection instead of answering " + s.last.method, Err: err}
	case lost(err):
		return &Error{Kind: Protocol, Text: "camera closed the connection", Err: err}
	}
	return &Error{Kind: Protocol, Text: "RTSP failed: " + err.Error(), Err: err}
}

// asError finds the failure within err.
func asError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Kind: Protocol, Text: err.Error(), Err: err}
}
