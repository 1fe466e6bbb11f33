package sdp

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Codec numbers of the f= line (2022 Annex G).
const (
	FormatMPEG4 = 1 // video
	FormatH264  = 2
	FormatSVAC  = 3
	Format3GP   = 4
	FormatH265  = 5 // 2022

	FormatG711      = 1 // audio
	FormatG7231     = 2
	FormatG729      = 3
	FormatG7221     = 4
	FormatSVACAudio = 5 // 2022
	FormatAAC       = 6 // 2022
)

// Format is the f= line, which tells what the media really are. Zero means
// unsaid, and is written as nothing between the slashes.
type Format struct {
	Video         int // codec number
	Width, Height int // pixels
	FPS           int // 0 to 99
	RateType      int // 1 constant, 2 variable
	Kbps          int // video bit rate

	Audio      int // codec number
	AudioKbps  int // 64, 128 …; others are unsaid
	SampleRate int // Hz, 8000, 16000 …; others are unsaid
}

// String returns the value of the f= line: v/codec/resolution/fps/type/kbps and
// a/codec/rate/sampling without a blank between.
func (f Format) String() string {
	return fmt.Sprintf("v/%s/%s/%s/%s/%sa/%s/%s/%s",
		number(f.Video), f.resolution(), number(f.FPS), number(f.RateType), number(f.Kbps),
		number(f.Audio), number(audioRateCode(f.AudioKbps)), number(sampleRateCode(f.SampleRate)))
}

// resolution returns the code of a picture size that has one, else WxH.
func (f Format) resolution() string {
	switch [2]int{f.Width, f.Height} {
	case [2]int{}:
		return ""
	case [2]int{176, 144}:
		return "1"
	case [2]int{352, 288}:
		return "2"
	case [2]int{704, 576}:
		return "3"
	case [2]int{720, 576}:
		return "4"
	case [2]int{1280, 720}:
		return "5"
	case [2]int{1920, 1080}:
		return "6"
	}
	return fmt.Sprintf("%dx%d", f.Width, f.Height)
}

// audioRateCode returns the code of an audio bit rate, 0 when it has none.
func audioRateCode(kbps int) int {
	codes := [...]int{3: 8, 16, 24, 32, 48, 64, 12, 80, 96, 112, 128, 160, 192, 224, 256, 288, 320}
	return max(slices.Index(codes[:], max(kbps, 1)), 0)
}

// sampleRateCode returns the code of a sampling rate, 0 when it has none. Codes
// above 4 are new in 2022.
func sampleRateCode(hz int) int {
	codes := [...]int{1: 8000, 14000, 16000, 32000, 7000, 11025, 12000, 22050, 24000, 44100, 48000}
	return max(slices.Index(codes[:], max(hz, 1)), 0)
}

func number(n int) string {
	if n <= 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// ParseFormat reads the codecs, picture size, frame rate and bit rate of an f=
// line as far as they are there; the audio's rates are left out.
func ParseFormat(text string) Format {
	var f Format
	video, audio, _ := strings.Cut(text, "a/")
	v := append(strings.Split(strings.TrimPrefix(video, "v/"), "/"), "", "", "", "", "")
	f.Video, f.FPS, f.RateType, f.Kbps = atoi(v[0]), atoi(v[2]), atoi(v[3]), atoi(v[4])
	f.Width, f.Height = picture(v[1])
	codec, _, _ := strings.Cut(audio, "/")
	f.Audio = atoi(codec)
	return f
}

// picture returns the size that a resolution code or WxH stands for.
func picture(text string) (width, height int) {
	switch text {
	case "1":
		return 176, 144
	case "2":
		return 352, 288
	case "3":
		return 704, 576
	case "4":
		return 720, 576
	case "5":
		return 1280, 720
	case "6":
		return 1920, 1080
	}
	w, h, _ := strings.Cut(strings.ToLower(text), "x")
	return atoi(w), atoi(h)
}

func atoi(s string) int {
	n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 20)
	if err != nil {
		return 0
	}
	return int(n)
}
