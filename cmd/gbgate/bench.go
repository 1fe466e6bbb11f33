package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"sync"

	"gbgate/cmd/gbgate/bench"
	"gbgate/cmd/gbgate/config"
)

// benchCommand is `gbgate bench`.
func benchCommand(ctx context.Context, e env, args []string) int {
	fs := e.flags("bench")
	cfg := bench.Config{Stderr: e.stderr, Progress: e.stderr}
	asJSON := fs.Bool("json", false, "print one JSON object")
	table := fs.Bool("table", false, "measure the whole table of docs/performance.md")
	fs.IntVar(&cfg.Streams, "streams", 64, "cameras, each with one viewer")
	fs.IntVar(&cfg.Viewers, "viewers", 1, "viewers of each camera")
	fs.IntVar(&cfg.Seconds, "seconds", 10, "length of each measurement")
	fs.IntVar(&cfg.Scale, "scale", 0, "with --table: seconds under load in the rows of what a box is to carry, up to 60")
	fs.IntVar(&cfg.Kbps, "kbps", 4000, "bit rate of a camera in kbit/s")
	fs.BoolVar(&cfg.Packetwise, "packetwise", false, "cameras send packet by packet, not whole pictures")
	fs.BoolVar(&cfg.Record, "record", false,
		"measure also what recording every camera costs, in the folder for temporary files")
	fs.BoolVar(&cfg.Together, "together", false, "run the floor beside the gateway: for a machine that is busy")
	fs.StringVar(&cfg.Profile, "cpuprofile", "", "write a CPU profile of the gateway under load to this `file`")
	soak := fs.Int("soak", 0, "make so many calls instead and see that the gateway does not grow")
	worker := fs.String("worker", "", "used by bench itself")
	if code, done := e.parse(fs, args); done {
		return code
	}
	if *worker != "" {
		return benchWorker(ctx, e, *worker)
	}
	if *asJSON {
		cfg.Progress = io.Discard
	}
	if *table {
		cfg.Progress = io.Discard
		if err := bench.Table(ctx, cfg, e.stdout); err != nil {
			return e.fail(exitBad, err)
		}
		return exitGood
	}
	if *soak > 0 {
		if err := bench.Soak(ctx, cfg, *soak); err != nil {
			return e.fail(exitBad, err)
		}
		fmt.Fprintf(e.stdout, "%d calls: nothing is left of them\n", *soak)
		return exitGood
	}
	result, err := bench.Run(ctx, cfg)
	if err != nil {
		return e.fail(exitBad, err)
	}
	if *asJSON {
		e.printJSON(result)
		return exitGood
	}
	fmt.Fprintf(e.stdout, "%d streams: %.2f CPU-ms per stream-second, floor %.2f, ratio %.2f\n",
		result.Streams, result.CPU, result.FloorCPU, result.CPU/result.FloorCPU)
	return exitGood
}

// benchWorker is one of the processes of a measurement.
func benchWorker(ctx context.Context, e env, name string) int {
	ctx, cancel := context.WithCancelCause(ctx)
	var gateway sync.WaitGroup
	err := bench.Worker(ctx, name, bench.Gateway(func(ctx context.Context, s bench.GatewaySetup) (bench.Handle, error) {
		return benchGateway(ctx, &gateway, s)
	}))
	cancel(errStopped)
	gateway.Wait()
	if err != nil {
		return e.fail(exitBad, err)
	}
	return exitGood
}

// benchGateway runs the gateway as `gbgate run` would, for the cameras and the platform of a measurement.
func benchGateway(ctx context.Context, wg *sync.WaitGroup, s bench.GatewaySetup) (h bench.Handle, err error) {
	cfg := config.Default()
	cfg.Gateway.ID, cfg.Gateway.Name = bench.NodeID, "gbgate bench"
	cfg.Gateway.SIPListen, cfg.Gateway.MediaPorts, cfg.Admin.Listen = "127.0.0.1:0", "0", "127.0.0.1:0"
	if cfg.Gateway.StateDir, err = os.MkdirTemp("", "gbgate-bench-"); err != nil {
		return h, err
	}
	if s.Linger > 0 {
		cfg.Gateway.Linger = s.Linger
	}
	none := ""
	for i := range s.Streams {
		c := config.DefaultCamera()
		c.Name, c.ID, c.URL, c.Password = fmt.Sprintf("cam%d", i), bench.ChannelID(i), s.CameraURL(i), &none
		c.Title = c.Name
		cfg.Cameras = append(cfg.Cameras, c)
	}
	up := config.DefaultSuperior()
	up.Name, up.ID, up.Domain, up.Address = "bench", bench.SuperiorID, bench.SuperiorID[:10], s.Superior
	up.NodeID, up.Username, up.Password = bench.NodeID, bench.NodeID, &none
	up.MaxCalls, up.Compat.MaxSessions = 4096, 0
	cfg.Superiors = []config.Superior{up}
	tuneMemory(os.Getenv, readMemory)
	tuneProcessors(os.Getenv)
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	// A folder that is there makes an archive, whether anything is recorded or not.
	err = os.MkdirAll(cfg.RecordingDir(), 0o755)
	var g *gateway
	if err == nil {
		g, err = newGateway(cfg, log)
	}
	if err != nil {
		return h, errors.Join(err, os.RemoveAll(cfg.Gateway.StateDir))
	}
	wg.Go(func() {
		if err := g.run(ctx); err != nil {
			log.Error("gateway", "error", err)
		}
		_ = os.RemoveAll(cfg.Gateway.StateDir)
	})
	h.Count = func() bench.Census {
		return bench.Census{Calls: len(g.site.Calls()), Ports: g.portsInUse(), Orphans: g.site.OrphanTime()}
	}
	h.Record = func(on bool) error {
		next := *cfg
		next.Cameras = slices.Clone(cfg.Cameras)
		for i := range next.Cameras {
			next.Cameras[i].Record = map[bool]string{true: "always", false: "off"}[on]
		}
		return g.update(&next)
	}
	return h, nil
}
