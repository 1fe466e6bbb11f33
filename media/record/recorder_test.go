package record

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"gbgate/media"
	"gbgate/rtsp/simcam"
)

// live is a camera, its stream and a recorder that reads it, in a synctest bubble.
type live struct {
	t      *testing.T
	a      *Archive
	r      *Recorder
	cam    *cam
	stream *media.Stream
	began  time.Time
	end    func()
}

func startLive(t *testing.T, cfg Config, mode Mode) *live {
	t.Helper()
	began := time.Now()
	l := &live{
		t: t, a: openArchive(t, cfg), cam: newCam(t, simcam.H264PCMA, began),
		stream: media.NewStream(media.Limits{}), began: began,
	}
	l.r = l.a.NewRecorder("gate", mode)
	reader := l.stream.Subscribe(media.FromNextKey)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := l.r.Run(ctx, reader); !errors.Is(err, context.Canceled) {
			t.Errorf("Run ended with %v", err)
		}
		_ = reader.Close()
	})
	l.end = func() { cancel(); running.Wait() }
	return l
}

// play lets the camera send for d, in time.
func (l *live) play(d time.Duration) {
	end := time.Now().Add(d)
	for {
		u := l.cam.next()
		wait := time.Until(u.Arrived)
		if u.Arrived.After(end) {
			l.cam.back(u.Codec)
			u.Release()
			time.Sleep(time.Until(end))
			return
		}
		time.Sleep(wait)
		u.Arrived = time.Now()
		l.stream.Write(u)
		synctest.Wait()
	}
}

// back takes the last unit back.
func (c *cam) back(codec media.Codec) {
	if codec.IsVideo() {
		c.picture--
	} else {
		c.frame--
	}
}

// story lists what is stored as "kind from–to" in seconds since the beginning.
func (l *live) story() string {
	l.t.Helper()
	found, err := l.a.Find(l.t.Context(), "gate", l.began.Add(-time.Hour), l.began.Add(time.Hour), None)
	if err != nil {
		l.t.Fatal(err)
	}
	var parts []string
	for _, s := range found {
		parts = append(parts, fmt.Sprintf("%s %.1f–%.1f", s.Kind, s.Start.Sub(l.began).Seconds(),
			s.End.Sub(l.began).Seconds()))
	}
	return strings.Join(parts, ", ")
}

func (l *live) want(story string) {
	l.t.Helper()
	if got := l.story(); got != story {
		l.t.Errorf("recorded %s\nwant     %s", got, story)
	}
}

// TestModes records around alarms and by hand. Key pictures come every two seconds.
func TestModes(t *testing.T) {
	cfg := func() Config { return Config{Segment: time.Hour, Pre: 3 * time.Second, Post: 10 * time.Second} }
	for _, c := range []struct {
		name string
		mode Mode
		act  func(*live)
		want string
	}{
		{"always", Always, func(l *live) { l.play(9 * time.Second) }, "time 0.0–9.0"},
		{"no alarm", OnAlarm, func(l *live) { l.play(9 * time.Second) }, ""},
		{"an alarm, from three seconds before", OnAlarm, func(l *live) {
			l.play(9500 * time.Millisecond)
			l.r.Alarm()
			l.play(30 * time.Second)
		}, "alarm 6.0–20.0"},
		{"a second alarm prolongs it", OnAlarm, func(l *live) {
			l.play(9500 * time.Millisecond)
			l.r.Alarm()
			l.play(6 * time.Second)
			l.r.Alarm()
			l.play(30 * time.Second)
		}, "alarm 6.0–26.0"},
		{"movement that goes on", OnAlarm, func(l *live) {
			l.play(5 * time.Second)
			l.r.Alarm()
			l.r.Hold(true)
			l.play(25 * time.Second)
			l.r.Hold(false)
			l.play(30 * time.Second)
		}, "alarm 2.0–40.0"},
		{"movement that nobody ends", OnAlarm, func(l *live) {
			l.play(5 * time.Second)
			l.r.Hold(true)
			l.play(11 * time.Minute)
		}, "alarm 2.0–606.0"},
		{"by hand", OnAlarm, func(l *live) {
			l.play(5 * time.Second)
			l.r.Manual(true)
			l.play(5 * time.Second)
			l.r.Manual(false)
			l.play(5 * time.Second)
		}, "manual 2.0–10.0"},
		{"an alarm while recording always", Always, func(l *live) {
			l.play(5 * time.Second)
			l.r.Alarm()
			l.play(14500 * time.Millisecond)
			l.r.Manual(true)
			l.play(5500 * time.Millisecond)
		}, "time 0.0–6.0, alarm 6.0–16.0, time 16.0–20.0, manual 20.0–25.0"},
		{"the camera is cut off by who was seen", OnAlarm, func(l *live) {
			l.play(7 * time.Second)
			l.r.Alarm() // what is in memory is saved although nothing more comes
			time.Sleep(time.Minute)
		}, "alarm 4.0–7.0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := startLive(t, cfg(), c.mode)
				c.act(l)
				l.end()
				l.want(c.want)
			})
		})
	}
}

