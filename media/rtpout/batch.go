package rtpout

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// udpPath is a way to hand packets to the kernel, the cheapest first. A sender steps down for good
// when the kernel or the network device does not know the better one.
type udpPath uint32

const (
	pathGSO   udpPath = iota // one sendmsg, cut into packets by the kernel (UDP_SEGMENT, Linux 4.18)
	pathMMsg                 // one sendmmsg (Linux 3.0)
	pathWrite                // a sendmsg per packet
)

// String returns the name shown in Stats.
func (p udpPath) String() string {
	switch p {
	case pathGSO:
		return "gso"
	case pathMMsg:
		return "mmsg"
	case pathWrite:
	}
	return "write"
}

// mmsghdr is the kernel's struct mmsghdr.
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32
}

// batch hands chunks of packets to the kernel without copying them. Go's net package has no call for
// several packets, so these are made on its socket, within its poller (syscall.RawConn).
type batch struct {
	raw     syscall.RawConn
	z       *packetizer
	guard   *writeGuard
	timeout time.Duration
	path    atomic.Uint32 // a udpPath

	iov     []unix.Iovec // one per piece of the chunk
	msg     unix.Msghdr
	msgs    []mmsghdr
	control []byte // UDP_SEGMENT with the packet size

	// One call through the poller: from is the first packet to send, the rest is what came of it.
	call   func(fd uintptr) bool
	now    func(fd uintptr)
	from   int
	sent   int
	errno  unix.Errno
	waited bool

	// The system calls; tests put failing ones here.
	sendmsg    func(fd uintptr, msg *unix.Msghdr) unix.Errno
	sendmsgNow func(fd uintptr, msg *unix.Msghdr) unix.Errno
	sendmmsg   func(fd uintptr, msgs []mmsghdr) (int, unix.Errno)
}

// newBatch looks which path the kernel knows.
func newBatch(conn *net.UDPConn, z *packetizer, guard *writeGuard, timeout time.Duration) (*batch, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("rtpout: socket: %w", err)
	}
	b := &batch{
		raw: raw, z: z, guard: guard, timeout: timeout,
		iov: make([]unix.Iovec, 0, cap(z.pieces)), msgs: make([]mmsghdr, 0, cap(z.ends)),
		control: make([]byte, unix.CmsgSpace(2)), sendmsg: sendmsg, sendmsgNow: sendmsgNow, sendmmsg: sendmmsg,
	}
	b.call = b.try
	b.now = func(fd uintptr) { b.errno = b.segmented(fd, b.sendmsgNow) }
	h := (*unix.Cmsghdr)(unsafe.Pointer(&b.control[0]))
	h.Level, h.Type = unix.SOL_UDP, unix.UDP_SEGMENT
	h.SetLen(unix.CmsgLen(2))
	binary.NativeEndian.PutUint16(b.control[unix.CmsgLen(0):], uint16(z.headSize()+z.maxPayload))
	err = raw.Control(func(fd uintptr) {
		if _, err := unix.GetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_SEGMENT); err != nil {
			b.path.Store(uint32(pathMMsg))
		}
	})
	return b, err
}

// load takes the packetizer's chunk.
func (b *batch) load() {
	b.iov = b.iov[:0]
	for _, p := range b.z.pieces {
		v := unix.Iovec{Base: unsafe.SliceData(p)}
		v.SetLen(len(p))
		b.iov = append(b.iov, v)
	}
}

// start returns which piece packet i begins with.
func (b *batch) start(i int) int {
	if i == 0 {
		return 0
	}
	return b.z.ends[i-1]
}

// send sends packets of the chunk, from the given one on, and returns how many were taken. It waits
// for room in the socket's queue until the timeout.
func (b *batch) send(from int) (int, error) {
	b.from, b.sent, b.errno, b.waited = from, 0, 0, false
	err := b.raw.Write(b.call)
	if b.waited {
		b.guard.limit(0)
	}
	switch {
	case err != nil:
		return b.sent, err
	case b.errno != 0:
		return b.sent, b.errno
	}
	return b.sent, nil
}

