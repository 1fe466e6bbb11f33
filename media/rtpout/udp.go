package rtpout

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// Three ICMP "port unreachable" within ten seconds end a call that the superior forgot to end.
	// Those of one second count once: a receiver that opens its port a moment after the ACK is alive.
	refusalsAllowed = 3
	refusalWindow   = 10 * time.Second
	refusalSpacing  = time.Second
	// A full queue of the network device is tried again so often, a millisecond apart.
	queueRetries = 3
	// No packet is tried more often than this, whatever the system answers.
	maxRetries = 16
)

// udpLink is RTP over a connected UDP socket, so that ICMP errors reach us, and RTCP beside it.
type udpLink struct {
	s    *Sender
	conn *net.UDPConn
	out  *batch
	rtcp *rtcpSide // nil: off

	ready atomic.Bool // connected

	refusals [refusalsAllowed]time.Time // the last ones, oldest first
	spacing  time.Duration
	failing  time.Time // since when nothing was taken; zero: it is
}

// bindUDP binds the pair of ports; port 0: any even one.
func (s *Sender) bindUDP(port uint16) error {
	tries := 1
	if port == 0 {
		tries = 64 // half of the ports are even, and the odd ones behind them mostly free
	}
	var err error
	for range tries {
		var u *udpLink
		if u, err = s.openUDP(port); err == nil {
			s.link = u
			return nil
		}
	}
	return err
}

func (s *Sender) openUDP(port uint16) (*udpLink, error) {
	local := netip.AddrPortFrom(s.cfg.local(), port)
	conn, err := s.socket(local)
	if err != nil {
		return nil, fmt.Errorf("rtpout: bind %v for %v: %w", local, s.cfg.Remote, err)
	}
	_ = conn.SetReadBuffer(4096) // nobody reads it
	u := &udpLink{s: s, conn: conn, spacing: refusalSpacing}
	if s.port = conn.LocalAddr().(*net.UDPAddr).AddrPort().Port(); s.port%2 != 0 {
		err = fmt.Errorf("rtpout: port %d is odd: %w", s.port, unix.EADDRINUSE)
	}
	if err == nil && s.cfg.RTCP {
		u.rtcp, err = s.openRTCP()
	}
	if err == nil {
		u.out, err = newBatch(conn, s.z, &s.guard, s.cfg.WriteTimeout)
	}
	if err != nil {
		u.shut()
		return nil, err
	}
	return u, nil
}

// socket binds local and, when it is known, connects to where RTP goes.
func (s *Sender) socket(local netip.AddrPort) (*net.UDPConn, error) {
	if s.cfg.Remote.Port() == 0 {
		return net.ListenUDP(s.cfg.network("udp"), net.UDPAddrFromAddrPort(local))
	}
	d := net.Dialer{LocalAddr: net.UDPAddrFromAddrPort(local)}
	c, err := d.DialContext(s.life, s.cfg.network("udp"), s.cfg.Remote.String())
	if err != nil {
		return nil, err
	}
	return c.(*net.UDPConn), nil
}

func (u *udpLink) path() string { return udpPath(u.out.path.Load()).String() }

func (u *udpLink) connect(context.Context) error {
	s := u.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life.Err() != nil {
		return s.Err()
	}
	if s.cfg.Remote.Port() == 0 {
		return ErrNotConnected
	}
	if u.ready.Load() {
		return nil
	}
	s.guard.set(u.conn)
	u.ready.Store(true)
	if u.rtcp != nil {
		s.wg.Go(u.rtcp.run)
	}
	return nil
}

// try is TryPack.
func (u *udpLink) try(ts uint32, bufs [][]byte) bool {
	s := u.s
	if !u.ready.Load() || udpPath(u.out.path.Load()) != pathGSO {
		return false
	}
	seq, before, started := s.z.seq, s.z.ts, s.z.started
	packets := s.z.begin(ts, bufs)
	if packets == 0 {
		return true
	}
	now := time.Now()
	if packets > maxBurst || s.pacer.wait(now, packets) > 0 {
		s.z.rewind(seq, before, started)
		return false
	}
	s.z.next(packets)
	u.out.load()
	if errno := u.out.sendNow(); errno != 0 || u.out.sent < packets {
		if errno == unix.ECONNREFUSED && u.refused(now) {
			_ = s.fail(u.unreachable())
		}
		s.z.rewind(seq, before, started)
		return false
	}
	s.pacer.sent(now, packets, 0)
	s.pacer.last = time.Now() // as in write
	u.failing = time.Time{}
	s.count(packets, s.z.size, 0)
	return true
}

