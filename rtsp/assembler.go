package rtsp

import (
	"log/slog"

	"gbgate/media"
)

// assembler turns the RTP packets of one camera stream into media units. It is used from one goroutine.
type assembler struct {
	// reorder makes video and audio hold back out-of-order packets and drop repeated ones (UDP).
	// Set it before the first packet.
	reorder bool

	stats assemblerStats
}

// assemblerStats counts what went through an assembler.
type assemblerStats struct {
	Frames      uint64 // pictures emitted
	KeyFrames   uint64 // of these, the ones decoding can start at
	AudioFrames uint64 // audio units emitted
	Lost        uint64 // RTP packets missing, by sequence number
	Dropped     uint64 // pictures thrown away: with a hole, or waiting for a key picture or parameter sets
	Malformed   uint64 // payloads that could not be read
}

// newAssembler returns an assembler for a stream with video in videoCodec (CodecNone: audio only). emit
// takes over the reference of each unit and is called from within video, audio and close. log may be nil.
func newAssembler(videoCodec media.Codec, sets paramSets, audio audioFormat, emit func(*media.Unit),
	log *slog.Logger,
) *assembler {
	return &assembler{}
}

// video takes the next RTP packet of the video track.
func (a *assembler) video(p *packet) {}

// audio takes the next RTP packet of the audio track.
func (a *assembler) audio(p *packet) {}

// discontinuity tells that what comes next does not continue what came before (SSRC change, seek,
// reconnect): a half picture is dropped, and output times go on from where they are.
func (a *assembler) discontinuity() {}

// close emits the last picture, if it is whole, and gives back what is held.
func (a *assembler) close() {}
