package manscdp

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits of what we read. A part of a catalog with the longest items holds
// about 50 elements per kilobyte, so maxElements is far above any real message.
const (
	maxBody       = 64 << 10 // bytes
	maxDepth      = 16
	maxElements   = 8192
	maxAttributes = 32 // of one element
)

// node is one element as a lenient reader sees it.
type node struct {
	name  string
	start string // the start tag as written
	attrs []attribute
	text  []byte // of this element alone, entities resolved
	kids  []*node
}

type attribute struct{ name, value string }

// value returns the text without the blanks and NULs around it.
func (n *node) value() string {
	return strings.Trim(string(n.text), " \t\r\n\v\f\x00\u00a0\u3000\ufeff")
}

// empty tells whether n says nothing: platforms write <Info/> and mean no Info.
func (n *node) empty() bool { return len(n.kids) == 0 && len(n.attrs) == 0 && n.value() == "" }

// child returns the first child of one of these names, in any case, that is
// not empty; nil when there is none.
func (n *node) child(names ...string) *node {
	for _, name := range names {
		for _, k := range n.kids {
			if strings.EqualFold(k.name, name) && !k.empty() {
				return k
			}
		}
	}
	return nil
}

func (n *node) attr(name string) string {
	for _, a := range n.attrs {
		if strings.EqualFold(a.name, name) {
			return a.value
		}
	}
	return ""
}

// reader builds the tree. It takes what platforms send for XML: a missing or
// late prolog, names in the wrong case, & and < standing for themselves in
// text, missing end tags inside the root. It resolves no entity but the five
// of XML and character numbers, so a document can't grow while it is read.
type reader struct {
	src      string
	pos      int
	root     *node
	open     []*node
	elements int
}

// parse reads src up to the end of its root element; what follows is ignored.
func parse(src string) (*node, error) {
	r := reader{src: src}
	for {
		lt := strings.IndexByte(r.src[r.pos:], '<')
		if lt < 0 {
			return nil, fmt.Errorf("%w: no end of the root element", ErrNotXML)
		}
		r.addText(unescape(r.src[r.pos : r.pos+lt]))
		r.pos += lt
		if err := r.markup(); err != nil {
			return nil, err
		}
		if r.root != nil && len(r.open) == 0 {
			return r.root, nil
		}
	}
}

// markup reads what begins with the < at pos.
func (r *reader) markup() error {
	rest := r.src[r.pos:]
	switch {
	case hasPrefixFold(rest, "<?xml"):
		return r.skipPast(">")
	case strings.HasPrefix(rest, "<!--"):
		return r.skipPast("-->")
	case hasPrefixFold(rest, "<!DOCTYPE"):
		return r.skipPast(">")
	case strings.HasPrefix(rest, "<![CDATA["):
		end := strings.Index(rest, "]]>")
		if end < 0 {
			return fmt.Errorf("%w: CDATA without end", ErrNotXML)
		}
		r.addText(rest[len("<![CDATA["):end])
		r.pos += end + len("]]>")
		return nil
	case strings.HasPrefix(rest, "</"):
		r.endTag()
		return nil
	}
	n, length, selfClosed := startTag(rest)
	if n == nil { // a bare < in text, as in Hikvision's Address
		r.addText("<")
		r.pos++
		return nil
	}
	r.pos += length
	return r.push(n, selfClosed)
}

func (r *reader) skipPast(mark string) error {
	end := strings.Index(r.src[r.pos:], mark)
	if end < 0 {
		return fmt.Errorf("%w: markup without end", ErrNotXML)
	}
	r.pos += end + len(mark)
	return nil
}

func (r *reader) push(n *node, selfClosed bool) error {
	if r.elements++; r.elements > maxElements {
		return fmt.Errorf("%w: more than %d elements", ErrNotXML, maxElements)
	}
	if len(n.attrs) > maxAttributes {
		return fmt.Errorf("%w: more than %d attributes", ErrNotXML, maxAttributes)
	}
	if len(r.open) == 0 {
		r.root = n
	} else {
		parent := r.open[len(r.open)-1]
		parent.kids = append(parent.kids, n)
	}
	if selfClosed {
		return nil
	}
	if r.open = append(r.open, n); len(r.open) > maxDepth {
		return fmt.Errorf("%w: deeper than %d elements", ErrNotXML, maxDepth)
	}
	return nil
}

// endTag closes the innermost open element of that name and with it those
// inside that were never closed. An end tag that matches nothing is ignored.
func (r *reader) endTag() {
	rest := r.src[r.pos+2:]
	end := strings.IndexAny(rest, "<>")
	if end < 0 {
		end = len(rest)
	}
	name := local(strings.TrimSpace(rest[:end]))
	r.pos += 2 + end
	if end < len(rest) && rest[end] == '>' {
		r.pos++
	}
	for i := len(r.open) - 1; i >= 0; i-- {
		if !strings.EqualFold(r.open[i].name, name) {
			continue
		}
		for j := len(r.open) - 1; j > i; j-- {
			r.open[j-1].unclosed(r.open[j])
		}
		r.open = r.open[:i]
		return
	}
}

