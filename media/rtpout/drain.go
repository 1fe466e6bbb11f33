package rtpout

import (
	"context"
	"time"

	"golang.org/x/sys/unix"
)

// drainCheck is how often a connection is asked whether its receiver has everything.
const drainCheck = 10 * time.Millisecond

// Drain waits until the receiver has confirmed everything that was written over TCP, the sender or ctx ends. Over UDP
// nothing is held back. A superior that is told of the end of a file may hang up at once.
func (s *Sender) Drain(ctx context.Context) error {
	t, ok := s.link.(*tcpLink)
	if !ok {
		return nil
	}
	s.mu.Lock()
	conn := t.conn
	s.mu.Unlock()
	if conn == nil {
		return ErrNotConnected
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	tick := time.NewTicker(drainCheck)
	defer tick.Stop()
	for {
		left := 0
		if err := raw.Control(func(fd uintptr) { left, _ = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) }); err != nil {
			return s.Err()
		}
		if left == 0 {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-s.life.Done():
			return s.Err()
		}
	}
}
