package bench

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	receiveBatch  = 64
	receiveBuffer = 4 << 20
	controlSize   = 64
	// A pause of half a millisecond ends a burst: the gateway's are twice as long.
	burstPause = 500_000
	// The receivers look so often, as a busy platform does; the kernel notes when packets came.
	receiveEvery = time.Millisecond
)

// line is one UDP port and what came to it.
type line struct {
	fd    int
	port  uint16
	floor bool // not RTP: drained only

	packets, bytes uint64
	lost           int64
	started        bool
	next           uint16
	first          int64 // monotonic, ns
	firstIsKey     bool
	last           int64
	burst, longest int
	latencies      []int32 // µs
}

// receivers drains UDP sockets on one goroutine.
type receivers struct {
	epoll int

	mu      sync.Mutex
	lines   map[int]*line // by descriptor
	offset  int64         // from the real-time to the monotonic clock
	arrived chan struct{} // closed and replaced when a line got its first packet
	closed  bool
	msgs    []message
	done    chan struct{}
}

// message is the kernel's struct mmsghdr with its buffers.
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32
}

type message struct {
	iov     unix.Iovec
	data    [2048]byte
	control [controlSize]byte
}

func newReceivers() (*receivers, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	r := &receivers{
		epoll: epoll, lines: map[int]*line{}, arrived: make(chan struct{}),
		msgs: make([]message, receiveBatch), done: make(chan struct{}),
	}
	go r.run()
	return r, nil
}

// open binds a port of the kernel's choice.
func (r *receivers) open() (*line, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	l := &line{fd: fd}
	err = unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	if err == nil {
		if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer) != nil {
			_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer)
		}
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)
	}
	var name unix.Sockaddr
	if err == nil {
		name, err = unix.Getsockname(fd)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	l.port = uint16(name.(*unix.SockaddrInet4).Port)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines[fd] = l
	return l, unix.EpollCtl(r.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
}

func (l *line) address() netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), l.port)
}

func (r *receivers) close(l *line) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.lines[l.fd]; ok {
		delete(r.lines, l.fd)
		_ = unix.Close(l.fd)
	}
}

func (r *receivers) shut() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	<-r.done
	for _, l := range r.lines {
		_ = unix.Close(l.fd)
	}
	_ = unix.Close(r.epoll)
}

func (r *receivers) run() {
	defer close(r.done)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	events := make([]unix.EpollEvent, 256)
	hdrs := make([]mmsghdr, receiveBatch)
	for {
		n, err := unix.EpollWait(r.epoll, events, 100)
		if err != nil && err != unix.EINTR {
			return
		}
		r.mu.Lock()
		if r.closed {
			r.mu.Unlock()
			return
		}
		r.offset = clock(unix.CLOCK_REALTIME) - monotonic()
		fresh := false
		for _, e := range events[:max(n, 0)] {
			if l := r.lines[int(e.Fd)]; l != nil {
				started := l.started
				r.drain(l, hdrs)
				fresh = fresh || l.started != started
			}
		}
		if fresh {
			close(r.arrived)
			r.arrived = make(chan struct{})
		}
		r.mu.Unlock()
		if n < len(events) {
			_ = unix.Nanosleep(sleepFor(receiveEvery), nil)
		}
	}
}

// drain takes everything that waits at one port.
func (r *receivers) drain(l *line, hdrs []mmsghdr) {
	for {
		for i := range hdrs {
			m := &r.msgs[i]
			m.iov.Base = &m.data[0]
			m.iov.SetLen(len(m.data))
			h := &hdrs[i].hdr
			*h = unix.Msghdr{Iov: &m.iov, Control: &m.control[0]}
			h.SetIovlen(1)
			h.SetControllen(controlSize)
		}
		n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(l.fd), uintptr(unsafe.Pointer(&hdrs[0])),
			uintptr(len(hdrs)), unix.MSG_DONTWAIT, 0, 0)
		if errno != 0 {
			return
		}
		for i := range int(n) {
			m := &r.msgs[i]
			l.take(m.data[:hdrs[i].n], m.time()-r.offset)
		}
		if int(n) < len(hdrs) {
			return
		}
	}
}

