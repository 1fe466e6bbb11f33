package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"gbgate/bridge"
	"gbgate/bridge/playback"
	"gbgate/cmd/gbgate/config"
	"gbgate/gb28181"
	"gbgate/gb28181/manscdp"
	"gbgate/media/record"
)

// recorders are the gateway's own recordings: the archive, and a recorder for each camera that is recorded.
type recorders struct {
	archive *record.Archive
	apart   bool // the configuration names a place of its own for it, a disk as a rule
	log     *slog.Logger

	mu      sync.Mutex
	of      map[string]*recorder // by the camera's name
	changed chan struct{}        // closed and replaced when of is another
}

// recorder is one camera's. A reload that leaves its mode alone leaves it alone.
type recorder struct {
	*record.Recorder
	camera string
	mode   record.Mode
}

// gigabyte is what the configuration counts in.
const gigabyte = 1e9

// newRecorders returns nil where nothing is recorded and nothing was.
func newRecorders(cfg *config.Config, changed func(record.Condition), log *slog.Logger) *recorders {
	dir := cfg.RecordingDir()
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) && !cfg.Records() {
		return nil
	}
	r := &recorders{
		apart: filepath.IsAbs(cfg.Recording.Dir), log: log, of: make(map[string]*recorder), changed: make(chan struct{}),
	}
	r.archive = record.New(record.Config{
		Dir: dir, MaxAge: time.Duration(cfg.Recording.MaxDays) * 24 * time.Hour,
		MaxBytes: int64(cfg.Recording.MaxGB * gigabyte), MinFree: int64(cfg.Recording.MinFreeGB * gigabyte),
		Segment: cfg.Recording.Segment, Pre: cfg.Recording.PreRecord, Post: cfg.Recording.PostRecord,
		Changed: changed, Log: log,
	})
	r.update(cfg)
	return r
}

// update takes over which cameras are recorded, and how.
func (r *recorders) update(cfg *config.Config) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	next := make(map[string]*recorder)
	for _, c := range cfg.Cameras {
		mode, ok := map[string]record.Mode{"always": record.Always, "alarm": record.OnAlarm}[c.Record]
		if !ok {
			continue
		}
		one := r.of[c.Name]
		if one == nil || one.mode != mode {
			one = &recorder{r.archive.NewRecorder(c.Name, mode), c.Name, mode}
		}
		next[c.Name] = one
	}
	r.of = next
	close(r.changed)
	r.changed = make(chan struct{})
}

// get returns a camera's recorder, nil: it has none.
func (r *recorders) get(camera string) *recorder {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.of[camera]
}

// run records until ctx ends.
func (r *recorders) run(ctx context.Context, site *bridge.Site) error {
	var all sync.WaitGroup
	defer all.Wait()
	all.Go(func() {
		_ = site.WatchAlarms(ctx, func(camera string, a bridge.Alarm) {
			// A fault of the camera's fan or disk is nothing to be seen.
			if one := r.get(camera); one != nil && a.Method != manscdp.AlarmFault {
				one.Alarm()
			}
		}, func(camera string, on bool) {
			if one := r.get(camera); one != nil {
				one.Hold(on)
			}
		})
	})
	living := make(map[*recorder]func()) // end it and wait for it
	for {
		r.mu.Lock()
		listed, changed := make(map[*recorder]bool, len(r.of)), r.changed
		for _, one := range r.of {
			listed[one] = true
		}
		r.mu.Unlock()
		for one, end := range living {
			if !listed[one] || ctx.Err() != nil {
				delete(living, one)
				end()
			}
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		for one := range listed {
			if living[one] == nil {
				living[one] = launch(ctx, func(ctx context.Context) { one.record(ctx, site) })
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// launch runs f in a goroutine; end cancels it and waits.
func launch(ctx context.Context, f func(context.Context)) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { defer close(done); f(ctx) }()
	return func() { cancel(); <-done }
}

// record pulls the camera and records it until ctx ends. The camera's stream ends where a reload makes
// another camera of it.
func (r *recorder) record(ctx context.Context, site *bridge.Site) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		if channel, err := site.Channel(r.camera); err == nil {
			lease := channel.Subscribe()
			_ = r.Run(ctx, lease)
			_ = lease.Close()
		}
		timer.Reset(time.Second)
	}
}

// volumeChanged makes an alarm of a volume that is full or broken (GB/T 28181-2022 A.2.5.3: device alarm 3,
// fault 1).
func (g *gateway) volumeChanged(c record.Condition) {
	switch c.State {
	case record.Full:
		g.log.Error("nothing is recorded: the volume is full", "reason", c.Reason)
		g.site.Raise("", bridge.Alarm{
			Priority: 1, Method: manscdp.AlarmDevice, Type: manscdp.DeviceDiskFull, Description: c.Reason,
		})
	case record.Broken:
		g.log.Error("nothing is recorded: the volume fails", "reason", c.Reason)
		g.site.Raise("", bridge.Alarm{
			Priority: 1, Method: manscdp.AlarmFault, Type: manscdp.FaultDisk, Description: c.Reason,
		})
	case record.Working:
		g.log.Info("recordings are ready", "folder", g.recorders.archive.Status().Dir)
	case record.Starting:
	}
}

// shelf is the archive in the words of playback.
type shelf struct{ archive *record.Archive }

// Find implements playback.Recordings.
func (s shelf) Find(ctx context.Context, camera string, from, to time.Time, kind string) ([]playback.Recording, error) {
	k, err := record.ParseKind(kind)
	if err != nil {
		return nil, nil //nolint:nilerr // a kind that we do not know has no recordings
	}
	found, err := s.archive.Find(ctx, camera, from, to, k)
	list := make([]playback.Recording, 0, len(found))
	for _, f := range found {
		list = append(list, playback.Recording{
			Start: f.Start, End: f.End, Kind: f.Kind.String(), Path: f.Path, Size: f.Size,
		})
	}
	return list, err
}

// Open implements playback.Recordings.
func (s shelf) Open(ctx context.Context, camera string, from, to time.Time) (playback.Reader, error) {
	p, err := s.archive.Open(ctx, camera, from, to)
	if errors.Is(err, record.ErrNothing) {
		return nil, &gb28181.Error{Code: 404, Reason: err.Error()}
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

var (
	_ playback.Recordings = shelf{}
	_ bridge.Recorder     = (*recorder)(nil)
	_ playback.Reader     = (*record.Player)(nil)
)
