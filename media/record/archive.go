// Package record keeps what cameras send: segments of fragmented MP4 on a disk, found again by their names,
// deleted when they are too old or take too much room, and read as units.
package record

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// ErrNothing is returned where nothing was recorded.
var ErrNothing = errors.New("nothing was recorded then")

// Config says where recordings are kept and for how long. A zero field means its default.
type Config struct {
	Dir      string
	MaxAge   time.Duration // older segments are deleted; 0: however old
	MaxBytes int64         // of all segments together; 0: any
	MinFree  int64         // bytes that the volume keeps free for others
	Segment  time.Duration // a segment's length: it goes on to the next key picture; default 5 min
	Sync     time.Duration // the volume is synchronised and looked after so often; default 9 s: with what is
	// in memory, a power cut costs ten
	// Pre and Post are what is recorded around an alarm; default none and 30 s.
	Pre, Post time.Duration
	// Changed is told how the volume does whenever that becomes another. It must not block.
	Changed func(Condition)
	Log     *slog.Logger

	volume volume // nil: the real one
}

// Archive is one folder of segments. Its methods may be called at any time, by several goroutines.
type Archive struct {
	cfg    Config
	volume volume
	loaded chan struct{} // closed when the index is there, or can't be had
	once   sync.Once
	kick   chan struct{}

	working atomic.Bool  // recorders may write
	written atomic.Int64 // bytes since the last sync
	pace    atomic.Int64 // bytes between the last two

	crew crew // the recorders whose parts Run writes

	mu        sync.Mutex
	condition Condition
	told      State // what Changed was told last
	shelves   map[string]*shelf
	bytes     int64 // of all segments that are not being written
	segments  int
	free      int64
	pins      map[pin]int
	deleted   uint64
}

// pin is a segment that is being read.
type pin struct {
	camera string
	start  int64
}

// State is how the volume does.
type State uint8

// The states of a volume.
const (
	Starting State = iota // the index is being read
	Working
	Full   // there is no room, and nothing may be deleted to make some
	Broken // it does not take or give data
)

// String returns the state's name for people.
func (s State) String() string { return [...]string{"starting", "working", "full", "broken"}[s] }

// Condition is a volume's state, since when, and why.
type Condition struct {
	State  State
	Reason string // "" while it works
	Since  time.Time
}

// New returns an archive that Run opens.
func New(cfg Config) *Archive {
	cfg.Segment = min(cmp.Or(cfg.Segment, 5*time.Minute), time.Hour)
	cfg.Sync = cmp.Or(cfg.Sync, 9*time.Second)
	cfg.Post = cmp.Or(cfg.Post, 30*time.Second)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Changed == nil {
		cfg.Changed = func(Condition) {}
	}
	a := &Archive{
		cfg: cfg, volume: cfg.volume, loaded: make(chan struct{}), kick: make(chan struct{}, 1),
		shelves: make(map[string]*shelf), pins: make(map[pin]int), condition: Condition{Since: time.Now()},
	}
	a.crew.joined = make(chan struct{}, 1)
	if a.volume == nil {
		a.volume = disk{cfg.Dir}
	}
	return a
}

// Segment is one stored piece of a camera's recording.
type Segment struct {
	Camera     string
	Start, End time.Time
	Kind       Kind
	Path       string // below the archive's folder
	Size       int64
	Live       bool // it is being written
}

// Find returns the segments of a camera that overlap from–to, oldest first; kind None: of any kind.
func (a *Archive) Find(ctx context.Context, camera string, from, to time.Time, kind Kind) ([]Segment, error) {
	found, err := a.find(ctx, camera, from.UnixMilli(), to.UnixMilli(), math.MaxInt)
	return slices.DeleteFunc(found, func(s Segment) bool { return kind != None && s.Kind != kind }), err
}

// find returns at most so many of the segments that overlap from–to (ms).
func (a *Archive) find(ctx context.Context, camera string, from, to int64, most int) ([]Segment, error) {
	if !a.indexed() {
		if found, ok := a.browse(ctx, camera, from, to); ok {
			return found[:min(most, len(found))], nil
		}
	}
	if err := a.ready(ctx); err != nil {
		return nil, err
	}
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		found, unmeasured, ok := a.look(camera, from, to, most)
		if ok {
			return found, nil
		}
		a.measure(camera, unmeasured)
	}
}

