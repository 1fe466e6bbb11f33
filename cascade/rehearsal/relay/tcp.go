package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"
)

// TCP relays connections.
type TCP struct {
	cfg      Config
	log      *slog.Logger
	near     *net.TCPListener
	up, down *shaper

	mu     sync.Mutex
	target netip.AddrPort
	open   chan struct{} // closed while the relay is on
	pairs  map[*pair]struct{}
	closed bool
	work   sync.WaitGroup
}

// pair is a client's connection and the one to the target that belongs to it.
type pair struct {
	near *net.TCPConn
	mu   sync.Mutex
	far  *net.TCPConn // nil until it is made
	gone bool         // the far side has forgotten the connection, the near side knows nothing of it
	end  context.CancelFunc
}

// ListenTCP binds the near side. Connections are served once Run is called.
func ListenTCP(cfg Config) (*TCP, error) {
	cfg = cfg.withDefaults()
	at, err := netip.ParseAddrPort(cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("relay: %w", err)
	}
	near, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
	if err != nil {
		return nil, fmt.Errorf("relay: %w", err)
	}
	on := make(chan struct{})
	close(on)
	return &TCP{
		cfg: cfg, log: cfg.Log, near: near, target: cfg.Target, open: on, pairs: make(map[*pair]struct{}),
		up: newShaper(cfg.Up, cfg.Seed, 1), down: newShaper(cfg.Down, cfg.Seed, 2),
	}, nil
}

// Addr is where the clients connect to.
func (t *TCP) Addr() netip.AddrPort { return unmap(t.near.Addr().(*net.TCPAddr).AddrPort()) }

// Run serves until ctx ends; connections are reset then.
func (t *TCP) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, t.shut)
	defer stop()
	err := t.accept(ctx)
	ended := ctx.Err() != nil
	cancel()
	t.shut()
	t.work.Wait()
	if ended {
		return nil
	}
	return fmt.Errorf("relay: %w", err)
}

// Close frees the listener of a relay that was not run.
func (t *TCP) Close() error {
	t.shut()
	return nil
}

func (t *TCP) shut() {
	t.mu.Lock()
	t.closed = true
	_ = t.near.Close()
	t.mu.Unlock()
	t.Reset()
}

// SetTarget moves the far side, for connections that are new from now on.
func (t *TCP) SetTarget(target netip.AddrPort) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.target = target
}

// Impair replaces what happens to segments that come from now on.
func (t *TCP) Impair(up, down Path) {
	t.up.set(up)
	t.down.set(down)
}

// Off stops all bytes, of new connections too, until the relay is on again; then they go on, as after a black hole
// whose end TCP's retransmissions have seen.
func (t *TCP) Off(off bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	select {
	case <-t.open:
		if off {
			t.open = make(chan struct{})
		}
	default:
		if !off {
			close(t.open)
		}
	}
}

// Reset ends all connections with RST to both sides and returns how many there were.
func (t *TCP) Reset() int {
	all := t.all()
	for _, p := range all {
		p.reset()
	}
	return len(all)
}

// HalfOpen lets the target see RST on all connections, while the clients' ends stay open and swallow what is sent:
// what a client has after a NAT box or the superior lost its power. It returns how many there were.
func (t *TCP) HalfOpen() int {
	all := t.all()
	for _, p := range all {
		p.mu.Lock()
		p.gone = true
		if p.far != nil {
			abort(p.far)
		}
		p.mu.Unlock()
	}
	return len(all)
}

// Connections returns how many clients are connected.
func (t *TCP) Connections() int { return len(t.all()) }

// Stats tells what happened in each direction.
func (t *TCP) Stats() (up, down Stats) { return t.up.snapshot(), t.down.snapshot() }

func (t *TCP) all() []*pair {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]*pair, 0, len(t.pairs))
	for p := range t.pairs {
		out = append(out, p)
	}
	return out
}

func (t *TCP) accept(ctx context.Context) error {
	for {
		conn, err := t.near.AcceptTCP()
		if errors.Is(err, net.ErrClosed) {
			return err
		}
		if err != nil {
			t.log.Warn("no connection", "error", err)
			continue
		}
		t.enter(ctx, conn)
	}
}

