package config

import (
	"fmt"
	"os"
	"strings"

	"github.com/BurntSushi/toml"
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

// StateDir is the gateway.state_dir of a file, also of one with faults; the default where it gives none that can be
// read.
func StateDir(path string) string {
	found := Gateway{StateDir: Default().Gateway.StateDir}
	text, err := os.ReadFile(path)
	if n := locate(string(text)).line("gateway", -1, "state_dir"); err == nil && n > 0 {
		line := strings.TrimSpace(strings.Split(string(text), "\n")[n-1])
		_, _ = toml.Decode(line, &found)
	}
	return found.StateDir
}
