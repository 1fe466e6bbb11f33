package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"gbgate/bridge"
	"gbgate/cascade"
	"gbgate/cmd/gbgate/admin"
	"gbgate/cmd/gbgate/config"
	"gbgate/gb28181"
	"gbgate/gb28181/sipua"
	"gbgate/media"
	"gbgate/media/ps"
	"gbgate/media/rtpout"
	"gbgate/rtsp"
)

// gateway is everything that one configuration runs: the composition root.
type gateway struct {
	cfg       *config.Config
	log       *slog.Logger
	started   time.Time
	ua        *sipua.Endpoint
	site      *bridge.Site
	platforms []*cascade.Platform
	admin     *admin.Server
	ports     *rtpout.Ports
}

// newGateway binds every socket and joins the parts; nothing runs yet.
func newGateway(cfg *config.Config, log *slog.Logger) (*gateway, error) {
	g := &gateway{cfg: cfg, log: log, started: time.Now()}
	if err := os.MkdirAll(cfg.Gateway.StateDir, 0o755); err != nil {
		return nil, fmt.Errorf("gateway.state_dir: %w", err)
	}
	low, high, err := cfg.Gateway.PortRange()
	if err != nil {
		return nil, err
	}
	if g.ports, err = rtpout.NewPorts(low, high); err != nil {
		return nil, fmt.Errorf("gateway.media_ports: %w", err)
	}
	g.site = bridge.NewSite(bridge.Config{Linger: cfg.Gateway.Linger, Ports: g.ports, Log: log}, cameras(cfg, log))
	var router *cascade.Router // knows who may speak to us; asked only while the endpoint runs
	if g.ua, err = sipua.Listen(sipua.Config{
		Listen: cfg.Gateway.SIPListen, UserAgent: "gbgate/" + version, Log: log,
		Strangers: func(user string, src netip.AddrPort) bool { return router.Stranger(user, src) },
	}); err != nil {
		return nil, fmt.Errorf("gateway.sip_listen: %w", err)
	}
	if g.admin, err = admin.Listen(g.adminConfig()); err != nil {
		_ = g.ua.Close()
		return nil, err
	}
	router = cascade.NewRouter(g.ua)
	for i := range cfg.Superiors {
		s := &cfg.Superiors[i]
		view := g.site.View(viewConfig(cfg, s, log))
		serve := func(ctx context.Context, c *cascade.Call) error { return view.ServeMedia(ctx, c) }
		p := cascade.NewPlatform(platformConfig(cfg, s, log), g.ua, view, cascade.MediaHandlerFunc(serve))
		router.Add(p)
		g.platforms = append(g.platforms, p)
	}
	return g, nil
}

// run serves until ctx ends. The parts end in the order that lets each say goodbye: platforms
// hang up and unregister, then cameras are let go, then the sockets close.
func (g *gateway) run(ctx context.Context) error {
	lower, endLower := context.WithCancelCause(context.WithoutCancel(ctx))
	defer endLower(nil)
	below, lower := errgroup.WithContext(lower)
	below.Go(func() error { return fatal("SIP", g.ua.Run(lower)) })
	below.Go(func() error { return fatal("cameras", g.site.Run(lower)) })
	below.Go(func() error { return fatal("admin", g.admin.Run(lower)) })
	below.Go(func() error { return watchdog(lower, func() { g.status() }, g.log) })

	upper, endUpper := context.WithCancelCause(ctx)
	defer endUpper(nil)
	stop := context.AfterFunc(lower, func() { endUpper(context.Cause(lower)) })
	defer stop()
	above, upper := errgroup.WithContext(upper)
	for _, p := range g.platforms {
		above.Go(func() error { return fatal("superior", p.Run(upper)) })
	}
	g.log.Info("gbgate runs", "sip", g.ua.Addr().String(), "cameras", len(g.cfg.Cameras), "superiors", len(g.platforms))
	<-upper.Done()
	err := above.Wait()
	endLower(errStopped)
	return errors.Join(err, below.Wait())
}

var errStopped = errors.New("gateway stops")

// fatal keeps only the errors that a part ended with before it was told to.
func fatal(part string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, errStopped) || errors.Is(err, errReload) {
		return nil
	}
	return fmt.Errorf("%s: %w", part, err)
}

func cameras(cfg *config.Config, log *slog.Logger) []bridge.Camera {
	list := make([]bridge.Camera, 0, len(cfg.Cameras))
	for _, c := range cfg.Cameras {
		list = append(list, bridge.Camera{
			Name: c.Name, Title: c.Title, ID: gb28181.ID(c.ID), Manufacturer: c.Manufacturer, Model: c.Model,
			CivilCode: c.CivilCode, Address: c.Address, Longitude: c.Longitude, Latitude: c.Latitude,
			Source: newSource(c, log),
		})
	}
	return list
}

func newSource(c config.Camera, log *slog.Logger) source {
	return source{&rtsp.Source{Config: rtsp.Config{
		Name: c.Name, URL: c.URL, Username: c.Username, Password: *c.Password, Transport: c.Transport,
		UserAgent: "gbgate", Log: log.With("camera", c.Name),
	}}}
}