func (u *udpLink) unreachable() error {
	return fmt.Errorf("%w: ICMP said so %d times within %v", ErrUnreachable, refusalsAllowed, refusalWindow)
}

// write sends the rest of the pack in bursts of equal size and distance.
func (u *udpLink) write(ctx context.Context, spread time.Duration) error {
	s := u.s
	packets := s.z.packets()
	count, step := chunks(packets, spread)
	size := (packets + count - 1) / count
	var due time.Time
	for s.z.left > 0 {
		n := min(size, s.z.packets())
		now := time.Now()
		if due.IsZero() {
			due = now
		}
		if wait := max(due.Sub(now), s.pacer.wait(now, n)); wait > 0 {
			if err := s.sleep(ctx, wait); err != nil {
				return err
			}
			now = time.Now()
		}
		s.z.next(n)
		s.pacer.sent(now, len(s.z.ends), step)
		if err := u.send(ctx); err != nil {
			return err
		}
		s.pacer.last = time.Now() // the call takes long on a busy machine: the pause begins behind it
		due = due.Add(step)
	}
	return nil
}

// send sends the chunk. What the network does not take for now is dropped and counted.
func (u *udpLink) send(ctx context.Context) error {
	s := u.s
	u.out.load()
	sent, full := 0, 0
	for range maxRetries + len(s.z.ends) {
		n, err := u.out.send(sent)
		if sent += n; sent == len(s.z.ends) {
			u.failing = time.Time{}
			s.count(sent, s.z.size, 0)
			return nil
		}
		switch {
		case err == nil, errors.Is(err, unix.EINTR), errors.Is(err, unix.EMSGSIZE) && full == 0:
			if err != nil && n == 0 {
				full++ // a smaller MTU was learnt from the network; the kernel fragments from now on
			}
			continue
		case errors.Is(err, unix.ECONNREFUSED):
			// It is about an earlier packet; this one was not sent.
			if u.refused(time.Now()) {
				return s.fail(u.unreachable())
			}
			continue
		case (errors.Is(err, unix.ENOBUFS) || errors.Is(err, unix.ENOMEM)) && full < queueRetries:
			full++
			if err := s.sleep(ctx, time.Millisecond); err != nil {
				return err
			}
			continue
		case s.life.Err() != nil:
			return s.Err()
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
		return u.dropped(sent, err)
	}
	return u.dropped(sent, unix.EAGAIN)
}

// dropped counts a chunk of which only the first packets were sent. The uplink may be back soon, so
// it is the end only after StallTimeout.
func (u *udpLink) dropped(sent int, err error) error {
	s := u.s
	s.count(sent, sent*(rtpHeader+s.z.maxPayload), len(s.z.ends)-sent)
	now := time.Now()
	if sent > 0 || u.failing.IsZero() {
		u.failing = now
		s.cfg.Log.Debug("packets not sent", "remote", s.cfg.Remote, "error", err)
	}
	if stalled := now.Sub(u.failing); stalled >= s.cfg.StallTimeout {
		return s.fail(fmt.Errorf("%w for %v: %w", ErrStalled, stalled.Round(time.Millisecond), err))
	}
	return nil
}

// refused notes an ICMP "port unreachable" and tells whether it was one too many.
func (u *udpLink) refused(now time.Time) bool {
	last := len(u.refusals) - 1
	if now.Sub(u.refusals[last]) < u.spacing {
		return false
	}
	copy(u.refusals[:], u.refusals[1:])
	u.refusals[last] = now
	return !u.refusals[0].IsZero() && now.Sub(u.refusals[0]) <= refusalWindow
}

func (u *udpLink) shut() {
	_ = u.conn.Close()
	if u.rtcp != nil {
		_ = u.rtcp.conn.Close()
	}
}
