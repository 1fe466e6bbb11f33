package record

import (
	"time"

	"gbgate/media"
)

// The bounds of a ring, whatever time it is meant to hold.
const (
	ringBytes = 16 << 20
	ringUnits = 4096
)

// ring keeps the newest units of a camera that is recorded on alarm, whole groups of pictures, for what was
// before the alarm.
type ring struct {
	span  time.Duration // 0: nothing is kept
	units []*media.Unit
	bytes int
}

func (r *ring) add(u *media.Unit) {
	if r.span <= 0 {
		return
	}
	begins := u.Key || !u.Desc.HasVideo()
	if len(r.units) == 0 && !begins {
		return
	}
	if len(r.units) >= ringUnits || r.bytes+len(u.Data) > ringBytes {
		r.cut(r.next(1))
		if len(r.units) == 0 && !begins {
			return
		}
	}
	u.Retain()
	r.units = append(r.units, u)
	r.bytes += len(u.Data)
	if !begins {
		return
	}
	r.trim(u.Arrived)
}

// trim gives back what is older than the span before now, but for the group that was under way when it began.
func (r *ring) trim(now time.Time) {
	for {
		second := r.next(1)
		if second >= len(r.units) || now.Sub(r.units[second].Arrived) < r.span {
			return
		}
		r.cut(second)
	}
}

// next returns the index of the first key picture from i on, the number of units if there is none.
func (r *ring) next(i int) int {
	for ; i < len(r.units); i++ {
		if r.units[i].Key || !r.units[i].Desc.HasVideo() {
			break
		}
	}
	return i
}

// cut gives the first n units back.
func (r *ring) cut(n int) {
	n = min(n, len(r.units))
	for _, u := range r.units[:n] {
		r.bytes -= len(u.Data)
		u.Release()
	}
	rest := copy(r.units, r.units[n:])
	clear(r.units[rest:])
	r.units = r.units[:rest]
}

func (r *ring) clear() { r.cut(len(r.units)) }

// drain hands the units of the span before now over with their references.
func (r *ring) drain(now time.Time) []*media.Unit {
	r.trim(now)
	units := r.units
	r.units, r.bytes = nil, 0
	return units
}
