package cascade

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"net/netip"
	"strings"

	"gbgate/gb28181"
	"gbgate/gb28181/sdp"
	"gbgate/gb28181/sipua"
)

// errReinvited ends the media of a call whose superior has moved or held it; the dialog goes on with other media.
var errReinvited = errors.New("the platform moved the media")

// reinvite answers an INVITE inside the call. The same offer gets the same answer. Another one is a call of its own
// that takes this one's place in the dialog when it is answered: so the media handler sees the old call end and a new
// one begin, and if the new one is refused the old one goes on as it was (RFC 3261 14.2).
func (c *Call) reinvite(ctx context.Context, r *sipua.Request) {
	c.mu.Lock()
	answer, state := c.answer, c.state
	c.mu.Unlock()
	switch {
	case answer == nil:
		refuse(r, gb28181.Errorf(491, "Request Pending"))
		return
	case state == Ended || c.ctx.Err() != nil:
		refuse(r, gb28181.Errorf(481, "Call Does Not Exist"))
		return
	case c.sameOffer(r):
		same := *answer
		_ = r.Respond(&same)
		return
	}
	next, err := c.successor(r)
	if err != nil {
		c.log.Warn("re-INVITE refused", "error", err)
		refuse(r, err)
		return
	}
	next.log.Info("re-INVITE", "remote", next.offer.Remote.String(), "hold", next.held)
	c.p.conduct(ctx, next)
}

// sameOffer tells whether a re-INVITE asks for what is being done. One without SDP asks for our description again.
func (c *Call) sameOffer(r *sipua.Request) bool {
	if len(r.Body) == 0 || bytes.Equal(r.Body, c.req.Body) {
		return true
	}
	if c.isHold(r.Body) {
		return c.held
	}
	o, err := sdp.ParseOffer(r.Body, r.Source.Addr(), c.p.ssrcHint(r))
	was := c.Offer()
	return err == nil && !c.held && o.Remote == was.Remote && o.Transport == was.Transport &&
		o.PayloadType == was.PayloadType && (o.SSRC == 0 || o.SSRC == was.SSRC || c.p.cfg.Compat.OwnSSRC)
}

// isHold tells whether a description wants no media: inactive, sendonly from the side that watches, or the address
// 0.0.0.0 where there was another before.
func (c *Call) isHold(body []byte) bool {
	s, err := sdp.Parse(body)
	if err != nil || len(s.Media) == 0 {
		return false
	}
	m := &s.Media[0]
	for _, direction := range []string{"inactive", "sendonly"} {
		if _, ok := s.Attr(m, direction); ok {
			return true
		}
	}
	first := c.Offer().Session
	return isNowhere(s, m) && (first == nil || len(first.Media) == 0 || !isNowhere(first, &first.Media[0]))
}

func isNowhere(s *sdp.Session, m *sdp.Media) bool {
	addr, err := netip.ParseAddr(strings.TrimSpace(cmp.Or(m.Conn, s.Conn)))
	return err == nil && addr.IsUnspecified()
}

// successor makes the call that takes this one's place.
func (c *Call) successor(r *sipua.Request) (*Call, error) {
	if r.Header("Require") != "" {
		return nil, gb28181.Errorf(420, "Bad Extension")
	}
	offer, err := sdp.ParseOffer(r.Body, r.Source.Addr(), c.p.ssrcHint(r))
	if err != nil {
		return nil, err
	}
	c.p.inwardOffer(offer)
	was := c.Offer()
	if offer.SSRC == 0 || c.p.cfg.Compat.OwnSSRC {
		offer.SSRC, offer.SSRCText = was.SSRC, was.SSRCText
	}
	n := c.p.newCall(r, offer, c.channel)
	n.key, n.localTag, n.remoteTag, n.cseq, n.replaces = c.key, c.localTag, c.remoteTag, c.cseq, c
	n.kept = c.kept
	n.held = c.isHold(r.Body)
	if n.req.Contact == nil {
		n.req.Contact = c.req.Contact
	}
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	switch {
	case !c.p.running:
		return nil, gb28181.Errorf(503, "The gateway is leaving")
	case c.p.calls[c.id] != c:
		return nil, gb28181.Errorf(491, "Request Pending")
	}
	c.p.take(n)
	return n, nil
}

// hold is the media of a call that is held: none. The port of the answer is the one that media came from before.
func (c *Call) hold() error {
	s := c.offer.Answer(sdp.Answer{Channel: c.channel, Local: netip.AddrPortFrom(c.local, 9), SSRC: c.offer.SSRC})
	if was, err := sdp.Parse(c.replaced().answerBody()); err == nil && len(was.Media) > 0 {
		s.OriginAddr, s.Conn = was.OriginAddr, was.Conn
		s.Media[0].Port = was.Media[0].Port
	}
	for i, a := range s.Media[0].Attributes {
		if a.Name == "sendonly" {
			s.Media[0].Attributes[i].Name = "inactive"
		}
	}
	if err := c.accept(s); err != nil {
		return err
	}
	<-c.ctx.Done()
	return context.Cause(c.ctx)
}

// dialogCalls are this call and those of the same dialog that it is about to replace.
func (c *Call) dialogCalls() []*Call {
	var all []*Call
	for ; c != nil; c = c.replaced() {
		all = append(all, c)
	}
	return all
}

// replaced is the call whose place this one takes; nil when that is done.
func (c *Call) replaced() *Call {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.replaces
}

func (c *Call) answerBody() []byte {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.answer == nil {
		return nil
	}
	return c.answer.Body
}

// endDialog ends a call with all that belongs to its dialog, and waits for the media to stop.
func (c *Call) endDialog(cause error) {
	all := c.dialogCalls()
	for _, one := range all {
		one.end(cause)
	}
	for _, one := range all {
		one.waitStopped()
	}
}

// confirmDialog gives an ACK to the call that it is for: while a re-INVITE is not answered yet, that is the old one.
func (c *Call) confirmDialog(body []byte) {
	for _, one := range c.dialogCalls() {
		one.confirm(body)
	}
}
