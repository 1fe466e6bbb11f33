package record

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"time"

	"gbgate/media"
)

// maxAllUnits is the scale up to which Read returns every picture; above it, key pictures only.
const maxAllUnits = 4

// Player reads what was recorded of a camera in a span. One goroutine uses it.
type Player struct {
	archive  *Archive
	camera   string
	from, to int64 // ms since 1970

	mode  mode
	sound bool
	at    seat
	start int64 // ms since 1970: the place that was asked for, until it is found
	lost  bool  // start is to be found first

	lastEnd int64 // ticks: the end of the newest picture, for times that never step back
	fresh   bool  // nothing was read since Play
	desc    *media.Description
}

// mode is which units are read, and which way.
type mode uint8

const (
	allUnits mode = iota
	keysForward
	keysBackward
)

// Open begins to read what was recorded of a camera between from and to; to zero: to the end. Where nothing
// is, the error is ErrNothing.
func (a *Archive) Open(ctx context.Context, camera string, from, to time.Time) (*Player, error) {
	p := &Player{archive: a, camera: camera, from: from.UnixMilli(), to: math.MaxInt64}
	if !to.IsZero() {
		p.to = to.UnixMilli()
	}
	if p.to <= p.from {
		return nil, fmt.Errorf("%w: the span ends before it begins", ErrNothing)
	}
	if err := a.ready(ctx); err != nil { // reading goes by the index
		return nil, err
	}
	found, err := a.find(ctx, camera, p.from, p.to, 1)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, ErrNothing
	}
	return p, p.Play(ctx, from, 1)
}

// Play says what Read returns from now on: from the group of pictures that holds at; all units for scales
// above 0 and up to 4, key pictures only above that, key pictures backwards below 0. Audio comes at scale 1
// only.
func (p *Player) Play(_ context.Context, at time.Time, scale float64) error {
	if scale == 0 || math.IsNaN(scale) {
		return errors.New("a scale of 0 is a pause")
	}
	p.release()
	p.start, p.lost, p.fresh = min(max(at.UnixMilli(), p.from), p.to), true, true
	p.sound = scale == 1
	switch {
	case scale < 0:
		p.mode = keysBackward
	case scale > maxAllUnits:
		p.mode = keysForward
	default:
		p.mode = allUnits
	}
	p.desc, p.lastEnd = nil, math.MinInt64/2 // none: sound may be all that is read before the next segment
	return nil
}

// Close gives the files back.
func (p *Player) Close() error {
	p.release()
	p.lost = false
	return nil
}

func (p *Player) release() {
	if p.at.close != nil {
		p.at.close()
	}
	p.at = seat{buffer: p.at.buffer[:0]}
}

// Read returns the next unit. A unit's Arrived is when it was recorded; its times are ticks since the span's
// beginning, negative in front of it. What can't be read is left out: after a damaged picture it goes on at the next
// key picture, and a file without a readable beginning is passed over.
func (p *Player) Read(ctx context.Context) (*media.Unit, error) {
	for {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if p.lost {
			p.lost = false
			if err := p.locate(); err != nil {
				return nil, err
			}
		}
		u, err := p.read()
		switch {
		case err == nil:
			return u, nil
		case errors.Is(err, errSpanEnd):
			return nil, io.EOF
		case errors.As(err, new(damage)):
			p.warn(err)
			continue
		case !errors.Is(err, io.EOF):
			p.warn(err)
		}
		if err := p.turn(); err != nil {
			return nil, err
		}
	}
}

// damage is what reading has gone on behind.
type damage struct{ error }

// warn tells once of each file that something in it can't be read.
func (p *Player) warn(err error) {
	if p.at.told {
		return
	}
	p.at.told = true
	p.archive.cfg.Log.Warn("a part of a recording can't be read", "camera", p.camera,
		"file", p.at.entry.name(p.camera).path(), "error", err)
}

var errSpanEnd = errors.New("end of the span")

// locate opens the segment that holds start and stands at the key picture there.
func (p *Player) locate() error {
	if p.start >= p.to && p.mode != keysBackward {
		return io.EOF
	}
	a := p.archive
	a.mu.Lock()
	e, live, ok := a.shelf(p.camera).holding(p.start, p.mode == keysBackward)
	a.mu.Unlock()
	if !ok {
		return io.EOF
	}
	for {
		err := p.enter(e, live)
		if err == nil {
			break
		}
		if e, live, err = p.neighbour(e, err); err != nil {
			return err
		}
	}
	p.stand((p.start - p.at.entry.start) * (media.Clock / 1000))
	return nil
}

// holding returns the segment that is to be entered for a moment: the one that lasts then, else the next in
// the direction.
func (s *shelf) holding(at int64, backward bool) (e entry, live *segment, ok bool) {
	// The one that starts last at or before the moment, if it lasts then.
	e, live, ok = s.previous(at + 1)
	if ok && (e.end() > at || backward) {
		return e, live, true
	}
	// Where the clock was set back, an earlier one may.
	for i := s.since(at); i < len(s.entries) && s.entries[i].start <= at; i++ {
		if s.entries[i].end() > at {
			return s.entries[i], nil, true
		}
	}
	if backward {
		return e, live, ok
	}
	return s.next(at)
}

