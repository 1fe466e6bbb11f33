package rtsp

import (
	"fmt"
	"strings"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"

	"gbgate/media"
)

// Where gortsplib believes the camera to be. It sees only these names; normConn's traffic replaces them
// by the camera's own URLs, byte for byte.
const (
	standInHost     = "camera"
	standInDescribe = "rtsp://camera/describe"
	standInBase     = "rtsp://camera/base"
	standInVideo    = "rtsp://camera/video"
	standInAudio    = "rtsp://camera/audio"
)

// offer is what we take of a camera's description.
type offer struct {
	video *track
	audio *track   // nil: none
	left  []string // what is left out and why, in plain words
}

// choose takes the first video and the first audio track that GB/T 28181 can carry.
func (table *trackTable) choose() (*offer, *Error) {
	o := &offer{}
	var other []string
	for i := range table.Tracks {
		t := &table.Tracks[i]
		switch {
		case t.Media == "video" && t.Codec == media.CodecNone:
			other = append(other, t.label())
		case t.Media == "video" && o.video == nil:
			o.video = t
		case t.Media == "audio" && table.backChannel(t):
		case t.Media == "audio" && t.Codec == media.CodecNone:
			o.left = append(o.left, "audio "+t.label()+" is left out: only G.711 (8 kHz) and AAC pass")
		case t.Media == "audio" && o.audio == nil:
			o.audio = t
		}
	}
	switch {
	case o.video != nil:
		return o, nil
	case len(other) > 0:
		return nil, &Error{
			Kind: NoVideo,
			Text: "camera sends " + strings.Join(other, ", ") + "; GB/T 28181 needs H.264 or H.265",
		}
	case len(table.Tracks) > 0:
		return nil, &Error{Kind: NoVideo, Text: "camera offers no video"}
	}
	return nil, &Error{Kind: NoVideo, Text: "camera offers no streams"}
}

// backChannel tells whether an audio track is meant for talking to the camera. Cameras that mark
// everything sendonly (CV-RTSPHandler, FritzBox) mean nothing by it.
func (table *trackTable) backChannel(t *track) bool {
	if !t.SendOnly {
		return false
	}
	for i := range table.Tracks {
		if !table.Tracks[i].SendOnly {
			return true
		}
	}
	return false
}

// label names a track's codec for people.
func (t *track) label() string {
	switch strings.ToUpper(t.Name) {
	case "":
		return fmt.Sprintf("payload type %d of an unnamed codec", t.PayloadType)
	case "JPEG":
		return "MJPEG"
	case "MP4V-ES":
		return "MPEG-4 Part 2"
	case "MP2T":
		return "MPEG-TS"
	case "MP2P", "PS":
		return "MPEG-PS"
	}
	if t.Media == "audio" && t.Clock > 0 {
		return fmt.Sprintf("%s/%d", t.Name, t.Clock)
	}
	return t.Name
}

// standIn returns the description gortsplib gets in place of the camera's: nothing in it can be refused.
// The encoding names are nobody's, so that gortsplib does not look into them.
func (o *offer) standIn() []byte {
	var b strings.Builder
	b.WriteString("v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n")
	section := func(t *track, control string) {
		fmt.Fprintf(&b, "m=%s 0 RTP/AVP %d\r\na=rtpmap:%d X-%s/%d\r\na=control:%s\r\n",
			t.Media, t.PayloadType, t.PayloadType, strings.ToUpper(t.Media), max(t.Clock, 8000), control)
	}
	section(o.video, standInVideo)
	if o.audio != nil {
		section(o.audio, standInAudio)
	}
	return []byte(b.String())
}

// camera tells what is known about the stream before any of it came.
func (o *offer) camera() *Camera {
	c := &Camera{Video: media.Track{Codec: o.video.Codec}, LeftOut: o.left}
	for _, nal := range o.video.sets() {
		describeVideo(&c.Video, nal)
	}
	if f := o.audio.audio(); f.Codec != media.CodecNone {
		c.Audio = media.Track{Codec: f.Codec, SampleRate: o.audio.Clock, Channels: max(o.audio.Channels, 1)}
	}
	return c
}

// describeVideo fills in size and rate if nal is an SPS that can be read.
func describeVideo(t *media.Track, nal []byte) {
	switch {
	case t.Codec == media.H264 && nal[0]&0x1f == byte(h264.NALUTypeSPS):
		var sps h264.SPS
		if sps.Unmarshal(nal) == nil {
			t.Width, t.Height, t.FPS = sps.Width(), sps.Height(), sps.FPS()
		}
	case t.Codec == media.H265 && nal[0]>>1&0x3f == byte(h265.NALUType_SPS_NUT):
		var sps h265.SPS
		if sps.Unmarshal(nal) == nil {
			t.Width, t.Height, t.FPS = sps.Width(), sps.Height(), sps.FPS()
		}
	}
}
