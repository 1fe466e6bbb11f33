package simcam

import (
	"math/rand/v2"
	"time"

	"gbgate/media"
)

// beat is one thing a camera sends: a picture or an audio frame.
type beat struct {
	at        time.Duration // since the camera's clock began
	timestamp uint32        // RTP
	picture   *Picture      // nil: audio
	audio     []byte
}

// timeline tells what a camera sends next, round after round: the clip begins again, the
// time stamps go on.
type timeline struct {
	clip       *Clip
	videoStart uint32 // RTP time stamps begin anywhere (RFC 3550 5.1)
	audioStart uint32
	pictures   int64 // given out so far
	frames     int64
}

func newTimeline(clip *Clip) *timeline {
	return &timeline{clip: clip, videoStart: rand.Uint32(), audioStart: rand.Uint32()}
}

// next returns the beat that follows. Pictures go before sound of the same moment.
func (t *timeline) next() beat {
	video, audio := t.videoAt(t.pictures), t.audioAt(t.frames)
	if video <= audio {
		b := beat{
			at:        video,
			timestamp: t.videoStart + uint32(t.pictures*media.Clock/int64(t.clip.Video.FPS)),
			picture:   &t.clip.Pictures[t.pictures%int64(len(t.clip.Pictures))],
		}
		t.pictures++
		return b
	}
	b := beat{
		at:        audio,
		timestamp: t.audioStart + uint32(t.frames*int64(t.clip.FrameSamples)),
		audio:     t.clip.Frames[t.frames%int64(len(t.clip.Frames))],
	}
	t.frames++
	return b
}

func (t *timeline) videoAt(n int64) time.Duration {
	return after(n, int64(t.clip.Video.FPS))
}

func (t *timeline) audioAt(n int64) time.Duration {
	return after(n*int64(t.clip.FrameSamples), int64(t.clip.Audio.SampleRate))
}

// after returns how long n ticks take. Whole seconds are counted apart, so that a camera may
// run for years.
func after(n, perSecond int64) time.Duration {
	return time.Duration(n/perSecond)*time.Second +
		time.Duration(n%perSecond)*time.Second/time.Duration(perSecond)
}
