package record

import (
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"gbgate/media"
	"gbgate/rtsp/simcam"
)

// hang lets the camera send its sound only for a while, and come back with a key picture or in the middle of a group.
func (a *Archive) hang(r *Recorder, c *cam, d time.Duration) (sounds int) {
	end := int64(c.picture)*pictureTicks + int64(d.Seconds()*media.Clock)
	for int64(c.picture)*pictureTicks < end {
		u := c.next()
		if u.Codec.IsVideo() {
			u.Release()
			continue
		}
		sounds++
		r.feed(u)
	}
	return sounds
}

// TestSoundOnly: of a camera whose encoder hangs, the sound is written every second, too, and everything that reads
// such a file bears it.
func TestSoundOnly(t *testing.T) {
	for _, c := range []struct {
		clip, video, audio string
	}{{simcam.H264PCMA, "h264", "pcm_alaw"}, {simcam.H265AAC, "hevc", "aac"}} {
		t.Run(c.clip, func(t *testing.T) {
			t.Parallel()
			a := openArchive(t, Config{Segment: time.Hour})
			r, cam := a.NewRecorder("gate", Always), newCam(t, c.clip, epoch)
			a.record(r, cam, 4*time.Second)
			for range 30 {
				a.hang(r, cam, time.Second)
				// What is not in the file yet is what a kill costs.
				if p, s := &r.take.part, r.take.segment.progress(noKeys); p.first-s.end > media.Clock/5 ||
					int64(cam.picture)*pictureTicks-s.end > media.Clock*13/10 {
					t.Fatalf("after %d ticks the file ends at %d", int64(cam.picture)*pictureTicks, s.end)
				}
			}
			torn := r.take.segment.progress(noKeys)
			a.record(r, cam, 4*time.Second) // from a key picture on, in another segment
			r.close(-1)
			found, err := a.Find(t.Context(), "gate", epoch, epoch.Add(time.Hour), None)
			if err != nil || len(found) != 2 {
				t.Fatalf("%d segments, %v", len(found), err)
			}
			for i, length := range []float64{34, 4} {
				v := a.Verify(t.Context(), found[i], true)
				if !v.Finished || v.Torn != 0 || v.Pictures != 100 || v.Keys != 2 {
					t.Errorf("segment %d: %+v", i, v)
				}
				if off := v.Length.Seconds() - length; off < -0.1 || off > 0.1 {
					t.Errorf("segment %d lasts %v, want %v s", i, v.Length, length)
				}
				p := ffprobe(t, filepath.Join(a.cfg.Dir, found[i].Path), false)
				if len(p.Streams) != 2 || p.Streams[0].Codec != c.video || p.Streams[0].Packets != "100" ||
					p.Streams[1].Codec != c.audio || p.Streams[1].Packets != strconv.Itoa(v.Sounds) {
					t.Errorf("ffprobe reads %+v of %+v", p.Streams, v)
				}
			}
			if len(torn.keys) != 0 || torn.size == 0 {
				t.Errorf("%+v", torn)
			}
			playSoundOnly(t, a)
		})
	}
}

// playSoundOnly reads what TestSoundOnly has recorded: pictures up to 4 s, sound up to 34 s, pictures again.
func playSoundOnly(t *testing.T, a *Archive) {
	t.Helper()
	p, err := a.Open(t.Context(), "gate", epoch, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	extent, ok := p.Extent(t.Context())
	if !ok || extent.VideoUnits != 200 || extent.KeyUnits != 4 {
		t.Errorf("extent %+v, %v", extent, ok)
	}
	read := func() (pictures, sounds int, first, last *media.Unit) {
		for _, u := range readAll(t, p) {
			if first == nil {
				first = &media.Unit{Codec: u.Codec, Key: u.Key, DTS: u.DTS}
			}
			last = &media.Unit{Codec: u.Codec, Key: u.Key, DTS: u.DTS}
			if u.Codec.IsVideo() {
				pictures++
			} else {
				sounds++
			}
			u.Release()
		}
		return pictures, sounds, first, last
	}
	if pictures, sounds, _, last := read(); pictures != 200 || sounds != extent.AudioUnits ||
		last.DTS < 37*media.Clock || last.DTS > 39*media.Clock {
		t.Errorf("read %d pictures and %d sounds up to %d, want 200 and %d", pictures, sounds, last.DTS, extent.AudioUnits)
	}
	for _, c := range []struct {
		at       time.Duration
		scale    float64
		pictures int
		from     time.Duration // where it begins, to a second
		audible  bool
	}{
		{3 * time.Second, 1, 150, 2 * time.Second, true},   // the group that holds it
		{15 * time.Second, 1, 150, 2 * time.Second, true},  // a group may be as long
		{30 * time.Second, 1, 100, 29 * time.Second, true}, // none is
		{30 * time.Second, 4, 100, 34 * time.Second, false},
		{0, 8, 4, 0, false},
		{36 * time.Second, 1, 50, 36 * time.Second, true},
		{30 * time.Second, -1, 2, 2 * time.Second, false},
	} {
		if err := p.Play(t.Context(), epoch.Add(c.at), c.scale); err != nil {
			t.Fatal(err)
		}
		pictures, sounds, first, _ := read()
		if off := first.DTS - int64(c.from.Seconds()*media.Clock); pictures != c.pictures || off < -media.Clock/10 ||
			off > media.Clock*11/10 || c.audible != (sounds > 0) {
			t.Errorf("from %v at scale %v: %d pictures, %d sounds from %d on, want %d from %v on", c.at, c.scale, pictures,
				sounds, first.DTS, c.pictures, c.from)
		}
	}
}
