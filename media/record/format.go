package record

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4/seekablebuffer"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/mp4/codecs"

	"gbgate/media"
)

// The tracks of a segment.
const (
	videoTrack = 1
	audioTrack = 2
)

// page is what flash and file systems write at once.
const page = 4096

// format is what a segment's tracks are, the same from its first to its last unit.
type format struct {
	video, audio media.Track // Codec none: no such track
	// parameters are the video's parameter sets as the key pictures carry them, in Annex B form.
	parameters []byte
	aac        mpeg4audio.AudioSpecificConfig
}

// formatOf returns the format of a segment that begins with u.
func formatOf(u *media.Unit) *format {
	f := &format{video: u.Desc.Video}
	if u.Desc.HasAudio() {
		f.setAudio(u.Desc.Audio)
	}
	if u.Codec.IsVideo() {
		f.parameters = bytes.Clone(parameterSets(u))
	}
	return f
}

// setAudio settles the audio track as it is described.
func (f *format) setAudio(t media.Track) {
	if t.SampleRate <= 0 && t.Codec != media.AAC {
		t.SampleRate = 8000 // G.711 has no other
	}
	f.audio = t
	f.aac = mpeg4audio.AudioSpecificConfig{
		Type: mpeg4audio.ObjectTypeAACLC, SampleRate: t.SampleRate, ChannelConfig: uint8(max(1, min(t.Channels, 7))),
	}
}

// setAAC takes the configuration from an ADTS frame, if it has one.
func (f *format) setAAC(frame []byte) {
	var p mpeg4audio.ADTSPackets
	if err := p.Unmarshal(frame); err == nil && len(p) == 1 {
		f.aac = mpeg4audio.AudioSpecificConfig{
			Type: p[0].Type, SampleRate: p[0].SampleRate, ChannelConfig: p[0].ChannelConfig,
		}
	}
}

// audioRate is the audio track's time scale.
func (f *format) audioRate() int64 { return int64(max(1, f.audio.SampleRate)) }

// marshal returns ftyp and moov, filled up to a whole page.
func (f *format) marshal() ([]byte, error) {
	var init fmp4.Init
	if f.video.Codec.IsVideo() {
		codec, err := f.videoCodec()
		if err != nil {
			return nil, err
		}
		init.Tracks = append(init.Tracks, &fmp4.InitTrack{ID: videoTrack, TimeScale: media.Clock, Codec: codec})
	}
	law := ""
	if f.audio.Codec.IsAudio() {
		track := &fmp4.InitTrack{ID: audioTrack, TimeScale: uint32(f.audioRate())}
		switch f.audio.Codec {
		case media.AAC:
			track.Codec = &codecs.MPEG4Audio{Config: f.aac}
		default:
			law = map[media.Codec]string{media.PCMA: "alaw", media.PCMU: "ulaw"}[f.audio.Codec]
			track.Codec = &codecs.LPCM{
				BitDepth: 16, SampleRate: f.audio.SampleRate, ChannelCount: max(1, f.audio.Channels),
			}
		}
		init.Tracks = append(init.Tracks, track)
	}
	if len(init.Tracks) == 0 {
		return nil, errors.New("there is nothing to record")
	}
	var buf seekablebuffer.Buffer
	if err := init.Marshal(&buf); err != nil {
		return nil, fmt.Errorf("parameter sets: %w", err)
	}
	b := buf.Bytes()
	if law != "" {
		// G.711 has no sample entry in the library; those of QuickTime are what FFmpeg reads. Its
		// box for LPCM has the same shape but for a pcmC at the end.
		b = bytes.Replace(b, []byte("ipcm"), []byte(law), 1)
		b = bytes.Replace(b, []byte("pcmC"), []byte("free"), 1)
	}
	return appendFree(b, int(padding(int64(len(b))))), nil
}

