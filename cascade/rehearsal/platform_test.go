package rehearsal

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"gbgate/gb28181"
	"gbgate/gb28181/manscdp"
	"gbgate/gb28181/sipua"

	"github.com/google/go-cmp/cmp"
)

func TestRegister(t *testing.T) {
	tests := []struct {
		name    string
		cfg     Config
		change  func(*fakeNode)
		expires string
		want    int
	}{
		{"nobody is asked", Config{}, nil, "3600", 200},
		{"MD5 unnamed", Config{Password: password}, nil, "3600", 200},
		{"MD5 with qop", Config{Password: password, Algorithm: "MD5", QOP: true}, nil, "3600", 200},
		{"SHA-256", Config{Password: password, Algorithm: "SHA-256"}, nil, "3600", 200},
		{"SHA-256 with qop", Config{Password: password, Algorithm: "SHA-256", QOP: true}, nil, "3600", 200},
		{"wrong password", Config{Password: "87654321"}, nil, "3600", 403},
		{"wrong username", Config{Password: password, Username: "gateway"}, nil, "3600", 403},
		{"no Expires", Config{}, nil, "", 400},
		{"Expires is no number", Config{}, nil, "soon", 400},
		{"short code", Config{}, func(n *fakeNode) { n.id = "12345" }, "3600", 403},
	}
	for _, tt := range tests {
		for _, transport := range []string{"udp", "tcp"} {
			t.Run(tt.name+" "+transport, func(t *testing.T) {
				p := startPlatform(t, tt.cfg)
				n := startNode(t, p, transport, tt.change)
				if got := n.register(testContext(t), tt.expires).Code; got != tt.want {
					t.Errorf("REGISTER answered %d, want %d", got, tt.want)
				}
				if got, want := len(p.Nodes()), map[bool]int{true: 1}[tt.want == 200]; got != want {
					t.Errorf("%d nodes known, want %d", got, want)
				}
			})
		}
	}
}

