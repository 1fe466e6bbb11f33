package record

import (
	"errors"
	"io"
	"io/fs"
	"math"
	"time"

	"gbgate/media"
)

// seat is where a Player is.
type seat struct {
	entry  entry
	reader *reader // nil: none is open
	live   *segment
	close  func()
	desc   *media.Description // with audio if the segment has it
	silent *media.Description // without
	shift  int64              // ticks added to the segment's times

	key    int // index of the next key picture: in the modes that read those
	offset int64
	places []place // of the part, those still to be read
	buffer []place

	waiting bool // for a key picture: what comes in front of it was not read
	resumed int  // index of the first key picture that reading may go on at after damage
	told    bool // that something here is damaged
}

// stand goes to the last key picture at or before t (ticks of the segment), or to the first there is.
func (p *Player) stand(t int64) {
	c := &p.at
	key := c.reader.keyBefore(t)
	if p.mode != keysBackward {
		key = max(key, 0)
	}
	c.key = key
	if p.mode == allUnits {
		c.offset = c.reader.first
		if key < len(c.reader.keys) {
			c.standAt(c.reader.keys[key])
			if t-c.reader.keys[key].pts > longGroup {
				c.pass(t, c.reader.keys[key])
			}
		}
	}
}

// longGroup is longer than groups of pictures are; so far behind a key picture it is looked whether pictures came at
// all.
const longGroup = 20 * media.Clock

// pass goes on to the part that holds t where the camera has sent sound only for a while before it: nobody who asks for
// the sound of nine o'clock wants to see the picture at which the camera stopped at eight.
func (c *seat) pass(t int64, key keyPlace) {
	var places []place
	holds, newest, offset := int64(-1), key.pts, key.offset
	for range maxParts {
		var at, next int64
		var err error
		places, at, next, err = c.reader.part(offset, places[:0])
		if err != nil || len(places) == 0 || places[0].dts > t {
			break
		}
		for _, s := range places {
			if !s.audio && s.dts <= t {
				newest = s.dts
			}
		}
		holds, offset = at, next
	}
	if holds >= 0 && t-newest > gapTicks {
		c.offset, c.places, c.waiting = holds, nil, true
	}
}

// standAt lets allUnits go on with a key picture.
func (c *seat) standAt(k keyPlace) {
	c.offset = k.offset
	c.places = c.part(c.offset)
	c.skipTo(k.sample)
}

// resume goes on behind what is damaged, at the next key picture that ok takes; false: there is none. The index only
// rises, so that it ends whatever stands in the file's table.
func (c *seat) resume(ok func(keyPlace) bool) bool {
	for i := c.resumed; i < len(c.reader.keys); i++ {
		if k := c.reader.keys[i]; k.offset < c.reader.limit && ok(k) {
			c.resumed = i + 1
			c.standAt(k)
			return true
		}
	}
	return false
}

// pastPart leaves out the part that could not be read.
func (p *Player) pastPart(err error) bool {
	if p.mode != allUnits {
		return !errors.Is(err, io.EOF) // sample has moved on
	}
	offset := p.at.offset
	return p.at.resume(func(k keyPlace) bool { return k.offset > offset })
}

// pastSample leaves out a sample that could not be read, and the pictures that are made of it.
func (p *Player) pastSample(s place) {
	c := &p.at
	if p.mode != allUnits || s.audio {
		return // sample has moved on
	}
	if !c.resume(func(k keyPlace) bool { return k.pts > s.pts }) {
		c.offset, c.places = c.reader.limit, nil
	}
}

// part reads the heads of a part's samples; none where that fails, which the next read finds out.
func (c *seat) part(offset int64) []place {
	places, _, next, err := c.reader.part(offset, c.buffer[:0])
	if err != nil {
		return nil
	}
	c.buffer, c.offset = places, next
	return places
}

// skipTo leaves out what is in front of the n-th picture (or audio frame, where there are no pictures).
func (c *seat) skipTo(n int) {
	video := c.reader.format.video.Codec.IsVideo()
	for i, s := range c.places {
		if s.audio != video {
			if n == 0 {
				c.places = c.places[i:]
				return
			}
			n--
		}
	}
}

