package sipua

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

const (
	superior = "34020000002000000001"
	node     = "34020000001110000001"
	channel  = "34020000001310000001"
	domain   = "3402000000"
)

var msgSource = netip.MustParseAddrPort("192.0.2.10:5060")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs an endpoint until the test ends and checks that Run returned without an error.
func start(t *testing.T, cfg Config, prepare func(e *Endpoint)) *Endpoint {
	t.Helper()
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	e, err := Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if prepare != nil {
		prepare(e)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return e
}

// request makes a request of the superior to the node.
func request(method, callID string) *Request {
	return &Request{
		Method: method,
		URI:    URI{User: node, Host: domain},
		From:   Address{URI{User: superior, Host: domain}, "ft" + callID},
		To:     Address{URI: URI{User: node, Host: domain}},
		CallID: callID,
		CSeq:   1,
	}
}

func timeout(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestDoOverBothTransports(t *testing.T) {
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			seen := make(chan *Request, 1)
			server := start(t, Config{UserAgent: "server"}, func(e *Endpoint) {
				e.Handle("MESSAGE", func(_ context.Context, r *Request) {
					err := r.Respond(&Response{
						Code: 200, Headers: []Header{{"Date", "2026-11-22T14:17:35"}}, Contact: &URI{User: node, Host: "192.0.2.1"},
						ContentType: "text/plain", Body: []byte("\xc4\xe3\xba\xc3"),
					})
					if err != nil {
						t.Errorf("Respond: %v", err)
					}
					seen <- r
				})
			})
			client := start(t, Config{UserAgent: "client"}, nil)

			req := request("MESSAGE", "c1@"+transport)
			req.ContentType, req.Body = "Application/MANSCDP+xml", []byte("<Name>\xc4\xe3\xba\xc3</Name>\r\n")
			req.Contact = &URI{User: superior, Host: "127.0.0.1", Port: 5060, Params: "transport=" + transport}
			req.Headers = []Header{{"X-GB-Ver", "3.0"}, {"Subject", "a:1,b:0"}}
			res, err := client.Do(timeout(t), req, Route{Transport: transport, Remote: server.Addr()})
			if err != nil {
				t.Fatal(err)
			}
			got := <-seen
			if got.Method != "MESSAGE" || got.URI != req.URI || got.From != req.From || got.To != req.To ||
				got.CallID != req.CallID || got.CSeq != 1 || *got.Contact != *req.Contact {
				t.Errorf("request = %+v, want %+v", got, req)
			}
			if diff := cmp.Diff(req.Body, got.Body); diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}
			for name, want := range map[string]string{
				"x-gb-ver": "3.0", "s": "a:1,b:0", "User-Agent": "client", "Max-Forwards": "70",
				"Content-Type": "Application/MANSCDP+xml", "i": req.CallID,
			} {
				if v := got.Header(name); v != want {
					t.Errorf("Header(%q) = %q, want %q", name, v, want)
				}
			}
			if got.Transport != transport || got.Source.Addr() != client.Addr().Addr() {
				t.Errorf("came by %s from %s", got.Transport, got.Source)
			}
			if transport == "udp" && got.Source != client.Addr() {
				t.Errorf("source = %s, want %s", got.Source, client.Addr())
			}
			if res.Code != 200 || res.Reason != "OK" || res.ToTag != got.LocalTag || res.ToTag == "" {
				t.Errorf("response = %+v, want 200 with tag %s", res, got.LocalTag)
			}
			if res.Received != got.Source || res.Source != server.Addr() {
				t.Errorf("Received = %s from %s, want %s from %s", res.Received, res.Source, got.Source, server.Addr())
			}
			if res.Header("Date") != "2026-11-22T14:17:35" || string(res.Body) != "\xc4\xe3\xba\xc3" {
				t.Errorf("response = %+v", res)
			}

			// The other way, on the same connection or socket, to where the request came from.
			res, err = server.Do(timeout(t), request("OPTIONS", "back"), Route{Transport: transport, Remote: got.Source})
			if err != nil || res.Code != 200 {
				t.Fatalf("OPTIONS back: %v, %v", res, err)
			}
			if allow := res.Header("Allow"); allow != "ACK, CANCEL, OPTIONS" {
				t.Errorf("Allow = %q", allow)
			}
		})
	}
}

