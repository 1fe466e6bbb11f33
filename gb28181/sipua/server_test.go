package sipua

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// wire is a plain socket of a peer: what it says and hears is bytes.
type wire struct {
	t    *testing.T
	send func(raw string)
	next func() ([]byte, error)
	addr netip.AddrPort
}

func dialWire(t *testing.T, transport string, e *Endpoint) *wire {
	t.Helper()
	if transport == "udp" {
		c, next := udpSocket(t)
		return &wire{t, func(raw string) {
			if _, err := c.WriteToUDPAddrPort([]byte(raw), e.Addr()); err != nil {
				t.Fatal(err)
			}
		}, next, c.LocalAddr().(*net.UDPAddr).AddrPort()}
	}
	c, err := net.Dial("tcp", e.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	f := newFramer(c)
	return &wire{t, func(raw string) {
		if _, err := c.Write([]byte(raw)); err != nil {
			t.Fatal(err)
		}
	}, func() ([]byte, error) { return f.next(5 * time.Second) }, c.LocalAddr().(*net.TCPAddr).AddrPort()}
}

// expect reads a response and compares its code and CSeq.
func (w *wire) expect(code int, cseq string) []byte {
	w.t.Helper()
	raw, err := w.next()
	if err != nil {
		w.t.Fatalf("want %d to %s: %v", code, cseq, err)
	}
	if !bytes.HasPrefix(raw, fmt.Appendf(nil, "SIP/2.0 %d ", code)) ||
		!bytes.Contains(raw, []byte("CSeq: "+cseq+"\r\n")) {
		w.t.Fatalf("got %q, want %d to %s", raw, code, cseq)
	}
	return bytes.Clone(raw)
}

// message is a raw request of the superior without body.
func message(method, cseq, callID, branch, toTag string) string {
	if toTag != "" {
		toTag = ";tag=" + toTag
	}
	return method + " sip:" + node + "@" + domain + " SIP/2.0\r\n" +
		"Via: SIP/2.0/UDP 192.0.2.2:15061;rport;branch=" + branch + "\r\n" +
		"From: <sip:" + superior + "@" + domain + ">;tag=ft\r\nTo: <sip:" + node + "@" + domain + ">" + toTag + "\r\n" +
		"Call-ID: " + callID + "\r\nCSeq: " + cseq + "\r\nContent-Length: 0\r\n\r\n"
}

var transports = []string{"udp", "tcp"}

// gb-cms repeats MESSAGE, INFO and BYE 0.5 s later although it got 200, on TCP too.
func TestRepeatIsAnsweredNotHandled(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			var calls atomic.Int32
			e := start(t, Config{}, func(e *Endpoint) {
				e.Handle("MESSAGE", func(_ context.Context, r *Request) {
					calls.Add(1)
					_ = r.Respond(&Response{Code: 200})
				})
			})
			w := dialWire(t, transport, e)
			w.send(message("MESSAGE", "1 MESSAGE", "c1", "z9hG4bK1", ""))
			first := w.expect(200, "1 MESSAGE")
			w.send(message("MESSAGE", "1 MESSAGE", "c1", "z9hG4bK1", ""))
			if again := w.expect(200, "1 MESSAGE"); !bytes.Equal(again, first) {
				t.Errorf("repeat answered %q, want %q", again, first)
			}
			w.send(message("MESSAGE", "2 MESSAGE", "c1", "z9hG4bK2", ""))
			w.expect(200, "2 MESSAGE")
			if n := calls.Load(); n != 2 {
				t.Errorf("handler called %d times, want 2", n)
			}
		})
	}
}

