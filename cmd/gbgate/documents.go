package main

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"gbgate/bridge"
	"gbgate/cascade"
	"gbgate/cmd/gbgate/admin"
	"gbgate/cmd/gbgate/memory"
)

// statusDoc is what /api/v1/status and `status --json` show.
type statusDoc struct {
	Verdict   string        `json:"verdict"` // good | bad
	Version   string        `json:"version"`
	Started   time.Time     `json:"started"`
	ID        string        `json:"id"`
	SIP       string        `json:"sip"`
	Superiors []superiorDoc `json:"superiors"`
	Cameras   []cameraDoc   `json:"cameras"`
	Calls     []callDoc     `json:"calls"`
	Memory    memoryDoc     `json:"memory"`
	// Config is the SHA-256 of the file that was taken over last; absent: it has none, as in the demonstration.
	Config string `json:"config_sha256,omitempty"`

	Recordings *recordingsDoc `json:"recordings,omitempty"` // absent: nothing is recorded, and nothing was
}

// memoryDoc tells whether there is memory for another call.
type memoryDoc struct {
	Verdict   string `json:"verdict"`
	Reason    string `json:"reason,omitempty"`
	Limit     uint64 `json:"limit_bytes"`     // what we may have, with all that share the box or the control group
	Available uint64 `json:"available_bytes"` // what is left of it
	Needed    uint64 `json:"needed_bytes"`    // less is short: new calls are refused with 486
	Refused   uint64 `json:"refused_calls"`
}

// superiorDoc tells of one platform. Online is a fact in three parts, so all three are shown.
type superiorDoc struct {
	Name              string     `json:"name"`
	ID                string     `json:"id"`
	Verdict           string     `json:"verdict"`
	Reason            string     `json:"reason,omitempty"`
	State             string     `json:"state"`
	Since             time.Time  `json:"since"`
	RegisteredUntil   *time.Time `json:"registered_until,omitempty"`
	KeepaliveAnswered *time.Time `json:"keepalive_answered,omitempty"`
	RequestReceived   *time.Time `json:"request_received,omitempty"`
	Remote            string     `json:"remote,omitempty"`
	Local             string     `json:"local,omitempty"`
	ClockOffset       string     `json:"clock_offset,omitempty"` // its clock minus ours
	Calls             int        `json:"calls"`
}

// cameraDoc tells of one camera.
type cameraDoc struct {
	Name    string     `json:"name"`
	ID      string     `json:"id"`
	Verdict string     `json:"verdict"`
	Reason  string     `json:"reason,omitempty"`
	Status  string     `json:"status"` // ON | OFF | VLOST | DEFECT
	Since   time.Time  `json:"since"`
	Checked *time.Time `json:"checked,omitempty"`
	Feed    string     `json:"feed"` // idle | dialing | live | lingering | back-off
	Viewers int        `json:"viewers"`
	Codec   string     `json:"codec,omitempty"`
	Width   int        `json:"width,omitempty"`
	Height  int        `json:"height,omitempty"`
	FPS     float64    `json:"fps,omitempty"`
	Audio   string     `json:"audio,omitempty"`
	Frames  uint64     `json:"frames"`
	Bytes   uint64     `json:"bytes"`
	Cached  int        `json:"cached_bytes"`
	Record  string     `json:"record,omitempty"` // time | alarm | manual: it is written; waiting: not yet; absent: off
	Events  *eventsDoc `json:"events,omitempty"` // absent: nobody listens to it
}

// eventsDoc tells how it is with a camera's own events.
type eventsDoc struct {
	Verdict string     `json:"verdict"`
	Reason  string     `json:"reason,omitempty"`
	Last    *time.Time `json:"last,omitempty"`
	Events  uint64     `json:"events"`
}

// callDoc tells of one stream that is being sent.
type callDoc struct {
	Superior  string    `json:"superior"`
	Camera    string    `json:"camera"`
	Channel   string    `json:"channel"`
	Kind      string    `json:"kind"`             // Play | Playback | Download
	Stream    string    `json:"stream,omitempty"` // main | sub; absent: a recording
	Transport string    `json:"transport"`
	Remote    string    `json:"remote"`
	LocalPort uint16    `json:"local_port"`
	SSRC      string    `json:"ssrc"`
	Since     time.Time `json:"since"`
	Packets   uint64    `json:"packets"`
	Bytes     uint64    `json:"bytes"`
	Dropped   uint64    `json:"dropped_packets"`
	Skipped   uint64    `json:"skipped_frames"`
	MaxBurst  int       `json:"max_burst_packets"`
	Path      string    `json:"path"`                    // gso | mmsg | write | writev
	Loss      *float64  `json:"receiver_loss,omitempty"` // 0..1, by its last report; absent: it sends none
	Lost      int       `json:"receiver_lost_packets,omitempty"`
}

