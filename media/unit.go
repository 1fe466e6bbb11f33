package media

import (
	"sync"
	"sync/atomic"
	"time"
)

// Unit is one access unit (a picture with its parameter sets) or one audio frame.
//
// It is immutable once written to a Stream. It lives in a pool: NewUnit gives the first
// reference, Retain adds one, Release gives one back, and the last Release recycles the
// unit with its buffer, so nobody may touch Data after releasing.
type Unit struct {
	Codec Codec
	Key   bool  // a picture that decoding can start at; parameter sets stand in front of it
	PTS   int64 // presentation time, in ticks of Clock
	DTS   int64 // decoding time, in ticks of Clock; never steps back within a stream
	// Clock is the unit's place on the stream's clock: DTS, moved on where audio and video overlap,
	// so that it rises with every unit of whatever track. Stream.Write sets it.
	Clock int64
	// Data is, for video, the NAL units in Annex B form with 4-byte start codes, without
	// access unit delimiters and filler; for a key picture the parameter sets come first.
	// For AAC one ADTS frame, for G.711 the samples. Before the unit is written it may be
	// appended to within its capacity (see Grow), never replaced by another slice.
	Data []byte
	// Desc describes the stream from this unit on.
	Desc *Description
	// Announce marks the first unit with this Desc, so that receivers are told at once what
	// flows now. Stream.Write sets it.
	Announce bool
	// Arrived is when the last byte of the unit came in from the camera.
	Arrived time.Time

	buf     *buffer // where Data lives
	refs    atomic.Int32
	mu      sync.Mutex
	derived [Slots]Derived
}

// Derived is what a consumer made of a unit and keeps with it, so that it is made once
// whatever the number of readers. Recycle is called when the unit is given back.
type Derived interface{ Recycle() }

// Slots is how many different things can be derived from one unit.
const Slots = 4

//nolint:gochecknoglobals // a sync.Pool is shared by design
var unitPool = sync.Pool{New: func() any { return new(Unit) }}

// NewUnit returns an empty unit with one reference and room for size bytes of Data.
func NewUnit(size int) *Unit {
	u := unitPool.Get().(*Unit)
	u.refs.Store(1)
	u.buf = getBuffer(size)
	u.Data = u.buf.b
	return u
}

// Append adds b to Data, moving to a bigger pooled buffer when needed.
func (u *Unit) Append(b ...byte) {
	if len(u.Data)+len(b) > cap(u.Data) {
		u.Grow(len(b))
	}
	u.Data = append(u.Data, b...)
}

// Grow makes room for n more bytes of Data.
func (u *Unit) Grow(n int) {
	if len(u.Data)+n <= cap(u.Data) {
		return
	}
	bigger := getBuffer(max(len(u.Data)+n, 2*len(u.Data)))
	u.Data = append(bigger.b, u.Data...)
	putBuffer(u.buf)
	u.buf = bigger
}

// Retain adds a reference.
func (u *Unit) Retain() { u.refs.Add(1) }

// Release gives one reference back; the last one recycles the unit.
func (u *Unit) Release() {
	switch n := u.refs.Add(-1); {
	case n > 0:
		return
	case n < 0:
		panic("media: Unit released more often than retained")
	}
	for i, d := range u.derived {
		if d != nil {
			d.Recycle()
			u.derived[i] = nil
		}
	}
	putBuffer(u.buf)
	u.buf, u.Data, u.Desc = nil, nil, nil
	u.Codec, u.Key, u.Announce = CodecNone, false, false
	u.PTS, u.DTS, u.Clock, u.Arrived = 0, 0, 0, time.Time{}
	unitPool.Put(u)
}

// Derive returns what is kept in the slot, after calling build for it if nothing is yet.
// The caller holds a reference while it uses the result. build must not return nil.
func (u *Unit) Derive(slot int, build func(*Unit) Derived) Derived {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.derived[slot] == nil {
		u.derived[slot] = build(u)
	}
	return u.derived[slot]
}
