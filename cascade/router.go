package cascade

import (
	"context"
	"net/netip"
	"slices"
	"sync"

	"gbgate/gb28181"
	"gbgate/gb28181/manscdp"
	"gbgate/gb28181/sdp"
	"gbgate/gb28181/sipua"
)

// Router gives the requests of one endpoint to the platform that they come from. Repeats (the same Call-ID, CSeq and
// branch: gb-cms sends each MESSAGE, INFO and BYE twice, over TCP too) are answered by the endpoint and never get here.
type Router struct {
	mu        sync.RWMutex
	platforms []*Platform
}

// NewRouter sets the endpoint's handlers; it is to be called before Endpoint.Run.
func NewRouter(ua *sipua.Endpoint) *Router {
	r := &Router{}
	ua.Handle("MESSAGE", r.message)
	ua.Handle("INVITE", r.invite)
	ua.Handle("ACK", r.ack)
	ua.Handle("BYE", r.bye)
	ua.Handle("INFO", r.info)
	ua.Handle("SUBSCRIBE", r.subscribe)
	ua.Handle("NOTIFY", r.notify)
	ua.OnClose(r.connectionClosed)
	return r
}

// Add lets a platform receive requests.
func (r *Router) Add(p *Platform) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.platforms = append(slices.Clone(r.platforms), p)
}

// Remove ends that; requests for it are then a stranger's.
func (r *Router) Remove(p *Platform) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.platforms = slices.DeleteFunc(slices.Clone(r.platforms), func(q *Platform) bool { return q == p })
}

// Stranger says that no platform would take a request with this From user from there. It suits
// sipua.Config.Strangers, so that scanners get no answer to any method.
func (r *Router) Stranger(fromUser string, src netip.AddrPort) bool {
	return len(r.known(fromUser, src)) == 0
}

// known are the platforms a request may belong to, by the user of its From. A cluster may send from anywhere.
func (r *Router) known(fromUser string, src netip.AddrPort) []*Platform {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var found []*Platform
	for _, p := range r.platforms {
		if p.isFrom(fromUser) && p.allows(src.Addr()) {
			found = append(found, p)
		}
	}
	return found
}

func (p *Platform) allows(src netip.Addr) bool {
	within := func(n netip.Prefix) bool { return n.Contains(src.Unmap()) }
	return len(p.cfg.AllowSources) == 0 || slices.ContainsFunc(p.cfg.AllowSources, within)
}

// platform finds who a request is for; nil is a stranger. Where we have two identities at one superior, the
// identity that it addresses decides, then the one whose channel it names, then the address it comes from.
func (r *Router) platform(req *sipua.Request, ids ...string) *Platform {
	found := r.known(req.From.URI.User, req.Source)
	if len(found) == 0 {
		return nil
	}
	best := found[0]
	if len(found) > 1 {
		ids = append(ids, req.URI.User, req.To.URI.User)
		best = slices.MaxFunc(found, func(a, b *Platform) int {
			return a.suits(ids, req.Source) - b.suits(ids, req.Source)
		})
	}
	best.heard()
	return best
}

func (p *Platform) suits(ids []string, src netip.AddrPort) int {
	score := 0
	if slices.Contains(ids, p.cfg.NodeID) {
		score += 4
	} else if channel, ok := p.site.Resolve(ids); ok && slices.Contains(ids, channel) {
		score += 4
	}
	if remote, _ := p.addrs(); remote == src {
		score += 2
	}
	if p.state().registered() {
		score++
	}
	return score
}

// dialog finds the call of an in-dialog request: by Call-ID and tags, else by Call-ID alone, as some superiors
// rebuild tags in the middle (WVP itself looks by Call-ID only).
func (r *Router) dialog(req *sipua.Request) (*Call, bool) {
	var alone *Call
	known := r.known(req.From.URI.User, req.Source)
	for _, p := range known {
		c := p.call(req.CallID)
		switch {
		case c == nil:
		case c.remoteTag == req.From.Tag && c.localTag == req.To.Tag:
			p.heard()
			return c, true
		default:
			alone = c
		}
	}
	if alone != nil {
		alone.p.heard()
	}
	return alone, len(known) > 0
}

func (r *Router) message(_ context.Context, req *sipua.Request) {
	var ids []string
	if m, err := manscdp.Decode(req.Body); err == nil && len(r.known(req.From.URI.User, req.Source)) > 1 {
		ids = append(ids, m.Head().DeviceID)
	}
	if p := r.platform(req, ids...); p != nil {
		p.onMessage(req)
	}
}

func (r *Router) invite(ctx context.Context, req *sipua.Request) {
	if c, _ := r.dialog(req); c != nil {
		c.reinvite(ctx, req)
		return
	}
	p := r.platform(req, sdp.ParseSubject(req.Header("Subject")).Sender)
	switch {
	case p == nil:
	case req.To.Tag != "":
		refuse(req, gb28181.Errorf(481, "Call Does Not Exist"))
	default:
		p.invite(ctx, req)
	}
}

// ack confirms a call. Its CSeq is not looked at: panjjo's is one too high.
func (r *Router) ack(_ context.Context, req *sipua.Request) {
	if c, _ := r.dialog(req); c != nil {
		c.confirmDialog(req.Body)
	}
}

// bye stops the media, waits for it and answers then, so that a superior that calls again at once finds us done.
func (r *Router) bye(_ context.Context, req *sipua.Request) {
	c, known := r.dialog(req)
	switch {
	case c != nil:
		c.endDialog(ErrBye)
		respond(req, 200)
	case known:
		refuse(req, gb28181.Errorf(481, "Call Does Not Exist"))
	}
}

// info takes what a call is told: playback control (MANSRTSP, GB/T 28181-2022 Annex B).
func (r *Router) info(_ context.Context, req *sipua.Request) {
	c, known := r.dialog(req)
	switch {
	case c != nil:
		c.info(req)
	case known:
		refuse(req, gb28181.Errorf(481, "Call Does Not Exist"))
	}
}

// subscribe makes, renews or ends a subscription. Inside a dialog its Call-ID says whose it is.
func (r *Router) subscribe(_ context.Context, req *sipua.Request) {
	for _, p := range r.known(req.From.URI.User, req.Source) {
		if p.subscription(req.CallID) != nil {
			p.heard()
			p.onSubscribe(req)
			return
		}
	}
	var ids []string
	if m, err := manscdp.Decode(req.Body); err == nil {
		ids = append(ids, m.Head().DeviceID)
	}
	if p := r.platform(req, ids...); p != nil {
		p.onSubscribe(req)
	}
}

// notify refuses: we never subscribe.
func (r *Router) notify(_ context.Context, req *sipua.Request) {
	if r.platform(req) != nil {
		refuse(req, gb28181.Errorf(481, "Subscription Does Not Exist"))
	}
}

func (r *Router) connectionClosed(remote netip.AddrPort) {
	r.mu.RLock()
	platforms := r.platforms
	r.mu.RUnlock()
	for _, p := range platforms {
		p.connectionClosed(remote)
	}
}
