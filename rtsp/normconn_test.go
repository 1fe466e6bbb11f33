package rtsp

import (
	"bytes"
	"errors"
	"io"
	"math/rand"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gbgate/media"
	"gbgate/rtsp/simcam"
)

// recorded is a connection that plays bytes back, in pieces of a given size, and forgets what is written.
type recorded struct {
	net.Conn
	data []byte
	pos  int
	step int
}

func (r *recorded) Read(p []byte) (int, error) {
	if r.pos == len(r.data) {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), r.step)], r.data[r.pos:])
	r.pos += n
	return n, nil
}

func (r *recorded) Write(p []byte) (int, error)      { return len(p), nil }
func (r *recorded) SetWriteDeadline(time.Time) error { return nil }
func (r *recorded) SetReadDeadline(time.Time) error  { return nil }
func (r *recorded) Close() error                     { return nil }

// counting is traffic that counts.
type counting struct {
	frames, bytes int
	payloads      [][]byte
	keep          bool
	methods       []string
}

func (c *counting) pause(string) time.Duration           { return 0 }
func (c *counting) outbound(m *message) (exchange, bool) { return exchange{}, true }
func (c *counting) inbound(e exchange, _ *message) {
	c.methods = append(c.methods, "reply to "+e.method)
}

func (c *counting) asked(m *message) error {
	c.methods = append(c.methods, m.method)
	return nil
}

func (c *counting) frame(_ byte, b []byte, _ time.Time) {
	c.frames++
	c.bytes += len(b)
	if c.keep {
		c.payloads = append(c.payloads, bytes.Clone(b))
	}
}

func usedChannels() *channelUse { return &channelUse{0: true, 1: true, 2: true, 3: true} }

