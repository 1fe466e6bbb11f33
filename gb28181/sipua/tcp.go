package sipua

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"
)

// Bounds of TCP connections.
const (
	dialTimeout    = 5 * time.Second
	firstTimeout   = 30 * time.Second // a connection that was accepted and says nothing
	idleTimeout    = 10 * time.Minute // no message either way; keepalives come each minute
	messageTimeout = 30 * time.Second // from a message's first byte to its last
	silence        = 3 * time.Second  // a request unanswered this long by a silent connection ends it
	maxConns       = 256              // each may hold a message of 80 KiB
)

// conns are the TCP connections, one per remote address, whoever opened them.
type conns struct {
	mu     sync.Mutex
	by     map[netip.AddrPort]*conn
	closed bool
}

// conn is a TCP connection, used for requests both ways.
type conn struct {
	e     *Endpoint
	to    netip.AddrPort
	ready chan struct{} // closed when dialled, or dialling failed
	err   error         // of dialling; set before ready is closed
	ended chan struct{}

	mu     sync.Mutex
	nc     net.Conn // set before ready is closed
	closed bool

	heard atomic.Int64 // when the last message came, in Unix nanoseconds
	write sync.Mutex
}

func newConn(e *Endpoint, to netip.AddrPort) *conn {
	return &conn{e: e, to: to, ready: make(chan struct{}), ended: make(chan struct{})}
}

// accept takes connections until the listener is closed.
func (e *Endpoint) accept() error {
	for {
		nc, err := e.tcp.AcceptTCP()
		if err != nil {
			if e.stopped() || errors.Is(err, net.ErrClosed) {
				return nil
			}
			// Out of descriptors, or a connection that was gone before it was taken.
			e.log.Warn("sip: accept", "error", err)
			select {
			case <-e.closed:
			case <-time.After(100 * time.Millisecond):
			}
			continue
		}
		c := newConn(e, unmap(nc.RemoteAddr().(*net.TCPAddr).AddrPort()))
		c.nc = nc
		close(c.ready)
		if !e.conns.add(c) {
			e.noise.drop("too many connections, closed", c.to, 0, errTooBusy)
			_ = nc.Close()
			continue
		}
		if !e.spawnReader(func() { c.serve(firstTimeout) }) {
			c.close()
		}
	}
}

// add enters an accepted connection; a half-open one of the same remote is replaced.
func (cs *conns) add(c *conn) bool {
	cs.mu.Lock()
	if cs.closed || len(cs.by) >= maxConns {
		cs.mu.Unlock()
		return false
	}
	old := cs.by[c.to]
	cs.by[c.to] = c
	cs.mu.Unlock()
	if old != nil {
		old.close()
	}
	return true
}

// get finds the connection to a remote, or enters a new one that the caller has to dial.
func (cs *conns) get(e *Endpoint, to netip.AddrPort) (c *conn, dial bool, err error) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.closed {
		return nil, false, ErrClosed
	}
	if c := cs.by[to]; c != nil {
		return c, false, nil
	}
	if len(cs.by) >= maxConns {
		return nil, false, ErrTooMany
	}
	c = newConn(e, to)
	cs.by[to] = c
	return c, true, nil
}

func (cs *conns) remove(c *conn) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.by[c.to] == c {
		delete(cs.by, c.to)
	}
}

func (cs *conns) closeAll() {
	cs.mu.Lock()
	cs.closed = true
	var all []*conn
	for _, c := range cs.by {
		all = append(all, c)
	}
	cs.mu.Unlock()
	for _, c := range all {
		c.close()
	}
}

// dial gives the connection to a remote and opens it when there is none.
func (e *Endpoint) dial(ctx context.Context, to netip.AddrPort) (*conn, error) {
	c, fresh, err := e.conns.get(e, to)
	if err != nil {
		return nil, err
	}
	if fresh && !e.spawnReader(func() { c.open() }) {
		c.fail(ErrClosed)
	}
	select {
	case <-c.ready:
		return c, c.err
	default:
	}
	select {
	case <-c.ready:
		return c, c.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// open dials and then reads. The dial is not the first caller's: others may wait for it too.
func (c *conn) open() {
	d := net.Dialer{Timeout: dialTimeout}
	if ip := c.e.addr.Addr(); !ip.IsUnspecified() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(ip, 0))
	}
	nc, err := d.DialContext(c.e.life, "tcp", c.to.String())
	if err != nil {
		if c.e.stopped() {
			err = ErrClosed
		}
		c.fail(fmt.Errorf("sipua: %w", err))
		return
	}
	if !c.opened(nc) {
		_ = nc.Close()
		c.fail(ErrClosed)
		return
	}
	close(c.ready)
	c.serve(idleTimeout)
}

