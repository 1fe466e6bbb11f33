package sipua

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
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
						Code: 200, Headers: []Header{{"Date", "2026-11-22T14:17:35"}},
						Contact:     &URI{User: node, Host: "192.0.2.1"},
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
			req.URI.Params = "transport=" + transport
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
				{Code: 200, Reason: "OK\r\nX-Evil: 1"},
				{Code: 200, Headers: []Header{{"X", "a\nb"}}},
				{Code: 200, ToTag: "a\nb"},
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
	untagged := "To: <sip:" + node + "@" + domain + ">"
	ok := "SIP/2.0 200 OK\r\n" + strings.Replace(head, untagged, untagged+";tag=tt", 1)
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

// A peer that says nothing ends the request after 64·T1, and the request was sent several times until then.
func TestNoAnswer(t *testing.T) {
	timerA, timerB := sip.Timer_A, sip.Timer_B
	sip.Timer_A, sip.Timer_B = 5*time.Millisecond, 100*time.Millisecond
	defer func() { sip.Timer_A, sip.Timer_B = timerA, timerB }()
	silent, next := udpSocket(t)
	e := start(t, Config{}, nil)
	to := Route{Remote: silent.LocalAddr().(*net.UDPAddr).AddrPort()}
	if _, err := e.Do(timeout(t), request("MESSAGE", "c1"), to); !errors.Is(err, ErrNoAnswer) {
		t.Errorf("Do = %v, want ErrNoAnswer", err)
	}
	first, err := next()
	if err != nil {
		t.Fatal(err)
	}
	want := string(first)
	if again, err := next(); err != nil || string(again) != want {
		t.Errorf("repeat %q, %v, want %q", again, err, want)
	}
}

func TestViaSaysWhatTheRouteSays(t *testing.T) {
	e := start(t, Config{Listen: "0.0.0.0:0"}, nil)
	for local, want := range map[string]string{
		"192.0.2.20:5060": "Via: SIP/2.0/UDP 192.0.2.20:5060;rport;branch=z9hG4bK",
		"0.0.0.0:0":       "Via: SIP/2.0/UDP 127.0.0.1:" + fmt.Sprint(e.Addr().Port()) + ";rport;branch=z9hG4bK",
	} {
		c, next := udpSocket(t)
		to := Route{Remote: c.LocalAddr().(*net.UDPAddr).AddrPort(), Local: netip.MustParseAddrPort(local)}
		if err := e.Send(request("ACK", "c1"), to); err != nil {
			t.Fatal(err)
		}
		if raw, err := next(); err != nil || !strings.Contains(string(raw), want) {
			t.Errorf("local %s: got %q, %v, want %s", local, raw, err, want)
		}
	}
}
