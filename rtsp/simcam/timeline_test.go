package simcam

import (
	"testing"
	"time"
)

func TestTimelineGoesOnOverTheLoop(t *testing.T) {
	for _, name := range []string{H264PCMA, H265AAC} {
		t.Run(name, func(t *testing.T) {
			clip, err := LoadClip(name)
			if err != nil {
				t.Fatal(err)
			}
			line := newTimeline(clip)
			line.videoStart = 1<<32 - 5000 // wraps on the way
			line.audioStart = 1<<32 - 5000
			var pictures, frames int
			var last time.Duration
			for pictures < 3*len(clip.Pictures) {
				b := line.next()
				if b.at < last {
					t.Fatalf("beat at %v after one at %v", b.at, last)
				}
				last = b.at
				if b.picture == nil {
					if want := line.audioStart + uint32(frames*clip.FrameSamples); b.timestamp != want {
						t.Fatalf("audio frame %d: got time stamp %d, want %d", frames, b.timestamp, want)
					}
					if want := clip.Frames[frames%len(clip.Frames)]; &b.audio[0] != &want[0] {
						t.Fatalf("audio frame %d holds another frame's bytes", frames)
					}
					frames++
					continue
				}
				if want := line.videoStart + uint32(pictures*3600); b.timestamp != want {
					t.Fatalf("picture %d: got time stamp %d, want %d", pictures, b.timestamp, want)
				}
				if b.picture != &clip.Pictures[pictures%len(clip.Pictures)] {
					t.Fatalf("picture %d is another one's", pictures)
				}
				pictures++
			}
			if want := 3 * len(clip.Frames); frames < want-1 || frames > want {
				t.Errorf("got %d audio frames in three loops, want %d", frames, want)
			}
		})
	}
}

func TestTimelineRunsForYears(t *testing.T) {
	clip, err := LoadClip(H265AAC)
	if err != nil {
		t.Fatal(err)
	}
	line := newTimeline(clip)
	const year = 365 * 24 * time.Hour
	line.pictures = int64(20 * year / time.Second * 25)
	line.frames = int64(20 * year / time.Second * 16000 / 1024)
	if got := line.next().at.Round(time.Second); got != 20*year {
		t.Errorf("got %v after 20 years, want %v", got, 20*year)
	}
}
