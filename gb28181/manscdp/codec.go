package manscdp

import (
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"
)

// field is how one struct field stands on the wire, from its gb tag:
//
//	gb:"Name"         an element, mandatory: Encode refuses to write it empty
//	gb:"Name|Alias"   the alias is read, too
//	gb:"List>Item"    a slice: one Item per value inside List
//	gb:"Item"         a slice: one Item per value, without a list around them
//	gb:"List@Num"     an attribute, read only
//	,opt              left out when zero
//	,num              List carries the attribute Num, the number of its items
//	,always           List is written even when it has no item
//	,answer           List is what the answer is about: Encoder.EmptyLists is for it
//	,device           left out for a slim value (see Item.slim)
//	,never            read only
//	,prec=6           digits after the decimal point
//
// Fields without tag are embedded structs. Values are string, int, int64,
// float64, time.Time, structs, pointers to these, and slices of strings or structs.
type field struct {
	index                   int
	names                   []string
	child, attr             string
	opt, num, device, never bool
	always, answer          bool
	prec                    int
}

var timeType = reflect.TypeFor[time.Time]()

// plan holds the fields of every struct that can stand in a message.
type plan map[reflect.Type][]field

// plans reads the tags once; nothing changes the plan after that.
var plans = sync.OnceValue(func() plan {
	p := plan{}
	for _, r := range table {
		p.add(reflect.TypeOf(r.message))
	}
	p.add(reflect.TypeFor[fullItem]())
	p.add(reflect.TypeFor[briefItem]())
	return p
})

// add takes in a struct, also behind a pointer or in a slice, and those inside it.
func (p plan) add(t reflect.Type) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t == timeType || p[t] != nil {
		return
	}
	fs := make([]field, 0, t.NumField())
	for i := range t.NumField() {
		fs = append(fs, parseTag(i, t.Field(i).Tag.Get("gb")))
	}
	p[t] = fs
	for i := range t.NumField() {
		p.add(t.Field(i).Type)
	}
}

func parseTag(index int, tag string) field {
	parts := strings.Split(tag, ",")
	f := field{index: index, prec: -1}
	path := parts[0]
	path, f.attr, _ = strings.Cut(path, "@")
	path, f.child, _ = strings.Cut(path, ">")
	if path != "" {
		f.names = strings.Split(path, "|")
	}
	for _, option := range parts[1:] {
		switch name, value, _ := strings.Cut(option, "="); name {
		case "opt":
			f.opt = true
		case "num":
			f.num = true
		case "always":
			f.always = true
		case "answer":
			f.answer = true
		case "device":
			f.device = true
		case "never":
			f.never = true
		case "prec":
			f.prec, _ = strconv.Atoi(value)
		}
	}
	return f
}

// embedded tells whether the field is a struct whose fields stand in its place.
func (f *field) embedded() bool { return len(f.names) == 0 }
