package record

import (
	"errors"
	"time"
)

// flush writes out what is in memory. next is the time of the unit that follows, < 0: not known. r.disk is held, and
// the stream's writer does not touch the take, since Run is outside of Read.
func (r *Recorder) flush(next int64) {
	t := &r.take
	if t.part.empty() && !r.full.waits {
		return
	}
	if t.segment == nil {
		s, err := newSegment(r.archive.cfg.Dir, t.name(r.camera), t.format, r.archive.volume.Create)
		if err != nil {
			r.abandon(err)
			return
		}
		t.segment = s
		r.archive.began(r.camera, s)
	}
	if r.full.waits {
		if err := r.write(&r.full.part, r.full.next); err != nil {
			r.abandon(err)
			return
		}
		r.full.waits = false
	}
	if t.part.empty() {
		return
	}
	if err := r.write(&t.part, t.ticks(next)); err != nil {
		r.abandon(err)
	}
}

// write appends a part to the segment. r.disk is held.
func (r *Recorder) write(p *part, next int64) error {
	s := r.take.segment
	before := s.size
	if err := s.append(p, next); err != nil {
		return err
	}
	r.archive.written.Add(s.size - before)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stats.Err != nil {
		r.log.Info("camera is recorded again")
	}
	r.stats.Err = nil
	r.stats.Parts++
	r.stats.Bytes += uint64(s.size - before)
	r.stats.Recording, r.stats.Since = r.take.kind, time.UnixMilli(s.name.start)
	return nil
}

// close ends the segment, if there is one. r.disk is held.
func (r *Recorder) close(next int64) {
	r.mu.Lock()
	broken := r.broken
	r.mu.Unlock()
	if broken {
		r.abandon(nil)
		return
	}
	r.flush(next)
	t := &r.take
	if t.segment != nil {
		if err := r.archive.ended(r.camera, t.segment); err != nil {
			r.fail(err)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	t.end()
	r.stats.Recording, r.stats.Since = None, time.Time{}
}

// abandon ends the segment as it is, because the volume (err nil: as others have found) or the camera does
// not let it go on. r.disk is held.
func (r *Recorder) abandon(err error) {
	t := &r.take
	lost := t.part.units() + r.full.part.units()
	if err != nil {
		r.fail(err)
	}
	if t.segment != nil {
		_ = r.archive.ended(r.camera, t.segment)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stats.Lost += uint64(lost)
	r.stats.Recording, r.stats.Since = None, time.Time{}
	r.full.reset()
	r.broken = false
	t.end()
}

func (r *Recorder) fail(err error) {
	var format formatError
	if !errors.As(err, &format) {
		r.archive.failed(err)
	}
	r.mu.Lock()
	again := r.stats.Err != nil && r.stats.Err.Error() == err.Error()
	r.stats.Err = err
	r.mu.Unlock()
	if !again {
		r.log.Error("camera is not recorded", "reason", err.Error())
	}
}
