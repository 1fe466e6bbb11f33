package relay

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"
)

// background runs f until the test ends and waits for it.
func background(t *testing.T, f func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func listenUDP(t *testing.T) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func addrOf(c net.Conn) netip.AddrPort { return netip.MustParseAddrPort(c.LocalAddr().String()) }

func dialUDP(t *testing.T, to netip.AddrPort) *net.UDPConn {
	t.Helper()
	c, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// read returns the next datagram and its sender.
func read(t *testing.T, c *net.UDPConn) (string, netip.AddrPort) {
	t.Helper()
	buf := make([]byte, 2048)
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	n, from, err := c.ReadFromUDPAddrPort(buf)
	if err != nil {
		t.Fatal(err)
	}
	return string(buf[:n]), unmap(from)
}

func send(t *testing.T, c *net.UDPConn, text string) {
	t.Helper()
	if _, err := c.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

func TestUDPFlows(t *testing.T) {
	server := listenUDP(t)
	u, err := ListenUDP(Config{Target: addrOf(server), Flows: 2})
	if err != nil {
		t.Fatal(err)
	}
	background(t, u.Run)
	sources := make(map[netip.AddrPort]bool)
	var clients []*net.UDPConn
	for i := range 3 {
		c := dialUDP(t, u.Addr())
		clients = append(clients, c)
		send(t, c, fmt.Sprint("from ", i))
		if i == 2 {
			break // there is room for two
		}
		text, from := read(t, server)
		sources[from] = true
		if want := fmt.Sprint("from ", i); text != want {
			t.Errorf("the server got %q, want %q", text, want)
		}
		if _, err := server.WriteToUDPAddrPort([]byte(fmt.Sprint("to ", i)), from); err != nil {
			t.Fatal(err)
		}
		if text, from := read(t, c); text != fmt.Sprint("to ", i) || from != u.Addr() {
			t.Errorf("client %d got %q from %v, want it from %v", i, text, from, u.Addr())
		}
	}
	if len(sources) != 2 {
		t.Errorf("the server saw the sources %v, want one a client", sources)
	}
	_ = server.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if _, _, err := server.ReadFromUDPAddrPort(make([]byte, 100)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a third client was served: %v", err)
	}

	// After a restart of the NAT box the same client comes from another port, and the place of the others is free.
	u.Forget()
	send(t, clients[0], "again")
	if text, from := read(t, server); text != "again" || sources[from] {
		t.Errorf("%q came from %v, want another port than %v", text, from, sources)
	}
	send(t, clients[2], "third")
	if text, _ := read(t, server); text != "third" {
		t.Errorf("%q came, want the third client", text)
	}
	up, down := u.Stats()
	if up.Delivered != 4 || down.Delivered != 2 {
		t.Errorf("stats: up %+v, down %+v", up, down)
	}
}

func TestUDPImpairments(t *testing.T) {
	server := listenUDP(t)
	late := func(_ uint64, b []byte) bool { return string(b) == "drop me" }
	u, err := ListenUDP(Config{Target: addrOf(server), Up: Path{Duplicate: 1, Drop: late}, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	background(t, u.Run)
	c := dialUDP(t, u.Addr())
	send(t, c, "drop me")
	send(t, c, "one")
	for range 2 {
		if text, _ := read(t, server); text != "one" {
			t.Errorf("got %q, want a copy of one", text)
		}
	}

	// The first is held back long enough for the second to come first, however slow the machine is.
	u.Impair(Path{Reorder: 1, Late: 5 * time.Second}, Path{})
	send(t, c, "first")
	waitSeen(t, u, 3)
	u.Impair(Path{}, Path{})
	send(t, c, "second")
	if text, _ := read(t, server); text != "second" {
		t.Errorf("%q came first, want the one that overtook it", text)
	}

	u.Off(true)
	send(t, c, "into the void")
	waitSeen(t, u, 5)
	u.Off(false)
	u.SetTarget(netip.AddrPort{}) // known clients keep theirs
	send(t, c, "back")
	if text, _ := read(t, server); text != "back" {
		t.Errorf("got %q, want what came after the black hole", text)
	}
	if up, _ := u.Stats(); up.Lost != 2 || up.Duplicated != 1 || up.Reordered != 1 {
		t.Errorf("stats %+v", up)
	}
}

// waitSeen waits until the relay has taken n datagrams on the way up.
func waitSeen(t *testing.T, u *UDP, n uint64) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if up, _ := u.Stats(); up.Seen >= n {
			return
		}
	}
	t.Fatalf("the relay does not see datagram %d", n)
}

func TestPairForMedia(t *testing.T) {
	rtp, rtcp, err := ListenPair(Config{Target: netip.MustParseAddrPort("127.0.0.1:30000")})
	if err != nil {
		t.Fatal(err)
	}
	defer rtp.Close()
	defer rtcp.Close()
	if rtp.Addr().Port()%2 != 0 || rtcp.Addr().Port() != rtp.Addr().Port()+1 || rtcp.target.Port() != 30001 {
		t.Errorf("RTP on %v, RTCP on %v for %v", rtp.Addr(), rtcp.Addr(), rtcp.target)
	}
}

// What comes while nobody reads keeps its arrival time.
func TestArrivalIsTheKernels(t *testing.T) {
	server := listenUDP(t)
	stamp(server)
	send(t, dialUDP(t, addrOf(server)), "x")
	time.Sleep(50 * time.Millisecond)
	oob := make([]byte, 128)
	_, n, _, _, err := server.ReadMsgUDPAddrPort(make([]byte, 100), oob)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	if late := now.Sub(arrival(oob[:n], now)); late < 40*time.Millisecond {
		t.Errorf("it came %v ago, but was sent at least 50 ms ago", late)
	}
	if got := arrival(nil, now); !got.Equal(now) {
		t.Errorf("without a stamp it came at %v, want now", got)
	}
}

// A burst that comes before Run's reader is kept: 150 datagrams of full size, more than the default buffer holds.
func TestBurstBeforeRunIsKept(t *testing.T) {
	const burst = 150
	u, err := ListenUDP(Config{Target: addrOf(listenUDP(t))})
	if err != nil {
		t.Fatal(err)
	}
	out := dialUDP(t, u.Addr())
	for range burst {
		send(t, out, strings.Repeat("x", 1412))
	}
	background(t, u.Run)
	seen := func() uint64 { up, _ := u.Stats(); return up.Seen }
	for deadline := time.Now().Add(10 * time.Second); seen() < burst && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if got := seen(); got != burst {
		t.Errorf("the relay saw %d of %d datagrams", got, burst)
	}
}

func TestListenWrongly(t *testing.T) {
	for _, listen := range []string{"nonsense", "192.0.2.1:1"} {
		if _, err := ListenUDP(Config{Listen: listen}); err == nil {
			t.Errorf("UDP listens on %s", listen)
		}
		if _, err := ListenTCP(Config{Listen: listen}); err == nil {
			t.Errorf("TCP listens on %s", listen)
		}
		if _, _, err := ListenPair(Config{Listen: listen}); err == nil {
			t.Errorf("a pair listens on %s", listen)
		}
	}
}
