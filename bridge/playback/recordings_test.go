package playback_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gbgate/bridge/playback"
	"gbgate/bridge/playback/tape"
)

// brief writes recordings as kind, times and size.
func brief(list []playback.Recording) string {
	var b strings.Builder
	for _, r := range list {
		fmt.Fprintf(&b, "%s %s-%s %d\n", r.Kind, r.Start.Format(time.TimeOnly), r.End.Format(time.TimeOnly), r.Size)
	}
	return b.String()
}

func recording(kind, start, end string, size int64) playback.Recording {
	return playback.Recording{Kind: kind, Start: tape.At(start), End: tape.At(end), Size: size}
}

// A window cuts no recording: what is told of one is the same whatever part of it is asked for.
func TestListAdjoins(t *testing.T) {
	tp := &tape.Tape{Files: []playback.Recording{
		recording("time", "08:00:00", "08:20:00", 10),
		recording("time", "08:20:01", "08:40:00", 20),
		recording("time", "08:40:00", "09:00:10", 30), // of the same hour by its start
		recording("time", "09:00:10", "09:20:00", 40), // the next hour
		recording("alarm", "09:20:00", "09:21:00", 50),
		recording("alarm", "09:20:30", "09:20:50", 1),  // within the one before
		recording("alarm", "09:21:03", "09:22:00", 60), // after a gap
		recording("alarm", "09:22:00", "09:23:00", 0),  // of unknown size
	}}
	const want = "time 08:00:00-09:00:10 60\ntime 09:00:10-09:20:00 40\n" +
		"alarm 09:20:00-09:21:00 51\nalarm 09:21:03-09:23:00 0\n"
	for _, window := range [][2]string{{"08:00:00", "10:00:00"}, {"08:30:00", "09:00:01"}} {
		got, err := playback.List(t.Context(), tp, "gate", tape.At(window[0]), tape.At(window[1]), "all")
		if diff := cmp.Diff(want, brief(got)); diff != "" || err != nil {
			t.Errorf("%v: %v\n%s", window, err, diff)
		}
	}
}
