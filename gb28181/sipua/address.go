package sipua

import (
	"fmt"
	"strconv"
	"strings"
)

// param is one ;name=value of a header value; hasValue tells ";rport" from ";rport=".
type param struct {
	name, value string
	hasValue    bool
}

// nameAddr is a From, To or Contact value in parts.
type nameAddr struct {
	display string
	uri     string
	params  []param
}

// parseNameAddr reads `"name" <uri>;params`, `<uri>;params` and `uri;params`, with blanks anywhere. The display name
// is taken as bytes: GBK's second byte may be a backslash or a quote.
func parseNameAddr(s string) (nameAddr, error) {
	var a nameAddr
	s = strings.TrimSpace(s)
	lt := strings.LastIndexByte(s, '<')
	if lt < 0 {
		uri, rest, _ := strings.Cut(s, ";")
		a.uri = strings.TrimSpace(uri)
		a.params = parseParams(rest)
	} else {
		a.display = strings.Trim(strings.TrimSpace(s[:lt]), `"`)
		uri, rest, ok := strings.Cut(s[lt+1:], ">")
		if !ok {
			return a, fmt.Errorf("no > in %q", s)
		}
		a.uri = strings.TrimSpace(uri)
		a.params = parseParams(strings.TrimLeft(rest, " \t;"))
	}
	if a.uri == "" {
		return a, fmt.Errorf("no URI in %q", s)
	}
	if strings.ContainsAny(a.uri, " \t<>\"") {
		return a, fmt.Errorf("blank or quote in URI %q", a.uri)
	}
	if !hasScheme(a.uri) {
		a.uri = "sip:" + a.uri
	}
	return a, nil
}

// parseParams reads a=b;c;d="e" without the leading semicolon; names come out in lower case.
func parseParams(s string) []param {
	var ps []param
	for _, field := range splitOutsideQuotes(s, ';') {
		name, value, has := strings.Cut(field, "=")
		name = strings.ToLower(strings.TrimSpace(name))
		value = strings.Trim(strings.TrimSpace(value), `"`)
		if name == "" || strings.ContainsAny(name, " \t\",") {
			continue
		}
		ps = append(ps, param{name, value, has})
	}
	return ps
}

func writeParams(b *strings.Builder, ps []param) {
	for _, p := range ps {
		if strings.ContainsAny(p.value, `",;<>?`) {
			continue // sipgo takes a quoted value apart wrongly; nothing GB/T 28181 uses is quoted here
		}
		b.WriteByte(';')
		b.WriteString(p.name)
		if p.value != "" {
			b.WriteString("=" + strings.Join(strings.Fields(p.value), ""))
		}
	}
}

// canonical writes the address the way sipgo's parser wants it. A display name that is not plain ASCII is left out:
// nobody matches on it and sipgo stumbles over GBK's 0x5c.
func (a nameAddr) canonical() string {
	var b strings.Builder
	if a.display != "" && plainText(a.display) {
		b.WriteString(`"` + a.display + `" `)
	}
	b.WriteString("<" + a.uri + ">")
	writeParams(&b, a.params)
	return b.String()
}

func plainText(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c > 0x7e || c == '\\' || c == '"' || c == '<' {
			return false
		}
	}
	return true
}

func hasScheme(uri string) bool {
	scheme, _, ok := strings.Cut(uri, ":")
	if !ok {
		return false
	}
	switch strings.ToLower(scheme) {
	case "sip", "sips", "tel":
		return true
	}
	return false
}

// via is one Via value in parts.
type via struct {
	transport string // upper case
	host      string // IPv6 without brackets
	port      int    // 0: not given
	params    []param
}

