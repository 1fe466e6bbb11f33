package sipua

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var errEnough = errors.New("waited long enough")

// callee is a peer whose answers to INVITE are the test's.
type callee struct {
	e       *Endpoint
	invited chan *Request
	heard   chan string // methods, in order
}

func newCallee(t *testing.T) *callee {
	c := &callee{invited: make(chan *Request, 10), heard: make(chan string, 100)}
	c.e = start(t, Config{}, func(e *Endpoint) {
		e.Handle("INVITE", func(_ context.Context, r *Request) { c.invited <- r })
		for _, method := range []string{"ACK", "BYE"} {
			e.Handle(method, func(_ context.Context, r *Request) {
				c.heard <- method
				if method != "ACK" {
					_ = r.Respond(&Response{Code: 200})
				}
			})
		}
	})
	return c
}

func wait[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(10 * time.Second):
		t.Fatalf("no %s", what)
		panic("unreachable")
	}
}

func TestInviteTakenBack(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			up, us := newCallee(t), start(t, Config{}, nil)
			ctx, cancel := context.WithCancelCause(t.Context())
			ended := make(chan error, 1)
			go func() {
				r := request("INVITE", "c-"+transport)
				r.Body, r.ContentType = []byte("v=0"), "application/sdp"
				_, err := us.Do(ctx, r, Route{Transport: transport, Remote: up.e.Addr()})
				ended <- err
			}()
			in := wait(t, "INVITE", up.invited)
			_ = in.Respond(&Response{Code: 180})
			cancel(errEnough)
			if err := wait(t, "end of Do", ended); !errors.Is(err, errEnough) {
				t.Errorf("Do = %v, want %v", err, errEnough)
			}
			wait(t, "CANCEL", in.Cancelled()) // the peer has answered 487, and our transaction acknowledges that
			if err := in.Respond(&Response{Code: 200}); !errors.Is(err, ErrAnswered) {
				t.Errorf("200 after CANCEL = %v, want %v", err, ErrAnswered)
			}
		})
	}
}

// rawPeer is a peer that answers by hand.
type rawPeer struct {
	t    *testing.T
	conn *net.UDPConn
	next func() ([]byte, error)
}

func newRawPeer(t *testing.T) *rawPeer {
	conn, next := udpSocket(t)
	return &rawPeer{t, conn, next}
}

func (p *rawPeer) addr() netip.AddrPort { return p.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

// read gives the next message that is not a repeat of last.
func (p *rawPeer) read(last string) string {
	p.t.Helper()
	for {
		raw, err := p.next()
		if err != nil {
			p.t.Fatal(err)
		}
		if string(raw) != last {
			return string(raw)
		}
	}
}

func (p *rawPeer) reply(to netip.AddrPort, request, status string) {
	p.t.Helper()
	text := "SIP/2.0 " + status + "\r\n"
	for _, name := range []string{"Via", "From", "To", "Call-ID", "CSeq"} {
		text += name + ": " + headerLine(request, name)
		if name == "To" {
			text += ";tag=theirs"
		}
		text += "\r\n"
	}
	text += "Contact: <sip:" + superior + "@" + p.addr().String() + ">\r\nContent-Length: 0\r\n\r\n"
	if _, err := p.conn.WriteToUDPAddrPort([]byte(text), to); err != nil {
		p.t.Fatal(err)
	}
}

func headerLine(raw, name string) string {
	for line := range strings.SplitSeq(raw, "\r\n") {
		if key, value, ok := strings.Cut(line, ": "); ok && key == name {
			return value
		}
	}
	return ""
}

func methodOf(raw string) string {
	method, _, _ := strings.Cut(raw, " ")
	return method
}

// takenBack sends an INVITE to a raw peer and takes it back before the peer has answered anything.
func takenBack(t *testing.T) (p *rawPeer, us *Endpoint, invite string) {
	t.Helper()
	p, us = newRawPeer(t), start(t, Config{}, nil)
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan error, 1)
	go func() {
		r := request("INVITE", "c1")
		r.Headers = []Header{{"Subject", "a:1,b:0"}, {"Route", "<sip:127.0.0.1;lr>"}}
		_, err := us.Do(ctx, r, Route{Remote: p.addr()})
		ended <- err
	}()
	invite = p.read("")
	cancel(errEnough)
	if err := wait(t, "end of Do", ended); !errors.Is(err, errEnough) {
		t.Errorf("Do = %v, want %v", err, errEnough)
	}
	return p, us, invite
}

// TestCancelWaitsForTheFirstResponse takes an INVITE back before the peer has answered anything (RFC 3261 §9.1).
func TestCancelWaitsForTheFirstResponse(t *testing.T) {
	p, us, invite := takenBack(t)
	raw, err := p.next()
	if err != nil || string(raw) != invite {
		t.Fatalf("before any response came\n%s\nwant the INVITE repeated (%v)", raw, err)
	}
	p.reply(us.Addr(), invite, "100 Trying")
	cancel := p.read(invite)
	got := []string{
		methodOf(cancel), headerLine(cancel, "Via"), headerLine(cancel, "CSeq"), headerLine(cancel, "From"),
		headerLine(cancel, "To"), headerLine(cancel, "Route"), headerLine(cancel, "Subject"),
	}
	want := []string{
		"CANCEL", headerLine(invite, "Via"), "1 CANCEL", headerLine(invite, "From"), headerLine(invite, "To"),
		"<sip:127.0.0.1;lr>", "",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("CANCEL (-want +got):\n%s", diff)
	}
	p.reply(us.Addr(), cancel, "200 OK")
	p.reply(us.Addr(), invite, "487 Request Terminated")
	if ack := p.read(cancel); methodOf(ack) != "ACK" || headerLine(ack, "CSeq") != "1 ACK" {
		t.Errorf("got\n%s\nwant an ACK", ack)
	}
}

// TestAnsweredTooLate has a 200 cross the taking back: the call must not stand, with a peer that sends media for ever.
func TestAnsweredTooLate(t *testing.T) {
	p, us, invite := takenBack(t)
	p.reply(us.Addr(), invite, "200 OK")
	ack := p.read(invite)
	if methodOf(ack) != "ACK" || !strings.Contains(headerLine(ack, "To"), "tag=theirs") {
		t.Fatalf("got\n%s\nwant an ACK", ack)
	}
	bye := p.read(ack)
	if methodOf(bye) != "BYE" || headerLine(bye, "CSeq") != "2 BYE" || headerLine(bye, "Call-ID") != "c1" ||
		!strings.HasPrefix(bye, "BYE sip:"+superior+"@"+p.addr().String()) {
		t.Errorf("got\n%s\nwant a BYE to the Contact", bye)
	}
	p.reply(us.Addr(), bye, "200 OK")
}

func TestTakenBackAndNeverAnswered(t *testing.T) {
	_, us, _ := takenBack(t) // and the endpoint ends before the transaction does: goleak watches
	us.clients.mu.Lock()
	defer us.clients.mu.Unlock()
	if n := len(us.clients.by); n != 1 {
		t.Errorf("%d transactions, want the INVITE's", n)
	}
}
