package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"gbgate/cascade/rehearsal"
	"gbgate/rtsp/simcam"
)

// The real program on networks of its own: addresses, routes, names and NAT as a site has them. The test process
// itself moves into a network namespace and is the world outside; the gateway runs in another one. Both have private
// mounts, so that nothing is left on the machine, however a test ends.

const (
	namespaceProgram = "GBGATE_TEST_NAMESPACE_PROGRAM" // environment: where the process inside finds gbgate
	gatewayNS        = "gateway"
	routerNS         = "router"
)

// inNamespace tells whether the test runs in a namespace of its own. If not, it runs it there, in a new process, and
// the caller has nothing more to do.
func inNamespace(t *testing.T) bool {
	t.Helper()
	if path := os.Getenv(namespaceProgram); path != "" {
		buildProgram = func() (string, error) { return path, nil }
		enterNamespace(t)
		return true
	}
	if os.Geteuid() != 0 {
		t.Fatal("this test makes network namespaces, which only root can: run the tests as root")
	}
	needTool(t, "ip", "iproute2")
	t.Parallel()
	path := filepath.Join(t.TempDir(), "gbgate")
	if err := os.Symlink(program(t), path); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=5m")
	cmd.Env = append(os.Environ(), namespaceProgram+"="+path)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Unshareflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL,
	}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, syscall.EPERM) {
		t.Fatalf("this test makes network namespaces, which this container forbids: %v", err)
	}
	t.Logf("%s", out)
	if err != nil {
		t.Errorf("the test inside: %v", err)
	}
	return false
}

// enterNamespace makes the world outside and the namespace of the gateway.
func enterNamespace(t *testing.T) {
	t.Helper()
	if err := os.MkdirAll("/run/netns", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", "/run/netns", "tmpfs", 0, ""); err != nil { // names of ours alone
		t.Fatal(err)
	}
	sh(t, "ip link set lo up")
	addNamespace(t, gatewayNS)
}

func addNamespace(t *testing.T, name string) {
	t.Helper()
	sh(t, "ip netns add "+name)
	sh(t, "ip -n "+name+" link set lo up")
}

// sh runs commands, one a line.
func sh(t *testing.T, commands string) {
	t.Helper()
	for line := range strings.Lines(commands) {
		if args := strings.Fields(line); len(args) > 0 {
			if out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput(); err != nil {
				t.Fatalf("%s: %v: %s", strings.TrimSpace(line), err, out)
			}
		}
	}
}

// cable joins two network cards, each given as namespace, name and address with prefix; the empty namespace is the
// world outside.
func cable(t *testing.T, ns1, card1, addr1, ns2, card2, addr2 string) {
	t.Helper()
	in := func(ns string) string {
		if ns == "" {
			return "ip "
		}
		return "ip -n " + ns + " "
	}
	peer := "peer name " + card2
	if ns2 != "" {
		peer += " netns " + ns2
	}
	sh(t, in(ns1)+"link add "+card1+" type veth "+peer)
	for _, end := range [][3]string{{ns1, card1, addr1}, {ns2, card2, addr2}} {
		sh(t, in(end[0])+"addr add "+end[2]+" dev "+end[1])
		sh(t, in(end[0])+"link set "+end[1]+" up")
	}
}

// siteGateway runs the gateway in its namespace; lists are its cameras and superiors.
func siteGateway(t *testing.T, mediaPorts, lists string) *gatewayUnderTest {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "config.toml")
	text := fmt.Sprintf(`
[gateway]
id = "34020100002000000001"
sip_listen = "0.0.0.0:5060"
media_ports = %q
state_dir = %q
log_level = "debug"
[admin]
listen = ""
%s`, mediaPorts, filepath.Join(dir, "state"), lists)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	// ip becomes the program, so that signals reach it.
	return &gatewayUnderTest{start(t, "ip", "netns", "exec", gatewayNS, program(t), "run", "-c", file), file}
}

