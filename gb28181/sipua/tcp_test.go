package sipua

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func TestTooLargeOverTCP(t *testing.T) {
	e, _ := collector(t, Config{})
	w := dialWire(t, "tcp", e)
	w.send(strings.Replace(message("MESSAGE", "1 MESSAGE", "c1", "z9hG4bK1", ""), "Length: 0", "Length: 65537", 1))
	w.expect(513, "1 MESSAGE")
	if raw, err := w.next(); !errors.Is(err, io.EOF) {
		t.Errorf("got %q, %v, want the connection closed", raw, err)
	}
}

func TestNonsenseClosesTCP(t *testing.T) {
	for name, raw := range map[string]string{
		"HTTP":            "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"long line":       strings.Repeat("x", maxHead+1),
		"many headers":    "MESSAGE sip:x@y SIP/2.0\r\n" + strings.Repeat("X: y\r\n", maxHead/5),
		"negative length": "MESSAGE sip:x@y SIP/2.0\r\nContent-Length: -1\r\n\r\n",
		"no Via":          "MESSAGE sip:x@y SIP/2.0\r\nContent-Length: 0\r\n\r\n",
	} {
		var gone atomic.Pointer[netip.AddrPort]
		log := &lines{}
		e := start(t, Config{Log: slog.New(slog.NewTextHandler(log, nil))}, func(e *Endpoint) {
			e.OnClose(func(remote netip.AddrPort) { gone.Store(&remote) })
		})
		w := dialWire(t, "tcp", e)
		w.send(raw)
		if got, err := w.next(); err == nil {
			t.Errorf("%s: got %q, want the connection closed", name, got)
		}
		for gone.Load() == nil {
			time.Sleep(time.Millisecond)
		}
		if *gone.Load() != w.addr || !strings.Contains(log.String(), "from="+w.addr.String()) {
			t.Errorf("%s: OnClose(%s), log %s, want %s", name, gone.Load(), log, w.addr)
		}
	}
}

// A connection that is gone is noticed by the request that waits on it and dialled anew by the next.
func TestRedial(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	closed := make(chan netip.AddrPort, 4)
	e := start(t, Config{}, func(e *Endpoint) { e.OnClose(func(a netip.AddrPort) { closed <- a }) })
	remote := listener.Addr().(*net.TCPAddr).AddrPort()
	to := Route{Transport: "tcp", Remote: remote}
	for i := range 3 {
		failed := make(chan error, 1)
		go func() {
			_, err := e.Do(timeout(t), request("MESSAGE", fmt.Sprint("c", i)), to)
			failed <- err
		}()
		c, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := newFramer(c).next(5 * time.Second); err != nil {
			t.Errorf("request %d: %v", i, err)
		}
		_ = c.Close()
		if err := <-failed; !errors.Is(err, ErrLost) {
			t.Errorf("request %d: Do = %v, want ErrLost", i, err)
		}
		if got := <-closed; got != remote {
			t.Errorf("OnClose(%s), want %s", got, remote)
		}
	}
	_ = listener.Close()
	if _, err := e.Do(timeout(t), request("MESSAGE", "refused"), to); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("Do = %v, want connection refused", err)
	}
}

// Sixteen requests at once to a platform that was not connected open one connection.
func TestOneConnectionPerRemote(t *testing.T) {
	server, seen := collector(t, Config{})
	client := start(t, Config{}, nil)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			to := Route{Transport: "tcp", Remote: server.Addr()}
			if _, err := client.Do(timeout(t), request("MESSAGE", fmt.Sprint("c", i)), to); err != nil {
				t.Errorf("Do %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	sources := map[netip.AddrPort]bool{}
	for range 16 {
		sources[receiveOne(t, seen, "MESSAGE").Source] = true
	}
	if len(sources) != 1 {
		t.Errorf("%d connections, want 1", len(sources))
	}
}

// A platform whose machine vanished leaves a connection that takes requests and never answers.
func TestSilentConnectionIsGivenUp(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	e := start(t, Config{}, func(e *Endpoint) { e.silence = 500 * time.Millisecond })
	to := Route{Transport: "tcp", Remote: listener.Addr().(*net.TCPAddr).AddrPort()}
	do := func(id string, wait time.Duration) error {
		ctx, cancel := context.WithTimeout(context.Background(), wait)
		defer cancel()
		r := request("MESSAGE", id)
		r.Patient = id == "unhurried"
		_, err := e.Do(ctx, r, to)
		return err
	}
	if err := do("unhurried", 600*time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("Do = %v, want the deadline", err)
	}
	if err := do("impatient", 100*time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("Do = %v, want the deadline", err)
	}
	if err := do("patient", 600*time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("Do = %v, want the deadline", err)
	}
	c, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	f := newFramer(c)
	for range 3 { // all on the first connection, which is closed then
		if _, err := f.next(5 * time.Second); err != nil {
			t.Error(err)
		}
	}
	if raw, err := f.next(5 * time.Second); !errors.Is(err, io.EOF) {
		t.Errorf("got %q, %v, want the connection closed", raw, err)
	}
}
