package main

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gbgate/cascade/rehearsal"
	"gbgate/cascade/rehearsal/relay"
	"gbgate/gb28181/sipua"
	"gbgate/rtsp/simcam"
)

// The real program on a bad network: between it and the rehearsal platform stands a relay.

const secondPlatform = "34020000002000000002"

func udpRelay(t *testing.T, cfg relay.Config) *relay.UDP {
	t.Helper()
	r, err := relay.ListenUDP(cfg)
	if err != nil {
		t.Fatal(err)
	}
	background(t, r.Run)
	return r
}

func tcpRelay(t *testing.T, cfg relay.Config) *relay.TCP {
	t.Helper()
	r, err := relay.ListenTCP(cfg)
	if err != nil {
		t.Fatal(err)
	}
	background(t, r.Run)
	return r
}

// superiorAt is a [[superior]] at an address; more is further lines of it.
func superiorAt(name, id, address, transport, more string) string {
	return fmt.Sprintf("[[superior]]\nname = %q\nid = %q\naddress = %q\npassword = \"12345678\"\ntransport = %q\n%s\n",
		name, id, address, transport, more)
}

// wire keeps what a platform's sockets saw.
type wire struct {
	mu     sync.Mutex
	events []sipua.Event
}

func (w *wire) trace(e sipua.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, e)
}

// seen returns the messages that hold all the texts, in order, each once however often it was repeated.
func (w *wire) seen(texts ...string) []sipua.Event {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []sipua.Event
	known := make(map[string]bool)
	for _, e := range w.events {
		lacks := slices.ContainsFunc(texts, func(s string) bool { return !strings.Contains(e.Raw, s) })
		if !lacks && !known[e.Raw] {
			known[e.Raw] = true
			out = append(out, e)
		}
	}
	return out
}

// position is the place of an event among all.
func (w *wire) position(t *testing.T, holds func(sipua.Event) bool) int {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	i := slices.IndexFunc(w.events, holds)
	if i < 0 {
		t.Error("a message that must be there is not")
	}
	return i
}

var (
	viaBranch = regexp.MustCompile(`(?i)branch=(z9hG4bK[^;\s]+)`)
	lineOf    = func(raw, header string) string {
		for line := range strings.SplitSeq(raw, "\r\n") {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.EqualFold(name, header) {
				return strings.TrimSpace(value)
			}
		}
		return ""
	}
)

