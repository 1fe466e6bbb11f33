package bench

import (
	"context"
	"fmt"
	"io"
)

// row is one line of the table of docs/performance.md.
type row struct{ streams, kbps, viewers int }

// Table measures what docs/performance.md shows and prints it as Markdown, a line as soon as it is known.
func Table(ctx context.Context, cfg Config, out io.Writer) error {
	fmt.Fprintln(out, "| streams × viewers | kbit/s | gateway | floor | ratio | further viewer (floor) | MB per stream "+
		"| packets/s | lost | burst | first packet p50/p99 | added latency p50/p99 | idle ms/s |")
	fmt.Fprintln(out, "|---|---|---|---|---|---|---|---|---|---|---|---|---|")
	for _, c := range []row{
		{1, 4000, 1}, {8, 4000, 1}, {32, 4000, 1}, {64, 4000, 1}, {128, 4000, 1}, {512, 1000, 1}, {1, 4000, 8}, {8, 4000, 8},
	} {
		cfg.Streams, cfg.Kbps, cfg.Viewers = c.streams, c.kbps, c.viewers
		r, err := Run(ctx, cfg)
		if err != nil {
			return fmt.Errorf("%d streams × %d viewers: %w", c.streams, c.viewers, err)
		}
		viewer := ""
		if c.viewers == 1 {
			viewer = fmt.Sprintf("%.2f (%.2f)", r.ViewerCPU, r.ViewerFloorCPU)
		}
		fmt.Fprintf(out, "| %d × %d | %d | %.2f | %.2f | %.2f | %s | %.2f | %.0f | %d | %d | %.1f / %.1f | %.1f / %.1f | %.1f |\n",
			c.streams, c.viewers, c.kbps, r.CPU, r.FloorCPU, r.CPU/r.FloorCPU, viewer, r.RSSPerStream, r.PacketsPerSec,
			r.Lost, r.MaxBurst, r.FirstPacketP50, r.FirstPacketP99, r.AddedLatencyP50, r.AddedLatencyP99, r.IdleCPU)
	}
	return nil
}
