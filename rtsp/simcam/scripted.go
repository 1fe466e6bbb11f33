package simcam

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// What a scripted camera describes and sends: H.264 of 640 by 480, and an audio track that is announced only.
const (
	ScriptedSPS = "Z2QAFqzGoCgPaEAAAAMAQAAAB6E="
	ScriptedPPS = "aOqPLA=="
	ScriptedSDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\na=control:*\r\n" +
		"m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:trackID=1\r\n" +
		"m=audio 0 RTP/AVP 8\r\na=control:trackID=2\r\n"
)

// ScriptedDuration is how far the timestamps of two pictures of a scripted camera are apart.
const ScriptedDuration = 40 * time.Millisecond

// An Answer is the text with which a scripted camera answers a request; "" leaves the good one, "-" answers nothing,
// "!" hangs up.
type Answer func(c *ScriptedConn, r *ScriptedRequest) string

// Scripted is a camera at the level of RTSP's text and of interleaved bytes: no proper server library can be brought to
// say what real ones say. It behaves, except where its script, the exported fields, says otherwise; an RTSPQuirk is the
// script of real cameras. The script is written before the first client comes, or in Change.
type Scripted struct {
	// Answer replaces the reply to a request; nil: every reply is good.
	Answer Answer
	// Username and Password are the account that the script asks for; "" and "": none.
	Username, Password string
	// Before runs before each picture of the stream is sent, and may send more.
	Before func(c *ScriptedConn, picture int)
	// Picture gives the NAL units of a picture, as they are to arrive; nil: ScriptedPicture.
	Picture func(picture int) [][]byte
	// Payloads puts a picture into RTP payloads; nil: a payload for each NAL unit, the marker on the last.
	Payloads func(picture int, nals [][]byte) []ScriptedPayload
	// Timestamp is that of a picture, in ticks of 90 kHz; nil: ScriptedDuration after the one before.
	Timestamp func(picture int) uint32
	// Tweak changes an RTP packet before it leaves; nil drops it.
	Tweak func(picture int, rtp []byte) []byte
	// Pace is the time between two pictures; NewScripted sets 5 ms, so that tests need not wait. ScriptedDuration is
	// what the pictures' timestamps say.
	Pace time.Duration

	listener net.Listener
	fault    func(error)

	sent     atomic.Int64
	mu       sync.Mutex
	requests []*ScriptedRequest
	open     sync.WaitGroup
}

// ScriptedConn is one client's connection to a scripted camera.
type ScriptedConn struct {
	net.Conn
	// Number counts the camera's connections, from 0.
	Number int
	// Video and Audio are the interleaved channels of the pictures and of the sound.
	Video, Audio int

	cam      *Scripted
	mu       sync.Mutex
	udp      *net.UDPConn
	to       *net.UDPAddr
	sequence uint16
}

// NewScripted serves the clients of a listener until Close. fault is told what a client does wrong, from any goroutine.
func NewScripted(l net.Listener, fault func(error)) *Scripted {
	cam := &Scripted{listener: l, fault: fault, Pace: 5 * time.Millisecond}
	cam.open.Add(1)
	go cam.serve()
	return cam
}

// Close takes no more clients and waits until the last one has hung up.
func (cam *Scripted) Close() {
	_ = cam.listener.Close()
	cam.open.Wait()
}

// Change runs f while no request is being received: for what a client is to find although nothing else tells the race
// detector that it was written before.
func (cam *Scripted) Change(f func()) {
	cam.mu.Lock()
	defer cam.mu.Unlock()
	f()
}

// Addr is the address that is listened on.
func (cam *Scripted) Addr() string { return cam.listener.Addr().String() }

// URL is what a client asks for; any other path is served too.
func (cam *Scripted) URL() string { return "rtsp://" + cam.Addr() + "/live/ch1?sub=0" }

// Requests returns all requests that came, in their order.
func (cam *Scripted) Requests() []*ScriptedRequest {
	cam.mu.Lock()
	defer cam.mu.Unlock()
	return append([]*ScriptedRequest(nil), cam.requests...)
}

// Asked returns the requests of one method.
func (cam *Scripted) Asked(method string) []*ScriptedRequest {
	var all []*ScriptedRequest
	for _, r := range cam.Requests() {
		if r.Method == method {
			all = append(all, r)
		}
	}
	return all
}

// Sent is how many bytes its clients have taken over TCP.
func (cam *Scripted) Sent() int64 { return cam.sent.Load() }

// Forget drops the requests that came.
func (cam *Scripted) Forget() { cam.Change(func() { cam.requests = nil }) }

func (cam *Scripted) serve() {
	defer cam.open.Done()
	for n := 0; ; n++ {
		nc, err := cam.listener.Accept()
		if err != nil {
			return
		}
		c := &ScriptedConn{cam: cam, Conn: nc, Number: n}
		cam.open.Add(1)
		go func() {
			defer cam.open.Done()
			c.talk()
		}()
	}
}

