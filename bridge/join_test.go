package bridge

import (
	"errors"
	"io"
	"log/slog"
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
	both := Join(slog.New(slog.DiscardHandler), own, nvr)
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
	own.err = errors.New("disk gone")
	if _, err := both.Find(t.Context(), "gate", at("00:00:00"), at("23:00:00"), "all"); !errors.Is(err, nvr.err) {
		t.Errorf("both are gone: %v", err)
	}
	if only := Join(nil, own); only != Recordings(own) {
		t.Error("one alone is not itself")
	}
}

// A playback goes from one source to the other, forwards and backwards, on one clock.
func TestJoinPlaysAcross(t *testing.T) {
	own := &tape{files: []Recording{file("08:00:10", "08:00:20")}, mute: true}
	nvr := &tape{files: []Recording{file("08:00:00", "08:00:30")}, mute: true}
	both := Join(slog.New(slog.DiscardHandler), own, nvr)
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
	if e, ok := p.Extent(t.Context()); !ok || e.VideoUnits != 750 || e.KeyUnits != 15 {
		t.Errorf("extent %+v %v", e, ok)
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
