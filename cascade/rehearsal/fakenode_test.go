package rehearsal

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gbgate/gb28181"
	"gbgate/gb28181/manscdp"
	"gbgate/gb28181/sipua"
	"gbgate/media"

	"go.uber.org/goleak"
)

const (
	platformID = "34020000002000000001"
	nodeID     = "34020100002000000001"
	cameraID   = "34020100001320000001"
	password   = "12345678"
)

// run runs f until the test ends and waits for it.
func run(t *testing.T, f func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
	})
}

// startPlatform runs a platform, and checks after everything else of the test that no goroutine is left.
func startPlatform(t *testing.T, cfg Config) *Platform {
	t.Helper()
	t.Cleanup(func() { goleak.VerifyNone(t) })
	cfg.ID = platformID
	p, err := Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	run(t, p.Run)
	return p
}

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// fakeNode is a lower node of a few lines.
type fakeNode struct {
	t         *testing.T
	ep        *sipua.Endpoint
	id        string
	password  string
	transport string
	route     sipua.Route
	units     []*unit

	// answers gives the MANSCDP answers to a message.
	answers func(m manscdp.Message) []manscdp.Message
	// rewrite changes a body that the codec would refuse to write wrong.
	rewrite func(string) string
	// code answers MESSAGEs, 200 when 0.
	code int
	// edit changes the 200 to an INVITE before it is sent; refuse answers with another code.
	edit   func(*sipua.Response)
	refuse int
	// slow puts the answer to an INVITE off; cancellable heeds a CANCEL meanwhile.
	slow        time.Duration
	cancellable bool
	// damage changes the packets; framing frames them for TCP; afterBye sends on after the BYE.
	damage   func([][]byte) [][]byte
	framing  func([]byte) []byte
	afterBye bool
	closeTCP bool // hangs the media connection up after the last packet
	twice    bool // dials twice
	hangUp   bool // sends BYE after the last packet
	byeLate  bool // closes the media connection before the BYE
	sr       bool // sends RTCP sender reports
	strayUDP bool // sends from another port than it answered
	// reanswer changes the 200 to a second INVITE, which repeats the first; subscribed edits that to a SUBSCRIBE.
	reanswer   func(*sipua.Response)
	subscribed func(*sipua.Response)

	mu       sync.Mutex
	received []manscdp.Message
	methods  map[uint64]string // by arrival
	byes     map[string]chan struct{}
	answers1 map[string]*sipua.Response // the first 200 of each call
	dialog   *sipua.Request             // the last SUBSCRIBE
	notified uint32                     // CSeq
	work     sync.WaitGroup
}

func startNode(t *testing.T, p *Platform, transport string, change func(*fakeNode)) *fakeNode {
	t.Helper()
	ep, err := sipua.Listen(sipua.Config{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	n := &fakeNode{
		t: t, ep: ep, id: nodeID, password: password, transport: transport,
		route: sipua.Route{Transport: transport, Remote: p.Addr()},
		units: liveUnits(50, false, 0x90), byes: make(map[string]chan struct{}),
		methods: make(map[uint64]string), answers1: make(map[string]*sipua.Response),
	}
	if change != nil {
		change(n)
	}
	ep.Handle("MESSAGE", n.message)
	ep.Handle("INVITE", n.invite)
	ep.Handle("ACK", n.note)
	ep.Handle("BYE", n.bye)
	ep.Handle("SUBSCRIBE", n.subscribe)
	t.Cleanup(n.work.Wait)
	run(t, ep.Run)
	return n
}

func (n *fakeNode) request(method string) *sipua.Request {
	to := sipua.URI{User: platformID, Host: "3402000000"}
	from := sipua.URI{User: n.id, Host: "3402000000"}
	ours := n.ep.Addr()
	return &sipua.Request{
		Method: method, URI: sipua.URI{User: platformID, Host: n.route.Remote.Addr().String()},
		From: sipua.Address{URI: from, Tag: token(4)}, To: sipua.Address{URI: to},
		CallID: token(8), CSeq: 1,
		Contact: &sipua.URI{User: n.id, Host: ours.Addr().String(), Port: int(ours.Port())},
	}
}

// register registers for some seconds and returns the last answer.
func (n *fakeNode) register(ctx context.Context, expires string) *sipua.Response {
	n.t.Helper()
	r := n.request("REGISTER")
	r.To.URI = r.From.URI
	if expires != "" {
		r.Headers = []sipua.Header{{Name: "Expires", Value: expires}}
	}
	res, err := n.ep.Do(ctx, r, n.route)
	if err != nil {
		n.t.Fatal(err)
	}
	if res.Code != 401 {
		return res
	}
	credentials := sipua.Credentials{Username: n.id, Password: n.password}
	auth, err := credentials.Authorize(res.HeaderValues("WWW-Authenticate"), r.Method, r.URI.String())
	if err != nil {
		n.t.Fatal(err)
	}
	r.CSeq++
	r.Headers = append(r.Headers, sipua.Header{Name: "Authorization", Value: auth})
	if res, err = n.ep.Do(ctx, r, n.route); err != nil {
		n.t.Fatal(err)
	}
	return res
}

func (n *fakeNode) send(ctx context.Context, body []byte) int {
	r := n.request("MESSAGE")
	r.ContentType, r.Body = "Application/MANSCDP+xml", body
	res, err := n.ep.Do(ctx, r, n.route)
	switch {
	case ctx.Err() != nil:
		return 200 // the test is over
	case err != nil:
		n.t.Errorf("MESSAGE: %v", err)
		return 0
	}
	return res.Code
}

func (n *fakeNode) message(ctx context.Context, r *sipua.Request) {
	m, err := manscdp.Decode(r.Body)
	if err != nil {
		n.t.Errorf("query: %v", err)
		return
	}
	n.mu.Lock()
	n.received = append(n.received, m)
	n.mu.Unlock()
	_ = r.Respond(&sipua.Response{Code: max(n.code, 200)})
	if n.answers == nil {
		return
	}
	for _, a := range n.answers(m) {
		body, err := manscdp.Encode(a, gb28181.GB2312)
		if err != nil {
			n.t.Error(err)
			return
		}
		if n.rewrite != nil {
			body = []byte(n.rewrite(string(body)))
		}
		if code := n.send(ctx, body); code != 200 {
			n.t.Errorf("answer to %s: %d", m.Head().CmdType, code)
		}
	}
}

func (n *fakeNode) note(_ context.Context, r *sipua.Request) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.methods[r.Arrival] = r.Method
}

// seen lists the methods in the order in which they came in.
func (n *fakeNode) seen() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []string
	for _, at := range slices.Sorted(maps.Keys(n.methods)) {
		out = append(out, n.methods[at])
	}
	return out
}

