package cascade

import (
	"cmp"
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"gbgate/gb28181"
	"gbgate/gb28181/sdp"
	"gbgate/gb28181/sipua"
)

// invite is one call from its INVITE to its end.
func (p *Platform) invite(ctx context.Context, r *sipua.Request) {
	_ = r.Respond(&sipua.Response{Code: 100})
	c, err := p.admit(r)
	if err != nil {
		p.log.Warn("call refused", "call", r.CallID, "subject", r.Header("Subject"), "error", err)
		refuse(r, err)
		return
	}
	c.log.Info("call", "kind", c.offer.Kind.String(), "transport", c.offer.Transport.String(),
		"remote", c.offer.Remote.String())
	p.conduct(ctx, c)
}

// conduct serves a call that has entered until nothing of it is left.
func (p *Platform) conduct(ctx context.Context, c *Call) {
	defer p.dismiss(c)
	stop := context.AfterFunc(ctx, func() { c.end(ErrShutdown) })
	defer stop()
	c.watchers.Go(func() {
		select {
		case <-c.req.Cancelled():
			c.end(ErrCancelled)
		case <-c.ctx.Done():
		}
	})
	c.hangUp(c.serve())
}

// admit checks an INVITE and makes its call; an error is what the INVITE is answered with.
func (p *Platform) admit(r *sipua.Request) (*Call, error) {
	if req := r.Header("Require"); req != "" {
		return nil, gb28181.Errorf(420, "Bad Extension")
	}
	subject := r.Header("Subject")
	offer, err := p.offerOf(r)
	if err != nil {
		return nil, err
	}
	channel, ok := p.site.Resolve(candidates(r, offer))
	if !ok {
		return nil, gb28181.Errorf(404, "No such channel")
	}
	p.inwardOffer(offer)
	p.ownSSRC(offer)
	c := p.newCall(r, offer, channel)
	c.offerless = len(r.Body) == 0
	c.key = callKey(channel, subject)
	p.supersede(c)
	return c, p.enter(c)
}

// candidates are the IDs an INVITE may mean its channel by, best first. Superiors disagree: WVP and gb-cms address
// the channel, Monibuca and srs-sip the node with the channel in Subject, SRS the node everywhere.
func candidates(r *sipua.Request, offer *sdp.Offer) []string {
	ids := []string{sdp.ParseSubject(r.Header("Subject")).Sender, r.URI.User, r.To.URI.User, offer.Channel}
	if offer.Kind == sdp.Playback || offer.Kind == sdp.Download {
		ids = append([]string{offer.Channel}, ids...)
	}
	if offer.Session != nil {
		ids = append(ids, offer.Session.OriginUser)
	}
	var out []string
	for _, id := range ids {
		if id != "" && !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out
}

// ownSSRC fills in an SSRC where the offer brings none (WVP issues 678, 1656): refusing would help nobody. By the text
// of GB/T 28181-2022 Annex G the lower domain may always choose its own; ZLMediaKit and SRS drop what they did not
// offer.
func (p *Platform) ownSSRC(offer *sdp.Offer) {
	if offer.SSRC != 0 && !p.cfg.Compat.OwnSSRC {
		return
	}
	kind := gb28181.SSRCLive
	if offer.Kind == sdp.Playback || offer.Kind == sdp.Download {
		kind = gb28181.SSRCHistory
	}
	offer.SSRC = gb28181.NewSSRC(kind, p.cfg.NodeID, p.ssrc.Add(1))
	offer.SSRCText = gb28181.FormatSSRC(offer.SSRC)
}

// callKey tells a call that the superior sets up anew from one more viewer: channel and sender serial of Subject
// (GB/T 28181-2022 Annexes K, L). Empty when the serial says nothing: absent, zeros, or an ID as gb-cms puts there.
func callKey(channel, subject string) string {
	serial := sdp.ParseSubject(subject).SenderSerial
	if strings.Trim(serial, "0") == "" || len(serial) >= 20 {
		return ""
	}
	return channel + ":" + serial
}

// supersede ends a call whose BYE the superior has lost, and waits for its media to stop.
func (p *Platform) supersede(c *Call) {
	if c.key == "" {
		return
	}
	for _, old := range p.allCalls() {
		if old.key == c.key {
			old.log.Warn("the same Subject serial again: the old call ends")
			old.end(ErrSuperseded)
			old.waitStopped()
		}
	}
}

// enter counts a call in.
func (p *Platform) enter(c *Call) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case !p.running:
		return gb28181.Errorf(503, "The gateway is leaving")
	case p.calls[c.id] != nil:
		return gb28181.Errorf(491, "Request Pending")
	case p.openCalls("") >= p.cfg.MaxCalls:
		return gb28181.Errorf(486, "Too many calls")
	case p.cfg.Compat.MaxPerChannel > 0 && p.openCalls(c.channel) >= p.cfg.Compat.MaxPerChannel:
		return gb28181.Errorf(486, "Too many calls of this channel")
	}
	p.take(c)
	return nil
}

// take makes a call one of ours, which dismiss gives back; p.mu is held and Run is there.
func (p *Platform) take(c *Call) {
	p.busy.Add(1)
	c.ctx, c.end = context.WithCancelCause(p.calling.ctx)
	p.calls[c.id] = c
}

// openCalls counts the calls, of one channel or of all (""), whose media has not stopped; p.mu is held.
func (p *Platform) openCalls(channel string) int {
	n := 0
	for _, c := range p.calls {
		if channel != "" && channel != c.channel {
			continue
		}
		select {
		case <-c.stopped:
		default:
			n++
		}
	}
	return n
}

// dismiss forgets a call that is over.
func (p *Platform) dismiss(c *Call) {
	c.end(nil)
	c.watchers.Wait()
	old := c.replaced()
	p.mu.Lock()
	if p.calls[c.id] == c {
		delete(p.calls, c.id)
		if old != nil && old.ctx.Err() == nil {
			p.calls[c.id] = old // it goes on: this one was refused (RFC 3261 14.2)
		}
	}
	p.mu.Unlock()
	close(c.done)
	p.busy.Done()
}

func (p *Platform) call(id string) *Call {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls[id]
}

func (p *Platform) newCall(r *sipua.Request, offer *sdp.Offer, channel string) *Call {
	c := &Call{
		p: p, id: r.CallID, channel: channel, req: r, offer: offer,
		localTag: r.LocalTag, remoteTag: r.From.Tag, since: time.Now(),
		cseq: new(atomic.Uint32), kept: new(keepsake), described: make(chan []byte, 1),
		acked: make(chan struct{}), stopped: make(chan struct{}), done: make(chan struct{}),
		log: p.log.With("channel", channel, "call", r.CallID),
	}
	if sip, err := p.ua.LocalFor(r.Source); err == nil {
		c.sip = sip
	}
	target := netip.AddrPortFrom(offer.Remote.Addr(), cmp.Or(offer.Remote.Port(), 9))
	if media, err := p.ua.LocalFor(target); err == nil {
		c.local = media.Addr()
	} else {
		c.local = c.sip.Addr()
	}
	if isOurs(p.cfg.MediaIP) {
		c.local = p.cfg.MediaIP
	}
	return c
}

// isOurs tells an address of this machine from one that a NAT router has for it.
func isOurs(ip netip.Addr) bool {
	if !ip.IsValid() {
		return false
	}
	nets, err := net.InterfaceAddrs()
	return err == nil && slices.ContainsFunc(nets, func(a net.Addr) bool {
		n, err := netip.ParsePrefix(a.String())
		return err == nil && n.Addr().Unmap() == ip.Unmap()
	})
}
