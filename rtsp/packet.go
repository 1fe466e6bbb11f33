package rtsp

import (
	"time"

	"gbgate/media"
)

// packet is one RTP packet of one track, with header extension, CSRC list and padding already taken off.
type packet struct {
	Payload   []byte // valid during the call only
	Marker    bool
	Seq       uint16
	Timestamp uint32
	Arrived   time.Time // when its last byte came in; the only clock there is behind this point
}

// audioFormat is what the SDP says about the audio track. The zero value means no audio.
type audioFormat struct {
	Codec      media.Codec
	ClockRate  int // of the RTP timestamps, in Hz; 0 means SampleRate
	SampleRate int // in Hz; 0 means 8000 for G.711 and what Config says for AAC
	Channels   int // 0 means 1 for G.711 and what Config says for AAC

	// AAC only.
	LATM             bool   // MP4A-LATM (RFC 6416) rather than mpeg4-generic (RFC 3640)
	Config           []byte // AudioSpecificConfig, or StreamMuxConfig with LATM; empty when unknown
	SizeLength       int    // bits, RFC 3640; all three zero means 13, 3, 3 (AAC-hbr)
	IndexLength      int
	IndexDeltaLength int
}
