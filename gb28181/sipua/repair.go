package sipua

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Bounds of one received message. Superiors send a few kilobytes; a message is never more than one datagram holds.
const (
	maxMessage = 64 << 10 // body, and datagram
	maxHead    = 16 << 10
	maxLines   = 128
)

// errNotSIP is a message whose first line is neither a request nor a status line.
var errNotSIP = errors.New("not SIP")

// repair rewrites a whole message so that sipgo's strict parser reads it the way the peer meant it, or says why it is
// not worth reading. One bad header would otherwise lose the whole message. The body is kept byte for byte and
// Content-Length says its real length.
//
// Seen in the field: CRLF before the start line, LF-only lines, Content-Length that counts characters instead of
// bytes, header lines without colon, blanks around ; and = ("; tag=x" loses the tag), compact names, two blanks in
// the start line or in CSeq, "SIP/2.0 200" without a reason, URIs without scheme, GBK display names.
func repair(raw []byte) ([]byte, error) {
	raw = bytes.TrimLeft(raw, "\r\n\x00 \t")
	head, body, err := cutHead(raw)
	if err != nil {
		return nil, err
	}
	lines, err := unfold(head)
	if err != nil {
		return nil, err
	}
	start, err := repairStartLine(lines[0])
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	b.Grow(len(raw) + 64)
	b.WriteString(start + "\r\n")
	seen := map[string]bool{}
	declared := -1
	for _, line := range lines[1:] {
		name, value, ok := cutHeader(line)
		if !ok {
			continue
		}
		if key := strings.ToLower(name); key == "content-length" {
			if n, err := strconv.Atoi(value); err == nil {
				declared = n
			}
		} else if err := repairHeader(&b, seen, key, name, value); err != nil {
			return nil, err
		}
	}
	for _, must := range []string{"via", "from", "to", "call-id", "cseq"} {
		if !seen[must] {
			return nil, fmt.Errorf("%w: no %s", errNotSIP, must)
		}
	}
	if declared >= 0 && declared < len(body) {
		// Text beyond the declared length belongs to the body (the sender counted characters), padding does not.
		body = body[:max(declared, len(bytes.TrimRight(body, "\x00")))]
	}
	b.WriteString("Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n")
	b.Write(body)
	return []byte(b.String()), nil
}

// cutHead splits at the first empty line; without one everything is head.
func cutHead(raw []byte) (head, body []byte, err error) {
	for i := 0; i < len(raw); {
		n := bytes.IndexByte(raw[i:], '\n')
		if n < 0 {
			break
		}
		if len(bytes.TrimRight(raw[i:i+n], "\r \t")) == 0 {
			head, body = raw[:i], raw[i+n+1:]
			break
		}
		i += n + 1
	}
	if head == nil {
		head = raw
	}
	if len(head) > maxHead {
		return nil, nil, fmt.Errorf("%w: %d bytes of headers", errNotSIP, len(head))
	}
	return head, body, nil
}

// unfold gives the head's lines with continuation lines (RFC 3261 §7.3.1) joined to the line before.
func unfold(head []byte) ([]string, error) {
	strip := strings.NewReplacer("\r", "", "\x00", "")
	var lines []string
	for line := range bytes.SplitSeq(head, []byte{'\n'}) {
		text := strip.Replace(string(line)) // not a rune function: the bytes may be GBK
		folded := len(lines) > 1 && (strings.HasPrefix(text, " ") || strings.HasPrefix(text, "\t"))
		text = strings.Trim(text, " \t")
		switch {
		case text == "":
		case folded:
			lines[len(lines)-1] += " " + text
		case len(lines) == maxLines:
			return nil, fmt.Errorf("%w: more than %d header lines", errNotSIP, maxLines)
		default:
			lines = append(lines, text)
		}
	}
	if len(lines) == 0 {
		return nil, errNotSIP
	}
	return lines, nil
}

// repairStartLine makes exactly two blanks and completes what is missing.
func repairStartLine(line string) (string, error) {
	f := strings.Fields(line)
	if len(f) < 2 {
		return "", errNotSIP
	}
	if strings.EqualFold(f[0], "SIP/2.0") {
		code, err := strconv.Atoi(f[1])
		if err != nil || code < 100 || code > 699 {
			return "", fmt.Errorf("%w: status %q", errNotSIP, f[1])
		}
		reason := strings.Join(f[2:], " ")
		if reason == "" {
			reason = reasonPhrase(code)
		}
		return fmt.Sprintf("SIP/2.0 %d %s", code, reason), nil
	}
	if len(f) != 3 || !strings.EqualFold(f[2], "SIP/2.0") || !isToken(f[0]) {
		return "", errNotSIP
	}
	uri, err := ParseURI(f[1])
	if err != nil {
		return "", fmt.Errorf("%w: request URI %q", errNotSIP, f[1])
	}
	return strings.ToUpper(f[0]) + " " + uri.String() + " SIP/2.0", nil
}

// cutHeader splits a header line; a line without colon or with a name that is no token is not a header.
func cutHeader(line string) (name, value string, ok bool) {
	name, value, ok = strings.Cut(line, ":")
	name = strings.TrimSpace(name)
	return fullName(name), strings.TrimSpace(value), ok && isToken(name)
}

// repairHeader writes one header in the form sipgo reads; key is the name in lower case.
func repairHeader(b *strings.Builder, seen map[string]bool, key, name, value string) error {
	switch key {
	case "via":
		for _, one := range splitOutsideQuotes(value, ',') {
			v, err := parseVia(one)
			if err != nil {
				return fmt.Errorf("%w: %w", errNotSIP, err)
			}
			b.WriteString("Via: " + v.canonical() + "\r\n")
		}
		seen[key] = true
		return nil
	case "from", "to", "call-id", "cseq":
		if seen[key] || value == "" {
			return nil
		}
		seen[key] = true
	case "content-type", "contact", "max-forwards", "expires":
		if value == "" {
			return nil
		}
	}
	switch key {
	case "from", "to":
		a, err := parseNameAddr(value)
		if err != nil {
			return fmt.Errorf("%w: %s: %w", errNotSIP, name, err)
		}
		uri, err := ParseURI(a.uri)
		if err != nil {
			return fmt.Errorf("%w: %s: %w", errNotSIP, name, err)
		}
		a.uri = uri.String()
		value = a.canonical()
	case "cseq":
		f := strings.Fields(value)
		if len(f) != 2 {
			return fmt.Errorf("%w: CSeq %q", errNotSIP, value)
		}
		if _, err := strconv.ParseUint(f[0], 10, 31); err != nil {
			return fmt.Errorf("%w: CSeq %q", errNotSIP, value)
		}
		value = f[0] + " " + strings.ToUpper(f[1])
	}
	b.WriteString(name + ": " + value + "\r\n")
	return nil
}

// isToken tells whether s is a token of RFC 3261 §25.1.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case strings.IndexByte("-.!%*_+`'~", c) >= 0:
		default:
			return false
		}
	}
	return s != ""
}
