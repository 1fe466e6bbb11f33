package record

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"testing"
	"time"

	"gbgate/media"
	"gbgate/rtsp/simcam"
)

// TestPlayerReturnsWhatWasRecorded compares every unit with what the camera sent.
func TestPlayerReturnsWhatWasRecorded(t *testing.T) {
	for _, clip := range []string{simcam.H264PCMA, simcam.H265AAC} {
		t.Run(clip, func(t *testing.T) {
			a := openArchive(t, Config{Segment: 4 * time.Second})
			r := a.NewRecorder("gate", Always)
			a.record(r, newCam(t, clip, epoch), 10*time.Second)
			r.close(-1)
			p, err := a.Open(t.Context(), "gate", epoch, time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			want := newCam(t, clip, epoch)
			var video, audio int
			last := map[bool]int64{true: -1, false: -1}
			for _, u := range readAll(t, p) {
				isVideo := u.Codec.IsVideo()
				if isVideo {
					exp := want.clip.Pictures[video%len(want.clip.Pictures)]
					if !bytes.Equal(u.Data, exp.Data()) || u.Key != exp.Key {
						t.Fatalf("picture %d differs", video)
					}
					if d := u.DTS - int64(video)*pictureTicks; d < -90 || d > 90 {
						t.Errorf("picture %d at %d, want %d", video, u.DTS, video*pictureTicks)
					}
					video++
				} else {
					exp := want.clip.Frames[audio%len(want.clip.Frames)]
					if !bytes.Equal(u.Data, exp) {
						t.Fatalf("audio %d differs: % x, want % x", audio, u.Data[:8], exp[:8])
					}
					audio++
				}
				if u.DTS <= last[isVideo] {
					t.Errorf("a time of %v steps back from %d to %d", u.Codec, last[isVideo], u.DTS)
				}
				last[isVideo] = u.DTS
				if at := epoch.Add(media.Duration(u.DTS)); u.Arrived.Sub(at).Abs() > 2*time.Millisecond {
					t.Errorf("recorded at %v, its time says %v", u.Arrived, at)
				}
				if u.Desc.Video.Codec != want.clip.Video.Codec || u.Desc.Audio.Codec != want.clip.Audio.Codec ||
					u.Desc.Video.Width != want.clip.Video.Width || u.Desc.Video.FPS != 25 {
					t.Fatalf("described as %+v", u.Desc)
				}
				if u.Announce != (video+audio == 1) {
					t.Errorf("unit %d: announce %v", video+audio, u.Announce)
				}
				u.Release()
			}
			if video != 250 || audio < 9*want.clip.Audio.SampleRate/want.clip.FrameSamples {
				t.Errorf("%d pictures, %d sounds", video, audio)
			}
			e, ok := p.Extent(t.Context())
			if !ok || e.VideoUnits != video || e.AudioUnits != audio || e.KeyUnits != 5 {
				t.Errorf("extent %+v, %v", e, ok)
			}
		})
	}
}

// times lists the DTS of what comes, in milliseconds.
func times(t *testing.T, p *Player, at time.Duration, scale float64, most int) []int64 {
	t.Helper()
	if err := p.Play(t.Context(), epoch.Add(at), scale); err != nil {
		t.Fatal(err)
	}
	var list []int64
	for range most {
		u, err := p.Read(t.Context())
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, u.DTS/90)
		if u.Desc.HasAudio() != (scale == 1) || !u.Codec.IsVideo() && scale != 1 {
			t.Errorf("scale %v: %v, described with audio: %v", scale, u.Codec, u.Desc.HasAudio())
		}
		if (scale > 4 || scale < 0) && !u.Key {
			t.Errorf("scale %v: a picture at %d that is no key", scale, u.DTS/90)
		}
		u.Release()
	}
	return list
}

