package cascade

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"gbgate/gb28181"
	"gbgate/gb28181/sdp"
	"gbgate/gb28181/sipua"
	"github.com/google/go-cmp/cmp"
)

func known() *testSite { return &testSite{known: []string{gateID, yardID}} }

func TestCall(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			m := newMedia()
			s, g := online(t, Config{Transport: transport}, known(), m)
			invite := s.invitation(gateID, gateID+":0200000001,"+superiorID+":0", offer("0200000001"))
			res := s.call(invite)
			if res.Code != 200 {
				t.Fatalf("INVITE = %d %s, want 200", res.Code, res.Reason)
			}
			c := await(t, "answered call", m.answered)
			if c.Channel() != gateID || c.Superior() != "province" || c.LocalIP().String() != "127.0.0.1" {
				t.Errorf("call of %s by %s at %s", c.Channel(), c.Superior(), c.LocalIP())
			}
			a, err := sdp.Parse(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			if a.SSRC != "0200000001" || a.OriginUser != gateID || a.Media[0].Port != 30002 || a.Conn != "127.0.0.1" {
				t.Errorf("answer = %+v", a)
			}
			if res.Contact == nil || res.Contact.User != gateID || res.Contact.Port != int(g.ua.Addr().Port()) {
				t.Errorf("Contact = %v, want the channel at our port", res.Contact)
			}
			eventually(t, "established", func() bool {
				calls := g.p.Status().Calls
				return len(calls) == 1 && calls[0].State == Established
			})
			got := g.p.Status().Calls[0]
			got.Since, got.Established = time.Time{}, time.Time{}
			want := CallStatus{
				ID: invite.CallID, Channel: gateID, Kind: "Play", Transport: "udp", SSRC: "0200000001",
				Remote: netip.MustParseAddrPort("127.0.0.1:30000"), State: Established,
			}
			if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
				t.Errorf("status (-want +got):\n%s", diff)
			}
			if got := s.do(inside("INFO", invite, res, 2)).Code; got != 200 {
				t.Errorf("INFO = %d, want 200", got)
			}
			if got := s.do(inside("BYE", invite, res, 3)).Code; got != 200 {
				t.Errorf("BYE = %d, want 200", got)
			}
			select { // the media stopped before the 200
			case err := <-m.ended:
				if !errors.Is(err, ErrBye) {
					t.Errorf("the call ended with %v, want %v", err, ErrBye)
				}
			default:
				t.Error("BYE answered before the media stopped")
			}
			eventually(t, "call forgotten", func() bool { return len(g.p.Status().Calls) == 0 })
			if got := s.do(inside("BYE", invite, res, 4)).Code; got != 481 {
				t.Errorf("second BYE = %d, want 481", got)
			}
		})
	}
}