func TestCancel(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			late := make(chan error, 1)
			acks := make(chan *Request, 1)
			e := start(t, Config{}, func(e *Endpoint) {
				e.Handle("INVITE", func(_ context.Context, r *Request) {
					_ = r.Respond(&Response{Code: 180})
					<-r.Cancelled()
					late <- r.Respond(&Response{Code: 200})
				})
				e.Handle("ACK", func(_ context.Context, r *Request) { acks <- r })
			})
			w := dialWire(t, transport, e)
			w.send(message("CANCEL", "1 CANCEL", "other", "z9hG4bK1", ""))
			w.expect(481, "1 CANCEL")
			w.send(message("INVITE", "1 INVITE", "c1", "z9hG4bK1", ""))
			ringing := w.expect(180, "1 INVITE")
			w.send(message("CANCEL", "1 CANCEL", "c1", "z9hG4bK1", ""))
			w.expect(200, "1 CANCEL")
			ended := w.expect(487, "1 INVITE")
			if got, want := toLine(ended), toLine(ringing); got != want || !strings.Contains(got, "tag=") {
				t.Errorf("To of 487 %q, of 180 %q", got, want)
			}
			if err := <-late; !errors.Is(err, ErrAnswered) {
				t.Errorf("200 after 487: %v, want ErrAnswered", err)
			}
			// The refusal's ACK is the endpoint's; one of another call is the handler's.
			w.send(message("ACK", "1 ACK", "c1", "z9hG4bK1", "x"))
			w.send(message("ACK", "9 ACK", "c2", "z9hG4bK9", "x"))
			if r := receiveOne(t, acks, "ACK"); r.CallID != "c2" {
				t.Errorf("ACK of %s reached the handler", r.CallID)
			}
		})
	}
}

func toLine(raw []byte) string {
	for line := range strings.SplitSeq(string(raw), "\r\n") {
		if strings.HasPrefix(line, "To: ") {
			return line
		}
	}
	return ""
}

// panjjo acknowledges with another CSeq than its INVITE's; lalmax's BYE says ACK in CSeq and has the ACK's branch.
func TestInviteAckBye(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			acks := make(chan *Request, 1)
			invites := make(chan *Request, 1)
			e := start(t, Config{}, func(e *Endpoint) {
				e.Handle("INVITE", func(_ context.Context, r *Request) { invites <- r })
				e.Handle("ACK", func(_ context.Context, r *Request) { acks <- r })
				e.Handle("BYE", func(_ context.Context, r *Request) { _ = r.Respond(&Response{Code: 200}) })
			})
			w := dialWire(t, transport, e)
			w.send(message("INVITE", "1 INVITE", "c1", "z9hG4bK1", ""))
			r := receiveOne(t, invites, "INVITE")
			w.expect(100, "1 INVITE") // nobody has answered for 200 ms
			w.send(message("INVITE", "1 INVITE", "c1", "z9hG4bK1", ""))
			w.expect(100, "1 INVITE")
			answer := &Response{Code: 200, Contact: &URI{User: channel, Host: "192.0.2.20", Port: 5060}}
			for range 2 { // until the ACK the caller repeats it
				if err := r.Respond(answer); err != nil {
					t.Fatal(err)
				}
				raw := w.expect(200, "1 INVITE")
				if !bytes.Contains(raw, []byte("Contact: <sip:"+channel+"@192.0.2.20:5060>\r\n")) {
					t.Errorf("no Contact in %q", raw)
				}
			}
			if err := r.Respond(&Response{Code: 486}); !errors.Is(err, ErrAnswered) {
				t.Errorf("486 after 200: %v, want ErrAnswered", err)
			}
			w.send(message("ACK", "2 ACK", "c1", "z9hG4bK2", r.LocalTag))
			if a := receiveOne(t, acks, "ACK"); a.CallID != "c1" || a.To.Tag != r.LocalTag || a.CSeq != 2 {
				t.Errorf("ACK = %+v", a)
			}
			w.send(message("CANCEL", "1 CANCEL", "c1", "z9hG4bK1", ""))
			w.expect(200, "1 CANCEL") // too late to change anything
			select {
			case <-r.Cancelled():
				t.Error("an answered INVITE was cancelled")
			default:
			}
			w.send(message("BYE", "3 ACK", "c1", "z9hG4bK2", r.LocalTag))
			w.expect(200, "3 ACK")
		})
	}
}

func TestPanicIs500(t *testing.T) {
	e := start(t, Config{}, func(e *Endpoint) {
		e.Handle("INFO", func(context.Context, *Request) { panic("handler") })
	})
	for range 2 {
		res, err := e.Do(timeout(t), request("INFO", newTag()), Route{Remote: e.Addr()})
		if err != nil || res.Code != 500 {
			t.Errorf("got %+v, %v, want 500", res, err)
		}
	}
	res, err := e.Do(timeout(t), request("PUBLISH", newTag()), Route{Remote: e.Addr()})
	if err != nil || res.Code != 405 || res.Header("Allow") != "ACK, INFO, CANCEL, OPTIONS" {
		t.Errorf("got %+v, %v, want 405 with Allow", res, err)
	}
}

