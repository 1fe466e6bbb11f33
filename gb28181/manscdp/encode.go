package manscdp

import (
	"bytes"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"gbgate/gb28181"
)

// Encoder is how a platform wants its messages written.
type Encoder struct {
	Charset    gb28181.Charset
	EmptyLists bool // write the list of an answer that has no item, with Num="0", as WVP does (Annex M: leave it out)
}

// Encode writes m with an Encoder of that charset.
func Encode(m Message, cs gb28181.Charset) ([]byte, error) { return Encoder{Charset: cs}.Encode(m) }

// Encode writes m as platforms want to read it: a prolog that declares the
// charset, CRLF line ends, one element per line, CmdType, SN and DeviceID first,
// the five special characters escaped, optional fields left out when empty. An
// empty mandatory field is an error, since platforms show it as "null" or drop
// the message.
func (enc Encoder) Encode(m Message) ([]byte, error) {
	r, ok := byType(m)
	if !ok {
		return nil, fmt.Errorf("%T is no MANSCDP command", m)
	}
	e := encoder{plan: plans(), command: r.command, lists: enc.EmptyLists}
	_, e.noDevice = m.(*Broadcast)
	e.text.WriteString(`<?xml version="1.0" encoding="` + enc.Charset.String() + `"?>` + eol)
	e.text.WriteString("<" + r.root + ">" + eol)
	if err := e.structure(reflect.ValueOf(m).Elem()); err != nil {
		return nil, fmt.Errorf("%s %s: %w", r.root, r.command, err)
	}
	e.text.WriteString("</" + r.root + ">" + eol)
	return gb28181.Encode(e.text.String(), enc.Charset), nil
}

const eol = "\r\n"

type encoder struct {
	plan    plan
	text    bytes.Buffer
	command string
	lists   bool // empty ones are written

	noDevice bool // the header is that of a Broadcast
}

// structure writes the fields of v, which must be addressable.
func (e *encoder) structure(v reflect.Value) error {
	if s, ok := v.Addr().Interface().(interface{ wire() (any, error) }); ok {
		other, err := s.wire()
		if err != nil {
			return err
		}
		v = reflect.ValueOf(other).Elem()
	}
	slim := false
	switch s := v.Addr().Interface().(type) {
	case *Header:
		return e.header(s)
	case interface{ check() error }:
		if err := s.check(); err != nil {
			return err
		}
	}
	if s, ok := v.Addr().Interface().(interface{ slim() bool }); ok {
		slim = s.slim()
	}
	for _, f := range e.plan[v.Type()] {
		if f.never || f.attr != "" || f.device && slim {
			continue
		}
		if err := e.field(f, v.Field(f.index)); err != nil {
			return err
		}
	}
	return nil
}

func (e *encoder) header(h *Header) error {
	sn, id := clean(h.SN), clean(h.DeviceID)
	if sn == "" || id == "" && !e.noDevice {
		return fmt.Errorf("SN %q or DeviceID %q is empty", h.SN, h.DeviceID)
	}
	e.element("CmdType", e.command)
	e.element("SN", sn)
	if !e.noDevice {
		e.element("DeviceID", id)
	}
	return nil
}

func (e *encoder) field(f field, v reflect.Value) error {
	if f.embedded() {
		return e.structure(v)
	}
	name := f.names[0]
	if v.Kind() == reflect.Slice {
		return e.list(f, v)
	}
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return empty(f, name)
		}
		f.opt = false // a pointer that is set is written, zero or not
		v = v.Elem()
	} else if f.opt && v.IsZero() {
		return nil
	}
	if v.Kind() == reflect.Struct && v.Type() != timeType {
		return e.block(name, "", v)
	}
	text := scalar(v, f.prec)
	if text == "" {
		return empty(f, name)
	}
	e.element(name, text)
	return nil
}

func (e *encoder) list(f field, v reflect.Value) error {
	name := f.names[0]
	if f.child == "" {
		return e.items(name, f, v)
	}
	if v.Len() == 0 && !f.always && !(e.lists && f.answer) {
		return empty(f, name)
	}
	e.text.WriteString("<" + name)
	if f.num {
		e.text.WriteString(` Num="` + strconv.Itoa(v.Len()) + `"`)
	}
	e.text.WriteString(">")
	if v.Len() > 0 {
		e.text.WriteString(eol)
	}
	if err := e.items(f.child, f, v); err != nil {
		return err
	}
	e.text.WriteString("</" + name + ">" + eol)
	return nil
}

func (e *encoder) items(name string, f field, v reflect.Value) error {
	for i := range v.Len() {
		item := v.Index(i)
		if item.Kind() == reflect.Struct {
			if err := e.block(name, strconv.Itoa(i+1), item); err != nil {
				return err
			}
			continue
		}
		text := scalar(item, f.prec)
		if text == "" {
			return fmt.Errorf("%s%d is empty", name, i+1)
		}
		e.element(name, text)
	}
	return nil
}

// block writes a struct as an element of its own.
func (e *encoder) block(name, number string, v reflect.Value) error {
	before := e.text.Len()
	e.text.WriteString("<" + name + ">" + eol)
	inside := e.text.Len()
	if err := e.structure(v); err != nil {
		return fmt.Errorf("%s%s: %w", name, number, err)
	}
	if e.text.Len() == inside { // an Info with nothing in it
		e.text.Truncate(before)
		return nil
	}
	e.text.WriteString("</" + name + ">" + eol)
	return nil
}

func (e *encoder) element(name, text string) {
	e.text.WriteString("<" + name + ">")
	_, _ = escaper.WriteString(&e.text, text) // a Buffer never fails
	e.text.WriteString("</" + name + ">" + eol)
}

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&apos;")

func empty(f field, name string) error {
	if f.opt {
		return nil
	}
	return fmt.Errorf("%s is empty", name)
}

// scalar returns the text of a value, "" for one that has none.
func scalar(v reflect.Value, prec int) string {
	switch v.Kind() {
	case reflect.String:
		return clean(v.String())
	case reflect.Int, reflect.Int64:
		return strconv.FormatInt(v.Int(), 10)
	case reflect.Float64:
		return decimal(v.Float(), prec)
	case reflect.Struct:
		if t, ok := v.Interface().(time.Time); ok && !t.IsZero() {
			return gb28181.FormatTime(t)
		}
	}
	return ""
}

// decimal returns x without exponent, and without the sign of a zero.
func decimal(x float64, prec int) string {
	text := strconv.FormatFloat(x, 'f', prec, 64)
	if strings.Trim(text, "-0.") == "" {
		text = strings.TrimPrefix(text, "-")
	}
	return text
}

// clean makes s fit for one line of XML: blanks trimmed, line ends and tabs
// turned into blanks, characters that XML 1.0 forbids left out.
func clean(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\r' || r == '\n':
			return ' '
		case r == utf8.RuneError:
			return '?'
		case r < ' ' || r == 0xfffe || r == 0xffff || r == 0x7f:
			return -1
		}
		return r
	}, s))
}
