package record

import (
	"bytes"
	"encoding/binary"
	"slices"

	"gbgate/media"
)

// sample is one unit in a part.
type sample struct {
	dts, pts int64 // ticks since the segment's start
	duration int64 // ticks
	size     int32
	key      bool
}

// part gathers up to a second of units and becomes one moof with its mdat, written with one call. The
// pictures are laid down where they will be in the file, so they are copied once, while the processor still
// has them at hand.
type part struct {
	room     int    // left free in front of the pictures for the boxes' heads
	buf      []byte // room, then the pictures
	sounds   []byte // the audio, which follows the pictures in the mdat
	pictures []sample
	frames   []sample
	first    int64 // dts of the first unit
	head     []byte
}

const (
	firstRoom  = 2048
	entryBytes = 16 // of a sample in a trun
	moofBytes  = 8 + 16 + 2*(8+16+20+20)
)

func (p *part) empty() bool { return len(p.pictures) == 0 && len(p.frames) == 0 }

func (p *part) bytes() int { return max(0, len(p.buf)-p.room) + len(p.sounds) }

// add takes a unit in at dts. adts is the length of the header that an AAC frame loses.
func (p *part) add(u *media.Unit, dts, duration int64, adts int) {
	if p.empty() {
		p.first = dts
	}
	s := sample{dts: dts, pts: dts + u.PTS - u.DTS, duration: duration, key: u.Key}
	if !u.Codec.IsVideo() {
		data := u.Data[adts:]
		s.size, s.pts = int32(len(data)), dts
		if n := len(p.frames); n > 0 && dts-p.frames[n-1].dts > p.frames[n-1].duration*3/2 {
			p.frames[n-1].duration = dts - p.frames[n-1].dts // some are missing
		}
		p.sounds = append(p.sounds, data...)
		p.frames = append(p.frames, s)
		return
	}
	if n := len(p.pictures); n > 0 {
		p.pictures[n-1].duration = dts - p.pictures[n-1].dts
	}
	s.size = int32(len(u.Data))
	p.pictures = append(p.pictures, s)
	if len(p.buf) == 0 {
		p.room = max(p.room, firstRoom)
		p.buf = append(p.buf, make([]byte, p.room)...)
	}
	at := len(p.buf)
	p.buf = append(p.buf, u.Data...)
	toLengths(p.buf[at:])
}

// toLengths replaces the start codes of Annex B data by the lengths of the NAL units, in place.
func toLengths(data []byte) {
	for len(data) >= len(startCode) {
		n := bytes.Index(data[len(startCode):], startCode)
		if n < 0 {
			n = len(data) - len(startCode)
		}
		binary.BigEndian.PutUint32(data, uint32(n))
		data = data[len(startCode)+n:]
	}
}

// toStartCodes is the inverse; false: the lengths do not add up.
func toStartCodes(data []byte) bool {
	for len(data) > 0 {
		if len(data) < len(startCode) {
			return false
		}
		n := binary.BigEndian.Uint32(data)
		if uint64(n) > uint64(len(data)-len(startCode)) {
			return false
		}
		copy(data, startCode)
		data = data[len(startCode)+int(n):]
	}
	return true
}

// finish returns the part's bytes for a file in which they come at offset, valid until the next add, and
// begins anew. next is the dts of the picture that follows, < 0: not known.
func (p *part) finish(f *format, sequence uint32, offset, next int64) []byte {
	if n := len(p.pictures); n > 0 {
		switch last := &p.pictures[n-1]; {
		case next > last.dts:
			last.duration = next - last.dts
		case n > 1:
			last.duration = p.pictures[n-2].duration
		}
	}
	p.makeRoom(moofBytes + entryBytes*(len(p.pictures)+len(p.frames)) + boxHeader)
	video := len(p.buf) - p.room
	p.buf = slices.Grow(p.buf, len(p.sounds)+page+boxHeader) // and for what pad appends
	p.buf = append(p.buf, p.sounds...)
	head := p.moof(f, sequence, video)
	start := p.room - len(head)
	copy(p.buf[start:], head)
	b := p.buf[start:]
	// Where it costs little, the next part begins on a page of its own, so that a sync in between does not
	// make flash write a page twice.
	if padded := pad(b, offset); len(padded)-len(b) <= len(b)/16 {
		b = padded
	}
	p.reset()
	return b
}

// reset forgets what was added.
func (p *part) reset() {
	p.buf, p.sounds, p.pictures, p.frames = p.buf[:0], p.sounds[:0], p.pictures[:0], p.frames[:0]
}

// makeRoom sees to it that there are need bytes in front of the pictures.
func (p *part) makeRoom(need int) {
	if len(p.buf) == 0 {
		p.room = max(p.room, need)
		p.buf = append(p.buf, make([]byte, p.room)...)
		return
	}
	if need <= p.room {
		return
	}
	bigger := make([]byte, need+len(p.buf)-p.room, need+cap(p.buf))
	copy(bigger[need:], p.buf[p.room:])
	p.buf, p.room = bigger, need
}

// moof returns the moof box and the head of the mdat, which begins with so many bytes of video.
func (p *part) moof(f *format, sequence uint32, video int) []byte {
	b, moof := openBox(p.head[:0], "moof")
	b, at := openFullBox(b, "mfhd", 0, 0)
	b = binary.BigEndian.AppendUint32(b, sequence)
	closeBox(b, at)
	pictures, frames := -1, -1 // where the data offsets stand
	if len(p.pictures) > 0 {
		b, pictures = appendTraf(b, videoTrack, p.pictures, media.Clock)
	}
	if len(p.frames) > 0 {
		b, frames = appendTraf(b, audioTrack, p.frames, f.audioRate())
	}
	closeBox(b, moof)
	data := len(b) + boxHeader
	if pictures >= 0 {
		binary.BigEndian.PutUint32(b[pictures:], uint32(data))
	}
	if frames >= 0 {
		binary.BigEndian.PutUint32(b[frames:], uint32(data+video))
	}
	b = binary.BigEndian.AppendUint32(b, uint32(boxHeader+video+len(p.sounds)))
	p.head = append(b, "mdat"...)
	return p.head
}

// The flags of trun and tfhd (ISO/IEC 14496-12 8.8.7, 8.8.8).
const (
	trunOffset      = 0x001
	trunFirstFlags  = 0x004
	trunDuration    = 0x100
	trunSize        = 0x200
	trunFlags       = 0x400
	trunComposition = 0x800

	tfhdBase        = 0x01
	tfhdDescription = 0x02
	tfhdDuration    = 0x08
	tfhdSize        = 0x10
	tfhdFlags       = 0x20
	tfhdBaseIsMoof  = 0x020000

	nonSync    = 0x01010000 // depends on others, is no sync sample
	syncSample = 0x02000000 // depends on none
	isNonSync  = 0x00010000
)

// appendTraf appends one track's samples and returns where its data offset stands.
func appendTraf(b []byte, track uint32, samples []sample, rate int64) (out []byte, place int) {
	b, traf := openBox(b, "traf")
	b, at := openFullBox(b, "tfhd", 0, tfhdBaseIsMoof)
	b = binary.BigEndian.AppendUint32(b, track)
	closeBox(b, at)
	b, at = openFullBox(b, "tfdt", 1, 0)
	b = binary.BigEndian.AppendUint64(b, uint64(max(0, scaled(samples[0].dts, rate, media.Clock))))
	closeBox(b, at)
	flags := uint32(trunOffset | trunDuration | trunSize | trunFlags)
	for _, s := range samples {
		if s.pts != s.dts {
			flags |= trunComposition
			break
		}
	}
	b, at = openFullBox(b, "trun", 1, flags)
	b = binary.BigEndian.AppendUint32(b, uint32(len(samples)))
	place = len(b)
	b = binary.BigEndian.AppendUint32(b, 0)
	for _, s := range samples {
		b = binary.BigEndian.AppendUint32(b, uint32(scaled(s.duration, rate, media.Clock)))
		b = binary.BigEndian.AppendUint32(b, uint32(s.size))
		kind := uint32(nonSync)
		if s.key || track == audioTrack {
			kind = syncSample
		}
		b = binary.BigEndian.AppendUint32(b, kind)
		if flags&trunComposition != 0 {
			b = binary.BigEndian.AppendUint32(b, uint32(int32(s.pts-s.dts)))
		}
	}
	closeBox(b, at)
	closeBox(b, traf)
	return b, place
}

// scaled converts a time from one scale to another, to the nearest.
func scaled(t, to, from int64) int64 {
	if to == from {
		return t
	}
	whole, rest := t/from, t%from
	return whole*to + (rest*to+from/2)/from
}
