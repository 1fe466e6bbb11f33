package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gbgate/cascade/rehearsal"
	"gbgate/gb28181/sipua"
)

// The conformance tests run the real program below our rehearsal platform, each in its own process on its own ports.
// They are named after the lines of the list that an acceptance suite for a lower-level node goes through:
// registration, keepalive, dirty XML, catalog, queries, controls, PTZ, INVITE, subscriptions, several superiors.

// tape keeps what passed the platform's sockets.
type tape struct {
	mu     sync.Mutex
	events []sipua.Event
}

func (r *tape) add(e sipua.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

// in lists the messages that the node sent and that hold every one of the words, each once: what was not answered in
// time is sent again to the byte, which a busy machine must not turn into a fault.
func (r *tape) in(words ...string) []sipua.Event {
	seen := map[string]bool{}
	return slices.DeleteFunc(r.pick(false, words), func(e sipua.Event) bool {
		again := seen[e.Raw]
		seen[e.Raw] = true
		return again
	})
}

func (r *tape) pick(out bool, words []string) []sipua.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found []sipua.Event
next:
	for _, e := range r.events {
		if e.Out != out {
			continue
		}
		for _, w := range words {
			if !strings.Contains(e.Raw, w) {
				continue next
			}
		}
		found = append(found, e)
	}
	return found
}

// header is the value of a header in a message's text.
func header(raw, name string) string {
	head, _, _ := strings.Cut(raw, "\r\n\r\n")
	for line := range strings.SplitSeq(head, "\r\n") {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.EqualFold(strings.TrimSpace(k), name) {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// rig is a platform with the program below it.
type rig struct {
	platform *rehearsal.Platform
	gateway  *gatewayUnderTest
	node     *rehearsal.Node
	tape     *tape
	port     int // of the program's SIP sockets, when the node is registered
}

// setup is what a rig is made of.
type setup struct {
	platform  rehearsal.Config
	transport string // SIP; empty: udp
	password  string
	superior  string // further keys of [[superior]]
	compat    string // keys of [superior.compat]
	rest      string // cameras and groups
	noNode    bool   // the node is not expected to register
}

// rigConfig is the program's list of superiors and cameras.
func (s setup) rigConfig(p *rehearsal.Platform) string {
	if s.transport == "" {
		s.transport = "udp"
	}
	text := superiorTOML(p, s.password, s.transport) + s.superior
	if s.compat != "" {
		text += "[superior.compat]\n" + s.compat
	}
	return text + s.rest
}

func newRig(t *testing.T, s setup) *rig {
	t.Helper()
	r := &rig{tape: &tape{}}
	if s.platform.Trace == nil {
		s.platform.Trace = r.tape.add
	}
	if s.platform.Password == "" {
		s.platform.Password = s.password
	}
	r.platform = startPlatform(t, s.platform)
	r.gateway = startGateway(t, freePort(t), s.rigConfig(r.platform))
	if s.noNode {
		return r
	}
	r.node = node(t, r.platform)
	if s.platform.Version != "" {
		// The platform knows the node before the node has read the platform's edition in the 200.
		r.gateway.status(t, "registration", online)
	}
	contact := r.node.State().Contact
	if _, err := fmt.Sscanf(contact, "sip:"+demoNode+"@127.0.0.1:%d", &r.port); err != nil {
		t.Fatalf("the node's Contact is %s: %v", contact, err)
	}
	return r
}

// reload gives the running program another configuration.
func (r *rig) reload(t *testing.T, change func(string) string) {
	t.Helper()
	text, err := os.ReadFile(r.gateway.config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(r.gateway.config, []byte(change(string(text))), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.gateway.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
}

// running runs f until the function it returns is called, or the test ends.
func running(t *testing.T, f func(context.Context) error) func() {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = f(ctx) }()
	end := sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(end)
	return end
}

// sip is the program's SIP address.
func (r *rig) sip() netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(r.port))
}

// soon is a context for what has to happen without any timer that runs longer.
func soon(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// eventually waits until met holds.
func eventually(t *testing.T, d time.Duration, what string, met func() bool) {
	t.Helper()
	deadline := time.Now().Add(d)
	for !met() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", d, what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// overBoth runs a test with SIP over UDP and over TCP, side by side.
func overBoth(t *testing.T, f func(t *testing.T, transport string)) {
	t.Helper()
	together(t, map[string]func(*testing.T){
		"udp": func(t *testing.T) { f(t, "udp") },
		"tcp": func(t *testing.T) { f(t, "tcp") },
	})
}

// together runs tests side by side however few may run in parallel: they wait more than they work.
func together(t *testing.T, tests map[string]func(*testing.T)) {
	t.Helper()
	var all sync.WaitGroup
	for name, f := range tests {
		all.Go(func() { t.Run(name, f) })
	}
	all.Wait()
}

// The tests that wait for a clock.
func TestLinesThatWait(t *testing.T) {
	t.Parallel()
	together(t, map[string]func(*testing.T){
		"line 1 refused":                line1Refused,
		"line 1 forbidden":              line1Forbidden,
		"line 1 no answer":              line1NoAnswer,
		"line 1 refresh":                line1Refresh,
		"line 2 keepalive":              line2Keepalive,
		"line 2 three losses":           line2ThreeLosses,
		"line 2 forgotten":              line2Forgotten,
		"line 2 platform restarts":      line2PlatformRestarts,
		"line 2 BasicParam":             line2BasicParamChangesTheInterval,
		"line 11 catalog on and off":    line11CatalogOnOff,
		"line 11 NOTIFY answered 481":   line11Answered481,
		"line 11 expires":               line11Expires,
		"line 11 mobile position":       line11MobilePosition,
		"line 11 adopted after restart": line11Adopted,
		"line 11 catalog changes":       line11CatalogChanges,
	})
}

// noFaults fails the test for each broken rule.
func noFaults(t *testing.T, what string, faults []string) {
	t.Helper()
	for _, f := range faults {
		t.Errorf("%s: %s", what, f)
	}
}

// gate counts how often something happened and tells the first times.
type gate struct{ seen atomic.Int32 }

func (g *gate) first(n int32) bool { return g.seen.Add(1) <= n }

// offCameras are cameras that nobody answers for, the first with the serial number given.
func offCameras(n, first int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(cameraTOML(fmt.Sprintf("cam%03d", first+i), fmt.Sprintf("3402010000132%07d", first+i),
			fmt.Sprintf("rtsp://127.0.0.1:1/%d", i), "", ""))
	}
	return b.String()
}