// time is when the kernel got the packet, by the real-time clock.
func (m *message) time() int64 {
	at := unix.CmsgLen(0)
	return (*unix.Timespec)(unsafe.Pointer(&m.control[at])).Nano()
}

// take accounts for one packet.
func (l *line) take(b []byte, at int64) {
	if l.floor || len(b) < rtpHeader {
		return
	}
	l.packets++
	l.bytes += uint64(len(b))
	seq := binary.BigEndian.Uint16(b[2:])
	if !l.started {
		l.started, l.first = true, at
		l.firstIsKey = isKeyPack(b[rtpHeader:])
		l.lost += int64(seq) - 1 // the gateway counts from 1
	} else {
		l.lost += int64(int16(seq - l.next))
	}
	l.next = seq + 1
	if at-l.last > burstPause {
		l.burst = 0
	}
	l.last = at
	l.burst++
	l.longest = max(l.longest, l.burst)
	if b[1]&0x80 != 0 {
		if t, ok := readStamp(b); ok && len(l.latencies) < cap(l.latencies) {
			l.latencies = append(l.latencies, int32((at-t)/1000))
		}
	}
}

// isKeyPack tells whether a pack begins here that holds a program stream map.
func isKeyPack(b []byte) bool {
	const packHeader, systemHeader, streamMap = "\x00\x00\x01\xBA", "\x00\x00\x01\xBB", "\x00\x00\x01\xBC"
	if len(b) < 14+6 || string(b[:4]) != packHeader {
		return false
	}
	if b = b[14:]; string(b[:4]) == systemHeader {
		b = b[min(len(b), 6+int(binary.BigEndian.Uint16(b[4:]))):]
	}
	return len(b) > 4 && string(b[:4]) == streamMap
}

// mark begins a window: bursts and latencies are counted from here on, for so many pictures a line.
func (r *receivers) mark(pictures int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.lines {
		l.burst, l.longest = 0, 0
		l.latencies = make([]int32, 0, pictures)
	}
}

// tally is what came in, over all lines.
type tally struct {
	Lines, Silent  int
	Packets, Bytes uint64
	Lost           int64
	MaxBurst       int
	Latencies      percentiles // ms
}

func (r *receivers) tally() tally {
	r.mu.Lock()
	defer r.mu.Unlock()
	var t tally
	var all []float64
	for _, l := range r.lines {
		if l.floor {
			continue
		}
		t.Lines++
		if !l.started {
			t.Silent++
		}
		t.Packets += l.packets
		t.Bytes += l.bytes
		t.Lost += max(l.lost, 0)
		t.MaxBurst = max(t.MaxBurst, l.longest)
		for _, v := range l.latencies {
			all = append(all, float64(v)/1000)
		}
	}
	t.Latencies = percentilesOf(all)
	return t
}

// awaitFirst returns when the line's first packet came, and whether it began a key picture.
func (r *receivers) awaitFirst(l *line, timeout time.Duration) (at int64, key bool, err error) {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	for {
		r.mu.Lock()
		started, arrived := l.started, r.arrived
		at, key = l.first, l.firstIsKey
		r.mu.Unlock()
		if started {
			return at, key, nil
		}
		select {
		case <-arrived:
		case <-timer.C:
			return 0, false, fmt.Errorf("bench: no packet at port %d for %v", l.port, timeout)
		}
	}
}

// percentiles of a set of figures.
type percentiles struct {
	Count         int
	P50, P99, Max float64
}

// percentilesOf sorts all and takes the nearest ranks.
func percentilesOf(all []float64) percentiles {
	if len(all) == 0 {
		return percentiles{}
	}
	slices.Sort(all)
	rank := func(percent int) float64 { return all[(len(all)*percent+99)/100-1] }
	return percentiles{Count: len(all), P50: rank(50), P99: rank(99), Max: rank(100)}
}

// sleepFor is d as the system wants it; its fields are narrower on 32-bit machines.
func sleepFor(d time.Duration) *unix.Timespec {
	ts := unix.NsecToTimespec(d.Nanoseconds())
	return &ts
}
