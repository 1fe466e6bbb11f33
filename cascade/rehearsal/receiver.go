package rehearsal

import (
	"encoding/binary"
	"errors"
	"time"
)

// Bounds of what one frame and one look back may hold.
const (
	maxFrame    = 8 << 20
	burstWindow = time.Millisecond
	maxBurstLog = 4096
	// maxLooks is how often a frame is looked through for its end: every marker and every new timestamp asks.
	maxLooks = 16
)

// Receiver takes the RTP packets of one call in the order they came, puts the frames together and checks what
// GB/T 28181 (2022: 4.3.6, annexes C, D and G) and the platforms in the field expect of them.
// It is used from one goroutine.
type Receiver struct {
	expect Expect
	faults faults
	report Report
	check  checker

	started bool
	ssrc    uint32
	seq     uint16 // of the newest packet
	seen    uint64 // bit n: packet seq-n came
	arrived []time.Time

	frame frame
	last  uint32 // RTP timestamp of the frame before
	any   bool   // last is set
	psErr bool
}

// frame is the packets of one RTP timestamp.
type frame struct {
	open      bool
	timestamp uint32
	data      []byte
	end       time.Time // when its newest packet came
	marked    bool
	broken    bool // packets are missing in it
	looks     int
}

// unfinished tells whether the frame's own lengths say that more of it must come.
func (f *frame) unfinished() bool {
	if f.looks++; f.broken || f.looks > maxLooks {
		return false
	}
	_, err := parsePacks(f.data)
	return errors.Is(err, errTruncated)
}

// NewReceiver returns a receiver of one call's packets.
func NewReceiver(e Expect) *Receiver {
	if e.PayloadType == 0 {
		e.PayloadType = 96
	}
	if e.MaxPayload == 0 {
		e.MaxPayload = 1400
	}
	r := &Receiver{expect: e, ssrc: e.SSRC}
	r.check = checker{faults: &r.faults, report: &r.report, expect: e}
	return r
}

// Packet takes one RTP packet, which came at a time; raw is not kept.
func (r *Receiver) Packet(at time.Time, raw []byte) {
	head, payload, err := splitRTP(raw)
	if err != nil {
		r.faults.add("rtp", "a packet of %d bytes is no RTP packet: %v", len(raw), err)
		return
	}
	if r.foreign(head) {
		return
	}
	if r.report.Packets == 0 {
		r.report.FirstPacket = at
	}
	r.report.Packets++
	r.report.LastPacket = at
	r.burst(at)
	r.checkHead(head, payload)
	gap, late := r.sequence(head.seq)
	if late {
		return
	}
	r.assemble(at, head, payload, gap)
}

// Close ends the stream: what must hold for the whole is checked. A last frame that is not whole is not judged,
// because it was the receiver who stopped.
func (r *Receiver) Close() {
	if f := &r.frame; f.open && (f.marked || !f.unfinished()) {
		r.finish()
	}
	if r.report.Packets == 0 {
		r.faults.add("silence", "no RTP packet came")
		return
	}
	if n := r.report.LostPackets; n > 0 {
		r.faults.add("lost", "%d of %d packets are missing", n, n+r.report.Packets)
	}
	r.check.close()
}

// Report tells what was seen so far; after Close it is complete.
func (r *Receiver) Report() Report {
	out := r.report
	r.check.measure(&out)
	out.Faults = r.faults.list()
	return out
}

type rtpHead struct {
	payloadType uint8
	marker      bool
	seq         uint16
	timestamp   uint32
	ssrc        uint32
}

// splitRTP reads a packet by RFC 3550 5.1.
func splitRTP(b []byte) (rtpHead, []byte, error) {
	if len(b) < 12 {
		return rtpHead{}, nil, errors.New("too short")
	}
	if b[0]>>6 != 2 {
		return rtpHead{}, nil, errors.New("version is not 2")
	}
	h := rtpHead{
		payloadType: b[1] & 0x7F,
		marker:      b[1]&0x80 != 0,
		seq:         binary.BigEndian.Uint16(b[2:]),
		timestamp:   binary.BigEndian.Uint32(b[4:]),
		ssrc:        binary.BigEndian.Uint32(b[8:]),
	}
	start, end := 12+4*int(b[0]&15), len(b)
	if b[0]&0x10 != 0 && start+4 <= end {
		start += 4 + 4*int(binary.BigEndian.Uint16(b[start+2:]))
	}
	if b[0]&0x20 != 0 {
		end -= int(b[len(b)-1])
	}
	if start > end {
		return rtpHead{}, nil, errors.New("header or padding longer than the packet")
	}
	return h, b[start:end], nil
}

// foreign tells whether the packet is of another source than the call's; ZLMediaKit and SRS drop such packets.
func (r *Receiver) foreign(h rtpHead) bool {
	if r.expect.NoSSRC && !r.started {
		r.ssrc = h.ssrc
	}
	if h.ssrc == r.ssrc {
		return false
	}
	if r.expect.NoSSRC {
		r.faults.add("ssrc", "the SSRC changes from %010d to %010d", r.ssrc, h.ssrc)
	} else {
		r.faults.add("ssrc", "the SSRC is %010d, but y= said %010d", h.ssrc, r.ssrc)
	}
	// A wrong SSRC on all packets is one fault; the rest of the stream is still worth judging.
	if !r.started {
		r.ssrc = h.ssrc
		return false
	}
	return true
}

