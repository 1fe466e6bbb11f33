package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"gbgate/bridge/onvif"
	"gbgate/bridge/playback"
	"gbgate/cmd/gbgate/config"
	"gbgate/gb28181"
	"gbgate/media"
	"gbgate/rtsp"
)

const (
	// findTime is for a search in a recorder, well within what a query from above has: what the box itself has recorded
	// is told though the recorder is gone.
	findTime  = 4 * time.Second
	findAlone = 9 * time.Second  // where the box records nothing of the camera: disks of a recorder that sleep take long
	findAgain = time.Minute      // after a search that failed
	findSlow  = 10 * time.Second // after one that took too long: the disks turn by then
	openTime  = 15 * time.Second // until a recorder plays
	coarse    = time.Hour        // longest piece of what a recorder has
	// maxPieces is more than eleven years of them.
	maxPieces = 100_000
)

// nvr is the recordings that live in the cameras and recorders of the site.
type nvr struct {
	mu       sync.Mutex
	archives map[string]*archive // by camera
}

// use takes over the cameras of a configuration.
func (n *nvr) use(all map[string]device) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.archives = make(map[string]*archive)
	for name, d := range all {
		if d.archive != nil {
			n.archives[name] = d.archive
		}
	}
}

func (n *nvr) of(camera string) *archive {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.archives[camera]
}

// Find implements playback.Recordings.
func (n *nvr) Find(ctx context.Context, camera string, from, to time.Time, kind string) ([]playback.Recording, error) {
	a := n.of(camera)
	if a == nil || kind != "all" && kind != "time" {
		return nil, nil // why a recorder recorded is not told
	}
	return a.find(ctx, from, to)
}

// Open implements playback.Recordings.
func (n *nvr) Open(ctx context.Context, camera string, from, to time.Time) (playback.Reader, error) {
	a := n.of(camera)
	if a == nil {
		return nil, gb28181.Errorf(404, "No record")
	}
	return a.open(ctx, from, to)
}

// archive is what was recorded of one camera, by itself or by its recorder.
type archive struct {
	cfg   config.Camera
	onvif *onvif.Camera   // searches, and plays where replay is nil; nil: nobody searches
	url   *rtsp.ReplayURL // nil: ONVIF says where to play from
	log   *slog.Logger

	mu     sync.Mutex
	failed error         // of the last search; nil: it went well
	since  time.Time     // of failed
	rest   time.Duration // so long after it the recorder is left alone
}

// newArchive returns nil for a camera without recordings of its own.
func newArchive(c config.Camera, cam *onvif.Camera, log *slog.Logger) (*archive, error) {
	if c.Replay == "" {
		return nil, nil //nolint:nilnil // it has none
	}
	a := &archive{cfg: c, onvif: cam, log: log.With("camera", c.Name)}
	if c.Replay == "onvif" {
		return a, nil
	}
	zone, _ := config.ParseZone(c.ReplayZone) // validated with the configuration
	var err error
	if a.url, err = rtsp.ParseReplayURL(c.Replay, c.URL, c.ReplayChannel, zone); err != nil {
		return nil, errors.New("camera." + c.Name + ".replay: " + err.Error())
	}
	return a, nil
}

// find asks the recorder what it has. Where it can't be searched, it has what the configuration says.
func (a *archive) find(ctx context.Context, from, to time.Time) ([]playback.Recording, error) {
	if a.onvif == nil {
		return a.presumed(from, to, time.Now()), nil
	}
	if err := a.failing(); err != nil {
		return a.instead(from, to, err)
	}
	limited, cancel := context.WithTimeout(ctx, a.patience())
	defer cancel()
	spans, err := a.search(limited, from, to)
	switch {
	case ctx.Err() != nil: // not the recorder's fault
	case limited.Err() != nil:
		a.note(err, findSlow)
	default:
		a.note(err, findAgain)
	}
	if err != nil {
		if a.cfg.ReplayDays > 0 {
			a.log.Warn("recorder can't be searched, presuming replay_days", "reason", err)
		}
		return a.instead(from, to, err)
	}
	return hourly(spans), nil
}

// hourly cuts what was found at whole hours: spans end where the window of the search does, and a recording must have
// the same times whatever part of it a platform asks for, since it is played by them.
func hourly(spans []onvif.Span) []playback.Recording {
	var list []playback.Recording
	for _, s := range spans {
		for at := s.From; at.Before(s.Until) && len(list) < maxPieces; {
			end := at.Truncate(coarse).Add(coarse)
			if end.After(s.Until) {
				end = s.Until
			}
			list = append(list, playback.Recording{Start: at, End: end, Kind: "time"})
			at = end
		}
	}
	return list
}

// instead is what a recorder has that can't be searched.
func (a *archive) instead(from, to time.Time, err error) ([]playback.Recording, error) {
	if a.cfg.ReplayDays > 0 {
		return a.presumed(from, to, time.Now()), nil
	}
	return nil, err
}

