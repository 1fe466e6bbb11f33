package rtsp

import (
	"time"

	"gbgate/media"
)

const (
	maxUnitSize = 8 << 20 // bytes of one access unit
	maxUnitNALs = 512     // NAL units of one access unit
	keepScratch = 64 << 10

	// recoveryAfter is half of the default time after which a session without pictures is given up.
	recoveryAfter = 5 * time.Second
	// While pictures flow, a stream that had an IDR picture gets this long for the next one, and as long as its longest
	// group of pictures, at least that of most cameras. One with gradual refresh may send IDR pictures on request, very
	// seldom: so far apart they are no groups.
	idrGrace   = 10 * time.Second
	usualGroup = 12 * time.Second
	smartGroup = time.Minute
)

// picture is a finished access unit. unit is nil when it had to be dropped.
type picture struct {
	unit      *media.Unit
	timestamp uint32
	began     time.Time // arrival of its first slice
	rest      bool      // only the slices of the picture before that came after its marker
	afterGap  bool      // pictures in front of it are missing
}

// video joins NAL units to access units. An access unit ends at the marker bit, when the timestamp
// changes, or where the first slice of the next picture, its delimiter, parameter sets or SEI begin,
// whichever comes first: many cameras leave the marker out, TP-Link and Reolink put it on parameter sets
// and SEI too, multi-slice encoders on every slice. Where a slice goes on behind a marker, that camera's
// markers are not believed any more; until then they are, since waiting for the next picture would delay
// every camera by one picture.
type video struct {
	codec media.Codec
	sets  *setStore
	stats *assemblerStats
	done  func(picture)
	// recoveryAfter is how long nothing may come out for want of an IDR picture, see refreshes.
	recoveryAfter time.Duration

	// the packet at hand
	timestamp uint32
	arrived   time.Time

	// the NAL unit at hand
	open  bool
	kind  nalKind
	start int // where it begins, in the unit or in side

	// the access unit at hand
	unit     *media.Unit // nil: not kept
	pic      picture
	slices   bool // it has a slice
	broken   bool
	key      bool
	idr      bool
	recovery bool   // its SEI has a recovery point
	fields   int    // of an interlaced frame
	nals     int    // so far
	side     []byte // NAL units in front of its first slice; the one at hand if it is not a slice
	spare    []byte // NAL units split at start codes

	// the stream
	everySlice bool // markers are on every slice: they say nothing about the picture
	ended      bool // the last access unit was ended, and nothing was lost since
	endedTS    uint32
	endedOut   bool      // it was emitted
	endedMark  bool      // it was ended by a marker
	waiting    bool      // for a key picture
	gap        bool      // pictures were dropped since the last one emitted
	lastOut    time.Time // when a picture was emitted; without one: when the stream began
	hadIDR     bool
	lastIDR    time.Time     // when one began that was emitted; without one: when the stream began
	longest    time.Duration // between two of them
	size       [2]int        // expected size of an ordinary and of a key picture
}

func newVideo(sets *setStore, stats *assemblerStats, done func(picture)) *video {
	return &video{
		codec: sets.codec, sets: sets, stats: stats, done: done, recoveryAfter: recoveryAfter, waiting: true, gap: true,
	}
}

// packet takes the payload of the next RTP packet; gap is how many are missing in front of it.
func (v *video) packet(p *packet, gap int) {
	if gap > 0 {
		v.lost()
	}
	if p.Timestamp != v.timestamp && v.slices {
		v.finish()
	}
	v.timestamp, v.arrived = p.Timestamp, p.Arrived
	if v.lastIDR.IsZero() {
		v.lastIDR, v.lastOut = p.Arrived, p.Arrived
	}
	depack := depackH264
	if v.codec == media.H265 {
		depack = depackH265
	}
	if !depack(v, p.Payload) {
		v.stats.Malformed++
	}
	if p.Marker && !v.open && v.slices && !v.everySlice {
		v.finish()
		v.endedMark = true
	}
}

// beginSlice decides whether a slice goes on with the picture at hand or starts the next one, and
// whether that one is kept.
func (v *video) beginSlice() {
	if v.slices && v.kind.first && !v.secondField() {
		v.finish()
	}
	if v.slices {
		return
	}
	rest := !v.kind.first && v.ended && v.endedTS == v.timestamp
	if rest && v.endedMark {
		v.everySlice = true
	}
	v.openPicture()
	v.pic.rest = rest
	if rest {
		if v.endedOut {
			v.openUnit()
		}
		return
	}
	if v.broken = !v.kind.first; v.broken {
		return
	}
	v.idr = v.kind.key
	v.key = v.idr || v.recovery && v.refreshes()
	if v.key && v.sets.ready() || !v.key && !v.waiting {
		v.openUnit()
	}
}

