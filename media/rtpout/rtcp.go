package rtpout

import (
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/pion/rtcp"
)

// rtcpSide sends our reports to the port after the receiver's RTP port and reads the receiver's
// (RFC 3550 6.4; GB/T 28181-2016 demands it, 2022 recommends it).
type rtcpSide struct {
	s    *Sender
	conn *net.UDPConn // not connected: a receiver without RTCP must not look unreachable

	// Guarded by s.mu.
	remote  netip.AddrPort
	heard   bool          // a receiver report came
	quiet   time.Duration // time since the last one, as far as packets flowed
	packets uint64        // sent until the last tick
}

// openRTCP binds the odd port.
func (s *Sender) openRTCP() (*rtcpSide, error) {
	local := netip.AddrPortFrom(s.cfg.local(), s.port+1)
	conn, err := net.ListenUDP(s.cfg.network("udp"), net.UDPAddrFromAddrPort(local))
	if err != nil {
		return nil, fmt.Errorf("rtpout: RTCP: %w", err)
	}
	r := &rtcpSide{s: s, conn: conn}
	r.aim()
	return r, nil
}

// aim has the reports go beside the media, and forgets how the receiver before reported; s.mu is held or nobody else
// has s.
func (r *rtcpSide) aim() {
	to := r.s.cfg.Remote
	r.remote = netip.AddrPortFrom(to.Addr(), to.Port()+1)
	r.heard, r.quiet = false, 0
}

// run reads until the socket is closed and reports in between.
func (r *rtcpSide) run() {
	buf := make([]byte, 2048)
	next := time.Now().Add(r.s.cfg.SRInterval)
	for r.s.life.Err() == nil {
		_ = r.conn.SetReadDeadline(next)
		n, from, err := r.conn.ReadFromUDPAddrPort(buf)
		switch {
		case err == nil:
			r.read(buf[:n], from.Addr().Unmap())
		case timedOut(err):
			next = time.Now().Add(r.s.cfg.SRInterval)
			r.tick()
		default:
			return
		}
	}
}

// tick sends a report, unless nothing was sent yet, and looks whether the receiver still reports.
// Receivers report only on what they get (ZLMediaKit does), so a pause is no silence.
func (r *rtcpSide) tick() {
	s := r.s
	s.mu.Lock()
	defer s.mu.Unlock()
	packets := s.stats.Packets
	if packets == 0 {
		return
	}
	b, err := r.report(time.Now())
	if err == nil {
		_, err = r.conn.WriteToUDPAddrPort(b, r.remote)
	}
	if err != nil {
		s.cfg.Log.Debug("sender report not sent", "remote", r.remote, "error", err)
	}
	if packets != r.packets {
		r.quiet += s.cfg.SRInterval
	}
	r.packets = packets
	if limit := s.cfg.RRTimeout; r.heard && limit > 0 && r.quiet >= limit {
		_ = s.fail(fmt.Errorf("%w for %v", ErrSilent, r.quiet))
	}
}

// report makes a sender report with the source description; s.mu is held.
func (r *rtcpSide) report(now time.Time) ([]byte, error) {
	s := r.s
	ts := s.lastTS + uint32(now.Sub(s.lastSent).Microseconds()*9/100)
	return rtcp.Marshal([]rtcp.Packet{
		&rtcp.SenderReport{
			SSRC: s.cfg.SSRC, NTPTime: ntpTime(now), RTPTime: ts,
			PacketCount: uint32(s.stats.Packets), OctetCount: s.octets,
		},
		&rtcp.SourceDescription{Chunks: []rtcp.SourceDescriptionChunk{{
			Source: s.cfg.SSRC, Items: []rtcp.SourceDescriptionItem{{Type: rtcp.SDESCNAME, Text: s.cfg.CNAME}},
		}}},
	})
}

// ntpTime returns seconds since 1900 as 32.32 fixed point.
func ntpTime(t time.Time) uint64 {
	const seconds1900To1970 = 2208988800
	fraction := uint64(t.Nanosecond()) << 32 / uint64(time.Second)
	return uint64(t.Unix()+seconds1900To1970)<<32 | fraction
}

// read takes the receiver's reports on our stream.
func (r *rtcpSide) read(b []byte, from netip.Addr) {
	packets, err := rtcp.Unmarshal(b)
	if err != nil {
		return
	}
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	if from != r.remote.Addr() {
		return
	}
	for _, p := range packets {
		var reports []rtcp.ReceptionReport
		switch p := p.(type) {
		case *rtcp.ReceiverReport:
			reports = p.Reports
		case *rtcp.SenderReport:
			reports = p.Reports
		}
		for _, rr := range reports {
			if rr.SSRC == r.s.cfg.SSRC {
				r.heard, r.quiet = true, 0
				r.s.received(rr)
			}
		}
	}
}

// received keeps a report for Stats; s.mu is held.
func (s *Sender) received(rr rtcp.ReceptionReport) {
	s.stats.RRs++
	s.stats.RRLost = int(int32(rr.TotalLost<<8) >> 8) // 24 bits, negative with duplicates
	s.stats.RRLoss = float64(rr.FractionLost) / 256
}
