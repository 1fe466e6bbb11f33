package simcam

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// ONVIFConfig says what kind of ONVIF device to be.
type ONVIFConfig struct {
	// Listen is the HTTP address; default "127.0.0.1:0".
	Listen string
	// Username and Password, when set, are asked for everywhere but at GetSystemDateAndTime.
	Username, Password string
	// Digest asks for HTTP digest, by the algorithms given in their order ("MD5", "SHA-256");
	// empty = for a UsernameToken.
	Digest []string
	// TokenWindow is how far a UsernameToken may be off the device's clock; default 5 s.
	TokenWindow time.Duration
	// ClockSkew is the device's clock minus the real one.
	ClockSkew time.Duration
	// SubscriptionTime is the longest that a subscription lasts unless it is renewed; default 1 h.
	SubscriptionTime time.Duration
	// StreamURL and SubURL are the RTSP addresses of the two profiles; an empty SubURL = one
	// profile. ReplayURL is that of the recordings; default StreamURL.
	StreamURL, SubURL, ReplayURL string
	// Codec of the main stream, "H264" (default) or "H265". Width, Height, FPS and GOP of it;
	// defaults 1920 × 1080, 25, 50.
	Codec              string
	Width, Height, FPS int
	GOP                int
	Channels           int  // a recorder with so many video sources, all the same picture; default 1
	Fixed              bool // a camera without PTZ
	Talk               bool // with an audio output
	// Model and Name are what the device calls itself; defaults "SIM-PTZ" and "gbgate". Serial is its number; default
	// "SIM0001".
	Name, Model, Serial string
	// Recordings are what Profile G finds; none = no recording services.
	Recordings []ONVIFRecording
	// Discovery are the interfaces to answer WS-Discovery on; none = no answer. Group's port is
	// DiscoveryPort, default 3702.
	Discovery     []net.Interface
	DiscoveryPort int
	Quirks        ONVIFQuirks
	// Asked, if set, is called with the name of each operation before it is answered.
	Asked func(op string)
	// Log may be nil.
	Log *slog.Logger
}

// ONVIFRecording is a recording of the simulated device.
type ONVIFRecording struct {
	Token, Source string
	Spans         [][2]time.Time // what is there, oldest first
}

// ONVIF is a simulated ONVIF device: services over HTTP with a PTZ head that really moves.
// ListenONVIF makes one, Run serves.
type ONVIF struct {
	cfg      ONVIFConfig
	log      *slog.Logger
	listener net.Listener
	finder   *finder // nil: does not answer discovery
	picture  []byte
	began    time.Time
	guard    gate
	head     head
	events   eventHub
	searches searchTable

	mu       sync.Mutex
	commands []string
	counts   map[string]int
	relay    bool
	reboots  int
	// unplugged are the channels that were taken out.
	unplugged map[int]bool
	// The lens: the iris in dB of attenuation, and whose the focus is.
	iris        float64
	manualFocus bool
}

// maxCommands bounds the commands that are kept, the newest ones.
const maxCommands = 1000

// ListenONVIF binds the device's sockets. Requests are served, and the sockets closed, by Run.
func ListenONVIF(cfg ONVIFConfig) (*ONVIF, error) {
	cfg.Listen = cmp.Or(cfg.Listen, "127.0.0.1:0")
	cfg.TokenWindow = cmp.Or(cfg.TokenWindow, 5*time.Second)
	cfg.SubscriptionTime = cmp.Or(cfg.SubscriptionTime, time.Hour)
	cfg.ReplayURL = cmp.Or(cfg.ReplayURL, cfg.StreamURL)
	cfg.Codec, cfg.Name, cfg.Model = cmp.Or(cfg.Codec, "H264"), cmp.Or(cfg.Name, "gbgate"), cmp.Or(cfg.Model, "SIM-PTZ")
	cfg.Serial = cmp.Or(cfg.Serial, "SIM0001")
	cfg.Width, cfg.Height = cmp.Or(cfg.Width, 1920), cmp.Or(cfg.Height, 1080)
	cfg.FPS, cfg.GOP = cmp.Or(cfg.FPS, 25), cmp.Or(cfg.GOP, 50)
	d := &ONVIF{cfg: cfg, log: cfg.Log, began: time.Now(), counts: make(map[string]int), unplugged: make(map[int]bool)}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	d.head.init()
	d.events.init()
	var err error
	if d.picture, err = testPicture(); err != nil {
		return nil, fmt.Errorf("simulated ONVIF device: %w", err)
	}
	if d.listener, err = net.Listen("tcp", cfg.Listen); err != nil {
		return nil, fmt.Errorf("simulated ONVIF device: %w", err)
	}
	if len(cfg.Discovery) > 0 {
		if d.finder, err = listenFinder(d); err != nil {
			_ = d.listener.Close()
			return nil, fmt.Errorf("simulated ONVIF device: discovery: %w", err)
		}
	}
	return d, nil
}

