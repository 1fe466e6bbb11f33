// Package playback sends what was recorded of a camera: from where and as fast as the superior wants, each unit when it
// is due and with times that only go forward.
//
// Who keeps recordings and where the units go are the interfaces in this file and in player.go.
package playback

import (
	"context"
	"time"

	"gbgate/media"
)

// Recordings finds and opens what was recorded of the site's cameras. Its methods may be called at any time, by
// several goroutines.
type Recordings interface {
	// Find returns the recordings of a camera that overlap the time from–to, oldest first. kind
	// is one of time, alarm, manual and all.
	Find(ctx context.Context, camera string, from, to time.Time, kind string) ([]Recording, error)
	// Open begins to read what was recorded of a camera from from up to to (zero: to the end of what there is
	// when it is read). Nothing there: a *gb28181.Error 404.
	Open(ctx context.Context, camera string, from, to time.Time) (Reader, error)
}

// Recording is one stored file or a piece of one.
type Recording struct {
	Start, End time.Time // of the file itself, not of the part asked for; End is now while it is written
	Kind       string    // time, alarm or manual
	Path       string    // "" = not told upward
	Size       int64     // bytes; 0 = unknown
}

// Reader is one recording as it is read. One goroutine uses it.
type Reader interface {
	// UnitReader's Read returns units in decoding order, backwards key pictures from the last to the first, and io.EOF
	// at the end of the span (backwards: at its beginning). A unit's Arrived is the wall-clock time at which it was
	// recorded; its DTS and PTS are 90 kHz ticks from the span's from on the recording's own clock (negative in the
	// group of pictures that holds from; a gap between files is a jump). Clock is not set: who sends the unit sets it.
	// Read blocks no longer than its ctx; it may be called again, and so may Play, after it was ended by it.
	media.UnitReader
	// Play says what Read returns from now on: from the group of pictures that holds at (scale > 0: all pictures for
	// scale ≤ 4, only key pictures above it; scale < 0: key pictures backwards). Audio only at scale 1. Where nothing
	// was recorded at at, it goes on where something was. Before the first Play, Read begins with the group of
	// pictures that holds from, forwards at scale 1. After io.EOF, Play may be called again.
	Play(ctx context.Context, at time.Time, scale float64) error
	// Extent counts what the span holds forwards at scale 1, from the group of pictures that holds from, without
	// reading the media: for a=filesize of a download. ok = false: it is unknown (an NVR's recording).
	Extent(ctx context.Context) (e media.Extent, ok bool)
}

// Realtime is a Reader that may bring its recording no faster than it was recorded.
type Realtime interface {
	Realtime() bool
}

const (
	// JoinGap is the longest gap between two segments of one kind that are one recording upward, as long as they begin in
	// the same hour: a recorder's files are as long, and no platform lists a day in minutes.
	JoinGap = 2 * time.Second
	joinMax = time.Hour
)

// List finds recordings as they are told upward: segments that follow each other are one. A recording has the same
// times whatever part of it is asked for, and what is next to the window may be among them.
func List(ctx context.Context, r Recordings, camera string, from, to time.Time, kind string) ([]Recording, error) {
	found, err := r.Find(ctx, camera, from.Add(-joinMax), to.Add(joinMax), kind)
	if err != nil {
		return nil, err
	}
	return adjoin(found), nil
}

// adjoin makes one recording of segments that follow each other.
func adjoin(list []Recording) []Recording {
	var out []Recording
	for _, r := range list {
		if n := len(out); n > 0 {
			last := &out[n-1]
			if last.Kind == r.Kind && r.Start.Sub(last.End) <= JoinGap &&
				last.Start.Truncate(joinMax).Equal(r.Start.Truncate(joinMax)) {
				if r.End.After(last.End) {
					last.End = r.End
				}
				if last.Size += r.Size; r.Size == 0 {
					last.Size = 0
				}
				continue
			}
		}
		out = append(out, r)
	}
	return out
}