// TestNewSegments: a gap, another picture size and a changed clock begin a new file, and so does the time; what is
// in memory of a camera that stalls is written.
func TestNewSegments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := startLive(t, Config{Segment: 5 * time.Second}, Always)
		l.play(11 * time.Second)
		l.want("time 0.0–6.0, time 6.0–10.8")
		time.Sleep(3 * time.Second)
		l.want("time 0.0–6.0, time 6.0–11.0")
		time.Sleep(16 * time.Second) // it comes back after 30 s, with a key picture
		l.stream.Reset()
		l.cam.skip(17 * time.Second)
		l.play(3 * time.Second)
		l.end()
		l.want("time 0.0–6.0, time 6.0–11.0, time 30.0–33.0")
	})
	synctest.Test(t, func(t *testing.T) {
		l := startLive(t, Config{Segment: time.Hour}, Always)
		l.play(4 * time.Second)
		other := newCam(t, simcam.H265AAC, l.began)
		other.picture = l.cam.picture
		other.frame = int(4 * 16000 / 1024)
		l.cam = other
		l.play(4 * time.Second)
		l.end()
		l.want("time 0.0–4.0, time 6.0–8.0")
		p, err := l.a.Open(t.Context(), "gate", l.began, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		told := ""
		for _, u := range readAll(t, p) {
			if u.Announce {
				told += fmt.Sprintf("%v+%v at %d ", u.Desc.Video.Codec, u.Desc.Audio.Codec, u.DTS/media.Clock)
			}
			u.Release()
		}
		if told != "H.264+G.711A at 0 H.265+AAC at 6 " {
			t.Errorf("told %s", told)
		}
	})
}

// TestAClockThatIsSetBack: what comes then has its own segment, and a player shows what both have once, in order.
// From one segment to the next a camera is recorded: who watches the metric is not alarmed at each.
func TestANewSegmentIsNoInterruption(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := startLive(t, Config{Segment: 10 * time.Second}, Always)
		l.play(3 * time.Second)
		for range 300 {
			l.play(100 * time.Millisecond)
			if got := l.r.Status().Recording; got != Time {
				t.Errorf("%v after the beginning %v is recorded, want %v", time.Since(l.began), got, Time)
			}
		}
		l.end()
		if got := strings.Count(l.story(), "time"); got != 4 {
			t.Errorf("%d segments, want 4: %s", got, l.story())
		}
	})
}

