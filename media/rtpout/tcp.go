package rtpout

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// tcpBatch is how many packets go into one writev.
	tcpBatch    = 64
	dialTimeout = 3 * time.Second
	// unsentLimit is how much the kernel may queue beyond what is on the way: half a second of
	// 4 Mbit/s. A slow receiver is noticed soon, and a long line is still filled.
	unsentLimit = 256 << 10
)

// tcpLink is RTP over one TCP connection (RFC 4571, GB/T 28181-2022 Annex D).
type tcpLink struct {
	s        *Sender
	reserved int              // TCPActive: a socket that holds the port, never connected
	listener *net.TCPListener // TCPPassive
	pause    time.Duration    // from one dial to the next

	conn     *net.TCPConn // set by connect
	bufs     net.Buffers  // what writev has not taken
	tail     []byte       // the rest of a packet of which a part was taken
	progress time.Time    // when something was taken
}

// reserveTCP binds the port from which we are going to dial. The dialled socket shares it
// (SO_REUSEADDR), so the port is ours from the SDP answer to the end, whatever the retries.
func (s *Sender) reserveTCP(port uint16) error {
	local := netip.AddrPortFrom(s.cfg.local(), port)
	family, sa := unix.AF_INET, unix.Sockaddr(nil)
	if local.Addr().Is4() {
		sa = &unix.SockaddrInet4{Port: int(port), Addr: local.Addr().As4()}
	} else {
		family, sa = unix.AF_INET6, &unix.SockaddrInet6{Port: int(port), Addr: local.Addr().As16()}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("rtpout: socket: %w", err)
	}
	if err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err == nil {
		err = unix.Bind(fd, sa)
	}
	if err == nil {
		sa, err = unix.Getsockname(fd)
	}
	if err != nil {
		_ = unix.Close(fd)
		return fmt.Errorf("rtpout: bind %v: %w", local, err)
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		s.port = uint16(sa.Port)
	case *unix.SockaddrInet6:
		s.port = uint16(sa.Port)
	}
	s.link = &tcpLink{s: s, reserved: fd, pause: time.Second}
	return nil
}

// listenTCP binds the port to which the superior is going to connect.
func (s *Sender) listenTCP(port uint16) error {
	var lc net.ListenConfig
	lc.SetMultipathTCP(false)
	addr := netip.AddrPortFrom(s.cfg.local(), port)
	l, err := lc.Listen(s.life, s.cfg.network("tcp"), addr.String())
	if err != nil {
		return fmt.Errorf("rtpout: listen: %w", err)
	}
	tl := l.(*net.TCPListener)
	s.port = tl.Addr().(*net.TCPAddr).AddrPort().Port()
	s.link = &tcpLink{s: s, reserved: -1, listener: tl}
	return nil
}

func (t *tcpLink) path() string { return "writev" }

// connect dials or accepts, and starts to watch for the peer's close.
func (t *tcpLink) connect(ctx context.Context) error {
	var conn *net.TCPConn
	var err error
	if t.listener != nil {
		conn, err = t.accept(ctx)
	} else {
		conn, err = t.dial(ctx)
	}
	if err != nil {
		return err
	}
	s := t.s
	t.tune(conn)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life.Err() != nil {
		_ = conn.Close()
		return s.Err()
	}
	t.conn, t.progress = conn, time.Now()
	s.guard.set(conn)
	s.wg.Go(t.watch)
	return nil
}

// dial tries until the superior listens.
func (t *tcpLink) dial(ctx context.Context) (*net.TCPConn, error) {
	s := t.s
	d := net.Dialer{
		LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(s.cfg.local(), s.port)),
		Timeout:   dialTimeout,
		Control: func(_, _ string, c syscall.RawConn) error {
			return c.Control(func(fd uintptr) {
				_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
			})
		},
	}
	pause := time.NewTicker(t.pause)
	defer pause.Stop()
	for attempt := 1; ; attempt++ {
		conn, err := d.DialContext(ctx, s.cfg.network("tcp"), s.cfg.Remote.String())
		if err == nil {
			return conn.(*net.TCPConn), nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		s.cfg.Log.Debug("media connection refused", "remote", s.cfg.Remote, "attempt", attempt, "error", err)
		if attempt >= s.cfg.DialRetry {
			return nil, fmt.Errorf("%w: %d attempts: %w", ErrNoConnection, attempt, err)
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// accept waits for the superior's connection and then listens no more.
func (t *tcpLink) accept(ctx context.Context) (*net.TCPConn, error) {
	defer t.listener.Close()
	s := t.s
	_ = t.listener.SetDeadline(time.Now().Add(s.cfg.AcceptTimeout))
	defer context.AfterFunc(ctx, func() { _ = t.listener.SetDeadline(time.Unix(1, 0)) })()
	for {
		conn, err := t.listener.AcceptTCP()
		switch {
		case err == nil:
		case s.life.Err() != nil: // Close may be here before ctx ends
			return nil, s.Err()
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		default:
			return nil, fmt.Errorf("%w within %v: %w", ErrNoConnection, s.cfg.AcceptTimeout, err)
		}
		from := conn.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()
		if s.cfg.Allow == nil || s.cfg.Allow(from) {
			return conn, nil
		}
		s.cfg.Log.Warn("media connection from a stranger refused", "remote", from)
		_ = conn.Close()
	}
}

// tune sets the socket up for a live stream.
func (t *tcpLink) tune(conn *net.TCPConn) {
	_ = conn.SetNoDelay(true)
	raw, err := conn.SyscallConn()
	if err != nil {
		return
	}
	// Both are improvements that no stream depends on: a cut cable is noticed although the queue still
	// takes data, and that queue stays short.
	stall := int(t.s.cfg.StallTimeout.Milliseconds())
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, stall)
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsentLimit)
	})
}

