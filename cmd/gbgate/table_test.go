package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Columns stay in line under names in Chinese, and what a camera calls itself can't break them.
func TestTable(t *testing.T) {
	var b strings.Builder
	table(&b, "\nNAME\tID\tREASON", func(row func(...any)) {
		row("east", 1, "")
		row("东门（主）", 22, "forbidden")
		row("cafe\u0301", 3, "a\tb\n\x1b[2J")
	})
	want := `
NAME        ID  REASON
east        1   ` + `
东门（主）  22  forbidden
cafe` + "\u0301" + `        3   a b ?[2J
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
