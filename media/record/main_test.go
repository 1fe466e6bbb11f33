package record

import (
	"context"
	"encoding/base64"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gbgate/media"
	"gbgate/rtsp/simcam"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// epoch is when recordings of tests begin.
//
//nolint:gochecknoglobals // a constant
var epoch = time.Date(2026, 11, 30, 8, 0, 0, 0, time.UTC)

// cam plays a clip as a camera would send it, as fast as it is asked for.
type cam struct {
	clip    *simcam.Clip
	desc    *media.Description
	start   time.Time // arrival of DTS 0
	picture int       // the next one
	frame   int
}

func newCam(t testing.TB, clip string, start time.Time) *cam {
	t.Helper()
	c, err := simcam.LoadClip(clip)
	if err != nil {
		t.Fatal(err)
	}
	return &cam{clip: c, desc: &media.Description{Video: c.Video, Audio: c.Audio}, start: start}
}

const pictureTicks = media.Clock / 25

// next returns the unit that is due next.
func (c *cam) next() *media.Unit {
	video := int64(c.picture) * pictureTicks
	audio := int64(c.frame) * int64(c.clip.FrameSamples) * media.Clock / int64(c.clip.Audio.SampleRate)
	var data []byte
	u := media.NewUnit(64 << 10)
	if video <= audio || !c.desc.HasAudio() {
		p := c.clip.Pictures[c.picture%len(c.clip.Pictures)]
		data, u.Key, u.Codec, u.DTS = p.Data(), p.Key, c.clip.Video.Codec, video
		c.picture++
	} else {
		data, u.Codec, u.DTS = c.clip.Frames[c.frame%len(c.clip.Frames)], c.clip.Audio.Codec, audio
		c.frame++
	}
	u.Append(data...)
	u.PTS, u.Clock, u.Desc = u.DTS, u.DTS, c.desc
	u.Arrived = c.start.Add(media.Duration(u.DTS))
	return u
}

// skip lets the camera be away for a while, and come back with a key picture.
func (c *cam) skip(d time.Duration) {
	pictures := int(d.Seconds() * 25)
	pictures += (c.clip.GOP - (c.picture+pictures)%c.clip.GOP) % c.clip.GOP
	c.picture += pictures
	c.frame = c.picture * c.clip.Audio.SampleRate / 25 / c.clip.FrameSamples
}

// open returns an archive in a folder of its own that is ready to be written to, without its keeper.
func openArchive(t testing.TB, cfg Config) *Archive {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	a := New(cfg)
	if err := a.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.working.Store(true)
	return a
}

// record lets a recorder take what a camera sends in d, and ends the segment unless it shall go on.
func (a *Archive) record(r *Recorder, c *cam, d time.Duration) {
	end := int64(c.picture)*pictureTicks + int64(d.Seconds()*media.Clock)
	for int64(c.picture)*pictureTicks < end {
		r.feed(c.next())
	}
}

// feed is what happens to a unit between a stream and Run.
func (r *Recorder) feed(u *media.Unit) {
	if !r.inline(u) {
		r.step(u)
	}
	u.Release()
}

// readAll reads everything that a player returns.
func readAll(t testing.TB, p *Player) []*media.Unit {
	t.Helper()
	var units []*media.Unit
	for {
		u, err := p.Read(context.Background())
		if err != nil {
			if err.Error() != "EOF" {
				t.Fatal(err)
			}
			return units
		}
		units = append(units, u)
	}
}

// hikvision returns the parameter sets of a DS-2CD at 1920×1080.
func hikvision() []byte {
	b, _ := base64.StdEncoding.DecodeString("AAAAAWdNACqVqB4Aiflm4CAgIEAAAAABaO48gA==")
	return b
}
