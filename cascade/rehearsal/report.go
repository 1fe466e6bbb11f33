package rehearsal

import (
	"io"
	"time"
)

// Expect is what a stream must look like, and where its bytes go.
type Expect struct {
	// SSRC is the value of the offer's y= line; NoSSRC: the offer had none, so any value is right, but only one.
	SSRC   uint32
	NoSSRC bool
	// PayloadType is the RTP payload type of PS, 96 when zero.
	PayloadType uint8
	// MaxPayload is the largest RTP payload allowed in bytes; 0 is 1400. Over TCP it is not checked.
	MaxPayload int
	// TCP says that the packets came over TCP.
	TCP bool
	// VideoOff says that the stream is sound only.
	VideoOff bool

	// SavePS takes the program stream, SaveAudio the audio frames' bytes (G.711 samples or ADTS frames). Both may
	// be nil. A failing writer is a fault and is not written to again.
	SavePS, SaveAudio io.Writer
}

// Report is what a Receiver saw.
type Report struct {
	Codec         string // "H.264", "H.265" or empty: sniffed from the bytes, not believed from the map
	Width, Height int
	FPS           float64 // from the time stamps
	BitrateKbps   int     // of the whole program stream, over its media time
	MuxKbps       int     // lowest program_mux_rate of its packs
	Audio         string  // "G.711A", "G.711U", "AAC" or empty

	FirstPacket  time.Time // zero: none came
	FirstPicture time.Time // the first whole picture
	LastPacket   time.Time

	Packets, LostPackets, LatePackets int // late: repeated or overtaken on the way
	Pictures, KeyPictures             int
	AudioFrames, AudioBytes           int
	BrokenFrames                      int // frames with lost packets in them
	Bytes                             int // of program stream
	// MaxBurst is the largest number of packets that came within one millisecond.
	MaxBurst int
	// MediaTime is the span of the video's (without video: the audio's) time stamps.
	MediaTime time.Duration
	// Faults are the broken rules, one plain sentence each.
	Faults []string
}