func TestAClockThatIsSetBack(t *testing.T) {
	a := openArchive(t, Config{Segment: time.Hour})
	r := a.NewRecorder("gate", Always)
	c := newCam(t, simcam.H264PCMA, epoch)
	a.record(r, c, 20*time.Second)
	c.start = epoch.Add(-10 * time.Second)
	a.record(r, c, 20*time.Second)
	r.close(-1)
	found, err := a.Find(t.Context(), "gate", epoch, epoch.Add(time.Hour), None)
	if err != nil || len(found) != 2 || !found[1].Start.Equal(epoch.Add(10*time.Second)) {
		t.Fatalf("%+v, %v", found, err)
	}
	p, err := a.Open(t.Context(), "gate", epoch, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	pictures, last := 0, int64(-1)
	for _, u := range readAll(t, p) {
		if u.Codec.IsVideo() {
			if u.DTS <= last {
				t.Fatalf("from %d back to %d", last, u.DTS)
			}
			last = u.DTS
			pictures++
		}
		u.Release()
	}
	if pictures != 30*25 {
		t.Errorf("%d pictures, want those of 30 s", pictures)
	}
}

// sickDisk is a volume that fails as it is told.
type sickDisk struct {
	disk
	mu    sync.Mutex
	write error // what every write fails with; what was written of it is half
	probe error
	free  int64
	syncs int
}

func (d *sickDisk) set(write, probe error, free int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.write, d.probe, d.free = write, probe, free
}

func (d *sickDisk) Create(path string) (file, error) {
	f, err := d.disk.Create(path)
	if err != nil {
		return nil, err
	}
	return &sickFile{f, d}, nil
}

func (d *sickDisk) Space() (free, total int64, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.free, 1 << 40, nil
}

func (d *sickDisk) Sync() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.syncs++
	return nil
}

func (d *sickDisk) Probe() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.probe
}

type sickFile struct {
	file
	disk *sickDisk
}

func (f *sickFile) Append(pieces [][]byte) error {
	f.disk.mu.Lock()
	err := f.disk.write
	f.disk.mu.Unlock()
	if err == nil {
		return f.file.Append(pieces)
	}
	_ = f.file.Append(pieces[:len(pieces)/2])
	return &os.PathError{Op: "write", Path: "it", Err: err}
}

// TestSickDisk lets the disk fill up and fail: recording stops, that is told once, and goes on by itself; what was
// written is whole.
func TestSickDisk(t *testing.T) {
	for _, c := range []struct {
		name  string
		write error
		free  int64
		want  State
		files int // those of before are deleted where that could make room
	}{
		{"full before its time", nil, 50 << 20, Full, 1},
		{"full", syscall.ENOSPC, 1 << 20, Full, 1},
		{"broken", syscall.EIO, 1 << 40, Broken, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var told []State
				dir := t.TempDir()
				d := &sickDisk{disk: disk{dir}, free: 1 << 40}
				a := New(Config{
					Dir: dir, MinFree: 100 << 20, Segment: time.Minute, volume: d,
					Changed: func(c Condition) { told = append(told, c.State) },
				})
				ctx, cancel := context.WithCancel(t.Context())
				var running sync.WaitGroup
				running.Go(func() { _ = a.Run(ctx) })
				synctest.Wait()
				l := &live{
					t: t, a: a, cam: newCam(t, simcam.H264PCMA, time.Now()), stream: media.NewStream(media.Limits{}),
					began: time.Now(),
				}
				l.r = a.NewRecorder("gate", Always)
				reader := l.stream.Subscribe(media.FromNextKey)
				running.Go(func() { _ = l.r.Run(ctx, reader); _ = reader.Close() })
				l.play(25 * time.Second)
				var probe error
				if c.want == Broken {
					probe = c.write
				}
				d.set(c.write, probe, c.free)
				l.play(30 * time.Second)
				if st := a.Status(); st.State != c.want || st.Reason == "" {
					t.Errorf("then it is %v: %s", st.State, st.Reason)
				}
				st := l.r.Status()
				if st.Recording != None || st.Lost == 0 {
					t.Errorf("then the recorder says %+v", st)
				}
				d.set(nil, nil, 1<<40)
				l.play(30 * time.Second)
				if st := l.r.Status(); st.Recording != Time || st.Err != nil {
					t.Errorf("afterwards the recorder says %+v", st)
				}
				cancel()
				running.Wait()
				if fmt.Sprint(told) != fmt.Sprint([]State{Working, c.want, Working}) {
					t.Errorf("told %v", told)
				}
				if d.syncs < 5 || d.syncs > 12 {
					t.Errorf("%d syncs in 85 s", d.syncs)
				}
				found, err := a.Find(t.Context(), "gate", l.began, l.began.Add(time.Hour), None)
				if err != nil || len(found) != c.files {
					t.Fatalf("%d segments, %v: %s", len(found), err, l.story())
				}
				for _, s := range found {
					if v := a.Verify(t.Context(), s, true); !v.Finished || v.Torn != 0 {
						t.Errorf("%s: %+v", filepath.Base(s.Path), v)
					}
				}
			})
		})
	}
}