// TestPlayerMoves seeks, speeds up and reads backwards over a gap; key pictures come every two seconds, and
// from 10 s to 20 s nothing is recorded.
func TestPlayerMoves(t *testing.T) {
	a := openArchive(t, Config{Segment: 4 * time.Second})
	r := a.NewRecorder("gate", Always)
	c := newCam(t, simcam.H264PCMA, epoch)
	a.record(r, c, 10*time.Second)
	r.close(-1)
	c.skip(10 * time.Second)
	a.record(r, c, 10*time.Second) // this segment is being written
	found, err := a.Find(t.Context(), "gate", epoch, epoch.Add(time.Hour), None)
	if err != nil || len(found) != 6 || !found[5].Live || found[4].Live {
		t.Fatalf("found %d (%v): %+v", len(found), err, found)
	}
	p, err := a.Open(t.Context(), "gate", epoch.Add(3*time.Second), epoch.Add(27*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	const base = -3000 // times count from the span's beginning
	for _, m := range []struct {
		name  string
		at    time.Duration
		scale float64
		most  int
		want  []int64
	}{
		{"in the middle of a group", 5 * time.Second, 2, 3, []int64{4000, 4040, 4080}},
		{"in the gap", 15 * time.Second, 2, 2, []int64{20000, 20040}},
		{"fast", 3 * time.Second, 8, 99, []int64{2000, 4000, 6000, 8000, 20000, 22000, 24000, 26000}},
		{"fast from the gap", 15 * time.Second, 16, 2, []int64{20000, 22000}},
		{"backwards", 25 * time.Second, -1, 99, []int64{24000, 22000, 20000, 8000, 6000, 4000}},
		{"backwards from the gap", 15 * time.Second, -4, 2, []int64{8000, 6000}},
		{"backwards from the end", 99 * time.Second, -4, 2, []int64{26000, 24000}},
		{"beyond the end", 99 * time.Second, 1, 2, nil},
		{"in front of the beginning", 0, 2, 1, []int64{2000}},
	} {
		var want []int64
		for _, ms := range m.want {
			want = append(want, ms+base)
		}
		if got := times(t, p, m.at, m.scale, m.most); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", m.name, got, want)
		}
	}
	all := times(t, p, 3*time.Second, 0.5, 9999)
	for i := 1; i < len(all); i++ {
		if step := all[i] - all[i-1]; step != 40 && step != 10040 && step != 39 && step != 41 {
			t.Errorf("at %d ms a step of %d ms", all[i], step)
		}
	}
	if len(all) != 8*25+7*25 {
		t.Errorf("%d pictures in the span", len(all))
	}
	r.close(-1)
}

// TestPlayerFollowsTheRecorder reads to the end of what is there, and on when there is more.
func TestPlayerFollowsTheRecorder(t *testing.T) {
	a := openArchive(t, Config{Segment: 4 * time.Second})
	r := a.NewRecorder("gate", Always)
	c := newCam(t, simcam.H264PCMA, epoch)
	a.record(r, c, 3*time.Second)
	p, err := a.Open(t.Context(), "gate", epoch, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	seen, last := 0, int64(-1)
	for round := range 4 {
		for _, u := range readAll(t, p) {
			if u.Codec.IsVideo() {
				if u.DTS <= last {
					t.Fatalf("round %d: from %d back to %d", round, last, u.DTS)
				}
				seen, last = seen+1, u.DTS
			}
			u.Release()
		}
		if recorded := int(c.picture); seen > recorded || seen < recorded-30 {
			t.Errorf("round %d: %d of %d pictures were read", round, seen, recorded)
		}
		a.record(r, c, 3*time.Second)
	}
	r.close(-1)
	for _, u := range readAll(t, p) {
		if u.Codec.IsVideo() {
			seen++
		}
		u.Release()
	}
	if seen != c.picture {
		t.Errorf("%d of %d pictures were read in the end", seen, c.picture)
	}
}

// TestDamageCostsAGroup: what is damaged in a file costs the pictures up to the next key picture, forwards, fast and
// backwards. Key pictures come every two seconds.
func TestDamageCostsAGroup(t *testing.T) {
	damage := func(at int64, spoil func(b []byte, r *reader, part int64, p place)) func([]byte) {
		return func(b []byte) {
			r, _ := newReader(bytes.NewReader(b), int64(len(b)))
			done := false
			_, _ = r.walk(func(part int64, places []place) {
				for _, p := range places {
					if !p.audio && p.dts >= at*media.Clock/1000 && !done {
						done = true
						spoil(b, r, part, p)
					}
				}
			})
		}
	}
	picture := func(b []byte, _ *reader, _ int64, p place) { b[p.offset] = 0x7F }
	head := func(b []byte, _ *reader, part int64, _ place) { b[part] = 0xFF }             // the size of a moof box
	inside := func(b []byte, _ *reader, part int64, _ place) { b[part+boxHeader] = 0xFF } // of a box in it
	for _, c := range []struct {
		name                string
		damage              func([]byte)
		normal, fast, least int
	}{
		{"none", damage(1e6, picture), 250, 5, 250},
		{"a picture", damage(4200, picture), 250 - 45, 5, 0},
		{"a key picture", damage(4000, picture), 250 - 50, 4, 0},
		{"a part's size", damage(4500, head), 0, 4, 175},
		{"a part's head", damage(4500, inside), 0, 4, 175},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, path := recordedFile(t, simcam.H264PCMA, 10*time.Second, true)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			c.damage(b)
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			p, err := a.Open(t.Context(), "gate", epoch, time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			count := func(at time.Duration, scale float64) int {
				list := times(t, p, at, scale, 999)
				for i := 1; i < len(list); i++ {
					if (list[i] < list[i-1]) != (scale < 0) {
						t.Errorf("scale %v: from %d to %d", scale, list[i-1], list[i])
					}
				}
				return len(list)
			}
			if n := count(0, 2); n < c.least || c.normal > 0 && n != c.normal {
				t.Errorf("%d pictures, want %d or at least %d", n, c.normal, c.least)
			}
			if n := count(0, 8); n < c.fast {
				t.Errorf("fast: %d pictures, want %d", n, c.fast)
			}
			if n := count(time.Hour, -8); n < c.fast {
				t.Errorf("backwards: %d pictures, want %d", n, c.fast)
			}
			if e, ok := p.Extent(t.Context()); !ok || e.VideoUnits < 175 {
				t.Errorf("extent %+v, %v", e, ok)
			}
		})
	}
}

// TestASegmentThatIsRenamedMeanwhile is not passed over: it gets its final name between look-up and opening.
func TestASegmentThatIsRenamedMeanwhile(t *testing.T) {
	first, _ := recordedFile(t, simcam.H264PCMA, 3*time.Second, false)
	a := openArchive(t, Config{Dir: first.cfg.Dir}) // to which the process before was killed
	p, err := a.Open(t.Context(), "gate", epoch, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	looked := a.shelves["gate"].entries[0]
	if !looked.open {
		t.Fatalf("it is finished: %+v", looked)
	}
	a.repair(t.Context())
	if err := p.enter(looked, nil); err != nil || p.at.entry.open {
		t.Errorf("%+v, %v", p.at.entry, err)
	}
	if err := os.Remove(a.path(p.at.entry.name("gate"))); err != nil {
		t.Fatal(err)
	}
	if err := p.enter(looked, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("one that was deleted: %v", err)
	}
}

// TestNothing wants the error that becomes a 404.
func TestNothing(t *testing.T) {
	a := openArchive(t, Config{})
	r := a.NewRecorder("gate", Always)
	a.record(r, newCam(t, simcam.H264PCMA, epoch), 3*time.Second)
	r.close(-1)
	for _, c := range []struct {
		camera   string
		from, to time.Duration
	}{
		{"other", 0, time.Hour},
		{"gate", time.Minute, time.Hour},
		{"gate", -time.Hour, 0},
		{"gate", 2 * time.Second, time.Second},
	} {
		if _, err := a.Open(context.Background(), c.camera, epoch.Add(c.from), epoch.Add(c.to)); !errors.Is(err, ErrNothing) {
			t.Errorf("%s %v–%v: %v", c.camera, c.from, c.to, err)
		}
	}
}