// refreshes tells whether the stream goes on without IDR pictures (gradual refresh), so that a picture with a recovery
// point has to do for a key picture. Who starts there sees grey for a while, which no viewer of a camera that sends IDR
// pictures, if seldom, shall see; but grey is better than a session that is given up because nothing comes out of it.
func (v *video) refreshes() bool {
	if v.waiting && v.arrived.Sub(v.lastOut) > v.recoveryAfter {
		return true
	}
	limit := v.recoveryAfter
	if v.hadIDR {
		limit = idrGrace + max(v.longest, usualGroup)
	}
	return v.arrived.Sub(v.lastIDR) > limit
}

// secondField tells whether a first slice is that of the second field of the frame at hand.
func (v *video) secondField() bool {
	if !v.sets.interlaced || v.fields > 1 || v.pic.timestamp != v.timestamp {
		return false
	}
	v.fields++
	return true
}

// openPicture notes that the access unit at hand has a slice.
func (v *video) openPicture() {
	if v.slices {
		return
	}
	v.slices, v.ended, v.fields = true, false, 1
	v.pic = picture{timestamp: v.timestamp, began: v.arrived}
}

// openUnit gets the buffer for the picture and puts in front what came before its first slice.
func (v *video) openUnit() {
	size := v.size[v.keyIndex()] + len(v.side)
	withSets := v.key || v.sets.dirty && v.sets.ready()
	if withSets {
		size += len(v.sets.annexB)
	}
	v.unit = media.NewUnit(size)
	v.unit.Codec, v.unit.Key = v.codec, v.key
	if withSets {
		v.unit.Append(v.sets.annexB...)
		v.sets.dirty = false
	}
	v.unit.Append(v.side...)
	v.side = v.side[:0]
}

func (v *video) keyIndex() int {
	if v.key {
		return 1
	}
	return 0
}

// finish ends the access unit at hand and hands it on.
func (v *video) finish() {
	v.end()
	v.ended, v.endedTS = !v.broken, v.pic.timestamp
	v.endedOut, v.endedMark = v.unit != nil && !v.broken, false
	switch {
	case v.broken:
		v.waiting = true
		v.releaseUnit()
	case v.unit != nil:
		v.waiting, v.lastOut = false, v.arrived
		if v.idr {
			v.countIDR()
		}
		if !v.pic.rest {
			v.expect(len(v.unit.Data))
		}
	}
	if v.unit == nil && !v.pic.rest {
		v.stats.Dropped++
	}
	pic := v.pic
	pic.unit, pic.afterGap = v.unit, v.gap
	v.gap = v.unit == nil
	v.unit = nil
	v.clear()
	v.done(pic)
}

// countIDR learns from an IDR picture that is emitted. A damaged one is none that anybody could start at: cameras that
// lose packets of each, because it is large, would never begin.
func (v *video) countIDR() {
	if v.hadIDR {
		v.longest = max(v.longest, min(v.pic.began.Sub(v.lastIDR), smartGroup))
	}
	v.hadIDR, v.lastIDR = true, v.pic.began
}

// clear makes ready for the next access unit.
func (v *video) clear() {
	v.side = v.side[:0]
	if cap(v.side) > keepScratch {
		v.side = nil
	}
	v.open, v.slices, v.broken, v.key, v.idr, v.recovery = false, false, false, false, false, false
	v.nals, v.start = 0, -1
	v.pic = picture{}
}

// expect learns the size of pictures: up at once, down slowly, so that few outgrow their buffer.
func (v *video) expect(size int) {
	e := &v.size[v.keyIndex()]
	*e = max(size, *e-*e/8)
}

// lost says that packets are missing in front of the next one.
func (v *video) lost() {
	v.open, v.start = false, -1
	v.ended = false
	v.waiting, v.gap = true, true
	v.side = v.side[:0]
	v.recovery = false
	if v.slices {
		v.broken = true
		v.releaseUnit()
	}
}

// discontinuity drops the access unit at hand; what comes next is another stream.
func (v *video) discontinuity() {
	v.lost()
	if v.slices {
		v.finish()
	}
	v.clear()
	v.everySlice = false
	v.hadIDR, v.lastIDR = false, time.Time{}
}

// close hands on the last access unit if nothing speaks against its being whole.
func (v *video) close() {
	if v.open {
		v.broken = true
	}
	if v.slices {
		v.finish()
	}
	v.releaseUnit()
	v.clear()
}
