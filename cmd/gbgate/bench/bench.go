// Package bench measures the gateway against what no relay can do without: cameras, gateway, receivers
// and the floor are processes of their own, and each accounts for its own CPU time.
package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"gbgate/media"
)

// Config says what to measure.
type Config struct {
	Streams    int
	Viewers    int       // of each camera
	Kbps       int       // of each camera
	Seconds    int       // of each measurement, 2..30
	Scale      int       // Table: of the load in its biggest rows; 0 = Seconds
	Packetwise bool      // cameras send packet by packet instead of whole pictures
	Record     bool      // measure also what recording every camera costs
	Together   bool      // the floor runs beside the gateway, not before and after it: for a busy machine
	Profile    string    // file for a CPU profile of the gateway under load; "" = none
	Stderr     io.Writer // of the workers
	Progress   io.Writer // what happens, for people; may be io.Discard
}

// Result is what was measured. Its fields are those of `gbgate bench --json`.
type Result struct {
	Streams         int     `json:"streams"`
	CPU             float64 `json:"cpu_ms_per_stream_second"`
	FloorCPU        float64 `json:"floor_cpu_ms_per_stream_second"`
	ViewerCPU       float64 `json:"viewer_cpu_ms_per_stream_second"`
	ViewerFloorCPU  float64 `json:"viewer_floor_cpu_ms_per_stream_second"`
	RSSBase         float64 `json:"rss_mb_base"`
	RSSPerStream    float64 `json:"rss_mb_per_stream"`
	PacketsPerSec   float64 `json:"packets_per_second"`
	Lost            int64   `json:"lost_packets"`
	MaxBurst        int     `json:"max_burst_packets"`
	FirstPacketP50  float64 `json:"first_packet_ms_p50"`
	FirstPacketP99  float64 `json:"first_packet_ms_p99"`
	AddedLatencyP50 float64 `json:"added_latency_ms_p50"`
	AddedLatencyP99 float64 `json:"added_latency_ms_p99"`

	// RecordCPU is what recording costs on top of a live stream; 0: not measured.
	RecordCPU float64 `json:"record_cpu_ms_per_stream_second,omitempty"`

	// What only the table shows.
	IdleCPU    float64       `json:"-"` // ms per second, all cameras configured, nobody watches
	CameraLate time.Duration `json:"-"` // the latest picture of a camera: how far the machine was behind
	LatencyMax float64       `json:"-"`
	NotKey     int           `json:"-"` // calls whose first packet did not begin a key picture
}

const (
	settle     = 4 * time.Second // until all viewers are level with live
	idleTime   = 3 * time.Second
	firstCalls = 300
	viewers    = 8
)

// Worker runs one of the processes of a measurement on its standard input and output; gateway is what
// the process of that name does.
func Worker(ctx context.Context, name string, gateway func(context.Context) Handler) error {
	var h Handler
	switch name {
	case "cameras":
		h = camerasCommand(ctx)
	case "receivers":
		h = receiversCommand(ctx)
	case "floor":
		h = floorCommand(ctx)
	case "gateway":
		h = gateway(ctx)
	default:
		return fmt.Errorf("bench: there is no worker %q", name)
	}
	return serve(os.Stdin, os.Stdout, h)
}

// run is one measurement.
type run struct {
	Config
	under                              int  // seconds under load
	noFanOut                           bool // what a further viewer costs is not asked
	cameras, receivers, floor, gateway *process
	address                            string // of the cameras
	result                             Result
}

// check tells what can't be measured.
func (c *Config) check() error {
	switch {
	case c.Streams < 1 || c.Streams > 2048:
		return errors.New("bench: streams must be 1 to 2048")
	case c.Viewers < 1 || c.Streams*c.Viewers > 4096:
		return errors.New("bench: viewers must be 1 to 4096 divided by streams")
	case c.Seconds < 2 || c.Seconds > 30:
		return errors.New("bench: seconds must be 2 to 30")
	case c.Kbps < 64 || c.Kbps > 64000:
		return errors.New("bench: kbps must be 64 to 64000")
	}
	return nil
}

