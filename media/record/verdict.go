package record

import (
	"time"

	"gbgate/media"
)

// verdict is what a unit means for what is being written.
type verdict uint8

const (
	goOn    verdict = iota
	flush           // the part in front of it is done
	renew           // it begins a new segment
	finish          // nothing more is to be recorded
	forsake         // the volume does not take it
)

// due judges a unit. r.mu is held.
func (r *Recorder) due(u *media.Unit) verdict {
	t := &r.take
	if r.broken || !r.archive.working.Load() {
		return forsake
	}
	begins := u.Key || !u.Desc.HasVideo()
	if !begins {
		if r.wanted() == None && !r.alarmed(time.Now().Add(-overtime)) {
			return finish
		}
		if u.Codec.IsVideo() && u.Codec != t.format.video.Codec {
			return renew // with the next key picture
		}
		if t.age(u) > maxLength-time.Minute {
			return renew // a camera without key pictures
		}
		if t.full(u) {
			return flush
		}
		return goOn
	}
	wanted := r.wanted()
	switch {
	case wanted == None:
		return finish
	case wanted != t.kind, u.DTS-t.last > gapTicks, u.DTS < t.last, !t.format.continues(u),
		t.age(u) >= r.archive.cfg.Segment, t.drifted(u):
		return renew
	case t.full(u):
		return flush
	}
	return goOn
}