// platformAt runs a platform at an address until the test or the returned function ends it.
func platformAt(t *testing.T, id, listen string, w *wire) (*rehearsal.Platform, func()) {
	t.Helper()
	p, err := rehearsal.Listen(rehearsal.Config{ID: id, Password: "12345678", Listen: listen, Trace: w.trace})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = p.Run(ctx) }()
	stop := func() { cancel(); <-done }
	t.Cleanup(stop)
	return p, stop
}

// siteCamera is a camera on a card of its own, which no test takes away.
func siteCamera(t *testing.T) (url string) {
	t.Helper()
	cable(t, "", "cam0", "192.168.8.1/24", gatewayNS, "cam1", "192.168.8.2/24")
	return startCamera(t, simcam.Config{Listen: "192.168.8.1:0"}).URL()
}

const shortTimers = "keepalive_interval = \"5s\"\nregister_retry = \"2s\""

// registeredFrom waits for a registration that is not the one before, and wants every address in it to be this one.
func registeredFrom(t *testing.T, g *gatewayUnderTest, n *rehearsal.Node, w *wire, after int, host string) {
	t.Helper()
	waitNode(t, g, n, "registration from "+host, func(s rehearsal.NodeState) bool {
		return s.Registered && s.Registrations > after && s.Source.Addr().String() == host
	})
	s := n.State()
	if !strings.Contains(s.Contact, "@"+host+":5060") {
		t.Errorf("registered from %v with the Contact %s, want %s:5060", s.Source, s.Contact, host)
	}
	all := w.seen("REGISTER sip:")
	if via := lineOf(all[len(all)-1].Raw, "Via"); !strings.Contains(via, " "+host+":5060") {
		t.Errorf("registered from %v with the Via %s, want %s:5060", s.Source, via, host)
	}
}

// wantMediaAt plays over the transports and wants o=, c= and Contact of each answer to be this address.
func wantMediaAt(t *testing.T, n *rehearsal.Node, w *wire, host string, transports ...string) {
	t.Helper()
	for _, transport := range transports {
		r := wantPlay(t, n, rehearsal.PlayRequest{Channel: channelID, Transport: transport, Pictures: 5}, false)
		if r == nil {
			continue
		}
		for _, want := range []string{"c=IN IP4 " + host + "\r\n", "o=" + channelID + " 0 0 IN IP4 " + host + "\r\n"} {
			if !strings.Contains(r.AnswerSDP, want) {
				t.Errorf("%s: no %q in the answer:\n%s", transport, want, r.AnswerSDP)
			}
		}
		answers := w.seen("SIP/2.0 200", "INVITE", "m=video")
		if contact := lineOf(answers[len(answers)-1].Raw, "Contact"); !strings.Contains(contact, "@"+host+":5060") {
			t.Errorf("%s: the answer's Contact is %s, want %s:5060", transport, contact, host)
		}
	}
}

var allTransports = []string{rehearsal.UDP, rehearsal.TCPPassive, rehearsal.TCPActive}

// Two network cards with a platform behind each: all that one of them reads are addresses on its side.
func TestNetworkTwoCards(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	cable(t, "", "east0", "10.81.1.1/24", gatewayNS, "east1", "10.81.1.2/24")
	cable(t, "", "west0", "10.82.1.1/24", gatewayNS, "west1", "10.82.1.2/24")
	// The second platform is not on the card's own network but behind a router there.
	sh(t, `ip addr add 10.99.0.1/32 dev lo
		ip -n gateway route add 10.99.0.0/16 via 10.82.1.1`)
	url := siteCamera(t)
	var east, west wire
	first, _ := platformAt(t, demoPlatform, "10.81.1.1:5060", &east)
	second, _ := platformAt(t, secondPlatform, "10.99.0.1:5060", &west)
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			g := siteGateway(t, "0", superiorAt("east", demoPlatform, "10.81.1.1:5060", transport, "")+
				superiorAt("west", secondPlatform, "10.99.0.1:5060", transport, "")+
				cameraTOML("gate", channelID, url, "", ""))
			for _, c := range []struct {
				platform *rehearsal.Platform
				wire     *wire
				host     string
			}{{first, &east, "10.81.1.2"}, {second, &west, "10.82.1.2"}} {
				n := node(t, c.platform)
				registeredFrom(t, g, n, c.wire, 0, c.host)
				wantCatalog(t, n, []string{channelID})
				wantMediaAt(t, n, c.wire, c.host, allTransports...)
			}
			if code := g.terminate(t); code != exitGood {
				t.Errorf("exit %d", code)
			}
		})
	}
	wantNoTraceOf(t, &east, "10.82.1.2")
	wantNoTraceOf(t, &west, "10.81.1.2")
}