func TestRetransmittedInviteIsOneCall(t *testing.T) {
	m := newMedia()
	s, _ := online(t, Config{}, known(), m)
	conn, err := net.Dial("udp", s.route().Remote.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	body := offer("0200000001")
	invite := strings.Join([]string{
		"INVITE sip:" + gateID + "@127.0.0.1 SIP/2.0",
		"Via: SIP/2.0/UDP " + conn.LocalAddr().String() + ";rport;branch=z9hG4bKinv",
		"From: <sip:" + superiorID + "@3402000000>;tag=1", "To: <sip:" + gateID + "@127.0.0.1>",
		"Call-ID: raw", "CSeq: 1 INVITE", "Contact: <sip:" + superiorID + "@" + conn.LocalAddr().String() + ">",
		"Content-Type: application/sdp", fmt.Sprint("Content-Length: ", len(body)), "", body,
	}, "\r\n")
	for range 3 {
		if _, err := fmt.Fprint(conn, invite); err != nil {
			t.Fatal(err)
		}
	}
	// Without an ACK the 200 is sent again, always the same.
	var answers []string
	buf := make([]byte, 4096)
	for len(answers) < 3 {
		_ = conn.SetReadDeadline(time.Now().Add(waitFor))
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(buf[:n]); strings.HasPrefix(got, "SIP/2.0 200") {
			answers = append(answers, got)
		}
	}
	if answers[1] != answers[0] || answers[2] != answers[0] {
		t.Errorf("answers differ:\n%s\n%s", answers[0], answers[1])
	}
	await(t, "call", m.answered)
	if n := len(m.answered); n != 0 {
		t.Errorf("%d further calls, want none", n)
	}
}

func TestCancel(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			entered, ended := make(chan *Call, 1), make(chan error, 1)
			slow := MediaHandlerFunc(func(ctx context.Context, c *Call) error {
				entered <- c
				<-ctx.Done() // a camera that does not answer
				ended <- context.Cause(ctx)
				return ctx.Err()
			})
			s, g := online(t, Config{Transport: transport}, known(), slow)
			invite := s.invitation(gateID, "", offer("0200000001"))
			answer := make(chan *sipua.Response, 1)
			go func() {
				ctx, cancel := context.WithTimeout(context.Background(), waitFor)
				defer cancel()
				res, err := s.ua.Do(ctx, invite, s.route())
				if err != nil {
					res = &sipua.Response{Reason: err.Error()}
				}
				answer <- res
			}()
			await(t, "call", entered)
			cancel := *invite
			cancel.Method, cancel.Body, cancel.ContentType, cancel.Headers = "CANCEL", nil, "", nil
			if got := s.do(&cancel).Code; got != 200 {
				t.Errorf("CANCEL = %d, want 200", got)
			}
			if got := await(t, "answer to INVITE", answer); got.Code != 487 {
				t.Errorf("INVITE = %d %s, want 487", got.Code, got.Reason)
			}
			if err := await(t, "end", ended); !errors.Is(err, ErrCancelled) {
				t.Errorf("the call ended with %v, want %v", err, ErrCancelled)
			}
			eventually(t, "no calls", func() bool { return len(g.p.Status().Calls) == 0 })
		})
	}
}

func TestLostACK(t *testing.T) {
	m := newMedia()
	s, _ := online(t, Config{}, known(), m)
	if got := s.do(s.invitation(gateID, "", offer("0200000001"))).Code; got != 200 {
		t.Fatalf("INVITE = %d, want 200", got)
	}
	await(t, "media without ACK", m.answered)
	if err := await(t, "end", m.ended); !errors.Is(err, ErrNoACK) {
		t.Errorf("the call ended with %v, want %v", err, ErrNoACK)
	}
	bye := await(t, "BYE", s.byes)
	if reason := bye.Header("Reason"); !strings.Contains(reason, "no ACK") {
		t.Errorf("Reason of BYE = %q, want no ACK in it", reason)
	}
	// 50, 150, 350, 550, 750 ms: at least some of them in spite of a busy machine.
	if n := len(s.received("SIP/2.0 200 OK")); n < 3 {
		t.Errorf("200 was sent %d times, want it repeated", n)
	}
}

func TestACKWithWrongCSeq(t *testing.T) {
	m := newMedia()
	s, g := online(t, Config{}, known(), m)
	invite := s.invitation(gateID, "", offer("0200000001"))
	res := s.do(invite)
	if err := s.ua.Send(inside("ACK", invite, res, 2), s.route()); err != nil { // panjjo
		t.Fatal(err)
	}
	await(t, "call", m.answered)
	eventually(t, "established", func() bool { return g.p.Status().Calls[0].State == Established })
}

func TestSendStartAt200(t *testing.T) {
	m := newMedia()
	timers := shortTimers()
	timers.SendFallback, timers.ACK = time.Hour, time.Hour
	s, _ := online(t, Config{Timers: timers, Compat: Compat{SendStart: "200"}}, known(), m)
	invite := s.invitation(gateID, "", offer("0200000001"))
	res := s.do(invite)
	await(t, "media before ACK", m.answered)
	if got := s.do(inside("BYE", invite, res, 2)).Code; got != 200 {
		t.Errorf("BYE = %d, want 200", got)
	}
}

