// Package rtpout sends program stream packs as RTP over UDP or TCP.
package rtpout

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// Why a sender ends, or can't begin. Errors are wrapped with what happened.
var (
	ErrClosed       = errors.New("rtpout: sender closed")
	ErrNotConnected = errors.New("rtpout: not connected")
	ErrUnreachable  = errors.New("rtpout: the receiver's port is unreachable")
	ErrPeerClosed   = errors.New("rtpout: the receiver closed the connection")
	ErrStalled      = errors.New("rtpout: the receiver takes nothing any more")
	ErrSilent       = errors.New("rtpout: the receiver's reports stopped")
	ErrNoConnection = errors.New("rtpout: no connection with the receiver")
	// ErrSlow does not end the sender: this pack was dropped, go on with a key picture.
	ErrSlow = errors.New("rtpout: the receiver is too slow, pack dropped")
)

// Sender sends one stream to one receiver. WritePack is for one goroutine at a time; the other
// methods may be called from any.
type Sender struct {
	// What every pack needs stands first and together: between two packs everything else goes through the caches.
	link     link
	over     atomic.Bool // life has ended
	z        packetizer
	pacer    pacer
	mu       sync.Mutex
	octets   uint32    // payload bytes, as sender reports count them
	lastTS   uint32    // of the newest packet
	lastSent time.Time // when that was
	stats    Stats

	cfg  Config
	port uint16 // the local one
	pair uint16 // as taken from cfg.Ports

	//nolint:containedctx // the sender's life, not a request's: Done and Err are its end and cause
	life context.Context
	end  context.CancelCauseFunc

	guard writeGuard
	timer *time.Timer

	wg    sync.WaitGroup
	close func()
}

// link is a way to the receiver.
type link interface {
	// connect makes the link ready to write.
	connect(ctx context.Context) error
	// write sends a pack: WritePack.
	write(ctx context.Context, ts uint32, spread time.Duration, bufs [][]byte) error
	path() string
	// shut ends everything that waits for the link.
	shut()
}

// Stats is a snapshot of a sender's counters.
type Stats struct {
	Packets  uint64  // RTP packets sent
	Bytes    uint64  // RTP bytes sent, headers included
	Dropped  uint64  // packets that the system or a slow receiver did not take
	MaxBurst int     // UDP: most packets sent without a pause
	Path     string  // how it is sent: "gso", "mmsg" or "write" over UDP, "writev" over TCP
	RRs      uint64  // receiver reports read
	RRLost   int     // packets lost so far, by the last receiver report
	RRLoss   float64 // share of packets lost, by the last receiver report (0..1)
}

// Open binds the local port, so that the SDP answer can name a port that is really bound (Hikvision
// iSC hangs up on port 0), also where we dial.
func Open(cfg Config) (*Sender, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	s := &Sender{cfg: cfg, timer: time.NewTimer(time.Hour)}
	s.timer.Stop()
	s.life, s.end = context.WithCancelCause(context.Background())
	var bind func(port uint16) error
	switch cfg.Transport {
	case UDP:
		s.z.open(&s.cfg, maxBurst)
		bind = s.bindUDP
	case TCPActive:
		s.z.open(&s.cfg, tcpBatch)
		bind = s.reserveTCP
	case TCPPassive:
		s.z.open(&s.cfg, tcpBatch)
		bind = s.listenTCP
	}
	pair, err := cfg.Ports.take(bind)
	if err != nil {
		s.end(err)
		return nil, err
	}
	s.pair = pair
	s.close = sync.OnceFunc(func() {
		_ = s.fail(ErrClosed)
		s.link.shut()
		s.guard.release()
		s.wg.Wait()
		s.cfg.Ports.release(s.pair)
	})
	return s, nil
}

// LocalPort returns the port that is bound for RTP.
func (s *Sender) LocalPort() uint16 { return s.port }

// Connect makes the sender ready to write. Over TCP it dials, with retries (monibuca listens only
// after the ACK), or accepts exactly one connection.
func (s *Sender) Connect(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(s.life, func() { cancel(context.Cause(s.life)) })()
	return s.link.connect(ctx)
}

// WritePack sends one pack as RTP packets of one timestamp, the last with the marker. bufs are its
// bytes, used during the call only. Over UDP a pack of more than 32 packets is spread evenly over
// spread, which should not be above the time to the next pack; the call lasts that long.
// ErrSlow means that this pack is lost but the next may be tried; any other error is the end.
func (s *Sender) WritePack(ctx context.Context, ts uint32, spread time.Duration, bufs [][]byte) error {
	if s.life.Err() != nil {
		return s.Err()
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return s.link.write(ctx, ts, spread, bufs)
}

// count adds to the counters what was sent now: packets, with size bytes in all.
func (s *Sender) count(now time.Time, packets, size, dropped int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if packets > 0 {
		s.stats.Packets += uint64(packets)
		s.stats.Bytes += uint64(size)
		s.octets += uint32(size - packets*rtpHeader)
		s.lastTS, s.lastSent = s.z.ts, now
	}
	s.stats.Dropped += uint64(dropped)
	s.stats.MaxBurst = s.pacer.max
}

// sleep waits on the sender's one timer.
func (s *Sender) sleep(ctx context.Context, d time.Duration) error {
	s.timer.Reset(d)
	select {
	case <-s.timer.C:
		return nil
	case <-ctx.Done():
		s.timer.Stop()
		return context.Cause(ctx)
	case <-s.life.Done():
		s.timer.Stop()
		return s.Err()
	}
}

// fail ends the sender and returns why.
func (s *Sender) fail(cause error) error {
	s.over.Store(true)
	s.end(cause)
	return s.Err()
}

// Done is closed when the sender has ended; Err tells why.
func (s *Sender) Done() <-chan struct{} { return s.life.Done() }

// Err returns why the sender ended, nil while it works.
func (s *Sender) Err() error { return context.Cause(s.life) }

// Stats returns the counters.
func (s *Sender) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.Path = s.link.path()
	return st
}

// Close ends the sender, waits for its goroutines and gives the ports back. It may be repeated.
func (s *Sender) Close() error {
	s.close()
	return nil
}