// wantSeen waits for as many requests as are wanted: an ACK is handled when the BYE behind it is answered already.
func (n *fakeNode) wantSeen(t *testing.T, want ...string) {
	t.Helper()
	for ctx := testContext(t); len(n.seen()) < len(want) && media.Wait(ctx, 5*time.Millisecond) == nil; {
	}
	if got := n.seen(); !slices.Equal(got, want) {
		t.Errorf("the node saw %v, want %v", got, want)
	}
}

func (n *fakeNode) bye(ctx context.Context, r *sipua.Request) {
	n.note(ctx, r)
	n.mu.Lock()
	ended := n.byes[r.CallID]
	delete(n.byes, r.CallID)
	n.mu.Unlock()
	if ended != nil && !n.afterBye {
		close(ended)
	}
	_ = r.Respond(&sipua.Response{Code: 200})
	if ended != nil && n.afterBye {
		time.AfterFunc(200*time.Millisecond, func() { close(ended) })
	}
}

func (n *fakeNode) subscribe(_ context.Context, r *sipua.Request) {
	n.mu.Lock()
	n.dialog = r
	n.mu.Unlock()
	res := &sipua.Response{Code: 200, Contact: n.request("").Contact, Headers: []sipua.Header{
		{Name: "Expires", Value: r.Header("Expires")}, {Name: "Event", Value: r.Header("Event")},
	}}
	if n.subscribed != nil {
		n.subscribed(res)
	}
	_ = r.Respond(res)
}

// notify sends a NOTIFY of the last subscription, after edit had its way with it, and returns the code of the answer.
func (n *fakeNode) notify(ctx context.Context, body string, edit func(*sipua.Request)) int {
	n.t.Helper()
	n.mu.Lock()
	n.notified++
	sub, cseq := n.dialog, n.notified
	n.mu.Unlock()
	r := n.request("NOTIFY")
	r.CallID, r.CSeq, r.To = sub.CallID, cseq, sub.From
	r.From.Tag = sub.LocalTag
	r.Headers = []sipua.Header{
		{Name: "Event", Value: sub.Header("Event")}, {Name: "Subscription-State", Value: "active;expires=500"},
	}
	r.ContentType, r.Body = "Application/MANSCDP+xml", []byte(body)
	if edit != nil {
		edit(r)
	}
	res, err := n.ep.Do(ctx, r, n.route)
	if err != nil {
		n.t.Errorf("NOTIFY: %v", err)
		return 0
	}
	return res.Code
}

// line returns what follows a prefix in an SDP body.
func line(body []byte, prefix string) string {
	for _, l := range strings.Split(string(body), "\r\n") {
		if v, ok := strings.CutPrefix(l, prefix); ok {
			return v
		}
	}
	return ""
}

func (n *fakeNode) invite(ctx context.Context, r *sipua.Request) {
	n.note(ctx, r)
	if n.refuse != 0 {
		_ = r.Respond(&sipua.Response{Code: n.refuse})
		return
	}
	n.mu.Lock()
	first := n.answers1[r.CallID]
	n.mu.Unlock()
	if first != nil {
		second := *first
		if n.reanswer != nil {
			n.reanswer(&second)
		}
		_ = r.Respond(&second)
		return
	}
	if n.slow > 0 && n.cancellable {
		select {
		case <-r.Cancelled():
			return
		case <-time.After(n.slow):
		}
	}
	out, answer, err := n.media(r)
	if err != nil {
		n.t.Errorf("media: %v", err)
		_ = r.Respond(&sipua.Response{Code: 500})
		return
	}
	ended := make(chan struct{})
	n.mu.Lock()
	n.byes[r.CallID] = ended
	n.mu.Unlock()
	if n.slow > 0 {
		time.Sleep(n.slow)
	}
	res := &sipua.Response{
		Code: 200, Contact: n.request("").Contact, ContentType: "Application/SDP", Body: []byte(answer),
	}
	if n.edit != nil {
		n.edit(res)
	}
	n.mu.Lock()
	n.answers1[r.CallID] = res
	n.mu.Unlock()
	_ = r.Respond(res)
	n.work.Go(func() { n.stream(r, out, ended) })
}
