package sdp

import (
	"bytes"
	"strconv"
	"strings"

	"gbgate/gb28181"
)

// Limits of what we read.
const (
	maxBody  = 16 << 10 // bytes
	maxLines = 512
	maxMedia = 16
)

// Parse reads a session description line by line. Lines may end in CRLF, LF or
// CR, empty ones may stand anywhere (srs-sip sends a=setup after two of them),
// unknown ones are skipped, y= and f= are taken wherever they are. The error is
// a *gb28181.Error 400.
func Parse(body []byte) (*Session, error) {
	if len(body) > maxBody {
		return nil, gb28181.Errorf(400, "SDP of %d bytes is too long", len(body))
	}
	p := parser{session: &Session{}}
	body = bytes.ReplaceAll(body, []byte{0}, []byte{' '})
	lines := bytes.FieldsFunc(body, func(r rune) bool { return r == '\r' || r == '\n' })
	if len(lines) > maxLines {
		return nil, gb28181.Errorf(400, "SDP of %d lines is too long", len(lines))
	}
	for _, line := range lines {
		key, value, ok := strings.Cut(strings.Trim(string(line), blank), "=")
		if key = strings.TrimSpace(key); !ok || len(key) != 1 {
			continue
		}
		if err := p.line(key[0], strings.Trim(value, blank)); err != nil {
			return nil, err
		}
	}
	if !p.seen {
		return nil, gb28181.Errorf(400, "Body is not SDP")
	}
	return p.session, nil
}

const blank = " \t"

type parser struct {
	session *Session
	seen    bool // a line that only SDP has
}

func (p *parser) line(key byte, value string) error {
	s := p.session
	switch key {
	case 'o':
		p.seen = true
		s.OriginUser, s.OriginAddr = origin(value)
	case 's':
		p.seen = true
		s.Name = value
	case 'u':
		s.URI = value
	case 'c':
		if m := p.media(); m != nil {
			m.Conn = connection(value)
		} else {
			s.Conn = connection(value)
		}
	case 't':
		s.Start, s.Stop = period(value)
	case 'm':
		p.seen = true
		return p.addMedia(value)
	case 'a':
		p.addAttribute(value)
	case 'y':
		s.SSRC = value
	case 'f':
		s.Format, s.BareFormat = value, value == ""
	}
	return nil
}

// media returns the media whose lines we are among, nil before the first m=.
func (p *parser) media() *Media {
	if n := len(p.session.Media); n > 0 {
		return &p.session.Media[n-1]
	}
	return nil
}

func (p *parser) addMedia(value string) error {
	f := strings.Fields(value)
	if len(f) < 3 {
		return gb28181.Errorf(400, "SDP line m=%.60s is incomplete", value)
	}
	if len(p.session.Media) == maxMedia {
		return gb28181.Errorf(400, "SDP has more than %d m= lines", maxMedia)
	}
	port, _, _ := strings.Cut(f[1], "/") // "30000/2" counts ports
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return gb28181.Errorf(400, "SDP line m=%.60s has no port", value)
	}
	m := Media{Type: strings.ToLower(f[0]), Port: uint16(n), Proto: f[2]}
	m.Formats = append(m.Formats, f[3:]...)
	p.session.Media = append(p.session.Media, m)
	return nil
}

func (p *parser) addAttribute(value string) {
	name, value, _ := strings.Cut(value, ":")
	a := Attribute{Name: strings.TrimSpace(name), Value: strings.TrimSpace(value)}
	switch m := p.media(); {
	case a.Name == "":
	case m != nil:
		m.Attributes = append(m.Attributes, a)
	default:
		p.session.Attributes = append(p.session.Attributes, a)
	}
}

// origin reads "user id version IN IP4 address".
func origin(value string) (user, addr string) {
	f := strings.Fields(value)
	if len(f) == 0 {
		return "", ""
	}
	if len(f) >= 3 && isNetwork(f[len(f)-3:]) {
		addr = f[len(f)-1]
	}
	if len(f) != 5 { // with five words the user is the one that is missing
		user = f[0]
	}
	return user, addr
}

// connection reads "IN IP4 address[/ttl]".
func connection(value string) string {
	f := strings.Fields(value)
	if len(f) < 3 || !isNetwork(f[:3]) {
		return ""
	}
	addr, _, _ := strings.Cut(f[2], "/")
	return addr
}

func isNetwork(f []string) bool {
	return strings.EqualFold(f[0], "IN") && (strings.EqualFold(f[1], "IP4") || strings.EqualFold(f[1], "IP6"))
}

// period reads "start stop"; what is no number is 0.
func period(value string) (start, stop int64) {
	f := append(strings.Fields(value), "", "")
	start, _ = strconv.ParseInt(f[0], 10, 64)
	stop, _ = strconv.ParseInt(f[1], 10, 64)
	return max(start, 0), max(stop, 0)
}
