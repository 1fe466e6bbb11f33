package rtpout

import (
	"errors"
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

func TestPorts(t *testing.T) {
	for _, c := range []struct {
		lo, hi uint16
		pairs  int
	}{{30000, 30003, 2}, {30001, 30004, 1}, {30001, 30003, 1}, {65534, 65535, 1}, {0, 0, 0}} {
		p, err := NewPorts(c.lo, c.hi)
		if err != nil || p.pairs != c.pairs {
			t.Errorf("NewPorts(%d, %d) = %+v, %v; want %d pairs", c.lo, c.hi, p, err, c.pairs)
		}
	}
	for _, c := range [][2]uint16{{30000, 30000}, {30001, 30002}, {30002, 30000}, {0, 100}} {
		if p, err := NewPorts(c[0], c[1]); err == nil {
			t.Errorf("NewPorts(%d, %d) = %+v, want an error", c[0], c[1], p)
		}
	}
}

func TestRotation(t *testing.T) {
	p, err := NewPorts(30000, 30005)
	if err != nil {
		t.Fatal(err)
	}
	free := func(uint16) error { return nil }
	take := func(want uint16) {
		t.Helper()
		if got, err := p.take(free); err != nil || got != want {
			t.Errorf("got %d, %v; want %d", got, err, want)
		}
	}
	take(30000)
	p.release(30000)
	take(30002)
	take(30004)
	take(30000)
	if _, err := p.take(free); !errors.Is(err, ErrNoPorts) {
		t.Errorf("with all pairs out: %v, want %v", err, ErrNoPorts)
	}
	p.release(30004)
	take(30004)
	for _, port := range []uint16{30000, 30002, 30004} {
		p.release(port)
	}
	busy := func(port uint16) error {
		if port != 30002 {
			return unix.EADDRINUSE
		}
		return nil
	}
	if got, err := p.take(busy); err != nil || got != 30002 {
		t.Errorf("got %d, %v; want the pair that nobody else uses", got, err)
	}
	if _, err := p.take(func(uint16) error { return unix.EACCES }); !errors.Is(err, unix.EACCES) {
		t.Errorf("got %v, want the error of bind", err)
	}
	if got := p.InUse(); got != 1 {
		t.Errorf("%d in use, want 1", got)
	}
}

// TestOpenHalfway: somebody else has the RTCP port of the only pair.
func TestOpenHalfway(t *testing.T) {
	other, lo := oddPortTaken(t)
	defer other.Close()
	for _, c := range []struct {
		transport Transport
		remote    string
		want      error
	}{
		{UDP, "127.0.0.1:9", ErrNoPorts},
		{UDP, "[::1]:9", nil}, // the local address is of the other family
	} {
		ports, err := NewPorts(lo, lo+1)
		if err != nil {
			t.Fatal(err)
		}
		s, err := Open(Config{
			Transport: c.transport, Local: netip.MustParseAddr("127.0.0.1"),
			Remote: netip.MustParseAddrPort(c.remote), Ports: ports, RTCP: true,
		})
		if err == nil {
			s.Close()
			t.Fatalf("to %s: opened", c.remote)
		}
		if c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("to %s: %v, want %v", c.remote, err, c.want)
		}
		if got := ports.InUse(); got != 0 {
			t.Errorf("to %s: %d pairs in use after a failure", c.remote, got)
		}
	}
}

func oddPortTaken(t *testing.T) (*net.UDPConn, uint16) {
	t.Helper()
	for {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		if port := c.LocalAddr().(*net.UDPAddr).AddrPort().Port(); port%2 == 1 {
			return c, port - 1
		}
		c.Close()
	}
}

func TestBadConfig(t *testing.T) {
	remote := netip.MustParseAddrPort("127.0.0.1:9")
	for _, cfg := range []Config{
		{},
		{Transport: TCPActive},
		{Remote: remote, Transport: 9},
		{Remote: remote, PayloadType: 128},
		{Remote: remote, MaxPayload: 9000},
		{Remote: netip.MustParseAddrPort("127.0.0.1:65535"), RTCP: true},
	} {
		if s, err := Open(cfg); err == nil {
			s.Close()
			t.Errorf("Open(%+v) succeeded", cfg)
		}
	}
}