func TestHeaderTextIsGuarded(t *testing.T) {
	e := start(t, Config{}, nil)
	for name, change := range map[string]func(r *Request){
		"subject":      func(r *Request) { r.Headers = []Header{{"Subject", "a\r\nX-Evil: 1"}} },
		"NUL":          func(r *Request) { r.Headers = []Header{{"Subject", "a\x00"}} },
		"header name":  func(r *Request) { r.Headers = []Header{{"X: y\r\nX-Evil", "1"}} },
		"user":         func(r *Request) { r.URI.User = "a\nb" },
		"host":         func(r *Request) { r.To.URI.Host = "a>b" },
		"tag":          func(r *Request) { r.From.Tag = "a;b" },
		"Call-ID":      func(r *Request) { r.CallID = "a\rb" },
		"contact":      func(r *Request) { r.Contact = &URI{User: "x", Host: "h", Params: "a\r\nb"} },
		"content type": func(r *Request) { r.ContentType = "a\nb" },
		"method":       func(r *Request) { r.Method = "A B" },
	} {
		r := request("MESSAGE", "c1")
		change(r)
		if _, err := e.Do(timeout(t), r, Route{Remote: e.Addr()}); !errors.Is(err, ErrHeaderText) {
			t.Errorf("%s: Do = %v, want ErrHeaderText", name, err)
		}
		if err := e.Send(r, Route{Remote: e.Addr()}); !errors.Is(err, ErrHeaderText) {
			t.Errorf("%s: Send = %v, want ErrHeaderText", name, err)
		}
	}
	server := start(t, Config{}, func(e *Endpoint) {
		e.Handle("MESSAGE", func(_ context.Context, r *Request) {
			for _, res := range []*Response{
				{Code: 200, Reason: "OK\r\nX-Evil: 1"}, {Code: 200, Headers: []Header{{"X", "a\nb"}}}, {Code: 200, ToTag: "a\nb"},
			} {
				if err := r.Respond(res); !errors.Is(err, ErrHeaderText) {
					t.Errorf("Respond(%+v) = %v, want ErrHeaderText", res, err)
				}
			}
			_ = r.Respond(&Response{Code: 200})
		})
	})
	if _, err := e.Do(timeout(t), request("MESSAGE", "c2"), Route{Remote: server.Addr()}); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(Config{Listen: "127.0.0.1:0", UserAgent: "a\r\nb"}); !errors.Is(err, ErrHeaderText) {
		t.Errorf("Listen = %v, want ErrHeaderText", err)
	}
}

func TestLargeBodies(t *testing.T) {
	for transport, size := range map[string]int{"udp": 60000, "tcp": maxMessage} {
		e, seen := collector(t, Config{})
		req := request("MESSAGE", transport)
		// GB18030, also with bytes that look like line ends' neighbours and a four-byte character.
		req.Body = bytes.Repeat([]byte("\xc4\xe3\xba\xc3\r\n\x81\x30\x89\x38\xd5\x5c"), size/12+1)[:size]
		res, err := e.Do(timeout(t), req, Route{Transport: transport, Remote: e.Addr()})
		if err != nil || res.Code != 200 {
			t.Fatalf("%s: %+v, %v", transport, res, err)
		}
		if got := receiveOne(t, seen, "MESSAGE"); !bytes.Equal(got.Body, req.Body) {
			t.Errorf("%s: body of %d bytes changed", transport, size)
		}
	}
}

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

