package rtsp

import (
	"time"

	"gbgate/media"
)

const (
	// A stream starts at one second rather than at zero, so that neither the decoding times of
	// reordered pictures nor a muxer's lead run below zero.
	timelineStart = media.Clock

	jumpForward  = 3 // s: a longer step is a camera that set its clock (Tapo, Intelbras)
	jumpBackward = 1 // s: B-frames never step back this far

	rebaseMin = media.Clock / 1000 // a re-based unit comes at least 1 ms after the one before
	rebaseMax = 10 * media.Clock   // and at most 10 s, whatever the arrival times say

	stuckAfter = 5 * time.Millisecond // a timestamp that stands still for so long is no time

	// Evidence against a camera's timestamps: over this long, they advanced by less than half of it.
	evidenceTime  = 2 * time.Second
	evidenceUnits = 10
	evidencePause = 500 * time.Millisecond // a stall of the network starts the measurement anew
)

// timeline is where the tracks of a stream meet. RTP timestamps of different tracks have nothing to do
// with each other (sender reports are absent or wrong too often), so tracks are aligned at the arrival of
// their first units.
type timeline struct {
	origin time.Time
	// recorded: the packets of a recording arrive when they were recorded, so that their times follow from it alone.
	recorded bool
}

// at returns the output time of an arrival.
func (t *timeline) at(arrived time.Time) int64 {
	if t.origin.IsZero() {
		t.origin = arrived
	}
	return timelineStart + max(0, ticks(arrived.Sub(t.origin)))
}

func ticks(d time.Duration) int64 { return int64(d) * (media.Clock / 1000) / int64(time.Millisecond) }

// trackClock turns the RTP timestamps of one track into output times.
type trackClock struct {
	timeline *timeline
	rate     int64 // of the RTP timestamps, in Hz

	started bool
	rebase  bool      // the next timestamp does not continue the last one
	lastTS  uint32    // of the unit before
	arrived time.Time // of the unit before
	base    int64     // output time where units is zero
	units   int64     // RTP clock ticks since base
	high    int64     // highest output time so far

	// Cheap Xiongmai boards send a constant timestamp, or one per picture, or milliseconds.
	wall          bool // from evidenceArrived on the arrival is the time
	evidenceStart time.Time
	evidenceOut   int64
	evidenceCount int
}

// tick returns the output time of the unit with timestamp ts that came in at arrived. Reordered pictures
// step back by what their timestamps do.
func (c *trackClock) tick(ts uint32, arrived time.Time) int64 {
	if c.timeline.recorded {
		return ticks(arrived.Sub(c.timeline.origin))
	}
	if !c.started {
		c.started = true
		c.base, c.units = c.timeline.at(arrived), 0
		c.lastTS, c.arrived, c.high = ts, arrived, c.base
		c.observe(c.base, arrived)
		return c.base
	}
	delta := int64(int32(ts - c.lastTS))
	switch {
	case c.wall:
		c.base = max(c.evidenceOut+ticks(arrived.Sub(c.evidenceStart)), c.high+rebaseMin)
		c.units = 0
	case c.rebase || delta > jumpForward*c.rate || delta < -jumpBackward*c.rate:
		c.base = c.high + min(max(ticks(arrived.Sub(c.arrived)), rebaseMin), rebaseMax)
		c.units = 0
		c.evidenceCount = 0
	case delta*1000 < c.rate && -delta*1000 < c.rate && arrived.Sub(c.arrived) > stuckAfter:
		// Two pictures are not less than a millisecond apart: the timestamp stands still, counts
		// pictures or counts milliseconds (GStreamer's byte streams without times do the first).
		c.base = c.high + ticks(arrived.Sub(c.arrived))
		c.units = 0
	default:
		c.units += delta
	}
	c.rebase = false
	out := c.base + c.units*media.Clock/c.rate
	c.observe(out, arrived)
	c.lastTS, c.arrived, c.high = ts, arrived, max(c.high, out)
	return out
}

// observe compares the timestamps' advance with the clock on the wall, and gives them up when they do
// not even go half as fast. (Faster is left alone: a replay may.)
func (c *trackClock) observe(out int64, arrived time.Time) {
	if c.wall {
		return
	}
	if c.evidenceCount == 0 || arrived.Sub(c.arrived) > evidencePause {
		c.evidenceStart, c.evidenceOut, c.evidenceCount = arrived, out, 1
		return
	}
	c.evidenceCount++
	elapsed := arrived.Sub(c.evidenceStart)
	if elapsed < evidenceTime || c.evidenceCount < evidenceUnits {
		return
	}
	if 2*(out-c.evidenceOut) < ticks(elapsed) {
		c.wall = true // from the start of the evidence, so that the time lost meanwhile is made up
		return
	}
	c.evidenceStart, c.evidenceOut, c.evidenceCount = arrived, out, 1
}

// discontinuity says that the next timestamp has nothing to do with the last one.
func (c *trackClock) discontinuity() {
	c.rebase, c.wall, c.evidenceCount = true, false, 0
}

// decodeClock finds decoding times for pictures whose presentation times arrive in decoding order, since
// RTSP carries no DTS. The n-th picture to be decoded is due when the n-th picture in output order, less
// the reordering depth, is shown: the smallest of the last depth+1 presentation times.
//
// (mediacommon's DTSExtractor reads slice headers for it, allocates for each picture and gives up on
// RADL pictures and interlaced streams; the parameter sets' depth gives the same times.)
type decodeClock struct {
	depth    int
	fixed    bool // the parameter sets name the depth
	filled   bool
	window   [maxReorder + 1]int64 // depth+1 of them, rising
	interval int64                 // between pictures, for the times before the first
	last     int64
	started  bool
}

// configure sets what the SPS says: the depth (or reorderUnknown: learned as pictures step back) and the
// frame rate (0 = unknown).
func (d *decodeClock) configure(depth int, fps float64) {
	d.fixed, d.depth = depth != reorderUnknown, max(depth, 0)
	d.interval = media.Clock / 25
	if fps > 0 {
		d.interval = int64(media.Clock / fps)
	}
	d.filled = false
}

// restart begins anew at a key picture behind a gap.
func (d *decodeClock) restart() { d.filled = false }

// seek forgets what was before: times may step back.
func (d *decodeClock) seek() { d.filled, d.started = false, false }

// next returns the times of the next picture. DTS rises strictly and PTS is never before it: a picture
// that would be shown before it is decoded (reordering deeper than announced) is shown late instead.
func (d *decodeClock) next(in int64) (pts, dts int64) {
	if !d.filled {
		d.filled = true
		for i := range d.depth + 1 {
			d.window[i] = in - int64(d.depth+1-i)*d.interval
		}
	} else if !d.fixed && d.started && in <= d.last && d.depth < maxReorder {
		d.depth++
		copy(d.window[1:d.depth+1], d.window[:d.depth])
	}
	// The time in front has been given out: the new one takes its place in order.
	i := 0
	for ; i < d.depth && d.window[i+1] < in; i++ {
		d.window[i] = d.window[i+1]
	}
	d.window[i] = in
	dts = d.window[0]
	if d.started && dts <= d.last {
		dts = d.last + 1
	}
	d.started, d.last = true, dts
	return max(in, dts), dts
}

// rest returns the times of the remaining slices of the picture before.
func (d *decodeClock) rest(in int64) (pts, dts int64) {
	d.last++
	return max(in, d.last), d.last
}