// wantNoTraceOf wants an address to stand nowhere in what the gateway sent.
func wantNoTraceOf(t *testing.T, w *wire, host string) {
	t.Helper()
	for _, e := range w.seen(host) {
		if !e.Out {
			t.Errorf("%s is told to the other platform:\n%s", host, e.Raw)
		}
	}
}

// The address of the card to the platform changes, as by DHCP or on a mobile network: with the new one there at once,
// and after a while without any.
func TestNetworkAddressChange(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	cable(t, "", "wan0", "10.81.1.1/24", gatewayNS, "wan1", "10.81.1.2/24")
	url := siteCamera(t)
	var w wire
	platform, _ := platformAt(t, demoPlatform, "10.81.1.1:5060", &w)
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			sh(t, `ip -n gateway addr flush dev wan1
				ip -n gateway addr add 10.81.1.2/24 dev wan1`)
			g := siteGateway(t, "0", superiorAt("above", demoPlatform, "10.81.1.1:5060", transport, shortTimers)+
				cameraTOML("gate", channelID, url, "", ""))
			n := node(t, platform)
			registeredFrom(t, g, n, &w, 0, "10.81.1.2")
			g.status(t, "registration", online)

			count := n.State().Registrations
			sh(t, `ip -n gateway addr add 10.81.1.3/24 dev wan1
				ip -n gateway addr del 10.81.1.2/24 dev wan1`)
			// The kernel drops the second address of a network with the first one.
			sh(t, "ip -n gateway addr replace 10.81.1.3/24 dev wan1")
			registeredFrom(t, g, n, &w, count, "10.81.1.3")
			g.status(t, "registration", online)
			wantMediaAt(t, n, &w, "10.81.1.3", allTransports...)

			count = n.State().Registrations
			sh(t, "ip -n gateway addr flush dev wan1")
			g.status(t, "loss of the platform", func(doc statusDoc) bool { return !online(doc) })
			sh(t, "ip -n gateway addr add 10.81.1.4/24 dev wan1")
			registeredFrom(t, g, n, &w, count, "10.81.1.4")
			g.status(t, "registration", online)
			wantMediaAt(t, n, &w, "10.81.1.4", allTransports...)
			if code := g.terminate(t); code != exitGood {
				t.Errorf("exit %d", code)
			}
		})
	}
}