// limited is a context for one step of a test.
func limited(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// manyCameras returns the [[camera]]s of n channels of one camera, and their codes in order.
func manyCameras(n int, url string) (toml string, ids []string) {
	for i := range n {
		id := fmt.Sprintf("3402010000132%07d", i+1)
		ids = append(ids, id)
		toml += cameraTOML(fmt.Sprintf("cam%03d", i+1), id, url, "", "")
	}
	return toml, ids
}

// wantCatalog asks for the catalog and wants exactly these codes, in this order.
func wantCatalog(t *testing.T, n *rehearsal.Node, ids []string) *rehearsal.CatalogResult {
	t.Helper()
	res, err := n.CatalogOf(limited(t, time.Minute), n.ID())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, it := range res.Items {
		got = append(got, it.DeviceID)
	}
	if !res.Complete || len(res.Faults) > 0 || !slices.Equal(got, ids) {
		t.Errorf("catalog: %d of %d items in %d parts, complete %v, in order %v, faults %q",
			len(got), len(ids), res.Parts, res.Complete, slices.Equal(got, ids), res.Faults)
	}
	return res
}

// portFault is what the receiver says of media that a relay or a NAT has given another source port.
const portFault = "media comes from port"

// wantPlay wants a play without a fault or a lost packet; behindRelay: its source port may differ.
func wantPlay(t *testing.T, n *rehearsal.Node, req rehearsal.PlayRequest, behindRelay bool) *rehearsal.PlayResult {
	t.Helper()
	r, err := n.Play(limited(t, time.Minute), req)
	if err != nil {
		t.Errorf("%s: %v", req.Transport, err)
		return nil
	}
	faults := slices.DeleteFunc(r.Faults, func(f string) bool { return behindRelay && strings.Contains(f, portFault) })
	if len(faults) > 0 || r.LostPackets > 0 {
		t.Errorf("%s: %d packets lost, faults %q", req.Transport, r.LostPackets, faults)
	}
	return r
}

// waitNode waits until the platform knows a node to be in a state.
func waitNode(t *testing.T, g *gatewayUnderTest, n *rehearsal.Node, what string, met func(rehearsal.NodeState) bool) {
	t.Helper()
	if err := n.WaitState(limited(t, time.Minute), met); err != nil {
		t.Fatalf("no %s: %v; %+v\n%s", what, err, n.State(), g.output())
	}
}

func noCalls(doc statusDoc) bool { return len(doc.Calls) == 0 }

// 64 channels over UDP with a round trip of 20 ms: whole, in order, in messages that need no fragments, one after the
// other.
func TestNetworkCatalogOverALongWay(t *testing.T) {
	t.Parallel()
	var w wire
	platform := startPlatform(t, rehearsal.Config{Password: "12345678", Trace: w.trace})
	slow := relay.Path{Delay: 10 * time.Millisecond}
	way := udpRelay(t, relay.Config{Target: platform.Addr(), Up: slow, Down: slow})
	cam := startCamera(t, simcam.Config{})
	cameras, ids := manyCameras(64, cam.URL())
	startGateway(t, 0, superiorAt("far", demoPlatform, way.Addr().String(), "udp", "")+cameras)
	n := node(t, platform)
	res := wantCatalog(t, n, ids)

	parts := w.seen("MESSAGE ", "<CmdType>Catalog</CmdType>", "<Response>")
	if len(parts) != res.Parts || res.Parts < 2 {
		t.Errorf("%d messages for %d parts", len(parts), res.Parts)
	}
	var gap time.Duration
	for i, e := range parts {
		if len(e.Raw) > 1300 {
			t.Errorf("part %d is a message of %d bytes", i+1, len(e.Raw))
		}
		if !strings.Contains(e.Raw, "<SumNum>64</SumNum>") {
			t.Errorf("part %d has another SumNum:\n%s", i+1, e.Raw)
		}
		if i == 0 {
			continue
		}
		gap = max(gap, e.Time.Sub(parts[i-1].Time))
		branch := viaBranch.FindString(parts[i-1].Raw)
		answered := w.position(t, func(a sipua.Event) bool { return a.Out && strings.Contains(a.Raw, branch) })
		came := w.position(t, func(a sipua.Event) bool { return a.Raw == e.Raw })
		if answered > came {
			t.Errorf("part %d was sent before part %d had its answer", i+1, i)
		}
	}
	t.Logf("64 channels in %d parts: the first after %v, the last after %v, longest gap %v",
		res.Parts, res.FirstPart.Round(time.Millisecond), res.Whole.Round(time.Millisecond), gap.Round(time.Millisecond))
}

// A twentieth of all SIP datagrams is lost, both ways: retransmission brings everything home.
func TestNetworkLoss(t *testing.T) {
	t.Parallel()
	testThroughBadUDP(t, relay.Path{Loss: 0.05, Delay: time.Millisecond}, func(s relay.Stats) bool { return s.Lost > 0 })
}

// Every datagram comes twice, and a third of them after their own retransmission.
func TestNetworkDuplicatesAndDisorder(t *testing.T) {
	t.Parallel()
	testThroughBadUDP(t, relay.Path{Duplicate: 1, Reorder: 0.3, Late: 700 * time.Millisecond},
		func(s relay.Stats) bool { return s.Duplicated > 0 && s.Reordered > 0 })
}

// testThroughBadUDP registers, asks for the catalog, plays and controls until the relay has done its worst in both
// directions.
func testThroughBadUDP(t *testing.T, path relay.Path, happened func(relay.Stats) bool) {
	var w wire
	platform := startPlatform(t, rehearsal.Config{Password: "12345678", Trace: w.trace, PartGap: 20 * time.Second})
	way := udpRelay(t, relay.Config{Target: platform.Addr(), Up: path, Down: path, Seed: 11})
	cam := startCamera(t, simcam.Config{})
	cameras, ids := manyCameras(20, cam.URL())
	g := startGateway(t, 0, superiorAt("bad", demoPlatform, way.Addr().String(), "udp", `register_retry = "2s"`)+cameras)
	n := node(t, platform)

	var calls int
	for round := 0; ; round++ {
		res, err := n.CatalogOf(limited(t, time.Minute), n.ID())
		if err != nil {
			t.Fatal(err)
		}
		if !res.Complete || len(res.Faults) > 0 {
			t.Errorf("catalog: %d items of %d, faults %q", len(res.Items), len(ids), res.Faults)
		}
		for _, transport := range []string{"udp", "tcp-passive", "tcp-active"} {
			wantPlay(t, n, rehearsal.PlayRequest{Channel: ids[0], Transport: transport, Pictures: 2}, false)
			calls++
		}
		if err := n.Control(limited(t, time.Minute), ids[0], "A50F010800000000"); err != nil {
			t.Log("control: ", err) // there is no PTZ to control
		}
		g.status(t, "end of the calls", noCalls)
		if up, down := way.Stats(); round >= 2 && happened(up) && happened(down) {
			t.Logf("%d rounds; up %+v, down %+v", round+1, up, down)
			break
		}
	}
	// Repeats are answered, not obeyed: each call was one, each registration one.
	if got := len(w.seen("SIP/2.0 200", "INVITE", "m=video")); got != calls {
		t.Errorf("%d answers for %d calls", got, calls)
	}
	if s := n.State(); s.Registrations != 1 {
		t.Errorf("%d registrations, want one", s.Registrations)
	}
	if code := g.terminate(t); code != exitGood {
		t.Errorf("exit %d", code)
	}
	waitNode(t, g, n, "unregistration", func(s rehearsal.NodeState) bool { return !s.Registered })
}

// One of two platforms vanishes: its call ends, three keepalives are sent in vain, then it is tried again and again;
// the other one's picture has no flaw meanwhile. When the platform is back, so is the registration.
func TestNetworkBlackHole(t *testing.T) {
	t.Parallel()
	cam := startCamera(t, simcam.Config{})
	lost := startPlatform(t, rehearsal.Config{Password: "12345678"})
	kept, err := rehearsal.Listen(rehearsal.Config{ID: secondPlatform, Password: "12345678"})
	if err != nil {
		t.Fatal(err)
	}
	background(t, kept.Run)
	hole := udpRelay(t, relay.Config{Target: lost.Addr()})
	short := "keepalive_interval = \"5s\"\nregister_retry = \"2s\""
	g := startGateway(t, 0, superiorAt("lost", demoPlatform, hole.Addr().String(), "udp", short)+
		superiorAt("kept", secondPlatform, kept.Addr().String(), "udp", short)+
		cameraTOML("gate", channelID, cam.URL(), "", ""))
	n, other := node(t, lost), node(t, kept)

	stop, cancel := context.WithCancel(t.Context())
	var plays sync.WaitGroup
	defer plays.Wait()
	defer cancel()
	ended := make(chan error, 1)
	endless := rehearsal.PlayRequest{Channel: channelID, Transport: "udp", Duration: time.Hour, Timeout: 5 * time.Second}
	plays.Go(func() {
		_, err := n.Play(stop, endless)
		ended <- err
	})
	undisturbed := make(chan *rehearsal.PlayResult, 1)
	plays.Go(func() {
		r, _ := other.Play(stop, endless)
		undisturbed <- r
	})
	g.status(t, "two calls", func(doc statusDoc) bool { return len(doc.Calls) == 2 })
	waitNode(t, g, n, "keepalive", func(s rehearsal.NodeState) bool { return s.Keepalives > 0 })

	var sent sentInVain
	hole.Off(true)
	hole.Impair(relay.Path{Drop: sent.note}, relay.Path{})
	doc := g.status(t, "loss of the platform", func(doc statusDoc) bool { return doc.Superiors[0].State != "online" })
	if doc.Superiors[1].State != "online" || doc.Superiors[0].Verdict != bad {
		t.Errorf("superiors: %+v", doc.Superiors)
	}
	doc = g.status(t, "end of its call", func(doc statusDoc) bool { return len(doc.Calls) == 1 })
	if doc.Calls[0].Superior != "kept" {
		t.Errorf("the wrong call ended: %+v", doc.Calls)
	}
	if err := <-ended; err == nil {
		t.Error("the platform's play ended without an error")
	}
	g.status(t, "a second attempt", func(statusDoc) bool { return sent.registrations() >= 2 })
	if got := sent.keepalivesFirst(); got != 3 {
		t.Errorf("%d keepalives were lost before the new registration, want 3", got)
	}

	before := n.State().Registrations
	back := time.Now()
	hole.Impair(relay.Path{}, relay.Path{})
	hole.Off(false)
	waitNode(t, g, n, "registration", func(s rehearsal.NodeState) bool { return s.Registrations > before })
	t.Logf("registered again %v after the platform was back", time.Since(back).Round(time.Millisecond))
	g.status(t, "registration", online)
	wantPlay(t, n, rehearsal.PlayRequest{Channel: channelID, Transport: "udp"}, false)
	cancel()
	if r := <-undisturbed; r == nil || len(r.Faults) > 0 || r.LostPackets > 0 || r.HungUp {
		t.Errorf("the other platform's play: %+v", r)
	}
	if got := other.State().Registrations; got != 1 {
		t.Errorf("the other platform saw %d registrations, want 1", got)
	}
}

// sentInVain reads what a black hole swallows.
type sentInVain struct {
	mu       sync.Mutex
	requests []string // REGISTER or KEEPALIVE, without repeats
	known    map[string]bool
}

func (s *sentInVain) note(_ uint64, b []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := string(b)
	branch := viaBranch.FindString(text)
	if s.known[branch] {
		return false
	}
	if s.known == nil {
		s.known = make(map[string]bool)
	}
	s.known[branch] = true
	switch {
	case strings.HasPrefix(text, "REGISTER "):
		s.requests = append(s.requests, "REGISTER")
	case strings.Contains(text, "<CmdType>Keepalive</CmdType>"):
		s.requests = append(s.requests, "KEEPALIVE")
	}
	return false
}

func (s *sentInVain) registrations() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.requests {
		if r == "REGISTER" {
			n++
		}
	}
	return n
}