func TestRegisterAnswer(t *testing.T) {
	p := startPlatform(t, Config{Expires: 100 * time.Second, Version: "3.0"})
	res := startNode(t, p, "udp", nil).register(testContext(t), "3600")
	if got := res.Header("Expires"); got != "100" {
		t.Errorf("Expires %q, want 100", got)
	}
	if got := res.Header("X-GB-Ver"); got != "3.0" {
		t.Errorf("X-GB-Ver %q, want 3.0", got)
	}
	date := res.Header("Date")
	if !regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}$`).MatchString(date) {
		t.Errorf("Date %q is not of the local form", date)
	}
	if at, err := gb28181.ParseDate(date); err != nil || time.Since(at).Abs() > time.Hour {
		t.Errorf("Date %q is %v (%v)", date, at, err)
	}
}

func TestNodeTable(t *testing.T) {
	p := startPlatform(t, Config{Password: password})
	ctx := testContext(t)
	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	if _, err := p.WaitNode(short, nodeID); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("WaitNode without a node: %v, want the deadline", err)
	}
	fake := startNode(t, p, "tcp", nil)
	fake.register(ctx, "3600")
	n, err := p.WaitNode(ctx, nodeID)
	if err != nil {
		t.Fatal(err)
	}
	s := n.State()
	if !s.Registered || s.Transport != "tcp" || s.Registrations != 1 || !strings.Contains(s.Contact, nodeID) {
		t.Errorf("state %+v, want registered once over tcp", s)
	}
	fake.register(ctx, "0")
	if s = n.State(); s.Registered || s.Unregistrations != 1 {
		t.Errorf("state %+v, want unregistered once", s)
	}
	if _, err := n.Catalog(ctx); err == nil {
		t.Error("a node that left was asked for its catalog")
	}
}

func TestRegistrationEnds(t *testing.T) {
	t.Run("by time", func(t *testing.T) {
		p := startPlatform(t, Config{})
		fake := startNode(t, p, "udp", nil)
		fake.register(testContext(t), "1")
		n, err := p.WaitNode(testContext(t), nodeID)
		if err != nil {
			t.Fatal(err)
		}
		if err := n.WaitState(testContext(t), func(s NodeState) bool { return !s.Registered }); err != nil {
			t.Error(err)
		}
	})
	t.Run("by the connection's end", func(t *testing.T) {
		p := startPlatform(t, Config{})
		ep, err := sipua.Listen(sipua.Config{Listen: "127.0.0.1:0"})
		if err != nil {
			t.Fatal(err)
		}
		fake := &fakeNode{
			t: t, ep: ep, id: nodeID, transport: "tcp", route: sipua.Route{Transport: "tcp", Remote: p.Addr()},
		}
		ctx, cancel := context.WithCancel(testContext(t))
		done := make(chan error, 1)
		go func() { done <- ep.Run(ctx) }()
		fake.register(ctx, "3600")
		n, err := p.WaitNode(ctx, nodeID)
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		<-done
		if err := n.WaitState(testContext(t), func(s NodeState) bool { return !s.Registered }); err != nil {
			t.Error(err)
		}
	})
}

func TestMessages(t *testing.T) {
	p := startPlatform(t, Config{})
	n := startNode(t, p, "udp", nil)
	ctx := testContext(t)
	keepalive := "<?xml version=\"1.0\"?><Notify><CmdType>Keepalive</CmdType><SN>1</SN><DeviceID>" + nodeID +
		"</DeviceID><Status>OK</Status></Notify>"
	if got := n.send(ctx, []byte(keepalive)); got != 404 {
		t.Errorf("keepalive of a stranger answered %d, want 404", got)
	}
	n.register(ctx, "3600")
	tests := []struct {
		name, body string
		want       int
	}{
		{"keepalive", keepalive, 200},
		{"no XML", "hello", 400},
		{"strange root", "<Hello><CmdType>Keepalive</CmdType></Hello>", 415},
		{"unknown command", "<Notify><CmdType>Weather</CmdType><SN>1</SN><DeviceID>1</DeviceID></Notify>", 200},
		{"answer to nobody", "<Response><CmdType>DeviceInfo</CmdType><SN>9</SN><DeviceID>1</DeviceID></Response>", 200},
	}
	for _, tt := range tests {
		if got := n.send(ctx, []byte(tt.body)); got != tt.want {
			t.Errorf("%s answered %d, want %d", tt.name, got, tt.want)
		}
	}
	node, err := p.WaitNode(ctx, nodeID)
	if err != nil {
		t.Fatal(err)
	}
	if s := node.State(); s.Keepalives != 1 || s.Status != "OK" || s.LastKeepalive.IsZero() {
		t.Errorf("state %+v, want one keepalive", s)
	}
}

func TestEditDropsAnswers(t *testing.T) {
	dropped := 0
	p := startPlatform(t, Config{Edit: func(r *sipua.Request, res *sipua.Response) bool {
		if r.Method == "REGISTER" {
			res.Code = 423
			return true
		}
		dropped++
		return false
	}})
	n := startNode(t, p, "udp", nil)
	if got := n.register(testContext(t), "60").Code; got != 423 {
		t.Errorf("REGISTER answered %d, want 423", got)
	}
	ctx, cancel := context.WithTimeout(testContext(t), 100*time.Millisecond)
	defer cancel()
	if _, err := n.ep.Do(ctx, n.request("MESSAGE"), n.route); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("MESSAGE got an answer or %v, want silence", err)
	}
}

func item(i int) manscdp.Item {
	return manscdp.Item{
		DeviceID: fmt.Sprintf("3402010000132%07d", i), Name: "东门球机", Manufacturer: "ACME", Model: "IPC",
		Status: "ON",
	}.For(gb28181.Edition2016)
}

// part is a catalog part with items from first to last.
func part(m manscdp.Message, sum, first, last int) *manscdp.CatalogResponse {
	res := &manscdp.CatalogResponse{Header: m.Head().Answer(), SumNum: sum}
	for i := first; i <= last; i++ {
		res.Items = append(res.Items, item(i))
	}
	return res
}

func TestCatalog(t *testing.T) {
	parts := func(sum int, bounds ...int) func(manscdp.Message) []manscdp.Message {
		return func(m manscdp.Message) []manscdp.Message {
			var out []manscdp.Message
			for i := 0; i < len(bounds); i += 2 {
				out = append(out, part(m, sum, bounds[i], bounds[i+1]))
			}
			return out
		}
	}
	tests := []struct {
		name    string
		answers func(manscdp.Message) []manscdp.Message
		items   int
		want    []string
	}{
		{"three parts", parts(5, 1, 2, 3, 4, 5, 5), 5, nil},
		{"none", parts(0, 1, 0), 0, nil},
		{"a hundred parts", parts(100, func() (b []int) {
			for i := 1; i <= 100; i++ {
				b = append(b, i, i)
			}
			return b
		}()...), 100, nil},
		{"item twice", parts(4, 1, 2, 2, 3), 3, []string{
			"item 34020100001320000002 came twice", "SumNum says 4, but 3 different items came",
		}},
		{"part missing", parts(6, 1, 2, 3, 4), 4, []string{"SumNum says 6, but 4 different items came"}},
		{"SumNum too small", parts(3, 1, 2, 3, 4), 4, []string{"SumNum says 3, but 4 different items came"}},
		{"SumNum changes", func(m manscdp.Message) []manscdp.Message {
			return []manscdp.Message{part(m, 4, 1, 2), part(m, 2, 3, 4)}
		}, 4, []string{"SumNum changes from 4 to 2 between parts"}},
		{"another SN", func(m manscdp.Message) []manscdp.Message {
			wrong := part(m, 4, 3, 4)
			wrong.SN = "77"
			return []manscdp.Message{part(m, 4, 1, 2), wrong}
		}, 2, []string{"SumNum says 4, but 2 different items came", "1 answers had another SN than the query"}},
		{"another device", func(m manscdp.Message) []manscdp.Message {
			wrong := part(m, 2, 1, 2)
			wrong.DeviceID = cameraID
			return []manscdp.Message{wrong}
		}, 2, []string{"the answer names " + cameraID + ", the query named " + nodeID}},
		{"item without code", parts(2, 1, 2), 1, []string{
			"an item has no DeviceID", "SumNum says 2, but 1 different items came",
		}},
		{"wrong Num", parts(2, 1, 2), 2, []string{"DeviceList Num says 3, but the part holds 2 items"}},
	}
	rewrites := map[string]func(string) string{
		"item without code": func(s string) string { return strings.Replace(s, item(1).DeviceID, "", 1) },
		"wrong Num":         func(s string) string { return strings.Replace(s, `Num="2"`, `Num="3"`, 1) },
	}
	for _, tt := range tests {
		for _, transport := range []string{"udp", "tcp"} {
			t.Run(tt.name+" "+transport, func(t *testing.T) {
				gap := 300 * time.Millisecond // the wait for what never comes
				if tt.want == nil {
					gap = 20 * time.Second
				}
				p := startPlatform(t, Config{ReplyTimeout: 20 * time.Second, PartGap: gap})
				fake := startNode(t, p, transport, func(n *fakeNode) {
					n.answers = tt.answers
					n.rewrite = rewrites[tt.name]
				})
				ctx := testContext(t)
				fake.register(ctx, "3600")
				n, err := p.WaitNode(ctx, nodeID)
				if err != nil {
					t.Fatal(err)
				}
				got, err := n.CatalogOf(ctx, nodeID)
				if err != nil {
					t.Fatal(err)
				}
				wantFaults(t, got.Faults, tt.want)
				if len(got.Items) != tt.items {
					t.Errorf("%d items, want %d", len(got.Items), tt.items)
				}
				items, err := n.Catalog(ctx)
				if (err == nil) != (tt.want == nil) || len(items) != tt.items {
					t.Errorf("Catalog: %d items, error %v; want %d and %q", len(items), err, tt.items, tt.want)
				}
			})
		}
	}
}

func TestCatalogUnanswered(t *testing.T) {
	for name, change := range map[string]func(*fakeNode){
		"silence": nil,
		"refusal": func(n *fakeNode) { n.code = 404 },
		"wrong SN": func(n *fakeNode) {
			n.answers = func(m manscdp.Message) []manscdp.Message {
				res := part(m, 1, 1, 1)
				res.SN = "0"
				return []manscdp.Message{res}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := startPlatform(t, Config{ReplyTimeout: 150 * time.Millisecond})
			fake := startNode(t, p, "udp", change)
			ctx := testContext(t)
			fake.register(ctx, "3600")
			n, err := p.WaitNode(ctx, nodeID)
			if err != nil {
				t.Fatal(err)
			}
			_, err = n.CatalogOf(ctx, nodeID)
			code, _ := gb28181.StatusOf(err)
			switch name {
			case "silence":
				if !errors.Is(err, errNoAnswer) {
					t.Errorf("error %v, want %v", err, errNoAnswer)
				}
			case "refusal":
				if code != 404 {
					t.Errorf("error %v, want a 404", err)
				}
			case "wrong SN":
				if err == nil || !strings.Contains(err.Error(), "1 answers had another SN") {
					t.Errorf("error %v, want one that names the SN", err)
				}
			}
		})
	}
}

func TestQueries(t *testing.T) {
	const stop = "A50F0100000000B5"
	p := startPlatform(t, Config{ReplyTimeout: 5 * time.Second})
	fake := startNode(t, p, "udp", func(n *fakeNode) {
		n.answers = func(m manscdp.Message) []manscdp.Message {
			switch m.(type) {
			case *manscdp.DeviceInfoQuery:
				return []manscdp.Message{&manscdp.DeviceInfoResponse{
					Header: m.Head().Answer(), DeviceName: "门", Result: "OK", Channel: 3,
				}}
			case *manscdp.DeviceStatusQuery:
				return []manscdp.Message{&manscdp.DeviceStatusResponse{
					Header: m.Head().Answer(), Result: "OK", Online: "ONLINE", Status: "OK",
				}}
			}
			return nil
		}
	})
	ctx := testContext(t)
	fake.register(ctx, "3600")
	n, err := p.WaitNode(ctx, nodeID)
	if err != nil {
		t.Fatal(err)
	}
	info, err := n.DeviceInfo(ctx, "")
	if err != nil || info.DeviceName != "门" || info.Channel != 3 || info.DeviceID != nodeID {
		t.Errorf("DeviceInfo: %+v, %v", info, err)
	}
	status, err := n.DeviceStatus(ctx, cameraID)
	if err != nil || status.Online != "ONLINE" || status.DeviceID != cameraID {
		t.Errorf("DeviceStatus: %+v, %v", status, err)
	}
	if err := n.Control(ctx, cameraID, stop); err != nil {
		t.Errorf("Control: %v", err)
	}
	fake.mu.Lock()
	defer fake.mu.Unlock()
	got, ok := fake.received[len(fake.received)-1].(*manscdp.DeviceControl)
	want := &manscdp.DeviceControl{
		Header: manscdp.Header{CmdType: "DeviceControl", SN: "3", DeviceID: cameraID}, PTZCmd: stop,
	}
	if diff := cmp.Diff(want, got); !ok || diff != "" {
		t.Errorf("control as received (-want +got):\n%s", diff)
	}
}