// lines collects log lines.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
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
			_, err := client.Do(timeout(t), request("MESSAGE", fmt.Sprint("c", i)), Route{Transport: "tcp", Remote: server.Addr()})
			if err != nil {
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

func TestDoEndsWithContext(t *testing.T) {
	silent, _ := udpSocket(t)
	e := start(t, Config{}, nil)
	cause := errors.New("enough")
	ctx, cancel := context.WithTimeoutCause(context.Background(), 20*time.Millisecond, cause)
	defer cancel()
	_, err := e.Do(ctx, request("MESSAGE", "c1"), Route{Remote: silent.LocalAddr().(*net.UDPAddr).AddrPort()})
	if !errors.Is(err, cause) {
		t.Errorf("Do = %v, want %v", err, cause)
	}
}

// The endpoint repeats the ACK of a 2xx when the peer repeats its 2xx.
func TestLostAckIsRepeated(t *testing.T) {
	e := start(t, Config{}, nil)
	c, next := udpSocket(t)
	to := Route{Remote: c.LocalAddr().(*net.UDPAddr).AddrPort()}
	answered := make(chan error, 1)
	go func() {
		_, err := e.Do(timeout(t), request("INVITE", "c1"), to)
		answered <- err
	}()
	invite, err := next()
	if err != nil {
		t.Fatal(err)
	}
	head := strings.SplitN(string(invite), "\r\n", 2)[1]
	ok := "SIP/2.0 200 OK\r\n" + strings.Replace(head, "To: <sip:"+node+"@"+domain+">", "To: <sip:"+node+"@"+domain+">;tag=tt", 1)
	answer := func() {
		if _, err := c.WriteToUDPAddrPort([]byte(ok), e.Addr()); err != nil {
			t.Fatal(err)
		}
	}
	answer()
	if err := <-answered; err != nil {
		t.Fatal(err)
	}
	ack := request("ACK", "c1")
	ack.To.Tag = "tt"
	if err := e.Send(ack, to); err != nil {
		t.Fatal(err)
	}
	first, err := next()
	if err != nil || !bytes.HasPrefix(first, []byte("ACK ")) {
		t.Fatalf("got %q, %v, want ACK", first, err)
	}
	want := string(first)
	answer()
	if again, err := next(); string(again) != want {
		t.Errorf("got %q, %v, want %q again", again, err, want)
	}
}

func TestArrivalIsTheOrderOfTheSocket(t *testing.T) {
	const total = 1000
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			seen := make(chan *Request, total)
			e := start(t, Config{MaxConcurrent: total}, func(e *Endpoint) {
				e.Handle("MESSAGE", func(_ context.Context, r *Request) {
					_ = r.Respond(&Response{Code: 200}) // nobody reads it
					seen <- r
				})
			})
			w := dialWire(t, transport, e)
			order := map[uint64]uint32{}
			collect := func(n int) {
				for range n {
					r := receiveOne(t, seen, "MESSAGE")
					order[r.Arrival] = r.CSeq
				}
			}
			for i := range total {
				w.send(message("MESSAGE", fmt.Sprintf("%d MESSAGE", i+1), "c", fmt.Sprintf("z9hG4bK%d", i), ""))
				if i%50 == 49 { // no more than the smallest receive buffer holds
					collect(50)
				}
			}
			for i := range uint64(total) {
				if order[i+1] != uint32(i+1) {
					t.Fatalf("arrival %d is CSeq %d", i+1, order[i+1])
				}
			}
		})
	}
}

func TestGarbageCostsNothing(t *testing.T) {
	log := &lines{}
	e := start(t, Config{Log: slog.New(slog.NewTextHandler(log, nil))}, nil)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	c, _ := udpSocket(t)
	for i := range 20000 {
		raw := fmt.Sprintf("garbage %d", i)
		switch i % 4 {
		case 1:
			raw = strings.Repeat("\xff", 1200)
		case 2: // SIP to look at, without Call-ID
			raw = strings.Replace(message("MESSAGE", "1 MESSAGE", "c", "z9hG4bK1", ""), "Call-ID", "X", 1)
		case 3: // answers to nothing
			raw = "SIP/2.0 200 OK\r\n" + strings.SplitN(message("X", "1 X", fmt.Sprint(i), fmt.Sprint("z9hG4bK", i), ""), "\r\n", 2)[1]
		}
		if _, err := c.WriteToUDPAddrPort([]byte(raw), e.Addr()); err != nil {
			t.Fatal(err)
		}
	}
	if res, err := e.Do(timeout(t), request("OPTIONS", "c1"), Route{Remote: e.Addr()}); err != nil || res.Code != 200 {
		t.Errorf("OPTIONS after the flood: %+v, %v", res, err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 4<<20 {
		t.Errorf("heap grew by %d bytes", grown)
	}
	if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), "not SIP") {
		t.Errorf("%d log lines, want one:\n%s", n, log)
	}
}

