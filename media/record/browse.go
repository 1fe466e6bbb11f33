package record

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// maxBrowse is how many days are looked into while the index is being read; what needs more waits for it.
const maxBrowse = 40

// indexed tells whether the index is there, or can't be had.
func (a *Archive) indexed() bool {
	select {
	case <-a.loaded:
		return true
	default:
		return false
	}
}

// browse lists what overlaps from–to (ms) from the folders of those days alone: an archive of years is read for seconds
// after a start, and no platform waits that long for a day's list. Nothing is written then yet. false: it is too much.
func (a *Archive) browse(ctx context.Context, camera string, from, to int64) (found []Segment, ok bool) {
	day := func(ms int64) string {
		return time.UnixMilli(min(max(ms, 0), time.Now().AddDate(1, 0, 0).UnixMilli())).UTC().Format(dayFormat)
	}
	first, last := day(from-maxLength.Milliseconds()), day(to)
	folder := filepath.Join(a.cfg.Dir, escape(camera))
	inside, err := os.ReadDir(folder)
	if err != nil && !os.IsNotExist(err) {
		return nil, false
	}
	var days []string
	for _, d := range inside {
		if d.IsDir() && len(d.Name()) == len(dayFormat) && d.Name() >= first && d.Name() <= last {
			days = append(days, d.Name())
		}
	}
	if len(days) > maxBrowse {
		return nil, false
	}
	var s shelf
	for _, d := range days {
		if ctx.Err() != nil {
			return nil, false
		}
		loadDay(filepath.Join(folder, d), func(n name, e entry) {
			if n.camera == camera {
				s.entries = append(s.entries, e)
				s.longest = max(s.longest, e.length)
			}
		})
	}
	slices.SortStableFunc(s.entries, byStart)
	for ctx.Err() == nil {
		e, is := s.unmeasured(from, to)
		if !is {
			return s.overlapping(camera, from, to, math.MaxInt), true
		}
		s.replace(e, a.measured(camera, e))
	}
	return nil, false
}