// watch reads what the receiver says, which nobody needs, to learn that it has hung up. It has no
// deadline, since a receiver may rightly be silent; keepalive probes and TCP_USER_TIMEOUT end it.
func (t *tcpLink) watch() {
	buf := make([]byte, 2048)
	for {
		if _, err := t.conn.Read(buf); err != nil {
			_ = t.s.fail(fmt.Errorf("%w: %w", ErrPeerClosed, err))
			return
		}
	}
}

// write sends a pack. One that is not taken in time is dropped, but never in the middle of a packet: the
// receiver would lose the frame boundaries for good.
func (t *tcpLink) write(ctx context.Context, ts uint32, _ time.Duration, bufs [][]byte) error {
	s := t.s
	if !s.guard.watch(ctx) {
		return ErrNotConnected
	}
	if s.z.begin(ts, bufs) == 0 {
		return nil
	}
	err := t.send(ctx)
	if s.z.left > 0 {
		s.count(time.Time{}, 0, 0, s.z.packets())
		s.z.skip()
	}
	return err
}

// send sends the rest of the pack in hand.
func (t *tcpLink) send(ctx context.Context) error {
	s := t.s
	s.guard.limit(min(s.cfg.WriteTimeout, s.cfg.StallTimeout))
	if len(t.tail) > 0 {
		n, err := t.conn.Write(t.tail)
		t.tail = t.tail[:copy(t.tail, t.tail[n:])]
		if n > 0 {
			t.progress = time.Now()
		}
		if err != nil {
			return t.failed(ctx, err)
		}
	}
	for s.z.left > 0 {
		s.z.next(tcpBatch)
		t.bufs = s.z.pieces
		n, err := t.bufs.WriteTo(t.conn)
		if n > 0 {
			t.progress = time.Now()
		}
		packets, size := len(s.z.ends), s.z.size-len(s.z.ends)*s.z.framing
		if err != nil {
			packets = t.cut(int(n))
			taken := min(packets*(s.z.headSize()+s.z.maxPayload), s.z.size) - packets*s.z.framing
			s.count(t.progress, packets, taken, len(s.z.ends)-packets)
			return t.failed(ctx, err)
		}
		s.count(t.progress, packets, size, 0)
	}
	return nil
}

// cut keeps the rest of the packet that n bytes of the chunk end in, and returns how many packets
// are sent with it.
func (t *tcpLink) cut(n int) int {
	full := t.s.z.headSize() + t.s.z.maxPayload
	packets, part := n/full, n%full
	if part == 0 {
		return packets
	}
	rest := min((packets+1)*full, t.s.z.size) - n
	t.tail = t.tail[:0]
	for _, b := range t.bufs {
		b = b[:min(len(b), rest-len(t.tail))]
		t.tail = append(t.tail, b...)
	}
	return packets + 1
}

// failed tells what a write error means.
func (t *tcpLink) failed(ctx context.Context, err error) error {
	s := t.s
	switch {
	case s.life.Err() != nil:
		return s.Err()
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case !errors.Is(err, os.ErrDeadlineExceeded):
		return s.fail(fmt.Errorf("%w: %w", ErrPeerClosed, err))
	}
	if stalled := time.Since(t.progress); stalled >= s.cfg.StallTimeout {
		return s.fail(fmt.Errorf("%w for %v", ErrStalled, stalled.Round(time.Millisecond)))
	}
	return ErrSlow
}

func (t *tcpLink) shut() {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	if t.conn != nil {
		_ = t.conn.Close()
	}
	if t.listener != nil {
		_ = t.listener.Close()
	}
	if t.reserved >= 0 {
		_ = unix.Close(t.reserved)
		t.reserved = -1
	}
}
