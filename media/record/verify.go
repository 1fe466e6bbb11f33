package record

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"gbgate/media"
)

// Verdict is what a look into a segment has found.
type Verdict struct {
	Parts, Pictures, Keys, Sounds int
	Length                        time.Duration
	Finished                      bool  // it has its length in the name and its table of key pictures at the end
	Torn                          int64 // bytes behind the last whole part that are of no use
	Err                           error // damage; what is in front of it can be read
}

// Verify looks into a segment: the heads of all its parts, and with deep every picture too.
func (a *Archive) Verify(ctx context.Context, s Segment, deep bool) Verdict {
	var v Verdict
	n, ok := parseName(filepath.Base(s.Path))
	if !ok {
		v.Err = errors.New("the name is not that of a segment")
		return v
	}
	r, closeFile, err := openReader(a.path(n), -1)
	if err != nil {
		v.Err = plainPath(err)
		return v
	}
	defer closeFile()
	keys := v.look(ctx, r, deep)
	if v.Err != nil || n.length == unknown {
		return v
	}
	if err := r.tableKeys(); err != nil {
		v.Err = errors.New("there is no table of key pictures at its end")
		return v
	}
	if !slices.Equal(r.keys, keys) {
		v.Err = errors.New("its table of key pictures does not fit")
	}
	if d := v.Length - time.Duration(n.length)*time.Millisecond; d.Abs() > 2*time.Millisecond && v.Err == nil {
		v.Err = fmt.Errorf("it lasts %v, its name says %v", v.Length, time.Duration(n.length)*time.Millisecond)
	}
	v.Finished = v.Err == nil
	return v
}

// look counts what is in a segment, and lists its key pictures.
func (v *Verdict) look(ctx context.Context, r *reader, deep bool) (keys []keyPlace) {
	end := int64(0)
	whole, err := r.walk(func(at int64, places []place) {
		v.Parts++
		keys = r.appendKeys(keys, at, places)
		end = max(end, endOfPart(places))
		for _, p := range places {
			switch {
			case p.audio:
				v.Sounds++
			case p.key:
				v.Keys++
				fallthrough
			default:
				v.Pictures++
			}
			if !deep || v.Err != nil || ctx.Err() != nil {
				continue
			}
			u, err := r.unit(p)
			if err != nil {
				v.Err = fmt.Errorf("at %v: %w", duration(p.dts), err)
				continue
			}
			u.Release()
		}
	})
	for { // the last part is filled up to a page
		h, _, err := r.box(whole)
		if err != nil {
			break
		}
		whole += h.size
	}
	v.Length, v.Torn = duration(end), r.limit-whole
	if err != nil && v.Err == nil {
		v.Err = fmt.Errorf("at %v: %w", v.Length, err)
	}
	if v.Parts == 0 && v.Err == nil {
		v.Err = errEmpty
	}
	return keys
}

func duration(ticks int64) time.Duration {
	return time.Duration(ticks/(media.Clock/1000)) * time.Millisecond
}

// plainPath leaves the path out, which whoever asks knows.
func plainPath(err error) error {
	if e, ok := errors.AsType[*os.PathError](err); ok {
		return e.Err
	}
	return err
}

// Export is what a clip holds.
type Export struct {
	From, To         time.Time // of its first picture, and of the end of its last
	Pictures, Sounds int
	Skipped          time.Duration // gaps that it leaves out
}

// Export writes what was recorded of a camera in a span as one MP4 file: from the group of pictures that
// holds from, without the gaps. Where the stream becomes another (a new size or codec) it ends with an error
// that says when; what was written until then is whole.
func (a *Archive) Export(ctx context.Context, camera string, from, to time.Time, path string) (e Export, err error) {
	p, err := a.Open(ctx, camera, from, to)
	if err != nil {
		return e, err
	}
	defer p.Close()
	f, err := createFile(path)
	if err != nil {
		return e, err
	}
	w := &exporter{out: &segment{file: f, path: path}, export: &e}
	for err == nil {
		var u *media.Unit
		if u, err = p.Read(ctx); err == nil {
			err = w.add(u)
			u.Release()
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	err = errors.Join(err, w.flush(-1), w.end(), f.Close())
	if w.out.size == 0 {
		return e, errors.Join(err, os.Remove(path))
	}
	return e, err
}

// exporter makes one file of a recording.
type exporter struct {
	take   take
	newest int64 // the stream's time of the newest unit, of whichever track
	out    *segment
	export *Export
}

func (w *exporter) add(u *media.Unit) error {
	t := &w.take
	if !t.recording() {
		if !u.Key && u.Desc.HasVideo() {
			return nil
		}
		t.begin(u, Time)
		w.newest = u.DTS
		w.export.From = u.Arrived
		w.count(u)
		return nil
	}
	if (u.Key || !u.Desc.HasVideo()) && !t.format.continues(u) {
		return fmt.Errorf("the stream is another from %s on: export the rest from there", u.Arrived.Format(time.RFC3339))
	}
	next := t.following(u)
	// Sound without pictures is no gap: a camera whose encoder hangs goes on with it.
	if u.DTS-w.newest > gapTicks {
		gap := u.DTS - w.newest - media.Clock/25
		if err := w.flush(-1); err != nil {
			return err
		}
		t.base += gap
		w.export.Skipped += duration(gap)
	} else if t.full(u) {
		if err := w.flush(next); err != nil {
			return err
		}
	}
	w.newest = max(w.newest, u.DTS)
	t.add(u)
	w.count(u)
	return nil
}

func (w *exporter) count(u *media.Unit) {
	w.export.To = u.Arrived
	if u.Codec.IsVideo() {
		w.export.Pictures++
	} else {
		w.export.Sounds++
	}
}

func (w *exporter) flush(next int64) error {
	t := &w.take
	if t.part.empty() {
		return nil
	}
	t.segment, w.out.format = w.out, t.format
	return w.out.append(&t.part, t.ticks(next))
}

func (w *exporter) end() error {
	if w.out.size == 0 {
		return nil
	}
	return w.out.write(marshalKeys(w.out.keys, w.out.track()))
}