func TestHangUp(t *testing.T) {
	over := make(chan error, 1)
	m := MediaHandlerFunc(func(ctx context.Context, c *Call) error {
		if err := c.Answer(ctx, sdp.Answer{Local: netip.MustParseAddrPort("127.0.0.1:30002")}); err != nil {
			return err
		}
		return <-over
	})
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			s, g := online(t, Config{Transport: transport}, known(), m)
			invite := s.invitation(gateID, "", offer("0200000001"))
			invite.Headers = append(invite.Headers, sipua.Header{Name: "Record-Route", Value: "<sip:127.0.0.1;lr>"})
			res := s.call(invite)
			over <- gb28181.Errorf(480, "Camera lost")
			bye := await(t, "BYE", s.byes)
			got := []string{
				bye.CallID, bye.From.Tag, bye.To.Tag, bye.URI.User,
				bye.Header("Route"), bye.Header("Reason"), bye.Transport,
			}
			want := []string{
				invite.CallID, res.ToTag, invite.From.Tag, superiorID, "<sip:127.0.0.1;lr>",
				`SIP;cause=480;text="Camera lost"`, transport,
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("BYE (-want +got):\n%s", diff)
			}
			eventually(t, "no calls", func() bool { return len(g.p.Status().Calls) == 0 })
		})
	}
}

func TestReasonOfBYETellsNoSecrets(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{nil, `SIP;cause=200;text="Media ended"`},
		{gb28181.Errorf(480, `Camera "门" lost`), `SIP;cause=480;text="Camera '?' lost"`},
		{errors.New("dial rtsp://admin:secret@192.0.2.64"), `SIP;cause=500;text="Server Internal Error"`},
		{fmt.Errorf("call: %w", ErrShutdown), `SIP;cause=500;text="the gateway is leaving the platform"`},
	} {
		if got := byeReason(tt.err).Value; got != tt.want {
			t.Errorf("byeReason(%v) = %s, want %s", tt.err, got, tt.want)
		}
	}
}

func TestBYEByCallIDAlone(t *testing.T) {
	m := newMedia()
	s, _ := online(t, Config{}, known(), m)
	invite := s.invitation(gateID, "", offer("0200000001"))
	res := s.call(invite)
	await(t, "call", m.answered)
	bye := inside("BYE", invite, res, 2)
	bye.From.Tag, bye.To.Tag, bye.From.URI.Host = "rebuilt", "also", "127.0.0.1"
	if got := s.do(bye).Code; got != 200 {
		t.Errorf("BYE = %d, want 200", got)
	}
	if err := await(t, "end", m.ended); !errors.Is(err, ErrBye) {
		t.Errorf("the call ended with %v, want %v", err, ErrBye)
	}
}

func TestReinvite(t *testing.T) {
	m := newMedia()
	s, _ := online(t, Config{}, known(), m)
	invite := s.invitation(gateID, "", offer("0200000001"))
	res := s.call(invite)
	await(t, "call", m.answered)
	again := inside("INVITE", invite, res, 2)
	again.ContentType, again.Body = invite.ContentType, invite.Body
	same := s.call(again)
	if same.Code != 200 || string(same.Body) != string(res.Body) || same.ToTag != res.ToTag {
		t.Errorf("re-INVITE = %d, want 200 with the same answer", same.Code)
	}
	if len(m.ended) != 0 {
		t.Error("the call has ended")
	}
}

func TestGarbageNeverCrashes(t *testing.T) {
	s, _ := online(t, Config{}, known(), newMedia())
	bodies := []string{
		"", "\x00", strings.Repeat("<", 5000), strings.Repeat("<a>", 5000), offer("99999999999999999999999"),
		"v=0\r\nm=video 99999 RTP/AVP 96\r\n", "v=0\r\nc=IN IP4\r\nm=\r\ny=\r\n",
		`<?xml version="1.0"?><Control><CmdType>DeviceControl</CmdType><SN></SN><DeviceID></DeviceID></Control>`,
		`<?xml version="1.0"?><Query><CmdType>Catalog</CmdType><SN></SN><DeviceID></DeviceID></Query>`,
		strings.Repeat("\xff\xfe", 3000),
	}
	for _, method := range []string{"MESSAGE", "INVITE", "INFO", "SUBSCRIBE", "NOTIFY", "BYE"} {
		for i, body := range bodies {
			r := s.invitation(gateID, strings.Repeat(":,", 20), body)
			r.Method = method
			if res := s.call(r); res.Code == 500 {
				t.Errorf("%s with body %d = 500", method, i)
			}
		}
	}
	if got := s.ask(nodeID, query("DeviceInfo", "77", nodeID)); got != 200 {
		t.Errorf("MESSAGE afterwards = %d, want 200", got)
	}
	s.responses("77", 1)
}

func TestCallStateNames(t *testing.T) {
	for s := Offered; s <= Ended; s++ {
		if s.String() == "unknown" {
			t.Errorf("state %d has no name", s)
		}
	}
}