func viewConfig(cfg *config.Config, s *config.Superior, log *slog.Logger) bridge.ViewConfig {
	audio := map[string]ps.AudioPolicy{"auto": ps.AudioAuto, "pcma": ps.AudioPCMA, "off": ps.AudioOff}[s.Audio]
	start := map[string]media.Start{"cached-gop": media.FromCachedGOP, "next-idr": media.FromNextKey}[s.Compat.StartFrom]
	return bridge.ViewConfig{
		Superior: s.Name, NodeID: s.NodeID, Channels: s.Channels, IDs: s.IDs,
		Name: cfg.Gateway.Name, Manufacturer: "gbgate", Model: "gbgate", Firmware: version,
		Audio: audio, Start: start, SourceGrace: s.SourceGrace, RefuseH265: !s.Compat.AllowH265,
		MaxPayload: s.Compat.PayloadMTU, Interleaved: s.Compat.TCPFraming == "interleaved",
		RTCP: s.Compat.RTCP, DialRetry: s.Compat.TCPRetries, FormatLine: s.Compat.SDPAnswerF,
		NoPTZ: !s.Compat.PTZ, StrictPTZ: s.Compat.StrictPTZ, Log: log,
	}
}

func platformConfig(cfg *config.Config, s *config.Superior, log *slog.Logger) cascade.Config {
	q := s.Compat
	c := cascade.Config{
		Name: s.Name, ID: s.ID, Domain: s.Domain, Address: s.Address, Transport: s.Transport, NodeID: s.NodeID,
		Username: s.Username, Password: *s.Password, Version: s.Version,
		RegisterExpires: s.RegisterExpires, RegisterRetry: s.RegisterRetry,
		KeepaliveInterval: s.KeepaliveInterval, KeepaliveMax: s.KeepaliveMax, MaxCalls: s.MaxCalls,
		Compat: cascade.Compat{
			OmitGBVer: !q.SendGBVer, RefreshMode: q.RefreshMode, ReregisterOn: q.ReregisterOn, FromHost: q.FromHost,
			RequestURIHost: q.RequestURIHost, UseNATContact: q.UseNATContact, Charset: q.Charset,
			UDPMaxMessage: q.UDPMaxMessage, CatalogItems: q.CatalogItemsPerMessage,
			RespondControls: q.RespondAllControls, SendStart: q.SendStart,
		},
		Timers: cascade.Timers{ACK: q.ACKTimeout, PartTimeout: q.CatalogPartTimeout},
		Log:    log,
	}
	if s.MediaIP != "" {
		c.MediaIP = netip.MustParseAddr(s.MediaIP) // validated with the configuration
	}
	for _, cidr := range s.AllowSources {
		c.AllowSources = append(c.AllowSources, netip.MustParsePrefix(cidr))
	}
	return c
}

// source makes an rtsp.Source a bridge.Source.
type source struct{ *rtsp.Source }

func (s source) Run(ctx context.Context, sink func(*media.Unit)) error {
	return classify(s.Source.Run(ctx, sink))
}

func (s source) Check(ctx context.Context) error {
	_, err := s.Source.Check(ctx)
	return classify(err)
}

// cameraError tells the bridge what it wants to know of an RTSP failure.
type cameraError struct{ err *rtsp.Error }

func (e cameraError) Error() string     { return e.err.Error() }
func (e cameraError) Unwrap() error     { return e.err }
func (e cameraError) LockedOut() bool   { return e.err.Kind == rtsp.Auth }
func (e cameraError) Unsupported() bool { return e.err.Kind == rtsp.NoVideo }

func classify(err error) error {
	if known, ok := errors.AsType[*rtsp.Error](err); ok {
		return cameraError{known}
	}
	return err
}

var (
	_ bridge.Source = source{}
	_ bridge.Kinder = cameraError{}
	_ bridge.Call   = (*cascade.Call)(nil)
	_ cascade.Site  = (*bridge.View)(nil)
)

// runCommand is `gbgate run`.
func runCommand(ctx context.Context, e env, args []string) int {
	fs := e.flags("run")
	file := fs.String("c", "/etc/gbgate/config.toml", "configuration `file`")
	if code, done := e.parse(fs, args); done {
		return code
	}
	cfg, err := config.Load(*file)
	if err != nil {
		fmt.Fprintln(e.stderr, err)
		return exitUsage
	}
	if err := serve(ctx, e, *file, cfg); err != nil {
		return e.fail(exitBad, err)
	}
	newLogger(e, cfg.Gateway.LogLevel).Info("gbgate has stopped")
	return exitGood
}

func newLogger(e env, level string) *slog.Logger {
	var l slog.Level
	_ = l.UnmarshalText([]byte(level)) // validated with the configuration
	return slog.New(slog.NewTextHandler(e.stderr, &slog.HandlerOptions{Level: l}))
}

// tellInactive says which settings are understood but have no effect yet.
func tellInactive(cfg *config.Config, log *slog.Logger) {
	var keys []string
	if cfg.Admin.PasswordFile != "" {
		keys = append(keys, "admin.password_file")
	}
	for i, s := range cfg.Superiors {
		if s.BandwidthKbps != 0 {
			keys = append(keys, "superior["+strconv.Itoa(i+1)+"].bandwidth_kbps")
		}
	}
	for i, c := range cfg.Cameras {
		for key, set := range map[string]bool{"onvif": c.ONVIF != "", "sub_url": c.SubURL != "", "record": c.Record != "off"} {
			if set {
				keys = append(keys, "camera["+strconv.Itoa(i+1)+"]."+key)
			}
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		log.Warn("setting has no effect yet", "key", key)
	}
}

// socketPath is where the running process answers the commands of the same box.
func socketPath(cfg *config.Config) string { return filepath.Join(cfg.Gateway.StateDir, "gbgate.sock") }
