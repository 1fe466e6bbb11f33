package cascade

import (
	"context"
	"net/netip"
	"strconv"

	"gbgate/gb28181"
	"gbgate/gb28181/sdp"
	"gbgate/gb28181/sipua"
)

// offerOf reads the offer of an INVITE. One without SDP (third party call control) gets a live offer of ours; where
// the media goes is then told by the ACK.
func (p *Platform) offerOf(r *sipua.Request) (*sdp.Offer, error) {
	subject := p.ssrcHint(r)
	if len(r.Body) > 0 {
		return sdp.ParseOffer(r.Body, r.Source.Addr(), subject)
	}
	o := &sdp.Offer{
		Kind: sdp.Play, PayloadType: 96, Stream: sdp.StreamUnset,
		Remote: netip.AddrPortFrom(r.Source.Addr(), 0), Session: &sdp.Session{Name: sdp.Play.String()},
	}
	serial := sdp.ParseSubject(subject).SenderSerial
	if ssrc, ok := gb28181.ParseSSRC(serial); ok && len(serial) == 10 && serial[0] <= '1' {
		o.SSRC, o.SSRCText = ssrc, serial
	}
	return o, nil
}

// ssrcHint is the Subject where it may tell the SSRC.
func (p *Platform) ssrcHint(r *sipua.Request) string {
	if p.cfg.Compat.NoSubjectSSRC {
		return ""
	}
	return r.Header("Subject")
}

// offerFirst answers an INVITE without SDP: our offer of media from local goes out in the 200, the superior's answer
// comes in the ACK and is then what Call.Offer gives. An ACK without it ends the call.
func (c *Call) offerFirst(ctx context.Context, local netip.AddrPort) error {
	addr := local.Addr().Unmap().String()
	m := sdp.Media{
		Type: "video", Port: local.Port(), Proto: "RTP/AVP", Formats: []string{strconv.Itoa(int(c.offer.PayloadType))},
		Attributes: []sdp.Attribute{{Name: "sendonly"}, {Name: "rtpmap", Value: "96 PS/90000"}},
	}
	if err := c.accept(&sdp.Session{
		OriginUser: c.channel, OriginAddr: addr, Name: c.offer.Kind.String(), Conn: addr,
		Media: []sdp.Media{m}, SSRC: c.offer.SSRCText,
	}); err != nil {
		return err
	}
	var body []byte
	select {
	case body = <-c.described:
	case <-c.ctx.Done():
		return context.Cause(c.ctx)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	answer, err := sdp.ParseOffer(body, c.req.Source.Addr(), "")
	if err != nil {
		return gb28181.Errorf(488, "The ACK has no usable answer to our offer")
	}
	if answer.Transport != sdp.UDP {
		return gb28181.Errorf(488, "The answer changes the transport that was offered")
	}
	if answer.SSRC == 0 || c.p.cfg.Compat.OwnSSRC {
		answer.SSRC, answer.SSRCText = c.offer.SSRC, c.offer.SSRCText
	}
	answer.Kind = sdp.Play
	c.mu.Lock()
	c.offer = answer
	c.mu.Unlock()
	return nil
}
