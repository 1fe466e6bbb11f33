package bridge

import (
	"slices"
	"time"

	"gbgate/media"
)

const (
	// grace is how long the next picture, or the next key picture, may be late.
	grace = 10 * time.Second
	// Zipstream and H.264+ stretch groups that were two seconds long all day to minutes as soon as the scene is quiet, so
	// that no camera is believed to have shorter ones than minGroup.
	minGroup = 5 * time.Minute
	// maxGroup bounds what is learned, and is what a camera may have of which no whole group was seen yet.
	maxGroup = 30 * time.Minute
	// lastGroups is how many are looked back on. An encoder that hung without a key picture and came to itself again has
	// sent a long group, too, which is to be forgotten.
	lastGroups = 8
)

// groups learns how far a camera's key pictures are apart at most these days.
type groups struct {
	key     time.Time // arrival of the session's last one; zero: none yet
	picture time.Time // arrival of the last picture
	last    [lastGroups]time.Duration
	next    int // the oldest of them
}

// begin says that a session begins.
func (g *groups) begin() { g.key = time.Time{} }

func (g *groups) count(u *media.Unit) {
	if !u.Codec.IsVideo() {
		return
	}
	g.picture = u.Arrived
	if !u.Key {
		return
	}
	if !g.key.IsZero() {
		g.last[g.next] = u.Arrived.Sub(g.key)
		g.next = (g.next + 1) % lastGroups
	}
	g.key = u.Arrived
}

// length is how long a group of the camera may be.
func (g *groups) length() time.Duration {
	longest := slices.Max(g.last[:])
	if longest == 0 {
		return maxGroup
	}
	return min(max(longest, minGroup), maxGroup)
}
