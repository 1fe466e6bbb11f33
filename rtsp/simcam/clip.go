package simcam

import (
	"bytes"
	_ "embed" // for the clips
	"fmt"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"

	"gbgate/media"
)

// The clips there are; clips/make.sh makes their files.
const (
	// H264PCMA is H.264 High 1280×720 with G.711 A-law.
	H264PCMA = "h264-pcma"
	// H265AAC is H.265 Main 1920×1080 with AAC-LC, 16 kHz mono.
	H265AAC = "h265-aac"
)

var (
	//go:embed clips/video.h264
	videoH264 []byte
	//go:embed clips/video.h265
	videoH265 []byte
	//go:embed clips/audio.alaw
	audioAlaw []byte
	//go:embed clips/audio.aac
	audioAAC []byte
)

// pcmaFrame is the samples in a G.711 frame: 40 ms, as Hikvision and Dahua send.
const pcmaFrame = 320

// aacFrame is the samples in an AAC frame.
const aacFrame = 1024

// Clip is eight seconds of a burnt-in clock over a test card, 25 pictures a second and a key
// picture every two, with a sweep and beeps. Picture and sound have the same length.
//
// Its slices are those of the binary: read them only.
type Clip struct {
	Name  string
	Video media.Track
	Audio media.Track
	GOP   int // from one key picture to the next, in pictures
	// Pictures are the video access units of one loop.
	Pictures []Picture
	// Frames are the audio frames of one loop, in the form of media.Unit.Data.
	Frames [][]byte
	// FrameSamples is how many samples each of Frames holds.
	FrameSamples int
}

// Picture is one video access unit.
type Picture struct {
	Key bool
	// NALUs are its NAL units without start codes; there is no access unit delimiter
	// among them, and the parameter sets stand in front of a key picture.
	NALUs [][]byte
}

// Data returns the picture in the form of media.Unit.Data.
func (p Picture) Data() []byte {
	var data []byte
	for _, nalu := range p.NALUs {
		data = append(data, 0, 0, 0, 1)
		data = append(data, nalu...)
	}
	return data
}

// LoadClip returns the clip of that name.
func LoadClip(name string) (*Clip, error) {
	switch name {
	case H264PCMA:
		return &Clip{
			Name:         name,
			Video:        media.Track{Codec: media.H264, Width: 1280, Height: 720, FPS: 25},
			Audio:        media.Track{Codec: media.PCMA, SampleRate: 8000, Channels: 1},
			GOP:          50,
			Pictures:     splitPictures(videoH264, media.H264),
			Frames:       splitSamples(audioAlaw),
			FrameSamples: pcmaFrame,
		}, nil
	case H265AAC:
		return &Clip{
			Name:         name,
			Video:        media.Track{Codec: media.H265, Width: 1920, Height: 1080, FPS: 25},
			Audio:        media.Track{Codec: media.AAC, SampleRate: 16000, Channels: 1},
			GOP:          50,
			Pictures:     splitPictures(videoH265, media.H265),
			Frames:       splitADTS(audioAAC),
			FrameSamples: aacFrame,
		}, nil
	}
	return nil, fmt.Errorf("no clip %q: there are %q and %q", name, H264PCMA, H265AAC)
}

// paramSets returns the NAL units in front of the first key picture's slice: what a camera
// announces in its SDP.
func (c *Clip) paramSets() [][]byte {
	first := c.Pictures[0].NALUs
	return first[:firstSlice(c.Video.Codec, first)]
}

// aacConfig returns the AudioSpecificConfig that the ADTS headers stand for.
func (c *Clip) aacConfig() *mpeg4audio.AudioSpecificConfig {
	return &mpeg4audio.AudioSpecificConfig{
		Type:          mpeg4audio.ObjectTypeAACLC,
		SampleRate:    c.Audio.SampleRate,
		ChannelConfig: 1,
	}
}

// splitPictures cuts an Annex B stream whose access units all begin with a delimiter.
func splitPictures(stream []byte, codec media.Codec) []Picture {
	var pictures []Picture
	for _, nalu := range splitNALUs(stream) {
		if isDelimiter(codec, nalu) {
			pictures = append(pictures, Picture{})
			continue
		}
		p := &pictures[len(pictures)-1]
		p.NALUs = append(p.NALUs, nalu)
		p.Key = p.Key || isKey(codec, nalu)
	}
	return pictures
}

// splitNALUs cuts an Annex B stream at its start codes, of three or four bytes.
func splitNALUs(stream []byte) [][]byte {
	var nalus [][]byte
	for piece := range bytes.SplitSeq(stream, []byte{0, 0, 1}) {
		// A NAL unit ends in a non-zero byte: what follows is a longer start code's.
		if nalu := bytes.TrimRight(piece, "\x00"); len(nalu) > 0 {
			nalus = append(nalus, nalu)
		}
	}
	return nalus
}

// The NAL unit types told apart here: H.264 7.4.1, H.265 7.4.2.2.
func isDelimiter(codec media.Codec, nalu []byte) bool {
	if codec == media.H264 {
		return nalu[0]&0x1f == 9
	}
	return nalu[0]>>1&0x3f == 35
}

func isKey(codec media.Codec, nalu []byte) bool {
	if codec == media.H264 {
		return nalu[0]&0x1f == 5
	}
	t := nalu[0] >> 1 & 0x3f
	return t >= 16 && t <= 21
}

func isSlice(codec media.Codec, nalu []byte) bool {
	if codec == media.H264 {
		t := nalu[0] & 0x1f
		return t >= 1 && t <= 5
	}
	return nalu[0]>>1&0x3f < 32
}

// firstSlice returns the index of the first NAL unit that holds picture data.
func firstSlice(codec media.Codec, nalus [][]byte) int {
	for i, nalu := range nalus {
		if isSlice(codec, nalu) {
			return i
		}
	}
	return len(nalus)
}

func splitSamples(samples []byte) [][]byte {
	var frames [][]byte
	for len(samples) >= pcmaFrame {
		frames = append(frames, samples[:pcmaFrame:pcmaFrame])
		samples = samples[pcmaFrame:]
	}
	return frames
}

// adtsHeader is the length of an ADTS header without CRC (ISO/IEC 13818-7 6.2).
const adtsHeader = 7

// splitADTS cuts an ADTS stream by the frame length in each header.
func splitADTS(stream []byte) [][]byte {
	var frames [][]byte
	for len(stream) > adtsHeader {
		n := int(stream[3]&3)<<11 | int(stream[4])<<3 | int(stream[5])>>5
		if n <= adtsHeader || n > len(stream) {
			break
		}
		frames = append(frames, stream[:n:n])
		stream = stream[n:]
	}
	return frames
}
