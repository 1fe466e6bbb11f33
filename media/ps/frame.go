package ps

// Frame is one access unit of video, or the audio of one PES packet with a time.
type Frame struct {
	StreamID   byte // 0xE0–0xEF video, 0xC0–0xDF audio
	StreamType byte // from the program stream map; 0 = not announced
	// HasPTS false: the frame came without a time.
	HasPTS   bool
	PTS, DTS int64 // ticks of 90 kHz, 33 bits; DTS = PTS where the stream has none
	SCR      int64 // of the pack in which the frame began
	MuxRate  int   // of that pack, in units of 50 byte/s
	// What stood in front of this frame and behind the start of the previous one.
	HasSystemHeader, HasPSM bool
	PES                     int    // in how many PES packets the frame came
	Packs                   int    // over how many packs it was spread
	Data                    []byte // the elementary stream bytes
}

// IsVideo tells whether the frame is of a video stream.
func (f *Frame) IsVideo() bool { return f.StreamID >= idVideo }

// assembly is a frame in the making.
type assembly struct {
	Frame
	active   bool
	tooBig   bool
	lastPack int // number of the pack that the last PES packet was in
	dtsKnown bool
	lastDTS  int64 // of the frame before
	lastID   byte
}

func (a *assembly) drop() { a.active, a.dtsKnown = false, false }

// payload adds what a PES packet carries to its frame. A frame ends where the time changes, not
// where a pack or a PES packet ends: some devices send a PES packet per NAL unit, all with the
// same time or only the first with one, and some spread a picture over packs.
func (d *Demuxer) payload(id byte, t times, b []byte) {
	a := &d.open[1]
	video := id >= idVideo
	if video {
		a = &d.open[0]
	}
	if a.active && (a.StreamID != id || t.present && (!video || !a.HasPTS || t.pts != a.PTS || t.dts != a.DTS)) {
		d.finish(a)
	}
	if !a.active {
		if d.lossy && !t.present {
			return
		}
		d.lossy = false
		d.begin(a, id, t)
	}
	if a.lastPack != d.packs {
		a.lastPack = d.packs
		a.Packs++
	}
	a.PES++
	switch {
	case a.tooBig:
	case len(a.Data)+len(b) > d.maxFrame():
		d.fault(FaultFrameTooBig, "more than %d bytes", d.maxFrame())
		a.tooBig, a.Data = true, nil
	default:
		a.Data = append(a.Data, b...)
	}
}

// begin opens a frame with the first of its PES packets.
func (d *Demuxer) begin(a *assembly, id byte, t times) {
	a.Frame = Frame{
		StreamID: id, StreamType: d.types[id],
		HasPTS: t.present, PTS: t.pts, DTS: t.dts,
		SCR: d.scr, MuxRate: d.muxRate,
		HasSystemHeader: d.sawSystemHeader, HasPSM: d.sawMap,
		Packs: 1, Data: a.Data[:0],
	}
	a.active, a.tooBig, a.lastPack = true, false, d.packs
	d.sawSystemHeader, d.sawMap = false, false

	switch {
	case !d.mapped:
		if a.IsVideo() && !d.noMapSaid {
			d.noMapSaid = true
			d.fault(FaultNoMap, "stream %02X", id)
		}
	case a.StreamType == 0:
		d.fault(FaultUnannounced, "stream %02X", id)
	}
	if !t.present {
		d.fault(FaultNoPTS, "stream %02X", id)
		return
	}
	if late := clockDiff(d.scr, t.dts); late > 0 {
		d.fault(FaultSCRLate, "stream %02X, by %d ticks", id, late)
	}
	if back := clockDiff(a.lastDTS, t.dts); a.dtsKnown && a.lastID == id && back > 0 {
		d.fault(FaultDTSBack, "stream %02X, by %d ticks", id, back)
	}
	a.dtsKnown, a.lastDTS, a.lastID = true, t.dts, id
}

// finish hands out a frame.
func (d *Demuxer) finish(a *assembly) {
	if !a.active {
		return
	}
	a.active = false
	if !a.tooBig && d.OnFrame != nil {
		d.OnFrame(&a.Frame)
	}
}