// look finds what overlaps; not ok: something there must be measured first.
func (a *Archive) look(camera string, from, to int64, most int) (found []Segment, unmeasured entry, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.shelves[camera]
	if s == nil {
		return nil, entry{}, true
	}
	if e, is := s.unmeasured(from, to); is {
		return nil, e, false
	}
	return s.overlapping(camera, from, to, most), entry{}, true
}

// ready waits for the index.
func (a *Archive) ready(ctx context.Context) error {
	select {
	case <-a.loaded:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Status is a snapshot of an archive.
type Status struct {
	Dir string
	Condition
	Bytes    int64 // of all segments
	Segments int
	Free     int64     // of the volume
	Deleted  uint64    // segments, since the start
	Oldest   time.Time // zero: nothing is there
	Cameras  []CameraStatus
}

// CameraStatus is what is stored of a camera.
type CameraStatus struct {
	Camera         string
	Segments       int
	Bytes          int64
	Oldest, Newest time.Time
}

// Status returns a snapshot.
func (a *Archive) Status() Status {
	a.mu.Lock()
	defer a.mu.Unlock()
	st := Status{
		Dir: a.cfg.Dir, Condition: a.condition, Bytes: a.bytes, Segments: a.segments, Free: a.free, Deleted: a.deleted,
	}
	for _, camera := range a.cameras() {
		c := a.shelves[camera].status(camera)
		if c.Segments == 0 {
			continue
		}
		if live := a.shelves[camera].live; live != nil {
			st.Segments++
			st.Bytes += live.progress(noKeys).size
		}
		if st.Oldest.IsZero() || c.Oldest.Before(st.Oldest) {
			st.Oldest = c.Oldest
		}
		st.Cameras = append(st.Cameras, c)
	}
	return st
}

// failed takes a recorder's trouble with the volume. Recording stops; Run finds out when it can go on. That
// there is no room is told only once nothing could be deleted.
func (a *Archive) failed(err error) {
	a.working.Store(false)
	if isFull(err) {
		a.mu.Lock()
		a.condition = Condition{State: Full, Reason: err.Error(), Since: time.Now()}
		a.mu.Unlock()
	} else {
		a.become(Condition{State: Broken, Reason: err.Error()})
	}
	select {
	case a.kick <- struct{}{}:
	default:
	}
}

// path of a segment's name below the archive's folder.
func (a *Archive) path(n name) string { return filepath.Join(a.cfg.Dir, n.path()) }

// open opens a segment for reading and pins it. live is not nil where it is being written.
func (a *Archive) open(camera string, e entry, live *segment) (*reader, func(), error) {
	p := pin{camera, e.start}
	a.mu.Lock()
	a.pins[p]++
	a.mu.Unlock()
	unpin := func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.pins[p]--; a.pins[p] == 0 {
			delete(a.pins, p)
		}
	}
	path, limit := a.path(e.name(camera)), int64(-1)
	if live != nil {
		now := live.progress(noKeys)
		path, limit = now.path, now.size
	}
	r, closeFile, err := openReader(path, limit)
	if err != nil {
		unpin()
		return nil, nil, fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	return r, func() { closeFile(); unpin() }, nil
}

// starting looks up the segment that starts at a moment (ms).
func (a *Archive) starting(camera string, start int64) (e entry, live *segment, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	e, live, ok = a.shelf(camera).next(start - 1)
	return e, live, ok && e.start == start
}

// began puts a segment that is being written where readers find it.
func (a *Archive) began(camera string, s *segment) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.shelf(camera).live = s
}

// ended finishes a segment and puts it into the index.
func (a *Archive) ended(camera string, s *segment) error {
	length, err := s.finish()
	a.written.Add(1) // its table and its name
	a.mu.Lock()
	defer a.mu.Unlock()
	shelf := a.shelf(camera)
	shelf.live = nil
	if errors.Is(err, errDeleted) {
		a.cfg.Log.Warn("a recording was deleted while it was written", "file", s.name.path())
		return nil
	}
	if s.size == 0 {
		return err
	}
	e := entry{
		start: s.name.start, size: s.size, length: int32(length), kind: s.name.kind, open: s.name.length == unknown,
	}
	shelf.insert(e)
	a.bytes += e.size
	a.segments++
	return err
}
