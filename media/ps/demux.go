package ps

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// Demuxer takes a program stream apart. It is tolerant: pack stuffing, one PES packet per NAL unit,
// frames spread over packs and PES packets of length 0 are read, and what is wrong is reported.
// The zero value is ready; set the callbacks first. It holds at most one frame of video, one of
// audio and one packet. Not for use by several goroutines at once.
type Demuxer struct {
	// OnFrame gets every frame, in the order in which the streams complete them.
	// The frame and its data are valid during the call only.
	OnFrame func(*Frame)
	// OnFault gets what is wrong, whenever it is seen; nil = nobody asks.
	OnFault func(Fault)
	// MaxFrame is the most bytes a frame may have; 0 = 8 MiB.
	MaxFrame int

	buf     []byte // the start of a packet whose end has not come yet
	scanned int    // how far buf was searched for the end of a PES packet of length 0
	synced  bool   // buf begins at a start code
	lossy   bool   // bytes are missing: no frame begins before a PES packet with a time

	packs   int // pack headers seen
	scr     int64
	muxRate int
	rate    rateWindow

	types     [256]byte // stream_type by stream_id, from the map
	mapped    bool      // a map was read
	noMapSaid bool

	sawSystemHeader, sawMap bool // since the last frame began

	open [2]assembly // video, audio
}

const (
	defaultMaxFrame = 8 << 20
	feedStep        = 64 << 10 // how much of a big Write is taken at once
)

// Write takes the next bytes of the stream, in pieces of any size. It never fails.
func (d *Demuxer) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		step := p[:min(len(p), feedStep)]
		p = p[len(step):]
		d.buf = append(d.buf, step...)
		if used := d.parse(d.buf, false); used > 0 {
			d.buf = d.buf[:copy(d.buf, d.buf[used:])]
		}
	}
	return n, nil
}

// Flush hands out the frames that are complete if the sender's pack ends here: call it at the RTP
// marker to have them without waiting for the next ones. It does nothing inside a packet.
func (d *Demuxer) Flush() {
	if d.synced && d.scanned > 0 {
		used := d.parse(d.buf, true)
		d.buf = d.buf[:copy(d.buf, d.buf[used:])]
	}
	if len(d.buf) == 0 {
		d.finish(&d.open[0])
		d.finish(&d.open[1])
	}
}

// Close hands out what is left at the end of the stream.
func (d *Demuxer) Close() error {
	d.Flush()
	if len(d.buf) > 0 && d.synced {
		d.fault(FaultTruncated, "%d bytes left", len(d.buf))
	}
	d.buf = d.buf[:0]
	d.finish(&d.open[0])
	d.finish(&d.open[1])
	return nil
}

// Lost tells that bytes are missing here: what is in hand is thrown away, and reading goes on at
// the next pack header without taking the gap for the sender's fault.
func (d *Demuxer) Lost() {
	d.buf = d.buf[:0]
	d.resync()
}

// resync drops the frames in hand and searches for a pack header.
func (d *Demuxer) resync() {
	d.synced, d.lossy, d.scanned = false, true, 0
	d.open[0].drop()
	d.open[1].drop()
	d.rate = rateWindow{}
}

// parse reads the complete packets of b and returns how many bytes it is done with.
// end tells that a PES packet of length 0 ends with b.
func (d *Demuxer) parse(b []byte, end bool) (used int) {
	for {
		rest := b[used:]
		if !d.synced {
			i := bytes.Index(rest, []byte{0, 0, 1, idPack})
			if i < 0 {
				return used + max(len(rest)-3, 0)
			}
			d.synced = true
			used += i
			continue
		}
		n := d.packet(rest, end)
		switch {
		case n == 0:
			return used
		case n < 0:
			d.resync()
			used++
		default:
			used += n
			d.scanned = 0
		}
	}
}

