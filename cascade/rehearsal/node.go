package rehearsal

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"gbgate/gb28181"
	"gbgate/gb28181/manscdp"
	"gbgate/gb28181/sipua"
)

// Node is a lower node that registered. It stays the same through re-registrations.
type Node struct {
	p  *Platform
	id string

	// Guarded by Platform.mu.
	state   NodeState
	lastSN  uint64 // of a keepalive
	notices []Notice
}

// NodeState is what the platform knows of a node at a moment.
type NodeState struct {
	ID         string
	Registered bool
	Transport  string         // "udp" or "tcp"
	Source     netip.AddrPort // where the last REGISTER came from, and where our requests go
	Contact    string
	Version    string    // its X-GB-Ver, empty when it sent none
	Until      time.Time // end of the registration

	Registrations, Unregistrations int
	Keepalives                     int
	LastKeepalive                  time.Time
	Status                         string // of the last keepalive: OK or ERROR
	BadSNs                         int    // keepalives whose SN did not rise
}

// Nodes lists the nodes that ever registered.
func (p *Platform) Nodes() []NodeState {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []NodeState
	for _, n := range p.nodes {
		out = append(out, n.snapshot())
	}
	return out
}

// ID is the node's code.
func (n *Node) ID() string { return n.id }

// State tells what is known of the node now.
func (n *Node) State() NodeState {
	n.p.mu.Lock()
	defer n.p.mu.Unlock()
	return n.snapshot()
}

// WaitState blocks until the node's state meets a condition, which must not call the platform.
func (n *Node) WaitState(ctx context.Context, met func(NodeState) bool) error {
	err := n.p.wait(ctx, func() bool { return met(n.snapshot()) })
	if err != nil {
		return fmt.Errorf("node %s: %w", n.id, err)
	}
	return nil
}

// snapshot and alive are called with Platform.mu held.
func (n *Node) snapshot() NodeState {
	s := n.state
	s.Registered = n.alive(time.Now())
	return s
}

func (n *Node) alive(now time.Time) bool { return n.state.Registered && now.Before(n.state.Until) }

// Notices are what the node told by MESSAGE so far.
func (n *Node) Notices() []Notice {
	n.p.mu.Lock()
	defer n.p.mu.Unlock()
	return slices.Clone(n.notices)
}

// WaitNotice returns the first notification of a command, Alarm for example, from number from on.
func (n *Node) WaitNotice(ctx context.Context, command string, from int) (Notice, error) {
	var found Notice
	err := n.p.wait(ctx, func() bool {
		for _, note := range n.notices[min(from, len(n.notices)):] {
			if note.Message.Head().CmdType == command {
				found = note
				return true
			}
		}
		return false
	})
	if err != nil {
		return found, fmt.Errorf("no %s from %s: %w", command, n.id, err)
	}
	return found, nil
}

// Forget ends the registration on our side only: the node's next message is answered 404.
func (n *Node) Forget() {
	n.p.mu.Lock()
	defer n.p.mu.Unlock()
	n.state.Registered = false
	n.p.wake()
}

// DropConnection ends the TCP connection that the node registered over.
func (n *Node) DropConnection() error {
	if s := n.State(); s.Transport != "tcp" || !n.p.ep.Drop(s.Source) {
		return fmt.Errorf("node %s has no TCP connection", n.id)
	}
	return nil
}

// lookup returns the registered node of a request's From.
func (p *Platform) lookup(id string) *Node {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := p.nodes[id]; n != nil && n.alive(time.Now()) {
		return n
	}
	return nil
}

// closed ends the registrations that came over a TCP connection (2022 9.1.1 f).
func (p *Platform) closed(remote netip.AddrPort) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, n := range p.nodes {
		if n.state.Transport == "tcp" && n.state.Source == remote {
			n.state.Registered = false
		}
	}
	p.wake()
}

// route is how requests reach the node: the address and transport it registered from.
func (n *Node) route() (sipua.Route, error) {
	s := n.State()
	if !s.Registered {
		return sipua.Route{}, fmt.Errorf("node %s is not registered", n.id)
	}
	return sipua.Route{Transport: s.Transport, Remote: s.Source}, nil
}

// request builds a request outside a dialog, to the node or one of its channels.
func (n *Node) request(method, target string, route sipua.Route) *sipua.Request {
	to := sipua.URI{User: target, Host: route.Remote.Addr().String(), Port: int(route.Remote.Port())}
	return &sipua.Request{
		Method: method,
		URI:    to,
		From:   sipua.Address{URI: sipua.URI{User: n.p.cfg.ID, Host: n.p.cfg.Domain}, Tag: token(5)},
		To:     sipua.Address{URI: to},
		CallID: token(10),
		CSeq:   n.p.nextCSeq(),
	}
}

// send sends a MESSAGE and wants 200 for it.
func (n *Node) send(ctx context.Context, m manscdp.Message) error {
	route, err := n.route()
	if err != nil {
		return err
	}
	r := n.request("MESSAGE", m.Head().DeviceID, route)
	r.ContentType = "Application/MANSCDP+xml"
	if r.Body, err = manscdp.Encode(m, n.p.cfg.Charset); err != nil {
		return err
	}
	res, err := n.p.ep.Do(ctx, r, route)
	if err != nil {
		return fmt.Errorf("MESSAGE to %s: %w", n.id, err)
	}
	return refusal(r, res)
}

// Say sends a MESSAGE with any body to the node or one of its channels and returns the code of the answer.
func (n *Node) Say(ctx context.Context, target, contentType string, body []byte) (int, error) {
	route, err := n.route()
	if err != nil {
		return 0, err
	}
	r := n.request("MESSAGE", target, route)
	r.ContentType, r.Body = contentType, body
	res, err := n.p.ep.Do(ctx, r, route)
	if err != nil {
		return 0, fmt.Errorf("MESSAGE to %s: %w", n.id, err)
	}
	return res.Code, nil
}

// refusal is the error that a final response means; nil for 2xx.
func refusal(r *sipua.Request, res *sipua.Response) error {
	if res.Code/100 == 2 {
		return nil
	}
	reason := strings.TrimSpace(res.Reason)
	return fmt.Errorf("%s to %s refused: %w", r.Method, r.URI.User, &gb28181.Error{Code: res.Code, Reason: reason})
}
