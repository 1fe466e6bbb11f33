package bench

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"net"
	"net/netip"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// floorSetup says what the floor process is to relay.
type floorSetup struct {
	Cameras string // address of the camera process
	Streams int
	Viewers int              // of each stream
	To      []netip.AddrPort // Streams × Viewers
}

// The floor: what a relay cannot do without. The bytes are read from TCP as they come, copied once,
// and sent by UDP in datagrams of 1412 bytes, up to 32 with one system call.
const (
	floorPacket  = rtpHeader + rtpPayload
	floorPackets = 32
	floorRead    = 128 << 10
)

type floorRelay struct {
	stop context.CancelFunc
	wg   sync.WaitGroup
}

// floorCommand serves the conductor's requests in the floor process.
func floorCommand(ctx context.Context) Handler {
	var relay *floorRelay
	return func(op string, args json.RawMessage) (any, error) {
		switch op {
		case "start":
			var setup floorSetup
			if err := json.Unmarshal(args, &setup); err != nil {
				return nil, err
			}
			var err error
			relay, err = startFloor(ctx, setup)
			return nil, err
		case "stop":
			relay.stop()
			relay.wg.Wait()
			return nil, nil
		}
		return nil, errUnknown
	}
}

func startFloor(ctx context.Context, setup floorSetup) (*floorRelay, error) {
	ctx, stop := context.WithCancel(ctx)
	f := &floorRelay{stop: stop}
	for i := range setup.Streams {
		conn, err := setUp(ctx, setup.Cameras, i)
		if err != nil {
			stop()
			return nil, err
		}
		var out []int
		for _, to := range setup.To[i*setup.Viewers : (i+1)*setup.Viewers] {
			fd, err := connectUDP(to)
			if err != nil {
				stop()
				return nil, err
			}
			out = append(out, fd)
		}
		context.AfterFunc(ctx, func() { _ = conn.Close() })
		f.wg.Go(func() {
			relayRaw(conn, out)
			for _, fd := range out {
				_ = unix.Close(fd)
			}
		})
	}
	return f, nil
}

func connectUDP(to netip.AddrPort) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}); err != nil {
		_ = unix.Close(fd)
		return 0, err
	}
	return fd, nil
}

// relayRaw is the floor itself.
func relayRaw(conn net.Conn, out []int) {
	in := make([]byte, floorRead)
	held := make([]byte, 0, floorRead)
	control := make([]byte, unix.CmsgSpace(2))
	h := (*unix.Cmsghdr)(unsafe.Pointer(&control[0]))
	h.Level, h.Type = unix.SOL_UDP, unix.UDP_SEGMENT
	h.SetLen(unix.CmsgLen(2))
	binary.NativeEndian.PutUint16(control[unix.CmsgLen(0):], floorPacket)
	var iov unix.Iovec
	var msg unix.Msghdr
	for {
		n, err := conn.Read(in)
		if err != nil {
			return
		}
		held = append(held[:0], in[:n]...)
		for rest := held; len(rest) > 0; {
			part := rest[:min(len(rest), floorPackets*floorPacket)]
			rest = rest[len(part):]
			iov.Base = unsafe.SliceData(part)
			iov.SetLen(len(part))
			for _, fd := range out {
				msg = unix.Msghdr{Iov: &iov}
				msg.SetIovlen(1)
				if len(part) > floorPacket {
					msg.Control = &control[0]
					msg.SetControllen(len(control))
				}
				_, _, _ = unix.Syscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&msg)),
					unix.MSG_NOSIGNAL)
			}
		}
	}
}
