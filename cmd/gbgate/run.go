package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"gbgate/bridge"
	"gbgate/bridge/ledger"
	"gbgate/cascade"
	"gbgate/cmd/gbgate/admin"
	"gbgate/cmd/gbgate/config"
	"gbgate/cmd/gbgate/memory"
	"gbgate/gb28181/sipua"
	"gbgate/media/rtpout"
	"gbgate/rtsp"
)

// gateway is everything that one configuration runs: the composition root.
type gateway struct {
	cfg     *config.Config
	log     *slog.Logger
	started time.Time
	ua      *sipua.Endpoint
	devices map[string]device // by name; as current, changed by update only
	current *config.Config    // cfg, or what update made of it
	nvr     nvr               // what cameras and recorders have recorded themselves
	site    *bridge.Site
	sides   []side
	gpsd    *bridge.GPSD // nil: nobody knows where we are
	admin   *admin.Server
	ports   map[string]*rtpout.Ports // by media_ports
	wheel   *rtpout.Wheel
	poller  *rtsp.Poller
	memory  *memory.Guard
	ledger  *ledger.Ledger

	recorders *recorders // nil: nothing is recorded

	taken atomic.Pointer[string] // the digest of the file that was taken over last
}

// side is one superior: the platform as it is spoken to, and the site as it sees it.
type side struct {
	platform *cascade.Platform
	view     *bridge.View
}

// newGateway binds every socket and joins the parts; nothing runs yet.
func newGateway(cfg *config.Config, log *slog.Logger) (*gateway, error) {
	g := &gateway{cfg: cfg, current: cfg, log: log, started: time.Now(), memory: newGuard(log), wheel: rtpout.NewWheel()}
	if err := os.MkdirAll(cfg.Gateway.StateDir, 0o755); err != nil && !admin.Worn(err) {
		return nil, fmt.Errorf("gateway.state_dir: %w", err)
	}
	var err error
	if g.ports, err = mediaPorts(cfg); err != nil {
		return nil, err
	}
	if cfg.Gateway.GPSD != "" {
		g.gpsd = &bridge.GPSD{Address: cfg.Gateway.GPSD, Log: log}
	}
	g.ledger = ledger.Open(filepath.Join(cfg.Gateway.StateDir, "settings.json"), log)
	if g.poller, err = rtsp.NewPoller(); err != nil {
		return nil, err
	}
	if g.devices, err = devices(cfg, nil, g.poller, log); err != nil {
		_ = g.poller.Close()
		return nil, err
	}
	g.nvr.use(g.devices)
	g.recorders = newRecorders(cfg, g.volumeChanged, log)
	g.site = bridge.NewSite(g.siteConfig(), cameras(cfg, g.devices, g.recorders))
	var router *cascade.Router // knows who may speak to us; asked only while the endpoint runs
	if g.ua, err = sipua.Listen(sipua.Config{
		Listen: cfg.Gateway.SIPListen, UserAgent: "gbgate/" + version, Log: log,
		Strangers: func(user string, src netip.AddrPort) bool { return router.Stranger(user, src) },
	}); err != nil {
		_ = g.poller.Close()
		return nil, plainListen("gateway.sip_listen", cfg.Gateway.SIPListen, err)
	}
	if g.admin, err = admin.Listen(g.adminConfig()); err != nil {
		_ = g.ua.Close()
		_ = g.poller.Close()
		if errors.Is(err, admin.ErrListen) {
			return nil, plainListen("admin.listen", cfg.Admin.Listen, err)
		}
		return nil, err
	}
	router = cascade.NewRouter(g.ua)
	for i := range cfg.Superiors {
		s := &cfg.Superiors[i]
		view := g.site.View(viewConfig(cfg, s, g.ports[s.MediaPorts], log))
		serve := func(ctx context.Context, c *cascade.Call) error { return view.ServeMedia(ctx, c) }
		p := cascade.NewPlatform(platformConfig(s, log), g.ua, view, cascade.MediaHandlerFunc(serve))
		view.SetTuning(p)
		router.Add(p)
		g.sides = append(g.sides, side{p, view})
	}
	return g, nil
}