// sendNow sends the whole chunk with GSO, or nothing; it does not wait for room.
func (b *batch) sendNow() unix.Errno {
	b.from, b.sent, b.errno = 0, 0, unix.EBADF
	_ = b.raw.Control(b.now)
	return b.errno
}

// try is one attempt within the poller; false = wait until the socket has room.
func (b *batch) try(fd uintptr) bool {
	switch path := udpPath(b.path.Load()); path {
	case pathGSO:
		b.errno = b.segmented(fd, b.sendmsg)
	case pathMMsg:
		b.sent, b.errno = b.several(fd)
	case pathWrite:
		b.errno = b.single(fd)
	}
	if b.errno == unix.EAGAIN {
		b.errno = 0
		if !b.waited {
			b.waited = true
			b.guard.limit(b.timeout)
		}
		return false
	}
	return true
}

// segmented sends all packets as one datagram that the kernel cuts: all are of one size, the last
// may be shorter.
func (b *batch) segmented(fd uintptr, sendmsg func(uintptr, *unix.Msghdr) unix.Errno) unix.Errno {
	iov := b.iov[b.start(b.from):]
	b.msg = unix.Msghdr{Iov: &iov[0]}
	b.msg.SetIovlen(len(iov))
	packets := len(b.z.ends) - b.from
	if packets > 1 {
		b.msg.Control = &b.control[0]
		b.msg.SetControllen(len(b.control))
	}
	errno := sendmsg(fd, &b.msg)
	switch errno {
	case 0:
		b.sent = packets
	case unix.EIO, unix.EINVAL, unix.EMSGSIZE, unix.ENOPROTOOPT, unix.EOPNOTSUPP, unix.ENOSYS:
		// No checksum offload on the device (EIO), an MTU below the packet size (EINVAL, EMSGSIZE), an old kernel.
		b.path.Store(uint32(pathMMsg))
		errno = 0
	}
	return errno
}

// several sends the packets with one call; the kernel stops at the first that it can't take.
func (b *batch) several(fd uintptr) (int, unix.Errno) {
	b.msgs = b.msgs[:0]
	for i := b.from; i < len(b.z.ends); i++ {
		first := b.start(i)
		m := mmsghdr{hdr: unix.Msghdr{Iov: &b.iov[first]}}
		m.hdr.SetIovlen(b.z.ends[i] - first)
		b.msgs = append(b.msgs, m)
	}
	n, errno := b.sendmmsg(fd, b.msgs)
	switch errno {
	case unix.ENOSYS, unix.EOPNOTSUPP, unix.ENOPROTOOPT:
		b.path.Store(uint32(pathWrite))
		errno = 0
	}
	return n, errno
}

// single sends packets one by one.
func (b *batch) single(fd uintptr) unix.Errno {
	for i := b.from + b.sent; i < len(b.z.ends); i++ {
		first := b.start(i)
		b.msg = unix.Msghdr{Iov: &b.iov[first]}
		b.msg.SetIovlen(b.z.ends[i] - first)
		if errno := b.sendmsg(fd, &b.msg); errno != 0 {
			return errno
		}
		b.sent++
	}
	return 0
}

func sendmsg(fd uintptr, msg *unix.Msghdr) unix.Errno {
	_, _, errno := unix.Syscall(unix.SYS_SENDMSG, fd, uintptr(unsafe.Pointer(msg)), unix.MSG_NOSIGNAL)
	return errno
}

// sendmsgNow is sendmsg without telling the scheduler. The call does not wait, and a system call that the
// scheduler knows of wakes the thread that watches over long ones.
func sendmsgNow(fd uintptr, msg *unix.Msghdr) unix.Errno {
	_, _, errno := unix.RawSyscall(unix.SYS_SENDMSG, fd, uintptr(unsafe.Pointer(msg)),
		unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
	return errno
}

func sendmmsg(fd uintptr, msgs []mmsghdr) (int, unix.Errno) {
	n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&msgs[0])), uintptr(len(msgs)),
		unix.MSG_NOSIGNAL, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// timedOut tells whether a send ended because the socket's queue stayed full.
func timedOut(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}