// packet reads the packet at the start of b. It returns its size, 0 if the end has not come yet, and
// -1 if there is none.
func (d *Demuxer) packet(b []byte, end bool) int {
	if len(b) < 4 {
		return 0
	}
	id := b[3]
	switch {
	case b[0] != 0 || b[1] != 0 || b[2] != 1 || id < idEnd:
		d.fault(FaultLostSync, "% X instead of a start code", b[:4])
		return -1
	case id == idEnd:
		return 4
	case id == idPack:
		return d.packHeader(b)
	case len(b) < 6:
		return 0
	}
	size := 6 + int(binary.BigEndian.Uint16(b[4:]))
	elementary := id >= idAudio && id < idVideo+16
	if size == 6 && elementary {
		if size = d.unbounded(b, end); size <= 0 {
			return size
		}
	}
	if len(b) < size {
		return 0
	}
	d.rate.add(size)
	switch {
	case elementary:
		d.pes(id, b[6:size])
	case id == idSystemHeader:
		d.sawSystemHeader = true
	case id == idMap:
		d.streamMap(b[:size])
	}
	return size
}

// unbounded returns the size of a PES packet of length 0, which ends before the next start code.
func (d *Demuxer) unbounded(b []byte, end bool) int {
	from := max(d.scanned-3, 6)
	for from < len(b) {
		i := bytes.Index(b[from:], []byte{0, 0, 1})
		if i < 0 || from+i+3 >= len(b) {
			break
		}
		if from += i; b[from+3] >= idEnd {
			d.fault(FaultPESLength, "stream %02X, %d bytes", b[3], from)
			return from
		}
		from += 3
	}
	if end {
		d.fault(FaultPESLength, "stream %02X, %d bytes", b[3], len(b))
		return len(b)
	}
	if d.scanned = len(b); len(b) > d.maxFrame() {
		d.fault(FaultFrameTooBig, "no end after %d bytes", len(b))
		return -1
	}
	return 0
}

// packHeader reads a pack header (ISO/IEC 13818-1 2.5.3.3).
func (d *Demuxer) packHeader(b []byte) int {
	if len(b) < packHeaderLen {
		return 0
	}
	if b[4]&0xC4 != 0x44 || b[6]&4 == 0 || b[8]&4 == 0 || b[9]&1 == 0 || b[12]&3 != 3 {
		d.fault(FaultPackHeader, "% X", b[:packHeaderLen])
		return -1
	}
	size := packHeaderLen + int(b[13]&7) // Hikvision stuffs it to 20 bytes
	if len(b) < size {
		return 0
	}
	d.finish(&d.open[1]) // no audio is spread over packs

	scr := int64(b[4]&0x38)<<27 | int64(b[4]&3)<<28 | int64(b[5])<<20 |
		int64(b[6]&0xF8)<<12 | int64(b[6]&3)<<13 | int64(b[7])<<5 | int64(b[8])>>3
	if step := clockDiff(scr, d.scr); d.packs > 0 && step < 0 {
		d.fault(FaultSCRBack, "by %d ticks", -step)
		d.rate = rateWindow{}
	}
	d.scr = scr
	d.muxRate = int(b[10])<<14 | int(b[11])<<6 | int(b[12])>>2
	d.packs++
	if d.muxRate == 0 {
		d.fault(FaultMuxRate, "it is 0")
	} else if real, slow := d.rate.pack(scr, d.muxRate); slow {
		d.fault(FaultMuxRate, "%d instead of at least %d", d.muxRate, real)
	}
	d.rate.add(size)
	return size
}