// videoCodec puts the first parameter set of each type into the sample entry. All of them stand in the
// pictures too, as the camera sends them.
func (f *format) videoCodec() (codecs.Codec, error) {
	sets := map[int][]byte{}
	eachNAL(f.parameters, func(nal []byte) bool {
		if t := nalType(f.video.Codec, nal); sets[t] == nil {
			sets[t] = nal
		}
		return true
	})
	if f.video.Codec == media.H264 {
		if sets[h264SPS] == nil || sets[h264PPS] == nil {
			return nil, errors.New("a key picture comes without its parameter sets")
		}
		return &codecs.H264{SPS: sets[h264SPS], PPS: sets[h264PPS]}, nil
	}
	if sets[h265VPS] == nil || sets[h265SPS] == nil || sets[h265PPS] == nil {
		return nil, errors.New("a key picture comes without its parameter sets")
	}
	return &codecs.H265{VPS: sets[h265VPS], SPS: sets[h265SPS], PPS: sets[h265PPS]}, nil
}

// padding is how long a free box at an offset is that ends on a page boundary; 0: none is needed.
func padding(offset int64) int64 {
	n := -offset & (page - 1)
	if n > 0 && n < boxHeader {
		n += page
	}
	return n
}

// appendFree appends a free box of n bytes, none where that is 0.
func appendFree(b []byte, n int) []byte {
	if n == 0 {
		return b
	}
	at := len(b)
	b, _ = openBox(b, "free")
	b = append(b, make([]byte, n-boxHeader)...)
	closeBox(b, at)
	return b
}

// NAL unit types (H.264 table 7-1, H.265 table 7-1).
const (
	h264SPS, h264PPS          = 7, 8
	h265VPS, h265SPS, h265PPS = 32, 33, 34
)

func nalType(c media.Codec, nal []byte) int {
	if c == media.H264 {
		return int(nal[0] & 0x1F)
	}
	return int(nal[0] >> 1 & 0x3F)
}

func isSlice(c media.Codec, t int) bool {
	if c == media.H264 {
		return t >= 1 && t <= 5
	}
	return t < 32
}

func isParameterSet(c media.Codec, t int) bool {
	if c == media.H264 {
		return t == h264SPS || t == h264PPS || t == 13 || t == 15
	}
	return t >= h265VPS && t <= h265PPS
}

//nolint:gochecknoglobals // a constant
var startCode = []byte{0, 0, 0, 1}

// eachNAL calls f with the NAL units of Annex B data with four-byte start codes, until it returns false.
func eachNAL(data []byte, f func(nal []byte) bool) {
	for len(data) > len(startCode) {
		data = data[len(startCode):]
		n := bytes.Index(data, startCode)
		if n < 0 {
			n = len(data)
		}
		if n > 0 && !f(data[:n]) {
			return
		}
		data = data[n:]
	}
}

// parameterSets returns the part of a key picture in front of its first slice if it holds parameter sets
// only, else a copy of those.
func parameterSets(u *media.Unit) []byte {
	end, pure := 0, true
	var picked []byte
	eachNAL(u.Data, func(nal []byte) bool {
		t := nalType(u.Codec, nal)
		if isSlice(u.Codec, t) {
			return false
		}
		if isParameterSet(u.Codec, t) {
			picked = append(append(picked, startCode...), nal...)
		} else {
			pure = false
		}
		end += len(startCode) + len(nal)
		return true
	})
	if pure {
		return u.Data[:end]
	}
	return picked
}

// continues tells whether a key picture belongs to the same format.
func (f *format) continues(u *media.Unit) bool {
	if f.video.Codec != u.Desc.Video.Codec {
		return false
	}
	if u.Desc.HasAudio() && !sameAudio(f.audio, u.Desc.Audio) {
		return false
	}
	return !u.Codec.IsVideo() || bytes.Equal(f.parameters, parameterSets(u))
}

func sameAudio(a, b media.Track) bool {
	return a.Codec == b.Codec && a.SampleRate == b.SampleRate && a.Channels == b.Channels
}
