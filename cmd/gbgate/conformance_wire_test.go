package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"gbgate/rtsp/simcam"
)

// Wire format: SIPp and plain sockets say what our own stack cannot, tshark reads along. The node is registered at our
// platform; SIPp is the same superior at another address, as a cluster is.

// mediaPort receives a call's RTP, over UDP or as the listening side of TCP.
type mediaPort struct {
	port int

	mu      sync.Mutex
	packets [][]byte
}

func openMediaPort(t *testing.T, tcp bool) *mediaPort {
	t.Helper()
	m := &mediaPort{}
	if !tcp {
		conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		_ = conn.SetReadBuffer(4 << 20) // on a busy machine the reader comes late; what the kernel grants must do
		m.port = conn.LocalAddr().(*net.UDPAddr).Port
		go func() {
			buf := make([]byte, 64<<10)
			for {
				n, err := conn.Read(buf)
				if err != nil {
					return
				}
				m.take(buf[:n])
			}
		}()
		return m
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	m.port = l.Addr().(*net.TCPAddr).Port
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go m.readTCP(conn)
		}
	}()
	return m
}

// readTCP reads packets framed by RFC 4571.
func (m *mediaPort) readTCP(conn net.Conn) {
	defer conn.Close()
	var head [2]byte
	for {
		if _, err := io.ReadFull(conn, head[:]); err != nil {
			return
		}
		packet := make([]byte, binary.BigEndian.Uint16(head[:]))
		if _, err := io.ReadFull(conn, packet); err != nil {
			return
		}
		m.take(packet)
	}
}

func (m *mediaPort) take(b []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.packets = append(m.packets, bytes.Clone(b))
}

// check wants RTP of version 2, payload type 96, from number 1 on without hole, with one SSRC; 0 is any.
func (m *mediaPort) check(t *testing.T, ssrc uint32) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.packets) < 20 {
		t.Errorf("%d packets came", len(m.packets))
		return
	}
	for i, p := range m.packets {
		got := binary.BigEndian.Uint32(p[8:])
		if ssrc == 0 {
			ssrc = got
		}
		if p[0]>>6 != 2 || p[1]&0x7f != 96 || int(binary.BigEndian.Uint16(p[2:])) != i+1 || got != ssrc || len(p) > 1500 {
			t.Errorf("packet %d begins %x and has %d bytes, want number %d and SSRC %08x", i+1, p[:12], len(p), i+1, ssrc)
			return
		}
	}
	if !bytes.Contains(m.packets[0], []byte{0, 0, 1, 0xbc}) && !bytes.Contains(m.packets[1], []byte{0, 0, 1, 0xbc}) {
		t.Error("the first pack has no program stream map")
	}
}

// sipp runs a scenario against the program.
func (r *rig) sipp(t *testing.T, scenario, transport string, more ...string) {
	t.Helper()
	mode := map[string]string{"udp": "u1", "tcp": "t1"}[transport]
	errors := filepath.Join(t.TempDir(), "errors.log")
	args := append([]string{
		r.sip().String(), "-sf", "testdata/sipp/" + scenario, "-i", "127.0.0.1", "-p", fmt.Sprint(freePort(t)), "-t", mode,
		"-m", "1", "-nostdin", "-timeout", "30", "-timeout_error", "-s", channelID, "-d", "1000",
		"-trace_err", "-error_file", errors,
	}, more...)
	_, complaints, code := run(t, needTool(t, "sipp", "sip-tester"), args...)
	if code != 0 {
		text, _ := os.ReadFile(errors)
		t.Errorf("%s over %s: SIPp ends with %d: %s\n%s", scenario, transport, code, complaints, text)
	}
}

