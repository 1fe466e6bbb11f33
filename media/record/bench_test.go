package record

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gbgate/media"
)

// synthetic is two seconds of 4 Mbit/s: 50 pictures, the first one eight times as big as the others.
func synthetic() []*media.Unit {
	random := rand.NewChaCha8([32]byte{'r'})
	desc := &media.Description{Video: media.Track{Codec: media.H264, Width: 1920, Height: 1080}}
	sets := hikvision()
	units := make([]*media.Unit, 50)
	for i := range units {
		size := 1_000_000 / (49 + 8)
		u := media.NewUnit(9 * size)
		u.Codec, u.Desc, u.Key = media.H264, desc, i == 0
		if i == 0 {
			size *= 8
			u.Append(sets...)
		}
		nal := make([]byte, size)
		_, _ = random.Read(nal)
		for j, b := range nal {
			if b == 0 {
				nal[j] = 0x55
			}
		}
		nal[0] = map[bool]byte{true: 0x65, false: 0x41}[u.Key]
		u.Append(startCode...)
		u.Append(nal...)
		units[i] = u
	}
	return units
}

// BenchmarkRecord is one second of one camera at 4 Mbit/s, as a stream hands it over, written to a file.
func BenchmarkRecord(b *testing.B) {
	a := openArchive(b, Config{Segment: time.Minute})
	r := a.NewRecorder("gate", Always)
	units := synthetic()
	dts, at := int64(0), epoch
	b.SetBytes(500_000)
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if i%120 == 119 {
			b.StopTimer()
			done, _ := filepath.Glob(filepath.Join(a.cfg.Dir, "gate", "*", "*_60000.mp4"))
			for _, file := range done {
				_ = os.Remove(file)
			}
			b.StartTimer()
		}
		for j := range 25 {
			u := units[i%2*25+j]
			u.DTS, u.PTS, u.Arrived = dts, dts, at
			dts += pictureTicks
			at = at.Add(40 * time.Millisecond)
			if !r.inline(u) {
				r.step(u)
			}
		}
	}
	if err := r.Status().Err; err != nil {
		b.Fatal(err)
	}
}

