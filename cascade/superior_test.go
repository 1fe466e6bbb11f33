package cascade

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"gbgate/gb28181/manscdp"
	"gbgate/gb28181/sipua"
)

const (
	gateID  = "34020100001320000001"
	yardID  = "34020100001320000002"
	waitFor = 30 * time.Second // how long a test waits for what must come
)

// superior is the platform above, scripted.
type superior struct {
	t  *testing.T
	ua *sipua.Endpoint
	as string // its ID

	// register answers REGISTER, n counting from 1; nil accepts all.
	register func(n int, r *sipua.Request) *sipua.Response
	// message answers MESSAGE by its code; 0 is silence; nil accepts all.
	message func(r *sipua.Request, m manscdp.Message) int
	// notify answers NOTIFY by its code; 0 is silence; nil accepts all.
	notify func(r *sipua.Request) int

	registered chan *sipua.Request // accepted, Expires not 0
	left       chan *sipua.Request // accepted, Expires 0
	byes       chan *sipua.Request
	notifies   chan *sipua.Request

	mu        sync.Mutex
	registers int
	node      netip.AddrPort
	transport string
	messages  []manscdp.Message
	events    []sipua.Event
	grown     chan struct{} // closed and made anew when messages or events grow
}

func newSuperior(t *testing.T) *superior {
	t.Helper()
	return newSuperiorAt(t, "127.0.0.1:0")
}

func newSuperiorAt(t *testing.T, listen string) *superior {
	t.Helper()
	s := &superior{
		t: t, as: superiorID, registered: make(chan *sipua.Request, 100), left: make(chan *sipua.Request, 100),
		byes: make(chan *sipua.Request, 100), notifies: make(chan *sipua.Request, 1000), grown: make(chan struct{}),
	}
	var err error
	s.ua, err = sipua.Listen(sipua.Config{Listen: listen, UserAgent: "superior", Trace: s.trace})
	if err != nil {
		t.Fatal(err)
	}
	s.ua.Handle("REGISTER", s.onRegister)
	s.ua.Handle("MESSAGE", s.onMessage)
	s.ua.Handle("BYE", func(_ context.Context, r *sipua.Request) {
		s.byes <- r
		_ = r.Respond(&sipua.Response{Code: 200})
	})
	s.ua.Handle("NOTIFY", func(_ context.Context, r *sipua.Request) {
		c := 200
		if s.notify != nil {
			c = s.notify(r)
		}
		s.notifies <- r
		if c != 0 {
			_ = r.Respond(&sipua.Response{Code: c})
		}
	})
	return s
}

func (s *superior) trace(e sipua.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, e)
	s.grow()
}

func (s *superior) grow() {
	close(s.grown)
	s.grown = make(chan struct{})
}

func (s *superior) onRegister(_ context.Context, r *sipua.Request) {
	s.mu.Lock()
	s.registers++
	n := s.registers
	s.mu.Unlock()
	res := &sipua.Response{Code: 200}
	if s.register != nil {
		res = s.register(n, r)
	}
	if res == nil {
		return
	}
	if res.Code == 200 {
		s.mu.Lock()
		s.node, s.transport = r.Source, r.Transport
		s.mu.Unlock()
	}
	gone := r.Header("Expires") == "0"
	if res.Code == 200 && gone {
		s.left <- r
	}
	_ = r.Respond(res)
	if res.Code == 200 && !gone {
		s.registered <- r
	}
}

func (s *superior) onMessage(_ context.Context, r *sipua.Request) {
	m, err := manscdp.Decode(r.Body)
	if err != nil {
		s.t.Errorf("message from the node: %v\n%s", err, r.Body)
	}
	c := 200
	if s.message != nil {
		c = s.message(r, m)
	}
	if c != 0 {
		_ = r.Respond(&sipua.Response{Code: c})
	}
	s.mu.Lock()
	s.messages = append(s.messages, m)
	s.grow()
	s.mu.Unlock()
}

// await waits until ready says so, which is asked again with each message.
func (s *superior) await(what string, ready func() bool) {
	s.t.Helper()
	deadline := time.After(waitFor)
	for {
		s.mu.Lock()
		ok, grown := ready(), s.grown
		s.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-grown:
		case <-deadline:
			s.t.Fatalf("no %s", what)
		}
	}
}

// responses waits for n messages that answer sn.
func (s *superior) responses(sn string, n int) []manscdp.Message {
	s.t.Helper()
	var found []manscdp.Message
	s.await(fmt.Sprintf("%d responses to SN %s", n, sn), func() bool {
		found = nil
		for _, m := range s.messages {
			if m != nil && m.Root() == manscdp.Response && m.Head().SN == sn {
				found = append(found, m)
			}
		}
		return len(found) >= n
	})
	return found
}

// received are the messages on the wire to this side that contain text.
func (s *superior) received(text string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.containing(text)
}

func (s *superior) containing(text string) []string {
	var out []string
	for _, e := range s.events {
		if !e.Out && strings.Contains(e.Raw, text) {
			out = append(out, e.Raw)
		}
	}
	return out
}

func (s *superior) route() sipua.Route {
	s.mu.Lock()
	defer s.mu.Unlock()
	return sipua.Route{Transport: s.transport, Remote: s.node}
}

