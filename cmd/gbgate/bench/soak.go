package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gbgate/media"
)

const (
	soakStreams = 32
	soakKbps    = 256
	soakRounds  = 10
	// soakLinger lets a camera go as soon as nobody watches it: nearly every call connects to its camera anew.
	soakLinger = time.Millisecond
	// afterTransactions is when the SIP transactions of calls are forgotten (64 × T1, RFC 3261 17.2).
	afterTransactions = 33 * time.Second
	// What a gateway may have more of at the end than after the first round.
	moreGoroutines = 16
	moreFiles      = 8
	moreHeap       = 4.0 // MB that live
	moreMemory     = 8.0 // MB of RSS
	// warmCalls is how many calls the first round must have had for RSS to be compared: before, the runtime still
	// takes the memory that it will keep.
	warmCalls = 1000
)

// Soak makes calls, one after the other and some at once, and wants the gateway to have afterwards what it had
// after the first tenth of them: goroutines, descriptors, memory, no port in use, no media without a call.
func Soak(ctx context.Context, cfg Config, calls int) error {
	if calls < soakRounds || calls > 1_000_000 {
		return fmt.Errorf("bench: a soak has %d to 1000000 calls", soakRounds)
	}
	cfg.Streams, cfg.Kbps = soakStreams, soakKbps
	r := &run{Config: cfg}
	for _, w := range []struct {
		name string
		to   **process
	}{{"cameras", &r.cameras}, {"receivers", &r.receivers}, {"gateway", &r.gateway}} {
		p, err := spawn(ctx, w.name, r.Stderr)
		if err != nil {
			return err
		}
		defer p.stop()
		*w.to = p
	}
	var facts cameraFacts
	setup := cameraSetup{Streams: r.Streams, Kbps: r.Kbps, KeyFirst: true}
	if err := r.cameras.ask("start", setup, &facts); err != nil {
		return err
	}
	var sip string
	if err := r.receivers.ask("start", nil, &sip); err != nil {
		return err
	}
	if err := r.gateway.ask("start", GatewaySetup{facts.Address, r.Streams, sip, soakLinger}, nil); err != nil {
		return err
	}
	if err := r.receivers.ask("registered", nil, nil); err != nil {
		return err
	}
	return r.soak(ctx, calls)
}

// state is what a gateway has between two rounds.
type state struct {
	Census
	heap, rss float64 // MB
}

func (r *run) soak(ctx context.Context, calls int) error {
	var first, last state
	for i := range soakRounds {
		began := time.Now()
		var heard firstPackets
		if err := r.receivers.ask("loop", playRequest{0, r.Streams, calls / soakRounds}, &heard); err != nil {
			return err
		}
		took := time.Since(began)
		var err error
		if last, err = r.rested(ctx, i == 0 || i == soakRounds-1); err != nil {
			return err
		}
		if i == 0 {
			first = last
		}
		r.say("%d calls, %.0f a second, first packet %.1f / %.1f ms (p50, p99); %d goroutines, %d files, "+
			"%.1f MB (%.1f live), %d ports, orphans %v",
			(i+1)*(calls/soakRounds), float64(calls/soakRounds)/took.Seconds(), heard.P50, heard.P99,
			last.Goroutines, last.Files, last.rss, last.heap, last.Ports, last.Orphans)
		if heard.NotKey > 0 {
			return fmt.Errorf("bench: %d calls did not begin with a key picture", heard.NotKey)
		}
	}
	return judge(first, last, calls/soakRounds)
}

// rested waits until the gateway has let go of everything, as far as it does, and looks at it; long: of the
// transactions too.
func (r *run) rested(ctx context.Context, long bool) (state, error) {
	var s state
	for range 100 {
		if err := r.gateway.ask("census", nil, &s.Census); err != nil {
			return s, err
		}
		if s.Calls == 0 && s.Ports == 0 {
			break
		}
		if err := media.Wait(ctx, 50*time.Millisecond); err != nil {
			return s, err
		}
	}
	rest := time.Second // cameras are said goodbye to
	if long {
		rest = afterTransactions
	}
	if err := media.Wait(ctx, rest); err != nil {
		return s, err
	}
	if err := r.gateway.ask("census", nil, &s.Census); err != nil {
		return s, err
	}
	u, err := r.gateway.usage()
	s.heap, s.rss = float64(s.Heap)/1e6, float64(u.RSS)/1e6
	return s, err
}

// judge tells what has grown since the first round, which had so many calls.
func judge(first, last state, calls int) error {
	var faults []error
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Errorf("bench: "+format, args...))
		}
	}
	wrong(last.Calls > 0, "%d calls are left", last.Calls)
	wrong(last.Ports > 0, "%d pairs of ports were not returned", last.Ports)
	wrong(last.Orphans > 0, "media outlived their calls by %v", last.Orphans)
	wrong(last.Goroutines > first.Goroutines+moreGoroutines, "goroutines grew from %d to %d", first.Goroutines,
		last.Goroutines)
	wrong(last.Files > first.Files+moreFiles, "open files grew from %d to %d", first.Files, last.Files)
	wrong(last.heap > first.heap+moreHeap, "live memory grew from %.1f to %.1f MB", first.heap, last.heap)
	wrong(calls >= warmCalls && last.rss > first.rss+moreMemory, "memory grew from %.1f to %.1f MB", first.rss, last.rss)
	return errors.Join(faults...)
}