// library fills a folder with five-minute segments of so many cameras and days, all of them links to a real one of
// low bit rate, and returns how many there are.
func library(b *testing.B, dir string, cameras, days int) (segments int) {
	b.Helper()
	const length = 5 * time.Minute
	var source string
	for camera := range cameras {
		for i := range days * int(24*time.Hour/length) {
			start := epoch.Add(time.Duration(i) * length)
			n := name{
				camera: fmt.Sprintf("camera-%02d", camera), start: start.UnixMilli(), length: length.Milliseconds(), kind: Time,
			}
			path := filepath.Join(dir, n.path())
			if segments%20000 == 0 { // a file has so many names at most
				source = path
				quiet(b, path, length)
			} else if err := os.Link(source, path); err != nil {
				if err = os.MkdirAll(filepath.Dir(path), 0o755); err == nil {
					err = os.Link(source, path)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
			segments++
		}
	}
	return segments
}

// quiet records a camera in front of which nothing happens, into path.
func quiet(b *testing.B, path string, length time.Duration) {
	b.Helper()
	a := openArchive(b, Config{Segment: time.Hour})
	r := a.NewRecorder("gate", Always)
	units := synthetic()
	for i := range int(length.Seconds() * 25) {
		u := media.NewUnit(4 << 10)
		u.Append(units[i%50].Data[:200]...)
		if i%50 == 0 {
			u.Append(units[0].Data[200:4000]...)
		}
		u.Codec, u.Key, u.Desc = media.H264, i%50 == 0, units[0].Desc
		u.DTS = int64(i) * pictureTicks
		u.PTS, u.Arrived = u.DTS, epoch.Add(time.Duration(i)*40*time.Millisecond)
		r.feed(u)
	}
	s := r.take.segment
	r.close(-1)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		b.Fatal(err)
	}
	if err := os.Rename(s.progress(noKeys).path, path); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkLoad reads the index of 100 000 segments: must take < 2 s and < 64 MB.
func BenchmarkLoad(b *testing.B) {
	dir := b.TempDir()
	n := library(b, dir, 64, 6)
	var before, after runtime.MemStats
	for b.Loop() {
		runtime.GC()
		runtime.ReadMemStats(&before)
		a := openArchive(b, Config{Dir: dir})
		runtime.GC()
		runtime.ReadMemStats(&after)
		if a.Status().Segments != n {
			b.Fatalf("%d segments, want %d", a.Status().Segments, n)
		}
	}
	b.ReportMetric(float64(n), "segments")
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/1e6, "MB")
	b.ReportMetric(float64(after.Sys)/1e6, "MB-of-the-process")
}

// BenchmarkSeek goes to a picture anywhere in the archive of 64 cameras and 30 days: must take < 200 ms.
func BenchmarkSeek(b *testing.B) {
	dir := b.TempDir()
	library(b, dir, 64, 30)
	a := openArchive(b, Config{Dir: dir})
	random := rand.New(rand.NewPCG(1, 2))
	var worst time.Duration
	for b.Loop() {
		at := epoch.Add(time.Duration(random.Int64N(int64(30*24*time.Hour - time.Second))))
		began := time.Now()
		p, err := a.Open(b.Context(), fmt.Sprintf("camera-%02d", random.IntN(64)), at, time.Time{})
		if err != nil {
			b.Fatal(err)
		}
		u, err := p.Read(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		u.Release()
		_ = p.Close()
		worst = max(worst, time.Since(began))
	}
	b.ReportMetric(float64(worst.Microseconds())/1000, "ms-worst")
}

// BenchmarkSeekCold is the same where nothing of the files is in memory: what a card or disk is asked for.
func BenchmarkSeekCold(b *testing.B) {
	const cameras, length = 16, 30 * time.Second
	a := openArchive(b, Config{Segment: time.Hour})
	units := synthetic()
	for camera := range cameras {
		r := a.NewRecorder(fmt.Sprint(camera), Always)
		for i := range int(length.Seconds() * 25) {
			u := units[i%50]
			u.DTS = int64(i) * pictureTicks
			u.PTS, u.Arrived = u.DTS, epoch.Add(time.Duration(i)*40*time.Millisecond)
			if !r.inline(u) {
				r.step(u)
			}
		}
		r.close(-1)
	}
	unix.Sync()
	files, _ := filepath.Glob(filepath.Join(a.cfg.Dir, "*", "*", "*"))
	random := rand.New(rand.NewPCG(1, 2))
	var worst time.Duration
	for b.Loop() {
		b.StopTimer()
		for _, file := range files {
			f, err := os.Open(file)
			if err == nil {
				err = errors.Join(unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED), f.Close())
			}
			if err != nil {
				b.Fatal(err)
			}
		}
		b.StartTimer()
		began := time.Now()
		at := epoch.Add(time.Duration(random.Int64N(int64(length - time.Second))))
		p, err := a.Open(b.Context(), fmt.Sprint(random.IntN(cameras)), at, time.Time{})
		if err != nil {
			b.Fatal(err)
		}
		u, err := p.Read(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		u.Release()
		_ = p.Close()
		worst = max(worst, time.Since(began))
	}
	b.ReportMetric(float64(worst.Microseconds())/1000, "ms-worst")
}

// BenchmarkBrowse lists a day of a camera before the index is there.
func BenchmarkBrowse(b *testing.B) {
	dir := b.TempDir()
	library(b, dir, 1, 30)
	a := New(Config{Dir: dir})
	for b.Loop() {
		found, err := a.Find(b.Context(), "camera-00", epoch.AddDate(0, 0, 10), epoch.AddDate(0, 0, 11), None)
		if err != nil || len(found) != 288 {
			b.Fatal(len(found), err)
		}
	}
}
