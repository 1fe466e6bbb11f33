package config

import (
	"fmt"
	"regexp"
	"strings"
)

// Fault is one thing wrong with the file.
type Fault struct {
	File string
	Line int    // 0 = not known
	Key  string // dotted path, with the index or name of its table: `camera[2] "gate".id`
	Text string // what is wrong and what would be right
}

// String is the line an installer reads.
func (f Fault) String() string {
	var b strings.Builder
	b.WriteString(f.File)
	if f.Line > 0 {
		fmt.Fprintf(&b, ":%d", f.Line)
	}
	b.WriteString(": ")
	if f.Key != "" {
		b.WriteString(f.Key + ": ")
	}
	b.WriteString(f.Text)
	return b.String()
}

// Faults is every fault of a file; as an error it prints a line each.
type Faults []Fault

// Error implements error.
func (fs Faults) Error() string {
	lines := make([]string, len(fs))
	for i, f := range fs {
		lines[i] = f.String()
	}
	return strings.Join(lines, "\n")
}

// position finds the line on which key stands in the n-th (from 0) [[table]] of text, because
// the decoder does not tell it. table "" is the top; 0 is returned when it is not found.
func position(text, table string, n int, key string) int {
	header := regexp.MustCompile(`^\s*\[\[?\s*([^\]\s]+)\s*\]\]?`)
	assign := regexp.MustCompile(`(?i)^\s*["']?` + regexp.QuoteMeta(key) + `["']?\s*=`)
	root, sub, _ := strings.Cut(table, ".")
	current, count := "", -1
	for i, line := range strings.Split(text, "\n") {
		if m := header.FindStringSubmatch(line); m != nil {
			current = m[1]
			if current == root {
				count++
			}
			if current == key || current == strings.Trim(table+"."+key, ".") {
				if n < 0 || count == n || count < 0 {
					return i + 1
				}
			}
			continue
		}
		inTable := current == table || sub != "" && current == root+"."+sub
		if inTable && (n < 0 || count == n) && assign.MatchString(line) {
			return i + 1
		}
	}
	return 0
}