func (g *gateway) status() statusDoc {
	doc := statusDoc{
		Verdict: good, Version: version, Started: corrected(g.started), ID: g.cfg.Gateway.ID, SIP: g.ua.Addr().String(),
		Superiors: g.superiors(), Cameras: g.cameras(), Calls: g.calls(),
		Memory: memoryOf(g.memory.State()),
	}
	if taken := g.taken.Load(); taken != nil {
		doc.Config = *taken
	}
	doc.Recordings = g.recorders.document()
	doc.Verdict = doc.Memory.Verdict
	if doc.Recordings != nil {
		doc.Verdict = worse(doc.Verdict, doc.Recordings.Verdict)
	}
	for _, s := range doc.Superiors {
		doc.Verdict = worse(doc.Verdict, s.Verdict)
	}
	for _, c := range doc.Cameras {
		doc.Verdict = worse(doc.Verdict, c.Verdict)
	}
	return doc
}

func memoryOf(s memory.State) memoryDoc {
	d := memoryDoc{Verdict: good, Limit: s.Limit, Available: s.Available, Needed: s.Rest, Refused: s.Refused}
	switch {
	case s.Err != nil:
		d.Reason = s.Err.Error()
	case s.Short:
		d.Verdict, d.Reason = bad, "memory is short, new calls are refused"
	}
	return d
}

const (
	good = "good"
	bad  = "bad"
)

func worse(a, b string) string {
	if a == bad || b == bad {
		return bad
	}
	return good
}

func (g *gateway) superiors() []superiorDoc {
	docs := make([]superiorDoc, 0, len(g.sides))
	for _, s := range g.sides {
		docs = append(docs, superior(s.platform.Status()))
	}
	return docs
}

func superior(s cascade.Status) superiorDoc {
	d := superiorDoc{
		Name: s.Name, ID: s.ID, Verdict: good, State: s.State.String(), Since: corrected(s.Since),
		RegisteredUntil: optional(s.RegisteredUntil), KeepaliveAnswered: optional(s.KeepaliveAnswered),
		RequestReceived: optional(s.RequestReceived), Calls: len(s.Calls),
	}
	if s.Remote.IsValid() {
		d.Remote, d.Local = s.Remote.String(), s.Local.String()
	}
	if s.ClockKnown {
		d.ClockOffset = s.ClockOffset.Round(time.Millisecond).String()
	}
	if s.State != cascade.Online && s.State != cascade.Refreshing {
		d.Verdict, d.Reason = bad, s.LastError
		if d.Reason == "" {
			d.Reason = "not registered yet"
		}
	}
	return d
}

func (g *gateway) cameras() []cameraDoc {
	channels := g.site.Channels()
	docs := make([]cameraDoc, 0, len(channels))
	for _, c := range channels {
		doc := camera(c)
		doc.Record = g.recorders.doing(c.Name)
		docs = append(docs, doc)
	}
	return docs
}

func camera(c *bridge.Channel) cameraDoc {
	health, feed := c.Status()
	d := cameraDoc{
		Name: c.Name, ID: string(c.ID), Verdict: good, Status: health.Condition.String(), Reason: health.Reason,
		Since: corrected(health.Since), Checked: optional(health.Checked), Feed: feed.State.String(), Viewers: feed.Viewers,
		Frames: feed.Units, Bytes: feed.Bytes, Cached: feed.CachedBytes,
	}
	if health.Condition != bridge.ON {
		d.Verdict = bad
	}
	if e := c.Events(); e.Watched {
		d.Events = &eventsDoc{Verdict: good, Last: optional(e.Last), Events: e.Events}
		if e.Err != nil {
			d.Events.Verdict, d.Events.Reason = bad, e.Err.Error()
		}
	}
	if desc := feed.Description; desc != nil {
		d.Codec, d.Width, d.Height, d.FPS = desc.Video.Codec.String(), desc.Video.Width, desc.Video.Height, desc.Video.FPS
		if desc.HasAudio() {
			d.Audio = desc.Audio.Codec.String()
		}
	}
	return d
}

