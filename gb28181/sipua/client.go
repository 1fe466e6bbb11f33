package sipua

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"
)

// maxClients bounds our own transactions, those included that only wait for repeats of an INVITE's final response.
const maxClients = 4096

type clientKey struct{ branch, method string }

// client is one of our own transactions.
type client struct {
	tx       *sip.ClientTx
	invite   bool
	progress atomic.Bool // a provisional response has come
	final    atomic.Bool // a final response has come
	repeated atomic.Bool // a repeated final response is being acknowledged
}

// ackSent is the ACK of a 2xx, sent again when the 2xx is.
type ackSent struct {
	msg  *sip.Request
	to   peer
	born time.Time
}

// clients finds our transactions by what responses bring back.
type clients struct {
	mu   sync.Mutex
	by   map[clientKey]*client
	acks map[string]ackSent // by Call-ID
}

func (cs *clients) add(k clientKey, c *client) bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if len(cs.by) >= maxClients {
		return false
	}
	cs.by[k] = c
	return true
}

func (cs *clients) remove(k clientKey) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	delete(cs.by, k)
}

func (cs *clients) find(k clientKey) *client {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return cs.by[k]
}

// keepACK remembers the ACK of a call for as long as its 2xx may be repeated.
func (cs *clients) keepACK(callID string, a ackSent) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for id, old := range cs.acks {
		if a.born.Sub(old.born) > exchangeAge {
			delete(cs.acks, id)
		}
	}
	if len(cs.acks) < maxClients {
		cs.acks[callID] = a
	}
}

func (cs *clients) ack(callID string) (ackSent, bool) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	a, ok := cs.acks[callID]
	return a, ok
}

func (cs *clients) terminateAll() {
	cs.mu.Lock()
	var all []*client
	for _, c := range cs.by {
		all = append(all, c)
	}
	cs.mu.Unlock()
	for _, c := range all {
		c.tx.Terminate()
	}
}

// Do sends a request and waits for its final response, whatever its code. What the caller left out is filled in: Via
// with an empty rport (RFC 3581), a new branch, Max-Forwards, User-Agent and Content-Length. The request goes to
// to.Remote, never to where the request URI points.
//
// Errors are ErrNoAnswer, ErrLost, ErrClosed, ErrTooMany, ErrHeaderText, the socket's, or ctx's cause. When ctx ends
// before an INVITE has its final response, the endpoint takes it back: by CANCEL, and where the peer answers all the
// same by ACK and BYE.
func (e *Endpoint) Do(ctx context.Context, r *Request, to Route) (*Response, error) {
	p, m, err := e.prepare(ctx, r, to)
	if err != nil {
		return nil, err
	}
	branch, _ := m.Via().Params.Get("branch")
	key := clientKey{branch, r.Method}
	c := &client{invite: r.Method == "INVITE"}
	c.tx = sip.NewClientTx(branch, m, p, e.quiet)
	if !e.clients.add(key, c) {
		return nil, ErrTooMany
	}
	c.tx.OnTerminate(func(string, error) { e.clients.remove(key) })
	if c.invite {
		c.tx.OnRetransmission(e.acknowledgeAgain)
	}
	if e.stopped() {
		c.tx.Terminate()
		return nil, ErrClosed
	}
	sent := time.Now()
	if err := c.tx.Init(); err != nil {
		c.tx.Terminate()
		return nil, fmt.Errorf("sipua: %s to %s: %w", r.Method, p.remote(), err)
	}
	res, err := e.await(ctx, c, p)
	given := *r
	switch {
	case err != nil && c.invite && ctx.Err() != nil && e.spawnReader(func() { e.takeBack(c, m, given, p, to) }):
	case err != nil || !c.invite:
		c.tx.Terminate()
	}
	if err != nil {
		if tcp, ok := p.(*conn); ok && !given.Patient {
			tcp.suspect(sent)
		}
		return nil, fmt.Errorf("%s to %s: %w", r.Method, p.remote(), err)
	}
	return res, nil
}