func TestOverload(t *testing.T) {
	release := make(chan struct{})
	var handled atomic.Int32
	e := start(t, Config{MaxConcurrent: 4}, func(e *Endpoint) {
		e.Handle("MESSAGE", func(_ context.Context, r *Request) {
			handled.Add(1)
			<-release
			_ = r.Respond(&Response{Code: 200})
		})
	})
	w := dialWire(t, "udp", e)
	for i := range 10 {
		w.send(message("MESSAGE", fmt.Sprintf("%d MESSAGE", i+1), "c", fmt.Sprintf("z9hG4bK%d", i), ""))
	}
	for range 6 {
		raw, err := w.next()
		if err != nil || !bytes.HasPrefix(raw, []byte("SIP/2.0 503 ")) || !bytes.Contains(raw, []byte("Retry-After: ")) {
			t.Errorf("got %q, %v, want 503 with Retry-After", raw, err)
		}
	}
	close(release)
	for range 4 {
		if raw, err := w.next(); err != nil || !bytes.HasPrefix(raw, []byte("SIP/2.0 200 ")) {
			t.Errorf("got %q, %v, want 200", raw, err)
		}
	}
	if n := handled.Load(); n != 4 {
		t.Errorf("%d requests handled, want the 4 there was room for", n)
	}
}

// Over TCP a request waits a little for its turn before it is refused.
func TestOverloadTCP(t *testing.T) {
	stuck := make(chan struct{})
	e := start(t, Config{MaxConcurrent: 1}, func(e *Endpoint) {
		e.Handle("MESSAGE", func(_ context.Context, r *Request) {
			_ = r.Respond(&Response{Code: 200})
			if r.CallID == "stuck" {
				<-stuck
			}
		})
	})
	defer close(stuck)
	w := dialWire(t, "tcp", e)
	var all string
	for i := range 30 {
		all += message("MESSAGE", fmt.Sprintf("%d MESSAGE", i+1), "quick", fmt.Sprintf("z9hG4bK%d", i), "")
	}
	w.send(all)
	for i := range 30 {
		w.expect(200, fmt.Sprintf("%d MESSAGE", i+1))
	}
	w.send(message("MESSAGE", "1 MESSAGE", "stuck", "z9hG4bKa", "") + message("MESSAGE", "2 MESSAGE", "c", "z9hG4bKb", ""))
	w.expect(200, "1 MESSAGE")
	w.expect(503, "2 MESSAGE")
}

// A call that lasts does not keep a place among the requests being handled.
func TestCallsDoNotCountOnceAnswered(t *testing.T) {
	over := make(chan struct{})
	e := start(t, Config{MaxConcurrent: 1}, func(e *Endpoint) {
		e.Handle("INVITE", func(_ context.Context, r *Request) {
			_ = r.Respond(&Response{Code: 200})
			<-over
		})
	})
	defer close(over)
	for i := range 5 {
		res, err := e.Do(timeout(t), request("INVITE", fmt.Sprint("c", i)), Route{Remote: e.Addr()})
		if err != nil || res.Code != 200 {
			t.Errorf("INVITE %d: %+v, %v, want 200", i, res, err)
		}
	}
}

func TestAnswerAddressUDP(t *testing.T) {
	e, _ := collector(t, Config{})
	other := dialWire(t, "udp", e)
	tests := map[string]struct {
		via      string
		atSource bool
		want     string // in the answer's Via
	}{
		"another host, no rport": {"192.0.2.2:15061;branch=%s;alias", true, ";received=127.0.0.1"},
		"a name":                 {"sip.example;branch=%s", true, ";received=127.0.0.1"},
		"rport":                  {"127.0.0.1:9;rport;branch=%s", true, "rport="},
		"own host, other port":   {"127.0.0.1:" + fmt.Sprint(other.addr.Port()) + ";branch=%s", false, "127.0.0.1:"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := dialWire(t, "udp", e)
			branch := "z9hG4bK" + newTag()
			raw := message("MESSAGE", "1 MESSAGE", branch, branch, "")
			w.send(strings.Replace(raw, "192.0.2.2:15061;rport;branch="+branch, fmt.Sprintf(tt.via, branch), 1))
			at := other
			if tt.atSource {
				at = w
			}
			at.t = t
			if got := at.expect(200, "1 MESSAGE"); !bytes.Contains(got, []byte(tt.want)) {
				t.Errorf("answer %q, want %s in it", got, tt.want)
			}
		})
	}
}

