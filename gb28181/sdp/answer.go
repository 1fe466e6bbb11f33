package sdp

import (
	"net/netip"
	"strconv"
	"strings"

	"gbgate/gb28181"
)

// Answer is what we know when we accept an Offer.
type Answer struct {
	Channel    string         // our channel code, the o= user
	Local      netip.AddrPort // media address for o=, c= and m=. The port is a real, bound one: iSC hangs up on 0
	SSRC       uint32         // used when the offer brings none; must not be 0 then
	Format     string         // f=, see Format; "" writes no f= line
	BareFormat bool           // write "f=" with nothing after it
	FileSize   int64          // Download: size in bytes, 0 when unknown
	// DownloadSpeed is that of a Download, where one was asked for; 0 echoes what was.
	DownloadSpeed float64
	RejectPort    uint16 // port of the media lines that we refuse: 0 (RFC 3264) or 9 with a=inactive
}

// Answer builds the session description of the 200 OK (2022 Annex G): s=, t=
// and y= as offered, the media line that we accept, and the opposite a=setup.
func (o *Offer) Answer(a Answer) *Session {
	addr := a.Local.Addr().Unmap().WithZone("").String()
	s := &Session{
		OriginUser: a.Channel,
		OriginAddr: addr,
		Name:       o.Session.Name,
		Conn:       addr,
		Start:      o.Session.Start,
		Stop:       o.Session.Stop,
		SSRC:       o.SSRCText,
		Format:     a.Format,
		BareFormat: a.BareFormat,
	}
	if o.SSRC == 0 && a.SSRC != 0 {
		s.SSRC = gb28181.FormatSSRC(a.SSRC)
	}
	accepted := o.Session.media(o.Kind)
	for i := range o.Session.Media {
		if m := &o.Session.Media[i]; m == accepted {
			s.Media = append(s.Media, o.acceptMedia(m, a))
		} else {
			s.Media = append(s.Media, rejectMedia(m, a.RejectPort))
		}
	}
	return s
}

func (o *Offer) acceptMedia(offered *Media, a Answer) Media {
	pt := strconv.Itoa(int(o.PayloadType))
	m := Media{Type: offered.Type, Port: a.Local.Port(), Proto: "RTP/AVP", Formats: []string{pt}}
	if o.Kind == Talk {
		m.add("sendrecv", "")
	} else {
		m.add("sendonly", "")
	}
	m.add("rtpmap", pt+" "+o.Codec.String())
	switch o.Transport {
	case TCPPassive:
		m.Proto = "TCP/RTP/AVP"
		m.add("setup", "active")
		m.add("connection", "new")
	case TCPActive:
		m.Proto = "TCP/RTP/AVP"
		m.add("setup", "passive")
		m.add("connection", "new")
	case UDP:
	}
	if o.Kind == Download {
		if speed, ok := o.Session.Attr(offered, "downloadspeed"); ok {
			if a.DownloadSpeed > 0 && a.DownloadSpeed != o.DownloadSpeed {
				speed = strconv.FormatFloat(a.DownloadSpeed, 'f', -1, 64)
			}
			m.add("downloadspeed", speed)
		}
		if a.FileSize > 0 {
			m.add("filesize", strconv.FormatInt(a.FileSize, 10))
		}
	}
	return m
}

func rejectMedia(offered *Media, port uint16) Media {
	m := Media{Type: offered.Type, Port: port, Proto: offered.Proto, Formats: offered.Formats}
	if len(m.Formats) > 1 {
		m.Formats = m.Formats[:1]
	}
	if port != 0 {
		m.add("inactive", "")
	}
	return m
}

func (m *Media) add(name, value string) {
	m.Attributes = append(m.Attributes, Attribute{Name: name, Value: value})
}

// Request builds the session description of an INVITE for o, the way superiors
// write it: the other end of ParseOffer, for a platform of our own. user is the
// o= user, and PayloadType is the number that Codec gets.
func (o *Offer) Request(user string) *Session {
	addr := o.Remote.Addr().Unmap().WithZone("").String()
	s := &Session{OriginUser: user, OriginAddr: addr, Name: o.Kind.String(), Conn: addr, SSRC: o.SSRCText}
	if s.SSRC == "" && o.SSRC != 0 {
		s.SSRC = gb28181.FormatSSRC(o.SSRC)
	}
	if o.Channel != "" {
		s.URI = o.Channel + ":0"
	}
	if !o.Start.IsZero() {
		s.Start = o.Start.Unix()
	}
	if !o.Stop.IsZero() {
		s.Stop = o.Stop.Unix()
	}
	pt := strconv.Itoa(int(o.PayloadType))
	m := Media{Type: "video", Port: o.Remote.Port(), Proto: "RTP/AVP", Formats: []string{pt}}
	if o.Kind == Talk {
		m.Type = "audio"
		m.add("sendrecv", "")
	} else {
		m.add("recvonly", "")
	}
	m.add("rtpmap", pt+" "+o.Codec.String())
	if o.Transport != UDP {
		m.Proto = "TCP/RTP/AVP"
		m.add("setup", strings.TrimPrefix(o.Transport.String(), "tcp-"))
		m.add("connection", "new")
	}
	if o.DownloadSpeed > 0 {
		m.add("downloadspeed", strconv.FormatFloat(o.DownloadSpeed, 'f', -1, 64))
	}
	if o.Stream != StreamUnset {
		m.add("streamnumber", strconv.Itoa(o.Stream))
	}
	s.Media = []Media{m}
	return s
}
