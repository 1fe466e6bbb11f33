package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// UDP relays datagrams. Each client has a socket of its own toward the target, as behind a NAT: the target sees as
// many sources as there are clients. An ICMP error of one side does not reach the other.
type UDP struct {
	cfg      Config
	log      *slog.Logger
	near     *net.UDPConn
	up, down *shaper
	upward   *courier
	downward *courier

	mu     sync.Mutex
	target netip.AddrPort
	flows  map[netip.AddrPort]*net.UDPConn // by client: its socket toward the target
	closed bool
	work   sync.WaitGroup // the flows' readers
}

// ListenUDP binds the near side. Datagrams pass once Run is called.
func ListenUDP(cfg Config) (*UDP, error) {
	cfg = cfg.withDefaults()
	at, err := netip.ParseAddrPort(cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("relay: %w", err)
	}
	near, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	if err != nil {
		return nil, fmt.Errorf("relay: %w", err)
	}
	prepare(near)
	return &UDP{
		cfg: cfg, log: cfg.Log, near: near, target: cfg.Target,
		up: newShaper(cfg.Up, cfg.Seed, 1), down: newShaper(cfg.Down, cfg.Seed, 2),
		upward: newCourier(), downward: newCourier(),
		flows: make(map[netip.AddrPort]*net.UDPConn),
	}, nil
}

// Addr is where the clients send.
func (u *UDP) Addr() netip.AddrPort { return unmap(u.near.LocalAddr().(*net.UDPAddr).AddrPort()) }

// Run passes datagrams on until ctx ends.
func (u *UDP) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, u.shut)
	defer stop()
	var couriers sync.WaitGroup
	couriers.Go(func() { u.upward.run(ctx) })
	couriers.Go(func() { u.downward.run(ctx) })
	err := u.receive(u.near, func(from netip.AddrPort, at time.Time, b []byte) {
		if flow := u.flow(from); flow != nil {
			u.pass(u.up, u.upward, at, b, func(b []byte) { _, _ = flow.Write(b) })
		}
	})
	ended := ctx.Err() != nil
	cancel()
	u.shut()
	couriers.Wait()
	u.work.Wait()
	if ended {
		return nil
	}
	return fmt.Errorf("relay: %w", err)
}

// Close frees the sockets of a relay that was not run.
func (u *UDP) Close() error {
	u.shut()
	u.work.Wait()
	return nil
}

func (u *UDP) shut() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closed = true
	_ = u.near.Close()
	u.forget()
}

// SetTarget moves the far side: clients that are new from now on are sent there.
func (u *UDP) SetTarget(target netip.AddrPort) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.target = target
}

// Impair replaces what happens to datagrams that arrive from now on.
func (u *UDP) Impair(up, down Path) {
	u.up.set(up)
	u.down.set(down)
}

// Off makes the relay a black hole, or ends that.
func (u *UDP) Off(off bool) {
	u.up.setOff(off)
	u.down.setOff(off)
}

// Forget drops the flows, as a NAT box does that was restarted: the next datagram of a client comes to the target
// from another port, and what the target sends to the old one is lost.
func (u *UDP) Forget() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.forget()
}

// forget is Forget with mu held.
func (u *UDP) forget() {
	for client, flow := range u.flows {
		_ = flow.Close()
		delete(u.flows, client)
	}
}

// Stats tells what happened in each direction.
func (u *UDP) Stats() (up, down Stats) { return u.up.snapshot(), u.down.snapshot() }

// flow returns a client's socket toward the target; nil: there can be none.
func (u *UDP) flow(client netip.AddrPort) *net.UDPConn {
	u.mu.Lock()
	defer u.mu.Unlock()
	if f := u.flows[client]; f != nil {
		return f
	}
	if u.closed || !u.target.IsValid() || len(u.flows) >= u.cfg.Flows {
		u.log.Warn("datagram dropped", "client", client, "flows", len(u.flows))
		return nil
	}
	f, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(u.target))
	if err != nil {
		u.log.Warn("no flow", "client", client, "error", err)
		return nil
	}
	prepare(f)
	u.flows[client] = f
	u.work.Go(func() {
		_ = u.receive(f, func(_ netip.AddrPort, at time.Time, b []byte) {
			u.pass(u.down, u.downward, at, b, func(b []byte) { _, _ = u.near.WriteToUDPAddrPort(b, client) })
		})
	})
	return f
}

// prepare makes a new socket keep what comes before its reader runs, with the time at which it came: the default
// buffer holds 92 datagrams of full size.
func prepare(conn *net.UDPConn) {
	_ = conn.SetReadBuffer(socketBuffer) // what the kernel grants must do
	stamp(conn)
}

// receive reads a socket until it is closed.
func (u *UDP) receive(conn *net.UDPConn, take func(from netip.AddrPort, at time.Time, b []byte)) error {
	buf, oob := make([]byte, maxDatagram), make([]byte, 128)
	for {
		n, control, _, from, err := conn.ReadMsgUDPAddrPort(buf, oob)
		switch {
		case err == nil:
			take(unmap(from), arrival(oob[:control], time.Now()), slices.Clone(buf[:n]))
		case errors.Is(err, net.ErrClosed):
			return err
		default: // a refusal that came by ICMP for something sent earlier
		}
	}
}

func (u *UDP) pass(s *shaper, c *courier, at time.Time, b []byte, deliver func([]byte)) {
	due, copies := s.datagram(at, b)
	for range copies {
		if !c.take(due, b, func(b []byte) { s.delivered(); deliver(b) }) {
			s.overflowed()
		}
	}
}

func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }
