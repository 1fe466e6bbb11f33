package record

import (
	"bytes"
	"encoding/binary"
	"slices"
	"time"

	"gbgate/media"
)

// sample is one unit in a part.
type sample struct {
	dts, pts int64 // ticks since the segment's start
	duration int64 // ticks
	size     int32
	key      bool
}

// part gathers up to a second of units and becomes one moof with its mdat, written with one call. The pictures stay
// where they are, in their units: the kernel gathers them from there, so that only it copies them.
type part struct {
	held     []*media.Unit // retained for the pictures' sake
	data     [][]byte      // the pictures: by turns the length of a NAL unit, and it
	lengths  []byte        // where those lengths are
	sounds   []byte        // the audio, which follows the pictures in the mdat
	pictures []sample
	frames   []sample
	video    int       // bytes of the pictures
	first    int64     // dts of the first unit
	began    time.Time // its arrival
	interval int64     // between the last two pictures, also of the parts before
	head     []byte
	tail     []byte
}

// maxNALs is how many pieces a picture is written as; one of more is copied.
const maxNALs = 32

func (p *part) empty() bool { return len(p.pictures) == 0 && len(p.frames) == 0 }

// units is how many are in it.
func (p *part) units() int { return len(p.pictures) + len(p.frames) }

func (p *part) bytes() int { return p.video + len(p.sounds) }

// add takes a unit in at dts. adts is the length of the header that an AAC frame loses.
func (p *part) add(u *media.Unit, dts, duration int64, adts int) {
	if p.empty() {
		p.first, p.began = dts, u.Arrived
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
		p.interval = dts - p.pictures[n-1].dts
		p.pictures[n-1].duration = p.interval
	}
	s.size = int32(len(u.Data))
	p.pictures = append(p.pictures, s)
	p.video += len(u.Data)
	p.lay(u)
}

// lay takes a picture's NAL units with their lengths in front, where the unit has start codes.
func (p *part) lay(u *media.Unit) {
	data, lengths := len(p.data), len(p.lengths)
	for rest := u.Data; len(rest) >= len(startCode); {
		n := nalLength(rest)
		if len(p.data) >= data+2*maxNALs {
			p.data, p.lengths = p.data[:data], p.lengths[:lengths]
			whole := bytes.Clone(u.Data)
			toLengths(whole)
			p.data = append(p.data, whole)
			return
		}
		at := len(p.lengths)
		p.lengths = binary.BigEndian.AppendUint32(p.lengths, uint32(n))
		p.data = append(p.data, p.lengths[at:], rest[len(startCode):][:n])
		rest = rest[len(startCode)+n:]
	}
	u.Retain()
	p.held = append(p.held, u)
}

// nalLength is that of the NAL unit behind the start code with which data begins.
func nalLength(data []byte) int {
	if n := bytes.Index(data[len(startCode):], startCode); n >= 0 {
		return n
	}
	return len(data) - len(startCode)
}

// toLengths replaces the start codes of Annex B data by the lengths of the NAL units, in place.
func toLengths(data []byte) {
	for len(data) >= len(startCode) {
		n := nalLength(data)
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

// finish returns the part's pieces for a file in which they come at offset, valid until reset. next is the dts of the
// picture that follows, < 0: not known.
func (p *part) finish(f *format, sequence uint32, offset, next int64) (pieces [][]byte, size int64) {
	if n := len(p.pictures); n > 0 {
		p.interval = p.last(next)
		p.pictures[n-1].duration = p.interval
	}
	head := p.moof(f, sequence, p.video)
	size = int64(len(head) + p.bytes())
	p.tail = append(p.tail[:0], p.sounds...)
	// Where it costs little, the next part begins on a page of its own, so that a sync in between does not
	// make flash write a page twice.
	if n := padding(offset + size); n <= size/16 {
		p.tail = appendFree(p.tail, int(n))
		size += n
	}
	return slices.Concat([][]byte{head}, p.data, [][]byte{p.tail}), size
}

// last is how long the last picture is shown: until next, or as long as the one before it.
func (p *part) last(next int64) int64 {
	if n := len(p.pictures); n > 0 && next > p.pictures[n-1].dts {
		return next - p.pictures[n-1].dts
	}
	return min(p.interval, media.Clock)
}

// reset forgets what was added.
func (p *part) reset() {
	for i, u := range p.held {
		u.Release()
		p.held[i] = nil
	}
	clear(p.data)
	p.held, p.data, p.lengths, p.sounds = p.held[:0], p.data[:0], p.lengths[:0], p.sounds[:0]
	p.pictures, p.frames, p.video = p.pictures[:0], p.frames[:0], 0
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