// failing returns why a search failed a short while ago: a recorder that is gone is not waited for with every query.
func (a *archive) failing() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.failed == nil || time.Since(a.since) >= a.rest {
		return nil
	}
	return fmt.Errorf("not asked again for %v: %w", a.rest, a.failed)
}

func (a *archive) note(err error, rest time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.failed, a.since, a.rest = err, time.Now(), rest
}

// patience is how long a search may take.
func (a *archive) patience() time.Duration {
	if a.cfg.Record == "off" {
		return findAlone
	}
	return findTime
}

func (a *archive) search(ctx context.Context, from, to time.Time) ([]onvif.Span, error) {
	r, err := a.onvif.Recording(ctx, a.cfg.RecordingToken)
	if err != nil {
		return nil, err
	}
	if now := time.Now(); to.After(now) {
		to = now
	}
	if !from.Before(to) {
		return nil, nil
	}
	return a.onvif.Client().Spans(ctx, r, from, to)
}

// presumed cuts the days that the recorder keeps into hours.
func (a *archive) presumed(from, to, now time.Time) []playback.Recording {
	if first := now.AddDate(0, 0, -a.cfg.ReplayDays); from.Before(first) {
		from = first
	}
	if to.After(now) {
		to = now
	}
	var list []playback.Recording
	for at := from.Truncate(coarse); at.Before(to); at = at.Add(coarse) {
		end := at.Add(coarse)
		if end.After(now) {
			end = now
		}
		list = append(list, playback.Recording{Start: at, End: end, Kind: "time"})
	}
	return list
}

// open begins to play.
func (a *archive) open(ctx context.Context, from, to time.Time) (playback.Reader, error) {
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	cfg := rtsp.ReplayConfig{Config: rtsp.Config{
		Name: a.cfg.Name, Username: a.cfg.Username, Password: *a.cfg.Password, UserAgent: "gbgate", Log: a.log,
	}}
	if a.url != nil {
		cfg.Locate, cfg.ByRange = a.url.At, a.url.ByRange()
	} else {
		address, err := a.address(ctx)
		if err != nil {
			return nil, playbackError(err)
		}
		cfg.ONVIF, cfg.Locate = true, func(time.Time, time.Time) string { return address }
	}
	replay, err := rtsp.OpenReplay(ctx, cfg, from, to)
	if err != nil {
		return nil, playbackError(err)
	}
	p := &replayed{Replay: replay, realtime: !cfg.ONVIF}
	if p.first, err = replay.Read(ctx); err != nil { // 200 is answered when it is sure that there is something
		_ = replay.Close()
		if errors.Is(err, io.EOF) {
			return nil, gb28181.Errorf(404, "No record")
		}
		return nil, playbackError(err)
	}
	return p, nil
}

// address asks where the recording is played from.
func (a *archive) address(ctx context.Context) (string, error) {
	r, err := a.onvif.Recording(ctx, a.cfg.RecordingToken)
	if err != nil {
		return "", err
	}
	return a.onvif.Client().ReplayURI(ctx, r.Token)
}

// replayed is a recorder's replay in the words of playback.
type replayed struct {
	*rtsp.Replay
	first    *media.Unit // read already; nil: nothing
	realtime bool        // without ONVIF's Rate-Control it comes as it was recorded
}

// Realtime implements playback.Realtime.
func (p *replayed) Realtime() bool { return p.realtime }

// Read implements media.UnitReader.
func (p *replayed) Read(ctx context.Context) (*media.Unit, error) {
	if u := p.first; u != nil {
		p.first = nil
		return u, nil
	}
	return p.Replay.Read(ctx)
}

// Close implements media.UnitReader.
func (p *replayed) Close() error {
	p.forget()
	return p.Replay.Close()
}

func (p *replayed) forget() {
	if p.first != nil {
		p.first.Release()
		p.first = nil
	}
}

// Play implements playback.Reader.
func (p *replayed) Play(ctx context.Context, at time.Time, scale float64) error {
	err := p.Replay.Play(ctx, at, scale)
	if err == nil { // else it goes on as it was
		p.forget()
	}
	return playbackError(err)
}

// Extent implements playback.Reader: no recorder says how much it has.
func (p *replayed) Extent(context.Context) (media.Extent, bool) { return media.Extent{}, false }

// playbackError tells the superior what stands in the way of a playback.
func playbackError(err error) error {
	if e, ok := errors.AsType[*rtsp.Error](err); ok {
		switch e.Kind {
		case rtsp.NotFound:
			return gb28181.Errorf(404, "No record")
		case rtsp.Busy:
			return gb28181.Errorf(486, "%s", e.Text)
		case rtsp.Unsupported:
			return gb28181.Errorf(400, "%s", e.Text)
		default:
			return gb28181.Errorf(480, "%s", e.Text)
		}
	}
	if e, ok := errors.AsType[*onvif.Error](err); ok {
		return gb28181.Errorf(480, "%s", e)
	}
	return err
}

var (
	_ playback.Recordings = (*nvr)(nil)
	_ playback.Reader     = (*replayed)(nil)
	_ playback.Realtime   = (*replayed)(nil)
)
