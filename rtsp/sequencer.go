package rtsp

import "time"

const (
	reorderWindow = 32                     // packets held back for one that is late
	reorderWait   = 100 * time.Millisecond // and for how long, where packets are rare (audio)
	sequenceJump  = 3000                   // a step beyond this is a new count, not a loss (RFC 3550 A.1)
	staleLimit    = 64                     // this many late packets in a row are a new count too
)

// sequencer watches the sequence numbers of one track. Over UDP it holds back early packets until the
// late ones came, up to reorderWindow, and drops repeated ones; over TCP it only counts the gaps that a
// camera leaves when its own send buffer is full.
type sequencer struct {
	reorder bool
	deliver func(p *packet, gap int) // gap: how many packets are missing in front of p

	started bool
	next    uint16
	gap     int
	stale   int
	held    [reorderWindow]heldPacket // by sequence number
	holding int
}

type heldPacket struct {
	packet
	used bool
}

// push takes the next packet from the socket.
func (s *sequencer) push(p *packet) {
	if !s.started {
		s.started, s.next = true, p.Seq
	}
	ahead := int(int16(p.Seq - s.next))
	if !s.reorder {
		s.pushOrdered(p, ahead)
		return
	}
	switch {
	case ahead < 0:
		if s.stale++; s.stale > staleLimit || ahead < -sequenceJump {
			s.restart(p)
		}
		return
	case ahead > sequenceJump:
		s.restart(p)
		return
	}
	s.stale = 0
	for ahead >= reorderWindow && s.holding > 0 {
		s.skip()
		ahead = int(int16(p.Seq - s.next))
	}
	if ahead >= reorderWindow {
		s.gap += ahead
		s.next = p.Seq
		ahead = 0
	}
	if ahead == 0 {
		s.pass(p)
	} else {
		s.hold(p)
	}
	s.drain(p.Arrived)
}

// pushOrdered is push for a transport that keeps the order.
func (s *sequencer) pushOrdered(p *packet, ahead int) {
	switch {
	case ahead > sequenceJump || ahead < -1:
		s.gap = 1 // the camera started its count anew
	case ahead > 0:
		s.gap = ahead
	}
	// One behind is a camera that does not count at all; over TCP nothing comes twice.
	s.next = p.Seq
	s.pass(p)
}

func (s *sequencer) pass(p *packet) {
	gap := s.gap
	s.gap = 0
	s.next++
	s.deliver(p, gap)
}

func (s *sequencer) hold(p *packet) {
	h := &s.held[p.Seq%reorderWindow]
	if h.used {
		return // repeated
	}
	buf := h.Payload
	h.packet = *p
	h.Payload = append(buf[:0], p.Payload...)
	h.used = true
	s.holding++
}

// skip gives up waiting for the next packet, or hands it on if it is here.
func (s *sequencer) skip() {
	h := &s.held[s.next%reorderWindow]
	if !h.used {
		s.gap++
		s.next++
		return
	}
	h.used = false
	s.holding--
	s.pass(&h.packet)
}

// drain hands on what is in order now, or has waited too long.
func (s *sequencer) drain(now time.Time) {
	for s.holding > 0 {
		if !s.held[s.next%reorderWindow].used && now.Sub(s.oldest()) < reorderWait {
			return
		}
		s.skip()
	}
}

func (s *sequencer) oldest() time.Time {
	var t time.Time
	for i := range s.held {
		if h := &s.held[i]; h.used && (t.IsZero() || h.Arrived.Before(t)) {
			t = h.Arrived
		}
	}
	return t
}

// restart follows a camera that began counting anew at p.
func (s *sequencer) restart(p *packet) {
	s.flush()
	s.stale, s.gap, s.next = 0, 1, p.Seq
	s.pass(p)
}

// flush hands on everything that is held.
func (s *sequencer) flush() {
	for s.holding > 0 {
		s.skip()
	}
}

// reset forgets the count; what is held is dropped.
func (s *sequencer) reset() {
	for i := range s.held {
		s.held[i].used = false
	}
	s.holding, s.started, s.gap, s.stale = 0, false, 0, 0
}
