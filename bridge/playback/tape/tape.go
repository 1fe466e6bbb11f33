// Package tape makes up what was recorded of a camera as it is read, for tests of what plays it.
package tape

import (
	"context"
	"io"
	"slices"
	"sync"
	"time"

	"gbgate/bridge/playback"
	"gbgate/gb28181"
	"gbgate/media"
)

// Tape is playback.Recordings of one camera that are made up as they are read: 25 pictures a second, a key picture
// every two seconds from the beginning of a file on, and sound. What it can't do is set before it is used.
type Tape struct {
	Files []playback.Recording
	Mute  bool
	Size  int           // of a key picture; others are a tenth
	Took  time.Duration // by every Play
	Count time.Duration // by every Extent
	Slow  bool          // it is no faster than it was recorded
	Blind bool          // it knows no Extent

	mu       sync.Mutex
	gone     error // of every Find
	cannot   error // of every Play
	closed   int
	openings int
	played   []float64 // scales
}

// Lose makes every search fail from now on.
func (t *Tape) Lose(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.gone = err
}

// Jam makes every Play fail from now on.
func (t *Tape) Jam(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cannot = err
}

// Turns are the scales that were asked for by Play.
func (t *Tape) Turns() []float64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.played)
}

// Left is how many readers are open.
func (t *Tape) Left() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.openings - t.closed
}

// Openings is how often it was opened.
func (t *Tape) Openings() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.openings
}

// The intervals of key pictures and of pictures.
const (
	GOP   = 2 * time.Second
	Frame = 40 * time.Millisecond
)

// allPictures is the highest scale at which all pictures are read.
const allPictures = 4

// At is a time of the day that everything here was recorded on.
func At(clock string) time.Time {
	t, _ := time.Parse(time.DateTime, "2026-01-31 "+clock)
	return t
}

// File is a recording between two times of day.
func File(start, end string) playback.Recording {
	return playback.Recording{Start: At(start), End: At(end), Kind: "time", Size: 1 << 20}
}

// TwoHours are from eight to ten.
func TwoHours() *Tape {
	return &Tape{Files: []playback.Recording{File("08:00:00", "09:00:00"), File("09:00:00", "10:00:00")}}
}

// Find implements playback.Recordings.
func (t *Tape) Find(_ context.Context, _ string, from, to time.Time, kind string) ([]playback.Recording, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.gone != nil {
		return nil, t.gone
	}
	var found []playback.Recording
	for _, f := range t.Files {
		if f.Start.Before(to) && f.End.After(from) && (kind == "all" || kind == f.Kind) {
			found = append(found, f)
		}
	}
	return found, nil
}

// Open implements playback.Recordings.
func (t *Tape) Open(ctx context.Context, camera string, from, to time.Time) (playback.Reader, error) {
	if to.IsZero() {
		to = from.Add(24 * time.Hour)
	}
	found, err := t.Find(ctx, camera, from, to, "all")
	if err != nil {
		return nil, err
	}
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
	tape     *Tape
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
	if err := media.Wait(ctx, s.tape.Took); err != nil {
		return err
	}
	return s.seek(at, scale)
}

func (s *spool) seek(at time.Time, scale float64) error {
	s.scale, s.sound = scale, false
	files := slices.Clone(s.tape.Files)
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
				at = f.End.Add(-Frame)
			}
			s.at = f.Start.Add(at.Sub(f.Start).Truncate(GOP))
			return nil
		}
	}
	s.at = time.Time{}
	return nil
}

func (s *spool) file(at time.Time) *playback.Recording {
	for i := range s.tape.Files {
		if f := &s.tape.Files[i]; !at.Before(f.Start) && at.Before(f.End) {
			return f
		}
	}
	return nil
}

func (s *spool) Read(ctx context.Context) (*media.Unit, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if s.at.IsZero() || s.at.Before(s.from) && s.scale < 0 && s.from.Sub(s.at) >= GOP ||
		!s.at.Before(s.to) && s.scale > 0 {
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
	dts := media.Ticks(s.at.Sub(s.from))
	if s.sound {
		u := media.NewUnit(320)
		u.Codec, u.DTS, u.PTS, u.Desc, u.Arrived = media.PCMA, dts-1800, dts-1800, s.describe(), s.at.Add(-Frame/2)
		u.Append(make([]byte, 320)...)
		s.sound = false
		return u, nil
	}
	key := since%GOP == 0
	u := Picture(key, dts)
	u.Desc, u.Arrived = s.describe(), s.at
	if n := s.tape.Size; n > 0 && key {
		u.Append(make([]byte, n)...)
	} else if n > 0 {
		u.Append(make([]byte, n/10)...)
	}
	switch {
	case s.scale < 0:
		s.at = s.at.Add(-GOP)
		if s.at.Before(f.Start) {
			_ = s.seek(f.Start, s.scale)
		}
	case s.scale > allPictures:
		s.at = s.at.Add(GOP)
	default:
		s.at = s.at.Add(Frame)
		s.sound = !s.tape.Mute && s.scale == 1 && s.file(s.at) == f
	}
	return u, nil
}

// H264 describes a picture without sound.
func H264() *media.Description {
	return &media.Description{Video: media.Track{Codec: media.H264, Width: 1280, Height: 720, FPS: 25}}
}

// Picture is one that comes now, with or without parameter sets.
func Picture(key bool, dts int64) *media.Unit {
	u := media.NewUnit(64)
	u.Codec, u.Key, u.PTS, u.DTS, u.Desc, u.Arrived = media.H264, key, dts, dts, H264(), time.Now()
	if key {
		u.Append(0, 0, 0, 1, 0x67, 0x42, 0, 0x1e, 0, 0, 0, 1, 0x68, 0xce, 0x3c, 0x80, 0, 0, 0, 1, 0x65, 0x88, 0x84, 0x3f)
	} else {
		u.Append(0, 0, 0, 1, 0x41, 0x9a, 0, 1)
	}
	return u
}

func (s *spool) describe() *media.Description {
	d := H264()
	if !s.tape.Mute {
		d.Audio = media.Track{Codec: media.PCMA, SampleRate: 8000, Channels: 1}
	}
	return d
}

func (s *spool) Realtime() bool { return s.tape.Slow }

func (s *spool) Extent(ctx context.Context) (media.Extent, bool) {
	if media.Wait(ctx, s.tape.Count) != nil || s.tape.Blind {
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
