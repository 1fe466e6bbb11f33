package cascade

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"gbgate/gb28181/manscdp"
	"gbgate/gb28181/sipua"
	"github.com/google/go-cmp/cmp"
)

func TestQueriesOfOneAnswer(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			device := Device{Manufacturer: "Nobody", Model: "GW-100"}
			s, _ := online(t, Config{Transport: transport, Device: device}, &testSite{}, newMedia())
			s.ask(nodeID, query("DeviceInfo", "17430", nodeID))
			s.ask(gateID, query("DeviceInfo", "17431", gateID))
			s.ask(gateID, query("DeviceStatus", "248", gateID))
			s.ask(yardID, query("DeviceStatus", "249", yardID))
			ignoreCmd := func(h manscdp.Header) manscdp.Header { return manscdp.Header{SN: h.SN, DeviceID: h.DeviceID} }
			var got []string
			for _, sn := range []string{"17430", "17431", "248", "249"} {
				switch m := s.responses(sn, 1)[0].(type) {
				case *manscdp.DeviceInfoResponse:
					got = append(got, fmt.Sprint(ignoreCmd(m.Header), m.Result, m.DeviceName, m.Manufacturer, m.Model))
				case *manscdp.DeviceStatusResponse:
					got = append(got, fmt.Sprint(ignoreCmd(m.Header), m.Result, " ", m.Online))
				}
			}
			want := []string{
				"{ 17430 " + nodeID + "}OK网关ACMEGW-100",
				"{ 17431 " + gateID + "}ERROR",
				"{ 248 " + gateID + "}OK ONLINE",
				"{ 249 " + yardID + "}ERROR OFFLINE",
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("answers (-want +got):\n%s", diff)
			}
		})
	}
}

func TestControlsAreAnsweredAsTheStandardSays(t *testing.T) {
	site := &testSite{control: func(c *manscdp.DeviceControl) (*manscdp.ControlResponse, error) {
		if c.GuardCmd != "" {
			return nil, errors.New("no alarm input")
		}
		if c.RecordCmd != "" {
			return &manscdp.ControlResponse{Result: manscdp.OK}, nil
		}
		return nil, nil //nolint:nilnil // a command without Response
	}}
	s, _ := online(t, Config{}, site, newMedia())
	for sn, inner := range map[string]string{
		"1": "<PTZCmd>A50F0101400000F6</PTZCmd>",
		"2": "<IFameCmd>Send</IFameCmd>",
		"3": "<TeleBoot>Boot</TeleBoot>",
		"4": "<GuardCmd>SetGuard</GuardCmd>",
		"5": "<RecordCmd>Record</RecordCmd>",
		"6": "<NoSuchCmd>1</NoSuchCmd>",
	} {
		if got := s.ask(gateID, controlXML(sn, gateID, inner)); got != 200 {
			t.Errorf("control %s = %d, want 200", sn, got)
		}
	}
	results := make(map[string]string)
	for _, sn := range []string{"4", "5"} {
		m, ok := s.responses(sn, 1)[0].(*manscdp.ControlResponse)
		if !ok {
			t.Fatalf("response to %s is no ControlResponse", sn)
		}
		results[sn] = m.Result
	}
	// The order of queue and workers makes a late wrong answer come before this one.
	s.ask(nodeID, query("DeviceInfo", "99", nodeID))
	s.responses("99", 1)
	s.mu.Lock()
	for _, m := range s.messages {
		if c, ok := m.(*manscdp.ControlResponse); ok {
			results[c.SN] = c.Result
		}
	}
	s.mu.Unlock()
	if diff := cmp.Diff(map[string]string{"4": "ERROR", "5": "OK"}, results); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
}

