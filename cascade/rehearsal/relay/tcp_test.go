package relay

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"
)

// tcpPeers is a relay with a server behind it.
type tcpPeers struct {
	*TCP
	accepted chan *net.TCPConn
}

func startTCP(t *testing.T, cfg Config) *tcpPeers {
	t.Helper()
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Target = netip.MustParseAddrPort(l.Addr().String())
	r, err := ListenTCP(cfg)
	if err != nil {
		t.Fatal(err)
	}
	p := &tcpPeers{TCP: r, accepted: make(chan *net.TCPConn, 10)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.AcceptTCP()
			if err != nil {
				return
			}
			p.accepted <- c
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	background(t, r.Run)
	return p
}

func (p *tcpPeers) dial(t *testing.T) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp4", p.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return c.(*net.TCPConn)
}

func (p *tcpPeers) accept(t *testing.T) *net.TCPConn {
	t.Helper()
	select {
	case c := <-p.accepted:
		t.Cleanup(func() { c.Close() })
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		return c
	case <-time.After(20 * time.Second):
		t.Fatal("nobody connected to the server")
	}
	return nil
}

func sendTCP(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

func readTCP(t *testing.T, c net.Conn, want string) {
	t.Helper()
	buf := make([]byte, len(want))
	if _, err := io.ReadFull(c, buf); err != nil || string(buf) != want {
		t.Fatalf("got %q, %v, want %q", buf, err, want)
	}
}

func TestTCPPassesEverythingInOrder(t *testing.T) {
	bad := Path{
		Delay: time.Millisecond, Jitter: time.Millisecond,
		Loss: 0.01, Recovery: 5 * time.Millisecond, Segment: 1000,
	}
	p := startTCP(t, Config{Up: bad, Down: bad, Seed: 3})
	client := p.dial(t)
	server := p.accept(t)
	text := make([]byte, 300_000)
	for i := range text {
		text[i] = byte(i * i >> 8)
	}
	go func() {
		_, _ = client.Write(text)
		_ = client.CloseWrite()
	}()
	got, err := io.ReadAll(server)
	if err != nil || !bytes.Equal(got, text) {
		t.Errorf("%d bytes came, %v, want the %d that were sent", len(got), err, len(text))
	}
	// The other half of the connection is still open.
	sendTCP(t, server, "reply")
	server.Close()
	if reply, err := io.ReadAll(client); err != nil || string(reply) != "reply" {
		t.Errorf("the reply is %q, %v", reply, err)
	}
	if up, _ := p.Stats(); up.Lost == 0 || up.Delivered < 300 {
		t.Errorf("stats %+v, want some segments lost and recovered", up)
	}
	waitGone(t, p.TCP)
}

func waitGone(t *testing.T, r *TCP) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if r.Connections() == 0 {
			return
		}
	}
	t.Errorf("%d connections are left", r.Connections())
}

func TestTCPReset(t *testing.T) {
	p := startTCP(t, Config{})
	client := p.dial(t)
	server := p.accept(t)
	sendTCP(t, client, "hello")
	readTCP(t, server, "hello")
	if n := p.Reset(); n != 1 {
		t.Errorf("%d connections reset, want 1", n)
	}
	for side, c := range map[string]net.Conn{"client": client, "server": server} {
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the %s sees %v, want a reset", side, err)
		}
	}
	waitGone(t, p.TCP)
}

// A reset of one side is one of the other.
func TestTCPPassesResets(t *testing.T) {
	p := startTCP(t, Config{})
	client := p.dial(t)
	server := p.accept(t)
	sendTCP(t, client, "hello")
	readTCP(t, server, "hello")
	abort(server)
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client sees %v, want a reset", err)
	}
}

func TestTCPHalfOpen(t *testing.T) {
	p := startTCP(t, Config{})
	client := p.dial(t)
	server := p.accept(t)
	sendTCP(t, client, "hello")
	readTCP(t, server, "hello")
	if n := p.HalfOpen(); n != 1 {
		t.Errorf("%d connections half open, want 1", n)
	}
	if _, err := server.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the server sees %v, want a reset", err)
	}
	for range 3 {
		sendTCP(t, client, "is anybody there?")
	}
	_ = client.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the client sees %v, want silence", err)
	}
	// A new connection works, and the dead one ends when its client does.
	again := p.dial(t)
	fresh := p.accept(t)
	sendTCP(t, again, "again")
	readTCP(t, fresh, "again")
	client.Close()
	again.Close()
	fresh.Close()
	waitGone(t, p.TCP)
}

func TestTCPBlackHole(t *testing.T) {
	p := startTCP(t, Config{})
	client := p.dial(t)
	server := p.accept(t)
	p.Off(true)
	p.Off(true)
	sendTCP(t, client, "hello")
	_ = server.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if n, err := server.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the server reads %d bytes, %v, want nothing", n, err)
	}
	second := p.dial(t)
	sendTCP(t, second, "second")
	select {
	case <-p.accepted:
		t.Error("a connection came through")
	case <-time.After(100 * time.Millisecond):
	}
	p.Off(false)
	p.Off(false)
	_ = server.SetReadDeadline(time.Now().Add(20 * time.Second))
	readTCP(t, server, "hello")
	readTCP(t, p.accept(t), "second")
}

func TestTCPIsBounded(t *testing.T) {
	p := startTCP(t, Config{Flows: 1})
	first := p.dial(t)
	server := p.accept(t)
	wantRefused(t, p.TCP)
	sendTCP(t, first, "first")
	readTCP(t, server, "first")

	// Nobody reads: the sender is held up instead of the relay growing.
	p.Off(true)
	_ = first.SetWriteDeadline(time.Now().Add(2 * time.Second))
	n, err := io.Copy(first, io.LimitReader(zeros{}, 1<<30))
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the relay took %d bytes for nobody: %v", n, err)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }

func TestTCPWithoutTarget(t *testing.T) {
	r, err := ListenTCP(Config{Target: netip.MustParseAddrPort("127.0.0.1:1")})
	if err != nil {
		t.Fatal(err)
	}
	background(t, r.Run)
	wantRefused(t, r)
}

// wantRefused wants a new connection to be reset at once, even before it is known to stand.
func wantRefused(t *testing.T, r *TCP) {
	t.Helper()
	c, err := net.Dial("tcp4", r.Addr().String())
	if err == nil {
		defer c.Close()
		_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
		_, err = c.Read(make([]byte, 1))
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client sees %v, want a reset", err)
	}
}
