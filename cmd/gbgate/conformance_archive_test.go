package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gbgate/media"
	"gbgate/media/record"
	"gbgate/rtsp/simcam"
)

// The archive that the tests of line 9 play from.

const (
	segmentLength = 5 * time.Minute
	archiveLength = 48 * time.Hour
)

// clipUnits is a clip as a recorder reads it from a stream, for a time.
type clipUnits struct {
	clip           *simcam.Clip
	desc           *media.Description
	start          time.Time
	picture, frame int
	pictures       int // in all
}

func (c *clipUnits) Inline(func(*media.Unit) bool) {}

func (c *clipUnits) Read(context.Context) (*media.Unit, error) {
	if c.picture > c.pictures {
		return nil, io.EOF
	}
	video := int64(c.picture) * media.Clock / 25
	audio := int64(c.frame) * int64(c.clip.FrameSamples) * media.Clock / int64(c.clip.Audio.SampleRate)
	u := media.NewUnit(64 << 10)
	if video <= audio {
		p := c.clip.Pictures[c.picture%len(c.clip.Pictures)]
		u.Append(p.Data()...)
		u.Key, u.Codec, u.DTS = p.Key, c.clip.Video.Codec, video
		c.picture++
	} else {
		u.Append(c.clip.Frames[c.frame%len(c.clip.Frames)]...)
		u.Codec, u.DTS = c.clip.Audio.Codec, audio
		c.frame++
	}
	u.PTS, u.Clock, u.Desc = u.DTS, u.DTS, c.desc
	u.Arrived = c.start.Add(media.Duration(u.DTS))
	return u, nil
}

// recordSegment records five minutes of a clip with the product's own recorder and returns the file.
func recordSegment(t *testing.T, clip string) string {
	t.Helper()
	c, err := simcam.LoadClip(clip)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	archive := record.New(record.Config{Dir: dir, Segment: segmentLength})
	end := running(t, archive.Run)
	units := &clipUnits{
		clip: c, desc: &media.Description{Video: c.Video, Audio: c.Audio},
		start: time.Now().Add(-time.Hour), pictures: int(segmentLength.Seconds() * 25),
	}
	eventually(t, 10*time.Second, "the archive works", func() bool { return archive.Status().State == record.Working })
	if err := archive.NewRecorder("gate", record.Always).Run(t.Context(), units); err != io.EOF {
		t.Fatal(err)
	}
	end()
	files, _ := filepath.Glob(filepath.Join(dir, "gate", "*", "*.mp4"))
	for _, f := range files {
		if strings.HasSuffix(f, fmt.Sprintf("_%d.mp4", segmentLength.Milliseconds())) {
			return f
		}
	}
	t.Fatalf("no segment of %v among %v", segmentLength, files)
	return ""
}

// shape says of the segments of an archive whether they are there and whether they are an alarm's.
type shape struct{ skip, alarm func(time.Duration) bool }

// Between hours 10 and 12 nothing is recorded, hour 20 is an alarm's.
func holed() shape {
	return shape{
		skip:  func(at time.Duration) bool { return at >= 10*time.Hour && at < 12*time.Hour },
		alarm: func(at time.Duration) bool { return at >= 20*time.Hour && at < 21*time.Hour },
	}
}

// Each segment is of another kind than its neighbours: none are told as one.
func mixed() shape {
	return shape{
		skip:  func(time.Duration) bool { return false },
		alarm: func(at time.Duration) bool { return at/segmentLength%2 == 1 },
	}
}

// archiveOf makes an archive of 48 hours of one segment: names are its index, and a file is found by its name.
func archiveOf(t *testing.T, segment string, from time.Time, s shape) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for at := time.Duration(0); at < archiveLength; at += segmentLength {
		if s.skip(at) {
			continue
		}
		kind, start := "time", from.Add(at).UTC()
		if s.alarm(at) {
			kind = "alarm"
		}
		day := filepath.Join(dir, "gate", start.Format(time.DateOnly))
		if err := os.MkdirAll(day, 0o755); err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprintf("gate_%s_%s_%d.mp4", start.Format("20060102T150405.000Z"), kind, segmentLength.Milliseconds())
		if err := os.Link(segment, filepath.Join(day, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// storedRig is a rig whose camera has 48 hours of recordings, which begin at from.
func storedRig(t *testing.T, segment string, from time.Time, s setup) *rig {
	t.Helper()
	cam := startCamera(t, simcam.Config{})
	s.rest += cameraTOML("gate", channelID, cam.URL(), "", "") +
		fmt.Sprintf("[recording]\ndir = %q\nmax_days = 0\n", archiveOf(t, segment, from, holed()))
	return newRig(t, s)
}
