package playback

import (
	"time"

	"gbgate/media"
)

const (
	// A step longer than this between neighbouring units is a gap between recordings, which nobody waits for. Between
	// key pictures it may be longer: smart codecs send one every 5–10 s.
	gapLimit    = 2 * media.Clock
	keyGapLimit = 20 * media.Clock
	// beginning is the time of the first unit that is sent: its packs' SCR, a little earlier, must not be negative.
	beginning = media.Clock
	// usualInterval is that of pictures until two of them were seen.
	usualInterval = media.Clock / 25
)

// timeline gives what is read of a recording the times it is sent with. Those only go forward, and by one interval of
// pictures over gaps between files, seeks and changes of direction: receivers take a time that steps for a fault.
type timeline struct {
	factor float64 // ticks sent for one tick read: 1, or less the faster it goes where times are those of the wall
	back   bool    // times read fall
	keys   bool    // only key pictures are read

	running bool // in and out are set
	in, out int64
	lastIn  int64 // of the newest unit, on the falling clock where back is set
	lastOut int64
	clock   int64
	picture struct {
		in, out  int64
		interval int64 // in ticks read
	}
	sound int64 // DTS sent of the newest audio
	frame int64 // interval of pictures where all are read
}

func newTimeline() *timeline {
	t := &timeline{factor: 1, lastOut: beginning - usualInterval, clock: beginning - usualInterval, frame: usualInterval}
	t.picture.interval = usualInterval
	return t
}

// turn changes how the units from now on relate to those before.
func (t *timeline) turn(factor float64, back, keys bool) {
	t.factor, t.back, t.keys, t.running = factor, back, keys, false
}

func (t *timeline) rising(dts int64) int64 {
	if t.back {
		return -dts
	}
	return dts
}

// jumps tells whether u does not follow the unit before in time.
func (t *timeline) jumps(u *media.Unit) bool {
	limit := int64(gapLimit)
	if t.keys {
		limit = keyGapLimit
	}
	step := t.rising(u.DTS) - t.lastIn
	return !t.running || step > limit || step < -gapLimit/2
}

// put gives u its times and returns the interval to the picture before it, 0 for audio.
func (t *timeline) put(u *media.Unit) time.Duration {
	in := t.rising(u.DTS)
	if t.jumps(u) {
		t.in, t.out, t.running = in, t.lastOut+int64(float64(t.frame)*min(t.factor, 1)), true
		t.picture.in = in - t.picture.interval
	}
	t.lastIn = in
	delay := int64(float64(u.PTS-u.DTS) * t.factor)
	if t.keys || delay < 0 {
		delay = 0 // nothing is between them that would be shown earlier
	}
	dts := t.out + int64(float64(in-t.in)*t.factor)
	at := dts
	interval := time.Duration(0)
	if u.Codec.IsVideo() {
		interval = t.step(in)
		dts = max(dts, t.picture.out+1)
		t.picture.out, at = dts, dts
	} else {
		dts = max(dts, t.sound+1)
		t.sound, at = dts, dts
		if u.Desc.HasVideo() { // see media.Stream: audio that is ahead does not push pictures on
			at = min(at, t.picture.out+int64(float64(t.picture.interval)*t.factor)/2)
		}
	}
	t.clock = max(at, t.clock+1)
	t.lastOut = max(t.lastOut, dts, t.clock)
	u.DTS, u.PTS, u.Clock = dts, dts+delay, t.clock
	return interval
}

// step notes a picture and returns the time since the one before it.
func (t *timeline) step(in int64) time.Duration {
	if d := in - t.picture.in; d > 0 {
		t.picture.interval = d
		if !t.keys && d <= media.Clock {
			t.frame = d
		}
	}
	t.picture.in = in
	return media.Duration(t.picture.interval)
}

// tick is the next moment on the clock, for a pack without a unit.
func (t *timeline) tick() int64 {
	t.clock++
	t.lastOut = max(t.lastOut, t.clock)
	return t.clock
}

// pace says when a unit is due.
type pace struct {
	speed float64 // ticks read in one tick of time, > 0
	in    int64   // the unit that was due at base, on the rising clock
	base  time.Time
	last  time.Time     // when the newest unit was due
	lag   time.Duration // so late a unit may be without moving what follows it
}

// due returns the time for a unit that jumps over a gap or follows the one before.
func (p *pace) due(in int64, jumps bool, frame int64) time.Time {
	now := time.Now()
	switch {
	case p.base.IsZero():
		p.base, p.in = now, in
	case jumps:
		p.base, p.in = p.last.Add(p.stretch(frame)), in
	}
	at := p.base.Add(p.stretch(in - p.in))
	if late := now.Sub(at); late > p.lag {
		p.base, at = p.base.Add(late), now
	}
	p.last = at
	return at
}

func (p *pace) stretch(n int64) time.Duration {
	return time.Duration(float64(media.Duration(n)) / p.speed)
}

// halt forgets the time: it goes on when the next unit is there.
func (p *pace) halt() { p.base = time.Time{} }
