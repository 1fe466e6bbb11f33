package record

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

const (
	// sweepMost bounds what one look deletes, so that a clock that jumps does not empty the archive at once.
	sweepMost = 200
	// spareBytes is what is made free beyond MinFree at least; of a small volume a sixteenth.
	spareBytes = 16 << 20
)

// spare is the room that is made beyond MinFree: for what comes until the next look. Recording that had no room goes
// on with half of it.
func (a *Archive) spare(total int64) int64 {
	return min(max(spareBytes, 2*a.pace.Load()), total/16)
}

// Run reads the index, then keeps the archive until ctx ends: the volume is synchronised once for all
// cameras, what is too old or too much is deleted, and a volume that failed is tried again. Trouble with the
// volume is no error of Run's: nothing is recorded until it is over.
func (a *Archive) Run(ctx context.Context) error {
	defer a.once.Do(func() { close(a.loaded) })
	var unlock func()
	defer func() {
		if unlock != nil {
			_ = a.volume.Sync() // what the recorders have finished at the end
			unlock()
		}
	}()
	var writing sync.WaitGroup
	defer writing.Wait()
	writing.Go(func() { a.crew.run(ctx) })
	ticker := time.NewTicker(a.cfg.Sync)
	defer ticker.Stop()
	for {
		if unlock == nil {
			unlock = a.begin(ctx)
		}
		if unlock != nil {
			a.tend(ctx)
		}
		select {
		case <-ticker.C:
		case <-a.kick:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// begin locks the folder, reads the index and finishes what a killed process has left. nil: it failed.
func (a *Archive) begin(ctx context.Context) (unlock func()) {
	unlock, err := a.volume.Lock()
	if err == nil {
		if err = a.Load(ctx); err != nil {
			unlock()
		}
	}
	if err != nil {
		a.become(Condition{State: Broken, Reason: err.Error()})
		return nil
	}
	a.sweep(ctx)
	a.become(Condition{State: Working})
	a.repair(ctx)
	return unlock
}

// tend is what is done every few seconds (Config.Sync).
func (a *Archive) tend(ctx context.Context) {
	if err := a.synchronise(); err != nil {
		a.become(Condition{State: Broken, Reason: err.Error()})
		return
	}
	state := a.state()
	if state == Broken {
		if err := a.volume.Probe(); err != nil && !isFull(err) {
			a.become(Condition{State: Broken, Reason: err.Error()})
			return
		}
	}
	if err := a.sweep(ctx); err != nil {
		a.become(Condition{State: Broken, Reason: err.Error()})
		return
	}
	free, total, err := a.volume.Space()
	need := a.cfg.MinFree
	if state != Working {
		need += a.spare(total) / 2
	}
	a.mu.Lock()
	a.free = free
	a.mu.Unlock()
	switch {
	case err != nil:
		a.become(Condition{State: Broken, Reason: err.Error()})
	case free < need:
		a.become(Condition{State: Full, Reason: fmt.Sprintf(
			"%s has %.1f MB free where %.1f MB are needed, and nothing more may be deleted",
			a.cfg.Dir, float64(free)/1e6, float64(need)/1e6)})
	default:
		a.become(Condition{State: Working})
		if state != Working {
			a.repair(ctx) // what could not be finished
		}
	}
}

// synchronise brings what was written since the last time to the medium.
func (a *Archive) synchronise() error {
	written := a.written.Swap(0)
	a.pace.Store(written)
	if written == 0 {
		return nil
	}
	err := a.volume.Sync()
	if err != nil {
		a.written.Add(written) // try again
	}
	return err
}

func (a *Archive) state() State {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.condition.State
}

// become takes over a condition and tells it where the state is another.
func (a *Archive) become(c Condition) {
	a.mu.Lock()
	before := a.condition
	if c.State == before.State {
		c.Since = before.Since
	} else {
		c.Since = time.Now()
	}
	a.condition = c
	told := a.told
	if c.State != told {
		a.told = c.State
	}
	a.mu.Unlock()
	a.working.Store(c.State == Working)
	if c.State != told {
		a.cfg.Changed(c)
	}
}

// sweep deletes the oldest segments while there are too old, too many or too big ones. What is read or
// written stays.
func (a *Archive) sweep(ctx context.Context) error {
	for range sweepMost {
		if ctx.Err() != nil {
			return nil
		}
		free, total, err := a.volume.Space()
		if err != nil {
			return err
		}
		cramped := free < a.cfg.MinFree+a.spare(total)
		camera, e, ok := a.surplus(cramped, time.Now().UnixMilli())
		if !ok {
			return nil
		}
		path := a.path(e.name(camera))
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		_ = os.Remove(filepath.Dir(path)) // the day, once it is empty
		if a.forget(camera, e) {
			a.mu.Lock()
			a.deleted++
			a.mu.Unlock()
		}
	}
	return nil
}

// surplus returns the oldest segment that may go, if one must.
func (a *Archive) surplus(cramped bool, now int64) (camera string, e entry, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	total := a.bytes
	for _, s := range a.shelves {
		if live, ok := s.liveEntry(); ok {
			total += live.size
		}
	}
	cramped = cramped || a.cfg.MaxBytes > 0 && total > a.cfg.MaxBytes
	for name, s := range a.shelves {
		for _, candidate := range s.entries {
			if ok && (candidate.start > e.start || candidate.start == e.start && name > camera) {
				break
			}
			old := a.cfg.MaxAge > 0 && candidate.end() < now-a.cfg.MaxAge.Milliseconds()
			if !cramped && !old {
				break
			}
			if a.pins[pin{name, candidate.start}] == 0 {
				camera, e, ok = name, candidate, true
				break
			}
		}
	}
	return camera, e, ok
}

// forget takes a segment that is gone out of the index, if it is there.
func (a *Archive) forget(camera string, e entry) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.shelf(camera)
	i := s.at(e)
	if i < 0 {
		return false
	}
	a.bytes -= s.entries[i].size
	s.bytes -= s.entries[i].size
	a.segments--
	s.entries = append(s.entries[:i], s.entries[i+1:]...)
	return true
}

// repair finishes the segments that a killed process or a power cut has left: what is not whole at their end
// is cut off, they get their table of key pictures and their length. Of those that have a length, it looks at the newest.
func (a *Archive) repair(ctx context.Context) {
	a.mu.Lock()
	var camera []string
	var entries []entry
	for name, s := range a.shelves {
		newest := int64(0)
		for _, e := range s.entries {
			newest = max(newest, e.end())
		}
		for _, e := range s.entries {
			if e.open || e.end() > newest-doubtful.Milliseconds() {
				camera, entries = append(camera, name), append(entries, e)
			}
		}
	}
	a.mu.Unlock()
	synced := time.Now()
	for i, e := range entries {
		if ctx.Err() != nil {
			return
		}
		if time.Since(synced) > a.cfg.Sync { // there may be many, and the cameras are recorded meanwhile
			_ = a.synchronise() // an error is found again when the volume is next looked after
			synced = time.Now()
		}
		if e.open || !a.complete(camera[i], e) {
			a.mend(camera[i], e)
		}
	}
}

// doubtful is how long before the newest recording of a camera one may have ended of which a power cut took the end: its
// final name can reach the medium before what was written last.
const doubtful = time.Minute

// complete tells whether the table of key pictures stands at the end of a segment, as it does where all of it is there. What
// can't be read for another reason is left alone.
func (a *Archive) complete(camera string, e entry) bool {
	r, closeFile, err := openReader(a.path(e.name(camera)), -1)
	if err != nil {
		_, disk := errors.AsType[*os.PathError](err)
		return disk
	}
	defer closeFile()
	return r.tableKeys() == nil
}

// asideExtension keeps what can't be read at all out of the index, and of what is deleted in time: it may be all that
// is left of an evening.
const asideExtension = ".damaged"

// mend makes of a file what can be made of it, and tells so.
func (a *Archive) mend(camera string, e entry) {
	path := a.path(e.name(camera))
	log := a.cfg.Log.With("camera", camera, "file", e.name(camera).path())
	if e.size == 0 { // the process ended between making and writing it
		if err := os.Remove(path); err == nil || errors.Is(err, fs.ErrNotExist) {
			a.forget(camera, e)
			return
		}
	}
	fixed, err := a.finish(camera, e)
	if err == nil {
		a.mu.Lock()
		a.shelf(camera).replace(e, fixed)
		a.bytes += fixed.size - e.size
		a.mu.Unlock()
		a.cfg.Log.Info("a recording that was cut off is finished", "camera", camera,
			"file", fixed.name(camera).path(), "seconds", fixed.length/1000, "bytes_cut", max(0, e.size-fixed.size))
		return
	}
	if errors.As(err, new(unreadable)) && os.Rename(path, path+asideExtension) == nil {
		a.forget(camera, e)
		log.Warn("a recording has no readable beginning and is put aside", "as", filepath.Base(path)+asideExtension,
			"error", err)
		return
	}
	log.Warn("a recording was not finished when the gateway was stopped, and can't be now", "error", err)
}

// unreadable is a file without a beginning: a power cut leaves one of zeros where its name reached the medium and its
// data did not.
type unreadable struct{ error }

// finish repairs one file and returns what it is then.
func (a *Archive) finish(camera string, e entry) (entry, error) {
	path := a.path(e.name(camera))
	r, closeFile, err := openReader(path, -1)
	if _, ok := errors.AsType[*os.PathError](err); err != nil && !ok { // one with a path is the disk's, and may pass
		return e, unreadable{err}
	} else if err != nil {
		return e, err
	}
	ticks, end := r.length()
	err = r.findKeys()
	closeFile()
	if err != nil {
		return e, err
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return e, err
	}
	defer f.Close()
	track := uint32(audioTrack)
	if r.format.video.Codec.IsVideo() {
		track = videoTrack
	}
	table := marshalKeys(r.keys, track)
	if err := f.Truncate(end); err != nil {
		return e, err
	}
	if _, err := f.WriteAt(table, end); err != nil {
		return e, err
	}
	if err := f.Sync(); err != nil {
		return e, err
	}
	e.size, e.length, e.open = end+int64(len(table)), milliseconds(ticks), false
	return e, os.Rename(path, a.path(e.name(camera)))
}
