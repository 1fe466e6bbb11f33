package rtsp

import (
	"bytes"

	"gbgate/media"
)

var startCode = [4]byte{0, 0, 0, 1} //nolint:gochecknoglobals // a constant

// nalClass is what a NAL unit means to an access unit.
type nalClass uint8

const (
	nalIgnored   nalClass = iota
	nalSlice              // belongs to a picture
	nalSet                // VPS, SPS, PPS: kept aside, put in front of key pictures
	nalPrefix             // SEI in front of a picture
	nalSuffix             // SEI behind it, end of sequence
	nalDelimiter          // AUD: ends the picture before it, itself dropped
)

// nalKind is all that is read of a NAL unit.
type nalKind struct {
	class nalClass
	key   bool // slice: decoding can start here
	first bool // slice: the first of its picture
}

// whole takes a complete NAL unit.
func (v *video) whole(nal []byte) {
	n := v.headerSize()
	if len(nal) < n {
		v.stats.Malformed++
		return
	}
	var head [2]byte
	copy(head[:], nal[:n])
	v.begin(head, nal[n:])
	v.add(nal[n:])
	v.end()
}

// fragment takes a piece of a NAL unit whose header would be head.
func (v *video) fragment(first, last bool, head [2]byte, b []byte) bool {
	if first {
		// A start while one is open: Uniview leaves the end flag out at times. Nothing was lost, or
		// lost() had closed it, so it is whole.
		v.begin(head, b)
	} else if !v.open {
		v.orphan(head)
		return true
	}
	v.add(b)
	if last {
		v.end()
	}
	return true
}

// orphan meets a fragment whose start was lost.
func (v *video) orphan(head [2]byte) {
	if v.classify(head, nil).class == nalSlice {
		v.openPicture()
		v.broken = true
	}
}

func (v *video) headerSize() int {
	if v.codec == media.H265 {
		return 2
	}
	return 1
}

func (v *video) classify(head [2]byte, body []byte) nalKind {
	if v.codec == media.H265 {
		return classifyH265(head[0], head[1], body)
	}
	return classifyH264(head[0], body)
}

// begin starts a NAL unit: it decides which access unit it belongs to and where its bytes go.
func (v *video) begin(head [2]byte, body []byte) {
	v.end()
	v.kind = v.classify(head, body)
	switch v.kind.class {
	case nalSlice:
		v.beginSlice()
	case nalSet, nalPrefix, nalDelimiter:
		if v.slices {
			v.finish()
		}
	case nalSuffix, nalIgnored:
	}
	v.open, v.start = true, -1
	switch {
	case v.kind.class == nalIgnored, v.kind.class == nalSlice && v.unit == nil:
		return
	case v.kind.class == nalSlice:
		v.start = len(v.unit.Data)
	default:
		v.start = len(v.side)
	}
	if v.nals++; v.nals > maxUnitNALs {
		v.spoil()
		return
	}
	v.add(startCode[:])
	v.add(head[:v.headerSize()])
}

// add takes the next bytes of the NAL unit at hand.
func (v *video) add(b []byte) {
	switch {
	case v.start < 0:
	case v.kind.class != nalSlice:
		if len(v.side)+len(b) > maxUnitSize {
			v.spoil()
			return
		}
		v.side = append(v.side, b...)
	case len(v.unit.Data)+len(b) > maxUnitSize:
		v.spoil()
	default:
		v.unit.Append(b...)
		v.unit.Arrived = v.arrived
	}
}

// spoil gives up the access unit at hand because it is beyond what is accepted.
func (v *video) spoil() {
	v.stats.Malformed++
	v.start = -1
	v.side = v.side[:0]
	v.broken = true
	v.releaseUnit()
}

func (v *video) releaseUnit() {
	if v.unit != nil {
		v.unit.Release()
		v.unit = nil
	}
}

// end closes the NAL unit at hand.
func (v *video) end() {
	if !v.open {
		return
	}
	v.open = false
	if v.start < 0 {
		return
	}
	if v.kind.class == nalSlice {
		v.endSlice()
		return
	}
	nal := v.side[v.start+len(startCode):]
	rest := v.split(nal)
	if rest != nil {
		nal = v.trim(nal[:len(nal)-len(rest)])
		v.side = v.side[:v.start+len(startCode)+len(nal)]
	}
	v.endSide(nal)
	v.pieces(rest)
}

// endSlice closes a slice, which stands in the unit.
func (v *video) endSlice() {
	nal := v.unit.Data[v.start+len(startCode):]
	if rest := v.split(nal); rest != nil {
		nal = v.trim(nal[:len(nal)-len(rest)])
		v.unit.Data = v.unit.Data[:v.start+len(startCode)+len(nal)]
		v.pieces(rest)
	}
}

// endSide closes a NAL unit that is no slice: nal stands at the end of side.
func (v *video) endSide(nal []byte) {
	switch v.kind.class {
	case nalPrefix:
		if hasRecoveryPoint(nal[v.headerSize():]) {
			v.recovery = true
		}
		return
	case nalSet:
		if !v.sets.add(nal, false) {
			v.stats.Malformed++
		}
	case nalSuffix:
		if v.unit != nil {
			v.unit.Append(v.side[v.start:]...)
		}
	case nalDelimiter, nalIgnored, nalSlice:
	}
	v.side = v.side[:v.start]
}

// split looks for a start code inside a NAL unit, where none may be: Xiongmai and Amatek put parameter
// sets and slices into one RTP payload in Annex B form. It returns what follows, from the start code on.
func (v *video) split(nal []byte) []byte {
	n := v.headerSize()
	if i := bytes.Index(nal[n:], startCode[1:]); i >= 0 {
		return nal[n+i:]
	}
	return nil
}

// trim takes trailing zeros, which belong to the next start code, off a NAL unit but not off its header.
func (v *video) trim(nal []byte) []byte {
	for len(nal) > v.headerSize() && nal[len(nal)-1] == 0 {
		nal = nal[:len(nal)-1]
	}
	return nal
}

// pieces takes the NAL units behind the start codes in b, which may be overwritten meanwhile.
func (v *video) pieces(b []byte) {
	v.end()
	i := bytes.Index(b, startCode[1:])
	if i < 0 {
		return
	}
	v.spare = append(v.spare[:0], b[i:]...)
	for b = v.spare; len(b) > len(startCode)-1; {
		b = b[len(startCode)-1:]
		next := bytes.Index(b, startCode[1:])
		if next < 0 {
			next = len(b)
		}
		v.whole(v.trim(b[:next]))
		b = b[next:]
	}
	if cap(v.spare) > keepScratch {
		v.spare = nil
	}
}
