package sipua

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
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

var _ = []any{errors.Is, net.Dial, netip.ParseAddr, strings.ToLower, (*sync.Mutex)(nil), atomic.AddInt32}
