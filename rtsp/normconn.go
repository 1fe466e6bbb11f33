package rtsp

import (
	"bytes"
	"errors"
	"net"
	"strconv"
	"sync"
	"time"
)

const (
	readBuffer = 128 << 10   // room for a whole frame and a large read behind it
	goodbye    = time.Second // longest wait for the reply to TEARDOWN
)

// traffic is what normConn hands over. outbound runs on the goroutine that writes, all else on the
// one that reads; nothing may block.
type traffic interface {
	// pause is how long to see whether the camera hangs up before a request leaves.
	pause(method string) time.Duration
	// outbound may change a request before it leaves; false swallows it.
	outbound(m *message) (exchange, bool)
	// inbound may change a reply before gortsplib gets it.
	inbound(e exchange, m *message)
	// asked tells about a request of the camera, which was answered already. An error ends the session.
	asked(m *message) error
	// frame gets the payload of an interleaved frame on a channel in use, valid during the call.
	frame(channel byte, payload []byte, at time.Time)
}

// normConn stands between the camera's socket and gortsplib.
//
//	camera ──▶ RTSP reply   ──▶ repaired ──▶ gortsplib
//	       ──▶ RTSP request ──▶ answered here
//	       ──▶ $ frame      ──▶ traffic.frame: gortsplib never sees media
//	       ──▶ junk         ──▶ counted, skipped
//
// gortsplib's time-outs, which would miss the frames, are switched off: they follow the wall clock
// (a clock step would drop every camera) and the session has its own.
type normConn struct {
	net.Conn
	traffic traffic
	used    *channelUse // changed by traffic, on the reading goroutine

	polled  bool       // a Poller calls readable; else Read takes bytes from the socket itself
	reading sync.Mutex // held while bytes are taken from the socket
	text    sync.Cond  // on reading, polled only: there is text for gortsplib, or an end
	failed  error      // polled only: why nothing more comes
	buf     []byte     // inbound bytes: buf[r:w] are not looked at yet
	r, w    int
	scanned int      // see classify
	partial *message // header taken, body not complete yet
	out     []byte   // repaired text for gortsplib
	junk    uint64   // bytes that were neither
	noise   int      // of these, since the last message or frame
	heard   bool     // at least one RTSP message came

	writing sync.Mutex // held while bytes go to the socket, however long that takes: who reads does not wait for it
	mu      sync.Mutex // guards all below, and is never held for long
	owed    []byte     // answers that could not be sent yet
	waiting exchanges
	// sequence is the CSeq of the last request.
	sequence int
	leaving  bool          // TEARDOWN was sent: nothing goes to gortsplib any more
	left     chan struct{} // closed when TEARDOWN was answered or the connection ended
	once     sync.Once
}

func newNormConn(inner net.Conn, t traffic, used *channelUse) *normConn {
	n := &normConn{
		Conn: inner, traffic: t, used: used,
		buf: make([]byte, readBuffer), left: make(chan struct{}),
	}
	n.text.L = &n.reading
	return n
}

// readable takes what came, for a Poller.
func (n *normConn) readable() bool {
	n.reading.Lock()
	defer n.reading.Unlock()
	err := n.fill()
	if errors.Is(err, errAgain) {
		return true
	}
	n.failed = err
	if err != nil || len(n.out) > 0 {
		n.text.Broadcast()
	}
	return err == nil
}

// await waits until there is text for gortsplib.
func (n *normConn) await() error {
	if !n.polled {
		return n.fill()
	}
	if n.failed == nil {
		n.text.Wait()
	}
	if len(n.out) > 0 {
		return nil
	}
	return n.failed
}

// Read gives gortsplib the repaired RTSP text. Media is handled inside and never returned.
// The session's watchdogs close the socket when it stays silent, so no deadline is set per read.
func (n *normConn) Read(p []byte) (int, error) {
	n.reading.Lock()
	defer n.reading.Unlock()
	for len(n.out) == 0 {
		if err := n.await(); err != nil {
			n.gone()
			return 0, err
		}
	}
	k := copy(p, n.out)
	if n.out = n.out[k:]; len(n.out) == 0 {
		n.out = nil
	}
	return k, nil
}

// fill reads once, as much as there is, and takes apart what came.
func (n *normConn) fill() error {
	if n.r > 0 {
		n.w = copy(n.buf, n.buf[n.r:n.w])
		n.r = 0
	}
	k, err := n.Conn.Read(n.buf[n.w:])
	if k == 0 && err != nil {
		return err
	}
	n.w += k
	return n.consume(time.Now())
}