// unclosed settles what kid, the last child of n, was. Without children and
// after text it was no element but text with angle brackets ("Gate <north>").
// Else its end tag is missing; when it holds text, the elements inside it belong beside it.
func (n *node) unclosed(kid *node) {
	if len(kid.kids) == 0 && n.value() != "" {
		n.text = append(append(n.text, kid.start...), kid.text...)
		n.kids = n.kids[:len(n.kids)-1]
		return
	}
	if kid.value() != "" {
		n.kids = append(n.kids, kid.kids...)
		kid.kids = nil
	}
}

// addText gives text to the innermost open element; outside the root it is junk.
func (r *reader) addText(text string) {
	if len(r.open) > 0 && text != "" {
		n := r.open[len(r.open)-1]
		n.text = append(n.text, text...)
	}
}

// startTag reads a start tag and returns nil when src, which begins with <, is none.
func startTag(src string) (n *node, length int, selfClosed bool) {
	i := 1
	for i < len(src) && isNameByte(src[i]) {
		i++
	}
	if i == 1 || !isLetter(src[1]) {
		return nil, 0, false
	}
	n = &node{name: local(src[1:i])}
	for {
		i += blanks(src[i:])
		switch {
		case i >= len(src) || src[i] == '<':
			return nil, 0, false
		case src[i] == '>':
			n.start = src[:i+1]
			return n, i + 1, selfClosed
		case src[i] == '/':
			selfClosed = true
			i++
			continue
		}
		selfClosed = false
		a, size := readAttribute(src[i:])
		if size == 0 {
			return nil, 0, false
		}
		n.attrs = append(n.attrs, a)
		i += size
	}
}

// readAttribute reads name="value", with blanks anywhere and quotes of either
// kind or none. Size 0 means that src is no attribute.
func readAttribute(src string) (a attribute, size int) {
	i := strings.IndexAny(src, " \t\r\n=/><")
	if i < 0 {
		return a, 0
	}
	a.name = local(src[:i])
	eq := i + blanks(src[i:])
	if eq >= len(src) || src[eq] != '=' {
		return a, i // a name alone; 0 when there is none, which ends a bare quote or "=" run
	}
	i = eq + 1 + blanks(src[eq+1:])
	if i >= len(src) {
		return a, 0
	}
	if q := src[i]; q == '"' || q == '\'' {
		end := strings.IndexAny(src[i+1:], string([]byte{q, '<'}))
		if end < 0 || src[i+1+end] == '<' {
			return a, 0
		}
		a.value = strings.TrimSpace(unescape(src[i+1 : i+1+end]))
		return a, i + end + 2
	}
	end := strings.IndexAny(src[i:], " \t\r\n><")
	if end < 0 {
		return a, 0
	}
	if src[i+end] == '>' && strings.HasSuffix(src[i:i+end], "/") { // <Item Num=1/>
		end--
	}
	a.value = unescape(src[i : i+end])
	return a, i + end
}

// unescape resolves the entities of XML and leaves any other & alone.
func unescape(s string) string {
	if !strings.Contains(s, "&") {
		return s
	}
	var b strings.Builder
	for {
		amp := strings.IndexByte(s, '&')
		if amp < 0 {
			b.WriteString(s)
			return b.String()
		}
		b.WriteString(s[:amp])
		s = s[amp:]
		text, size := entity(s)
		b.WriteString(text)
		s = s[size:]
	}
}

// entity reads the entity that s begins with; a bare & is itself.
func entity(s string) (text string, size int) {
	semi := strings.IndexByte(s[:min(len(s), 12)], ';')
	if semi < 0 {
		return "&", 1
	}
	switch name := s[1:semi]; name {
	case "amp":
		return "&", semi + 1
	case "lt":
		return "<", semi + 1
	case "gt":
		return ">", semi + 1
	case "quot":
		return `"`, semi + 1
	case "apos":
		return "'", semi + 1
	default:
		digits, numeric := strings.CutPrefix(name, "#")
		base := 10
		if hex, ok := strings.CutPrefix(strings.ToLower(digits), "x"); ok {
			digits, base = hex, 16
		}
		n, err := strconv.ParseUint(digits, base, 32)
		if !numeric || err != nil || !utf8.ValidRune(rune(n)) || n == 0 {
			return "&", 1
		}
		return string(rune(n)), semi + 1
	}
}

// local returns the name without its namespace prefix.
func local(name string) string { return name[strings.LastIndexByte(name, ':')+1:] }

func blanks(s string) int { return len(s) - len(strings.TrimLeft(s, " \t\r\n")) }

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' }

func isNameByte(c byte) bool {
	return isLetter(c) || c >= '0' && c <= '9' || c == '-' || c == '.' || c == ':'
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}