func (g *gateway) calls() []callDoc {
	calls := g.site.Calls()
	docs := make([]callDoc, 0, len(calls))
	for _, c := range calls {
		d := callDoc{
			Superior: c.Superior, Camera: c.Camera, Channel: c.Channel, Kind: c.Kind, Stream: c.Stream,
			Transport: c.Transport, Remote: c.Remote,
			LocalPort: c.LocalPort, SSRC: c.SSRC, Since: corrected(c.Since), Packets: c.Packets, Bytes: c.Bytes,
			Dropped: c.Dropped, Skipped: c.Skipped, MaxBurst: c.MaxBurst, Path: c.Path,
		}
		if c.RRs > 0 {
			d.Loss, d.Lost = &c.RRLoss, c.RRLost
		}
		docs = append(docs, d)
	}
	return docs
}

func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = corrected(t)
	return &t
}

// corrected is a moment by the clock as it is now: a box without a battery starts in 1970 and gets its
// time later.
func corrected(t time.Time) time.Time {
	now := time.Now()
	return now.Add(t.Sub(now)) // the difference is that of the monotonic clock
}

func (g *gateway) adminConfig() admin.Config {
	return admin.Config{
		Listen: g.cfg.Admin.Listen, Socket: socketPath(g.cfg), Log: g.log, Healthy: g.healthy, Metrics: g.metrics,
		Views: map[string]func() any{
			"status":    func() any { return g.status() },
			"superiors": func() any { return g.superiors() },
			"cameras":   func() any { return g.cameras() },
			"calls":     func() any { return g.calls() },

			"recordings": func() any { return g.recorders.document() },
		},
	}
}

// healthy is about this process, not about its surroundings: a platform or a camera that is
// down is nothing that a restart would mend.
func (g *gateway) healthy() (any, error) {
	online := 0
	for _, s := range g.superiors() {
		if s.Verdict == good {
			online++
		}
	}
	return map[string]any{"status": "ok", "superiors": len(g.sides), "superiors_online": online}, nil
}

func (g *gateway) metrics(w io.Writer) {
	set := metrics.NewSet()
	gauge := func(name string, value float64) { set.NewGauge(name, nil).Set(value) }
	doc := g.status()
	for _, s := range doc.Superiors {
		gauge(fmt.Sprintf("gbgate_superior_online{superior=%q}", s.Name), boolean(s.Verdict == good))
		gauge(fmt.Sprintf("gbgate_superior_calls{superior=%q}", s.Name), float64(s.Calls))
	}
	for _, c := range doc.Cameras {
		label := "{camera=" + strconv.Quote(c.Name) + "}"
		gauge("gbgate_camera_on"+label, boolean(c.Verdict == good))
		gauge("gbgate_camera_viewers"+label, float64(c.Viewers))
		gauge("gbgate_camera_frames_total"+label, float64(c.Frames))
		gauge("gbgate_camera_bytes_total"+label, float64(c.Bytes))
	}
	doc.Recordings.measure(gauge)
	gauge("gbgate_calls", float64(len(doc.Calls)))
	for _, c := range doc.Calls {
		label := fmt.Sprintf("{superior=%q,camera=%q,ssrc=%q}", c.Superior, c.Camera, c.SSRC)
		gauge("gbgate_call_dropped_packets_total"+label, float64(c.Dropped))
		if c.Loss != nil {
			gauge("gbgate_call_receiver_loss_ratio"+label, *c.Loss)
			gauge("gbgate_call_receiver_lost_packets"+label, float64(c.Lost))
		}
	}
	gauge("gbgate_orphan_seconds_total", g.site.OrphanTime().Seconds())
	gauge("gbgate_memory_limit_bytes", float64(doc.Memory.Limit))
	gauge("gbgate_memory_available_bytes", float64(doc.Memory.Available))
	gauge("gbgate_memory_short", boolean(doc.Memory.Verdict == bad))
	gauge("gbgate_memory_refused_calls_total", float64(doc.Memory.Refused))
	gauge("gbgate_media_port_pairs_in_use", float64(g.portsInUse()))
	set.WritePrometheus(w)
	metrics.WriteProcessMetrics(w)
	metrics.WriteFDMetrics(w)
}

func boolean(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// portsInUse counts the pairs of media ports that calls have.
func (g *gateway) portsInUse() int {
	n := 0
	for _, p := range g.ports {
		n += p.InUse()
	}
	return n
}