// neighbour returns the segment after (backwards: before) e, and err itself where that is not about the
// file; io.EOF: there is none.
func (p *Player) neighbour(e entry, err error) (entry, *segment, error) {
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		p.archive.cfg.Log.Warn("a recording can't be read", "camera", p.camera, "error", err)
	}
	a := p.archive
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.shelf(p.camera)
	var next entry
	var live *segment
	var ok bool
	if p.mode == keysBackward {
		next, live, ok = s.previous(e.start)
		ok = ok && next.end() > p.from
	} else {
		next, live, ok = s.next(e.start)
		ok = ok && next.start < p.to
	}
	if !ok {
		return entry{}, nil, io.EOF
	}
	return next, live, nil
}

// turn goes to the next segment, or on in the one that is being written. io.EOF: there is nothing more yet.
func (p *Player) turn() error {
	if p.at.reader == nil {
		return io.EOF
	}
	if p.mode != keysBackward && p.grown() {
		return nil
	}
	e, live := p.at.entry, (*segment)(nil)
	var err error
	for {
		if e, live, err = p.neighbour(e, err); err != nil {
			return err
		}
		if err = p.enter(e, live); err == nil {
			break
		}
	}
	if p.mode == keysBackward {
		p.at.key = len(p.at.reader.keys) - 1
		return nil
	}
	p.at.key = 0
	p.join()
	return nil
}

// ticks puts a time of the present segment onto the span's clock.
func (p *Player) ticks(t int64) int64 {
	return (p.at.entry.start-p.from)*(media.Clock/1000) + t + p.at.shift
}

// read returns the next unit of the present segment. io.EOF: it has no more.
func (p *Player) read() (*media.Unit, error) {
	for p.at.reader != nil {
		s, err := p.sample()
		if err != nil {
			if p.pastPart(err) {
				err = damage{err}
			}
			return nil, err
		}
		wall := p.at.entry.start + s.dts/(media.Clock/1000)
		switch {
		case p.mode != keysBackward && wall >= p.to:
			return nil, errSpanEnd
		case p.mode == keysBackward && wall < p.from && !p.fresh:
			return nil, errSpanEnd
		case s.audio && !p.sound && p.at.reader.format.video.Codec.IsVideo():
			continue
		}
		u, err := p.unit(s)
		if err != nil {
			p.pastSample(s)
			return nil, damage{err}
		}
		return u, nil
	}
	return nil, io.EOF
}

// unit reads a sample and gives it its times.
func (p *Player) unit(s place) (*media.Unit, error) {
	u, err := p.at.reader.unit(s)
	if err != nil {
		return nil, err
	}
	u.DTS, u.PTS = p.ticks(s.dts), p.ticks(s.pts)
	u.Arrived = time.UnixMilli(p.at.entry.start).Add(time.Duration(s.dts) * (time.Second / 1000) / (media.Clock / 1000))
	u.Desc = p.at.silent
	if p.sound {
		u.Desc = p.at.desc
	}
	if p.desc != nil && *p.desc == *u.Desc {
		u.Desc = p.desc
	}
	u.Announce = u.Desc != p.desc
	p.desc, p.fresh = u.Desc, false
	if !s.audio || !p.at.reader.format.video.Codec.IsVideo() {
		p.lastEnd = u.DTS + s.duration
	}
	return u, nil
}

// Extent counts what the span holds, from the group of pictures at its beginning, without reading the media.
func (p *Player) Extent(ctx context.Context) (media.Extent, bool) {
	var sum media.Extent
	q := &Player{archive: p.archive, camera: p.camera, from: p.from, to: p.to, sound: true}
	defer q.release()
	if q.Play(ctx, time.UnixMilli(p.from), 1) != nil {
		return sum, false
	}
	if q.locate() != nil {
		return sum, false
	}
	for ctx.Err() == nil {
		s, err := q.sample()
		if err != nil {
			if !q.pastPart(err) && q.turn() != nil {
				return sum, true
			}
			continue
		}
		if q.at.entry.start+s.dts/(media.Clock/1000) >= q.to {
			return sum, true
		}
		q.fresh = false
		q.lastEnd = max(q.lastEnd, q.ticks(s.dts)+s.duration)
		q.count(&sum, s)
	}
	return sum, false
}

func (p *Player) count(sum *media.Extent, s place) {
	if !s.audio {
		sum.VideoUnits++
		sum.VideoBytes += int64(s.size)
		if s.key {
			sum.KeyUnits++
		}
		return
	}
	sum.AudioUnits++
	sum.AudioBytes += int64(s.size)
	if p.at.reader.format.audio.Codec == media.AAC {
		sum.AudioBytes += adtsHeader
	}
}