// opened takes the socket over, unless the connection has been closed meanwhile.
func (c *conn) opened(nc net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.nc = nc
	return true
}

func (c *conn) fail(err error) {
	c.err = err
	c.e.conns.remove(c)
	close(c.ready)
}

// serve reads messages until the connection ends.
func (c *conn) serve(first time.Duration) {
	defer c.e.closeCallbacks(c.to)
	defer c.close()
	if c.e.stopped() {
		return
	}
	f := newFramer(c.nc)
	idle := first
	for {
		raw, err := f.next(idle)
		c.heard.Store(time.Now().UnixNano())
		if err == nil {
			err = c.e.receive(raw, c)
		}
		switch {
		case err == nil:
			idle = idleTimeout
		case errors.Is(err, errStranger):
			c.e.noise.drop(dropKind(err), c.to, len(raw), err)
		case errors.Is(err, errTooLarge):
			c.e.noise.drop("message too large, connection closed", c.to, len(raw), err)
			c.refuseLarge(raw)
			return
		case errors.Is(err, errNotSIP):
			// Nothing says where the next message would begin.
			c.e.noise.drop(dropKind(err)+", connection closed", c.to, len(raw), err)
			return
		default:
			c.e.log.Debug("sip: connection ended", "remote", c.to.String(), "reason", err)
			return
		}
	}
}

// refuseLarge answers 513 to a request of which only the head has been read.
func (c *conn) refuseLarge(head []byte) {
	text, err := repair(head)
	if err != nil {
		return
	}
	msg, err := c.e.parse(text)
	req, ok := msg.(*sip.Request)
	if err != nil || !ok {
		return
	}
	if res, err := encodeResponse(req, &Response{Code: 513}, newTag(), c.e.cfg.UserAgent); err == nil {
		_ = c.WriteMsg(res)
	}
}

func (e *Endpoint) closeCallbacks(remote netip.AddrPort) {
	for _, f := range e.onClose {
		f(remote)
	}
}

// WriteMsg sends a message whole, or ends the connection: half a message would spoil what follows.
func (c *conn) WriteMsg(m sip.Message) error {
	raw := []byte(m.String())
	c.write.Lock()
	defer c.write.Unlock()
	c.e.trace(true, "tcp", c.to, raw)
	err := c.nc.SetWriteDeadline(time.Now().Add(writeTimeout))
	if err == nil {
		_, err = c.nc.Write(raw)
	}
	if err != nil {
		c.close()
		return fmt.Errorf("sipua: send to %s: %w", c.to, err)
	}
	return nil
}

// close ends the connection; its reader notices.
func (c *conn) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	c.closed = true
	c.e.conns.remove(c)
	close(c.ended)
	if c.nc != nil {
		_ = c.nc.Close()
	}
}

// suspect ends the connection when nothing has come on it since a request was sent that its sender has given up: a peer
// that vanished without a reset would otherwise hold it for as long as the kernel repeats, a quarter of an hour.
func (c *conn) suspect(sent time.Time) {
	if time.Since(sent) >= c.e.silence && c.heard.Load() < sent.UnixNano() {
		c.e.log.Info("sip: connection silent, closed", "remote", c.to.String())
		c.close()
	}
}

func (c *conn) transport() string      { return "tcp" }
func (c *conn) remote() netip.AddrPort { return c.to }
func (c *conn) lost() <-chan struct{}  { return c.ended }

// LocalAddr and the methods below are what sipgo's transactions call on a connection. They count users to close it
// after the last; ours stays open for the peer's requests.
func (c *conn) LocalAddr() net.Addr    { return c.nc.LocalAddr() }
func (c *conn) Ref(int) int            { return 1 }
func (c *conn) TryClose() (int, error) { return 1, nil }
func (c *conn) Close() error           { return nil }