// renamePause is more than lies between a file's new name and the index's.
const renamePause = 5 * time.Millisecond

// enter opens a segment. p.at is the place before.
func (p *Player) enter(e entry, live *segment) error {
	r, closeFile, err := p.archive.open(p.camera, e, live)
	// It may have got its final name since it was looked up, or even be about to in the index.
	for tries := 0; errors.Is(err, fs.ErrNotExist) && tries < 2; tries++ {
		time.Sleep(time.Duration(tries) * renamePause)
		var ok bool
		if e, live, ok = p.archive.starting(p.camera, e.start); !ok {
			return err
		}
		r, closeFile, err = p.archive.open(p.camera, e, live)
	}
	if err != nil {
		return err
	}
	if live != nil {
		r.keys = live.progress(0).keys
	} else if err = r.findKeys(); err != nil && len(r.keys) == 0 {
		closeFile()
		return err
	}
	p.release()
	p.at.entry, p.at.reader, p.at.live, p.at.close = e, r, live, closeFile
	p.at.offset = r.first
	p.at.desc, p.at.silent = r.description(), r.description()
	p.at.silent.Audio = media.Track{}
	if !p.at.silent.HasVideo() {
		p.at.silent = p.at.desc
	}
	return nil
}

// description tells what the segment holds; its frame rate is that of the first part.
func (r *reader) description() *media.Description {
	d := &media.Description{Video: r.format.video, Audio: r.format.audio}
	places, _, _, err := r.part(r.first, nil)
	if err != nil {
		return d
	}
	ticks, n := int64(0), 0
	for _, s := range places {
		if !s.audio {
			ticks += s.duration
			n++
		}
	}
	if ticks > 0 {
		d.Video.FPS = math.Round(100*float64(n)*media.Clock/float64(ticks)) / 100
	}
	return d
}

// join keeps the times rising over the edge of two segments: names hold milliseconds only, and where the
// clock was set back the next segment begins before the last one ended.
func (p *Player) join() {
	c := &p.at
	begin := p.ticks(0)
	over := p.lastEnd - begin
	if p.fresh || over <= 0 {
		return
	}
	if over <= media.Clock {
		c.shift = over
		return
	}
	// What was seen already is left out.
	for i, k := range c.reader.keys {
		if k.pts >= over {
			p.stand(c.reader.keys[i].pts)
			return
		}
	}
	c.key, c.offset, c.places = len(c.reader.keys), c.reader.limit, nil
}

// grown tells whether the segment that is being written has more by now.
func (p *Player) grown() bool {
	c := &p.at
	if c.live == nil {
		return false
	}
	now := c.live.progress(len(c.reader.keys))
	if now.size <= c.reader.limit {
		return false
	}
	c.reader.limit = now.size
	c.reader.keys = append(c.reader.keys, now.keys...)
	return true
}

// sample returns the next sample to be read.
func (p *Player) sample() (place, error) {
	c := &p.at
	if p.mode == allUnits {
		return c.following()
	}
	if c.key < 0 || c.key >= len(c.reader.keys) {
		return place{}, io.EOF
	}
	k := c.reader.keys[c.key]
	if p.mode == keysBackward {
		c.key--
	} else {
		c.key++
	}
	places, _, _, err := c.reader.part(k.offset, c.buffer[:0])
	if err != nil {
		return place{}, plainEOF(err)
	}
	c.buffer, c.places = places, places
	c.skipTo(k.sample)
	if len(c.places) == 0 {
		return place{}, errBox
	}
	return c.places[0], nil
}

// following returns the next sample of all.
func (c *seat) following() (place, error) {
	for {
		for len(c.places) == 0 {
			places, _, next, err := c.reader.part(c.offset, c.buffer[:0])
			if err != nil {
				return place{}, err
			}
			c.places, c.buffer, c.offset = places, places, next
		}
		s := c.places[0]
		c.places = c.places[1:]
		if c.waiting && !s.audio {
			if !s.key {
				continue
			}
			c.waiting = false
		}
		return s, nil
	}
}
