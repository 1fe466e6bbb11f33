package rehearsal

import (
	"bytes"
	"context"
	"strconv"
	"time"

	"gbgate/gb28181"
	"gbgate/gb28181/manscdp"
	"gbgate/gb28181/sipua"
)

// message answers a MESSAGE: 404 to a node that is not registered (as WVP does), else 200. What it says is noted
// before, so that the parts of a catalog, each sent after the 200 of the one before, stay in order.
func (p *Platform) message(ctx context.Context, r *sipua.Request) {
	n := p.lookup(r.From.URI.User)
	if n == nil {
		p.respond(r, &sipua.Response{Code: 404, Reason: "Unknown node"})
		return
	}
	switch m := decode(r.Body).(type) {
	case nil:
		_, err := manscdp.Decode(r.Body)
		code, reason := gb28181.StatusOf(err)
		p.respond(r, &sipua.Response{Code: code, Reason: reason})
		return
	case *manscdp.Keepalive:
		p.keepalive(n, m)
	default:
		if m.Root() == manscdp.Notify {
			p.notice(n, r, m)
		}
		p.deliver(ctx, n, m)
	}
	p.respond(r, &sipua.Response{Code: 200})
}

func (p *Platform) keepalive(n *Node, m *manscdp.Keepalive) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n.state.Keepalives++
	n.state.LastKeepalive = time.Now()
	n.state.Status = m.Status
	if sn, err := strconv.ParseUint(m.SN, 10, 64); err != nil || sn <= n.lastSN {
		n.state.BadSNs++
	} else {
		n.lastSN = sn
	}
	p.wake()
}

// maxNotices bounds what is kept of a node's notifications; the oldest go first.
const maxNotices = 1024

// Notice is a Notify that a node sent by MESSAGE, keepalives left out.
type Notice struct {
	At      time.Time
	CallID  string // that of the INVITE for a MediaStatus
	Message manscdp.Message
	Body    []byte
}

func (p *Platform) notice(n *Node, r *sipua.Request, m manscdp.Message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(n.notices) >= maxNotices {
		n.notices = n.notices[1:]
	}
	n.notices = append(n.notices, Notice{At: time.Now(), CallID: r.CallID, Message: m, Body: bytes.Clone(r.Body)})
	p.wake()
}

// query is a question under way; its answers have the same command, node and SN.
type query struct {
	node    *Node
	command string
	sn      string
	parts   chan manscdp.Message
	done    chan struct{}
	stray   int // answers with another SN; guarded by Platform.mu
}

// open enters a question, so that answers find it.
func (n *Node) open(command, sn string) *query {
	q := &query{
		node: n, command: command, sn: sn,
		parts: make(chan manscdp.Message, 64), done: make(chan struct{}),
	}
	n.p.mu.Lock()
	defer n.p.mu.Unlock()
	n.p.queries[q] = struct{}{}
	return q
}

// close ends the question and returns how many answers came with a wrong SN meanwhile.
func (q *query) close() int {
	p := q.node.p
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.queries, q)
	close(q.done)
	return q.stray
}

// deliver hands a Response to its question. A response with another SN is counted at every open question of its
// command; one to a question long given up is nobody's.
func (p *Platform) deliver(ctx context.Context, n *Node, m manscdp.Message) {
	if m.Root() != manscdp.Response {
		return
	}
	q := p.match(n, m.Head())
	if q == nil {
		p.log.Info("nobody asked", "node", n.id, "command", m.Head().CmdType, "sn", m.Head().SN)
		return
	}
	select {
	case q.parts <- m:
	case <-q.done:
	case <-ctx.Done():
	}
}

func (p *Platform) match(n *Node, h *manscdp.Header) *query {
	p.mu.Lock()
	defer p.mu.Unlock()
	for q := range p.queries {
		if q.node == n && q.command == h.CmdType && q.sn == h.SN {
			return q
		}
	}
	for q := range p.queries {
		if q.node == n && q.command == h.CmdType {
			q.stray++
		}
	}
	return nil
}
