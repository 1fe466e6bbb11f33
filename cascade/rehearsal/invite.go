package rehearsal

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"gbgate/gb28181"
	"gbgate/gb28181/sdp"
	"gbgate/gb28181/sipua"
)

// payloadPS is the RTP payload type of PS (2022 annex C).
const payloadPS = "96"

// discardPort stands in m= when we connect ourselves (RFC 4145 4.1).
const discardPort = 9

// offer builds the INVITE of 2022 9.2: the channel in the Request-URI, Subject as annex L wants it.
func (c *call) offer() *sipua.Request {
	r := c.node.request("INVITE", c.req.Channel, c.route)
	contact := sipua.URI{User: c.node.p.cfg.ID, Host: c.local.String()}
	if ours, err := c.node.p.ep.LocalFor(c.route.Remote); err == nil {
		contact.Host, contact.Port = ours.Addr().String(), int(ours.Port())
	}
	r.Contact = &contact
	serial := gb28181.FormatSSRC(c.ssrc)
	if c.req.NoSSRC {
		serial = "0"
	}
	r.Headers = []sipua.Header{{
		Name: "Subject", Value: fmt.Sprintf("%s:%s,%s:0", c.req.Channel, serial, c.node.p.cfg.ID),
	}}
	r.ContentType = "APPLICATION/SDP"
	r.Body = []byte(c.offerSDP())
	if c.req.NoOffer {
		r.ContentType, r.Body = "", nil
	}
	if c.req.Edit != nil {
		c.req.Edit(r)
	}
	return r
}

// offerSDP writes the offer's lines as WVP does; the answer is read with the sdp package, the offer is not written
// with it, so that a mistake there is seen.
func (c *call) offerSDP() string {
	proto, port := "RTP/AVP", c.media.port
	if c.req.Transport != UDP {
		proto = "TCP/RTP/AVP"
	}
	if c.req.Transport == TCPActive {
		port = discardPort
	}
	family := "IP4"
	if c.local.Is6() {
		family = "IP6"
	}
	lines := []string{
		"v=0",
		fmt.Sprintf("o=%s 0 0 IN %s %s", c.node.p.cfg.ID, family, c.local),
		"s=" + c.req.Kind.String(),
		fmt.Sprintf("c=IN %s %s", family, c.local),
		fmt.Sprintf("t=%d %d", unixTime(c.req.Start), unixTime(c.req.Stop)),
		fmt.Sprintf("m=video %d %s 96 97 98 99", port, proto),
		"a=recvonly",
		"a=rtpmap:96 PS/90000",
		"a=rtpmap:97 MPEG4/90000",
		"a=rtpmap:98 H264/90000",
		"a=rtpmap:99 H265/90000",
	}
	if c.req.Kind != sdp.Play {
		lines = slices.Insert(lines, 3, "u="+c.req.Channel+":0")
	}
	if c.req.Speed > 0 {
		lines = append(lines, "a=downloadspeed:"+strconv.FormatFloat(c.req.Speed, 'f', -1, 64))
	}
	if setup := offeredSetup(c.req.Transport); setup != "" {
		lines = append(lines, "a=setup:"+setup, "a=connection:new")
	}
	if !c.req.NoSSRC {
		lines = append(lines, "y="+gb28181.FormatSSRC(c.ssrc))
	}
	return strings.Join(append(lines, "f="), "\r\n") + "\r\n"
}

// unixTime is a time as t= has it: Unix seconds, 0 for none.
func unixTime(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

func offeredSetup(transport string) string {
	switch transport {
	case TCPPassive:
		return "passive"
	case TCPActive:
		return "active"
	}
	return ""
}

// checkAnswer judges the session description of a 200 (2022 annex G) and returns the media address it names.
func (c *call) checkAnswer(s *sdp.Session) netip.AddrPort {
	f := &c.faults
	if c.answer.Contact == nil {
		f.add("contact", "the answer has no Contact")
	}
	if !strings.EqualFold(mediaType(c.answer.ContentType), "application/sdp") {
		f.add("content-type", "the answer's Content-Type is %q", c.answer.ContentType)
	}
	if !strings.EqualFold(s.Name, c.req.Kind.String()) {
		f.add("s", "the answer says s=%s", s.Name)
	}
	if start, stop := unixTime(c.req.Start), unixTime(c.req.Stop); s.Start != start || s.Stop != stop {
		f.add("t", "the answer says t=%d %d, not %d %d", s.Start, s.Stop, start, stop)
	}
	c.checkSSRC(s)
	at := slices.IndexFunc(s.Media, func(m sdp.Media) bool { return m.Type == "video" })
	if at < 0 {
		f.add("m", "the answer has no m=video line")
		return netip.AddrPort{}
	}
	return c.checkMedia(s, &s.Media[at])
}

func mediaType(v string) string {
	v, _, _ = strings.Cut(v, ";")
	return strings.TrimSpace(v)
}

func (c *call) checkSSRC(s *sdp.Session) {
	value, ok := gb28181.ParseSSRC(s.SSRC)
	switch {
	case !ok:
		c.faults.add("y", "the answer has no y= line")
	case c.req.NoSSRC:
		c.sink.expectSSRC(value)
	case s.SSRC != gb28181.FormatSSRC(c.ssrc):
		c.faults.add("y", "the answer says y=%s, the offer said %s", s.SSRC, gb28181.FormatSSRC(c.ssrc))
	}
}

func (c *call) checkMedia(s *sdp.Session, m *sdp.Media) netip.AddrPort {
	f := &c.faults
	want, setup := "RTP/AVP", ""
	switch c.req.Transport {
	case TCPPassive:
		want, setup = "TCP/RTP/AVP", "active"
	case TCPActive:
		want, setup = "TCP/RTP/AVP", "passive"
	}
	if m.Proto != want {
		f.add("proto", "the answer's m= line says %s, not %s", m.Proto, want)
	}
	if len(m.Formats) != 1 || m.Formats[0] != payloadPS {
		f.add("format", "the answer's m= line lists the payload types %v, not 96 alone", m.Formats)
	}
	if got := attribute(m, s, "setup"); got != setup {
		f.add("setup", "the answer says a=setup:%s, not %q", got, setup)
	}
	if !strings.HasPrefix(attribute(m, s, "rtpmap"), "96 PS/90000") {
		f.add("rtpmap", "the answer has no a=rtpmap:96 PS/90000")
	}
	if !slices.ContainsFunc(m.Attributes, isSendonly) && !slices.ContainsFunc(s.Attributes, isSendonly) {
		f.add("sendonly", "the answer does not say a=sendonly")
	}
	conn := m.Conn
	if conn == "" {
		conn = s.Conn
	}
	// WVP reads the one here and the other there.
	if conn != s.OriginAddr {
		f.add("address", "the answer says c= %s, but o= %s", conn, s.OriginAddr)
	}
	if m.Port == 0 {
		f.add("port", "the answer's m= line says port 0") // Hikvision iSC hangs up at once
	}
	ip, err := netip.ParseAddr(conn)
	if err != nil {
		f.add("c", "the answer's c= line has no address: %q", conn)
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(ip, m.Port)
}

func isSendonly(a sdp.Attribute) bool { return a.Name == "sendonly" }

func attribute(m *sdp.Media, s *sdp.Session, name string) string {
	for _, a := range slices.Concat(m.Attributes, s.Attributes) {
		if a.Name == name {
			return a.Value
		}
	}
	return ""
}
