package sdp

import (
	"net/netip"
	"time"

	"gbgate/gb28181"
)

// Kind is what an INVITE asks for: the s= line.
type Kind uint8

// The kinds of session (2022 Annex G).
const (
	Play     Kind = iota // live, 实时点播
	Playback             // 回放
	Download             // 下载
	Talk                 // 对讲, 2016
)

// Transport is how the media travels, named after the superior's a=setup.
type Transport uint8

// The transports.
const (
	UDP        Transport = iota
	TCPPassive           // the superior listens, we connect
	TCPActive            // the superior connects, we listen
)

// Offer is what a superior's INVITE asks for.
type Offer struct {
	Kind          Kind
	Channel       string         // the code in u=; "" when there is none
	Remote        netip.AddrPort // where the media goes; port 0 or 9 when the superior connects to us
	Transport     Transport
	PayloadType   uint8     // of PS
	SSRC          uint32    // 0: the offer has none, the answer brings its own
	SSRCText      string    // as offered, to be echoed
	Start, Stop   time.Time // Playback and Download; a zero Stop means to the end
	DownloadSpeed float64   // a=downloadspeed; 0 when absent
	Stream        int       // 0 main, 1 sub …; StreamUnset when the offer does not say
	Session       *Session
}

// StreamUnset is the Stream of an offer that names none.
const StreamUnset = -1

// ParseOffer reads the body of an INVITE.
func ParseOffer(body []byte, source netip.Addr, subject string) (*Offer, error) {
	return nil, gb28181.Errorf(400, "SDP")
}

// Answer is what we know when we accept an Offer.
type Answer struct {
	Channel    string         // our channel code, the o= user
	Local      netip.AddrPort // media address: printed in o=, c= and m=; the port is a real, bound one
	SSRC       uint32         // used when the offer brings none; must not be 0 then
	Format     string         // f=, see Format; "" writes no f= line
	BareFormat bool           // write "f=" with nothing after it
	FileSize   int64          // Download: size in bytes, 0 when unknown
	RejectPort uint16         // port of the media lines we refuse: 0 (RFC 3264) or 9 with a=inactive
}

// Answer builds the session description of the 200 OK.
func (o *Offer) Answer(a Answer) *Session { return &Session{} }
