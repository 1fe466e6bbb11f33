package record

import (
	"time"

	"gbgate/media"
)

// take is what a recorder is writing: a segment and the part of it that is still in memory. Between two
// takes it remembers where the last one ended, so that nothing is recorded twice and segments that follow
// each other share their edge.
type take struct {
	kind    Kind // None: nothing is recorded
	format  *format
	segment *segment // nil until the first part is written
	part    part
	base    int64 // the stream's time at the segment's time 0
	start   int64 // ms since 1970, of the segment's time 0
	last    int64 // the stream's time of the newest unit

	over    time.Time // arrival of the newest unit
	overEnd int64     // the stream's time at which the segment before ended
	overMS  int64     // that in ms since 1970; 0: none before
}

func (t *take) recording() bool { return t.kind != None }

// begins tells whether a segment can begin with u: it is a key picture that was not recorded before.
func (t *take) begins(u *media.Unit) bool {
	again := !t.over.IsZero() && !u.Arrived.After(t.over) && t.over.Sub(u.Arrived) < time.Minute
	return (u.Key || !u.Desc.HasVideo()) && !again
}

// following is when u is shown as what ends the picture in front of it, −1: it is a jump.
func (t *take) following(u *media.Unit) int64 {
	if u.DTS <= t.last || u.DTS-t.last > gapTicks || !u.Codec.IsVideo() {
		return -1
	}
	return u.DTS
}

func (t *take) begin(u *media.Unit, kind Kind) {
	t.kind, t.base, t.last = kind, u.DTS, u.DTS
	t.format = formatOf(u)
	t.start = u.Arrived.UnixMilli()
	if t.overMS != 0 {
		// Units arrive unevenly: where this one follows the segment before, that one's end is its time.
		follows := t.overMS + (u.DTS-t.overEnd)/(media.Clock/1000)
		if u.DTS >= t.overEnd && absolute(follows-t.start) < jitter.Milliseconds() {
			t.start = follows
		}
	}
	t.add(u)
}

// add takes a unit into the part.
func (t *take) add(u *media.Unit) {
	t.over = u.Arrived
	dts := max(0, u.DTS-t.base)
	if u.Codec.IsVideo() {
		t.last = u.DTS
		t.part.add(u, dts, 0, 0)
		return
	}
	if !t.admit(u) {
		return
	}
	if !t.format.video.Codec.IsVideo() {
		t.last = u.DTS
	}
	switch u.Codec {
	case media.AAC:
		t.part.add(u, dts, aacFrame*media.Clock/t.format.audioRate(), adtsLength(u.Data))
	default:
		t.part.add(u, dts, int64(len(u.Data))*media.Clock/t.format.audioRate(), 0)
	}
}

// aacFrame is the samples in a frame of AAC-LC.
const aacFrame = 1024

// admit tells whether audio fits the segment's format, which still follows it as long as nothing is written.
func (t *take) admit(u *media.Unit) bool {
	f := t.format
	if t.segment == nil && len(t.part.frames) == 0 {
		f.setAudio(u.Desc.Audio)
		if u.Codec == media.AAC {
			f.setAAC(u.Data)
		}
	}
	return u.Codec == f.audio.Codec && len(u.Data) > 0 && (u.Codec != media.AAC || adtsLength(u.Data) < len(u.Data))
}

// adtsLength is the length of the header in front of an AAC frame.
func adtsLength(frame []byte) int {
	if len(frame) > 1 && frame[1]&1 == 0 {
		return adtsHeader + 2
	}
	return adtsHeader
}

// full tells whether the part ends in front of u: with a picture as a rule, but a camera whose encoder hangs goes on
// with sound alone, and what came must not wait in memory for a picture.
func (t *take) full(u *media.Unit) bool {
	if t.part.empty() {
		return false
	}
	if t.part.bytes()+len(u.Data) > partBytes || u.Arrived.Sub(t.part.began) >= partPatience {
		return true
	}
	leads := u.Codec.IsVideo() || !t.format.video.Codec.IsVideo()
	return leads && u.DTS-t.base-t.part.first >= partLength
}

// age is how long the segment lasts up to u.
func (t *take) age(u *media.Unit) time.Duration {
	return time.Duration(u.DTS-t.base) * (time.Second / 1000) / (media.Clock / 1000)
}

// drifted tells whether the camera's clock, or ours, has moved so far that the segment's times are no more
// those of its pictures.
func (t *take) drifted(u *media.Unit) bool {
	ms := t.start + (u.DTS-t.base)/(media.Clock/1000)
	return absolute(ms-u.Arrived.UnixMilli()) > maxDrift.Milliseconds()
}

func absolute(n int64) int64 { return max(n, -n) }

func (t *take) name(camera string) name {
	return name{camera: camera, start: t.start, length: unknown, kind: t.kind}
}

// ticks puts a time of the stream into the segment's, < 0 stays.
func (t *take) ticks(dts int64) int64 {
	if dts < 0 {
		return -1
	}
	return dts - t.base
}

// end forgets the segment but for where it ended.
func (t *take) end() {
	if t.segment != nil {
		end := t.segment.end
		t.overEnd, t.overMS = t.base+end, t.segment.name.start+end/(media.Clock/1000)
	}
	t.kind, t.segment, t.format = None, nil, nil
	t.part.reset()
	t.part = part{} // its memory too: the next one may be long in coming, or of another size
}