func TestNoiseIsOneLineAMinute(t *testing.T) {
	q := newNoise(slog.New(slog.DiscardHandler))
	a, now := netip.MustParseAddr("192.0.2.1"), time.Unix(1763740800, 0)
	var said []int
	for i := range 313 {
		if n, say := q.count(a, now.Add(time.Duration(i)*time.Millisecond)); say {
			said = append(said, n)
		}
	}
	if n, say := q.count(a, now.Add(time.Minute)); say {
		said = append(said, n)
	}
	if diff := cmp.Diff([]int{1, 313}, said); diff != "" {
		t.Errorf("dropped counts (-want +got):\n%s", diff)
	}
	for i := range 5000 {
		q.count(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), now.Add(time.Minute))
	}
	if n := len(q.by); n > noiseSources+1 {
		t.Errorf("%d sources remembered, want at most %d", n, noiseSources+1)
	}
}

func TestExchangesAreBounded(t *testing.T) {
	x := newExchanges()
	for i := range 3 * maxExchanges {
		in := &inbound{key: exchangeKey{method: "MESSAGE", branch: fmt.Sprint(i)}}
		if !x.add(in) || x.find(in.key) != in {
			t.Fatalf("exchange %d is not remembered", i)
		}
	}
	if n := len(x.by); n != maxExchanges || x.order.Len() != n {
		t.Errorf("%d exchanges in %d places, want %d", n, x.order.Len(), maxExchanges)
	}
}

func TestTraceShowsNoSecrets(t *testing.T) {
	var mu sync.Mutex
	var events []Event
	e := start(t, Config{Trace: func(ev Event) {
		mu.Lock()
		defer mu.Unlock()
		events = append(events, ev)
	}}, nil)
	r := request("OPTIONS", "c1")
	r.Headers = []Header{{"Authorization", `Digest username="u",nonce="n",response="6a2143ae65b119e2",algorithm=MD5`}}
	r.Body = []byte("<Password>geheim1</Password>\r\n<NewPassword >geheim2</NewPassword>\r\npassword=geheim3 x")
	if _, err := e.Do(timeout(t), r, Route{Remote: e.Addr()}); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(events) < 4 {
		t.Fatalf("%d events, want request and response, out and in", len(events))
	}
	for _, ev := range events {
		if strings.Contains(ev.Raw, "geheim") || strings.Contains(ev.Raw, "6a2143") {
			t.Errorf("secret in %q", ev.Raw)
		}
		if ev.Transport != "udp" || ev.Remote != e.Addr() || ev.Time.IsZero() {
			t.Errorf("event %+v", ev)
		}
	}
	if out := events[0]; !out.Out || !strings.HasPrefix(out.Raw, "OPTIONS sip:") || !strings.Contains(out.Raw, `response="***",algorithm`) {
		t.Errorf("first event %+v", out)
	}
}

func TestIPv6(t *testing.T) {
	e := start(t, Config{Listen: "[::1]:0"}, nil)
	for _, transport := range transports {
		r := request("OPTIONS", transport)
		r.Contact = &URI{User: node, Host: "::1", Port: 5060}
		res, err := e.Do(timeout(t), r, Route{Transport: transport, Remote: e.Addr()})
		if err != nil || res.Code != 200 || res.Received.Addr() != e.Addr().Addr() {
			t.Errorf("%s: %+v, %v", transport, res, err)
		}
	}
}

func TestLocalForAndClose(t *testing.T) {
	e, err := Listen(Config{Listen: "0.0.0.0:0"})
	if err != nil {
		t.Fatal(err)
	}
	local, err := e.LocalFor(netip.MustParseAddrPort("127.0.0.9:5060"))
	if err != nil || local.Addr() != netip.MustParseAddr("127.0.0.1") || local.Port() != e.Addr().Port() {
		t.Errorf("LocalFor = %s, %v, want 127.0.0.1:%d", local, err, e.Addr().Port())
	}
	if _, err := Listen(Config{Listen: e.Addr().String()}); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("second Listen = %v, want address in use", err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	again, err := Listen(Config{Listen: e.Addr().String()})
	if err != nil {
		t.Fatalf("Listen after Close: %v", err)
	}
	_ = again.Close()
}
