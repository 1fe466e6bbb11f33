// Package sdp reads and writes the session descriptions of GB/T 28181 (2022
// Annex G), which carry y=, f= and u= lines that no RFC knows, and turns an
// INVITE's into an Offer and an Answer.
package sdp

// Session is one session description, as it stands on the wire.
type Session struct {
	OriginUser string // o= user name: a device code
	OriginAddr string // o= address
	Name       string // s=
	URI        string // u=
	Conn       string // c= address of the session; "" when only the media have one
	Start      int64  // t= as written: Unix seconds, 0 for live
	Stop       int64
	Attributes []Attribute // a= lines before the first m=
	Media      []Media
	SSRC       string // y= as written; "" writes none
	Format     string // f= as written; "" writes none
	BareFormat bool   // an f= line with nothing after it
}

// Media is one m= line and what belongs to it.
type Media struct {
	Type       string // video or audio
	Port       uint16
	Proto      string   // RTP/AVP, TCP/RTP/AVP …
	Formats    []string // payload types
	Conn       string   // c= address of this media; "" means the session's
	Attributes []Attribute
}

// Attribute is one a= line, name:value or name alone.
type Attribute struct{ Name, Value string }

// Marshal writes the session with CRLF line ends, y= and f= last.
func (s *Session) Marshal() []byte { return nil }
