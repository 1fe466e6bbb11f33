package manscdp

import (
	"bytes"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"gbgate/gb28181"
)

// Decode reads a MANSCDP body, however its sender bent the rules: the encoding
// that it declares need not be the true one, tags may be in the wrong case,
// text may hold bare & and <, blanks and NULs stand where they like. Elements
// that we don't know are skipped and values that make no sense are left zero.
//
// A Response that holds nothing but a Result, where its command has none
// (Catalog, MobilePosition, PTZPosition, or one that we don't know), is a SubscribeResponse.
//
// The error is ErrNotXML (also for a body over 64 KiB, 16 levels or 8192
// elements), ErrRoot or an *UnknownError; gb28181.StatusOf tells the SIP answer to it.
func Decode(body []byte) (Message, error) {
	if len(body) > maxBody {
		return nil, fmt.Errorf("%w: %d bytes are too many", ErrNotXML, len(body))
	}
	text, _ := gb28181.Decode(body, declaredCharset(body)) // odd bytes in a name are no reason to drop a message
	n, err := parse(text)
	if err != nil {
		return nil, err
	}
	root, ok := canonicalRoot(n.name)
	if !ok {
		return nil, fmt.Errorf("%w: <%.40s>", ErrRoot, n.name)
	}
	d := decoder{plan: plans()}
	var head Header
	d.structure(n, reflect.ValueOf(&head).Elem())
	r, ok := byName(root, head.CmdType)
	switch {
	case root == Response && isResult(n) && (!ok || !d.hasResult(r)):
		return &SubscribeResponse{Header: head, Result: n.child("Result").value()}, nil
	case !ok:
		return nil, &UnknownError{Root: root, Header: head}
	}
	m := r.make()
	d.structure(n, reflect.ValueOf(m).Elem())
	m.Head().CmdType = r.command
	return m, nil
}

// isResult tells whether a Response holds its header and a Result and nothing else.
func isResult(n *node) bool {
	return n.child("CmdType") != nil && n.child("Result") != nil && len(n.kids) <= 4
}

// hasResult tells whether the Response of a row has a Result.
func (d *decoder) hasResult(r row) bool {
	return slices.ContainsFunc(d.plan[reflect.TypeOf(r.message).Elem()], func(f field) bool {
		return slices.Contains(f.names, "Result")
	})
}

// declaredCharset returns the encoding named in the XML prolog, "" when there is none.
func declaredCharset(body []byte) string {
	_, prolog, ok := bytes.Cut(body[:min(len(body), 512)], []byte("<?xml"))
	if !ok {
		return ""
	}
	prolog, _, _ = bytes.Cut(prolog, []byte(">"))
	_, value, ok := strings.Cut(strings.ToLower(string(prolog)), "encoding")
	if !ok {
		return ""
	}
	value = strings.TrimLeft(value, "= \t\"'")
	if end := strings.IndexAny(value, " \t\"'?"); end >= 0 {
		value = value[:end]
	}
	return value
}

func canonicalRoot(name string) (string, bool) {
	for _, root := range []string{Control, Query, Notify, Response} {
		if strings.EqualFold(name, root) {
			return root, true
		}
	}
	return "", false
}

type decoder struct{ plan plan }

// structure fills the struct v from the children of n, or from its attributes
// where a child is missing.
func (d *decoder) structure(n *node, v reflect.Value) {
	for _, f := range d.plan[v.Type()] {
		dst := v.Field(f.index)
		if f.embedded() {
			d.structure(n, dst)
			continue
		}
		kid := n.child(f.names...)
		switch {
		case f.attr != "":
			if kid != nil {
				setText(dst, kid.attr(f.attr))
			}
		case kid == nil:
			setText(dst, n.attr(f.names[0]))
		case dst.Kind() == reflect.Slice && f.child == "":
			d.list(n, f.names[0], dst)
		case dst.Kind() == reflect.Slice:
			d.list(kid, f.child, dst)
		default:
			d.value(kid, dst)
		}
	}
}

func (d *decoder) list(n *node, name string, dst reflect.Value) {
	for _, kid := range n.kids {
		if !strings.EqualFold(kid.name, name) || kid.empty() {
			continue
		}
		item := reflect.New(dst.Type().Elem()).Elem()
		d.value(kid, item)
		dst.Set(reflect.Append(dst, item))
	}
}

func (d *decoder) value(n *node, dst reflect.Value) {
	t := dst.Type()
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t == timeType {
		setText(dst, n.value())
		return
	}
	if dst.Kind() == reflect.Pointer {
		dst.Set(reflect.New(t))
		dst = dst.Elem()
	}
	d.structure(n, dst)
}

// setText stores a scalar and tells whether text was one; other text leaves dst as it is.
func setText(dst reflect.Value, text string) bool {
	if text == "" {
		return false
	}
	switch dst.Kind() {
	case reflect.Pointer:
		p := reflect.New(dst.Type().Elem())
		if !setText(p.Elem(), text) {
			return false
		}
		dst.Set(p)
		return true
	case reflect.String:
		dst.SetString(text)
		return true
	case reflect.Int, reflect.Int64:
		n, ok := parseInt(text, dst.Type().Bits())
		dst.SetInt(n)
		return ok
	case reflect.Float64:
		x, ok := parseFloat(text)
		dst.SetFloat(x)
		return ok
	case reflect.Struct:
		t, err := gb28181.ParseTime(text)
		if err != nil || dst.Type() != timeType {
			return false
		}
		dst.Set(reflect.ValueOf(t))
		return true
	default:
		return false
	}
}

// parseInt reads a whole number and rounds another; 0 when it is none or out of range.
func parseInt(text string, bits int) (int64, bool) {
	if n, err := strconv.ParseInt(text, 10, bits); err == nil {
		return n, true
	}
	x, ok := parseFloat(text)
	if !ok || math.Abs(x) > math.MaxInt32 {
		return 0, false
	}
	return int64(math.Round(x)), true
}

func parseFloat(text string) (float64, bool) {
	x, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(x, 0) || math.IsNaN(x) {
		return 0, false
	}
	return x, true
}
