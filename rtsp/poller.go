package rtsp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// lookEvery is how often a busy poller looks at the sockets: what comes meanwhile is read at
	// one go, and the machine is woken once for it instead of once for every packet. It rests a quarter of that
	// at least, however long it takes to read.
	lookEvery = 2 * time.Millisecond
	minRest   = lookEvery / 4
	// A poller is busy when that long a time brings something for one socket at least.
	lookWindow = 64 // looks between two judgements
	pollEvents = 256
	writeSlice = 100 // ms between looks whether a writer's connection was closed
)

// Poller reads from the TCP connections of many cameras on one goroutine. With a goroutine each, which
// the scheduler parks and wakes for every picture, most of the CPU goes into switching.
//
// It waits through Go's own poller, so that no thread is held, but only when it has nothing to do: an
// epoll instance in between passes one event on and then none until it is armed again. Otherwise Go's
// poller would wake a thread for whatever comes while the sockets are left alone.
//
//	sockets ──▶ epoll ──one shot──▶ gate ──▶ Go's poller
type Poller struct {
	epoll int
	gate  *os.File
	raw   syscall.RawConn // of gate

	mu    sync.Mutex
	conns map[int]*polledConn // by descriptor
	ended bool
}

// NewPoller returns a poller that serves once Run is called; one that is never run needs Close.
func NewPoller() (*Poller, error) {
	p := &Poller{conns: make(map[int]*polledConn)}
	gate, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("rtsp: epoll: %w", err)
	}
	_ = unix.SetNonblock(gate, true) // makes os.NewFile hand it to Go's poller
	p.gate = os.NewFile(uintptr(gate), "epoll")
	if p.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		_ = p.gate.Close()
		return nil, fmt.Errorf("rtsp: epoll: %w", err)
	}
	if p.raw, err = p.gate.SyscallConn(); err == nil {
		err = control(gate, unix.EPOLL_CTL_ADD, p.epoll, unix.EPOLLONESHOT)
	}
	if err != nil {
		_ = p.Close()
		return nil, fmt.Errorf("rtsp: epoll: %w", err)
	}
	return p, nil
}

func control(epoll, op, fd int, events uint32) error {
	return unix.EpollCtl(epoll, op, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
}

// Run reads for all connections until ctx ends. It should outlive the sources that use the poller: they
// say goodbye to their cameras and wait for the answer.
func (p *Poller) Run(ctx context.Context) error {
	defer p.Close()
	stop := context.AfterFunc(ctx, func() { _ = p.gate.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	events := make([]unix.EpollEvent, pollEvents)
	began, looks, found, busy := time.Now(), 0, 0, false
	for ctx.Err() == nil {
		n, err := look(p.epoll, events)
		if n == 0 && err == nil {
			err = p.wait()
		}
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			return fmt.Errorf("rtsp: epoll: %w", err)
		case n == 0:
			continue
		}
		woken := time.Now()
		for i := range n {
			p.serve(int(events[i].Fd))
		}
		found += n
		if looks++; looks == lookWindow {
			busy = time.Duration(found)*lookEvery > time.Since(began)
			began, looks, found = time.Now(), 0, 0
		}
		if busy && n < len(events) {
			rest(max(lookEvery-time.Since(woken), minRest))
		}
	}
	return context.Cause(ctx)
}

// rest leaves the sockets alone. With a second core the thread itself sleeps: the scheduler's own
// timers wake another thread besides, which finds nothing. With one, the others need the processor.
func rest(d time.Duration) {
	if runtime.GOMAXPROCS(0) == 1 {
		time.Sleep(d)
		return
	}
	ts := unix.NsecToTimespec(d.Nanoseconds())
	_, _, _ = unix.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&ts)), 0, 0)
}

// look returns what there is, without waiting and without telling the scheduler: a system call that it
// knows of wakes the thread that watches over long ones, which then stays up for a while.
func look(epoll int, events []unix.EpollEvent) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epoll), uintptr(unsafe.Pointer(&events[0])),
		uintptr(len(events)), 0, 0, 0)
	switch errno {
	case 0:
		return int(n), nil
	case unix.EINTR:
		return 0, nil
	}
	return 0, errno
}

// wait arms the gate and returns when there is something to look at.
func (p *Poller) wait() error {
	var failed error
	armed := false
	err := p.raw.Read(func(gate uintptr) bool {
		if !armed {
			armed = true
			failed = arm(int(gate), p.epoll)
		}
		var events [1]unix.EpollEvent
		n, err := look(int(gate), events[:])
		failed = errors.Join(failed, err)
		return n > 0 || failed != nil
	})
	return errors.Join(err, failed)
}

// arm lets one event pass through the gate; see look.
func arm(gate, epoll int) error {
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLONESHOT, Fd: int32(epoll)}
	_, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(gate), unix.EPOLL_CTL_MOD, uintptr(epoll),
		uintptr(unsafe.Pointer(&event)), 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// Close ends every connection. Run does it at its end.
