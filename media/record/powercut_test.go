//go:build powercut

package record

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"gbgate/media"
)

// TestPowerCut records onto an ext4 of its own and copies the device, as it is, at moments at which nothing is being
// written to it: what a power cut then leaves. Each copy is mounted, its archive opened and every picture compared with
// what was sent. It is run by hand, as root, for a minute:
//
//	go test -tags powercut -run PowerCut -v ./media/record
func TestPowerCut(t *testing.T) {
	const cameras, duration, copies = 8, 75 * time.Second, 12
	dir := t.TempDir()
	image, mount := filepath.Join(dir, "image"), filepath.Join(dir, "mount")
	command(t, "truncate", "-s", "700M", image)
	command(t, "mkfs.ext4", "-q", image)
	device := mounted(t, image, mount)
	a := New(Config{Dir: filepath.Join(mount, "recordings"), Segment: 20 * time.Second})
	ctx, cancel := context.WithTimeout(t.Context(), duration)
	defer cancel()
	var running sync.WaitGroup
	running.Go(func() { _ = a.Run(ctx) })
	sent := make([]*sender, cameras)
	for i := range sent {
		s := &sender{camera: fmt.Sprintf("camera-%d", i), source: synthetic(), stream: media.NewStream(media.Limits{})}
		sent[i] = s
		reader := s.stream.Subscribe(media.FromNextKey)
		r := a.NewRecorder(s.camera, Always)
		running.Go(func() { _ = r.Run(ctx, reader); _ = reader.Close() })
		running.Go(func() { s.run(ctx) })
	}
	var cut []time.Time
	for n := range copies {
		select {
		case <-time.After(time.Duration(rand.Int64N(int64(2 * duration / (copies + 3))))):
		case <-ctx.Done():
			t.Fatalf("%d copies, want %d", n, copies)
		}
		cut = append(cut, snapshot(t, ctx, device, image, fmt.Sprintf("%s.%d", image, n)))
	}
	cancel()
	running.Wait()
	command(t, "umount", mount)
	for n, at := range cut {
		inspect(t, sent, fmt.Sprintf("%s.%d", image, n), mount, at)
	}
}

func command(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// mounted mounts an image through a loop device until the test ends.
func mounted(t *testing.T, image, mount string) (device string) {
	t.Helper()
	loop := command(t, "losetup", "-f", "--show", image)
	t.Cleanup(func() { _ = exec.Command("umount", mount).Run(); _ = exec.Command("losetup", "-d", loop).Run() })
	if err := os.MkdirAll(mount, 0o755); err != nil {
		t.Fatal(err)
	}
	command(t, "mount", loop, mount)
	return filepath.Base(loop)
}

// snapshot copies an image between two writes to its device.
func snapshot(t *testing.T, ctx context.Context, device, from, to string) time.Time {
	t.Helper()
	writes := func() string {
		b, err := os.ReadFile("/sys/block/" + device + "/stat")
		if err != nil {
			t.Fatal(err)
		}
		f := strings.Fields(string(b)) // writes done, and those on their way
		return f[4] + " " + f[8]
	}
	for ctx.Err() == nil {
		before, at := writes(), time.Now()
		command(t, "cp", "--sparse=always", from, to)
		if after := writes(); after == before && strings.HasSuffix(after, " 0") {
			return at
		}
	}
	t.Fatal("the device was never still")
	return time.Time{}
}

// sender is a camera of 4 Mbit/s.
type sender struct {
	camera string
	source []*media.Unit
	stream *media.Stream
	began  time.Time
}

func (s *sender) run(ctx context.Context) {
	ticker := time.NewTicker(40 * time.Millisecond)
	defer ticker.Stop()
	s.began = time.Now()
	for i := 0; ctx.Err() == nil; i++ {
		from := s.source[i%len(s.source)]
		u := media.NewUnit(len(from.Data))
		u.Append(from.Data...)
		u.Codec, u.Key, u.Desc = from.Codec, from.Key, from.Desc
		u.DTS = int64(i) * pictureTicks
		u.PTS, u.Arrived = u.DTS, time.Now()
		s.stream.Write(u)
		<-ticker.C
	}
}

// inspect opens what was left at a moment.
func inspect(t *testing.T, sent []*sender, image, mount string, at time.Time) {
	t.Helper()
	mounted(t, image, mount)
	defer command(t, "umount", mount)
	a := New(Config{Dir: filepath.Join(mount, "recordings")})
	unlock := a.begin(t.Context())
	if unlock == nil {
		t.Errorf("the archive can't be opened: %+v", a.Status().Condition)
		return
	}
	defer unlock()
	worst, files, broken := time.Duration(0), 0, 0
	for _, s := range sent {
		found, err := a.Find(t.Context(), s.camera, s.began.Add(-time.Hour), at.Add(time.Hour), None)
		if err != nil {
			t.Error(err)
		}
		end := s.began
		for _, f := range found {
			if v := a.Verify(t.Context(), f, true); v.Err != nil || !v.Finished {
				t.Errorf("%s: %+v", f.Path, v)
			}
			end = f.End
		}
		files += len(found)
		worst = max(worst, at.Sub(end))
		broken += s.compare(t, a)
	}
	aside, _ := filepath.Glob(filepath.Join(mount, "recordings", "*", "*", "*"+asideExtension))
	t.Logf("%5.1f s: %d files whole, %d put aside, %d pictures damaged, at most %.1f s lost",
		at.Sub(sent[0].began).Seconds(), files, len(aside), broken, worst.Seconds())
	if worst > 12*time.Second || broken > 0 {
		t.Errorf("%v lost, %d pictures damaged", worst, broken)
	}
}

// compare counts the pictures that are not as they were sent.
func (s *sender) compare(t *testing.T, a *Archive) (broken int) {
	p, err := a.Open(t.Context(), s.camera, s.began.Add(-time.Hour), time.Time{})
	if err != nil {
		return 0
	}
	defer p.Close()
	for {
		u, err := p.Read(t.Context())
		if err == io.EOF {
			return broken
		}
		if err != nil {
			t.Error(err)
			return broken
		}
		ok := false
		for _, want := range s.source {
			ok = ok || bytes.Equal(u.Data, want.Data)
		}
		if !ok {
			broken++
		}
		u.Release()
	}
}
