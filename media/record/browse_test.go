package record

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gbgate/rtsp/simcam"
)

// TestBrowse: while the index is being read, a list of some days comes from their folders and is the same, with a file
// that was cut off; one of everything waits.
func TestBrowse(t *testing.T) {
	a := openArchive(t, Config{Segment: 2 * time.Second})
	r, c := a.NewRecorder("东门/1", Always), newCam(t, simcam.H264PCMA, epoch.Add(16*time.Hour-7*time.Second)) // over midnight
	a.record(r, c, 15*time.Second)
	r.flush(-1) // the last one is not finished
	for day := range maxBrowse + 1 {
		dir := filepath.Join(a.cfg.Dir, escape("东门/1"), epoch.AddDate(0, -3, day).Format(dayFormat))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	list := func(ctx context.Context, a *Archive, from, to time.Time) string {
		t.Helper()
		found, err := a.Find(ctx, "东门/1", from, to, None)
		text := ""
		for _, s := range found {
			text += fmt.Sprintf("%s %v–%v %d\n", s.Path, s.Start.Sub(epoch), s.End.Sub(epoch), s.Size)
		}
		if err != nil {
			text += err.Error()
		}
		return text
	}
	b, indexed := New(a.cfg), openArchive(t, Config{Dir: a.cfg.Dir})
	for _, c := range []struct{ from, to time.Duration }{
		{0, 24 * time.Hour},
		{16 * time.Hour, 16*time.Hour + 3*time.Second},
		{16*time.Hour - time.Second, 16 * time.Hour},
		{16*time.Hour + 7*time.Second, 17 * time.Hour},
		{30 * time.Hour, 40 * time.Hour},
	} {
		from, to := epoch.Add(c.from), epoch.Add(c.to)
		if got, want := list(t.Context(), b, from, to), list(t.Context(), indexed, from, to); got != want ||
			c.from < 17*time.Hour == (want == "") {
			t.Errorf("%v–%v: found\n%swith the index\n%s", c.from, c.to, got, want)
		}
	}
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if got := list(short, b, epoch.AddDate(-1, 0, 0), epoch.AddDate(1, 0, 0)); got != context.DeadlineExceeded.Error() {
		t.Errorf("without the index: %s", got)
	}
	if found, err := b.Find(t.Context(), "nobody", epoch, epoch.Add(time.Hour), None); err != nil || len(found) != 0 {
		t.Errorf("of a camera that was never recorded: %v, %v", found, err)
	}
}
