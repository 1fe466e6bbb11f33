// Package media is the vocabulary between the two shores: a camera becomes a
// Stream of Units, and whoever wants them reads them through a Reader.
//
// It does no I/O. Times are 90 kHz ticks on one time line per stream, which
// starts near zero and never steps back in decoding order.
package media

// Codec names what an elementary stream carries.
type Codec uint8

// The codecs that GB/T 28181 has a place for (2022 Annex C) and that a camera sends over RTSP.
const (
	CodecNone Codec = iota
	H264
	H265
	PCMA // G.711 A-law, 8 kHz mono
	PCMU // G.711 µ-law, 8 kHz mono
	AAC  // MPEG-4 AAC; Unit.Data holds one ADTS frame
)

// IsVideo tells whether c is a video codec.
func (c Codec) IsVideo() bool { return c == H264 || c == H265 }

// IsAudio tells whether c is an audio codec.
func (c Codec) IsAudio() bool { return c == PCMA || c == PCMU || c == AAC }

// String returns the name shown to people and written to JSON ("H.264", "G.711A", …).
func (c Codec) String() string {
	switch c {
	case H264:
		return "H.264"
	case H265:
		return "H.265"
	case PCMA:
		return "G.711A"
	case PCMU:
		return "G.711U"
	case AAC:
		return "AAC"
	case CodecNone:
	}
	return "none"
}