// enter begins to serve a client, if there is room.
func (t *TCP) enter(ctx context.Context, conn *net.TCPConn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || len(t.pairs) >= t.cfg.Flows {
		abort(conn)
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	p := &pair{near: conn, end: cancel}
	t.pairs[p] = struct{}{}
	t.work.Go(func() {
		if err := t.serve(ctx, p); err != nil {
			t.log.Debug("connection failed", "client", conn.RemoteAddr(), "error", err)
			p.reset()
		}
		p.close()
		t.mu.Lock()
		delete(t.pairs, p)
		t.mu.Unlock()
	})
}

// serve connects a client to the target and pumps both ways until both have ended or one has failed.
func (t *TCP) serve(ctx context.Context, p *pair) error {
	if err := t.waitOpen(ctx); err != nil {
		return err
	}
	t.mu.Lock()
	target := t.target
	t.mu.Unlock()
	dialer := net.Dialer{Timeout: dialTimeout}
	far, err := dialer.DialContext(ctx, "tcp", target.String())
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.far = far.(*net.TCPConn)
	if p.gone {
		abort(p.far)
	}
	p.mu.Unlock()
	if ctx.Err() != nil { // reset meanwhile
		abort(p.far)
		return ctx.Err()
	}
	upEnded := make(chan error, 1)
	go func() { upEnded <- t.pump(ctx, p, p.near, p.far, t.up) }()
	downErr := t.pump(ctx, p, p.far, p.near, t.down)
	return errors.Join(<-upEnded, downErr)
}

// pump takes one direction from end to end: an end of stream is passed on, a failure ends the pair.
func (t *TCP) pump(ctx context.Context, p *pair, from, to *net.TCPConn, s *shaper) error {
	segments := make(chan segment, maxHeldSegments)
	read := make(chan error, 1)
	go func() {
		defer close(segments)
		read <- t.read(ctx, p, from, s, segments)
	}()
	written := t.write(ctx, p, to, s, segments)
	err := errors.Join(written, <-read)
	if err != nil {
		p.reset()
		return err
	}
	if !p.forgotten() {
		_ = to.CloseWrite()
	}
	return nil
}

// segment is bytes of a stream on their way.
type segment struct {
	due  time.Time
	data []byte
}

func (t *TCP) read(ctx context.Context, p *pair, from *net.TCPConn, s *shaper, out chan<- segment) error {
	var last time.Time
	for {
		buf := make([]byte, s.segmentSize())
		n, err := from.Read(buf)
		if n > 0 {
			last = later(last, s.segment(time.Now(), n))
			select {
			case out <- segment{last, buf[:n]}:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF), p.forgotten() && from != p.near:
			return nil
		default:
			return err
		}
	}
}

// write delivers until the segments end. After a failure it still empties the channel, so that read can end.
func (t *TCP) write(ctx context.Context, p *pair, to *net.TCPConn, s *shaper, in <-chan segment) error {
	var failed error
	for seg := range in {
		if failed != nil || p.forgotten() {
			continue
		}
		if failed = sleepUntil(ctx, seg.due); failed != nil {
			continue
		}
		if failed = t.waitOpen(ctx); failed != nil {
			continue
		}
		s.delivered()
		if _, err := to.Write(seg.data); err != nil && !p.forgotten() {
			failed = err
			p.reset()
		}
	}
	return failed
}

// waitOpen waits while the relay is off.
func (t *TCP) waitOpen(ctx context.Context) error {
	t.mu.Lock()
	open := t.open
	t.mu.Unlock()
	select {
	case <-open:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *pair) forgotten() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.gone
}

// close frees both connections after their streams have ended.
func (p *pair) close() {
	p.end()
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.near.Close()
	if p.far != nil {
		_ = p.far.Close()
	}
}

// reset ends both connections with RST.
func (p *pair) reset() {
	p.end()
	p.mu.Lock()
	defer p.mu.Unlock()
	abort(p.near)
	if p.far != nil {
		abort(p.far)
	}
}

// abort closes a connection with RST.
func abort(c *net.TCPConn) {
	_ = c.SetLinger(0) // fails on a closed one only
	_ = c.Close()
}

func sleepUntil(ctx context.Context, at time.Time) error {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
