package rtsp

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gbgate/media"
)

const (
	testSPS = "Z2QAFqzGoCgPaEAAAAMAQAAAB6E="
	testPPS = "aOqPLA=="
	testSDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\na=control:*\r\n" +
		"m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:trackID=1\r\n" +
		"m=audio 0 RTP/AVP 8\r\na=control:trackID=2\r\n"
)

// fakeCamera is a scripted camera: it behaves, except where a test says otherwise.
type fakeCamera struct {
	t        *testing.T
	listener net.Listener

	// answer replaces the reply to a request; "" leaves the good one. "-" answers nothing, "!" hangs up.
	answer func(c *fakeConn, r *message) string
	// before runs before each frame of the stream is sent, and may send more.
	before func(c *fakeConn, picture int)
	// tweak changes an RTP packet before it leaves; nil drops it.
	tweak func(picture int, rtp []byte) []byte

	mu       sync.Mutex
	requests []*message
	open     sync.WaitGroup
}

type fakeConn struct {
	*fakeCamera
	net.Conn
	mu       sync.Mutex
	number   int // of the connection, from 0
	video    int // channel
	udp      *net.UDPConn
	to       *net.UDPAddr
	playing  chan struct{}
	sequence uint16
}

func newFakeCamera(t *testing.T) *fakeCamera {
	t.Helper()
	return newFakeCameraOn(t, func(l net.Listener) net.Listener { return l })
}

func newFakeCameraOn(t *testing.T, wrap func(net.Listener) net.Listener) *fakeCamera {
	t.Helper()
	before := goleak.IgnoreCurrent()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l = wrap(l)
	cam := &fakeCamera{t: t, listener: l}
	cam.open.Add(1)
	go cam.serve()
	t.Cleanup(func() {
		_ = l.Close()
		cam.open.Wait()
		goleak.VerifyNone(t, before)
	})
	return cam
}

func (cam *fakeCamera) url() string {
	return "rtsp://" + cam.listener.Addr().String() + "/live/ch1?sub=0"
}

func (cam *fakeCamera) serve() {
	defer cam.open.Done()
	for n := 0; ; n++ {
		nc, err := cam.listener.Accept()
		if err != nil {
			return
		}
		c := &fakeConn{fakeCamera: cam, Conn: nc, number: n, playing: make(chan struct{})}
		cam.open.Add(1)
		go func() {
			defer cam.open.Done()
			c.talk()
		}()
	}
}

func (c *fakeConn) talk() {
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
		r, ok := parseMessage(head.Bytes())
		if !ok {
			c.t.Errorf("camera got nonsense: %q", head.String())
			return
		}
		if r.method == "" {
			continue // the answer to a request of ours
		}
		c.fakeCamera.mu.Lock()
		c.requests = append(c.requests, r)
		c.fakeCamera.mu.Unlock()
		text := ""
		if c.answer != nil {
			text = c.answer(c, r)
		}
		good := c.good(r)
		if text == "" {
			text = good
		}
		if text == "!" {
			return
		}
		if text != "-" {
			c.send([]byte(text))
		}
		if r.method == "PLAY" && strings.Contains(text, " 200") {
			streaming.Add(1)
			go func() {
				defer streaming.Done()
				c.stream(stop)
			}()
		}
		if r.method == "TEARDOWN" {
			return
		}
	}
}

func (c *fakeConn) send(b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, _ = c.Write(b)
}

// reply formats an RTSP reply.
func reply200(r *message, lines ...string) string { return replyOf(r, "200 OK", lines...) }

func replyOf(r *message, status string, lines ...string) string {
	return "RTSP/1.0 " + status + "\r\n" +
		strings.Join(append([]string{"CSeq: " + r.get("CSeq")}, lines...), "\r\n") + "\r\n\r\n"
}

func replySDP(r *message, sdp string, lines ...string) string {
	lines = append(lines, "Content-Type: application/sdp", "Content-Length: "+strconv.Itoa(len(sdp)))
	return reply200(r, lines...) + sdp
}