func TestPTZIsExecutedInTheOrderOfArrival(t *testing.T) {
	var mu sync.Mutex
	var got []string
	site := &testSite{control: func(c *manscdp.DeviceControl) (*manscdp.ControlResponse, error) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, c.SN)
		return nil, nil //nolint:nilnil // a command without Response
	}}
	timers := shortTimers()
	timers.Reorder = 500 * time.Millisecond // a busy machine may hold a handler back for long
	s, _ := online(t, Config{Timers: timers}, site, newMedia())
	conn, err := net.Dial("udp", s.route().Remote.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var want []string
	for i := range 40 {
		sn := fmt.Sprint(100 + i)
		want = append(want, sn)
		body := controlXML(sn, gateID, "<PTZCmd>A50F0101400000F6</PTZCmd>")
		if _, err := fmt.Fprint(conn, rawMessage(fmt.Sprint("ptz", i), conn.LocalAddr().String(), body)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "40 commands", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(got) >= len(want)
	})
	mu.Lock()
	defer mu.Unlock()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

// rawMessage is a MESSAGE of the superior as text.
func rawMessage(id, via, body string) string {
	return strings.Join([]string{
		"MESSAGE sip:" + gateID + "@127.0.0.1 SIP/2.0",
		"Via: SIP/2.0/UDP " + via + ";rport;branch=z9hG4bK" + id,
		"From: <sip:" + superiorID + "@3402000000>;tag=1", "To: <sip:" + gateID + "@127.0.0.1>",
		"Call-ID: " + id, "CSeq: 1 MESSAGE", "Content-Type: Application/MANSCDP+xml",
		fmt.Sprint("Content-Length: ", len(body)), "", body,
	}, "\r\n")
}

func TestOvertakenPTZIsDropped(t *testing.T) {
	var got []string
	site := &testSite{control: func(c *manscdp.DeviceControl) (*manscdp.ControlResponse, error) {
		got = append(got, c.SN)
		return nil, nil //nolint:nilnil // a command without Response
	}}
	p := newPlatform(Config{Timers: shortTimers()}, nil, site, nil)
	closing := p.open(t.Context())
	at := func(arrival uint64, sn string, c manscdp.DeviceControl) {
		ctx, done, ok := p.accept()
		if !ok {
			t.Fatal("no room")
		}
		c.Header = manscdp.Header{CmdType: "DeviceControl", SN: sn, DeviceID: gateID}
		p.control(asked{arrival: arrival, at: time.Now(), m: &c, ctx: ctx, done: done})
	}
	ptz := manscdp.DeviceControl{PTZCmd: "A50F0101400000F6"}
	at(5, "second", ptz)
	at(4, "first", ptz) // before the former has begun
	eventually(t, "both done", func() bool { return p.pending.Load() == 0 })
	at(3, "too late", ptz)
	at(2, "late but no PTZ", manscdp.DeviceControl{IFrameCmd: "Send"})
	at(6, "third", ptz)
	eventually(t, "all done", func() bool { return p.pending.Load() == 0 })
	p.lost(errors.New("test"))
	closing()
	if diff := cmp.Diff([]string{"first", "second", "late but no PTZ", "third"}, got); diff != "" {
		t.Errorf("executed (-want +got):\n%s", diff)
	}
}

func TestMessageCodes(t *testing.T) {
	s, _ := online(t, Config{}, &testSite{}, newMedia())
	tests := []struct {
		name, body string
		want       int
	}{
		{"no body", "", 400},
		{"no XML", "hello", 400},
		{"cut off", "<?xml version=\"1.0\"?><Query><CmdType>Cat", 400},
		{"binary", string([]byte{0, 1, 2, 255, 254}), 400},
		{"unknown root", "<Question><CmdType>Catalog</CmdType><SN>1</SN></Question>", 415},
		{"unknown command", query("WarpDrive", "1", nodeID), 200},
		{"a response to us", "<Response><CmdType>Catalog</CmdType><SN>1</SN><DeviceID>" + nodeID +
			"</DeviceID></Response>", 200},
		{"a notify to us", "<Notify><CmdType>Keepalive</CmdType><SN>1</SN><DeviceID>" + nodeID +
			"</DeviceID><Status>OK</Status></Notify>", 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := s.ask(nodeID, tt.body); got != tt.want {
				t.Errorf("MESSAGE = %d, want %d", got, tt.want)
			}
		})
	}
	for method, want := range map[string]int{"SUBSCRIBE": 489, "NOTIFY": 481, "INFO": 481, "BYE": 481, "OPTIONS": 200} {
		if got := s.do(s.request(method, nodeID)).Code; got != want {
			t.Errorf("%s = %d, want %d", method, got, want)
		}
	}
}

