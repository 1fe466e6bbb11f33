package onvif

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/encoding/simplifiedchinese"
)

// Limits of one answer. The largest seen are profile lists of 64-channel recorders, some 400 kB.
const (
	maxAnswer   = 1 << 20
	maxDepth    = 64
	maxElements = 50_000
)

// errLimit says that an answer is larger, deeper or fuller than any honest one.
var errLimit = errors.New("answer exceeds the limits")

// element is one XML element. Names and attributes are local: devices get namespaces wrong
// (GetServices of several simulators and cheap cameras), so nobody looks at them.
type element struct {
	name     string
	prefix   string // of the name, as written
	parent   *element
	attrs    []xml.Attr
	text     string
	raw      []byte // of text, while it is read
	children []*element
}

// parse reads one document. It forgives what devices get wrong: broken UTF-8, GBK under its own
// name, unknown entities, junk behind the end.
func parse(data []byte) (*element, error) {
	if len(data) > maxAnswer {
		return nil, errLimit
	}
	dec := xml.NewDecoder(bytes.NewReader(bytes.ToValidUTF8(data, []byte("?"))))
	if declaresOther(data) {
		dec = xml.NewDecoder(bytes.NewReader(data))
	}
	dec.Strict = false
	dec.CharsetReader = charsetReader
	var open []*element
	count := 0
	for {
		tok, err := dec.RawToken()
		if err != nil {
			return nil, fmt.Errorf("not XML: %w", err)
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			if count++; count > maxElements || len(open) >= maxDepth {
				return nil, errLimit
			}
			e := &element{name: tok.Name.Local, prefix: tok.Name.Space, attrs: tok.Attr}
			if len(open) > 0 {
				e.parent = open[len(open)-1]
				e.parent.children = append(e.parent.children, e)
			}
			open = append(open, e)
		case xml.CharData:
			if len(open) > 0 && len(open[len(open)-1].children) == 0 {
				open[len(open)-1].raw = append(open[len(open)-1].raw, tok...)
			}
		case xml.EndElement:
			if len(open) == 0 || open[len(open)-1].name != tok.Name.Local {
				return nil, errors.New("not XML: elements cross")
			}
			e := open[len(open)-1]
			if len(e.children) == 0 {
				e.text = strings.TrimSpace(string(e.raw))
			}
			e.raw = nil
			if open = open[:len(open)-1]; len(open) == 0 {
				return e, nil
			}
		}
	}
}

// declaresOther tells whether the prolog names a charset besides UTF-8.
func declaresOther(data []byte) bool {
	head, _, found := bytes.Cut(data[:min(len(data), 200)], []byte("?>"))
	head = bytes.ToLower(head)
	return found && bytes.Contains(head, []byte("encoding")) && !bytes.Contains(head, []byte("utf-8"))
}

// charsetReader knows the Chinese charsets; any other is read as it comes.
func charsetReader(charset string, input io.Reader) (io.Reader, error) {
	if strings.HasPrefix(strings.ToLower(charset), "gb") {
		return simplifiedchinese.GB18030.NewDecoder().Reader(input), nil
	}
	return input, nil
}

// at follows a path of names, taking the first child of each; nil if there is none. It may be
// called on nil.
func (e *element) at(path ...string) *element {
	for _, name := range path {
		if e = e.child(name); e == nil {
			return nil
		}
	}
	return e
}

func (e *element) child(name string) *element {
	if e == nil {
		return nil
	}
	for _, c := range e.children {
		if c.name == name {
			return c
		}
	}
	return nil
}

// all returns every child with one of the names.
func (e *element) all(names ...string) []*element {
	var list []*element
	if e == nil {
		return nil
	}
	for _, c := range e.children {
		for _, name := range names {
			if c.name == name {
				list = append(list, c)
			}
		}
	}
	return list
}

// find returns the first element of that name at any depth, e itself included.
func (e *element) find(name string) *element {
	if e == nil || e.name == name {
		return e
	}
	for _, c := range e.children {
		if f := c.find(name); f != nil {
			return f
		}
	}
	return nil
}

// findAll returns every element of that name at any depth.
func (e *element) findAll(name string) []*element {
	if e == nil {
		return nil
	}
	var list []*element
	if e.name == name {
		list = append(list, e)
	}
	for _, c := range e.children {
		list = append(list, c.findAll(name)...)
	}
	return list
}

// str returns the text at a path, "" if there is none.
func (e *element) str(path ...string) string {
	if e = e.at(path...); e == nil {
		return ""
	}
	return e.text
}

// attr returns an attribute by its local name.
func (e *element) attr(name string) string {
	if e == nil {
		return ""
	}
	for _, a := range e.attrs {
		if a.Name.Local == name && a.Name.Space != "xmlns" {
			return strings.TrimSpace(a.Value)
		}
	}
	return ""
}

// namespace resolves the prefix of e's name; "" if nobody declared it.
func (e *element) namespace() string {
	for scope := e; scope != nil; scope = scope.parent {
		for _, a := range scope.attrs {
			if e.prefix == "" && a.Name.Space == "" && a.Name.Local == "xmlns" ||
				e.prefix != "" && a.Name.Space == "xmlns" && a.Name.Local == e.prefix {
				return a.Value
			}
		}
	}
	return ""
}

// xml writes e out again with its namespaces; attributes besides them are left out.
func (e *element) xml(attrs string) string {
	inner := xmlText(e.text)
	for _, c := range e.children {
		inner += c.xml("")
	}
	return "<" + e.name + ` xmlns="` + xmlText(e.namespace()) + `"` + attrs + ">" + inner + "</" + e.name + ">"
}

// num returns the number at a path, 0 if there is none that can be read.
func (e *element) num(path ...string) float64 { return number(e.str(path...)) }

// integer returns the whole number at a path, 0 if there is none within 32 bits.
func (e *element) integer(path ...string) int {
	if n := e.num(path...); n > -1<<31 && n < 1<<31 {
		return int(n)
	}
	return 0
}

// flag returns the truth at a path.
func (e *element) flag(path ...string) bool { return truth(e.str(path...)) }

func number(s string) float64 {
	n, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || n != n {
		return 0
	}
	return n
}

// truth reads xs:boolean and the words some firmwares use for it.
func truth(s string) bool {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "true", "1", "on", "yes", "active":
		return true
	}
	return false
}

// moment reads xs:dateTime; without a zone it is UTC, as ONVIF means it. The zero time is what
// cannot be read.
func moment(s string) time.Time {
	s = strings.TrimSpace(s)
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}
