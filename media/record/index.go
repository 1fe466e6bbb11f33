package record

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"gbgate/media"
)

// entry is a segment in the index: 24 bytes, because there may be hundreds of thousands.
type entry struct {
	start  int64 // ms since 1970
	size   int64
	length int32 // ms, or unknown
	kind   Kind
	open   bool // it was never finished: its name does not tell the length
}

func (e entry) name(camera string) name {
	n := name{camera: camera, start: e.start, length: int64(e.length), kind: e.kind}
	if e.open {
		n.length = unknown
	}
	return n
}

func (e entry) end() int64 { return e.start + int64(max(0, e.length)) }

func byStart(a, b entry) int { return cmp.Compare(a.start, b.start) }

// shelf is what is stored of one camera. The archive's lock guards it.
type shelf struct {
	entries []entry // by start
	longest int32   // of them, ms
	bytes   int64
	live    *segment // being written; nil: none
}

// noKeys asks a segment's progress for no key pictures.
const noKeys = math.MaxInt

func (s *shelf) insert(e entry) {
	i, _ := slices.BinarySearchFunc(s.entries, e, byStart)
	s.entries = slices.Insert(s.entries, i, e)
	s.longest = max(s.longest, e.length)
	s.bytes += e.size
}

// at returns the index of the same segment's entry, −1: there is none.
func (s *shelf) at(e entry) int {
	i, _ := slices.BinarySearchFunc(s.entries, e, byStart)
	for ; i < len(s.entries) && s.entries[i].start == e.start; i++ {
		if s.entries[i].kind == e.kind {
			return i
		}
	}
	return -1
}

// since returns the index of the first entry that may reach beyond from.
func (s *shelf) since(from int64) int {
	i, _ := slices.BinarySearchFunc(s.entries, entry{start: from - int64(s.longest)}, byStart)
	return i
}

// unmeasured returns an entry of unknown length that may overlap from–to.
func (s *shelf) unmeasured(from, to int64) (entry, bool) {
	from -= maxLength.Milliseconds()
	i, _ := slices.BinarySearchFunc(s.entries, entry{start: from}, byStart)
	for ; i < len(s.entries) && s.entries[i].start < to; i++ {
		if s.entries[i].length == unknown {
			return s.entries[i], true
		}
	}
	return entry{}, false
}

// overlapping lists what overlaps from–to, the first most of it.
func (s *shelf) overlapping(camera string, from, to int64, most int) []Segment {
	var found []Segment
	for i := s.since(from); i < len(s.entries) && s.entries[i].start < to && len(found) < most; i++ {
		if e := s.entries[i]; e.end() > from {
			found = append(found, Segment{
				Camera: camera, Start: time.UnixMilli(e.start), End: time.UnixMilli(e.end()), Kind: e.kind,
				Path: e.name(camera).path(), Size: e.size, Live: false,
			})
		}
	}
	if live, ok := s.liveEntry(); ok && live.start < to && live.end() > from {
		found = append(found, Segment{
			Camera: camera, Start: time.UnixMilli(live.start), End: time.UnixMilli(live.end()), Kind: live.kind,
			Path: live.name(camera).path(), Size: live.size, Live: true,
		})
		slices.SortStableFunc(found, func(a, b Segment) int { return a.Start.Compare(b.Start) })
	}
	return found
}

// liveEntry is the segment that is being written, as far as it is.
func (s *shelf) liveEntry() (entry, bool) {
	if s.live == nil {
		return entry{}, false
	}
	p := s.live.progress(noKeys)
	if p.size == 0 {
		return entry{}, false
	}
	return entry{
		start: p.name.start, size: p.size, kind: p.name.kind, length: milliseconds(p.end), open: true,
	}, true
}

// next returns the segment that starts first after start.
func (s *shelf) next(start int64) (e entry, live *segment, ok bool) {
	i, _ := slices.BinarySearchFunc(s.entries, entry{start: start + 1}, byStart)
	if i < len(s.entries) {
		e, ok = s.entries[i], true
	}
	if l, is := s.liveEntry(); is && l.start > start && (!ok || l.start < e.start) {
		return l, s.live, true
	}
	return e, nil, ok
}

// previous returns the segment that starts last before start.
func (s *shelf) previous(start int64) (e entry, live *segment, ok bool) {
	i, _ := slices.BinarySearchFunc(s.entries, entry{start: start}, byStart)
	if i > 0 {
		e, ok = s.entries[i-1], true
	}
	if l, is := s.liveEntry(); is && l.start < start && (!ok || l.start > e.start) {
		return l, s.live, true
	}
	return e, nil, ok
}

