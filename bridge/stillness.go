package bridge

import (
	"time"

	"gbgate/media"
)

const (
	frozenKeys  = 12          // so many key pictures of one size …
	frozenTime  = time.Minute // … over so long …
	frozenShare = 10          // … with less than a tenth of that size in between are a picture that stands still
)

// stillness notices that a camera sends one picture again and again, as some do when their sensor or
// its driver hangs: RTSP is well and key pictures come. A live picture has noise, so its key pictures
// are never of one size for long, and what comes between them never next to nothing.
type stillness struct {
	size    int // of the last key picture; 0: none yet
	between int // bytes since then
	keys    int // in a row like it
	since   time.Time
}

func (s *stillness) count(u *media.Unit) {
	switch {
	case !u.Codec.IsVideo():
	case !u.Key:
		s.between += len(u.Data)
	case len(u.Data) == s.size && s.between*frozenShare < s.size:
		s.keys++
		s.between = 0
	default:
		*s = stillness{size: len(u.Data), keys: 1, since: u.Arrived}
	}
}

// frozen tells for how long the picture has stood still; 0: it lives.
func (s *stillness) frozen(now time.Time) time.Duration {
	if d := now.Sub(s.since); s.keys >= frozenKeys && d >= frozenTime {
		return d
	}
	return 0
}
