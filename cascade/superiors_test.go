package cascade

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"gbgate/gb28181/manscdp"
	"gbgate/gb28181/sipua"
)

// many is one gateway below several superiors.
type many struct {
	t      *testing.T
	ua     *sipua.Endpoint
	router *Router
	all    []*Platform
}

func newMany(t *testing.T) *many {
	t.Helper()
	m := &many{t: t}
	var err error
	m.ua, err = sipua.Listen(sipua.Config{
		Listen: "127.0.0.1:0", MaxConcurrent: 1024,
	})
	if err != nil {
		t.Fatal(err)
	}
	m.router = NewRouter(m.ua)
	end := run(t, m.ua.Run)
	t.Cleanup(end)
	return m
}

// below puts the gateway below a superior at address.
func (m *many) below(cfg Config, site Site, h MediaHandler) *Platform {
	cfg.Password = password
	if cfg.Timers == (Timers{}) {
		cfg.Timers = shortNotify()
		// Many nodes of one machine that may be busy with others, too: only silence is to count, not slowness.
		cfg.Timers.Reply, cfg.Timers.ACK, cfg.Timers.PartTimeout = waitFor, waitFor, waitFor
	}
	p := NewPlatform(cfg, m.ua, site, h)
	m.router.Add(p)
	m.all = append(m.all, p)
	end := run(m.t, p.Run)
	m.t.Cleanup(end)
	return p
}

// platformAbove runs a superior of its own ID.
func (m *many) platformAbove(id string) *superior {
	s := newSuperior(m.t)
	s.as = id
	end := run(m.t, s.ua.Run)
	m.t.Cleanup(end)
	return s
}

func TestThirtyTwoSuperiors(t *testing.T) {
	const total = 32
	m, calls := newMany(t), newMedia()
	site := &testSite{items: cameras(20, false)}
	var above []*superior
	for i := range total {
		id := fmt.Sprintf("34020000002000000%03d", i+1)
		s := m.platformAbove(id)
		above = append(above, s)
		m.below(Config{
			Name: id, ID: id, NodeID: fmt.Sprintf("34020100002000000%03d", i+1), Address: s.ua.Addr().String(),
			Transport: transports[i%2], Version: []string{"2016", "2022"}[i/2%2],
		}, site, calls)
	}
	for _, s := range above {
		await(t, "registration", s.registered)
	}
	var work sync.WaitGroup
	for i, s := range above {
		work.Go(func() {
			node := m.all[i].cfg.NodeID
			// Everyone asks for everything, watches the same camera with the same SSRC, and subscribes.
			if got := s.ask(node, query("Catalog", "1", node)); got != 200 {
				t.Errorf("superior %d: MESSAGE = %d", i, got)
			}
			if got := s.do(s.subscribingAt(node)).Code; got != 200 {
				t.Errorf("superior %d: SUBSCRIBE = %d", i, got)
			}
			if got := s.call(s.invitation(gateID, "", offer("0200000001"))).Code; got != 200 {
				t.Errorf("superior %d: INVITE = %d", i, got)
			}
		})
	}
	work.Wait()
	for i, s := range above {
		node := m.all[i].cfg.NodeID
		items := make(map[string]bool)
		s.await("catalog", func() bool {
			for _, msg := range s.messages {
				if r, ok := msg.(*manscdp.CatalogResponse); ok && r.DeviceID == node {
					for _, it := range r.Items {
						items[it.DeviceID] = true
					}
				}
			}
			return len(items) == 20
		})
		await(t, "call", calls.answered)
	}
	for i, p := range m.all {
		eventually(t, "all is well", func() bool {
			st := p.Status()
			return st.State == Online && len(st.Calls) == 1 && st.Calls[0].SSRC == "0200000001" && len(st.Subscriptions) == 1
		})
		p.Publish(off(gateID))
		if n := await(t, "NOTIFY", above[i].notifies); n.From.URI.User != p.cfg.NodeID {
			t.Errorf("NOTIFY from %s, want %s", n.From.URI.User, p.cfg.NodeID)
		}
	}
}

func (s *superior) subscribingAt(node string) *sipua.Request {
	r := s.subscribing(node, "Catalog", "600", catalogQuery(node))
	r.URI.User, r.To.URI.User = node, node
	return r
}