func TestStrangersGetNoAnswer(t *testing.T) {
	var called atomic.Int32
	cfg := Config{Strangers: func(user string, _ netip.AddrPort) bool { return user != superior }}
	e := start(t, cfg, func(e *Endpoint) {
		e.Handle("MESSAGE", func(_ context.Context, r *Request) {
			called.Add(1)
			_ = r.Respond(&Response{Code: 200})
		})
	})
	for _, transport := range transports {
		w := dialWire(t, transport, e)
		raw := message("MESSAGE", "1 MESSAGE", transport, "z9hG4bK1"+transport, "")
		w.send(strings.Replace(raw, superior, "34020000002000000009", 1))
		w.send(message("MESSAGE", "2 MESSAGE", transport, "z9hG4bK2"+transport, ""))
		w.expect(200, "2 MESSAGE") // the first answer there is
	}
	if n := called.Load(); n != 2 {
		t.Errorf("handler called %d times, want 2", n)
	}
}

// Run ends with everything it and sipgo started, although Timer J of an answered UDP request runs for 32 s.
func TestRunLeavesNothing(t *testing.T) {
	before := goleak.IgnoreCurrent()
	e, err := Listen(Config{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	cause := errors.New("shutdown")
	ended := make(chan error, 1)
	e.Handle("MESSAGE", func(_ context.Context, r *Request) { _ = r.Respond(&Response{Code: 200}) })
	e.Handle("INVITE", func(ctx context.Context, r *Request) {
		code := map[string]int{"accepted": 200, "refused": 486}[r.CallID]
		if code != 0 {
			_ = r.Respond(&Response{Code: code})
			return
		}
		<-ctx.Done()
		_ = r.Respond(&Response{Code: 503}) // the sockets are still open
		ended <- context.Cause(ctx)
	})
	ctx, cancel := context.WithCancelCause(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	client, err := Listen(Config{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	clientCtx, clientCancel := context.WithCancel(context.Background())
	clientDone := make(chan error, 1)
	go func() { clientDone <- client.Run(clientCtx) }()
	for _, transport := range transports {
		to := Route{Transport: transport, Remote: e.Addr()}
		for i := range 50 {
			if _, err := client.Do(timeout(t), request("MESSAGE", fmt.Sprint(transport, i)), to); err != nil {
				t.Fatal(err)
			}
		}
		for _, id := range []string{"accepted", "refused"} {
			if _, err := client.Do(timeout(t), request("INVITE", id), to); err != nil {
				t.Fatal(err)
			}
		}
	}
	pending := make(chan *Response, 1)
	go func() {
		res, _ := client.Do(timeout(t), request("INVITE", "pending"), Route{Remote: e.Addr()})
		pending <- res
	}()
	for e.exchanges.call("pending") == nil {
		time.Sleep(time.Millisecond)
	}
	cancel(cause)
	if err := <-ended; !errors.Is(err, cause) {
		t.Errorf("handler's cause = %v, want %v", err, cause)
	}
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
	if res := <-pending; res == nil || res.Code != 503 {
		t.Errorf("pending INVITE: %+v, want the handler's 503", res)
	}
	clientCancel()
	<-clientDone
	goleak.VerifyNone(t, before)
	if _, err := e.Do(timeout(t), request("MESSAGE", "late"), Route{Remote: e.Addr()}); !errors.Is(err, ErrClosed) {
		t.Errorf("Do after Run: %v, want ErrClosed", err)
	}
	if err := e.Run(context.Background()); !errors.Is(err, ErrClosed) {
		t.Errorf("Run again: %v, want ErrClosed", err)
	}
}