func (s *superior) request(method, to string) *sipua.Request {
	route := s.route()
	uri := sipua.URI{User: to, Host: route.Remote.Addr().String(), Port: int(route.Remote.Port())}
	return &sipua.Request{
		Method: method, URI: uri, CallID: newToken() + "@superior", CSeq: 1,
		From: sipua.Address{URI: sipua.URI{User: s.as, Host: "3402000000"}, Tag: newToken()},
		To:   sipua.Address{URI: uri},
	}
}

// do sends a request to the node and gives its final response.
func (s *superior) do(r *sipua.Request) *sipua.Response {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), waitFor)
	defer cancel()
	res, err := s.ua.Do(ctx, r, s.route())
	if err != nil {
		s.t.Fatalf("%s: %v", r.Method, err)
	}
	return res
}

// ask sends a MANSCDP body to the node and gives the code it got.
func (s *superior) ask(to, body string) int {
	s.t.Helper()
	r := s.request("MESSAGE", to)
	r.ContentType, r.Body = typeMANSCDP, []byte(body)
	return s.do(r).Code
}

func query(command, sn, device string) string {
	return `<?xml version="1.0"?><Query><CmdType>` + command + `</CmdType><SN>` + sn + `</SN><DeviceID>` + device +
		`</DeviceID></Query>`
}

func controlXML(sn, device, inner string) string {
	return `<?xml version="1.0"?><Control><CmdType>DeviceControl</CmdType><SN>` + sn + `</SN><DeviceID>` + device +
		`</DeviceID>` + inner + `</Control>`
}

// offer is the body of an INVITE.
func offer(ssrc string) string {
	return strings.Join([]string{
		"v=0", "o=" + gateID + " 0 0 IN IP4 127.0.0.1", "s=Play", "c=IN IP4 127.0.0.1", "t=0 0",
		"m=video 30000 RTP/AVP 96", "a=recvonly", "a=rtpmap:96 PS/90000", "y=" + ssrc, "",
	}, "\r\n")
}

// invitation makes an INVITE.
func (s *superior) invitation(to, subject, body string) *sipua.Request {
	r := s.request("INVITE", to)
	addr := s.ua.Addr()
	r.Contact = &sipua.URI{User: superiorID, Host: addr.Addr().String(), Port: int(addr.Port())}
	r.ContentType, r.Body = "APPLICATION/SDP", []byte(body)
	if subject != "" {
		r.Headers = append(r.Headers, sipua.Header{Name: "Subject", Value: subject})
	}
	return r
}

// inside makes a request of the dialog that invite and its 200 made.
func inside(method string, invite *sipua.Request, res *sipua.Response, cseq uint32) *sipua.Request {
	r := *invite
	r.Method, r.CSeq, r.Body, r.ContentType, r.Headers = method, cseq, nil, "", nil
	r.To.Tag = res.ToTag
	return &r
}

// call sends an INVITE and, when it is accepted, the ACK.
func (s *superior) call(invite *sipua.Request) *sipua.Response {
	s.t.Helper()
	res := s.do(invite)
	if res.Code == 200 {
		if err := s.ua.Send(inside("ACK", invite, res, invite.CSeq), s.route()); err != nil {
			s.t.Fatal(err)
		}
	}
	return res
}

// gateway is the node under test.
type gateway struct {
	ua     *sipua.Endpoint
	router *Router
	p      *Platform
	stop   func() // ends the platform as at shutdown; twice is harmless
}

func shortTimers() Timers {
	return Timers{
		Reply: 2 * time.Second, Leave: time.Second, Stop: time.Second,
		ResponseDelay: 5 * time.Millisecond, PartTimeout: 200 * time.Millisecond,
		T1: 50 * time.Millisecond, T2: 200 * time.Millisecond, SendFallback: 300 * time.Millisecond,
		ACK: 800 * time.Millisecond,
	}
}

// start runs a gateway that is registered to s, until the test ends.
func start(t *testing.T, s *superior, cfg Config, site Site, media MediaHandler) *gateway {
	t.Helper()
	u, err := sipua.Listen(sipua.Config{Listen: "127.0.0.1:0", UserAgent: "gbgate/0.1 (test)"})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Name, cfg.ID, cfg.NodeID, cfg.Address = "province", superiorID, nodeID, s.ua.Addr().String()
	if cfg.Password == "" {
		cfg.Password = password
	}
	if cfg.Timers == (Timers{}) {
		cfg.Timers = shortTimers()
	}
	g := &gateway{ua: u, router: NewRouter(u), p: NewPlatform(cfg, u, site, media)}
	g.router.Add(g.p)
	endAbove, endUA, endPlatform := run(t, s.ua.Run), run(t, u.Run), run(t, g.p.Run)
	g.stop = endPlatform
	t.Cleanup(func() {
		endPlatform()
		endUA()
		endAbove()
	})
	return g
}

// run runs something until the returned function is called, which waits for it.
func run(t *testing.T, f func(context.Context) error) func() {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- f(ctx) }()
	return sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Run = %v", err)
			}
		case <-time.After(waitFor):
			t.Error("Run does not end")
		}
	})
}

// online starts a gateway and waits until it is registered.
func online(t *testing.T, cfg Config, site Site, media MediaHandler) (*superior, *gateway) {
	t.Helper()
	s := newSuperior(t)
	g := start(t, s, cfg, site, media)
	await(t, "registration", s.registered)
	return s, g
}

func await[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(waitFor):
		t.Fatalf("no %s", what)
		panic("unreachable")
	}
}

// eventually waits for a state that nothing announces.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(waitFor); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}