// consume handles every complete piece in the buffer.
func (n *normConn) consume(at time.Time) error {
	for n.r < n.w {
		if n.partial != nil {
			if done := n.takeBody(); !done {
				return nil
			}
			if err := n.deliver(); err != nil {
				return err
			}
			continue
		}
		b := n.buf[n.r:n.w]
		kind, size := classify(b, n.used, &n.scanned)
		switch kind {
		case pieceMore:
			return nil
		case pieceJunk:
			if err := n.skip(b[:size]); err != nil {
				return err
			}
		case pieceFrame:
			if n.used[b[1]] {
				n.noise = 0
				n.traffic.frame(b[1], b[4:size], at)
			}
		case pieceMessage:
			if err := n.takeHeader(b[:size]); err != nil {
				return err
			}
		case pieceEndless:
			return &Error{Kind: Protocol, Text: "camera sends an RTSP header without end"}
		}
		n.r += size
		n.scanned = 0
	}
	return nil
}

func (n *normConn) skip(b []byte) error {
	if !n.heard && bytes.HasPrefix(n.buf[n.r:n.w], []byte("HTTP/")) {
		return &Error{Kind: Protocol, Text: "this port speaks HTTP, not RTSP"}
	}
	if len(bytes.Trim(b, "\r\n")) == 0 {
		return nil
	}
	return n.discard(b)
}

// discard counts junk. A peer that sends nothing else is left: searching its bytes costs CPU.
func (n *normConn) discard(b []byte) error {
	n.junk += uint64(len(b))
	if n.noise += len(b); n.noise > maxNoise {
		return &Error{Kind: Protocol, Text: "what the camera sends is not RTSP"}
	}
	return nil
}

// takeHeader starts a message. One without body is delivered when consume comes round again.
func (n *normConn) takeHeader(head []byte) error {
	m, ok := parseMessage(head)
	if !ok {
		return n.discard(head)
	}
	n.heard, n.noise = true, 0
	size := m.contentLength()
	if size > maxBody {
		return &Error{
			Kind: Protocol,
			Text: "camera announces an RTSP body of " + strconv.FormatInt(size, 10) + " bytes",
		}
	}
	if size == 0 {
		n.partial = m
		return n.deliver()
	}
	n.partial = m
	m.body = make([]byte, 0, min(size, 16<<10)) // the announced length is not believed before the bytes come
	return nil
}

// takeBody moves bytes of the body from the buffer and tells whether it is complete.
func (n *normConn) takeBody() bool {
	missing := int(n.partial.contentLength()) - len(n.partial.body) // at most maxBody
	k := min(missing, n.w-n.r)
	n.partial.body = append(n.partial.body, n.buf[n.r:n.r+k]...)
	n.r += k
	return k == missing
}

// deliver passes a complete message on.
func (n *normConn) deliver() error {
	m := n.partial
	n.partial = nil
	if m.method != "" {
		if err := n.answer(m); err != nil {
			return err
		}
		return n.traffic.asked(m)
	}
	if m.code < 200 {
		return nil // "100 Continue" settles nothing
	}
	n.mu.Lock()
	e, ok := n.waiting.answered(m.cseq())
	leaving := n.leaving
	n.mu.Unlock()
	if !ok {
		return nil
	}
	if leaving {
		if e.method == "TEARDOWN" {
			n.gone()
		}
		return nil
	}
	m.set("CSeq", strconv.Itoa(e.inner))
	n.traffic.inbound(e, m)
	if e.done != nil {
		e.done(m)
		return nil
	}
	n.out = m.appendTo(n.out)
	return nil
}

// gone tells Close that there is nothing left to wait for.
func (n *normConn) gone() { n.once.Do(func() { close(n.left) }) }

// Close waits, at most a second, until the camera has answered TEARDOWN, taking in what still comes:
// closing with unread media resets the connection, the reset overtakes TEARDOWN, and a camera with few
// sessions then holds this one until it times out.
func (n *normConn) Close() error {
	if n.isLeaving() {
		_ = n.Conn.SetReadDeadline(time.Now().Add(goodbye))
		n.drain()
	}
	return n.Conn.Close()
}

func (n *normConn) drain() {
	if !n.polled && n.reading.TryLock() {
		defer n.reading.Unlock()
		for {
			select {
			case <-n.left:
				return
			default:
			}
			if n.fill() != nil {
				return
			}
		}
	}
	timer := time.NewTimer(goodbye) // gortsplib's reader is at it, or the Poller
	defer timer.Stop()
	select {
	case <-n.left:
	case <-timer.C:
	}
}