// The platform's address is a name: it is looked up again for each registration, so that a platform that moved, or a
// name that was not there at first, is found.
func TestNetworkName(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	cable(t, "", "wan0", "10.81.1.1/24", gatewayNS, "wan1", "10.81.1.2/24")
	sh(t, "ip addr add 10.81.1.10/24 dev wan0")
	url := siteCamera(t)
	names := startNames(t, "10.81.1.1:53")
	var w, moved wire
	old, stopOld := platformAt(t, demoPlatform, "10.81.1.1:5060", &w)
	g := siteGateway(t, "0", superiorAt("above", demoPlatform, "sip.province.example:5060", "udp", shortTimers)+
		cameraTOML("gate", channelID, url, "", ""))
	g.status(t, "complaint of the name", func(doc statusDoc) bool {
		return doc.Superiors[0].Verdict == bad && strings.Contains(doc.Superiors[0].Reason, "sip.province.example")
	})
	names.set("sip.province.example.", "10.81.1.1")
	n := node(t, old)
	registeredFrom(t, g, n, &w, 0, "10.81.1.2")
	wantMediaAt(t, n, &w, "10.81.1.2", rehearsal.UDP)
	g.status(t, "registration", online)

	stopOld()
	names.set("sip.province.example.", "10.81.1.10")
	next, _ := platformAt(t, demoPlatform, "10.81.1.10:5060", &moved)
	n = node(t, next)
	registeredFrom(t, g, n, &moved, 0, "10.81.1.2")
	doc := g.status(t, "registration", online)
	if got := doc.Superiors[0].Remote; got != "10.81.1.10:5060" {
		t.Errorf("status shows the platform at %s", got)
	}
	for _, e := range moved.seen("REGISTER sip:") {
		if !strings.HasPrefix(e.Raw, "REGISTER sip:"+demoPlatform+"@10.81.1.10:5060 ") {
			t.Errorf("the new platform was asked as\n%s", e.Raw)
		}
	}
	wantMediaAt(t, n, &moved, "10.81.1.2", rehearsal.UDP)

	// A name with several addresses that take turns is no move, and neither is a name server that fails.
	count := n.State().Registrations
	for _, trouble := range []func(){
		func() { names.set("sip.province.example.", "10.81.1.1", "10.81.1.10") },
		func() { names.set("sip.province.example.") },
	} {
		trouble()
		beats := n.State().Keepalives
		waitNode(t, g, n, "keepalives", func(s rehearsal.NodeState) bool { return s.Keepalives >= beats+2 })
	}
	if s := n.State(); s.Registrations != count || !s.Registered {
		t.Errorf("%d registrations at the place it is at, want the one", s.Registrations-count)
	}
}

// names is a DNS server that knows A records only.
type names struct {
	mu    sync.Mutex
	hosts map[string][]byte // the addresses, four bytes each
}

// startNames serves DNS and makes it the resolver of what the test starts.
func startNames(t *testing.T, listen string) *names {
	t.Helper()
	conn, err := net.ListenPacket("udp", listen)
	if err != nil {
		t.Fatal(err)
	}
	n := &names{hosts: make(map[string][]byte)}
	done := make(chan struct{})
	go func() { defer close(done); n.serve(conn) }()
	t.Cleanup(func() { conn.Close(); <-done })
	file := filepath.Join(t.TempDir(), "resolv.conf")
	text := "nameserver " + netip.MustParseAddrPort(listen).Addr().String() + "\noptions timeout:1 attempts:1\n"
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount(file, "/etc/resolv.conf", "", syscall.MS_BIND, ""); err != nil {
		t.Fatalf("/etc/resolv.conf: %v", err)
	}
	return n
}

// set gives a name its addresses; none: there is no such name.
func (n *names) set(name string, addresses ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hosts[name] = nil
	for _, a := range addresses {
		n.hosts[name] = append(n.hosts[name], netip.MustParseAddr(a).AsSlice()...)
	}
}

func (n *names) serve(conn net.PacketConn) {
	buf := make([]byte, 1500)
	for {
		size, from, err := conn.ReadFrom(buf)
		if err != nil {
			return
		}
		if answer := n.answer(buf[:size]); answer != nil {
			_, _ = conn.WriteTo(answer, from)
		}
	}
}