// await waits for the final response.
func (e *Endpoint) await(ctx context.Context, c *client, p peer) (*Response, error) {
	for {
		select {
		case m := <-c.tx.Responses():
			if m.IsProvisional() {
				c.progress.Store(true)
				continue
			}
			src, _ := netip.ParseAddrPort(m.Source())
			return decodeResponse(m, src), nil
		case <-c.tx.Done():
			if e.stopped() {
				return nil, ErrClosed
			}
			if err := c.tx.Err(); err != nil && !errors.Is(err, sip.ErrTransactionTimeout) {
				return nil, err
			}
			return nil, ErrNoAnswer
		case <-p.lost():
			return nil, ErrLost
		case <-e.closed:
			return nil, ErrClosed
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// Send sends a request without a transaction: ACK. The ACK of an INVITE is sent again by the endpoint when the peer
// repeats its 2xx.
func (e *Endpoint) Send(r *Request, to Route) error {
	ctx, cancel := context.WithTimeout(e.life, dialTimeout)
	defer cancel()
	p, m, err := e.prepare(ctx, r, to)
	if err != nil {
		return err
	}
	if r.Method == "ACK" {
		e.clients.keepACK(r.CallID, ackSent{m, p, time.Now()})
	}
	return p.WriteMsg(m)
}

// prepare makes the message and finds the way.
func (e *Endpoint) prepare(ctx context.Context, r *Request, to Route) (peer, *sip.Request, error) {
	if e.stopped() {
		return nil, nil, ErrClosed
	}
	if !to.Remote.IsValid() || to.Remote.Port() == 0 {
		return nil, nil, fmt.Errorf("sipua: route without address: %q", to.Remote)
	}
	to.Remote = unmap(to.Remote)
	if !to.Local.IsValid() || to.Local.Addr().IsUnspecified() || to.Local.Port() == 0 {
		local, err := e.LocalFor(to.Remote)
		if err != nil {
			return nil, nil, err
		}
		to.Local = local
	}
	transport := strings.ToUpper(to.Transport)
	if transport == "" {
		transport = "UDP"
	}
	top := &sip.ViaHeader{
		ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: transport,
		Host: to.Local.Addr().Unmap().String(), Port: int(to.Local.Port()),
	}
	top.Params.Add("rport", "")
	top.Params.Add("branch", sip.GenerateBranch())
	m, err := encodeRequest(r, top, e.cfg.UserAgent)
	if err != nil {
		return nil, nil, err
	}
	m.SetTransport(transport)
	switch transport {
	case "UDP":
		return &udpPeer{e: e, to: to.Remote}, m, nil
	case "TCP":
		c, err := e.dial(ctx, to.Remote)
		if err != nil {
			return nil, nil, err
		}
		return c, m, nil
	}
	return nil, nil, fmt.Errorf("sipua: transport %q", to.Transport)
}

// receiveResponse hands a response to the transaction it belongs to; others are late repeats.
func (e *Endpoint) receiveResponse(m *sip.Response, from peer) {
	branch, _ := m.Via().Params.Get("branch")
	c := e.clients.find(clientKey{branch, m.CSeq().MethodName.String()})
	if c == nil {
		return
	}
	m.SetSource(from.remote().String())
	if !c.invite || m.IsProvisional() || !c.final.Swap(true) {
		c.tx.Receive(m) // returns when await has taken it
		return
	}
	// sipgo waits 4 s inside before it acknowledges a repeated refusal again.
	if c.repeated.CompareAndSwap(false, true) && !e.spawnReader(func() {
		defer c.repeated.Store(false)
		c.tx.Receive(m)
	}) {
		c.repeated.Store(false)
	}
}

// acknowledgeAgain answers a repeated 2xx to our INVITE with the ACK the caller sent (RFC 3261 §13.2.2.4).
func (e *Endpoint) acknowledgeAgain(m *sip.Response) {
	if a, ok := e.clients.ack(m.CallID().Value()); ok {
		_ = a.to.WriteMsg(a.msg)
	}
}
