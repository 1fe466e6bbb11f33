package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"gbgate/bridge/playback"
	"gbgate/cmd/gbgate/config"
	"gbgate/media"
	"gbgate/rtsp"
	"gbgate/rtsp/simcam"
)

// GStreamer's ONVIF server as the recorder: what it holds is played whole, in a fraction of its time, and at any
// place, speed and direction.
func TestForeignRecorderIsPlayed(t *testing.T) {
	t.Parallel()
	const reordering = 80 * time.Millisecond // decoding is ahead of showing by the B-frames' two pictures
	for _, c := range []struct{ codec, encoder string }{{"h264", "libx264"}, {"hevc", "libx265"}} {
		t.Run(c.codec, func(t *testing.T) {
			film := filepath.Join(t.TempDir(), "film.mkv")
			params := map[string]string{"h264": "bframes=2:keyint=25", "hevc": "log-level=none:bframes=2:keyint=25"}[c.codec]
			probe(t, "ffmpeg", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=30", "-pix_fmt", "yuv420p",
				"-c:v", c.encoder, "-preset", "ultrafast", "-"+c.encoder[3:]+"-params", params, film)
			day := time.Date(2026, 1, 31, 8, 0, 0, 0, time.UTC)
			url := start(t, python, "testdata/peers/gst_replay.py", film, c.codec, strconv.FormatInt(day.Unix(), 10)).line(t)
			d, _ := startDevice(t, simcam.ONVIFConfig{
				Username: "admin", Password: "p@ss:w/rd#1", StreamURL: "rtsp://127.0.0.1:1/live", ReplayURL: url,
				Recordings: []simcam.ONVIFRecording{
					{Token: "rec1", Source: "vs1", Spans: [][2]time.Time{{day, day.Add(30 * time.Second)}}},
				},
			})
			camera := config.DefaultCamera()
			camera.ONVIF, camera.Replay = d.URL(), "onvif"
			p, err := archivesOf(t, camera).Open(t.Context(), "dome", day, day.Add(30*time.Second))
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			all, keys := readPictures(t, p, 0)
			if len(all) != 750 || keys != 30 || all[0] != -reordering {
				t.Errorf("%d pictures, %d of them key pictures, from %v; want 750, 30 and %v", len(all), keys, all[0], -reordering)
			}
			for _, c := range []struct {
				at    time.Duration
				scale float64
				first time.Duration
				step  time.Duration
			}{
				{12 * time.Second, 2, 12*time.Second - reordering, 40 * time.Millisecond},
				{10 * time.Second, 8, 10 * time.Second, time.Second},
				{20 * time.Second, -1, 19 * time.Second, -time.Second}, // a range does not hold its end
				{5 * time.Second, 1, 5*time.Second - reordering, 40 * time.Millisecond},
			} {
				if err := p.Play(t.Context(), day.Add(c.at), c.scale); err != nil {
					t.Fatal(err)
				}
				got, _ := readPictures(t, p, 10)
				if len(got) != 10 || got[0] != c.first || got[9]-got[0] != 9*c.step {
					t.Errorf("at %v × %v: %v", c.at, c.scale, got)
				}
			}
		})
	}
}

// readPictures returns the decoding times of n pictures, or of all that come.
func readPictures(t *testing.T, p playback.Reader, n int) (at []time.Duration, keys int) {
	t.Helper()
	for n == 0 || len(at) < n {
		u, err := p.Read(t.Context())
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if u.Codec.IsVideo() {
			at = append(at, media.Duration(u.DTS).Round(time.Millisecond))
			if u.Key {
				keys++
			}
		}
		u.Release()
	}
	return at, keys
}

// GStreamer's ONVIF server as a camera with a loudspeaker hears every byte that is said.
func TestForeignSpeakerHears(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "heard.ulaw")
	url := start(t, python, "testdata/peers/gst_speaker.py", file).line(t)
	source := &rtsp.Source{Config: rtsp.Config{URL: url}}
	if codec, err := source.BackChannel(t.Context()); err != nil || codec != media.PCMU {
		t.Fatalf("back channel is %v, %v; want G.711 µ-law", codec, err)
	}
	talk, err := source.OpenTalk(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	said := bytes.Repeat([]byte{0x55, 0x2a, 0xd5, 0x7f}, 4000) // two seconds
	if err := talk.Write(t.Context(), said); err != nil {
		t.Fatal(err)
	}
	var heard []byte
	defer func() {
		if !bytes.Equal(heard, said) {
			t.Errorf("heard %d of %d bytes: %x…", len(heard), len(said), heard[:min(len(heard), 16)])
		}
	}()
	waitFor(t, "what was said", func() bool {
		var err error
		heard, err = os.ReadFile(file)
		return err == nil && bytes.Equal(heard, said)
	})
	if err := talk.Close(); err != nil {
		t.Error(err)
	}
}
