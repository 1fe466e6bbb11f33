package record

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gbgate/media"
	"gbgate/rtsp/simcam"
)

// TestBehind: what a short write leaves begins where it ended.
func TestBehind(t *testing.T) {
	for n, want := range []string{"ab cde f", "b cde f", "cde f", "de f", "e f", "f", ""} {
		left := behind([][]byte{[]byte("ab"), {}, []byte("cde"), []byte("f")}, n)
		var got []string
		for _, p := range left {
			if len(p) > 0 {
				got = append(got, string(p))
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("behind %d bytes: %q, want %q", n, got, want)
		}
	}
}

// returned counts the units that were given back.
type returned struct{ n *int }

func (r returned) Recycle() { *r.n++ }

// sliced makes pictures of so many NAL units, and tells how many of them were given back.
func sliced(pictures, slices int, back *int) (units []*media.Unit) {
	desc := &media.Description{Video: media.Track{Codec: media.H264, Width: 1920, Height: 1080}}
	random := rand.New(rand.NewPCG(1, 2))
	for i := range pictures {
		u := media.NewUnit(4 << 10)
		u.Codec, u.Desc, u.Key, u.DTS = media.H264, desc, i == 0, int64(i)*pictureTicks
		u.PTS, u.Arrived = u.DTS, epoch.Add(time.Duration(i)*40*time.Millisecond)
		if u.Key {
			u.Append(hikvision()...)
		}
		for range slices {
			u.Append(startCode...)
			u.Append(map[bool]byte{true: 0x65, false: 0x41}[u.Key])
			for range random.IntN(50) {
				u.Append(byte(1 + random.IntN(255)))
			}
		}
		u.Derive(0, func(*media.Unit) media.Derived { return returned{back} })
		units = append(units, u)
	}
	return units
}

// TestPieces: whatever a picture's NAL units are, and however many a part has, it is read as it was written, and the
// units are given back as soon as they are in the file.
func TestPieces(t *testing.T) {
	for _, slices := range []int{1, 4, maxNALs - 2, maxNALs - 1, maxNALs, maxNALs + 1, 500} {
		t.Run(fmt.Sprint(slices), func(t *testing.T) {
			a := openArchive(t, Config{Segment: time.Hour})
			r, back := a.NewRecorder("gate", Always), 0
			var want [][]byte
			for _, u := range sliced(60, slices, &back) {
				want = append(want, bytes.Clone(u.Data))
				r.feed(u)
			}
			if slices < maxNALs-2 && (back < 40 || back == 60) {
				t.Errorf("%d of 60 pictures were given back before the last part was full", back)
			}
			r.close(-1)
			if back != 60 {
				t.Errorf("%d of 60 pictures were given back", back)
			}
			p, err := a.Open(t.Context(), "gate", epoch, time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			for i, u := range readAll(t, p) {
				if i >= len(want) || !bytes.Equal(u.Data, want[i]) {
					t.Fatalf("picture %d is another", i)
				}
				u.Release()
			}
		})
	}
}

// TestUnitsOfABrokenDisk are given back, too, and counted.
func TestUnitsOfABrokenDisk(t *testing.T) {
	dir := t.TempDir()
	d := &sickDisk{disk: disk{dir}, write: syscall.EIO}
	a := openArchive(t, Config{Dir: dir, volume: d})
	r, back := a.NewRecorder("gate", Always), 0
	for _, u := range sliced(60, 2, &back) {
		r.feed(u)
	}
	r.close(-1)
	if st := r.Status(); back != 60 || st.Lost != 60 || st.Err == nil {
		t.Errorf("%d of 60 pictures were given back, status %+v", back, st)
	}
}

// TestRoomAhead: a file is as long as what is in it, takes room on the disk ahead of that while it grows, and gives it
// back at its end, also after a kill.
func TestRoomAhead(t *testing.T) {
	blocks := func(path string) (size, room int64) {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size(), info.Sys().(*syscall.Stat_t).Blocks * 512
	}
	a := openArchive(t, Config{Segment: time.Hour})
	r, c := a.NewRecorder("gate", Always), newCam(t, simcam.H264PCMA, epoch)
	a.record(r, c, 5*time.Second)
	s := r.take.segment
	path := s.progress(noKeys).path
	if size, room := blocks(path); size != s.size || room < minAhead && !s.file.(*diskFile).plain {
		t.Errorf("%d bytes of %d, room for %d", size, s.size, room)
	}
	torn := filepath.Join(t.TempDir(), "gate", filepath.Base(filepath.Dir(path)))
	if err := os.MkdirAll(torn, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(path, filepath.Join(torn, filepath.Base(path))); err != nil {
		t.Fatal(err)
	}
	b := openArchive(t, Config{Dir: filepath.Dir(filepath.Dir(torn))})
	b.repair(t.Context())
	for _, archive := range []*Archive{b, a} {
		if archive == a {
			r = a.NewRecorder("gate", Always)
			a.record(r, c, 5*time.Second)
			r.close(-1)
		}
		found, err := archive.Find(t.Context(), "gate", epoch, epoch.Add(time.Hour), None)
		if err != nil || len(found) == 0 {
			t.Fatal(found, err)
		}
		last := found[len(found)-1]
		if size, room := blocks(filepath.Join(archive.cfg.Dir, last.Path)); last.Live || size != last.Size ||
			room > size+64<<10 {
			t.Errorf("at the end %+v: %d bytes, room for %d", last, size, room)
		}
	}
}
