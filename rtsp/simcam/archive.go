package simcam

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/auth"
	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/conn"
	"github.com/bluenviron/gortsplib/v4/pkg/description"
)

// ArchiveConfig says what kind of recorder to be.
type ArchiveConfig struct {
	// Listen is the RTSP address; default "127.0.0.1:0".
	Listen string
	// Username and Password, when set, are asked for by digest (MD5).
	Username, Password string
	// Clip is H264PCMA (the default) or H265AAC; the recording is it, again and again.
	Clip string
	// Spans are what is recorded, oldest first. They cost nothing: what a moment looked like is computed.
	Spans [][2]time.Time
	// Vendor names the way the URL tells times ("hikvision", "dahua", "uniview"); "" = by the Range of PLAY, as
	// ONVIF Profile G has it.
	Vendor string
	// Zone is the clock's in a vendor's URL; default UTC.
	Zone   *time.Location
	Quirks ArchiveQuirks
	// Log may be nil.
	Log *slog.Logger
}

// ArchiveQuirks names deviations of real recorders; the zero value is one without any.
type ArchiveQuirks struct {
	NoRequire         bool // any Require is a 551 (LIVE555)
	NoRateControl     bool // Rate-Control is passed over: real time, times Scale
	NoExtension       bool // packets do not say when they were recorded
	NoScale           bool // Scale is accepted and passed over
	NoFrames          bool // Frames is passed over: every picture is sent
	OnePlay           bool // a second PLAY in a session is a 455
	ZeroCSeq          bool // the extension's CSeq is always 0
	Remains           bool // behind the reply to PAUSE comes a key picture of the PLAY before (GStreamer)
	LateBye           bool // the BYE of the PLAY before comes behind the first picture of the next one (GStreamer)
	NoPause           bool // PAUSE is answered and passed over
	Ends              ArchiveEnd
	HangsUpAfter      int           // pictures, once: a session that dies on the way
	HangsUpWhenUnread time.Duration // a client that does not read for so long is hung up on
}

// ArchiveEnd is how a recorder ends a recording.
type ArchiveEnd uint8

// The ways that were seen.
const (
	EndByBye ArchiveEnd = iota
	EndByTerminalBit
	EndByAnnounce
	EndByClosing
	EndBySilence
)

// Archive is a simulated recorder: an RTSP server that plays a synthetic recording of any length.
// ListenArchive makes one, Run serves.
type Archive struct {
	cfg      ArchiveConfig
	log      *slog.Logger
	clip     *Clip
	listener net.Listener
	wg       sync.WaitGroup

	mu       sync.Mutex
	conns    map[net.Conn]bool
	requests []string // method, URL and Range, newest last
	hungUp   bool
}

// ListenArchive binds the recorder's socket; clients are served by Run.
func ListenArchive(cfg ArchiveConfig) (*Archive, error) {
	cfg.Listen, cfg.Clip = cmp.Or(cfg.Listen, "127.0.0.1:0"), cmp.Or(cfg.Clip, H264PCMA)
	a := &Archive{cfg: cfg, log: cfg.Log, conns: make(map[net.Conn]bool)}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	if a.cfg.Zone == nil {
		a.cfg.Zone = time.UTC
	}
	var err error
	if a.clip, err = LoadClip(cfg.Clip); err != nil {
		return nil, err
	}
	if a.listener, err = net.Listen("tcp", cfg.Listen); err != nil {
		return nil, fmt.Errorf("simulated recorder: %w", err)
	}
	return a, nil
}

// Addr returns the RTSP address that is listened on.
func (a *Archive) Addr() netip.AddrPort { return a.listener.Addr().(*net.TCPAddr).AddrPort() }

// URL returns the address of the recording, for a recorder without Vendor.
func (a *Archive) URL() string { return "rtsp://" + a.Addr().String() + "/recording" }

// Clients returns how many connections are open.
func (a *Archive) Clients() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.conns)
}

// Requests returns what was asked for: "PLAY rtsp://… clock=…", oldest first.
func (a *Archive) Requests(method string) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var list []string
	for _, r := range a.requests {
		if strings.HasPrefix(r, method+" ") {
			list = append(list, r)
		}
	}
	return list
}

// Run serves until ctx ends, then closes every connection. It is called once.
func (a *Archive) Run(ctx context.Context) error {
	defer a.wg.Wait()
	stop := context.AfterFunc(ctx, func() {
		_ = a.listener.Close()
		a.mu.Lock()
		defer a.mu.Unlock()
		for c := range a.conns {
			_ = c.Close()
		}
	})
	defer stop()
	a.log.Info("recorder answers", "address", a.Addr().String())
	for {
		c, err := a.listener.Accept()
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("simulated recorder: %w", err)
		}
		a.mu.Lock()
		a.conns[c] = true
		a.mu.Unlock()
		a.wg.Go(func() {
			(&archiveClient{Archive: a, conn: c}).serve()
			_ = c.Close()
			a.mu.Lock()
			defer a.mu.Unlock()
			delete(a.conns, c)
		})
	}
}

// archiveClient is one connection.
type archiveClient struct {
	*Archive
	conn    net.Conn
	nonce   string
	from    time.Time // as the URL says; zero: Range will
	until   time.Time
	tracks  [2]*track // video and audio, with encoders of their own
	video   int       // interleaved channel of the track
	audio   int       // -1: not set up
	writing sync.Mutex
	playing *archivePlay
	played  bool
}

const maxArchiveRequests = 1000

