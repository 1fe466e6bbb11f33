package rehearsal

import (
	"encoding/binary"
	"time"

	"gbgate/media"
)

// maxSoundGap is the longest hole (or overlap) between audio frames that a listener does not hear as one, in ticks.
const maxSoundGap = media.Clock / 10

// audioTrack is what was learned of the audio.
type audioTrack struct {
	dts    clock
	first  int64
	next   int64 // when the next frame is due
	broken bool  // the writer failed

	resumes bool // after a pause: when the next frame is due is not known
	turning bool // a playback control is under way, which may make such a pause at any moment
}

func (a *audioTrack) span() time.Duration {
	if !a.dts.set {
		return 0
	}
	return media.Duration(a.dts.value - a.first)
}

// sound judges the audio of a pack.
func (c *checker) sound(packets []pes) {
	told := c.announced(audioID)
	if c.report.Audio == "" && told.IsAudio() {
		c.report.Audio = told.String()
	}
	if told.IsAudio() && c.report.Audio != told.String() {
		c.faults.add("audio-codec", "the audio changes from %s to %v", c.report.Audio, told)
	}
	a := &c.audio
	for i, q := range packets {
		c.report.AudioFrames++
		c.report.AudioBytes += len(q.payload)
		c.saveSound(q.payload)
		length, good := soundLength(q.payload, told)
		if !good {
			c.faults.add("audio-form", "the program stream map says %v, but the audio's bytes are something else", told)
		}
		if q.pts < 0 {
			continue
		}
		at := a.dts.at(q.pts)
		if c.report.AudioFrames == 1 {
			a.first = at
		} else if hole := at - a.next; !c.gap && !a.resumes && (hole > maxSoundGap || hole < -maxSoundGap) {
			c.faults.add("audio-gap", "the audio is not continuous: a frame comes %+d ms from where the one before ended",
				hole/90)
		}
		if i > 0 {
			a.dts.move(at)
		}
		a.next, a.resumes = at+length, a.turning
	}
}

func (c *checker) saveSound(b []byte) {
	if c.expect.SaveAudio == nil || c.audio.broken {
		return
	}
	if _, err := c.expect.SaveAudio.Write(b); err != nil {
		c.audio.broken = true
		c.faults.add("save-audio", "the audio could not be saved: %v", err)
	}
}

// soundLength returns the playing time of audio bytes in ticks, and whether they look like their codec.
func soundLength(b []byte, codec media.Codec) (ticks int64, good bool) {
	frames, rate := readADTS(b)
	switch codec {
	case media.PCMA, media.PCMU:
		return int64(len(b)) * media.Clock / 8000, frames == 0 && len(b) > 0
	case media.AAC:
		if frames == 0 {
			return 0, false
		}
		return int64(frames) * 1024 * media.Clock / rate, true
	case media.CodecNone, media.H264, media.H265:
	}
	return 0, true
}

// readADTS counts the ADTS frames that b consists of; 0 when it is not exactly that.
func readADTS(b []byte) (frames int, rate int64) {
	rates := [16]int64{96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350}
	for len(b) > 0 {
		if len(b) < 7 || binary.BigEndian.Uint16(b)&0xFFF6 != 0xFFF0 {
			return 0, 0
		}
		rate = rates[b[2]>>2&15]
		size := int(b[3]&3)<<11 | int(b[4])<<3 | int(b[5]>>5)
		if rate == 0 || size < 7 || size > len(b) {
			return 0, 0
		}
		frames += 1 + int(b[6]&3)
		b = b[size:]
	}
	return frames, rate
}