// Run measures.
func Run(ctx context.Context, cfg Config) (Result, error) {
	if err := cfg.check(); err != nil {
		return Result{}, err
	}
	return (&run{Config: cfg, under: cfg.Seconds}).measured(ctx)
}

// measured is the result of all steps.
func (r *run) measured(ctx context.Context) (Result, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, 5*time.Minute, errors.New("bench: not done within 5 minutes"))
	defer cancel()
	r.result = Result{Streams: r.Streams}
	err := r.all(ctx)
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return r.result, err
}

func (r *run) say(format string, args ...any) { fmt.Fprintf(r.Progress, format+"\n", args...) }

func (r *run) all(ctx context.Context) error {
	for _, w := range []struct {
		name string
		to   **process
	}{{"cameras", &r.cameras}, {"receivers", &r.receivers}, {"floor", &r.floor}, {"gateway", &r.gateway}} {
		p, err := spawn(ctx, w.name, r.Stderr)
		if err != nil {
			return err
		}
		defer p.stop()
		*w.to = p
	}
	for _, step := range []func(context.Context) error{
		r.start, r.idle, r.beforeLoad, r.load, r.record, r.first, r.hangUp, r.afterLoad, r.fanOut,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// start brings up the cameras and the platform, and the gateway between them.
func (r *run) start(context.Context) error {
	var facts cameraFacts
	if err := r.cameras.ask("start", cameraSetup{
		Streams: r.Streams, Kbps: r.Kbps, Packetwise: r.Packetwise,
	}, &facts); err != nil {
		return err
	}
	r.address = facts.Address
	return r.bringUp(r.Streams)
}

// bringUp starts the platform and a gateway with some of the cameras.
func (r *run) bringUp(cameras int) error {
	var sip string
	if err := r.receivers.ask("start", nil, &sip); err != nil {
		return err
	}
	if err := r.gateway.ask("start", GatewaySetup{r.address, cameras, sip, 0}, nil); err != nil {
		return err
	}
	return r.receivers.ask("registered", nil, nil)
}

// idle is the gateway with nobody watching.
func (r *run) idle(ctx context.Context) error {
	if err := media.Wait(ctx, 2*time.Second); err != nil { // every camera is asked once at the start
		return err
	}
	spent, rss, err := r.measure(ctx, r.gateway, idleTime)
	r.result.IdleCPU = spent
	r.result.RSSBase = rss
	r.say("idle: %.2f ms of CPU per second, %.1f MB", spent, rss)
	return err
}

// measure returns the CPU milliseconds per second that a process spends, and its memory in MB.
func (r *run) measure(ctx context.Context, p *process, d time.Duration) (spent, rss float64, err error) {
	before, err := p.usage()
	if err != nil {
		return 0, 0, err
	}
	if err := media.Wait(ctx, d); err != nil {
		return 0, 0, err
	}
	after, err := p.usage()
	if err != nil {
		return 0, 0, err
	}
	r.say("  %s: %v of CPU in %v (%s → %s), %d GCs, %d waits, %d preemptions", p.name, after.CPU-before.CPU,
		after.At-before.At, before.Split, after.Split, after.GCs-before.GCs, after.Waits-before.Waits,
		after.Preempted-before.Preempted)
	return float64(after.CPU-before.CPU) / float64(after.At-before.At) * 1000, float64(after.RSS) / 1e6, nil
}

func (r *run) underLoad() time.Duration { return time.Duration(r.under) * time.Second }

func (r *run) seconds() time.Duration { return time.Duration(r.Seconds) * time.Second }

func (r *run) startFloor(streams, viewers int) error {
	setup := floorSetup{Cameras: r.address, Streams: streams, Viewers: viewers}
	if err := r.receivers.ask("ports", streams*viewers, &setup.To); err != nil {
		return err
	}
	return r.floor.ask("start", setup, nil)
}

// relay measures the floor with viewers of each of some streams.
func (r *run) relay(ctx context.Context, streams, viewers int, d time.Duration) (float64, error) {
	if err := r.startFloor(streams, viewers); err != nil {
		return 0, err
	}
	if err := media.Wait(ctx, time.Second); err != nil {
		return 0, err
	}
	spent, _, err := r.measure(ctx, r.floor, d)
	if err != nil {
		return 0, err
	}
	if err := r.floor.ask("stop", nil, nil); err != nil {
		return 0, err
	}
	return spent, r.hangUp(ctx)
}

func (r *run) beforeLoad(ctx context.Context) error {
	if r.Together {
		return nil
	}
	spent, err := r.relay(ctx, r.Streams, r.Viewers, r.seconds()/2)
	r.result.FloorCPU = spent / float64(r.Streams) / 2
	r.say("floor: %.3f ms per stream-second", spent/float64(r.Streams))
	return err
}

func (r *run) afterLoad(ctx context.Context) error {
	if r.Together {
		return nil
	}
	spent, err := r.relay(ctx, r.Streams, r.Viewers, r.seconds()/2)
	r.result.FloorCPU += spent / float64(r.Streams) / 2
	r.say("floor: %.3f ms per stream-second", spent/float64(r.Streams))
	return err
}

// recordPairs is how often recording is switched on and off again: what else the machine does in one window must not
// count as recording.
const (
	recordPairs  = 5
	recordWindow = 4 * time.Second
)

// record measures the same load by turns without and with every camera recorded, and takes the middle one of what the
// windows cost more than those around them.
func (r *run) record(ctx context.Context) error {
	if !r.Record {
		return nil
	}
	var spent []float64 // by turns off and on
	for i := range 2*recordPairs + 1 {
		if err := r.gateway.ask("record", i%2 == 1, nil); err != nil {
			return err
		}
		if err := media.Wait(ctx, settle); err != nil {
			return err
		}
		if err := r.warm(recordWindow); err != nil {
			return err
		}
		cpu, _, err := r.measure(ctx, r.gateway, min(r.seconds(), recordWindow))
		if err != nil {
			return err
		}
		spent = append(spent, cpu/float64(r.Streams))
	}
	more := above(spent)
	slices.Sort(more)
	var without []float64
	for i := 0; i < len(spent); i += 2 {
		without = append(without, spent[i])
	}
	r.result.RecordCPU = more[recordPairs/2]
	r.say("recording: %.3f ms per stream-second, %.0f %% on top of %.3f (%.3f to %.3f)", r.result.RecordCPU,
		100*r.result.RecordCPU/mean(without), mean(without), more[0], more[recordPairs-1])
	return nil
}

// warm touches twice the memory that recording takes in d and gives it back, so that it is mostly what is taken next:
// behind some hypervisors free memory belongs to the host, and who takes a page pays for it (3 to 7 µs; a real machine
// has no such cost).
func (r *run) warm(d time.Duration) error {
	f, err := os.CreateTemp("", "gbgate-bench-")
	if err != nil {
		return err
	}
	block := make([]byte, 1<<20)
	for range int(2 * d.Seconds() * float64(r.Streams*r.Kbps) * 1000 / 8 / float64(len(block))) {
		if _, err = f.Write(block); err != nil {
			break
		}
	}
	return errors.Join(err, f.Close(), os.Remove(f.Name()))
}

// first plays warm cameras while the load is on.
func (r *run) first(context.Context) error {
	var warm firstPackets
	if err := r.receivers.ask("first", playRequest{0, r.Streams, firstCalls}, &warm); err != nil {
		return err
	}
	r.result.FirstPacketP50, r.result.FirstPacketP99 = warm.P50, warm.P99
	r.result.NotKey += warm.NotKey
	r.say("calls: first packet of a warm camera after %.2f ms (p50), %.2f ms (p99)", warm.P50, warm.P99)
	return nil
}

func (r *run) hangUp(context.Context) error { return r.receivers.ask("hangup", nil, nil) }
