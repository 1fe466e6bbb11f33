package rtsp

import (
	"bytes"
	"net"
	"time"
)

const (
	answerTime = 2 * time.Second  // for our answer to a request of the camera
	writeTime  = 10 * time.Second // for a request of ours
	maxOwed    = 64 << 10         // bytes of answers that wait until the socket is free
)

// answer accepts whatever a camera asks for: OPTIONS and GET_PARAMETER as a sign of life, SET_PARAMETER,
// ANNOUNCE and REDIRECT, which gortsplib would end the session for.
func (n *normConn) answer(m *message) error {
	reply := &message{code: 200, reason: "OK"}
	for _, name := range []string{"CSeq", "Session"} {
		if v := m.get(name); v != "" {
			reply.set(name, v)
		}
	}
	wait := answerTime
	if n.polled {
		wait = 0 // other cameras' media waits behind this
	}
	n.mu.Lock()
	n.owed = reply.appendTo(n.owed)
	much := len(n.owed) > maxOwed
	n.mu.Unlock()
	if much {
		return unread(nil)
	}
	return n.settle(wait)
}

func unread(err error) *Error {
	return &Error{Kind: Closed, Text: "camera asks and does not read the answers", Err: err}
}

// settle sends the answers that are owed. Who meets the socket in use leaves it to its user, who settles behind himself.
func (n *normConn) settle(wait time.Duration) error {
	for n.owes() && n.writing.TryLock() {
		n.mu.Lock()
		b := n.owed
		n.owed = nil
		n.mu.Unlock()
		_ = n.Conn.SetWriteDeadline(time.Now().Add(wait))
		_, err := n.Conn.Write(b)
		n.writing.Unlock()
		if err != nil {
			return unread(err)
		}
	}
	return nil
}

func (n *normConn) owes() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.owed) > 0
}

// Write sends a request of gortsplib, after traffic.outbound had its way with it.
func (n *normConn) Write(p []byte) (int, error) {
	head, body, _ := bytes.Cut(p, []byte("\r\n\r\n"))
	m, ok := parseMessage(head)
	if !ok || m.method == "" {
		return len(p), nil // gortsplib writes nothing else to a camera that is only watched
	}
	m.body = body
	if err := n.send(m, nil); err != nil {
		return 0, err
	}
	return len(p), nil
}

// send puts a request on the wire. The numbers there are our own, since not all requests are gortsplib's: one
// that is the session's brings done.
func (n *normConn) send(m *message, done func(*message)) error {
	if wait := n.traffic.pause(m.method); wait > 0 {
		select {
		case <-n.left:
			return net.ErrClosed
		case <-time.After(wait):
		}
	}
	e, send := n.traffic.outbound(m)
	if !send {
		return nil
	}
	if err := n.request(e, m, done); err != nil {
		n.gone()
		return err
	}
	return n.settle(answerTime)
}

func (n *normConn) request(e exchange, m *message, done func(*message)) error {
	n.writing.Lock() // the numbers go out in their order
	defer n.writing.Unlock()
	n.mu.Lock()
	n.sequence++
	e.cseq, e.inner, e.method, e.done = n.sequence, m.cseq(), m.method, done
	m.number(e.cseq)
	n.waiting.sent(e)
	timeout := writeTime
	if m.method == "TEARDOWN" {
		n.leaving = true
		timeout = goodbye
	}
	n.mu.Unlock()
	_ = n.Conn.SetWriteDeadline(time.Now().Add(timeout))
	_, err := n.Conn.Write(m.appendTo(nil))
	return err
}

// frame sends an interleaved frame.
func (n *normConn) frame(b []byte) error {
	if err := n.write(b); err != nil {
		return err
	}
	return n.settle(answerTime)
}

func (n *normConn) write(b []byte) error {
	n.writing.Lock()
	defer n.writing.Unlock()
	if n.isLeaving() {
		return net.ErrClosed
	}
	_ = n.Conn.SetWriteDeadline(time.Now().Add(talkWrite))
	_, err := n.Conn.Write(b)
	return err
}

func (n *normConn) isLeaving() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.leaving
}

// next returns the number of the next request.
func (n *normConn) next() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.sequence + 1
}

// SetWriteDeadline does nothing: Write sets its own, as requests and answers share the socket.
func (n *normConn) SetWriteDeadline(time.Time) error { return nil }
