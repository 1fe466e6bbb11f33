package sdp

import (
	"net/netip"
	"strings"

	"gbgate/gb28181"
)

// SameMedia tells whether b, the offer of a re-INVITE, asks for what a, the
// offer that runs, already gets: the same picture to the same place. A b
// without SSRC keeps that of a. An offer to hold is not the same as one to send.
func SameMedia(a, b *Offer) bool {
	return a.Kind == b.Kind && a.Remote == b.Remote && a.Transport == b.Transport &&
		a.PayloadType == b.PayloadType && a.Codec == b.Codec && (b.SSRC == 0 || a.SSRC == b.SSRC) &&
		a.Start.Equal(b.Start) && a.Stop.Equal(b.Stop) && a.Stream == b.Stream &&
		a.DownloadSpeed == b.DownloadSpeed && a.Hold() == b.Hold()
}

// Hold tells whether the offer of a re-INVITE wants the media to pause: its
// address is 0.0.0.0 (RFC 2543) or its direction such that the superior does not
// receive (RFC 3264 §8.4). In a first INVITE 0.0.0.0 says no such thing, there
// it stands for the source address.
func (o *Offer) Hold() bool {
	s := o.Session
	if s == nil {
		return false
	}
	m := s.media(o.Kind)
	if m == nil {
		return false
	}
	addr := m.Conn
	if addr == "" {
		addr = s.Conn
	}
	if ip, err := netip.ParseAddr(addr); err == nil && ip.Unmap().IsUnspecified() {
		return true
	}
	switch s.direction(m) {
	case "inactive":
		return true
	case "sendonly":
		return o.Kind != Talk // there it is the superior's turn to speak
	}
	return false
}

// direction returns the media's first attribute that is one, or else the
// session's; "" when there is none, which means both ways.
func (s *Session) direction(m *Media) string {
	for _, list := range [][]Attribute{m.Attributes, s.Attributes} {
		for _, a := range list {
			switch name := strings.ToLower(a.Name); name {
			case "recvonly", "sendonly", "sendrecv", "inactive":
				return name
			}
		}
	}
	return ""
}

// NoOffer is what an INVITE without session description stands for (3PCC, RFC
// 3261 §13.2.1): live PS over UDP, to a place that only the ACK tells. Its
// Answer is the offer that our 200 makes; Complete reads what comes back.
func NoOffer() *Offer {
	return &Offer{Kind: Play, PayloadType: 96, Stream: StreamUnset, Session: &Session{
		Name:  Play.String(),
		Media: []Media{{Type: "video", Proto: "RTP/AVP", Formats: []string{"96"}}},
	}}
}

// Pending tells whether the offer is a NoOffer that Complete has not filled in.
func (o *Offer) Pending() bool { return !o.Remote.IsValid() }

// Complete fills in where the media go from the body of the ACK, which came
// from source. The SSRC stays the one that our 200 named. It fails with a
// *gb28181.Error when there is no body or it does not accept; the call ends with a BYE then.
func (o *Offer) Complete(body []byte, source netip.Addr) error {
	answer, err := ParseOffer(body, source, "")
	switch {
	case err != nil:
		return err
	case answer.Transport != UDP || answer.PayloadType != o.PayloadType || answer.Codec != o.Codec:
		return gb28181.Errorf(488, "ACK accepts what was not offered")
	}
	o.Remote = answer.Remote
	return nil
}
