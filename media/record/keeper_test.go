package record

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gbgate/media"
	"gbgate/rtsp/simcam"
)

// plant makes a segment's file of so many bytes, which nothing can be read of.
func plant(t testing.TB, dir, camera string, start time.Time, length time.Duration, size int64) {
	t.Helper()
	path := filepath.Join(dir, name{
		camera: camera, start: start.UnixMilli(), length: length.Milliseconds(), kind: Time,
	}.path())
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
}

// kept lists what is left in a folder, as camera and hour.
func kept(t *testing.T, dir string) string {
	t.Helper()
	var list []string
	files, err := filepath.Glob(filepath.Join(dir, "*", "*", "*.mp4"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		n, ok := parseName(filepath.Base(f))
		if !ok {
			t.Fatalf("a file %s", f)
		}
		list = append(list, fmt.Sprintf("%02d%s", int(time.UnixMilli(n.start).Sub(epoch).Hours()), n.camera))
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

// TestRetention deletes the oldest of all cameras first, but nothing that is read.
func TestRetention(t *testing.T) {
	const mb = 1 << 20
	days := func(d time.Duration) time.Duration { return time.Since(epoch) + d } // so old is what began at epoch − d
	for _, c := range []struct {
		name string
		cfg  Config
		free int64
		pin  int // an hour whose segment of camera a is read; < 0: none
		want string
	}{
		{"nothing to do", Config{}, 80 * mb, -1, "00a 00b 01a 01b 02a 02b 03a 03b"},
		{"by bytes", Config{MaxBytes: 50 * mb}, 80 * mb, -1, "01b 02a 02b 03a 03b"},
		{"by bytes, while one is read", Config{MaxBytes: 50 * mb}, 80 * mb, 0, "00a 02a 02b 03a 03b"},
		{"by age", Config{MaxAge: days(-90 * time.Minute)}, 80 * mb, -1, "01a 01b 02a 02b 03a 03b"},
		{"by age, while one is read", Config{MaxAge: days(-90 * time.Minute)}, 80 * mb, 0, "00a 01a 01b 02a 02b 03a 03b"},
		{"by what is free", Config{MinFree: 95 * mb}, 80 * mb, -1, "01b 02a 02b 03a 03b"},
		{"there is no floor, but a spare", Config{}, 5 * mb, -1, "00b 01a 01b 02a 02b 03a 03b"},
		{"all of it", Config{MinFree: 1000 * mb}, 80 * mb, 3, "03a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for hour := range 4 {
				for _, camera := range []string{"a", "b"} {
					plant(t, dir, camera, epoch.Add(time.Duration(hour)*time.Hour), time.Hour, 10*mb)
				}
			}
			c.cfg.Dir = dir
			c.cfg.volume = &countingDisk{disk: disk{dir}, base: c.free, dir: dir}
			a := openArchive(t, c.cfg)
			if c.pin >= 0 {
				a.pins[pin{"a", epoch.Add(time.Duration(c.pin) * time.Hour).UnixMilli()}]++
			}
			if err := a.sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := kept(t, dir); got != c.want {
				t.Errorf("left %s, want %s", got, c.want)
			}
			if st := a.Status(); st.Segments != len(strings.Fields(c.want)) || st.Bytes != int64(st.Segments)*10*mb {
				t.Errorf("status: %d segments, %d bytes", st.Segments, st.Bytes)
			}
		})
	}
}

// countingDisk has so much free as it was told and what was deleted since.
type countingDisk struct {
	disk
	base int64
	dir  string
}

func (d *countingDisk) Space() (free, total int64, err error) {
	files, err := filepath.Glob(filepath.Join(d.dir, "*", "*", "*.mp4"))
	return d.base + int64(8-len(files))*10<<20, 160 << 20, err
}

// TestIndexIsRebuilt: a second archive on the same folder knows what the first one did; strangers' files and those that
// were moved are left alone.
func TestIndexIsRebuilt(t *testing.T) {
	a := openArchive(t, Config{Segment: 3 * time.Second})
	for _, camera := range []string{"gate", "东门 2"} {
		r := a.NewRecorder(camera, Always)
		a.record(r, newCam(t, simcam.H264PCMA, epoch), 9*time.Second)
		r.close(-1)
	}
	for _, stray := range []string{
		"README.txt", "gate/notes.mp4", "gate/2026-11-30/clip.mp4", "gate/2026-11-30/gate_20261201T080000.000Z_time_1000.mp4",
		"gate/2026-11-30/yard_20261130T080000.000Z_time_1000.mp4",
	} {
		if err := os.WriteFile(filepath.Join(a.cfg.Dir, stray), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b := openArchive(t, Config{Dir: a.cfg.Dir})
	for _, camera := range []string{"gate", "东门 2", "yard"} {
		want, err := a.Find(t.Context(), camera, epoch.Add(-time.Hour), epoch.Add(48*time.Hour), None)
		if err != nil {
			t.Fatal(err)
		}
		got, err := b.Find(t.Context(), camera, epoch.Add(-time.Hour), epoch.Add(48*time.Hour), None)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v\n%+v, want\n%+v", camera, err, got, want)
		}
		if camera != "yard" && len(got) != 3 {
			t.Errorf("%s: %d segments", camera, len(got))
		}
	}
	if one, two := a.Status(), b.Status(); one.Bytes != two.Bytes || one.Segments != two.Segments || two.Segments != 6 {
		t.Errorf("status %+v, then %+v", one, two)
	}
}

// TestRepairTellsWhatItDoes: an empty file of a killed process goes without a word, one of zeros (a power cut) is put
// aside and told once, one that is good is finished; none of them was deleted to make room.
func TestRepairTellsWhatItDoes(t *testing.T) {
	a, good := recordedFile(t, simcam.H264PCMA, 3*time.Second, false)
	dir := a.cfg.Dir
	write := func(start time.Duration, content []byte) string {
		path := filepath.Join(dir, name{
			camera: "gate", start: epoch.Add(start).UnixMilli(), length: unknown, kind: Time,
		}.path())
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	empty, zeros := write(time.Minute, nil), write(2*time.Minute, make([]byte, 40_000))
	for start, want := range []string{"is finished|is put aside", ""} {
		var told bytes.Buffer
		b := New(Config{Dir: dir, Log: slog.New(slog.NewTextHandler(&told, nil))})
		unlock := b.begin(t.Context())
		if unlock == nil {
			t.Fatal(b.Status().Condition)
		}
		unlock()
		st := b.Status()
		if st.Segments != 1 || st.Deleted != 0 || st.Bytes < 1000 || st.Cameras[0].Bytes != st.Bytes {
			t.Errorf("start %d: %+v", start, st)
		}
		for _, words := range strings.Split(want, "|") {
			if strings.Count(told.String(), words) != 1 && words != "" {
				t.Errorf("start %d: %q is not told once:\n%s", start, words, told.String())
			}
		}
		if n := strings.Count(told.String(), "\n"); want == "" && n != 0 || want != "" && n != 2 {
			t.Errorf("start %d: %d lines:\n%s", start, n, told.String())
		}
	}
	for _, path := range []string{good, empty, zeros} {
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s is still there", filepath.Base(path))
		}
	}
	if b, err := os.ReadFile(zeros + ".damaged"); err != nil || len(b) != 40_000 {
		t.Errorf("put aside: %d bytes, %v", len(b), err)
	}
}

// TestOneProcessAtATime: a second gateway on the same folder records nothing there.
func TestOneProcessAtATime(t *testing.T) {
	dir := t.TempDir()
	first := New(Config{Dir: dir})
	unlock := first.begin(t.Context())
	if unlock == nil {
		t.Fatal(first.Status().Condition)
	}
	second := New(Config{Dir: dir})
	if second.begin(t.Context()) != nil {
		t.Fatal("a second archive has the folder too")
	}
	if st := second.Status(); st.State != Broken || !strings.Contains(st.Reason, "another gbgate") {
		t.Errorf("the second one is %v: %s", st.State, st.Reason)
	}
	unlock()
	again := second.begin(t.Context())
	if again == nil {
		t.Fatal(second.Status().Condition)
	}
	again()
}

// TestExport makes a clip over a gap and wants FFmpeg to read it without a fault.
func TestExport(t *testing.T) {
	a := openArchive(t, Config{Segment: 4 * time.Second})
	r := a.NewRecorder("gate", Always)
	c := newCam(t, simcam.H264PCMA, epoch)
	a.record(r, c, 10*time.Second)
	r.close(-1)
	c.skip(10 * time.Second)
	a.record(r, c, 10*time.Second)
	r.close(-1)
	path := filepath.Join(t.TempDir(), "clip.mp4")
	clip, err := a.Export(t.Context(), "gate", epoch.Add(3*time.Second), epoch.Add(27*time.Second), path)
	if err != nil || clip.Pictures != 8*25+7*25 || clip.Skipped < 9*time.Second || clip.Skipped > 11*time.Second {
		t.Errorf("%+v, %v", clip, err)
	}
	if !clip.From.Equal(epoch.Add(2*time.Second)) || clip.To.Sub(epoch) < 26900*time.Millisecond {
		t.Errorf("from %v to %v", clip.From, clip.To)
	}
	out, complaints := tool(t, "ffprobe", "-v", "error", "-count_packets", "-show_entries",
		"stream=nb_read_packets:format=duration",
		"-of", "csv=p=0", path)
	lines := strings.Fields(out)
	if complaints != "" || len(lines) != 3 || lines[0] != "375" ||
		!strings.HasPrefix(lines[2], "15.") && !strings.HasPrefix(lines[2], "14.9") {
		t.Errorf("ffprobe: %v %s", lines, complaints)
	}
	if _, err := a.Export(t.Context(), "gate", epoch, epoch.Add(time.Hour), path); err == nil {
		t.Error("a clip has replaced another file")
	}

	other := newCam(t, simcam.H265AAC, epoch.Add(time.Minute))
	a.record(r, other, 3*time.Second)
	r.close(-1)
	clip, err = a.Export(t.Context(), "gate", epoch.Add(28*time.Second), epoch.Add(time.Hour), path+"2")
	if err == nil || !strings.Contains(err.Error(), "another from") || clip.Pictures != 50 {
		t.Errorf("over a change: %+v, %v", clip, err)
	}
}

// TestExportWherePicturesStall: a camera that sends sound only for a while leaves no gap, so the clip is as long as
// what was recorded.
func TestExportWherePicturesStall(t *testing.T) {
	a := openArchive(t, Config{Segment: time.Hour})
	r := a.NewRecorder("gate", Always)
	c := newCam(t, simcam.H264PCMA, epoch)
	a.record(r, c, 6*time.Second)
	c.picture += 10 * 25
	for c.frame*c.clip.FrameSamples < 16*c.clip.Audio.SampleRate {
		r.feed(c.next())
	}
	a.record(r, c, 6*time.Second)
	r.close(-1)
	path := filepath.Join(t.TempDir(), "clip.mp4")
	clip, err := a.Export(t.Context(), "gate", epoch, epoch.Add(time.Hour), path)
	if err != nil || clip.Skipped != 0 || clip.Pictures != 12*25 ||
		clip.Sounds < 21*c.clip.Audio.SampleRate/c.clip.FrameSamples {
		t.Errorf("%+v, %v", clip, err)
	}
	file, closeFile, err := openReader(path, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer closeFile()
	last := int64(-1)
	if _, err := file.walk(func(_ int64, places []place) {
		for _, p := range places {
			if p.audio {
				if last >= 0 && p.dts-last > media.Clock/10 {
					t.Errorf("sound steps from %d to %d ms", last/90, p.dts/90)
				}
				last = p.dts
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	if end, _ := file.length(); end < 2199*media.Clock/100 || end > 2201*media.Clock/100 {
		t.Errorf("it lasts %v", duration(end))
	}
}

// TestVerify finds every kind of damage.
func TestVerify(t *testing.T) {
	for _, c := range []struct {
		name   string
		damage func([]byte) []byte
		want   string
	}{
		{"none", func(b []byte) []byte { return b }, ""},
		{"cut", func(b []byte) []byte { return b[:len(b)/2] }, "no table"},
		{"nothing", func([]byte) []byte { return nil }, "no beginning"},
		{"zeros in front", func(b []byte) []byte { clear(b[:100]); return b }, "no beginning"},
		{"a table that lies", func(b []byte) []byte { b[len(b)-22] ^= 0x10; return b }, "does not fit"},
		{"a picture's length", func(b []byte) []byte {
			r, _ := newReader(strings.NewReader(string(b)), int64(len(b)))
			places, _, _, _ := r.part(r.first, nil)
			b[places[0].offset] = 0x7F
			return b
		}, "do not add up"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, path := recordedFile(t, simcam.H264PCMA, 3*time.Second, true)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, c.damage(b), 0o600); err != nil {
				t.Fatal(err)
			}
			found, err := a.Find(t.Context(), "gate", epoch, epoch.Add(time.Hour), None)
			if err != nil || len(found) != 1 {
				t.Fatalf("%+v, %v", found, err)
			}
			v := a.Verify(t.Context(), found[0], true)
			if c.want == "" && (v.Err != nil || !v.Finished) ||
				c.want != "" && (v.Err == nil || !strings.Contains(v.Err.Error(), c.want)) {
				t.Errorf("%+v, want %q", v, c.want)
			}
			// Whatever it is, reading ends, and without a panic.
			p, err := a.Open(t.Context(), "gate", epoch, time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			for _, u := range readAll(t, p) {
				u.Release()
			}
			_ = p.Close()
		})
	}
}