// keepalivesFirst is how many keepalives stand before the first REGISTER.
func (s *sentInVain) keepalivesFirst() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Index(s.requests, "REGISTER")
}

// The TCP connection to the platform is reset: we register again at once, long before any timer.
func TestNetworkTCPReset(t *testing.T) {
	t.Parallel()
	platform := startPlatform(t, rehearsal.Config{Password: "12345678"})
	way := tcpRelay(t, relay.Config{Target: platform.Addr(), Up: relay.Path{Segment: 100}, Down: relay.Path{Segment: 100}})
	cam := startCamera(t, simcam.Config{})
	cameras, ids := manyCameras(20, cam.URL())
	g := startGateway(t, 0, superiorAt("above", demoPlatform, way.Addr().String(), "tcp",
		"keepalive_interval = \"5m\"\nregister_retry = \"10m\"")+cameras)
	n := node(t, platform)
	wantCatalog(t, n, ids) // from messages cut into pieces of 100 bytes
	for range 2 {
		before := n.State().Registrations
		if got := way.Reset(); got != 1 {
			t.Errorf("%d connections, want one", got)
		}
		reset := time.Now()
		waitNode(t, g, n, "registration", func(s rehearsal.NodeState) bool {
			return s.Registered && s.Registrations > before
		})
		t.Logf("registered again after %v", time.Since(reset).Round(time.Millisecond))
		wantCatalog(t, n, ids)
		wantPlay(t, n, rehearsal.PlayRequest{Channel: ids[0], Transport: "udp"}, false)
	}
	g.status(t, "registration", online)
}

// The platform has lost the TCP connection and we know nothing of it: keepalives go unanswered, then a new connection
// is made.
func TestNetworkTCPHalfOpen(t *testing.T) {
	t.Parallel()
	platform := startPlatform(t, rehearsal.Config{Password: "12345678"})
	way := tcpRelay(t, relay.Config{Target: platform.Addr()})
	g := startGateway(t, 0, superiorAt("above", demoPlatform, way.Addr().String(), "tcp",
		"keepalive_interval = \"5s\"\nregister_retry = \"2s\""))
	n := node(t, platform)
	g.status(t, "registration", online)
	before := n.State()
	if got := way.HalfOpen(); got != 1 {
		t.Errorf("%d connections, want one", got)
	}
	waitNode(t, g, n, "registration", func(s rehearsal.NodeState) bool {
		return s.Registered && s.Registrations > before.Registrations
	})
	if s := n.State(); s.Source == before.Source {
		t.Errorf("registered over the old connection from %v", s.Source)
	}
	g.status(t, "registration", online)
	wantCatalog(t, n, nil)
}