// answer writes the response to a query with one question (RFC 1035 4.1). Several addresses take turns.
func (n *names) answer(query []byte) []byte {
	const header, typeA, noSuchName = 12, 1, 3
	name, at := "", header
	for at < len(query) && query[at] != 0 && at+1+int(query[at]) < len(query) {
		name += string(query[at+1:at+1+int(query[at])]) + "."
		at += 1 + int(query[at])
	}
	end := at + 5 // the root's label, type and class
	if len(query) < header || end > len(query) {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	hosts := n.hosts[strings.ToLower(name)]
	out := slices.Concat(query[:2], []byte{0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, query[header:end])
	switch {
	case len(hosts) == 0:
		out[3] |= noSuchName
	case binary.BigEndian.Uint16(query[at+1:]) == typeA:
		for host := range slices.Chunk(hosts, 4) {
			out[7]++
			// A pointer to the question's name, type A, class IN, no time to live, four bytes.
			out = append(out, 0xc0, header, 0, typeA, 0, 1, 0, 0, 0, 0, 0, 4)
			out = append(out, host...)
		}
		n.hosts[strings.ToLower(name)] = append(slices.Clone(hosts[4:]), hosts[:4]...)
	}
	return out
}

// Behind a NAT router (Linux' own): the platform reaches us where the router has put us; use_nat_contact tells it
// that address, media_ip the one that is forwarded for media.
func TestNetworkNAT(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	needTool(t, "nft", "nftables")
	addNamespace(t, routerNS)
	cable(t, "", "wan0", "198.51.100.1/24", routerNS, "wan1", "198.51.100.2/24")
	cable(t, routerNS, "lan0", "192.168.9.1/24", gatewayNS, "lan1", "192.168.9.2/24")
	sh(t, "ip -n gateway route add default via 192.168.9.1")
	masquerade(t)
	url := siteCamera(t)
	var w wire
	platform, _ := platformAt(t, demoPlatform, "198.51.100.1:5060", &w)

	const outside = "media_ip = \"198.51.100.2\"\n[superior.compat]\nuse_nat_contact = true"
	for _, c := range []struct{ name, transport, more, contact, media string }{
		{"plain", "udp", "", "192.168.9.2:5060", "192.168.9.2"},
		{"learned", "udp", outside, "learned", "198.51.100.2"},
		{"learned over TCP", "tcp", outside, "learned", "198.51.100.2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := siteGateway(t, "30000-30009", superiorAt("above", demoPlatform, "198.51.100.1:5060", c.transport, c.more)+
				cameraTOML("gate", channelID, url, "", ""))
			n := node(t, platform)
			source := n.State().Source
			if source.Addr().String() != "198.51.100.2" || c.transport == "udp" && source.Port() < 20000 {
				t.Errorf("registered from %v, want the router's address and another port", source)
			}
			contact := c.contact
			if contact == "learned" {
				contact = source.String()
			}
			waitNode(t, g, n, "registration with the Contact "+contact, func(s rehearsal.NodeState) bool {
				return s.Registered && strings.Contains(s.Contact, "@"+contact)
			})
			wantCatalog(t, n, []string{channelID})
			transports := allTransports
			if c.media == "192.168.9.2" { // which the platform can't connect to
				transports = []string{rehearsal.UDP, rehearsal.TCPPassive}
			}
			for _, transport := range transports {
				r := wantPlay(t, n, rehearsal.PlayRequest{Channel: channelID, Transport: transport, Pictures: 5}, false)
				if r != nil && !strings.Contains(r.AnswerSDP, "c=IN IP4 "+c.media+"\r\n") {
					t.Errorf("%s: want the media address %s in\n%s", transport, c.media, r.AnswerSDP)
				}
			}
			g.status(t, "end of the calls", noCalls)
			if code := g.terminate(t); code != exitGood {
				t.Errorf("exit %d", code)
			}
		})
	}
}

// masquerade makes the router one: it gives SIP another port, and media ports are forwarded to the gateway.
func masquerade(t *testing.T) {
	t.Helper()
	rules := filepath.Join(t.TempDir(), "nat.nft")
	err := os.WriteFile(rules, []byte(`
table ip nat {
	chain out {
		type nat hook postrouting priority srcnat
		oifname "wan1" udp sport 5060 masquerade to :20000-20100
		oifname "wan1" masquerade
	}
	chain in {
		type nat hook prerouting priority dstnat
		iifname "wan1" tcp dport 30000-30009 dnat to 192.168.9.2
		iifname "wan1" udp dport 30000-30009 dnat to 192.168.9.2
	}
}
`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	sh(t, "ip netns exec router nft -f "+rules)
	sh(t, "ip netns exec router sysctl -qw net.ipv4.ip_forward=1")
}