// update takes over a configuration that differs in its cameras and groups only: what runs on
// stays undisturbed, and the superiors are told what has changed.
func (g *gateway) update(cfg *config.Config) error {
	next, err := devices(cfg, g.devices, g.poller, g.log)
	if err != nil {
		return err
	}
	g.devices, g.current = next, cfg
	g.nvr.use(next)
	g.recorders.update(cfg)
	g.site.SetCameras(cameras(cfg, next, g.recorders), groups(cfg))
	return nil
}

// run serves until ctx ends. The parts end in the order that lets each say goodbye: platforms
// hang up and unregister, then cameras are let go and recordings finished, then the sockets close.
func (g *gateway) run(ctx context.Context) error {
	lower, endLower := context.WithCancelCause(context.WithoutCancel(ctx))
	defer endLower(nil)
	defer g.poll(ctx)() // ends last: cameras are said goodbye to through it
	below, lower := errgroup.WithContext(lower)
	if g.recorders != nil {
		// The archive outlives its recorders: what they finish at the end is synchronised too.
		defer launch(context.WithoutCancel(ctx), func(ctx context.Context) { _ = g.recorders.archive.Run(ctx) })()
		below.Go(func() error { return fatal("recordings", g.recorders.run(lower, g.site)) })
	}
	below.Go(func() error { return fatal("SIP", g.ua.Run(lower)) })
	below.Go(func() error { return fatal("cameras", g.site.Run(lower)) })
	below.Go(func() error { return fatal("settings", g.ledger.Run(lower)) })
	below.Go(func() error { return fatal("senders", g.wheel.Run(lower)) })
	below.Go(func() error { return fatal("admin", g.admin.Run(lower)) })
	below.Go(func() error { return watchdog(lower, func() { g.status() }, g.log) })
	if g.gpsd != nil {
		below.Go(func() error { return fatal("gpsd", g.gpsd.Run(lower)) })
	}
	for _, s := range g.sides {
		below.Go(func() error { return fatal("events", s.view.Watch(lower, s.platform.Publish)) })
	}

	upper, endUpper := context.WithCancelCause(ctx)
	defer endUpper(nil)
	stop := context.AfterFunc(lower, func() { endUpper(context.Cause(lower)) })
	defer stop()
	above, upper := errgroup.WithContext(upper)
	for _, s := range g.sides {
		above.Go(func() error { return fatal("superior", s.platform.Run(upper)) })
	}
	g.log.Info("gbgate runs", "sip", g.ua.Addr().String(), "cameras", len(g.cfg.Cameras), "superiors", len(g.sides))
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

var (
	_ bridge.Call  = (*cascade.Call)(nil)
	_ cascade.Site = (*bridge.View)(nil)
)

// runCommand is `gbgate run`.
func runCommand(ctx context.Context, e env, args []string) int {
	fs := e.flags("run")
	file := fs.String("c", "/etc/gbgate/config.toml", "configuration `file`")
	if code, done := e.parse(fs, args); done {
		return code
	}
	cfg, err := loadConfig(*file)
	if err != nil {
		fmt.Fprintln(e.stderr, err)
		return exitUsage
	}
	tuneMemory(os.Getenv, readMemory)
	tuneProcessors(os.Getenv)
	if err := serve(ctx, e, *file, cfg); err != nil {
		return e.fail(exitBad, err)
	}
	return exitGood
}

// tellInactive says which settings are understood but have no effect yet.
func tellInactive(cfg *config.Config, log *slog.Logger) {
	for _, key := range cfg.Inactive() {
		log.Warn("setting has no effect yet", "key", key)
	}
}

// socketPath is where the running process answers the commands of the same box.
func socketPath(cfg *config.Config) string { return socketIn(cfg.Gateway.StateDir) }

func socketIn(stateDir string) string { return filepath.Join(stateDir, "gbgate.sock") }
