package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// cameraSetup says what the camera process is to be.
type cameraSetup struct {
	Streams    int
	Kbps       int
	Packetwise bool // packets leave one by one, as a 100 Mbit/s link spaces them
	KeyFirst   bool // every session begins with a key picture, instead of somewhere in the group
}

// cameraFacts is what the camera process tells of itself.
type cameraFacts struct {
	Address string
	Late    time.Duration // the latest picture, against its time
}

// linkTime is how long a camera's 100 Mbit/s link is busy with one packet.
const linkTime = 117 * time.Microsecond

// cameras is an RTSP server for many cameras: /0, /1 and so on. The pictures are packetised
// beforehand, so that a camera costs little more than its system calls.
type cameras struct {
	cameraSetup
	gop      []picture
	began    time.Time
	listener net.Listener
	scratch  sync.Pool
	late     atomic.Int64
}

// camerasCommand serves the conductor's requests in the camera process.
func camerasCommand(ctx context.Context) Handler {
	var c *cameras
	return func(op string, args json.RawMessage) (any, error) {
		switch op {
		case "start":
			c = &cameras{began: time.Now()}
			if err := json.Unmarshal(args, &c.cameraSetup); err != nil {
				return nil, err
			}
			return c.start(ctx)
		case "facts":
			return cameraFacts{Late: time.Duration(c.late.Swap(0))}, nil
		}
		return nil, errUnknown
	}
}

func (c *cameras) start(ctx context.Context) (cameraFacts, error) {
	c.gop = makeGOP(c.Kbps)
	c.scratch.New = func() any { return new([]byte) }
	var err error
	if c.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return cameraFacts{}, err
	}
	context.AfterFunc(ctx, func() { _ = c.listener.Close() })
	go func() {
		for {
			conn, err := c.listener.Accept()
			if err != nil {
				return
			}
			go c.serve(ctx, conn)
		}
	}()
	return cameraFacts{Address: c.listener.Addr().String()}, nil
}

// serve is one RTSP connection.
func (c *cameras) serve(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	var writing sync.Mutex
	text := textproto.NewReader(bufio.NewReader(conn))
	for {
		line, err := text.ReadLine()
		if err != nil {
			return
		}
		if line == "" {
			continue
		}
		head, err := text.ReadMIMEHeader()
		if err != nil {
			return
		}
		method, rest, _ := strings.Cut(line, " ")
		url, _, _ := strings.Cut(rest, " ")
		reply := "RTSP/1.0 200 OK\r\nCSeq: " + head.Get("CSeq") + "\r\n"
		switch method {
		case "OPTIONS":
			reply += "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER\r\n\r\n"
		case "DESCRIBE":
			sdp := "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=bench\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n" +
				"m=video 0 RTP/AVP 96\r\na=control:track\r\na=rtpmap:96 H264/90000\r\n" +
				"a=fmtp:96 packetization-mode=1; sprop-parameter-sets=" + spsBase64 + "," + ppsBase64 + "\r\n"
			reply += "Content-Base: " + url + "/\r\nContent-Type: application/sdp\r\nContent-Length: " +
				strconv.Itoa(len(sdp)) + "\r\n\r\n" + sdp
		case "SETUP":
			reply += "Session: 1;timeout=60\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n"
		default:
			reply += "Session: 1\r\n\r\n"
		}
		writing.Lock()
		_, err = conn.Write([]byte(reply))
		writing.Unlock()
		if err != nil || method == "TEARDOWN" {
			return
		}
		if method == "PLAY" {
			index := 0
			if at := strings.Index(url, "/cam"); at >= 0 {
				name, _, _ := strings.Cut(url[at+4:], "/")
				index, _ = strconv.Atoi(name)
			}
			go c.play(ctx, conn, &writing, index)
		}
	}
}

// play sends pictures in real time until the connection ends. Cameras are spread over the interval
// of a picture and over the group, as chance does it on a site.
func (c *cameras) play(ctx context.Context, conn net.Conn, writing *sync.Mutex, index int) {
	phase := interval * time.Duration(index) / time.Duration(max(c.Streams, 1))
	offset := index * 17 % gop // spread over the group
	began := c.began.Add(phase)
	seq := uint16(index)
	first := int64(time.Since(began)/interval) + 1
	if c.KeyFirst {
		offset = gop - int(first%gop)
	}
	for n := first; ctx.Err() == nil; n++ {
		due := began.Add(time.Duration(n) * interval)
		time.Sleep(time.Until(due))
		if late := int64(time.Since(due)); late > c.late.Load() {
			c.late.Store(late)
		}
		p := &c.gop[(int(n)+offset)%gop]
		scratch := c.scratch.Get().(*[]byte)
		wire := append((*scratch)[:0], p.wire...)
		seq = p.number(wire, seq, uint32(n)*ticks)
		writing.Lock()
		err := c.send(conn, p, wire)
		writing.Unlock()
		*scratch = wire
		c.scratch.Put(scratch)
		if err != nil {
			return
		}
	}
}

func (c *cameras) send(conn net.Conn, p *picture, wire []byte) error {
	last := 0
	if c.Packetwise {
		due := time.Now()
		last = p.packets[len(p.packets)-1]
		for i, at := range p.packets[1:] {
			if _, err := conn.Write(wire[p.packets[i]:at]); err != nil {
				return err
			}
			due = due.Add(linkTime)
			if wait := time.Until(due); wait > linkTime/2 {
				time.Sleep(wait)
			}
		}
	}
	putStamp(wire[len(wire)-stampSize:], monotonic())
	_, err := conn.Write(wire[last:])
	return err
}

// setUp plays a camera of such a server and returns the connection, at the first byte of media.
func setUp(ctx context.Context, address string, index int) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	url := fmt.Sprintf("rtsp://%s/cam%d", address, index)
	for i, method := range []string{"SETUP", "PLAY"} {
		if _, err = fmt.Fprintf(conn, "%s %s RTSP/1.0\r\nCSeq: %d\r\n\r\n", method, url, i+1); err != nil {
			break
		}
		if err = skipReply(conn); err != nil {
			break
		}
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// skipReply reads up to the empty line, byte by byte so as to take nothing that follows.
func skipReply(conn net.Conn) error {
	var b [1]byte
	tail := ""
	for range 4096 {
		if _, err := conn.Read(b[:]); err != nil {
			return err
		}
		if tail = (tail + string(b[:]))[max(0, len(tail)-3):]; tail == "\r\n\r\n" {
			return nil
		}
	}
	return errors.New("bench: an RTSP reply without end")
}
