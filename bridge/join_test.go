package bridge

import (
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gbgate/gb28181"
)

func TestJoinLaysBesideEachOther(t *testing.T) {
	own := &shelf{list: []Recording{recording("time", "08:00:00", "08:20:00", 1), recording("time", "09:00:00", "09:10:00", 2)}}
	nvr := &shelf{list: []Recording{
		recording("time", "07:00:00", "08:30:00", 3), // its middle is ours
		recording("time", "08:59:59", "09:05:00", 4), // what is left of it is too short
		recording("time", "10:00:00", "11:00:00", 5),
	}}
	var lines strings.Builder
	both := Join(slog.New(slog.NewTextHandler(&lines, nil)), Place{"own disk", own}, Place{"recorder", nvr})
	got, err := both.Find(t.Context(), "gate", at("00:00:00"), at("23:00:00"), "all")
	const want = "time 07:00:00-08:00:00 0\ntime 08:00:00-08:20:00 1\ntime 08:20:00-08:30:00 0\n" +
		"time 09:00:00-09:10:00 2\ntime 10:00:00-11:00:00 5\n"
	if diff := cmp.Diff(want, brief(got)); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	nvr.err = errors.New("no route to host")
	if got, err := both.Find(t.Context(), "gate", at("00:00:00"), at("23:00:00"), "all"); err != nil || len(got) != 2 {
		t.Errorf("a recorder is gone: %v %v, want what we have ourselves", got, err)
	}
	if got := lines.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "in=recorder") {
		t.Errorf("logged %q, want one line that names the recorder", got)
	}
	own.err = errors.New("disk gone")
	if _, err := both.Find(t.Context(), "gate", at("00:00:00"), at("23:00:00"), "all"); !errors.Is(err, nvr.err) {
		t.Errorf("both are gone: %v", err)
	}
	if only := Join(nil, Place{"disk", own}); only != Recordings(own) {
		t.Error("one alone is not itself")
	}
}

// A playback goes from one source to the other, forwards and backwards, on one clock.
func TestJoinPlaysAcross(t *testing.T) {
	own := &tape{files: []Recording{file("08:00:10", "08:00:20")}, mute: true}
	nvr := &tape{files: []Recording{file("08:00:00", "08:00:30")}, mute: true}
	both := Join(slog.New(slog.DiscardHandler), Place{"disk", own}, Place{"recorder", nvr})
	p, err := both.Open(t.Context(), "gate", at("08:00:00"), at("08:00:30"))
	if err != nil {
		t.Fatal(err)
	}
	read := func(n int) (times []time.Time) {
		t.Helper()
		for range n {
			u, err := p.Read(t.Context())
			if errors.Is(err, io.EOF) {
				return times
			}
			if err != nil {
				t.Fatal(err)
			}
			if since := u.Arrived.Sub(at("08:00:00")); u.DTS != int64(since)*9/100_000 {
				t.Errorf("DTS %d for %v", u.DTS, since)
			}
			times = append(times, u.Arrived)
			u.Release()
		}
		return times
	}
	all := read(1000)
	if len(all) != 750 {
		t.Errorf("%d pictures in 30 s", len(all))
	}
	for i, at := range all[1:] {
		if at.Sub(all[i]) != tapeFrame {
			t.Errorf("from %v to %v", all[i], at)
		}
	}
	if own.openings != 1 || nvr.openings != 2 || own.left() != 0 || nvr.left() != 0 {
		t.Errorf("%d and %d openings, %d and %d left open", own.openings, nvr.openings, own.left(), nvr.left())
	}
	if err := p.Play(t.Context(), at("08:00:15"), -4); err != nil {
		t.Fatal(err)
	}
	back := read(100)
	if len(back) < 8 || !back[0].Equal(at("08:00:14")) || !back[len(back)-1].Equal(at("08:00:00")) {
		t.Errorf("backwards: %v", back)
	}
	if err := p.Play(t.Context(), at("08:00:25"), 1); err != nil {
		t.Fatal(err)
	}
	if rest := read(1000); len(rest) != 150 || !rest[0].Equal(at("08:00:24")) {
		t.Errorf("after a seek: %d pictures", len(rest))
	}
	before := own.openings + nvr.openings
	if e, ok := p.Extent(t.Context()); ok || own.openings+nvr.openings != before {
		t.Errorf("extent %+v %v with %d openings, want none", e, ok, own.openings+nvr.openings-before)
	}
	if err := p.Play(t.Context(), at("09:00:00"), 1); err != nil || len(read(1)) != 0 {
		t.Errorf("beyond the end: %v", err)
	}
	if err := p.Close(); err != nil || own.left() != 0 || nvr.left() != 0 {
		t.Errorf("left open: %d and %d (%v)", own.left(), nvr.left(), err)
	}
	_, err = both.Open(t.Context(), "gate", at("12:00:00"), at("13:00:00"))
	if code, _ := gb28181.StatusOf(err); code != 404 {
		t.Errorf("nothing there: %v", err)
	}
}

