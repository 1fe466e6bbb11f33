package rtpout

import (
	"errors"
	"fmt"
	"net"
	"sync/atomic"
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

// noSocket is the descriptor of a batch that is closed.
const noSocket = -1

// batch hands chunks of packets to the kernel without copying them. Go's net package has no call for several packets,
// and its sockets are watched by the runtime's poller for room to write, which there is again behind every send: each
// would wake a thread that finds nothing to do. So the socket is the batch's own.
type batch struct {
	// What the commonest send needs stands first and together, as in Sender.
	fd      int
	path    atomic.Uint32 // a udpPath
	sendmsg func(fd int, msg *unix.Msghdr) unix.Errno
	flat    unix.Iovec
	msg     unix.Msghdr
	control segmentSize

	z    *packetizer
	iov  []unix.Iovec // one per piece of the chunk
	msgs []mmsghdr

	// The system call, as sendmsg is; tests put failing ones in their places.
	sendmmsg func(fd int, msgs []mmsghdr) (int, unix.Errno)
}

// segmentSize is the control message UDP_SEGMENT.
type segmentSize struct {
	unix.Cmsghdr
	size uint16
	_    [6]byte // up to CmsgSpace(2) or beyond
}

// attach adds the control message to the batch's message.
func (b *batch) attach() {
	b.msg.Control = (*byte)(unsafe.Pointer(&b.control))
	b.msg.SetControllen(unix.CmsgSpace(2))
}

// open takes the socket over from conn, which it closes, and looks which path the kernel knows.
func (b *batch) open(conn *net.UDPConn, z *packetizer) error {
	b.fd, b.z = noSocket, z
	b.iov, b.msgs = make([]unix.Iovec, 0, cap(z.pieces)), make([]mmsghdr, 0, cap(z.ends))
	b.sendmsg, b.sendmmsg = sendmsg, sendmmsg
	b.control.Level, b.control.Type = unix.SOL_UDP, unix.UDP_SEGMENT
	b.control.SetLen(unix.CmsgLen(2))
	b.control.size = uint16(z.headSize() + z.maxPayload)
	raw, err := conn.SyscallConn()
	if err == nil {
		var failed error
		err = raw.Control(func(fd uintptr) { b.fd, failed = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) })
		err = errors.Join(err, failed)
	}
	if err = errors.Join(err, conn.Close()); err != nil {
		b.close()
		return fmt.Errorf("rtpout: socket: %w", err)
	}
	if _, err := unix.GetsockoptInt(b.fd, unix.SOL_UDP, unix.UDP_SEGMENT); err != nil {
		b.path.Store(uint32(pathMMsg))
	}
	return nil
}

// close closes the socket; to send then fails.
func (b *batch) close() {
	if b.fd != noSocket {
		_ = unix.Close(b.fd)
		b.fd = noSocket
	}
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

// send sends packets of the chunk, from the given one on, and returns how many were taken. It does not wait for
// room in the socket's queue (EAGAIN).
func (b *batch) send(from int) (int, unix.Errno) {
	if b.fd == noSocket {
		return 0, unix.EBADF
	}
	switch udpPath(b.path.Load()) {
	case pathGSO:
		return b.segmented(from)
	case pathMMsg:
		return b.several(from)
	case pathWrite:
	}
	return b.single(from)
}

// sendFlat sends several packets that lie one behind the other, all or none.
func (b *batch) sendFlat(data []byte) unix.Errno {
	if b.fd == noSocket {
		return unix.EBADF
	}
	b.flat.Base = unsafe.SliceData(data)
	b.flat.SetLen(len(data))
	b.msg = unix.Msghdr{Iov: &b.flat}
	b.msg.SetIovlen(1)
	b.attach()
	return b.sendmsg(b.fd, &b.msg)
}

// segmented sends all packets as one datagram that the kernel cuts: all are of one size, the last
// may be shorter.
func (b *batch) segmented(from int) (int, unix.Errno) {
	iov := b.iov[b.start(from):]
	b.msg = unix.Msghdr{Iov: &iov[0]}
	b.msg.SetIovlen(len(iov))
	packets := len(b.z.ends) - from
	if packets > 1 {
		b.attach()
	}
	errno := b.sendmsg(b.fd, &b.msg)
	switch errno {
	case 0:
		return packets, 0
	case unix.EIO, unix.EINVAL, unix.EMSGSIZE, unix.ENOPROTOOPT, unix.EOPNOTSUPP, unix.ENOSYS:
		// No checksum offload on the device (EIO), an MTU below the packet size (EINVAL, EMSGSIZE), an old kernel.
		b.path.Store(uint32(pathMMsg))
		errno = 0
	}
	return 0, errno
}

// several sends the packets with one call; the kernel stops at the first that it can't take.
func (b *batch) several(from int) (int, unix.Errno) {
	b.msgs = b.msgs[:0]
	for i := from; i < len(b.z.ends); i++ {
		first := b.start(i)
		m := mmsghdr{hdr: unix.Msghdr{Iov: &b.iov[first]}}
		m.hdr.SetIovlen(b.z.ends[i] - first)
		b.msgs = append(b.msgs, m)
	}
	n, errno := b.sendmmsg(b.fd, b.msgs)
	switch errno {
	case unix.ENOSYS, unix.EOPNOTSUPP, unix.ENOPROTOOPT:
		b.path.Store(uint32(pathWrite))
		errno = 0
	}
	return n, errno
}

// single sends packets one by one.
func (b *batch) single(from int) (int, unix.Errno) {
	for i := from; i < len(b.z.ends); i++ {
		first := b.start(i)
		b.msg = unix.Msghdr{Iov: &b.iov[first]}
		b.msg.SetIovlen(b.z.ends[i] - first)
		if errno := b.sendmsg(b.fd, &b.msg); errno != 0 {
			return i - from, errno
		}
	}
	return len(b.z.ends) - from, 0
}

// The calls don't wait, so they are made without telling the scheduler: one that it knows of wakes the thread
// that watches over long ones.

func sendmsg(fd int, msg *unix.Msghdr) unix.Errno {
	_, _, errno := unix.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(msg)),
		unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
	return errno
}

func sendmmsg(fd int, msgs []mmsghdr) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&msgs[0])), uintptr(len(msgs)),
		unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT, 0, 0)
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
