package main

import (
	"fmt"
	"io"
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// table prints aligned columns, two spaces apart; the last one may be empty.
func table(w io.Writer, header string, rows func(row func(...any))) {
	blank := len(header) - len(strings.TrimLeft(header, "\n"))
	lines := [][]string{strings.Split(header[blank:], "\t")}
	rows(func(cells ...any) {
		line := make([]string, len(cells))
		for i, cell := range cells {
			line[i] = printable(fmt.Sprint(cell))
		}
		lines = append(lines, line)
	})
	var widths []int
	for _, line := range lines {
		for i, cell := range line {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], columns(cell))
		}
	}
	var b strings.Builder
	b.WriteString(header[:blank])
	for _, line := range lines {
		for i, cell := range line {
			b.WriteString(cell)
			if i < len(line)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-columns(cell)+2))
			}
		}
		b.WriteByte('\n')
	}
	_, _ = io.WriteString(w, b.String())
}

// columns is how many columns of a terminal a text takes: a Chinese character takes two (Unicode annex 11).
func columns(s string) int {
	n := 0
	for _, r := range s {
		switch kind := width.LookupRune(r).Kind(); {
		case unicode.Is(unicode.Mn, r):
		case kind == width.EastAsianWide || kind == width.EastAsianFullwidth:
			n += 2
		default:
			n++
		}
	}
	return n
}

// printable makes one line of what a camera or a platform says of itself, without anything that a terminal obeys.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case !unicode.IsPrint(r):
			return '?'
		}
		return r
	}, s)
}