// milliseconds puts ticks into what an entry holds.
func milliseconds(ticks int64) int32 {
	return int32(max(0, min(ticks/(media.Clock/1000), maxLength.Milliseconds())))
}

func (s *shelf) status(camera string) CameraStatus {
	c := CameraStatus{Camera: camera, Segments: len(s.entries), Bytes: s.bytes}
	if n := len(s.entries); n > 0 {
		c.Oldest, c.Newest = time.UnixMilli(s.entries[0].start), time.UnixMilli(s.entries[n-1].end())
	}
	if live, ok := s.liveEntry(); ok {
		c.Segments++
		c.Bytes += live.size
		if c.Oldest.IsZero() {
			c.Oldest = time.UnixMilli(live.start)
		}
		if end := time.UnixMilli(live.end()); end.After(c.Newest) {
			c.Newest = end
		}
	}
	return c
}

// shelf returns a camera's shelf, a new one where there is none. a.mu is held.
func (a *Archive) shelf(camera string) *shelf {
	s := a.shelves[camera]
	if s == nil {
		s = &shelf{}
		a.shelves[camera] = s
	}
	return s
}

// cameras lists the names of those that have a shelf. a.mu is held.
func (a *Archive) cameras() []string { return slices.Sorted(maps.Keys(a.shelves)) }

// loaders read that many folders at once: an SD card answers some requests side by side.
const loaders = 8

// Load reads the index from the names and sizes of the files. A folder that is not there is empty; what is
// no segment is left alone.
func (a *Archive) Load(ctx context.Context) error {
	defer a.once.Do(func() { close(a.loaded) })
	cameras, err := os.ReadDir(a.cfg.Dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	var days []string
	for _, c := range cameras {
		inside, err := os.ReadDir(filepath.Join(a.cfg.Dir, c.Name()))
		if err != nil {
			continue // no folder of ours
		}
		for _, d := range inside {
			if d.IsDir() {
				days = append(days, filepath.Join(a.cfg.Dir, c.Name(), d.Name()))
			}
		}
	}
	found := make(map[string][]entry)
	var mu sync.Mutex
	var group sync.WaitGroup
	work := make(chan string)
	for range loaders {
		group.Go(func() {
			for day := range work {
				loadDay(day, func(n name, e entry) {
					mu.Lock()
					found[n.camera] = append(found[n.camera], e)
					mu.Unlock()
				})
			}
		})
	}
	for _, day := range days {
		if ctx.Err() != nil {
			break
		}
		work <- day
	}
	close(work)
	group.Wait()
	a.mu.Lock()
	defer a.mu.Unlock()
	for camera, entries := range found {
		s := a.shelf(camera)
		s.entries = slices.Concat(s.entries, entries)
		slices.SortStableFunc(s.entries, byStart)
		for _, e := range entries {
			s.longest = max(s.longest, e.length)
			s.bytes += e.size
			a.bytes += e.size
		}
		a.segments += len(entries)
	}
	return ctx.Err()
}

// loadDay reads a day's folder. What somebody has moved there is no segment of ours.
func loadDay(day string, add func(name, entry)) {
	files, err := os.ReadDir(day)
	if err != nil {
		return
	}
	date, folder := filepath.Base(day), filepath.Base(filepath.Dir(day))
	camera := ""
	for _, f := range files {
		n, ok := parseName(f.Name())
		if !ok || n.camera != camera && escape(n.camera) != folder {
			continue
		}
		camera = n.camera
		if time.UnixMilli(n.start).UTC().Format(dayFormat) != date {
			continue
		}
		info, err := f.Info()
		if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
			continue
		}
		e := entry{start: n.start, length: int32(n.length), kind: n.kind, open: n.length == unknown}
		if err == nil {
			e.size = info.Size()
		}
		add(n, e)
	}
}

// measure finds out how long a segment lasts that was never finished, and keeps it.
func (a *Archive) measure(camera string, e entry) {
	e = a.measured(camera, e)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.shelf(camera).replace(e, e)
}

// measured returns an entry with the length that its file has, 0 where nothing can be read of it.
func (a *Archive) measured(camera string, e entry) entry {
	e.length = 0
	if r, closeFile, err := openReader(a.path(e.name(camera)), -1); err == nil {
		end, _ := r.length()
		closeFile()
		e.length = milliseconds(end)
	}
	return e
}

// replace puts what is now known of a segment in the place of its entry, if that is still there.
func (s *shelf) replace(old, e entry) bool {
	i := s.at(old)
	if i < 0 {
		return false
	}
	s.bytes += e.size - s.entries[i].size
	s.longest = max(s.longest, e.length)
	s.entries[i] = e
	return true
}
