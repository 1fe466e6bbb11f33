package bench

import (
	"context"
	"fmt"
	"io"
)

// row is one line of the table of docs/performance.md.
type row struct {
	streams, kbps, viewers int
	fanOut                 bool // measure what a further viewer costs
	scale                  bool // this is what a box is to carry: for Config.Scale seconds
}

// Table measures what docs/performance.md shows and prints it as Markdown, a line as soon as it is known.
func Table(ctx context.Context, cfg Config, out io.Writer) error {
	if err := cfg.check(); err != nil {
		return err
	}
	if cfg.Scale != 0 && (cfg.Scale < cfg.Seconds || cfg.Scale > 60) {
		return fmt.Errorf("bench: scale must be %d to 60", cfg.Seconds)
	}
	fmt.Fprintln(out, "| streams × viewers | kbit/s | gateway | floor | ratio | further viewer (floor, ratio) "+
		"| MB per stream | packets/s | lost | burst | first packet p50/p99 | added latency p50/p99 | idle ms/s |")
	fmt.Fprintln(out, "|---|---|---|---|---|---|---|---|---|---|---|---|---|")
	for _, c := range []row{
		{streams: 1, kbps: 4000, viewers: 1, fanOut: true},
		{streams: 8, kbps: 4000, viewers: 1},
		{streams: 32, kbps: 4000, viewers: 1},
		{streams: 64, kbps: 4000, viewers: 1, fanOut: true},
		{streams: 128, kbps: 4000, viewers: 1, scale: true},
		{streams: 512, kbps: 1000, viewers: 1, fanOut: true, scale: true},
		{streams: 1, kbps: 4000, viewers: 8},
		{streams: 8, kbps: 4000, viewers: 8},
	} {
		cfg.Streams, cfg.Kbps, cfg.Viewers = c.streams, c.kbps, c.viewers
		one := &run{Config: cfg, under: cfg.Seconds, noFanOut: !c.fanOut}
		seconds := ""
		if c.scale && cfg.Scale > 0 {
			one.under, seconds = cfg.Scale, fmt.Sprintf(", %d s", cfg.Scale)
		}
		r, err := one.measured(ctx)
		if err != nil {
			return fmt.Errorf("%d streams × %d viewers: %w", c.streams, c.viewers, err)
		}
		viewer := ""
		if c.fanOut {
			viewer = fmt.Sprintf("%.2f (%.2f, %.2f)", r.ViewerCPU, r.ViewerFloorCPU, r.ViewerCPU/r.ViewerFloorCPU)
		}
		fmt.Fprintf(out, "| %d × %d%s | %d | %.2f | %.2f | %.2f | %s | %.2f "+
			"| %.0f | %d | %d | %.1f / %.1f | %.1f / %.1f | %.1f |\n",
			c.streams, c.viewers, seconds, c.kbps, r.CPU, r.FloorCPU, r.CPU/r.FloorCPU, viewer, r.RSSPerStream, r.PacketsPerSec,
			r.Lost, r.MaxBurst, r.FirstPacketP50, r.FirstPacketP99, r.AddedLatencyP50, r.AddedLatencyP99, r.IdleCPU)
	}
	return nil
}
