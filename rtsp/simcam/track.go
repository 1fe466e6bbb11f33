package simcam

import (
	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/pion/rtp"

	"gbgate/media"
)

// track is one media of the SDP with the encoder that cuts its units into RTP packets.
type track struct {
	media  *description.Media
	encode func(unit [][]byte) ([]*rtp.Packet, error)
}

// The dynamic payload types that cameras use most.
const (
	payloadVideo = 96
	payloadAAC   = 97
	payloadPCMA  = 8
)

func newVideoTrack(clip *Clip) (*track, error) {
	sets := clip.paramSets()
	t := &track{media: &description.Media{Type: description.MediaTypeVideo}}
	if clip.Video.Codec == media.H264 {
		f := &format.H264{PayloadTyp: payloadVideo, PacketizationMode: 1, SPS: sets[0], PPS: sets[1]}
		enc, err := f.CreateEncoder()
		if err != nil {
			return nil, err
		}
		t.media.Formats, t.encode = []format.Format{f}, enc.Encode
		return t, nil
	}
	f := &format.H265{PayloadTyp: payloadVideo, VPS: sets[0], SPS: sets[1], PPS: sets[2]}
	enc, err := f.CreateEncoder()
	if err != nil {
		return nil, err
	}
	t.media.Formats, t.encode = []format.Format{f}, enc.Encode
	return t, nil
}

func newAudioTrack(clip *Clip) (*track, error) {
	t := &track{media: &description.Media{Type: description.MediaTypeAudio}}
	if clip.Audio.Codec == media.PCMA {
		f := &format.G711{PayloadTyp: payloadPCMA, SampleRate: clip.Audio.SampleRate, ChannelCount: 1}
		enc, err := f.CreateEncoder()
		if err != nil {
			return nil, err
		}
		t.media.Formats = []format.Format{f}
		t.encode = func(unit [][]byte) ([]*rtp.Packet, error) { return enc.Encode(unit[0]) }
		return t, nil
	}
	f := &format.MPEG4Audio{
		PayloadTyp:       payloadAAC,
		Config:           clip.aacConfig(),
		SizeLength:       13, // AAC-hbr (RFC 3640 3.3.6)
		IndexLength:      3,
		IndexDeltaLength: 3,
	}
	enc, err := f.CreateEncoder()
	if err != nil {
		return nil, err
	}
	t.media.Formats = []format.Format{f}
	t.encode = func(unit [][]byte) ([]*rtp.Packet, error) {
		return enc.Encode([][]byte{unit[0][adtsHeader:]})
	}
	return t, nil
}