// TestAWriteThatFailsLast fails for the last part of a camera that is silent then: nothing of what comes after the
// silence is lost for it.
func TestAWriteThatFailsLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		d := &sickDisk{disk: disk{dir}, free: 1 << 40}
		a := New(Config{Dir: dir, Segment: time.Minute, volume: d})
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = a.Run(ctx) })
		synctest.Wait()
		l := &live{
			t: t, a: a, cam: newCam(t, simcam.H264PCMA, time.Now()), stream: media.NewStream(media.Limits{}),
			began: time.Now(),
		}
		l.r = a.NewRecorder("gate", Always)
		reader := l.stream.Subscribe(media.FromNextKey)
		running.Go(func() { _ = l.r.Run(ctx, reader); _ = reader.Close() })
		l.play(10 * time.Second)
		d.set(syscall.EIO, nil, 1<<40)
		time.Sleep(2 * stallAfter)
		d.set(nil, nil, 1<<40)
		time.Sleep(10 * time.Minute)
		lost := l.r.Status().Lost
		l.play(10 * time.Second)
		if st := l.r.Status(); lost == 0 || st.Lost != lost || st.Recording != Time {
			t.Errorf("before the silence %d units were lost, then the recorder says %+v", lost, st)
		}
		cancel()
		running.Wait()
	})
}

// creations counts the files that are made.
type creations struct {
	disk
	n int
}

func (d *creations) Create(path string) (file, error) {
	f, err := d.disk.Create(path)
	if err == nil {
		d.n++
	}
	return f, err
}

// TestACameraWithoutParameterSets is told once and costs no file, also where it is tried again all the time; once they
// come it is recorded.
func TestACameraWithoutParameterSets(t *testing.T) {
	dir := t.TempDir()
	d := &creations{disk: disk{dir}}
	var told bytes.Buffer
	a := openArchive(t, Config{Dir: dir, volume: d, Log: slog.New(slog.NewTextHandler(&told, nil))})
	r := a.NewRecorder("gate", Always)
	c := newCam(t, simcam.H264PCMA, epoch)
	for c.picture < 250 {
		u := c.next()
		if u.Key {
			var bare []byte
			eachNAL(u.Data, func(nal []byte) bool {
				if !isParameterSet(u.Codec, nalType(u.Codec, nal)) {
					bare = append(append(bare, startCode...), nal...)
				}
				return true
			})
			u.Data = append(u.Data[:0], bare...)
		}
		r.feed(u)
	}
	if d.n != 0 || strings.Count(told.String(), "camera is not recorded") != 1 || !a.working.Load() {
		t.Errorf("%d files were made, the volume works: %v\n%s", d.n, a.working.Load(), told.String())
	}
	a.record(r, c, 4*time.Second)
	r.close(-1)
	if st := r.Status(); d.n != 1 || st.Err != nil || st.Parts == 0 ||
		strings.Count(told.String(), "camera is recorded again") != 1 {
		t.Errorf("%d files were made, %+v\n%s", d.n, st, told.String())
	}
}

// TestASlowDiskIsToldOnceAMinute: the first loss at once, then what has come together.
func TestASlowDiskIsToldOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told bytes.Buffer
		r := openArchive(t, Config{Log: slog.New(slog.NewTextHandler(&told, nil))}).NewRecorder("gate", Always)
		for second := range uint64(150) {
			r.lag(min(second, 80))
			time.Sleep(time.Second)
		}
		var frames []string
		for line := range strings.Lines(told.String()) {
			_, n, _ := strings.Cut(strings.TrimSpace(line), "frames=")
			frames = append(frames, n)
		}
		if got := strings.Join(frames, " "); got != "1 60 19" {
			t.Errorf("told of %s lost pictures, want 1, 60 and 19", got)
		}
		if st := r.Status(); st.Lost != 80 {
			t.Errorf("status: %d lost", st.Lost)
		}
	})
}
