package simcam

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// node is an element of a request, by local names.
type node struct {
	name     string
	attrs    map[string]string
	text     string
	children []*node
}

// maxNodeDepth bounds a request.
const maxNodeDepth = 32

func parseXML(data []byte) (*node, error) {
	dec := xml.NewDecoder(bytes.NewReader(data))
	var open []*node
	for {
		tok, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("request: %w", err)
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			if len(open) == maxNodeDepth {
				return nil, errors.New("request: too deep")
			}
			n := &node{name: tok.Name.Local, attrs: make(map[string]string)}
			for _, a := range tok.Attr {
				n.attrs[a.Name.Local] = a.Value
			}
			if len(open) > 0 {
				open[len(open)-1].children = append(open[len(open)-1].children, n)
			}
			open = append(open, n)
		case xml.CharData:
			if len(open) > 0 {
				open[len(open)-1].text += strings.TrimSpace(string(tok))
			}
		case xml.EndElement:
			if len(open) == 1 {
				return open[0], nil
			}
			open = open[:len(open)-1]
		}
	}
}

func (n *node) child(path ...string) *node {
	for _, name := range path {
		if n == nil {
			return nil
		}
		var next *node
		for _, c := range n.children {
			if c.name == name && next == nil {
				next = c
			}
		}
		n = next
	}
	return n
}

func (n *node) str(path ...string) string {
	if n = n.child(path...); n == nil {
		return ""
	}
	return n.text
}

// number reads an attribute; ok says that it is there and is one.
func (n *node) number(attr string) (v float64, ok bool) {
	if n == nil {
		return 0, false
	}
	v, err := strconv.ParseFloat(n.attrs[attr], 64)
	return v, err == nil
}

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s))
	return b.String()
}

// el returns an element with a text; in, one with elements.
func el(name, text string) string { return "<" + name + ">" + escape(text) + "</" + name + ">" }

func in(name string, inner ...string) string {
	return "<" + name + ">" + strings.Join(inner, "") + "</" + closing(name) + ">"
}

// closing takes the attributes off the text of a start tag.
func closing(name string) string {
	name, _, _ = strings.Cut(name, " ")
	return name
}

func xsTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

const responseHead = `<?xml version="1.0" encoding="UTF-8"?>` +
	`<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:ter="http://www.onvif.org/ver10/error"` +
	` xmlns:tds="http://www.onvif.org/ver10/device/wsdl" xmlns:trt="http://www.onvif.org/ver10/media/wsdl"` +
	` xmlns:tr2="http://www.onvif.org/ver20/media/wsdl" xmlns:tptz="http://www.onvif.org/ver20/ptz/wsdl"` +
	` xmlns:timg="http://www.onvif.org/ver20/imaging/wsdl" xmlns:tev="http://www.onvif.org/ver10/events/wsdl"` +
	` xmlns:tmd="http://www.onvif.org/ver10/deviceIO/wsdl" xmlns:tse="http://www.onvif.org/ver10/search/wsdl"` +
	` xmlns:trc="http://www.onvif.org/ver10/recording/wsdl"` +
	` xmlns:trp="http://www.onvif.org/ver10/replay/wsdl" xmlns:tt="http://www.onvif.org/ver10/schema"` +
	` xmlns:tns1="http://www.onvif.org/ver10/topics" xmlns:wsnt="http://docs.oasis-open.org/wsn/b-2"` +
	` xmlns:wsa5="http://www.w3.org/2005/08/addressing" xmlns:xsd="http://www.w3.org/2001/XMLSchema">`