// What is left of a recorder's hours is the same as by looking at every second, however many own files lie over them.
func TestJoinLeavesOutWhatIsTaken(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 40 {
		second := func(n int) time.Time { return at("08:00:00").Add(time.Duration(n) * time.Second) }
		var own, theirs []Recording
		var taken, kept, got [400]bool
		for i := range 20 {
			from := random.IntN(300)
			list := &own
			if i%2 == 1 {
				list = &theirs
			}
			*list = append(*list, Recording{Start: second(from), End: second(from + 10 + random.IntN(60)), Kind: "time"})
		}
		mark := func(seconds *[400]bool, r Recording) {
			for n := range seconds {
				seconds[n] = seconds[n] || !second(n).Before(r.Start) && second(n).Before(r.End)
			}
		}
		for _, list := range []*[]Recording{&own, &theirs} {
			slices.SortFunc(*list, func(a, b Recording) int { return a.Start.Compare(b.Start) })
		}
		for _, r := range own {
			mark(&taken, r)
		}
		for _, r := range theirs {
			mark(&kept, r)
		}
		for n := range kept {
			kept[n] = kept[n] && !taken[n]
		}
		for n := 1; n < len(kept)-1; n++ { // a single second is not worth telling
			kept[n] = kept[n] && (kept[n-1] || kept[n+1])
		}
		line := make([]piece, len(own))
		for i, r := range own {
			line[i].Recording = r
		}
		for _, r := range without(theirs, covered(line)) {
			mark(&got, r)
			if r.End.Sub(r.Start) < shortest {
				t.Errorf("a piece of %v", r.End.Sub(r.Start))
			}
		}
		for n := range got {
			if got[n] && !kept[n] || kept[n] && !got[n] {
				t.Fatalf("second %d: %v, want %v\nown %v\ntheirs %v", n, got[n], kept[n], own, theirs)
			}
		}
	}
}

// A year of hours under a year of five-minute files is laid out in one go.
func TestJoinOfAYear(t *testing.T) {
	var own, theirs []Recording
	for first, end := at("00:00:00"), at("00:00:00").AddDate(1, 0, 0); first.Before(end); first = first.Add(time.Hour) {
		theirs = append(theirs, Recording{Start: first, End: first.Add(time.Hour), Kind: "time"})
		for i := range 11 { // the last five minutes of each hour are the recorder's
			from := first.Add(time.Duration(i) * 5 * time.Minute)
			own = append(own, Recording{Start: from, End: from.Add(5 * time.Minute), Kind: "time", Size: 1})
		}
	}
	both := Join(slog.New(slog.DiscardHandler), Place{"disk", &shelf{list: own}}, Place{"recorder", &shelf{list: theirs}})
	got, err := both.Find(t.Context(), "gate", own[0].Start, theirs[len(theirs)-1].End, "all")
	if err != nil || len(got) != len(own)+len(theirs) {
		t.Errorf("%d pieces, %v; want %d and %d", len(got), err, len(own), len(theirs))
	}
}

// Days are more than 64 bits of nanoseconds times the clock's rate.
func TestTicksOfDays(t *testing.T) {
	const days = 40*24*time.Hour + 40*time.Millisecond
	if n := clocked(days); n != 40*86400*90_000+3600 || ticks(n) != days {
		t.Errorf("%d ticks, %v", n, ticks(n))
	}
	if n := clocked(-days); ticks(n) != -days {
		t.Errorf("%d ticks, %v", n, ticks(n))
	}
}
