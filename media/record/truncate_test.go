package record

import (
	"bytes"
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"gbgate/rtsp/simcam"
)

// recordedFile records d and returns the file of the segment, unfinished unless it is to be finished.
func recordedFile(t *testing.T, clip string, d time.Duration, finished bool) (a *Archive, path string) {
	t.Helper()
	a = openArchive(t, Config{Segment: time.Hour})
	r := a.NewRecorder("gate", Always)
	a.record(r, newCam(t, clip, epoch), d)
	s := r.take.segment
	if finished {
		r.close(-1)
	}
	return a, s.progress(noKeys).path
}

// TestTornFiles cuts a file at 200 places, as a kill does: what is whole in front of the cut is read, by us and,
// in a sample, by FFmpeg; and the next start makes a finished file of it.
func TestTornFiles(t *testing.T) {
	for _, clip := range []string{simcam.H264PCMA, simcam.H265AAC} {
		t.Run(clip, func(t *testing.T) {
			t.Parallel()
			_, path := recordedFile(t, clip, 8*time.Second, false)
			whole, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			full, err := newReader(bytes.NewReader(whole), int64(len(whole)))
			if err != nil {
				t.Fatal(err)
			}
			type part struct {
				end      int64
				pictures int // up to its end
			}
			parts, pictures := []part{{full.first, 0}}, 0
			if _, err := full.walk(func(at int64, places []place) {
				for _, p := range places {
					if !p.audio {
						pictures++
					}
				}
				_, _, next, _ := full.part(at, nil)
				parts = append(parts, part{next, pictures})
			}); err != nil || len(parts) < 8 {
				t.Fatalf("%d parts, %v", len(parts), err)
			}
			random := rand.New(rand.NewPCG(1, uint64(len(whole))))
			for i := range 200 {
				cut := random.Int64N(int64(len(whole)) + 1)
				want := 0
				for _, p := range parts {
					if p.end <= cut {
						want = p.pictures
					}
				}
				r, err := newReader(bytes.NewReader(whole[:cut]), cut)
				if err != nil {
					if cut >= full.first {
						t.Fatalf("cut at %d: %v", cut, err)
					}
					continue
				}
				got := 0
				if _, err = r.walk(func(_ int64, places []place) {
					for _, p := range places {
						if i%10 != 7 { // reading them all takes its time
							if !p.audio {
								got++
							}
							continue
						}
						u, err := r.unit(p)
						if err != nil {
							t.Fatalf("cut at %d: %v", cut, err)
						}
						if u.Codec.IsVideo() {
							got++
						}
						u.Release()
					}
				}); err != nil || got != want {
					t.Fatalf("cut at %d: %d pictures (%v), want %d", cut, got, err, want)
				}
				if i%70 == 7 && want > 0 {
					restart(t, whole[:cut], want)
				}
			}
		})
	}
}

// restart lets FFmpeg read a torn file, then an archive find it, and FFmpeg read what became of it.
func restart(t *testing.T, torn []byte, want int) {
	t.Helper()
	dir := t.TempDir()
	n := name{camera: "gate", start: epoch.UnixMilli(), length: unknown, kind: Time}
	path := filepath.Join(dir, n.path())
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, torn, 0o600); err != nil {
		t.Fatal(err)
	}
	count := func(path string) (packets int, complaints string) {
		out, errs := tool(t, "ffprobe", "-v", "error", "-select_streams", "v", "-count_packets",
			"-show_entries", "stream=nb_read_packets", "-of", "csv=p=0", path)
		packets, err := strconv.Atoi(strings.TrimSpace(out))
		if err != nil {
			t.Fatalf("ffprobe: %q", out)
		}
		return packets, errs
	}
	if got, _ := count(path); got < want {
		t.Errorf("of %d bytes FFmpeg reads %d pictures, want %d", len(torn), got, want)
	}
	a := New(Config{Dir: dir})
	unlock := a.begin(t.Context())
	if unlock == nil {
		t.Fatalf("archive: %+v", a.Status().Condition)
	}
	defer unlock()
	found, err := a.Find(context.Background(), "gate", epoch, epoch.Add(time.Hour), None)
	if err != nil || len(found) != 1 {
		t.Fatalf("%d segments, %v", len(found), err)
	}
	if v := a.Verify(t.Context(), found[0], true); !v.Finished || v.Err != nil || v.Pictures != want || v.Torn != 0 {
		t.Errorf("finished at the restart: %+v, want %d pictures", v, want)
	}
	if got, complaints := count(filepath.Join(dir, found[0].Path)); got != want || complaints != "" {
		t.Errorf("finished: FFmpeg reads %d pictures of %d: %s", got, want, complaints)
	}
}

// TestAFinalNameWithoutItsEnd: a power cut may leave a finished file's name and not what was written last. It is finished
// again, as long as it is; whole ones are left alone.
func TestAFinalNameWithoutItsEnd(t *testing.T) {
	for _, c := range []struct {
		name   string
		damage func(whole []byte) []byte
		length time.Duration // afterwards; 0: it is put aside
	}{
		{"nothing is missing", func(b []byte) []byte { return b }, 8 * time.Second},
		{"the table", func(b []byte) []byte { return b[:len(b)-30] }, 8 * time.Second},
		{"the second half", func(b []byte) []byte { return b[:len(b)/2] }, 4 * time.Second},
		{"the second half is zeros", func(b []byte) []byte { clear(b[len(b)/2:]); return b }, 4 * time.Second},
		{"everything is zeros", func(b []byte) []byte { clear(b); return b }, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, path := recordedFile(t, simcam.H264PCMA, 8*time.Second, true)
			whole, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, c.damage(whole), 0o600); err != nil {
				t.Fatal(err)
			}
			b := New(Config{Dir: a.cfg.Dir})
			unlock := b.begin(t.Context())
			if unlock == nil {
				t.Fatalf("%+v", b.Status().Condition)
			}
			defer unlock()
			found, err := b.Find(t.Context(), "gate", epoch, epoch.Add(time.Hour), None)
			if c.length == 0 {
				if _, e := os.Stat(path + asideExtension); err != nil || len(found) != 0 || e != nil {
					t.Errorf("%+v, %v, %v", found, err, e)
				}
				return
			}
			if err != nil || len(found) != 1 {
				t.Fatalf("%+v, %v", found, err)
			}
			v := b.Verify(t.Context(), found[0], true)
			if off := found[0].End.Sub(epoch) - c.length; !v.Finished || off.Abs() > time.Second {
				t.Errorf("it ends at %v, want %v: %+v", found[0].End.Sub(epoch), c.length, v)
			}
		})
	}
}
