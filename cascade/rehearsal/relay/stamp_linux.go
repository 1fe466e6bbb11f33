package relay

import (
	"encoding/binary"
	"net"
	"syscall"
	"time"
)

// stamp asks the kernel for the arrival time of each datagram. A reader that is late, on a busy machine, would take
// datagrams that came evenly for a burst.
func stamp(conn *net.UDPConn) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_TIMESTAMPNS, 1)
	})
}

// arrival returns when a datagram came, by its control message; now without one.
func arrival(oob []byte, now time.Time) time.Time {
	messages, err := syscall.ParseSocketControlMessage(oob)
	if err != nil {
		return now
	}
	for _, m := range messages {
		if m.Header.Level != syscall.SOL_SOCKET || m.Header.Type != syscall.SCM_TIMESTAMPNS {
			continue
		}
		var came time.Time
		switch d := m.Data; {
		case len(d) >= 16:
			came = time.Unix(int64(binary.NativeEndian.Uint64(d)), int64(binary.NativeEndian.Uint64(d[8:])))
		case len(d) >= 8: // a 32-bit system
			came = time.Unix(int64(binary.NativeEndian.Uint32(d)), int64(binary.NativeEndian.Uint32(d[4:])))
		}
		if late := now.Sub(came); late > 0 && late < maxTimestampLate {
			return now.Add(-late) // keeps the monotonic clock
		}
	}
	return now
}