func TestWireScenarios(t *testing.T) {
	t.Parallel()
	cam := startCamera(t, simcam.Config{})
	r := newRig(t, setup{rest: cameraTOML("gate", channelID, cam.URL(), "", "")})
	traffic := startCapture(t, fmt.Sprintf("port %d", r.port))
	for _, transport := range []string{"udp", "tcp"} {
		r.sipp(t, "odd_message.xml", transport)
	}
	for _, c := range []struct {
		scenario  string
		transport []string
		tcpMedia  bool
		ssrc      string // in the scenario; empty: its offer has none
		more      []string
	}{
		{"call_srs_sip.xml", []string{"udp", "tcp"}, true, "0123456789", nil},
		{"call_srs.xml", []string{"tcp"}, true, "0200000002", nil},
		{"call_gbcms.xml", []string{"udp", "tcp"}, true, "0200000003", nil},
		{"call_panjjo.xml", []string{"udp"}, false, "0200000001", nil},
		{"call_lalmax.xml", []string{"udp"}, false, "", []string{"-default_behaviors", "none"}},
		{"call_gowvp.xml", []string{"tcp"}, true, "0200000005", nil},
	} {
		for _, transport := range c.transport {
			media := openMediaPort(t, c.tcpMedia)
			args := append([]string{"-key", "media", fmt.Sprint(media.port)}, c.more...)
			r.sipp(t, c.scenario, transport, args...)
			var ssrc uint32
			_, _ = fmt.Sscan(strings.TrimLeft(c.ssrc, "0"), &ssrc)
			t.Run(c.scenario+" "+transport, func(t *testing.T) { media.check(t, ssrc) })
			r.gateway.status(t, "end of the call of "+c.scenario, func(doc statusDoc) bool { return len(doc.Calls) == 0 })
		}
	}
	for _, want := range []string{
		"<CmdType>DeviceInfo</CmdType>\r\n<SN>901</SN>", "<CmdType>DeviceStatus</CmdType>\r\n<SN>902</SN>",
	} {
		if n := len(r.tape.in(want)); n != 2 {
			t.Errorf("%d answers came with %q, want one for UDP and one for TCP", n, want)
		}
	}
	ours := r.readByTshark(t, traffic, 8)
	if out := ours("sip.Status-Code == 200", "sip.CSeq"); !strings.Contains(out, "3 ACK") {
		t.Errorf("tshark sees no answer to the BYE whose CSeq says ACK:\n%s", out)
	}
}

// readByTshark has tshark dissect all that the program sent: nothing may be malformed, and so many answers to INVITE
// are there at least. It returns how to read fields of what the program sent.
func (r *rig) readByTshark(t *testing.T, c capture, answers int) (ours func(filter string, fields ...string) string) {
	t.Helper()
	time.Sleep(500 * time.Millisecond)
	c.terminate(t)
	read := func(filter string, fields ...string) string {
		args := []string{
			"-r", c.file, "-d", fmt.Sprintf("udp.port==%d,sip", r.port), "-d", fmt.Sprintf("tcp.port==%d,sip", r.port),
			"-Y", filter,
		}
		if len(fields) > 0 {
			args = append(args, "-T", "fields")
		}
		for _, f := range fields {
			args = append(args, "-e", f)
		}
		out, complaints, code := run(t, needTool(t, "tshark", "tshark"), args...)
		if code != 0 {
			t.Errorf("tshark %s: exit %d: %s", filter, code, complaints)
		}
		return out
	}
	ours = func(filter string, fields ...string) string {
		return read(fmt.Sprintf("sip && (udp.srcport == %d || tcp.srcport == %d) && (%s)", r.port, r.port, filter), fields...)
	}
	if out := ours("_ws.malformed || _ws.expert.severity == error"); out != "" {
		t.Errorf("tshark finds malformed:\n%s", out)
	}
	answered := ours("sip.Status-Code == 200 && sip.CSeq.method == \"INVITE\"", "sdp.media")
	if strings.Count(answered, "video") < answers {
		t.Errorf("tshark reads these answers to INVITE:\n%s", answered)
	}
	return ours
}

// peer is a plain socket of the superior's.
type peer struct {
	net.Conn
	network string
}

func (r *rig) dial(t *testing.T, network string) *peer {
	t.Helper()
	conn, err := net.Dial(network, r.sip().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &peer{conn, network}
}

// request writes a request by hand.
func (p *peer) request(method, callID, branch, cseq, from, contentType, body string) string {
	head := []string{
		method + " sip:" + demoNode + "@" + p.RemoteAddr().String() + " SIP/2.0",
		"Via: SIP/2.0/" + strings.ToUpper(p.network) + " " + p.LocalAddr().String() + ";rport;branch=" + branch,
		"From: <sip:" + from + "@3402000000>;tag=raw", "To: <sip:" + demoNode + "@" + p.RemoteAddr().String() + ">",
		"Call-ID: " + callID, "CSeq: " + cseq, "Max-Forwards: 70",
	}
	if contentType != "" {
		head = append(head, "Content-Type: "+contentType)
	}
	return strings.Join(append(head, fmt.Sprintf("Content-Length: %d", len(body)), "", body), "\r\n")
}

// exchange sends a text and returns the status line of the answer; empty when none came within d.
func (p *peer) exchange(t *testing.T, text string, d time.Duration) string {
	t.Helper()
	if _, err := p.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := p.SetReadDeadline(time.Now().Add(d)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 64<<10)
	n, err := p.Read(buf)
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(buf[:n]), "\r\n")
	return line
}

