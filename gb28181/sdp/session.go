// Package sdp reads and writes the session descriptions of GB/T 28181 (2022
// Annex G), which carry y=, f= and u= lines that no RFC knows, and turns an
// INVITE's into an Offer and an Answer.
package sdp

import (
	"strconv"
	"strings"
)

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

// Attr returns the value of the media's first attribute of that name, in any
// case, or else of the session's.
func (s *Session) Attr(m *Media, name string) (value string, ok bool) {
	for _, list := range [][]Attribute{m.Attributes, s.Attributes} {
		for _, a := range list {
			if strings.EqualFold(a.Name, name) {
				return a.Value, true
			}
		}
	}
	return "", false
}

// Marshal writes the session with CRLF line ends, y= and f= last. Line ends
// inside a value become blanks.
func (s *Session) Marshal() []byte {
	w := writer{}
	w.line("v", "0")
	w.line("o", or(field(s.OriginUser), "-"), "0 0", network(s.OriginAddr))
	w.line("s", or(s.Name, "-"))
	if s.URI != "" {
		w.line("u", s.URI)
	}
	if s.Conn != "" {
		w.line("c", network(s.Conn))
	}
	w.line("t", strconv.FormatInt(s.Start, 10), strconv.FormatInt(s.Stop, 10))
	w.attributes(s.Attributes)
	for i := range s.Media {
		m := &s.Media[i]
		w.line("m", field(m.Type), strconv.Itoa(int(m.Port)), field(m.Proto), strings.Join(m.Formats, " "))
		if m.Conn != "" {
			w.line("c", network(m.Conn))
		}
		w.attributes(m.Attributes)
	}
	if s.SSRC != "" {
		w.line("y", s.SSRC)
	}
	if s.Format != "" || s.BareFormat {
		w.line("f", s.Format)
	}
	return w.buf
}

type writer struct{ buf []byte }

func (w *writer) line(key string, values ...string) {
	w.buf = append(append(w.buf, key...), '=')
	value := strings.Trim(oneLine.Replace(strings.Join(values, " ")), blank)
	w.buf = append(append(w.buf, value...), '\r', '\n')
}

// oneLine works on bytes: an s= in GBK must come back as it was.
var oneLine = strings.NewReplacer("\r", " ", "\n", " ", "\x00", " ")

func (w *writer) attributes(list []Attribute) {
	for _, a := range list {
		if a.Value == "" {
			w.line("a", a.Name)
		} else {
			w.line("a", a.Name+":"+a.Value)
		}
	}
}

// network returns the "IN IP4 address" of o= and c= lines.
func network(addr string) string {
	switch addr = field(addr); {
	case addr == "":
		return "IN IP4 0.0.0.0"
	case strings.Contains(addr, ":"):
		return "IN IP6 " + addr
	default:
		return "IN IP4 " + addr
	}
}

// field keeps a value that is one word of a line free of blanks.
func field(s string) string { return strings.Join(strings.Fields(s), "") }

func or(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}
