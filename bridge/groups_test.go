package bridge

import (
	"testing"
	"time"

	"gbgate/media"
)

// TestGroups: an encoder that hung for long, without a key picture, does not teach that its groups are as long; one that
// stretches them does.
func TestGroups(t *testing.T) {
	var g groups
	at := time.Unix(1_700_000_000, 0)
	key := func(after time.Duration) {
		at = at.Add(after)
		g.count(&media.Unit{Codec: media.H264, Key: true, Arrived: at})
	}
	for _, step := range []struct {
		what  string
		n     int
		group time.Duration
		want  time.Duration
	}{
		{"one key picture", 1, 0, maxGroup},
		{"a short group", 1, 2 * time.Second, minGroup},
		{"short groups", 20, 2 * time.Second, minGroup},
		{"a hang", 1, 29 * time.Minute, 29 * time.Minute},
		{"a few groups behind it", lastGroups - 1, 2 * time.Second, 29 * time.Minute},
		{"some more", 1, 2 * time.Second, minGroup},
		{"long groups", 20, 10 * time.Minute, 10 * time.Minute},
		{"groups beyond all bounds", 1, time.Hour, maxGroup},
	} {
		for range step.n {
			key(step.group)
		}
		if got := g.length(); got != step.want {
			t.Errorf("behind %s: groups may be %v long, want %v", step.what, got, step.want)
		}
		g.begin()
		if got := g.length(); got != step.want {
			t.Errorf("behind %s and in another session: groups may be %v long, want %v", step.what, got, step.want)
		}
		g.key = at
	}
}
