package record

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gbgate/media"
)

// small returns a segment of a few kilobytes with every kind of box that we write.
func small(t testing.TB, audio media.Codec) []byte {
	t.Helper()
	a := openArchive(t, Config{})
	r := a.NewRecorder("gate", Always)
	sets := hikvision()
	desc := &media.Description{
		Video: media.Track{Codec: media.H264, Width: 1920, Height: 1080},
		Audio: media.Track{Codec: audio, SampleRate: 8000, Channels: 1},
	}
	for i := range 40 {
		u := media.NewUnit(200)
		u.Desc, u.DTS = desc, int64(i)*9000
		u.Arrived = epoch.Add(time.Duration(i) * 100 * time.Millisecond)
		switch {
		case i%2 == 1 && audio == media.AAC:
			u.Codec = audio
			u.Append(0xFF, 0xF1, 0x6C, 0x40, 0x01, 0x7F, 0xFC, 0x21, 0x10, 0x04, 0x60)
		case i%2 == 1:
			u.Codec = audio
			u.Append(1, 2, 3, 4)
		case i%20 == 0:
			u.Codec, u.Key = media.H264, true
			u.Append(sets...)
			u.Append(0, 0, 0, 1, 0x65, 0x88, 0x84)
		default:
			u.Codec = media.H264
			u.Append(0, 0, 0, 1, 0x41, 0x9A, byte(i))
		}
		u.PTS = u.DTS + int64(i%4)*900
		r.feed(u)
	}
	path := r.take.segment
	r.close(-1)
	b, err := os.ReadFile(path.progress(noKeys).path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// FuzzReader feeds anything as a segment: nothing panics, what is read lies within the file, and a reader that
// goes by the table finds nothing that one that goes part by part does not bear.
func FuzzReader(f *testing.F) {
	for _, audio := range []media.Codec{media.PCMA, media.AAC} {
		b := small(f, audio)
		f.Add(b)
		f.Add(b[:len(b)*2/3])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := newReader(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		_ = r.findKeys()
		for _, k := range r.keys {
			_, _, _, _ = r.part(k.offset, nil)
			_ = r.keyBefore(k.pts)
		}
		units := 0
		_, _ = r.walk(func(_ int64, places []place) {
			for _, p := range places {
				if p.offset < 0 || p.offset+int64(p.size) > int64(len(b)) {
					t.Fatalf("a sample at %d+%d of %d", p.offset, p.size, len(b))
				}
				if units++; units > 2000 {
					continue
				}
				if u, err := r.unit(p); err == nil {
					u.Release()
				}
			}
		})
	})
}

// FuzzName wants names to come back as they were.
func FuzzName(f *testing.F) {
	f.Add("gate_20261130T080000.000Z_time_300040.mp4")
	f.Add("东门 球机_20261130T080000.000Z_alarm.mp4")
	f.Add("a_b%2F_20261130T080000.999Z_manual_0.mp4")
	f.Fuzz(func(t *testing.T, file string) {
		n, ok := parseName(file)
		if !ok {
			return
		}
		again, ok := parseName(filepath.Base(n.path()))
		if !ok || again != n {
			t.Errorf("%q is %+v, which becomes %q, which is %+v (%v)", file, n, n.path(), again, ok)
		}
	})
}

func TestNames(t *testing.T) {
	for _, camera := range []string{"gate", "east_gate_2", "东门", "..", "a/b", `c:\d`, "50%", "a b", ".hidden", "x."} {
		n := name{camera: camera, start: epoch.UnixMilli() + 7, length: 1234, kind: Alarm}
		path := n.path()
		folder, _, _ := strings.Cut(path, "/")
		if strings.Count(path, "/") != 2 || strings.HasPrefix(folder, ".") || strings.ContainsAny(path, `\:*?"<>| `) {
			t.Errorf("%q: path %q", camera, path)
		}
		if got, ok := parseName(filepath.Base(path)); !ok || got != n {
			t.Errorf("%q: %q is read as %+v, %v", camera, path, got, ok)
		}
	}
	longest := name{
		camera: strings.Repeat("%", MaxCamera/3), start: epoch.UnixMilli(), length: maxLength.Milliseconds(), kind: Manual,
	}
	if n := len(filepath.Base(longest.path())) + len(asideExtension); n > 255 {
		t.Errorf("a file's name of %d bytes", n)
	}
	for _, file := range []string{
		"", ".mp4", "gate.mp4", "gate_time.mp4", "_20261130T080000.000Z_time.mp4", "gate_20261130T080000.000Z_all.mp4",
		"gate_20261130T080000.000Z_time_-5.mp4", "gate_20261130T080000.000Z_time_99999999999.mp4",
		"gate_20261330T080000.000Z_time.mp4", "gate_20261130T080000.000Z_time.mp4.part", "g%_20261130T080000.000Z_time.mp4",
	} {
		if n, ok := parseName(file); ok {
			t.Errorf("%q is read as %+v", file, n)
		}
	}
}
