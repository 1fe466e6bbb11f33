package rtsp

import (
	"bytes"
	"strconv"
	"strings"
)

// What gortsplib's parser takes; a longer field of a camera is left out rather than losing the session.
const (
	maxFields     = 200
	maxFieldName  = 500
	maxFieldValue = 2000
	maxReason     = 200
)

// message is one RTSP request or reply, taken leniently and written strictly.
type message struct {
	method string // requests only; "" marks a reply
	url    string // requests only, byte for byte
	code   int    // replies only
	reason string // replies only
	fields []field
	body   []byte
}

// field is one header line.
type field struct{ name, value string }

// parseMessage takes a header block, from the start line to the empty line. It accepts bare line feeds,
// folded lines, lines that are no field (left out) and a status line without a reason (TP-Link, XM).
func parseMessage(head []byte) (*message, bool) {
	first, rest, _ := bytes.Cut(head, []byte{'\n'})
	m, ok := parseStartLine(strings.TrimRight(string(first), "\r "))
	if !ok {
		return nil, false
	}
	for len(rest) > 0 {
		var line []byte
		line, rest, _ = bytes.Cut(rest, []byte{'\n'})
		text := strings.TrimRight(string(line), "\r \t")
		if text == "" {
			continue
		}
		if last := len(m.fields) - 1; last >= 0 && (text[0] == ' ' || text[0] == '\t') {
			m.fields[last].value += " " + strings.TrimSpace(text)
			continue
		}
		name, value, found := strings.Cut(text, ":")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if !found || name == "" || len(name) > maxFieldName || len(m.fields) >= maxFields {
			continue
		}
		m.fields = append(m.fields, field{name, value})
	}
	return m, true
}

func parseStartLine(line string) (*message, bool) {
	words := strings.Fields(line)
	if len(words) < 2 {
		return nil, false
	}
	if strings.HasPrefix(words[0], "RTSP/") {
		code, err := strconv.Atoi(words[1])
		if err != nil || code < 100 || code > 999 {
			return nil, false
		}
		return &message{code: code, reason: strings.Join(words[2:], " ")}, true
	}
	if !isMethod(words[0]) || !strings.HasPrefix(words[len(words)-1], "RTSP/") {
		return nil, false
	}
	return &message{method: words[0], url: strings.Join(words[1:len(words)-1], "%20")}, true
}

// get returns the first value of a field, whatever the case of its name.
func (m *message) get(name string) string {
	for _, f := range m.fields {
		if strings.EqualFold(f.name, name) {
			return f.value
		}
	}
	return ""
}

// values returns all values of a field in their order.
func (m *message) values(name string) []string {
	var all []string
	for _, f := range m.fields {
		if strings.EqualFold(f.name, name) {
			all = append(all, f.value)
		}
	}
	return all
}

// set leaves exactly one field of that name.
func (m *message) set(name, value string) {
	m.del(name)
	m.fields = append(m.fields, field{name, value})
}

// number sets CSeq, which stands first: some cameras look for it there.
func (m *message) number(cseq int) {
	m.del("CSeq")
	m.fields = append([]field{{"CSeq", strconv.Itoa(cseq)}}, m.fields...)
}

func (m *message) del(name string) {
	kept := m.fields[:0]
	for _, f := range m.fields {
		if !strings.EqualFold(f.name, name) {
			kept = append(kept, f)
		}
	}
	m.fields = kept
}

// contentLength returns the announced body length; what is no number counts as none.
func (m *message) contentLength() int64 {
	n, err := strconv.ParseInt(m.get("Content-Length"), 10, 64) // 32-bit boxes are told 10 GB too
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// cseq returns the sequence number, or -1.
func (m *message) cseq() int {
	n, err := strconv.Atoi(m.get("CSeq"))
	if err != nil || n < 0 {
		return -1
	}
	return n
}

// appendTo writes the message the way RFC 2326 says.
func (m *message) appendTo(b []byte) []byte {
	if m.method != "" {
		b = append(append(append(append(b, m.method...), ' '), m.url...), " RTSP/1.0\r\n"...)
	} else {
		reason := m.reason
		if reason == "" {
			reason = "-" // gortsplib refuses an empty one
		}
		b = append(append(b, "RTSP/1.0 "...), strconv.Itoa(m.code)...)
		b = append(append(append(b, ' '), shorten(reason, maxReason)...), '\r', '\n')
	}
	for _, f := range m.fields {
		if strings.EqualFold(f.name, "Content-Length") || m.method == "" && len(f.value) > maxFieldValue {
			continue
		}
		b = append(append(append(append(b, f.name...), ": "...), f.value...), '\r', '\n')
	}
	if len(m.body) > 0 {
		b = append(append(b, "Content-Length: "...), strconv.Itoa(len(m.body))...)
		b = append(b, '\r', '\n')
	}
	return append(append(b, '\r', '\n'), m.body...)
}

func shorten(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}
