package playback

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"gbgate/gb28181"
	"gbgate/media"
)

// shortest is the length of the shortest piece of a recording that is worth telling: times are whole seconds upward.
const shortest = 2 * time.Second

// Place is Recordings with the name that an installer knows them by.
type Place struct {
	Name string
	Recordings
}

// joined is several Recordings as one time line for each camera.
type joined struct {
	sources []Place
	log     *slog.Logger
}

// Join makes one time line of several Recordings. Where two have the same time, the one named first is shown and
// played. One that fails does not take the others with it.
func Join(log *slog.Logger, sources ...Place) Recordings {
	if len(sources) == 1 {
		return sources[0].Recordings
	}
	return &joined{sources: sources, log: log}
}

// piece is a part of the time line.
type piece struct {
	Recording
	source int
}

// Find implements Recordings.
func (j *joined) Find(ctx context.Context, camera string, from, to time.Time, kind string) ([]Recording, error) {
	pieces, err := j.pieces(ctx, camera, from, to, kind)
	list := make([]Recording, len(pieces))
	for i, p := range pieces {
		list[i] = p.Recording
	}
	return list, err
}

// pieces asks all sources at once and lays what they have beside each other. An error is that of all of them.
func (j *joined) pieces(ctx context.Context, camera string, from, to time.Time, kind string) ([]piece, error) {
	found := make([][]Recording, len(j.sources))
	failed := make([]error, len(j.sources))
	var all sync.WaitGroup
	for i, s := range j.sources {
		all.Go(func() { found[i], failed[i] = s.Find(ctx, camera, from, to, kind) })
	}
	all.Wait()
	var line []piece
	for i, list := range found {
		if failed[i] != nil {
			j.log.Warn("recordings not searched", "camera", camera, "in", j.sources[i].Name, "error", failed[i])
			continue
		}
		for _, r := range without(list, covered(line)) {
			line = append(line, piece{r, i})
		}
		slices.SortStableFunc(line, func(a, b piece) int { return a.Start.Compare(b.Start) })
	}
	if !slices.Contains(failed, nil) {
		return nil, errors.Join(failed...)
	}
	return line, nil
}

// span is a time that is taken.
type span struct{ from, to time.Time }

// covered returns the times that pieces have, which are sorted by their beginnings. What lies between two of them and
// is not worth telling counts as theirs: files are minutes long, and their days are few spans.
func covered(line []piece) []span {
	var list []span
	for _, p := range line {
		if n := len(list); n > 0 && p.Start.Sub(list[n-1].to) < shortest {
			if p.End.After(list[n-1].to) {
				list[n-1].to = p.End
			}
			continue
		}
		list = append(list, span{p.Start, p.End})
	}
	return list
}

// without returns what of a list is not taken; both are sorted by their beginnings. A piece of a file does not say how
// big it is.
func without(list []Recording, taken []span) []Recording {
	var rest []Recording
	for _, r := range list {
		for len(taken) > 0 && !taken[0].to.After(r.Start) {
			taken = taken[1:]
		}
		for _, t := range taken {
			if !t.from.Before(r.End) {
				break
			}
			before := r
			before.End, before.Size = t.from, 0
			if before.End.Sub(before.Start) >= shortest {
				rest = append(rest, before)
			}
			r.Start, r.Size = t.to, 0
		}
		if r.Size > 0 || r.End.Sub(r.Start) >= shortest {
			rest = append(rest, r)
		}
	}
	return rest
}

// Open implements Recordings.
func (j *joined) Open(ctx context.Context, camera string, from, to time.Time) (Reader, error) {
	until := to
	if to.IsZero() {
		until = time.Now()
	}
	pieces, err := j.pieces(ctx, camera, from, until, "all")
	if err != nil {
		return nil, err
	}
	var runs []run
	for _, p := range pieces {
		if n := len(runs); n > 0 && runs[n-1].source == p.source {
			runs[n-1].to = p.End
			continue
		}
		runs = append(runs, run{p.source, p.Start, p.End})
	}
	if len(runs) == 0 {
		return nil, gb28181.Errorf(404, "No record")
	}
	// The first begins where it is asked to and the last has no other behind it, whatever the searches said.
	runs[0].from, runs[len(runs)-1].to = from, to
	if len(runs) == 1 {
		return j.sources[runs[0].source].Open(ctx, camera, from, to)
	}
	return &splice{joined: j, camera: camera, from: from, runs: runs, scale: 1}, nil
}

// run is a stretch of the time line that one source has.
type run struct {
	source   int
	from, to time.Time
}

