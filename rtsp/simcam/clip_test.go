package simcam

import (
	"bytes"
	"os/exec"
	"testing"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"
	"github.com/google/go-cmp/cmp"

	"gbgate/media"
)

// facts is what a clip's own parameter sets and bytes say about it.
type facts struct {
	Width, Height, Pictures, Keys, AudioFrames int
	FPS                                        float64
}

func TestClipFacts(t *testing.T) {
	for _, c := range []struct {
		name string
		want facts
	}{
		{H264PCMA, facts{Width: 1280, Height: 720, Pictures: 200, Keys: 4, AudioFrames: 200, FPS: 25}},
		{H265AAC, facts{Width: 1920, Height: 1080, Pictures: 200, Keys: 4, AudioFrames: 125, FPS: 25}},
	} {
		t.Run(c.name, func(t *testing.T) {
			clip, err := LoadClip(c.name)
			if err != nil {
				t.Fatal(err)
			}
			got := facts{Pictures: len(clip.Pictures), AudioFrames: len(clip.Frames)}
			got.Width, got.Height, got.FPS = spsFacts(t, clip)
			for i, p := range clip.Pictures {
				if p.Key {
					got.Keys++
				}
				if p.Key != (i%clip.GOP == 0) {
					t.Errorf("picture %d: key is %v", i, p.Key)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("facts (-want +got):\n%s", diff)
			}
			exported := media.Track{Codec: clip.Video.Codec, Width: got.Width, Height: got.Height, FPS: got.FPS}
			if diff := cmp.Diff(exported, clip.Video); diff != "" {
				t.Errorf("video track (-bytes +exported):\n%s", diff)
			}
			// Picture and sound loop together.
			video := float64(len(clip.Pictures)) / clip.Video.FPS
			audio := float64(len(clip.Frames)*clip.FrameSamples) / float64(clip.Audio.SampleRate)
			if video != audio {
				t.Errorf("%v s of video and %v s of audio", video, audio)
			}
		})
	}
}

func spsFacts(t *testing.T, clip *Clip) (width, height int, fps float64) {
	t.Helper()
	sets := clip.paramSets()
	if clip.Video.Codec == media.H264 {
		var sps h264.SPS
		if err := sps.Unmarshal(sets[0]); err != nil {
			t.Fatal(err)
		}
		if sps.ProfileIdc != 100 {
			t.Errorf("got H.264 profile %d, want 100 (High)", sps.ProfileIdc)
		}
		return sps.Width(), sps.Height(), sps.FPS()
	}
	var sps h265.SPS
	if err := sps.Unmarshal(sets[1]); err != nil {
		t.Fatal(err)
	}
	return sps.Width(), sps.Height(), sps.FPS()
}

func TestPictureDataIsAnnexB(t *testing.T) {
	p := Picture{NALUs: [][]byte{{0x67, 1}, {0x65, 2, 3}}}
	want := []byte{0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x65, 2, 3}
	if diff := cmp.Diff(want, p.Data()); diff != "" {
		t.Errorf("data (-want +got):\n%s", diff)
	}
}

func TestUnknownClip(t *testing.T) {
	if _, err := Listen(Config{Clip: "vp9"}); err == nil {
		t.Error("a clip that does not exist was accepted")
	}
}

func TestPaddingReachesTheBitrate(t *testing.T) {
	for _, name := range []string{H264PCMA, H265AAC} {
		for _, kbps := range []int{1000, 4000, 16000} {
			clip, err := LoadClip(name)
			if err != nil {
				t.Fatal(err)
			}
			var total int
			for i := range clip.Pictures {
				p := &clip.Pictures[i]
				nalus := padded(clip, p, kbps)
				at := len(nalus) - len(p.NALUs)
				// The picture's own bytes are all there, in order, with the padding before the slice.
				if last := nalus[len(nalus)-1]; &last[0] != &p.NALUs[len(p.NALUs)-1][0] || at < 0 || at > 1 {
					t.Fatalf("%s at %d kbit/s: picture %d was changed", name, kbps, i)
				}
				for _, n := range nalus {
					total += len(n)
				}
			}
			got := float64(total) * 8 / 1000 / (float64(len(clip.Pictures)) / clip.Video.FPS)
			if want := float64(kbps); got < 0.97*want || got > 1.03*want {
				t.Errorf("%s: got %.0f kbit/s, want %d", name, got, kbps)
			}
		}
	}
}

func TestPaddedVideoDecodes(t *testing.T) {
	for name, demuxer := range map[string]string{H264PCMA: "h264", H265AAC: "hevc"} {
		clip, err := LoadClip(name)
		if err != nil {
			t.Fatal(err)
		}
		var stream bytes.Buffer
		for i := range clip.Pictures[:clip.GOP] {
			stream.Write(Picture{NALUs: padded(clip, &clip.Pictures[i], 8000)}.Data())
		}
		cmd := exec.CommandContext(t.Context(),
			"ffmpeg", "-v", "error", "-xerror", "-f", demuxer, "-i", "-", "-f", "null", "-")
		cmd.Stdin = &stream
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: ffmpeg: %v: %s", name, err, out)
		}
	}
}