// testPicture is a small grey JPEG.
func testPicture() ([]byte, error) {
	img := image.NewGray(image.Rect(0, 0, 64, 36))
	for x := range 64 {
		for y := range 36 {
			img.SetGray(x, y, color.Gray{uint8(x * 4)})
		}
	}
	var b bytes.Buffer
	err := jpeg.Encode(&b, img, nil)
	return b.Bytes(), err
}

// Addr returns the HTTP address that is listened on.
func (d *ONVIF) Addr() netip.AddrPort {
	a := d.listener.Addr().(*net.TCPAddr).AddrPort()
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// URL returns the address of the device service.
func (d *ONVIF) URL() string { return "http://" + d.Addr().String() + "/onvif/device_service" }

// Picture returns the JPEG that a snapshot is.
func (d *ONVIF) Picture() []byte { return d.picture }

// Commands returns what the device was told to do, oldest first: "ContinuousMove pan=0.5 tilt=0",
// "Stop", "GotoPreset 1". Questions are not among them.
func (d *ONVIF) Commands() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string(nil), d.commands...)
}

// Calls returns how often an operation was asked for, refusals for a wrong password included.
func (d *ONVIF) Calls(op string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.counts[op]
}

// Wrong returns how many passwords were wrong.
func (d *ONVIF) Wrong() int {
	d.guard.mu.Lock()
	defer d.guard.mu.Unlock()
	return d.guard.wrong
}

func (d *ONVIF) note(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.commands = append(d.commands, fmt.Sprintf(format, args...))
	if len(d.commands) > maxCommands {
		d.commands = d.commands[1:]
	}
}

// Run serves until ctx ends, then closes every connection and socket. It is called once and
// returns nil when ctx ended it.
func (d *ONVIF) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	server := &http.Server{
		Handler:           http.HandlerFunc(d.serve),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       20 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          slog.NewLogLogger(d.log.Handler(), slog.LevelDebug),
	}
	var wg sync.WaitGroup
	if d.finder != nil {
		wg.Go(func() { d.finder.run(ctx) })
	}
	served := make(chan error, 1)
	wg.Go(func() {
		err := server.Serve(d.listener)
		cancel(err)
		served <- err
	})
	d.log.Info("ONVIF device answers", "url", d.URL())
	<-ctx.Done()
	_ = server.Close()
	wg.Wait()
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("simulated ONVIF device: %w", err)
	}
	return nil
}

// now is the device's clock.
func (d *ONVIF) now() time.Time { return time.Now().Add(d.cfg.ClockSkew).UTC() }

// maxRequest bounds what is read of a request.
const maxRequest = 256 << 10

