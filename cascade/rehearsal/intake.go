package rehearsal

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	readBuffer = 4 << 20 // of the UDP media socket; the kernel may grant less
	pairTries  = 100     // to find an even port with its odd neighbour free
)

// intake is the media side of a call: its sockets and the goroutines that read them into the sink.
type intake struct {
	transport string
	local     netip.Addr
	port      int
	timeout   time.Duration
	sink      *sink
	after     <-chan struct{} // RTP over UDP is read once it is closed; nil: at once

	mu      sync.Mutex
	sockets []io.Closer
	closed  bool
	serving bool // a TCP media connection is there
	work    sync.WaitGroup
}

// openIntake binds what the offer will name. late: the TCP port is held but not yet listened on.
func openIntake(transport string, local netip.Addr, timeout time.Duration, late bool, s *sink,
	after <-chan struct{},
) (*intake, error) {
	in := &intake{transport: transport, local: local, timeout: timeout, sink: s, after: after}
	var err error
	switch transport {
	case UDP:
		err = in.bindUDP()
	case TCPPassive:
		if late {
			err = in.hold()
		} else {
			err = in.listen()
		}
	case TCPActive:
	default:
		err = fmt.Errorf("transport %q is none of udp, tcp-passive, tcp-active", transport)
	}
	if err != nil {
		in.close()
		return nil, err
	}
	return in, nil
}

// close ends the reading and waits for it. It may be called again.
func (in *intake) close() {
	in.mu.Lock()
	in.closed = true
	for _, s := range in.sockets {
		_ = s.Close() // closing is all it is for
	}
	in.sockets = nil
	in.mu.Unlock()
	in.work.Wait()
}

// keep owns a socket and starts its reader, unless the intake was closed meanwhile.
func (in *intake) keep(s io.Closer, read func()) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed {
		_ = s.Close()
		return net.ErrClosed
	}
	in.sockets = append(in.sockets, s)
	in.work.Go(read)
	return nil
}

// bindUDP binds an even RTP port and the odd RTCP port above it (RFC 3550 11).
func (in *intake) bindUDP() error {
	var last error
	for range pairTries {
		rtp, err := net.ListenUDP("udp", &net.UDPAddr{IP: in.local.AsSlice(), Zone: in.local.Zone()})
		if err != nil {
			return err
		}
		at := rtp.LocalAddr().(*net.UDPAddr)
		if at.Port%2 != 0 {
			_ = rtp.Close()
			continue
		}
		rtcp, err := net.ListenUDP("udp", &net.UDPAddr{IP: at.IP, Port: at.Port + 1, Zone: at.Zone})
		if err != nil {
			_ = rtp.Close()
			last = err
			continue
		}
		_ = rtp.SetReadBuffer(readBuffer) // what the kernel grants must do
		in.port = at.Port
		return errors.Join(
			in.keep(rtp, func() {
				if in.after != nil {
					<-in.after
				}
				in.readUDP(rtp, in.sink.packet)
			}),
			in.keep(rtcp, func() {
				in.readUDP(rtcp, func(_ time.Time, _ netip.AddrPort, b []byte) { in.sink.rtcp(b) })
			}),
		)
	}
	return fmt.Errorf("no pair of UDP ports free: %w", last)
}

// readUDP reads datagrams until the socket is closed.
func (in *intake) readUDP(conn *net.UDPConn, take func(time.Time, netip.AddrPort, []byte)) {
	buf := make([]byte, 64<<10)
	for {
		_ = conn.SetReadDeadline(time.Now().Add(in.timeout)) // fails on a closed socket only, and so does the read
		n, from, err := conn.ReadFromUDPAddrPort(buf)
		switch {
		case err == nil:
			take(time.Now(), netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), buf[:n])
		case errors.Is(err, net.ErrClosed):
			return
		}
	}
}

// hold takes a TCP port that refuses connections until listen. Only a bound socket keeps it: left free meanwhile, the
// next program that asks for any port may get it, and the node reaches a stranger.
func (in *intake) hold() error {
	family, at := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Addr: in.local.As16()})
	if in.local.Is4() {
		family, at = unix.AF_INET, &unix.SockaddrInet4{Addr: in.local.As4()}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("a TCP port to hold: %w", err)
	}
	in.sockets = append(in.sockets, os.NewFile(uintptr(fd), "held port"))
	// The listener, which Go gives the same option, may then share the port.
	if err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err == nil {
		err = unix.Bind(fd, at)
	}
	if err == nil {
		at, err = unix.Getsockname(fd)
	}
	if err != nil {
		return fmt.Errorf("a TCP port to hold: %w", err)
	}
	switch at := at.(type) {
	case *unix.SockaddrInet4:
		in.port = at.Port
	case *unix.SockaddrInet6:
		in.port = at.Port
	}
	return nil
}

// listen listens for the node's media connection, on the held port if there is one.
func (in *intake) listen() error {
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: in.local.AsSlice(), Port: in.port, Zone: in.local.Zone()})
	if err != nil {
		return err
	}
	in.port = l.Addr().(*net.TCPAddr).Port
	return in.keep(l, func() { in.accept(l) })
}

// accept takes connections until the listener is closed; only the first is served.
func (in *intake) accept(l *net.TCPListener) {
	for {
		conn, err := l.AcceptTCP()
		if err != nil {
			return
		}
		if err := in.serve(conn); err != nil {
			in.sink.fault("connections", "the node opened a second media connection")
		}
	}
}

// dial connects to the node's media port.
func (in *intake) dial(ctx context.Context, to netip.AddrPort) error {
	d := net.Dialer{Timeout: in.timeout}
	conn, err := d.DialContext(ctx, "tcp", to.String())
	if err != nil {
		return err
	}
	return in.serve(conn.(*net.TCPConn))
}

var errServing = errors.New("a media connection is there already")

func (in *intake) serve(conn *net.TCPConn) error {
	in.mu.Lock()
	second := in.serving
	in.serving = true
	in.mu.Unlock()
	if second {
		_ = conn.Close()
		return errServing
	}
	return in.keep(conn, func() { in.sink.end(in.readTCP(conn)) })
}

// readTCP reads packets framed by RFC 4571 until the connection ends; the older framing with $ (RFC 2326 10.12) is
// understood and is a fault.
func (in *intake) readTCP(conn *net.TCPConn) error {
	from := conn.RemoteAddr().(*net.TCPAddr).AddrPort()
	r := bufio.NewReaderSize(conn, 64<<10)
	buf := make([]byte, 64<<10)
	for {
		// The play itself gives up after the time-out; this only frees the goroutine.
		if err := conn.SetReadDeadline(time.Now().Add(2 * in.timeout)); err != nil {
			return err
		}
		size, err := in.frameHead(r)
		if err != nil {
			return err
		}
		if _, err := io.ReadFull(r, buf[:size]); err != nil {
			return err
		}
		in.sink.packet(time.Now(), from, buf[:size])
	}
}

func (in *intake) frameHead(r *bufio.Reader) (int, error) {
	head, err := r.Peek(4)
	if err != nil {
		return 0, err
	}
	skip, size := 2, int(binary.BigEndian.Uint16(head))
	// A length of 0x24.. would be a packet of 9 KiB and more, with a version in its next byte.
	if head[0] == '$' && head[1] <= 1 && head[2]>>6 != 2 {
		skip, size = 4, int(binary.BigEndian.Uint16(head[2:]))
		in.sink.fault("framing", "the packets are framed with $, not by RFC 4571")
	}
	if size < 12 {
		in.sink.fault("frame-size", "a packet over TCP is framed with the length %d", size)
	}
	_, err = r.Discard(skip)
	return size, err
}