func (c *fakeConn) good(r *message) string {
	switch r.method {
	case "OPTIONS":
		return reply200(r, "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER")
	case "DESCRIBE":
		return replySDP(r, testSDP)
	case "SETUP":
		tr := parseTransport(r.get("Transport"))
		if port, ok := tr.pair("client_port", 65536); ok {
			if strings.HasSuffix(r.url, "1") {
				c.openUDP(port)
			}
			p := 40000
			if c.udp != nil {
				p = c.udp.LocalAddr().(*net.UDPAddr).Port
			}
			return reply200(r, "Session: 1234", fmt.Sprintf(
				"Transport: RTP/AVP;unicast;client_port=%d-%d;server_port=%d-%d",
				port, port+1, p, p+1))
		}
		if strings.HasSuffix(r.url, "1") {
			c.video, _ = tr.pair("interleaved", 255)
		}
		return reply200(r, "Session: 1234;timeout=60", "Transport: "+r.get("Transport"))
	}
	return reply200(r, "Session: 1234")
}

func (c *fakeConn) openUDP(port int) {
	var err error
	if c.udp, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}); err != nil {
		c.t.Error(err)
	}
	c.to = &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}
}

// stream sends a picture every 5 ms: SPS, PPS and IDR, then nine others, and so on.
func (c *fakeConn) stream(stop chan struct{}) {
	if c.udp != nil {
		defer c.udp.Close()
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for picture := 0; ; picture++ {
		if c.before != nil {
			c.before(c, picture)
		}
		for i, nal := range pictureNALs(picture) {
			c.sequence++
			b := rtpPacket(96, c.sequence, uint32(picture*3600), 0x11223344, i == len(pictureNALs(picture))-1, nal)
			if c.tweak != nil {
				b = c.tweak(picture, b)
			}
			switch {
			case b == nil:
			case c.udp != nil:
				_, _ = c.udp.WriteToUDP(b, c.to)
			default:
				c.send(interleave(byte(c.video), b))
			}
		}
		select {
		case <-stop:
			return
		case <-tick.C:
		}
	}
}

func pictureNALs(picture int) [][]byte {
	filling := bytes.Repeat([]byte{0xa5}, 200)
	if picture%10 != 0 {
		return [][]byte{append([]byte{0x41, 0x9a, 0x02}, filling...)}
	}
	sps, _ := base64.StdEncoding.DecodeString(testSPS)
	pps, _ := base64.StdEncoding.DecodeString(testPPS)
	return [][]byte{sps, pps, append([]byte{0x65, 0x88, 0x84}, filling...)}
}

func rtpPacket(pt byte, seq uint16, ts, ssrc uint32, marker bool, payload []byte) []byte {
	b := make([]byte, 12, 12+len(payload))
	b[0], b[1] = 0x80, pt
	if marker {
		b[1] |= 0x80
	}
	binary.BigEndian.PutUint16(b[2:], seq)
	binary.BigEndian.PutUint32(b[4:], ts)
	binary.BigEndian.PutUint32(b[8:], ssrc)
	return append(b, payload...)
}

func interleave(channel byte, b []byte) []byte {
	return append([]byte{'$', channel, byte(len(b) >> 8), byte(len(b))}, b...)
}

// asked returns the requests of one method.
func (cam *fakeCamera) asked(method string) []*message {
	cam.mu.Lock()
	defer cam.mu.Unlock()
	var all []*message
	for _, r := range cam.requests {
		if r.method == method {
			all = append(all, r)
		}
	}
	return all
}

var errEnough = errors.New("enough pictures")

// pull runs a source until it got some pictures or failed. errEnough means good.
func (cam *fakeCamera) pull(cfg Config) error { return pull(cam.t, cam.url(), cfg) }

func pull(t *testing.T, url string, cfg Config) error {
	t.Helper()
	if cfg.URL == "" {
		cfg.URL = url
	}
	for _, d := range []*time.Duration{&cfg.ConnectTimeout, &cfg.ReplyTimeout, &cfg.FrameTimeout} {
		if *d == 0 {
			*d = 5 * time.Second
		}
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	pictures := 0
	src := &Source{Config: cfg}
	return src.Run(ctx, func(u *media.Unit) {
		if u.Codec.IsVideo() {
			if pictures == 0 && !u.Key {
				t.Error("first picture is no key picture")
			}
			if pictures++; pictures == 25 {
				cancel(errEnough)
			}
		}
		u.Release()
	})
}
