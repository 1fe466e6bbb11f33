package playback_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gbgate/bridge/playback"
	"gbgate/bridge/playback/tape"
	"gbgate/gb28181"
)

// joined is a disk and a recorder as one.
func joined(log io.Writer, disk, recorder *tape.Tape) playback.Recordings {
	return playback.Join(slog.New(slog.NewTextHandler(log, nil)),
		playback.Place{Name: "own disk", Recordings: disk}, playback.Place{Name: "recorder", Recordings: recorder})
}

func TestJoinLaysBesideEachOther(t *testing.T) {
	own := &tape.Tape{Files: []playback.Recording{
		recording("time", "08:00:00", "08:20:00", 1), recording("time", "09:00:00", "09:10:00", 2),
	}}
	nvr := &tape.Tape{Files: []playback.Recording{
		recording("time", "07:00:00", "08:30:00", 3), // its middle is ours
		recording("time", "08:59:59", "09:05:00", 4), // what is left of it is too short
		recording("time", "10:00:00", "11:00:00", 5),
	}}
	var lines strings.Builder
	both := joined(&lines, own, nvr)
	got, err := both.Find(t.Context(), "gate", tape.At("00:00:00"), tape.At("23:00:00"), "all")
	const want = "time 07:00:00-08:00:00 0\ntime 08:00:00-08:20:00 1\ntime 08:20:00-08:30:00 0\n" +
		"time 09:00:00-09:10:00 2\ntime 10:00:00-11:00:00 5\n"
	if diff := cmp.Diff(want, brief(got)); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	lost := errors.New("no route to host")
	nvr.Lose(lost)
	if got, err := both.Find(t.Context(), "gate", tape.At("00:00:00"), tape.At("23:00:00"), "all"); err != nil ||
		len(got) != 2 {
		t.Errorf("a recorder is gone: %v %v, want what we have ourselves", got, err)
	}
	if got := lines.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "in=recorder") {
		t.Errorf("logged %q, want one line that names the recorder", got)
	}
	own.Lose(errors.New("disk gone"))
	if _, err := both.Find(t.Context(), "gate", tape.At("00:00:00"), tape.At("23:00:00"), "all"); !errors.Is(err, lost) {
		t.Errorf("both are gone: %v", err)
	}
	if only := playback.Join(nil, playback.Place{Name: "disk", Recordings: own}); only != playback.Recordings(own) {
		t.Error("one alone is not itself")
	}
}

// A playback goes from one source to the other, forwards and backwards, on one clock.
func TestJoinPlaysAcross(t *testing.T) {
	own := &tape.Tape{Files: []playback.Recording{tape.File("08:00:10", "08:00:20")}, Mute: true}
	nvr := &tape.Tape{Files: []playback.Recording{tape.File("08:00:00", "08:00:30")}, Mute: true}
	both := joined(io.Discard, own, nvr)
	p, err := both.Open(t.Context(), "gate", tape.At("08:00:00"), tape.At("08:00:30"))
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
			if since := u.Arrived.Sub(tape.At("08:00:00")); u.DTS != int64(since)*9/100_000 {
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
		if at.Sub(all[i]) != tape.Frame {
			t.Errorf("from %v to %v", all[i], at)
		}
	}
	if own.Openings() != 1 || nvr.Openings() != 2 || own.Left() != 0 || nvr.Left() != 0 {
		t.Errorf("%d and %d openings, %d and %d left open", own.Openings(), nvr.Openings(), own.Left(), nvr.Left())
	}
	if err := p.Play(t.Context(), tape.At("08:00:15"), -4); err != nil {
		t.Fatal(err)
	}
	back := read(100)
	if len(back) < 8 || !back[0].Equal(tape.At("08:00:14")) || !back[len(back)-1].Equal(tape.At("08:00:00")) {
		t.Errorf("backwards: %v", back)
	}
	if err := p.Play(t.Context(), tape.At("08:00:25"), 1); err != nil {
		t.Fatal(err)
	}
	if rest := read(1000); len(rest) != 150 || !rest[0].Equal(tape.At("08:00:24")) {
		t.Errorf("after a seek: %d pictures", len(rest))
	}
	before := own.Openings() + nvr.Openings()
	if e, ok := p.Extent(t.Context()); ok || own.Openings()+nvr.Openings() != before {
		t.Errorf("extent %+v %v with %d openings, want none", e, ok, own.Openings()+nvr.Openings()-before)
	}
	if err := p.Play(t.Context(), tape.At("09:00:00"), 1); err != nil || len(read(1)) != 0 {
		t.Errorf("beyond the end: %v", err)
	}
	if err := p.Close(); err != nil || own.Left() != 0 || nvr.Left() != 0 {
		t.Errorf("left open: %d and %d (%v)", own.Left(), nvr.Left(), err)
	}
	_, err = both.Open(t.Context(), "gate", tape.At("12:00:00"), tape.At("13:00:00"))
	if code, _ := gb28181.StatusOf(err); code != 404 {
		t.Errorf("nothing there: %v", err)
	}
}