func (r *Receiver) checkHead(h rtpHead, payload []byte) {
	if h.payloadType != r.expect.PayloadType {
		r.faults.add("pt", "the RTP payload type is %d, not %d", h.payloadType, r.expect.PayloadType)
	}
	if !r.expect.TCP && len(payload) > r.expect.MaxPayload {
		r.faults.add("mtu", "an RTP payload has %d bytes, more than %d", len(payload), r.expect.MaxPayload)
	}
	if len(payload) == 0 {
		r.faults.add("empty", "an RTP packet has no payload")
	}
}

// sequence follows the sequence number. gap: packets are missing right before this one.
func (r *Receiver) sequence(seq uint16) (gap, late bool) {
	if !r.started {
		r.started, r.seq, r.seen = true, seq, 1
		if seq != 1 {
			// Monibuca v5 counts from 0 and resets the connection when the first packet is not number 1.
			r.faults.add("first", "the first RTP sequence number is %d, not 1", seq)
		}
		return false, false
	}
	ahead := int16(seq - r.seq)
	if ahead <= 0 {
		r.report.LatePackets++
		back := -int(ahead)
		if back < 64 && r.seen>>back&1 == 0 {
			r.seen |= 1 << back
			r.report.LostPackets--
			r.faults.add("late", "packet %d came after packet %d", seq, r.seq)
		} else {
			r.faults.add("twice", "packet %d came twice", seq)
		}
		return false, true
	}
	if ahead > 1 {
		r.faults.add("gap", "packets are missing after number %d: the next is %d", r.seq, seq)
		r.report.LostPackets += int(ahead) - 1
	}
	r.seen = r.seen<<uint(ahead) | 1
	r.seq = seq
	return ahead > 1, false
}

// assemble adds a packet to the frame of its timestamp.
func (r *Receiver) assemble(at time.Time, h rtpHead, payload []byte, gap bool) {
	f := &r.frame
	if gap {
		r.check.skip()
		f.broken = f.open
	}
	if f.open && !r.continues(h, payload) {
		r.finish()
	}
	if !f.open {
		r.start(h, payload, gap)
	}
	if len(f.data)+len(payload) > maxFrame {
		r.faults.add("huge", "a frame is larger than %d MiB", maxFrame>>20)
		f.broken = true
	} else {
		f.data = append(f.data, payload...)
	}
	f.end, f.marked = at, h.marker
	if !f.marked {
		return
	}
	// A marker ends the frame, unless the frame's own lengths say that more must come.
	if !f.unfinished() {
		r.finish()
	}
}

// continues tells whether the packet goes on with the open frame, whatever its timestamp and the last marker say.
func (r *Receiver) continues(h rtpHead, payload []byte) bool {
	f := &r.frame
	if f.broken {
		return h.timestamp == f.timestamp && !f.marked
	}
	fresh := startsPack(payload)
	if h.timestamp == f.timestamp {
		if f.marked && !fresh {
			r.faults.add("marker-in", "the marker is set on a packet that does not end its frame")
		}
		return !f.marked || !fresh
	}
	if !fresh && f.unfinished() {
		r.faults.add("ts-in", "the RTP timestamp changes inside a frame, from %d to %d", f.timestamp, h.timestamp)
		f.timestamp = h.timestamp
		return true
	}
	if !f.marked {
		r.faults.add("marker-end", "the last packet of a frame is sent without the marker")
	}
	return false
}

// start opens the frame of a packet.
func (r *Receiver) start(h rtpHead, payload []byte, gap bool) {
	r.frame = frame{
		open: true, timestamp: h.timestamp, data: r.frame.data[:0],
		broken: gap && !startsPack(payload),
	}
	switch step := int32(h.timestamp - r.last); {
	case !r.any:
	case step == 0 && !gap:
		r.faults.add("ts-same", "two frames have the same RTP timestamp %d", h.timestamp)
	case step < 0:
		r.faults.add("ts-back", "the RTP timestamp steps back from %d to %d", r.last, h.timestamp)
	}
}

// finish hands the open frame to the checker.
func (r *Receiver) finish() {
	f := &r.frame
	f.open = false
	r.last, r.any = f.timestamp, true
	r.report.Bytes += len(f.data)
	r.save(f.data)
	if f.broken {
		r.report.BrokenFrames++
		r.check.skip()
		return
	}
	r.check.frame(f)
}

func (r *Receiver) save(b []byte) {
	if r.expect.SavePS == nil || r.psErr {
		return
	}
	if _, err := r.expect.SavePS.Write(b); err != nil {
		r.psErr = true
		r.faults.add("save", "the program stream could not be saved: %v", err)
	}
}

// burst counts the packets of the last millisecond.
func (r *Receiver) burst(at time.Time) {
	old := 0
	for old < len(r.arrived) && at.Sub(r.arrived[old]) > burstWindow {
		old++
	}
	if len(r.arrived)-old >= maxBurstLog {
		old++
	}
	r.arrived = append(r.arrived[:0], r.arrived[old:]...)
	r.arrived = append(r.arrived, at)
	r.report.MaxBurst = max(r.report.MaxBurst, len(r.arrived))
}
