package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gbgate/media"
)

// load is the measurement itself: every camera has a viewer.
func (r *run) load(ctx context.Context) error {
	var cold firstPackets
	if err := r.receivers.ask("play", playRequest{0, r.Streams, r.Viewers}, &cold); err != nil {
		return err
	}
	r.say("calls: first packet of a cold camera after %.0f ms (p50), %.0f ms (worst)", cold.P50, cold.Max)
	if r.Together {
		if err := r.startFloor(r.Streams, r.Viewers); err != nil {
			return err
		}
	}
	if err := media.Wait(ctx, settle); err != nil {
		return err
	}
	if err := r.receivers.ask("mark", r.under*fps+fps, nil); err != nil {
		return err
	}
	if err := r.cameras.ask("facts", nil, nil); err != nil {
		return err
	}
	if r.Profile != "" {
		if err := r.gateway.ask("profile", r.Profile, nil); err != nil {
			return err
		}
	}
	var before, after tally
	if err := r.receivers.ask("tally", nil, &before); err != nil {
		return err
	}
	floor, spent, rss, err := r.measureLoad(ctx, r.underLoad())
	if err != nil {
		return err
	}
	if err := r.receivers.ask("tally", nil, &after); err != nil {
		return err
	}
	if r.Profile != "" {
		if err := r.gateway.ask("profiled", nil, nil); err != nil {
			return err
		}
	}
	if r.Together {
		r.result.FloorCPU = floor / float64(r.Streams)
		r.say("floor: %.3f ms per stream-second", r.result.FloorCPU)
	}
	var facts cameraFacts
	if err := r.cameras.ask("facts", nil, &facts); err != nil {
		return err
	}
	if after.Silent > 0 {
		return fmt.Errorf("bench: %d of %d streams are silent", after.Silent, after.Lines)
	}
	r.tellLoad(spent, rss, before, after)
	r.say("cameras late ≤ %v", facts.Late)
	r.result.CameraLate, r.result.NotKey = facts.Late, cold.NotKey
	return nil
}

// tellLoad reckons what a load has cost the gateway in CPU and memory, and what came of it between two tallies.
func (r *run) tellLoad(spent, rss float64, before, after tally) {
	res := &r.result
	res.CPU = spent / float64(r.Streams)
	res.RSSPerStream = (rss - res.RSSBase) / float64(r.Streams)
	res.PacketsPerSec = float64(after.Packets-before.Packets) / r.underLoad().Seconds()
	res.Lost, res.MaxBurst = after.Lost, after.MaxBurst
	late := after.Latencies
	res.AddedLatencyP50, res.AddedLatencyP99, res.LatencyMax = late.P50, late.P99, late.Max
	r.say("load: %.3f ms per stream-second, %.1f MB, %.0f packets/s, %d lost, bursts ≤ %d, "+
		"latency %.2f/%.2f/%.2f ms", res.CPU, rss, res.PacketsPerSec, res.Lost, res.MaxBurst, late.P50, late.P99, late.Max)
}

// measureLoad measures the gateway, and the floor if it runs beside it.
func (r *run) measureLoad(ctx context.Context, d time.Duration) (floor, spent, rss float64, err error) {
	if r.Together {
		return r.measureBeside(ctx, d)
	}
	spent, rss, err = r.measure(ctx, r.gateway, d)
	return 0, spent, rss, err
}

// measureBeside measures the gateway and the floor at the same time and ends the floor.
func (r *run) measureBeside(ctx context.Context, d time.Duration) (floor, spent, rss float64, err error) {
	done := make(chan error, 1)
	go func() {
		var err error
		floor, _, err = r.measure(ctx, r.floor, d)
		done <- err
	}()
	spent, rss, err = r.measure(ctx, r.gateway, d)
	if err = errors.Join(err, <-done); err == nil {
		err = r.floor.ask("stop", nil, nil)
	}
	return floor, spent, rss, err
}