func TestNormConnAnyChunking(t *testing.T) {
	var data []byte
	for i := range 40 {
		payload := bytes.Repeat([]byte{'$', byte(i)}, 300)
		data = append(data, simcam.Interleave(0, simcam.RTPPacket(96, uint16(i), 0, 1, false, payload))...)
		switch i {
		case 10:
			data = append(data, "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n"...)
		case 20:
			data = append(data, "RTSP/1.0 200\r\nCSeq: 8\r\nContent-Length: 4\r\n\r\nabcd"...)
		case 30:
			data = append(data, "\r\n$\x07junk$$"...)
		}
	}
	for _, step := range []int{1, 2, 3, 7, 100, 4096, 1 << 20} {
		traffic := &counting{}
		n := newNormConn(&recorded{data: data, step: step}, traffic, usedChannels())
		if _, err := n.Write([]byte("OPTIONS rtsp://x/ RTSP/1.0\r\nCSeq: 8\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(n)
		if err != nil {
			t.Fatal(err)
		}
		want := "RTSP/1.0 200 -\r\nCSeq: 8\r\nContent-Length: 4\r\n\r\nabcd"
		if string(text) != want || traffic.frames != 40 || traffic.bytes != 40*612 {
			t.Errorf("step %d: got %q and %d frames with %d bytes", step, text, traffic.frames, traffic.bytes)
		}
		if diff := cmp.Diff([]string{"OPTIONS", "reply to OPTIONS"}, traffic.methods); diff != "" {
			t.Errorf("step %d: %s", step, diff)
		}
	}
}

// TestNormConnCutFrame loses the cut frame and nothing else.
func TestNormConnCutFrame(t *testing.T) {
	whole := func(i byte) []byte {
		return simcam.Interleave(0, simcam.RTPPacket(96, uint16(i), 0, 1, false, bytes.Repeat([]byte{i}, 500)))
	}
	data := append(whole(1), whole(2)[:100]...)
	data = append(append(append(data, whole(3)...), whole(4)...), whole(5)...)
	traffic := &counting{keep: true}
	n := newNormConn(&recorded{data: data, step: 1 << 20}, traffic, usedChannels())
	_, _ = io.ReadAll(n)
	var got []byte
	for _, p := range traffic.payloads {
		got = append(got, p[20])
	}
	if diff := cmp.Diff([]byte{1, 3, 4, 5}, got); diff != "" {
		t.Error(diff)
	}
}

// TestNormConnGarbage feeds noise and looks at what is kept of it.
func TestNormConnGarbage(t *testing.T) {
	random := rand.New(rand.NewSource(1))
	noise := make([]byte, 4<<20)
	random.Read(noise)
	inputs := map[string][]byte{
		"noise":        noise,
		"dollars":      bytes.Repeat([]byte("$"), 1<<20),
		"methods":      bytes.Repeat([]byte("PLAY "), 1<<18),
		"versions":     bytes.Repeat([]byte("RTSP/"), 1<<18),
		"replies":      bytes.Repeat([]byte("RTSP/1.0 200 OK\r\n\r\n"), 1<<16),
		"requests":     bytes.Repeat([]byte("OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n"), 1<<14),
		"false frames": bytes.Repeat([]byte("$\x00\xff\xff\x80"), 1<<18),
	}
	for name, data := range inputs {
		t.Run(name, func(t *testing.T) {
			n := newNormConn(&recorded{data: data, step: 1 << 20}, &counting{}, usedChannels())
			_, _ = io.ReadAll(n)
			if kept := cap(n.buf) + cap(n.out); kept > 2*readBuffer {
				t.Errorf("%d bytes kept", kept)
			}
			if n.partial != nil && cap(n.partial.body) > maxBody {
				t.Errorf("%d bytes of a body kept", cap(n.partial.body))
			}
		})
	}
}

func TestNormConnBounds(t *testing.T) {
	inputs := map[string]string{
		"header": "RTSP/1.0 200 OK\r\n" + strings.Repeat("A: b\r\n", maxHeader),
		"body":   "RTSP/1.0 200 OK\r\nContent-Length: 262145\r\n\r\n",
		"web":    "HTTP/1.1 200 OK\r\n\r\n",
		"noise":  strings.Repeat("\x00$\x07garbage RTSP/1.0 999999\r\n", maxNoise/20),
	}
	for name, data := range inputs {
		n := newNormConn(&recorded{data: []byte(data), step: 1000}, &counting{}, usedChannels())
		_, err := io.ReadAll(n)
		var e *Error
		if !errors.As(err, &e) || e.Kind != Protocol {
			t.Errorf("%s: got %v, want %v", name, err, Protocol)
		}
	}
}

// patient is a connection that takes nothing, and notes how long a write would wait for that to change.
type patient struct {
	recorded
	waits bool
}

func (p *patient) SetWriteDeadline(t time.Time) error {
	p.waits = p.waits || time.Now().Before(t)
	return nil
}

func (p *patient) Write([]byte) (int, error) { return 0, os.ErrDeadlineExceeded }

// Other cameras' media waits behind an answer, so that a camera that does not read it is not waited for.
func TestNobodyWaitsForAnswersToBeRead(t *testing.T) {
	for _, polled := range []bool{false, true} {
		camera := &patient{recorded: recorded{data: []byte("OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n"), step: 100}}
		n := newNormConn(camera, &counting{}, usedChannels())
		n.polled = polled
		if err := n.fill(); kindOf(err) != Closed {
			t.Errorf("polled %v: got %v", polled, err)
		}
		if camera.waits == polled {
			t.Errorf("polled %v: it waits: %v", polled, camera.waits)
		}
	}
}

// stuck is a connection that takes nothing until it is let go.
type stuck struct {
	recorded
	began chan struct{} // holds one for each write
	goOn  chan struct{}
	wrote []byte
}

func (s *stuck) Write(p []byte) (int, error) {
	s.began <- struct{}{}
	<-s.goOn
	s.wrote = append(s.wrote, p...)
	return len(p), nil
}

// Who reads, for many cameras, does not wait while a request of ours waits for room, whatever the camera sends: the
// answers follow the request, and a camera that asks on and on is left.
func TestNobodyWaitsForARequestToBeRead(t *testing.T) {
	option := "OPTIONS * RTSP/1.0\r\nCSeq: 7\r\n\r\n"
	many := strings.Repeat(option, maxOwed/20)
	for _, c := range []struct {
		asks  string
		kind  Kind
		wrote string
	}{
		{"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n" + option, 0, "RTSP/1.0 200 OK\r\nCSeq: 7\r\n\r\n"},
		{many, Closed, ""},
	} {
		camera := &stuck{
			recorded: recorded{data: []byte(c.asks), step: 1 << 20},
			began:    make(chan struct{}, 2), goOn: make(chan struct{}),
		}
		n := newNormConn(camera, &counting{}, usedChannels())
		n.polled = true
		sent, read := make(chan error, 1), make(chan error, 1)
		go func() {
			_, err := n.Write([]byte("GET_PARAMETER rtsp://x/ RTSP/1.0\r\nCSeq: 8\r\n\r\n"))
			sent <- err
		}()
		<-camera.began
		go func() {
			var err error
			for err == nil && camera.pos < len(camera.data) {
				err = n.fill()
			}
			read <- err
		}()
		select {
		case err := <-read:
			if kindOf(err) != c.kind {
				t.Errorf("reading ended with %v", err)
			}
		case <-time.After(20 * time.Second):
			t.Error("who reads waits for a write")
		}
		close(camera.goOn)
		if err := <-sent; err != nil {
			t.Error(err)
		}
		_, answers, _ := strings.Cut(string(camera.wrote), "\r\n\r\n")
		if c.kind == 0 && answers != c.wrote {
			t.Errorf("behind the request came %q, want %q", answers, c.wrote)
		}
	}
}

func TestExchanges(t *testing.T) {
	type answer struct {
		cseq int
		want string
	}
	cases := map[string]struct {
		sent    []exchange
		answers []answer
	}{
		"in order": {
			[]exchange{{cseq: 1, method: "A"}, {cseq: 2, method: "B"}},
			[]answer{{1, "A"}, {2, "B"}, {3, ""}},
		},
		"keepalive unanswered": {
			[]exchange{{cseq: 1, method: "K", keepalive: true}, {cseq: 2, method: "B"}},
			[]answer{{2, "B"}, {1, ""}},
		},
		"without number": {
			[]exchange{{cseq: 1, method: "K", keepalive: true}, {cseq: 2, method: "B"}},
			[]answer{{-1, "B"}},
		},
		"stale number":    {[]exchange{{cseq: 7, method: "B"}}, []answer{{3, "B"}, {7, ""}}},
		"only keepalives": {[]exchange{{cseq: 1, method: "K", keepalive: true}}, []answer{{-1, "K"}, {-1, ""}}},
	}
	for name, c := range cases {
		var x exchanges
		for _, e := range c.sent {
			x.sent(e)
		}
		for _, a := range c.answers {
			if e, _ := x.answered(a.cseq); e.method != a.want {
				t.Errorf("%s: reply %d: got %q, want %q", name, a.cseq, e.method, a.want)
			}
		}
	}
	var x exchanges
	for i := range 1000 {
		x.sent(exchange{cseq: i, keepalive: true})
	}
	if len(x.waiting) > maxOutstanding {
		t.Errorf("%d requests remembered", len(x.waiting))
	}
}

func FuzzNormConn(f *testing.F) {
	good := simcam.Interleave(0, simcam.RTPPacket(96, 1, 2, 3, true, []byte("payload of a packet")))
	f.Add([]byte("RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 3\r\n\r\nabc"), byte(5))
	f.Add(append([]byte("RTSP/1.0 401\n WWW-Authenticate: x\n\n"), good...), byte(3))
	f.Add(append(append(bytes.Clone(good[:9]), good...), "OPTIONS * RTSP/1.0\r\n\r\n"...), byte(255))
	f.Add([]byte("$\x00\x00\x10\x80PLAY rtsp RTSP/1.0\r\nA:\r\n\r\n$$$"), byte(1))
	f.Fuzz(func(t *testing.T, data []byte, step byte) {
		whole, pieces := &counting{keep: true}, &counting{keep: true}
		for i, c := range []*counting{whole, pieces} {
			size := len(data) + 1
			if i == 1 {
				size = int(step) + 1
			}
			n := newNormConn(&recorded{data: data, step: size}, c, usedChannels())
			for cseq := range 4 {
				n.waiting.sent(exchange{cseq: cseq, method: "X"})
			}
			text, _ := io.ReadAll(n)
			if len(text) > len(data)+64*(len(c.methods)+1) {
				t.Fatalf("%d bytes of text from %d", len(text), len(data))
			}
			if c.bytes > len(data) {
				t.Fatalf("%d bytes of media from %d", c.bytes, len(data))
			}
			for _, p := range c.payloads {
				if len(p) < 8 || p[0]>>6 != 2 {
					t.Fatalf("frame %x", p)
				}
			}
		}
		if diff := cmp.Diff(whole.methods, pieces.methods); diff != "" && whole.frames == pieces.frames {
			t.Fatalf("messages depend on the chunking: %s", diff)
		}
	})
}

// second returns a second of a 4 Mbit/s stream: 25 pictures, 357 interleaved packets.
func second() []byte {
	var data []byte
	for i := range 357 {
		packet := simcam.RTPPacket(96, uint16(i), uint32(i/14*3600), 1, i%14 == 13, make([]byte, 1388))
		data = append(data, simcam.Interleave(0, packet)...)
	}
	return data
}

// playBack makes a connection read all of r once more.
func playBack(n *normConn, r *recorded) {
	r.pos = 0
	for r.pos < len(r.data) {
		if n.fill() != nil {
			return
		}
	}
}

// takes is traffic like a session's, up to the depacketiser.
type takes struct {
	counting
	feed feed
}

func newTakes() *takes {
	t := &takes{}
	t.feed.video = newRTPInput(&track{Codec: media.H264, PayloadType: 96}, func(p *packet) {
		t.frames++
		t.bytes += len(p.Payload)
	}, func() {})
	return t
}

func (t *takes) frame(channel byte, b []byte, at time.Time) { t.feed.interleaved(channel, b, at) }

func TestNormConnAllocates(t *testing.T) {
	r := &recorded{data: second(), step: 1404}
	traffic := newTakes()
	n := newNormConn(r, traffic, usedChannels())
	if got := testing.AllocsPerRun(10, func() { playBack(n, r) }); got >= 1 {
		t.Errorf("%v allocations for 357 packets, want none", got)
	}
	if traffic.frames != 11*357 {
		t.Errorf("got %d packets, want %d", traffic.frames, 11*357)
	}
}

// BenchmarkNormConn takes a stream through the connection, up to where the depacketiser gets it. One
// operation is one second of the stream.
func BenchmarkNormConn(b *testing.B) {
	for name, step := range map[string]int{"packet by packet": 1404, "16K reads": 16 << 10, "pictures": 1 << 20} {
		b.Run(name, func(b *testing.B) {
			r := &recorded{data: second(), step: step}
			traffic := newTakes()
			n := newNormConn(r, traffic, usedChannels())
			b.SetBytes(int64(len(r.data)))
			b.ReportAllocs()
			for b.Loop() {
				playBack(n, r)
			}
			if traffic.frames < b.N*357 {
				b.Fatalf("%d packets in %d rounds", traffic.frames, b.N)
			}
		})
	}
}