func (c *ScriptedConn) talk() {
	defer c.Close()
	var streaming sync.WaitGroup
	stop := make(chan struct{})
	defer streaming.Wait()
	defer close(stop)
	br := bufio.NewReader(c.Conn)
	for {
		var head bytes.Buffer
		for !bytes.HasSuffix(head.Bytes(), []byte("\r\n\r\n")) {
			b, err := br.ReadByte()
			if err != nil {
				return
			}
			head.WriteByte(b)
		}
		if strings.HasPrefix(head.String(), "RTSP/") {
			continue // the answer to a request of ours
		}
		r, err := parseScriptedRequest(head.String())
		if err != nil {
			c.cam.fault(fmt.Errorf("camera got nonsense: %w: %q", err, head.String()))
			return
		}
		c.cam.Change(func() { c.cam.requests = append(c.cam.requests, r) })
		text := ""
		if c.cam.Answer != nil {
			text = c.cam.Answer(c, r)
		}
		good := c.Good(r)
		if text == "" {
			text = good
		}
		if text == "!" {
			return
		}
		if text != "-" {
			c.Send([]byte(text))
		}
		if r.Method == "PLAY" && strings.Contains(text, " 200") {
			streaming.Add(1)
			go func() {
				defer streaming.Done()
				c.stream(stop)
			}()
		}
		if r.Method == "TEARDOWN" {
			return
		}
	}
}

// Send writes bytes between the packets of the stream.
func (c *ScriptedConn) Send(b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, _ = c.Write(b)
}

// Write sends bytes wherever in the stream that is.
func (c *ScriptedConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.cam.sent.Add(int64(n))
	return n, err
}

// SendUDP sends a datagram to the client's port of RTP, or to its next one, that of RTCP, if the pictures leave over UDP.
func (c *ScriptedConn) SendUDP(next int, b []byte) {
	if c.udp != nil {
		_, _ = c.udp.WriteToUDP(b, &net.UDPAddr{IP: c.to.IP, Port: c.to.Port + next})
	}
}

// OverUDP tells whether the pictures leave over UDP.
func (c *ScriptedConn) OverUDP() bool { return c.udp != nil }

// Good is the reply of a camera with nothing wrong about it.
func (c *ScriptedConn) Good(r *ScriptedRequest) string {
	switch r.Method {
	case "OPTIONS":
		return Reply200(r, "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER")
	case "DESCRIBE":
		return ReplySDP(r, ScriptedSDP)
	case "SETUP":
		if port, ok := r.transport("client_port"); ok {
			if strings.HasSuffix(r.URL, "1") {
				c.openUDP(port)
			}
			p := 40000
			if c.udp != nil {
				p = c.udp.LocalAddr().(*net.UDPAddr).Port
			}
			return Reply200(r, "Session: 1234", fmt.Sprintf(
				"Transport: RTP/AVP;unicast;client_port=%d-%d;server_port=%d-%d",
				port, port+1, p, p+1))
		}
		if strings.HasSuffix(r.URL, "1") {
			c.Video, _ = r.transport("interleaved")
		} else {
			c.Audio, _ = r.transport("interleaved")
		}
		return Reply200(r, "Session: 1234;timeout=60", "Transport: "+r.Get("Transport"))
	}
	return Reply200(r, "Session: 1234")
}

func (c *ScriptedConn) openUDP(port int) {
	var err error
	if c.udp, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}); err != nil {
		c.cam.fault(err)
	}
	c.to = &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}
}

// stream sends a picture at the pace set: SPS, PPS and IDR, then nine others, and so on.
func (c *ScriptedConn) stream(stop chan struct{}) {
	if c.udp != nil {
		defer c.udp.Close()
	}
	tick := time.NewTicker(c.cam.Pace)
	defer tick.Stop()
	for picture := 0; ; picture++ {
		if c.cam.Before != nil {
			c.cam.Before(c, picture)
		}
		timestamp, payloads := c.cam.packetise(picture)
		for _, p := range payloads {
			c.sequence++
			b := RTPPacket(96, c.sequence, timestamp, 0x11223344, p.Marker, p.Data)
			if c.cam.Tweak != nil {
				b = c.cam.Tweak(picture, b)
			}
			switch {
			case b == nil:
			case c.udp != nil:
				_, _ = c.udp.WriteToUDP(b, c.to)
			default:
				c.Send(Interleave(byte(c.Video), b))
			}
		}
		select {
		case <-stop:
			return
		case <-tick.C:
		}
	}
}

// ScriptedPayload is what one RTP packet carries.
type ScriptedPayload struct {
	Data   []byte
	Marker bool
}

// packetise tells what is sent of a picture.
func (cam *Scripted) packetise(picture int) (timestamp uint32, payloads []ScriptedPayload) {
	timestamp = uint32(picture) * 3600
	if cam.Timestamp != nil {
		timestamp = cam.Timestamp(picture)
	}
	nals := cam.Shown(picture)
	if cam.Payloads != nil {
		return timestamp, cam.Payloads(picture, nals)
	}
	return timestamp, singly(nals)
}

// singly puts each NAL unit into a payload of its own.
func singly(nals [][]byte) []ScriptedPayload {
	var payloads []ScriptedPayload
	for i, nal := range nals {
		payloads = append(payloads, ScriptedPayload{nal, i == len(nals)-1})
	}
	return payloads
}

// Shown is the camera's picture of that number, as it is to arrive: NAL units without start codes.
func (cam *Scripted) Shown(picture int) [][]byte {
	if cam.Picture != nil {
		return cam.Picture(picture)
	}
	return ScriptedPicture(picture)
}

// ScriptedPicture is a scripted camera's picture of that number, as NAL units without start codes.
func ScriptedPicture(picture int) [][]byte {
	filling := bytes.Repeat([]byte{0xa5}, 200)
	if picture%10 != 0 {
		return [][]byte{append([]byte{0x41, 0x9a, 0x02}, filling...)}
	}
	sps, _ := base64.StdEncoding.DecodeString(ScriptedSPS)
	pps, _ := base64.StdEncoding.DecodeString(ScriptedPPS)
	return [][]byte{sps, pps, append([]byte{0x65, 0x88, 0x84}, filling...)}
}