// openKind opens the recordings of one kind, without what lies between them. Platforms send any kind for want of a better
// one: where nothing is of it, all of them are opened.
func openKind(ctx context.Context, recordings Recordings, cfg Config) (Reader, error) {
	until := cfg.To
	if until.IsZero() {
		until = time.Now()
	}
	var found []Recording
	if cfg.Kind != "" {
		var err error
		if found, err = recordings.Find(ctx, cfg.Camera, cfg.From, until, cfg.Kind); err != nil {
			return nil, err
		}
	}
	var runs []run
	for _, r := range found {
		if r.Start.Before(cfg.From) {
			r.Start = cfg.From
		}
		if r.End.After(until) {
			r.End = until
		}
		if n := len(runs); n > 0 && r.Start.Sub(runs[n-1].to) <= JoinGap {
			if r.End.After(runs[n-1].to) {
				runs[n-1].to = r.End
			}
			continue
		}
		runs = append(runs, run{0, r.Start, r.End})
	}
	if len(runs) == 0 {
		return recordings.Open(ctx, cfg.Camera, cfg.From, cfg.To)
	}
	one := &joined{sources: []Place{{Recordings: recordings}}, log: cfg.Log}
	return &splice{joined: one, camera: cfg.Camera, from: cfg.From, runs: runs, scale: 1}, nil
}

// splice plays runs one after the other.
type splice struct {
	*joined
	camera string
	from   time.Time
	runs   []run

	at    int    // the run that is read
	open  Reader // nil: not opened yet
	scale float64
}

// Read implements Reader.
func (s *splice) Read(ctx context.Context) (*media.Unit, error) {
	for {
		if s.at < 0 || s.at >= len(s.runs) {
			return nil, io.EOF
		}
		if s.open == nil {
			err := s.enter(ctx)
			if e, ok := errors.AsType[*gb28181.Error](err); ok && e.Code == 404 {
				s.leave()
				continue
			}
			if err != nil {
				return nil, err
			}
		}
		u, err := s.open.Read(ctx)
		if errors.Is(err, io.EOF) {
			s.leave()
			continue
		}
		if err != nil {
			return nil, err
		}
		ahead := media.Ticks(s.runs[s.at].from.Sub(s.from))
		u.DTS += ahead
		u.PTS += ahead
		return u, nil
	}
}

// enter opens the run that is due, in the direction of play.
func (s *splice) enter(ctx context.Context) error {
	r := s.runs[s.at]
	open, err := s.sources[r.source].Open(ctx, s.camera, r.from, r.to)
	if err != nil {
		return err
	}
	if s.scale != 1 {
		at := r.from
		if s.scale < 0 {
			at = r.to
		}
		if err := open.Play(ctx, at, s.scale); err != nil {
			_ = open.Close()
			return err
		}
	}
	s.open = open
	return nil
}

// leave closes the run that is over and goes on to the next.
func (s *splice) leave() {
	_ = s.Close()
	if s.scale < 0 {
		s.at--
	} else {
		s.at++
	}
}

// Play implements Reader. After an error the run that was played goes on.
func (s *splice) Play(ctx context.Context, at time.Time, scale float64) error {
	to := 0
	if scale > 0 {
		for to < len(s.runs) && !s.runs[to].to.IsZero() && !s.runs[to].to.After(at) {
			to++
		}
	} else {
		for to = len(s.runs) - 1; to >= 0 && !s.runs[to].from.Before(at); {
			to--
		}
	}
	if to < 0 || to >= len(s.runs) {
		_ = s.Close()
		s.at, s.scale = to, scale
		return nil // nothing is there
	}
	r := s.runs[to]
	if at.Before(r.from) {
		at = r.from
	} else if scale < 0 && !r.to.IsZero() && at.After(r.to) {
		at = r.to
	}
	if to == s.at && s.open != nil {
		if err := s.open.Play(ctx, at, scale); err != nil {
			return err
		}
		s.scale = scale
		return nil
	}
	open, err := s.sources[r.source].Open(ctx, s.camera, r.from, r.to)
	if err != nil {
		return err
	}
	if err := open.Play(ctx, at, scale); err != nil {
		_ = open.Close()
		return err
	}
	_ = s.Close()
	s.open, s.at, s.scale = open, to, scale
	return nil
}

// Extent implements Reader. Where sources take turns it is not told: a recorder's is among them, whose extent is unknown,
// and which may have one session only.
func (s *splice) Extent(ctx context.Context) (sum media.Extent, ok bool) {
	if _, several := s.sources[0].Recordings.(*joined); several || len(s.sources) > 1 || s.open == nil {
		return media.Extent{}, false
	}
	if sum, ok = s.open.Extent(ctx); !ok { // before another is opened: a recorder alone does not know either
		return media.Extent{}, false
	}
	for i, r := range s.runs {
		if i == s.at {
			continue
		}
		e, ok := s.extentOf(ctx, r)
		if !ok {
			return media.Extent{}, false
		}
		sum = sum.Add(e)
	}
	return sum, true
}

// extentOf opens a run for its extent only.
func (s *splice) extentOf(ctx context.Context, r run) (media.Extent, bool) {
	open, err := s.sources[r.source].Open(ctx, s.camera, r.from, r.to)
	if err != nil {
		e, is := errors.AsType[*gb28181.Error](err)
		return media.Extent{}, is && e.Code == 404 // Read leaves it out
	}
	defer open.Close()
	return open.Extent(ctx)
}

// Realtime implements Realtime for the run that is read.
func (s *splice) Realtime() bool {
	slow, ok := s.open.(Realtime)
	return ok && slow.Realtime()
}

// Close implements Reader.
func (s *splice) Close() error {
	open := s.open
	if s.open = nil; open == nil {
		return nil
	}
	return open.Close()
}
