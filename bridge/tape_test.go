package bridge

import (
	"context"
	"io"
	"slices"
	"sync"
	"time"

	"gbgate/gb28181"
	"gbgate/media"
)

// tape is Recordings of one camera that are made up as they are read: 25 pictures a second, a key picture every two
// seconds from the beginning of a file on, and sound.
type tape struct {
	files []Recording
	mute  bool
	size  int           // of a key picture; others are a tenth
	took  time.Duration // by every Play
	count time.Duration // by every Extent
	slow  bool          // it is no faster than it was recorded

	mu       sync.Mutex
	cannot   error // of every Play
	closed   int
	openings int
	played   []float64 // scales
}

func (t *tape) fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cannot = err
}

func (t *tape) turns() []float64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.played)
}

func (t *tape) left() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.openings - t.closed
}

const (
	tapeGOP   = 2 * time.Second
	tapeFrame = 40 * time.Millisecond
)

func (t *tape) Find(_ context.Context, _ string, from, to time.Time, kind string) ([]Recording, error) {
	var found []Recording
	for _, f := range t.files {
		if f.Start.Before(to) && f.End.After(from) && (kind == "all" || kind == f.Kind) {
			found = append(found, f)
		}
	}
	return found, nil
}

func (t *tape) Open(ctx context.Context, camera string, from, to time.Time) (Playback, error) {
	if to.IsZero() {
		to = from.Add(24 * time.Hour)
	}
	found, _ := t.Find(ctx, camera, from, to, "all")
	if len(found) == 0 {
		return nil, gb28181.Errorf(404, "no record")
	}
	t.mu.Lock()
	t.openings++
	t.mu.Unlock()
	s := &spool{tape: t, from: from, to: to}
	_ = s.seek(from, 1)
	return s, nil
}

// spool is a tape in a recorder.
type spool struct {
	tape     *tape
	from, to time.Time
	scale    float64
	at       time.Time // of the next picture
	sound    bool      // the next unit is the sound of the picture before at
}

func (s *spool) Close() error {
	s.tape.mu.Lock()
	defer s.tape.mu.Unlock()
	s.tape.closed++
	return nil
}

func (s *spool) Play(ctx context.Context, at time.Time, scale float64) error {
	s.tape.mu.Lock()
	err := s.tape.cannot
	s.tape.played = append(s.tape.played, scale)
	s.tape.mu.Unlock()
	if err != nil {
		return err
	}
	if err := sleep(ctx, s.tape.took); err != nil {
		return err
	}
	return s.seek(at, scale)
}

func (s *spool) seek(at time.Time, scale float64) error {
	s.scale, s.sound = scale, false
	files := slices.Clone(s.tape.files)
	if scale < 0 {
		slices.Reverse(files)
	}
	for _, f := range files {
		switch {
		case scale > 0 && f.End.After(at), scale < 0 && f.Start.Before(at):
			if at.Before(f.Start) {
				at = f.Start
			}
			if !at.Before(f.End) {
				at = f.End.Add(-tapeFrame)
			}
			s.at = f.Start.Add(at.Sub(f.Start).Truncate(tapeGOP))
			return nil
		}
	}
	s.at = time.Time{}
	return nil
}

func (s *spool) file(at time.Time) *Recording {
	for i := range s.tape.files {
		if f := &s.tape.files[i]; !at.Before(f.Start) && at.Before(f.End) {
			return f
		}
	}
	return nil
}

func (s *spool) Read(ctx context.Context) (*media.Unit, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if s.at.IsZero() || s.at.Before(s.from) && s.scale < 0 && s.from.Sub(s.at) >= tapeGOP || !s.at.Before(s.to) && s.scale > 0 {
		return nil, io.EOF
	}
	f := s.file(s.at)
	if f == nil {
		at := s.at
		_ = s.seek(at, s.scale)
		if s.at.IsZero() {
			return nil, io.EOF
		}
		return s.Read(ctx)
	}
	since := s.at.Sub(f.Start)
	dts := int64(s.at.Sub(s.from)) * media.Clock / int64(time.Second)
	if s.sound {
		u := media.NewUnit(320)
		u.Codec, u.DTS, u.PTS, u.Desc, u.Arrived = media.PCMA, dts-1800, dts-1800, s.describe(), s.at.Add(-tapeFrame/2)
		u.Append(make([]byte, 320)...)
		s.sound = false
		return u, nil
	}
	key := since%tapeGOP == 0
	u := picture(key, dts)
	u.Desc, u.Arrived = s.describe(), s.at
	if n := s.tape.size; n > 0 && key {
		u.Append(make([]byte, n)...)
	} else if n > 0 {
		u.Append(make([]byte, n/10)...)
	}
	switch {
	case s.scale < 0:
		s.at = s.at.Add(-tapeGOP)
		if s.at.Before(f.Start) {
			_ = s.seek(f.Start, s.scale)
		}
	case s.scale > allPictures:
		s.at = s.at.Add(tapeGOP)
	default:
		s.at = s.at.Add(tapeFrame)
		s.sound = !s.tape.mute && s.scale == 1 && s.file(s.at) == f
	}
	return u, nil
}

func (s *spool) describe() *media.Description {
	d := h264()
	if !s.tape.mute {
		d.Audio = media.Track{Codec: media.PCMA, SampleRate: 8000, Channels: 1}
	}
	return d
}

func (s *spool) Realtime() bool { return s.tape.slow }

func (s *spool) Extent(ctx context.Context) (media.Extent, bool) {
	if pause(ctx, s.tape.count) != nil {
		return media.Extent{}, false
	}
	copied := spool{tape: s.tape, from: s.from, to: s.to}
	_ = copied.seek(s.from, 1)
	var e media.Extent
	for {
		u, err := copied.Read(context.Background())
		if err != nil {
			return e, true
		}
		if u.Codec.IsVideo() {
			e.VideoUnits++
			e.VideoBytes += int64(len(u.Data))
		} else {
			e.AudioUnits++
			e.AudioBytes += int64(len(u.Data))
		}
		if u.Key {
			e.KeyUnits++
		}
		u.Release()
	}
}
