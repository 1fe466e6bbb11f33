package rehearsal

import (
	"encoding/binary"
	"net/netip"
	"sync"
	"time"
)

// The RTCP packet types that share a port or a connection with RTP (RFC 5761).
const (
	rtcpSR   = 200
	rtcpLast = 207
)

// sink feeds a Receiver from the goroutines of the media sockets, and tells when it has had enough.
type sink struct {
	reached chan struct{} // closed at the wanted number of pictures
	over    chan struct{} // closed when the media connection ended

	mu       sync.Mutex
	rcv      *Receiver
	pictures int
	done     bool // reached is closed
	err      error
	ended    bool // over is closed
	reports  int
	source   netip.AddrPort // of the first packet
	want     netip.AddrPort
	closed   bool
}

func newSink(e Expect, pictures int) *sink {
	return &sink{
		reached: make(chan struct{}), over: make(chan struct{}),
		rcv: NewReceiver(e), pictures: pictures,
	}
}

// packet takes a packet off a media socket.
func (s *sink) packet(at time.Time, from netip.AddrPort, raw []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	if len(raw) > 1 && raw[1] >= rtcpSR && raw[1] <= rtcpLast {
		s.rcv.faults.add("rtcp-mixed", "RTCP packets come on the media port")
		s.control(raw)
		return
	}
	if !s.source.IsValid() {
		s.source = from
		s.compare()
	}
	if from != s.source {
		s.rcv.faults.add("source-2", "media comes from %v and from %v", s.source, from)
		return
	}
	s.rcv.Packet(at, raw)
	if s.pictures > 0 && !s.done && s.rcv.report.Pictures >= s.pictures {
		s.done = true
		close(s.reached)
	}
}

// resume says that media go on after a hold.
func (s *sink) resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rcv.check.pause()
}

// turning says that a playback control is under way, or that it is over.
func (s *sink) turning(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rcv.check.audio.turning, s.rcv.check.audio.resumes = on, true
}

// mark returns what came since the last mark, and begins a new stretch.
func (s *sink) mark(now time.Time) Progress {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rcv.check.mark(now)
}

// progress returns what came since the last mark.
func (s *sink) progress(now time.Time) Progress {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rcv.check.progress(now)
}

// rtcp takes a packet off the RTCP socket.
func (s *sink) rtcp(raw []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.control(raw)
}

func (s *sink) control(raw []byte) {
	if len(raw) < 28 || raw[0]>>6 != 2 || raw[1] != rtcpSR {
		return
	}
	s.reports++
	if got := binary.BigEndian.Uint32(raw[4:]); s.rcv.started && got != s.rcv.ssrc {
		s.rcv.faults.add("sr-ssrc", "the RTCP sender report names the SSRC %010d", got)
	}
}

// expectSource says from where the answer promised the media.
func (s *sink) expectSource(want netip.AddrPort) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.want = want
	s.compare()
}

// compare judges the source address; media may come before the answer.
func (s *sink) compare() {
	if s.source.IsValid() && s.want.IsValid() && s.source.Port() != s.want.Port() {
		s.rcv.faults.add("source", "media comes from port %d, but the answer named port %d",
			s.source.Port(), s.want.Port())
	}
}

// expectSSRC says which SSRC the answer brought, when the offer had none.
func (s *sink) expectSSRC(ssrc uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rcv.started && s.rcv.ssrc != ssrc {
		s.rcv.faults.add("ssrc", "the SSRC is %010d, but y= said %010d", s.rcv.ssrc, ssrc)
	}
	s.rcv.expect.SSRC, s.rcv.expect.NoSSRC = ssrc, false
	if !s.rcv.started {
		s.rcv.ssrc = ssrc
	}
}

// fault notes what the sockets themselves found wrong.
func (s *sink) fault(rule, format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.rcv.faults.add(rule, format, args...)
	}
}

// end says that no more media can come.
func (s *sink) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	s.ended, s.err = true, err
	close(s.over)
}

func (s *sink) overErr() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

func (s *sink) times() (first, last time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rcv.report.FirstPacket, s.rcv.report.LastPacket
}

func (s *sink) packets() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rcv.report.Packets
}

// seen is the number of pictures so far.
func (s *sink) seen() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rcv.report.Pictures
}

// finish ends the stream and returns what was seen, and the number of RTCP sender reports.
func (s *sink) finish() (Report, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		s.rcv.Close()
	}
	return s.rcv.Report(), s.reports
}