func (c *archiveClient) serve() {
	defer func() { c.halt() }()
	var err error
	if c.tracks[0], err = newVideoTrack(c.clip); err != nil {
		return
	}
	if c.tracks[1], err = newAudioTrack(c.clip); err != nil {
		return
	}
	c.audio = -1
	c.tracks[0].media.Control, c.tracks[1].media.Control = "trackID=1", "trackID=2"
	rtsp := conn.NewConn(c.conn)
	for {
		what, err := rtsp.Read()
		if err != nil {
			return
		}
		r, ok := what.(*base.Request)
		if !ok {
			continue
		}
		c.mu.Lock()
		line := string(r.Method) + " " + r.URL.String() + " " + first(r, "Range") + " " + first(r, "Scale")
		if c.requests = append(c.requests, strings.TrimSpace(line)); len(c.requests) > maxArchiveRequests {
			c.requests = c.requests[1:]
		}
		c.mu.Unlock()
		reply, after := c.answer(r)
		reply.Header["CSeq"] = r.Header["CSeq"]
		c.writing.Lock()
		text, _ := reply.Marshal()
		_, err = c.conn.Write(text)
		c.writing.Unlock()
		if err != nil || r.Method == base.Teardown {
			return
		}
		if after != nil {
			after()
		}
	}
}

func first(r *base.Request, name string) string {
	if v := r.Header[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

func status(code base.StatusCode) *base.Response {
	return &base.Response{StatusCode: code, Header: base.Header{}}
}

// answer returns the reply to a request, and what happens behind it.
func (c *archiveClient) answer(r *base.Request) (*base.Response, func()) {
	ok := status(base.StatusOK)
	if c.cfg.Quirks.NoRequire && first(r, "Require") != "" {
		return status(551), nil
	}
	if !c.admit(r, ok) {
		ok.StatusCode = base.StatusUnauthorized
		return ok, nil
	}
	ok.Header["Session"] = base.HeaderValue{"4711;timeout=60"}
	switch r.Method {
	case base.Options:
		ok.Header["Public"] = base.HeaderValue{"OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, TEARDOWN, GET_PARAMETER"}
	case base.Describe:
		delete(ok.Header, "Session")
		return c.describe(r, ok), nil
	case base.Setup:
		c.setUp(r, ok)
	case base.Play:
		return c.play(r, ok)
	case base.Pause:
		if c.cfg.Quirks.NoPause {
			return ok, nil
		}
		p := c.playing
		c.halt()
		if p != nil && c.cfg.Quirks.Remains {
			return ok, p.remain
		}
	}
	return ok, nil
}

// admit asks for the password.
func (c *archiveClient) admit(r *base.Request, reply *base.Response) bool {
	if c.cfg.Username == "" || r.Method == base.Options {
		return true
	}
	methods := []auth.VerifyMethod{auth.VerifyMethodDigestMD5}
	if c.nonce == "" {
		c.nonce = fmt.Sprintf("%016x", time.Now().UnixNano())
	} else if auth.Verify(r, c.cfg.Username, c.cfg.Password, methods, "recorder", c.nonce) == nil {
		return true
	}
	reply.Header["WWW-Authenticate"] = auth.GenerateWWWAuthenticate(methods, "recorder", c.nonce)
	return false
}

func (c *archiveClient) describe(r *base.Request, reply *base.Response) *base.Response {
	if c.cfg.Vendor != "" {
		var err error
		if c.from, c.until, err = vendorSpan(c.cfg.Vendor, r.URL, c.cfg.Zone); err != nil {
			c.log.Info("recorder does not understand", "url", r.URL.String(), "error", err)
			return status(base.StatusNotFound)
		}
		if c.at(c.from).IsZero() {
			return status(base.StatusNotFound)
		}
	}
	desc := description.Session{Title: "recording", Medias: []*description.Media{c.tracks[0].media, c.tracks[1].media}}
	body, err := desc.Marshal(false)
	if err != nil {
		return status(base.StatusInternalServerError)
	}
	reply.Header["Content-Type"] = base.HeaderValue{"application/sdp"}
	reply.Body = body
	return reply
}

func (c *archiveClient) setUp(r *base.Request, reply *base.Response) {
	asked := first(r, "Transport")
	_, pair, found := strings.Cut(asked, "interleaved=")
	channel := 0
	if _, err := fmt.Sscanf(pair, "%d", &channel); err != nil || !found {
		reply.StatusCode = base.StatusUnsupportedTransport
		return
	}
	if strings.HasSuffix(r.URL.String(), "trackID=2") {
		c.audio = channel
	} else {
		c.video = channel
	}
	reply.Header["Transport"] = base.HeaderValue{asked}
}

// vendorSpan reads the times in a vendor's URL.
func vendorSpan(vendor string, u *base.URL, zone *time.Location) (from, until time.Time, err error) {
	query := map[string]string{}
	for kv := range strings.SplitSeq(u.RawQuery, "&") {
		k, v, _ := strings.Cut(kv, "=")
		query[k] = v
	}
	layout := "20060102T150405Z"
	switch vendor {
	case "hikvision":
	case "dahua":
		layout = "2006_01_02_15_04_05"
	case "uniview":
		var channel int
		var b, e int64
		if _, err := fmt.Sscanf(u.Path, "/c%d/b%d/e%d/replay", &channel, &b, &e); err != nil {
			return from, until, err
		}
		return time.Unix(b, 0), time.Unix(e, 0), nil
	default:
		return from, until, errors.New("nobody's way to tell times")
	}
	if from, err = time.ParseInLocation(layout, query["starttime"], zone); err != nil {
		return from, until, err
	}
	until, err = time.ParseInLocation(layout, query["endtime"], zone)
	return from, until, err
}
