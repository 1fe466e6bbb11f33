package ps

// Demuxer takes a program stream apart.
type Demuxer struct {
	// OnFrame gets every frame; the frame and its data are valid during the call only.
	OnFrame func(*Frame)
	// OnFault gets what is wrong with the stream; nil = nobody asks.
	OnFault func(Fault)
}

// Frame is one access unit of video or one piece of audio.
type Frame struct {
	StreamID        byte   // 0xE0–0xEF video, 0xC0–0xDF audio
	StreamType      byte   // from the program stream map; 0 = not announced
	HasPTS          bool   // false: the frame came without a time
	PTS, DTS        int64  // 33 bits, 90 kHz; DTS = PTS if the stream has none
	SCR             int64  // of the pack in which the frame began
	MuxRate         int    // of that pack, in units of 50 byte/s
	HasSystemHeader bool   // a system header stood between the previous frame and this one
	HasPSM          bool   // a program stream map stood between the previous frame and this one
	PES             int    // in how many PES packets the frame came
	Packs           int    // over how many packs it was spread
	Data            []byte // the elementary stream bytes
}

// Fault is something wrong with a program stream.
type Fault struct {
	Kind   FaultKind
	Detail string
}

// FaultKind names a fault.
type FaultKind uint8

// Write feeds the next bytes of the stream (an RTP payload, or any other piece). It never fails.
func (d *Demuxer) Write(p []byte) (int, error) { return len(p), nil }

// Flush ends the frames in hand: call it at the RTP marker to have them without
// waiting for the next ones, and at the end.
func (d *Demuxer) Flush() {}

// Lost tells that bytes are missing: what is in hand is thrown away up to the next pack header.
func (d *Demuxer) Lost() {}