// serve answers one HTTP request.
func (d *ONVIF) serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/snapshot.jpg" {
		d.servePicture(w, r)
		return
	}
	data, err := io.ReadAll(io.LimitReader(r.Body, maxRequest))
	if err != nil {
		return
	}
	env, err := parseXML(data)
	if err != nil || env.name != "Envelope" || env.child("Body") == nil || len(env.child("Body").children) == 0 {
		d.sendFault(w, fault{"Sender", "WellFormed", "not a SOAP request"})
		return
	}
	q := &soapRequest{
		http: r, service: strings.TrimPrefix(r.URL.Path, "/onvif/"), envelope: env, body: env.child("Body").children[0],
	}
	d.mu.Lock()
	d.counts[q.body.name]++
	d.mu.Unlock()
	if d.cfg.Asked != nil {
		d.cfg.Asked(q.body.name)
	}
	if d.cfg.Quirks.spoil(w, q) {
		return
	}
	if q.body.name != "GetSystemDateAndTime" || d.cfg.Quirks.TimeNeedsPassword {
		if !d.admit(w, q) {
			return
		}
	}
	answer, flt := d.dispatch(q)
	if flt != nil {
		d.sendFault(w, *flt)
		return
	}
	if d.cfg.Quirks.PullCloses > 0 && answer == "" {
		hangUp(w)
		return
	}
	d.send(w, http.StatusOK, answer)
}

// soapRequest is one request being answered.
type soapRequest struct {
	http     *http.Request
	service  string // the end of the path: "ptz_service"
	envelope *node
	body     *node
}

// dispatch finds the service; each has a file of its own.
func (d *ONVIF) dispatch(q *soapRequest) (string, *fault) {
	switch q.service {
	case "device_service":
		return d.device(q)
	case "media_service":
		return d.media(q)
	case "media2_service":
		return d.media2(q)
	case "ptz_service":
		return d.ptz(q)
	case "imaging_service":
		return d.imaging(q)
	case "event_service", "subscription":
		return d.event(q)
	case "deviceio_service":
		return d.deviceIO(q)
	case "recording_service":
		return d.recording(q)
	case "search_service":
		return d.search(q)
	case "replay_service":
		return d.replay(q)
	}
	return "", unsupported()
}

// fault is a SOAP fault.
type fault struct{ code, subcode, text string }

func unsupported() *fault {
	return &fault{"Receiver", "ActionNotSupported", "Optional Action Not Implemented"}
}

func invalid(detail string) *fault {
	return &fault{"Sender", "InvalidArgVal/" + detail, "Argument Value Invalid"}
}

func (d *ONVIF) sendFault(w http.ResponseWriter, f fault) {
	codes := ""
	parts := strings.Split(f.subcode, "/")
	for i := len(parts) - 1; i >= 0; i-- {
		codes = "<s:Subcode><s:Value>ter:" + parts[i] + "</s:Value>" + codes + "</s:Subcode>"
	}
	status := http.StatusInternalServerError
	if f.code == "Sender" {
		status = http.StatusBadRequest
	}
	d.send(w, status, `<s:Fault><s:Code><s:Value>s:`+f.code+`</s:Value>`+codes+
		`</s:Code><s:Reason><s:Text xml:lang="en">`+escape(f.text)+`</s:Text></s:Reason></s:Fault>`)
}

func (d *ONVIF) send(w http.ResponseWriter, status int, body string) {
	text := d.cfg.Quirks.dress(responseHead + "<s:Body>" + body + "</s:Body></s:Envelope>")
	w.Header().Set("Content-Type", "application/soap+xml; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}

func hangUp(w http.ResponseWriter) {
	if h, ok := w.(http.Hijacker); ok {
		if conn, _, err := h.Hijack(); err == nil {
			_ = conn.Close()
		}
	}
}

func (d *ONVIF) servePicture(w http.ResponseWriter, r *http.Request) {
	if d.cfg.Username != "" {
		if d.cfg.Quirks.SnapshotBasic {
			if user, password, _ := r.BasicAuth(); user != d.cfg.Username || password != d.cfg.Password {
				w.Header().Set("WWW-Authenticate", `Basic realm="snapshot"`)
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
		} else if !d.guard.digest(w, r, d.cfg.Username, d.cfg.Password, d.algorithms(), d.cfg.Quirks.NonceOnce) {
			return
		}
	}
	w.Header().Set("Content-Type", "image/jpeg")
	_, _ = w.Write(d.picture)
}

func (d *ONVIF) algorithms() []string {
	if len(d.cfg.Digest) > 0 {
		return d.cfg.Digest
	}
	return []string{"MD5"}
}