// parseVia reads "SIP/2.0/UDP host:port;params", with blanks anywhere.
func parseVia(s string) (via, error) {
	var v via
	head, rest, _ := strings.Cut(s, ";")
	v.params = parseParams(rest)
	parts := strings.SplitN(head, "/", 3)
	if len(parts) != 3 || !strings.EqualFold(strings.TrimSpace(parts[0]), "SIP") {
		return v, fmt.Errorf("no protocol in Via %q", s)
	}
	fields := strings.Fields(parts[2])
	if len(fields) < 2 {
		return v, fmt.Errorf("no host in Via %q", s)
	}
	v.transport = strings.ToUpper(fields[0])
	sentBy := strings.Join(fields[1:], "")
	v.host = sentBy
	port := ""
	if strings.HasPrefix(sentBy, "[") {
		host, after, ok := strings.Cut(sentBy[1:], "]")
		if !ok {
			return v, fmt.Errorf("no ] in Via %q", s)
		}
		v.host, port = host, strings.TrimPrefix(after, ":")
	} else if strings.Count(sentBy, ":") == 1 {
		v.host, port, _ = strings.Cut(sentBy, ":")
	}
	if port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return v, fmt.Errorf("port in Via %q", s)
		}
		v.port = int(n)
	}
	if v.host == "" || strings.ContainsAny(v.host, `",<>?=@`) {
		return v, fmt.Errorf("host in Via %q", s)
	}
	return v, nil
}

func (v via) canonical() string {
	var b strings.Builder
	b.WriteString("SIP/2.0/" + v.transport + " ")
	if strings.Contains(v.host, ":") {
		b.WriteString("[" + v.host + "]")
	} else {
		b.WriteString(v.host)
	}
	if v.port > 0 {
		b.WriteString(":" + strconv.Itoa(v.port))
	}
	writeParams(&b, v.params)
	return b.String()
}

// splitOutsideQuotes splits at sep, but not inside "quotes" and <angle brackets>.
func splitOutsideQuotes(s string, sep byte) []string {
	var out []string
	quoted, angled, start := false, false, 0
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '<':
			angled = true
		case c == '>':
			angled = false
		case c == sep && !angled:
			out = append(out, s[start:i])
			start = i + 1
		}
	}
	return append(out, s[start:])
}

// contactURI is the URI of the first Contact value; nil when there is none or it is not a SIP URI.
func contactURI(value string) *URI {
	if value == "" {
		return nil
	}
	a, err := parseNameAddr(splitOutsideQuotes(value, ',')[0])
	if err != nil {
		return nil
	}
	u, err := ParseURI(a.uri)
	if err != nil {
		return nil
	}
	return &u
}

// ParseURI reads sip:user@host[:port][;params], also between < and > or without its scheme. URI headers (after ?)
// and a password are left out.
func ParseURI(s string) (URI, error) {
	var u URI
	text := strings.Trim(strings.TrimSpace(s), "<>")
	if scheme, rest, ok := strings.Cut(text, ":"); ok &&
		(strings.EqualFold(scheme, "sip") || strings.EqualFold(scheme, "sips")) {
		text = rest
	} else if hasScheme(text) {
		return u, fmt.Errorf("sipua: %q is no SIP URI", s)
	}
	text, _, _ = strings.Cut(text, "?")
	text, params, _ := strings.Cut(text, ";")
	var b strings.Builder
	writeParams(&b, parseParams(params))
	u.Params = strings.TrimPrefix(b.String(), ";")
	if i := strings.LastIndexByte(text, '@'); i >= 0 {
		u.User, _, _ = strings.Cut(text[:i], ":")
		text = text[i+1:]
	}
	host, port := text, ""
	if strings.HasPrefix(text, "[") {
		h, after, ok := strings.Cut(text[1:], "]")
		if !ok {
			return u, fmt.Errorf("sipua: no ] in URI %q", s)
		}
		host, port = h, strings.TrimPrefix(after, ":")
	} else if h, p, ok := strings.Cut(text, ":"); ok {
		host, port = h, p
	}
	u.Host = host
	if port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return u, fmt.Errorf("sipua: port of URI %q", s)
		}
		u.Port = int(n)
	}
	if u.Host == "" || strings.ContainsAny(u.User+u.Host, " \t\r\n\x00\"<>?;,[]") {
		return u, fmt.Errorf("sipua: %q is no SIP URI", s)
	}
	return u, nil
}