// streamMap reads a program stream map (ISO/IEC 13818-1 2.5.4).
func (d *Demuxer) streamMap(b []byte) {
	d.sawMap = true
	if len(b) < 16 {
		d.fault(FaultMapSyntax, "%d bytes", len(b))
		return
	}
	body, sum := b[:len(b)-4], binary.BigEndian.Uint32(b[len(b)-4:])
	if want := crc32MPEG(body); sum != want {
		d.fault(FaultMapCRC, "%08X instead of %08X", sum, want) // read it all the same, as others do
	}
	info := int(binary.BigEndian.Uint16(b[8:]))
	if info+12 > len(body) {
		d.fault(FaultMapSyntax, "program_stream_info_length %d", info)
		return
	}
	streams := body[12+info:]
	if size := int(binary.BigEndian.Uint16(body[10+info:])); size != len(streams) {
		d.fault(FaultMapSyntax, "elementary_stream_map_length %d instead of %d", size, len(streams))
	}
	if info > 0 {
		d.fault(FaultMapDescriptors, "%d bytes for the program", info)
	}
	d.types, d.mapped = [256]byte{}, true
	for len(streams) >= 4 {
		kind, id, info := streams[0], streams[1], int(binary.BigEndian.Uint16(streams[2:]))
		if info > 0 {
			d.fault(FaultMapDescriptors, "%d bytes for stream %02X", info, id)
		}
		d.types[id] = kind
		streams = streams[min(4+info, len(streams)):]
	}
}

// pes reads what follows the length of a PES packet (ISO/IEC 13818-1 2.4.3.6).
func (d *Demuxer) pes(id byte, b []byte) {
	if len(b) < 3 || b[0]&0xC0 != 0x80 || int(b[2])+3 > len(b) {
		d.fault(FaultPESHeader, "stream %02X: % X", id, b[:min(len(b), 3)])
		return
	}
	var t times
	switch flags, fields := b[1]>>6, b[3:3+b[2]]; {
	case flags == 0:
	case flags == 2 && len(fields) >= 5:
		t.pts, t.ok = clockField(fields)
		t.dts, t.present = t.pts, true
	case flags == 3 && len(fields) >= 10:
		var ok bool
		t.pts, t.ok = clockField(fields)
		t.dts, ok = clockField(fields[5:])
		t.ok, t.present = t.ok && ok, true
	default:
		d.fault(FaultPESHeader, "stream %02X: PTS_DTS_flags %d in %d bytes", id, flags, len(fields))
	}
	if t.present && !t.ok {
		d.fault(FaultPESHeader, "stream %02X: marker bits unset in the time", id)
	}
	d.payload(id, t, b[3+int(b[2]):])
}

// times are the PTS and DTS of a PES packet; ok tells whether their marker bits are set.
type times struct {
	present, ok bool
	pts, dts    int64
}

func clockField(b []byte) (t int64, ok bool) {
	t = int64(b[0]&0x0E)<<29 | int64(b[1])<<22 | int64(b[2]&0xFE)<<14 | int64(b[3])<<7 | int64(b[4])>>1
	return t, b[0]&1 == 1 && b[2]&1 == 1 && b[4]&1 == 1
}

// clockDiff returns a - b of two 33-bit clock values, the shorter way round.
func clockDiff(a, b int64) int64 { return (a - b) << 31 >> 31 }

func (d *Demuxer) maxFrame() int {
	if d.MaxFrame > 0 {
		return d.MaxFrame
	}
	return defaultMaxFrame
}

func (d *Demuxer) fault(kind FaultKind, format string, args ...any) {
	if d.OnFault != nil {
		d.OnFault(Fault{Kind: kind, Detail: fmt.Sprintf(format, args...)})
	}
}

// rateWindow compares the bytes of at least one second of SCR with program_mux_rate.
type rateWindow struct {
	running bool
	start   int64
	bytes   int
}

func (w *rateWindow) add(n int) { w.bytes += n }

// pack begins a pack. It tells whether the second before it had more bytes than the rate allows
// (units of 50 byte/s), and how many.
func (w *rateWindow) pack(scr int64, muxRate int) (real int, tooFast bool) {
	if !w.running {
		*w = rateWindow{running: true, start: scr}
		return 0, false
	}
	span := clockDiff(scr, w.start)
	if span < 90000 {
		return 0, false
	}
	real = int(int64(w.bytes) * 90000 / span / 50)
	*w = rateWindow{running: true, start: scr}
	return real, real > muxRate
}