// gb-cms sends each MESSAGE again half a second later, with the same branch, although it got its 200: over TCP too. The
// repeat is answered and done once.
func TestWireRepeatedMessage(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{rest: offCameras(1, 1)})
	for i, network := range []string{"udp", "tcp"} {
		p := r.dial(t, network)
		sn := fmt.Sprint(911 + i)
		text := p.request("MESSAGE", "again"+network, "z9hG4bK.again"+network, "1 MESSAGE", demoPlatform,
			"Application/MANSCDP+xml",
			"<?xml version=\"1.0\"?>\r\n<Query>\r\n<CmdType>DeviceInfo</CmdType>\r\n"+
				"<SN>"+sn+"</SN>\r\n<DeviceID>"+demoNode+"</DeviceID>\r\n</Query>\r\n")
		for range 2 {
			if got := p.exchange(t, text, 5*time.Second); got != "SIP/2.0 200 OK" {
				t.Errorf("over %s: %q", network, got)
			}
			time.Sleep(500 * time.Millisecond)
		}
		if n := len(r.tape.in("<SN>" + sn + "</SN>")); n != 1 {
			t.Errorf("over %s: %d answers to a query that was sent twice", network, n)
		}
	}
}

// What belongs to no dialog is answered 481, what is not served 405, and a stranger hears nothing.
func TestWireOutOfDialog(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{rest: offCameras(1, 1)})
	for _, network := range []string{"udp", "tcp"} {
		p := r.dial(t, network)
		for i, c := range []struct{ method, want string }{
			{"BYE", "481"},
			{"INFO", "481"},
			{"NOTIFY", "481"},
			{"CANCEL", "481"},
			{"OPTIONS", "200"},
			{"UPDATE", "405"},
			{"REFER", "405"},
		} {
			text := p.request(c.method, fmt.Sprint("none", i), fmt.Sprint("z9hG4bK.none", i), "9 "+c.method,
				demoPlatform, "", "")
			if got := p.exchange(t, text, 5*time.Second); !strings.HasPrefix(got, "SIP/2.0 "+c.want+" ") {
				t.Errorf("%s over %s: %q, want %s", c.method, network, got, c.want)
			}
		}
		stranger := p.request("OPTIONS", "stranger", "z9hG4bK.stranger", "1 OPTIONS", "34020000002000000099", "", "")
		if got := p.exchange(t, stranger, 500*time.Millisecond); got != "" {
			t.Errorf("a stranger is answered %q over %s", got, network)
		}
	}
}

// An idle dialog of a call does not end with the TCP connection that SIPp or a peer closes after the INVITE: BYE may
// come on another one.
func TestWireByeOnAnotherConnection(t *testing.T) {
	t.Parallel()
	r := live(t, setup{})
	media := openMediaPort(t, false)
	p := r.dial(t, "tcp")
	body := fmt.Sprintf("v=0\r\no=%s 0 0 IN IP4 127.0.0.1\r\ns=Play\r\nc=IN IP4 127.0.0.1\r\n"+
		"t=0 0\r\nm=video %d RTP/AVP 96\r\n"+
		"a=recvonly\r\na=rtpmap:96 PS/90000\r\ny=0200000009\r\n", channelID, media.port)
	text := p.request("INVITE", "moves", "z9hG4bK.moves", "1 INVITE", demoPlatform, "application/sdp", body)
	text = strings.ReplaceAll(text, "sip:"+demoNode, "sip:"+channelID)
	contact := "Contact: <sip:" + demoPlatform + "@" + p.LocalAddr().String() + ">\r\n"
	text = strings.Replace(text, "Max-Forwards", contact+"Max-Forwards", 1)
	if got := p.exchange(t, text, 5*time.Second); !strings.HasPrefix(got, "SIP/2.0 ") {
		t.Fatalf("INVITE: %q", got)
	}
	r.gateway.status(t, "media", func(doc statusDoc) bool { return len(doc.Calls) == 1 && doc.Calls[0].Packets > 30 })
	p.Close()
	q := r.dial(t, "udp")
	bye := q.request("BYE", "moves", "z9hG4bK.bye", "2 BYE", demoPlatform, "", "")
	if got := q.exchange(t, bye, 5*time.Second); got != "SIP/2.0 200 OK" {
		t.Errorf("BYE by Call-ID from another socket: %q", got)
	}
	media.check(t, 200000009)
	r.gateway.status(t, "end of the call", func(doc statusDoc) bool { return len(doc.Calls) == 0 })
}
