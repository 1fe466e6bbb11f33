package config

import (
	"regexp"
	"slices"
	"strings"
)

var (
	headerLine = regexp.MustCompile(`^\s*\[\[?\s*([^\]\s]+)\s*\]\]?`)                   //nolint:gochecknoglobals // compiled once
	assignLine = regexp.MustCompile(`^\s*(?:"([^"]*)"|'([^']*)'|([^"'=\s]*))["']?\s*=`) //nolint:gochecknoglobals // compiled once
)

// places knows on which line of a text what stands, because the decoder does not tell it. Lines count from 1, the
// entries of a list ([[camera]]) from 0.
type places struct {
	headers map[string][]int   // by table: the lines of its headers
	keys    map[assign][]place // where a key is given a value
}

// assign is a key, in lower case as the decoder takes it in any, of a table.
type assign struct{ table, key string }

// place is a line, and the entry of the list that its table is or belongs to; -1: none has begun.
type place struct{ line, entry int }

// locate reads a text once.
func locate(text string) *places {
	p := &places{headers: make(map[string][]int), keys: make(map[assign][]place)}
	table := ""
	for i, line := range strings.Split(text, "\n") {
		if m := headerLine.FindStringSubmatch(line); m != nil {
			table = m[1]
			p.headers[table] = append(p.headers[table], i+1)
			continue
		}
		if m := assignLine.FindStringSubmatch(line); m != nil {
			a := assign{table, strings.ToLower(m[1] + m[2] + m[3])}
			p.keys[a] = append(p.keys[a], place{i + 1, len(p.headers[root(table)]) - 1})
		}
	}
	return p
}

// root is the list or table that a table belongs to.
func root(table string) string {
	name, _, _ := strings.Cut(table, ".")
	return name
}

// line finds the line on which key stands in the n-th [[table]]; n < 0: in any. table "" is the top; 0 is returned when
// it is not found.
func (p *places) line(table string, n int, key string) int {
	if n >= 0 {
		if entry, line := p.from(table, n, key); entry == n {
			return line
		}
		return 0
	}
	first := 0
	note := func(line int) {
		if first == 0 || line < first {
			first = line
		}
	}
	if found := p.keys[assign{table, strings.ToLower(key)}]; len(found) > 0 {
		note(found[0].line)
	}
	for _, name := range subtables(table, key) {
		if found := p.headers[name]; len(found) > 0 {
			note(found[0])
		}
	}
	return first
}

// from finds the first [[table]] from the n-th on in which key stands, and the line; line 0 is returned when there is none.
func (p *places) from(table string, n int, key string) (entry, line int) {
	note := func(e, l int) {
		if line == 0 || e < entry || e == entry && l < line {
			entry, line = e, l
		}
	}
	found := p.keys[assign{table, strings.ToLower(key)}]
	at, _ := slices.BinarySearchFunc(found, n, func(w place, n int) int { return w.entry - n })
	if at < len(found) {
		note(found[at].entry, found[at].line)
	}
	entries := p.headers[root(table)]
	for _, name := range subtables(table, key) {
		lines := p.headers[name]
		if len(lines) > 0 && (len(entries) == 0 || lines[0] < entries[0]) { // in front of all entries: means any
			note(n, lines[0])
		}
		if n >= len(entries) {
			continue
		}
		if at, _ := slices.BinarySearch(lines, entries[n]); at < len(lines) {
			e, same := slices.BinarySearch(entries, lines[at])
			if !same {
				e--
			}
			note(e, lines[at])
		}
	}
	return entry, line
}

// entry finds the header of the n-th [[table]]; 0 is returned when it is not found.
func (p *places) entry(table string, n int) int {
	if lines := p.headers[table]; n >= 0 && n < len(lines) {
		return lines[n]
	}
	return 0
}

// subtables are the names under which a key that is a table may have its header.
func subtables(table, key string) []string {
	if table == "" {
		return []string{key}
	}
	return []string{key, table + "." + key}
}