func (p *Poller) Close() error {
	p.mu.Lock()
	if p.ended {
		p.mu.Unlock()
		return nil
	}
	p.ended = true
	left := slices.Collect(maps.Values(p.conns))
	p.mu.Unlock()
	for _, c := range left {
		_ = c.Close()
		c.readable()
		p.forget(c)
	}
	_ = unix.Close(p.epoll)
	return p.gate.Close()
}

func (p *Poller) serve(fd int) {
	p.mu.Lock()
	c := p.conns[fd]
	p.mu.Unlock()
	if c != nil && !c.readable() {
		p.forget(c)
	}
}

// adopt takes a connection over from Go's poller. readable is called, on the goroutine of Run, whenever
// bytes wait; it reads them with Read, which does not block, and returns false when it wants no more.
func (p *Poller) adopt(conn *net.TCPConn) (*polledConn, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	c := &polledConn{local: conn.LocalAddr(), remote: conn.RemoteAddr(), users: 1}
	var failed error
	err = raw.Control(func(fd uintptr) { c.fd, failed = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) })
	if err = errors.Join(err, failed); err != nil {
		return nil, err
	}
	return c, conn.Close() // of its own descriptor: the connection lives on
}

// begin starts the calls of readable.
func (p *Poller) begin(c *polledConn, readable func() bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended || !c.acquire() {
		return net.ErrClosed
	}
	c.readable = readable
	p.conns[c.fd] = c
	return control(p.epoll, unix.EPOLL_CTL_ADD, c.fd, unix.EPOLLIN|unix.EPOLLRDHUP)
}

// forget ends them.
func (p *Poller) forget(c *polledConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conns[c.fd] == c {
		delete(p.conns, c.fd)
		_ = control(p.epoll, unix.EPOLL_CTL_DEL, c.fd, 0)
		c.release()
	}
}

// polledConn is a TCP connection that a Poller watches.
type polledConn struct {
	fd            int
	local, remote net.Addr
	readable      func() bool

	mu       sync.Mutex
	users    int // of the descriptor: calls, the poller, and one until Close
	closed   bool
	deadline time.Time // of writes
}

// errAgain says that nothing waits to be read.
var errAgain = errors.New("rtsp: nothing to read")

func (c *polledConn) acquire() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.users++
	return true
}

// release closes the descriptor behind the last user, so that no call ever meets its next owner.
func (c *polledConn) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.users--; c.users == 0 {
		_ = unix.Close(c.fd)
	}
}

// Read returns errAgain instead of waiting.
func (c *polledConn) Read(b []byte) (int, error) {
	if !c.acquire() {
		return 0, net.ErrClosed
	}
	defer c.release()
	for {
		// It does not block, so the scheduler need not know, see look.
		n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(c.fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))),
			uintptr(len(b)))
		switch {
		case errno == unix.EAGAIN:
			return 0, errAgain
		case errno == unix.EINTR:
		case errno != 0:
			return 0, &net.OpError{Op: "read", Net: "tcp", Addr: c.remote, Err: os.NewSyscallError("read", errno)}
		case n == 0:
			return 0, io.EOF
		default:
			return int(n), nil
		}
	}
}

// Write waits for room until the write deadline. RTSP requests are short and rare.
func (c *polledConn) Write(b []byte) (int, error) {
	if !c.acquire() {
		return 0, net.ErrClosed
	}
	defer c.release()
	done := 0
	for done < len(b) {
		n, err := unix.SendmsgN(c.fd, b[done:], nil, nil, unix.MSG_NOSIGNAL)
		switch {
		case err == nil:
			done += n
		case err == unix.EAGAIN:
			err = c.awaitRoom()
			fallthrough
		default:
			if err != nil && err != unix.EINTR {
				return done, &net.OpError{Op: "write", Net: "tcp", Addr: c.remote, Err: err}
			}
		}
	}
	return done, nil
}

// awaitRoom waits a little for room to write.
func (c *polledConn) awaitRoom() error {
	c.mu.Lock()
	closed, deadline := c.closed, c.deadline
	c.mu.Unlock()
	switch {
	case closed:
		return net.ErrClosed
	case !deadline.IsZero() && time.Now().After(deadline):
		return os.ErrDeadlineExceeded
	}
	_, err := unix.Poll([]unix.PollFd{{Fd: int32(c.fd), Events: unix.POLLOUT}}, writeSlice)
	return err
}

// Close ends the connection; calls under way fail. The poller hears of it through the socket.
func (c *polledConn) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return net.ErrClosed
	}
	c.closed = true
	c.mu.Unlock()
	_ = unix.Shutdown(c.fd, unix.SHUT_RDWR)
	c.release()
	return nil
}

// SetWriteDeadline implements net.Conn.
func (c *polledConn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	return nil
}

// SetReadDeadline does nothing: Read does not wait.
func (c *polledConn) SetReadDeadline(time.Time) error { return nil }

// SetDeadline implements net.Conn.
func (c *polledConn) SetDeadline(t time.Time) error { return c.SetWriteDeadline(t) }

// LocalAddr implements net.Conn.
func (c *polledConn) LocalAddr() net.Addr { return c.local }

// RemoteAddr implements net.Conn.
func (c *polledConn) RemoteAddr() net.Addr { return c.remote }
