package bridge

import (
	"fmt"

	"gbgate/media"
	"gbgate/media/ps"
)

// formatLine describes the media in the codes of the f= line (GB/T 28181-2022 annex G):
// v/codec/resolution/fps/rate type/kbit/s and a/codec/rate/sampling. Unknown values are empty.
func formatLine(d *media.Description, policy ps.AudioPolicy) string {
	if !d.HasVideo() {
		return "v/////a///"
	}
	codec := map[media.Codec]string{media.H264: "2", media.H265: "5"}[d.Video.Codec]
	fps := ""
	if d.Video.FPS > 0 && d.Video.FPS < 100 {
		fps = fmt.Sprintf("%.0f", d.Video.FPS)
	}
	line := fmt.Sprintf("v/%s/%s/%s/2/", codec, resolution(d.Video.Width, d.Video.Height), fps)
	return line + "a/" + audioFormat(d.Audio, policy)
}

// resolution returns the code of a picture size, or WxH where it has none.
func resolution(width, height int) string {
	switch {
	case width == 0 || height == 0:
		return ""
	case width == 176 && height == 144:
		return "1"
	case width == 352 && height == 288:
		return "2"
	case width == 704 && (height == 576 || height == 288):
		return "3"
	case width == 720 && height == 576:
		return "4"
	case width == 1280 && height == 720:
		return "5"
	case width == 1920 && height == 1080:
		return "6"
	}
	return fmt.Sprintf("%dx%d", width, height)
}

// audioFormat is the a/ part: G.711 at 64 kbit/s and 8 kHz is 1/8/1; AAC is 6 with its rate.
func audioFormat(a media.Track, policy ps.AudioPolicy) string {
	switch {
	case policy == ps.AudioOff, a.Codec == media.CodecNone:
	case a.Codec == media.PCMA, a.Codec == media.PCMU:
		return "1/8/1"
	case a.Codec == media.AAC && policy == ps.AudioAuto:
		rates := map[int]string{8000: "1", 16000: "3", 32000: "4", 44100: "10", 48000: "11"}
		return "6//" + rates[a.SampleRate]
	}
	return "//"
}

// Offerer is a Source that may know what it will send before it does.
type Offerer interface {
	// Offered returns the tracks that the camera offered last; none while nothing is known.
	Offered() media.Description
}

// format is the f= line of an answer (GB/T 28181-2022 annex G): what is really sent, and where
// that is not known yet, what the camera offered. Audio mostly starts after the first picture.
func (v *View) format(src Source, d *media.Description) string {
	if v.cfg.FormatLine != "full" {
		return ""
	}
	if o, ok := src.(Offerer); ok && (!d.HasVideo() || !d.HasAudio()) {
		offered := o.Offered()
		if d.HasVideo() {
			offered.Video = d.Video
		}
		d = &offered
	}
	return formatLine(d, v.cfg.Audio)
}
