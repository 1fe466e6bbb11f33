package rtpout

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
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
	s     *Sender
	wheel *Wheel
	ready atomic.Bool // connected

	// sending guards the sender's packetizer and pacer, and the fields down to spacing.
	sending sync.Mutex

	// The pack in hand, if any.
	inHand bool
	single bool // it is one burst
	holder Holder
	size   int           // packets of a burst
	step   time.Duration // from one burst to the next
	due    time.Time     // when the next one is
	// The burst in hand: 0 packets is none.
	chunk, sent, retries int

	out    batch
	queued int // packs in queue, the first at first
	first  int
	queue  [maxOffered]offered

	drained chan struct{} // somebody waits for the queue's end; nil: nobody
	blocked time.Time     // since when the socket's queue is full; zero: it is not
	failing time.Time     // since when nothing was taken; zero: it is

	refusals [refusalsAllowed]time.Time // the last ones, oldest first
	spacing  time.Duration

	rtcp *rtcpSide // nil: off
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
	s.port = conn.LocalAddr().(*net.UDPAddr).AddrPort().Port()
	u := &udpLink{s: s, wheel: s.cfg.Wheel, spacing: refusalSpacing}
	if err = u.out.open(conn, &s.z); err != nil {
		return nil, err
	}
	if s.port%2 != 0 {
		err = fmt.Errorf("rtpout: port %d is odd: %w", s.port, unix.EADDRINUSE)
	} else if s.cfg.RTCP {
		u.rtcp, err = s.openRTCP()
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
	u.ready.Store(true)
	if u.rtcp != nil {
		s.wg.Go(u.rtcp.run)
	}
	return nil
}

func (u *udpLink) unreachable() error {
	return fmt.Errorf("%w: ICMP said so %d times within %v", ErrUnreachable, refusalsAllowed, refusalWindow)
}

// push sends the burst in hand, or as much of it as the system takes for now: then it returns how long to wait.
// What the network does not take at all is dropped and counted.
func (u *udpLink) push(now time.Time) (wait time.Duration, err error) {
	for range maxRetries + u.chunk {
		n, errno := u.out.send(u.sent)
		if u.sent += n; u.sent == u.chunk {
			u.gone(u.chunk, u.s.z.size)
			u.chunk = 0
			return 0, nil
		}
		switch errno {
		case 0, unix.EINTR:
		case unix.EMSGSIZE: // a smaller MTU was learnt from the network; the kernel fragments from now on
			if u.retries++; u.retries > 1 {
				return 0, u.dropped(now, errno)
			}
		case unix.ECONNREFUSED:
			// It is about an earlier packet; this one was not sent.
			if u.refused(now) {
				return 0, u.s.fail(u.unreachable())
			}
		case unix.ENOBUFS, unix.ENOMEM:
			if u.retries++; u.retries > queueRetries {
				return 0, u.dropped(now, errno)
			}
			return time.Millisecond, nil
		case unix.EAGAIN:
			if u.blocked.IsZero() {
				u.blocked = now
			}
			if now.Sub(u.blocked) >= u.s.cfg.WriteTimeout {
				return 0, u.dropped(now, errno)
			}
			return time.Millisecond, nil
		default:
			return 0, u.dropped(now, errno)
		}
	}
	return 0, u.dropped(now, unix.EAGAIN)
}

// dropped counts a burst of which only the first packets were sent. The uplink may be back soon, so
// it is the end only after StallTimeout.
func (u *udpLink) dropped(now time.Time, errno unix.Errno) error {
	s := u.s
	s.count(now, u.sent, u.sent*(rtpHeader+s.z.maxPayload), u.chunk-u.sent)
	if u.sent > 0 || u.failing.IsZero() {
		u.failing = now
		s.cfg.Log.Debug("packets not sent", "remote", s.cfg.Remote, "error", errno)
	}
	u.chunk, u.sent = 0, 0
	s.pacer.last = now // what waits behind has its own time to be tried in
	if stalled := now.Sub(u.failing); stalled >= s.cfg.StallTimeout {
		return s.fail(fmt.Errorf("%w for %v: %w", ErrStalled, stalled.Round(time.Millisecond), errno))
	}
	return nil
}

// refused notes an ICMP "port unreachable" and tells whether it was one too many.
func (u *udpLink) refused(now time.Time) bool {
	last := len(u.refusals) - 1
	if u.s.cfg.BearRefusals {
		return false
	}
	if now.Sub(u.refusals[last]) < u.spacing {
		return false
	}
	copy(u.refusals[:], u.refusals[1:])
	u.refusals[last] = now
	return !u.refusals[0].IsZero() && now.Sub(u.refusals[0]) <= refusalWindow
}

func (u *udpLink) shut() {
	u.sending.Lock() // whoever sends knows the descriptor
	defer u.sending.Unlock()
	u.abandon()
	u.out.close()
	if u.rtcp != nil {
		_ = u.rtcp.conn.Close()
	}
}