// What is left of a recorder's hours is the same as by looking at every second, however many own files lie over them.
func TestJoinLeavesOutWhatIsTaken(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 40 {
		second := func(n int) time.Time { return tape.At("08:00:00").Add(time.Duration(n) * time.Second) }
		var own, theirs []playback.Recording
		var taken, kept, got [400]bool
		for i := range 20 {
			from := random.IntN(300)
			list := &own
			if i%2 == 1 {
				list = &theirs
			}
			*list = append(*list, playback.Recording{
				Start: second(from), End: second(from + 10 + random.IntN(60)), Kind: "time",
			})
		}
		mark := func(seconds *[400]bool, r playback.Recording) {
			for n := range seconds {
				seconds[n] = seconds[n] || !second(n).Before(r.Start) && second(n).Before(r.End)
			}
		}
		for _, list := range []*[]playback.Recording{&own, &theirs} {
			slices.SortFunc(*list, func(a, b playback.Recording) int { return a.Start.Compare(b.Start) })
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
		for _, r := range playback.Without(theirs, own) {
			mark(&got, r)
			if r.End.Sub(r.Start) < playback.Shortest {
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
	var own, theirs []playback.Recording
	begin := tape.At("00:00:00")
	for first := begin; first.Before(begin.AddDate(1, 0, 0)); first = first.Add(time.Hour) {
		theirs = append(theirs, playback.Recording{Start: first, End: first.Add(time.Hour), Kind: "time"})
		for i := range 11 { // the last five minutes of each hour are the recorder's
			from := first.Add(time.Duration(i) * 5 * time.Minute)
			own = append(own, playback.Recording{Start: from, End: from.Add(5 * time.Minute), Kind: "time", Size: 1})
		}
	}
	both := joined(io.Discard, &tape.Tape{Files: own}, &tape.Tape{Files: theirs})
	got, err := both.Find(t.Context(), "gate", own[0].Start, theirs[len(theirs)-1].End, "all")
	if err != nil || len(got) != len(own)+len(theirs) {
		t.Errorf("%d pieces, %v; want %d and %d", len(got), err, len(own), len(theirs))
	}
}

// A playback of alarms leaves out what else was recorded; where there are none, all of it is played.
func TestPlaybackOfOneKind(t *testing.T) {
	tp := &tape.Tape{Mute: true, Files: []playback.Recording{
		recording("time", "08:00:00", "08:00:10", 1), recording("alarm", "08:00:10", "08:00:14", 2),
		recording("alarm", "08:00:14", "08:00:18", 3), recording("time", "08:00:18", "08:00:30", 4),
		recording("alarm", "08:00:30", "08:00:40", 5),
	}}
	for _, c := range []struct {
		kind, first string
		pictures    int
	}{
		{"alarm", "08:00:10", 350}, {"time", "08:00:00", 550}, {"manual", "08:00:00", 900}, {"", "08:00:00", 900},
	} {
		cfg := playback.Config{
			Camera: "gate", From: tape.At("08:00:00"), To: tape.At("08:00:36"), Kind: c.kind, Log: slog.New(slog.DiscardHandler),
		}
		p, err := playback.Open(t.Context(), tp, cfg)
		if err != nil {
			t.Fatal(err)
		}
		if at := p.First().Arrived; !at.Equal(tape.At(c.first)) {
			t.Errorf("%q begins at %v, want %s", c.kind, at, c.first)
		}
		if e, ok := p.Extent(t.Context()); !ok || e.VideoUnits != c.pictures || e.KeyUnits != c.pictures/25/int(tape.GOP/time.Second) {
			t.Errorf("%q has %+v, %v; want %d pictures", c.kind, e, ok, c.pictures)
		}
		if err := p.Close(); err != nil || tp.Left() != 0 {
			t.Errorf("%v, %d left open", err, tp.Left())
		}
	}
}

// partial has lost what a search still finds at a time.
type partial struct {
	*tape.Tape
	lost  time.Time
	asked int // to open
}

func (p *partial) Open(ctx context.Context, camera string, from, to time.Time) (playback.Reader, error) {
	p.asked++
	if from.Equal(p.lost) {
		return nil, gb28181.Errorf(404, "no record")
	}
	return p.Tape.Open(ctx, camera, from, to)
}

// A recorder, which may have one session only, is not opened once more to be told that its extent is not known; of a disk
// what a search finds and nobody has any more counts nothing.
func TestExtentOfOneKind(t *testing.T) {
	for _, blind := range []bool{false, true} {
		tp := &partial{Tape: &tape.Tape{Mute: true, Blind: blind, Files: []playback.Recording{
			recording("alarm", "08:00:00", "08:00:10", 1), recording("alarm", "08:00:20", "08:00:30", 2),
			recording("alarm", "08:00:40", "08:00:50", 3),
		}}, lost: tape.At("08:00:00")}
		p, err := playback.Open(t.Context(), tp, playback.Config{
			Camera: "gate", From: tape.At("08:00:00"), To: tape.At("08:01:00"), Kind: "alarm", Log: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		pictures, asked := 500, 2 // for what is lost, too
		if blind {
			pictures, asked = 0, 0
		}
		before := tp.asked
		if e, ok := p.Extent(t.Context()); ok == blind || e.VideoUnits != pictures || tp.asked-before != asked {
			t.Errorf("blind %v: %+v %v, opened %d times; want %d pictures and %d", blind, e, ok, tp.asked-before, pictures, asked)
		}
		if err := p.Close(); err != nil || tp.Left() != 0 {
			t.Errorf("%v, %d left open", err, tp.Left())
		}
	}
}