// TestTwoIdentitiesOnTheWire registers two nodes with other channels at one superior.
func TestTwoIdentitiesOnTheWire(t *testing.T) {
	const second = "34020100002000000002"
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			m, first, other := newMany(t), newMedia(), newMedia()
			s := m.platformAbove(superiorID)
			for id, h := range map[string]*media{nodeID: first, second: other} {
				site := &testSite{known: []string{gateID}, items: cameras(1, false)}
				if id == second {
					site = &testSite{known: []string{yardID}, items: cameras(3, false)}
				}
				m.below(Config{ID: superiorID, NodeID: id, Address: s.ua.Addr().String(), Transport: transport}, site, h)
			}
			await(t, "registration", s.registered)
			await(t, "second registration", s.registered)
			for node, items := range map[string]int{nodeID: 1, second: 3} {
				sn := node[18:] + "7"
				if got := s.ask(node, query("Catalog", sn, node)); got != 200 {
					t.Errorf("MESSAGE to %s = %d, want 200", node, got)
				}
				r, ok := s.responses(sn, 1)[0].(*manscdp.CatalogResponse)
				if !ok || r.SumNum != items || r.DeviceID != node {
					t.Errorf("catalog of %s = %+v, want %d items", node, r, items)
				}
			}
			for channel, h := range map[string]*media{gateID: first, yardID: other} {
				if got := s.call(s.invitation(channel, "", offer("0200000001"))).Code; got != 200 {
					t.Errorf("INVITE %s = %d, want 200", channel, got)
				}
				if c := await(t, "call", h.answered); c.Channel() != channel {
					t.Errorf("call of %s, want %s", c.Channel(), channel)
				}
			}
		})
	}
}

// TestDeadSuperiorsDisturbNobody puts a superior that works beside three kinds that do not.
func TestDeadSuperiorsDisturbNobody(t *testing.T) {
	silent, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	flapping, flaps := flappingTCP(t)
	// Where a connection comes from nobody listens, and no other test's socket can either.
	anybody, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer anybody.Close()
	refusing, err := net.Dial("tcp4", anybody.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer refusing.Close()

	m, calls := newMany(t), newMedia()
	timers := shortTimers()
	timers.Reply = 100 * time.Millisecond
	timers.Leave = 200 * time.Millisecond
	dead := map[string]*Platform{}
	for name, cfg := range map[string]Config{
		"silent":   {ID: "34020000002000000101", Address: silent.LocalAddr().String()},
		"refusing": {ID: "34020000002000000102", Address: refusing.LocalAddr().String(), Transport: "tcp"},
		"flapping": {ID: "34020000002000000103", Address: flapping, Transport: "tcp"},
	} {
		cfg.Name, cfg.NodeID, cfg.RegisterRetry, cfg.Timers = name, nodeID, 120*time.Millisecond, timers
		dead[name] = m.below(cfg, &testSite{}, calls)
	}
	s := m.platformAbove(superiorID)
	p := m.below(Config{
		ID: superiorID, NodeID: nodeID, Address: s.ua.Addr().String(), Transport: "tcp",
		KeepaliveInterval: 500 * time.Millisecond, KeepaliveMax: 100, // each is given up at the next one
	}, &testSite{items: cameras(20, false)}, calls)
	await(t, "registration", s.registered)
	if got := s.call(s.invitation(gateID, "", offer("0200000001"))).Code; got != 200 {
		t.Fatalf("INVITE = %d, want 200", got)
	}
	await(t, "call", calls.answered)
	for range 3 {
		await(t, "flapping connection", flaps)
	}
	for i := range 20 {
		sn := fmt.Sprint(100 + i)
		if got := s.ask(nodeID, query("Catalog", sn, nodeID)); got != 200 {
			t.Fatalf("MESSAGE %d = %d, want 200", i, got)
		}
		s.responses(sn, 1)
	}
	for name, d := range dead {
		eventually(t, name+" is told", func() bool { return d.Status().LastError != "" })
		if st := d.Status(); st.State.registered() {
			t.Errorf("%s: %v, want it offline", name, st.State)
		}
	}
	st := p.Status()
	if st.State != Online || st.LastError != "" || len(st.Calls) != 1 || len(s.registered) != 0 {
		t.Errorf("the living superior: %v, %q, %d calls", st.State, st.LastError, len(st.Calls))
	}
}

// flappingTCP takes connections and closes them at the first byte.
func flappingTCP(t *testing.T) (address string, flaps <-chan struct{}) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	seen := make(chan struct{}, 1000)
	var work sync.WaitGroup
	work.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.SetReadDeadline(time.Now().Add(waitFor))
			_, _ = c.Read(make([]byte, 1))
			_ = c.Close()
			seen <- struct{}{}
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		work.Wait()
	})
	return l.Addr().String(), seen
}

// TestRemovedSuperior is a stranger.
func TestRemovedSuperior(t *testing.T) {
	m := newMany(t)
	s := m.platformAbove(superiorID)
	p := m.below(Config{ID: superiorID, NodeID: nodeID, Address: s.ua.Addr().String()}, &testSite{}, newMedia())
	await(t, "registration", s.registered)
	m.router.Remove(p)
	r := s.request("MESSAGE", nodeID)
	r.ContentType, r.Body = typeMANSCDP, []byte(query("DeviceInfo", "1", nodeID))
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if res, err := s.ua.Do(ctx, r, s.route()); err == nil {
		t.Errorf("MESSAGE = %d, want no answer", res.Code)
	}
}