func TestQueryBeforeTheAnswerToREGISTER(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			s := newSuperior(t)
			s.register = func(n int, r *sipua.Request) *sipua.Response {
				if n == 1 { // srs-sip, gowvp, panjjo and Monibuca do so in the same millisecond
					s.mu.Lock()
					s.node, s.transport = r.Source, r.Transport
					s.mu.Unlock()
					if got := s.ask(nodeID, query("Catalog", "5", nodeID)); got != 200 {
						t.Errorf("MESSAGE = %d, want 200", got)
					}
				}
				return &sipua.Response{Code: 200}
			}
			start(t, s, Config{Transport: transport}, &testSite{items: cameras(2, false)}, newMedia())
			await(t, "registration", s.registered)
			checkCatalog(t, s, "5", 2, 2)
		})
	}
}

func TestAnswersWaitForRoom(t *testing.T) {
	block, entered := make(chan struct{}), make(chan struct{}, 1)
	site := &testSite{control: func(*manscdp.DeviceControl) (*manscdp.ControlResponse, error) {
		select {
		case entered <- struct{}{}:
		default:
		}
		<-block
		return nil, nil //nolint:nilnil // a command without Response
	}}
	s, _ := online(t, Config{}, site, newMedia())
	defer close(block)
	codes := make(map[int]int)
	for i := range maxPending + 3 {
		codes[s.ask(gateID, controlXML(fmt.Sprint(i+1), gateID, "<PTZCmd>A50F0101400000F6</PTZCmd>"))]++
	}
	await(t, "control", entered)
	if diff := cmp.Diff(map[int]int{200: maxPending, 503: 3}, codes); diff != "" {
		t.Errorf("codes (-want +got):\n%s", diff)
	}
}

func TestStrangersGetNoAnswer(t *testing.T) {
	s, g := online(t, Config{}, &testSite{}, newMedia())
	r := s.request("MESSAGE", nodeID)
	r.From.URI.User = "34020000002000000666"
	r.ContentType, r.Body = typeMANSCDP, []byte(query("Catalog", "1", nodeID))
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if res, err := s.ua.Do(ctx, r, s.route()); err == nil {
		t.Errorf("a stranger got %d", res.Code)
	}
	if src := s.ua.Addr(); !g.router.Stranger("34020000002000000666", src) || g.router.Stranger(superiorID, src) {
		t.Error("Stranger does not tell them apart")
	}
}

func TestTwoIdentitiesAtOneSuperior(t *testing.T) {
	const otherID = "34020100002000000002"
	a := newPlatform(Config{ID: superiorID, NodeID: nodeID}, nil, &testSite{known: []string{gateID}}, nil)
	b := newPlatform(Config{ID: superiorID, NodeID: otherID}, nil, &testSite{known: []string{yardID}}, nil)
	r := &Router{}
	r.Add(a)
	r.Add(b)
	to := func(user string) *sipua.Request {
		req := &sipua.Request{}
		req.From.URI.User, req.URI.User, req.To.URI.User = superiorID, user, user
		return req
	}
	tests := []struct {
		name string
		req  *sipua.Request
		ids  []string
		want *Platform
	}{
		{"first node", to(nodeID), nil, a},
		{"second node", to(otherID), nil, b},
		{"channel of the first", to(gateID), nil, a},
		{"channel of the second", to(yardID), nil, b},
		{"named in the body", to("anything"), []string{otherID}, b},
		{"nothing tells", to("anything"), nil, a},
	}
	for _, tt := range tests {
		if got := r.platform(tt.req, tt.ids...); got != tt.want {
			t.Errorf("%s went to %s", tt.name, got.cfg.NodeID)
		}
	}
	r.Remove(b)
	if got := r.platform(to(otherID)); got != a {
		t.Error("a removed platform still gets requests")
	}
}

func TestAllowSources(t *testing.T) {
	p := newPlatform(Config{AllowSources: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}, nil, nil, nil)
	for addr, want := range map[string]bool{"192.0.2.7": true, "198.51.100.7": false, "::ffff:192.0.2.7": true} {
		if got := p.allows(netip.MustParseAddr(addr)); got != want {
			t.Errorf("allows(%s) = %v, want %v", addr, got, want)
		}
	}
}
