package sheet

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"
)

// XLSX is read and written here, without a library: of the format's six thousand pages this needs
// the text of cells, which is a ZIP archive of a few XML parts (ECMA-376 part 1, §18). The library
// one would take (excelize) brings ten modules and 3 MB of program for charts, formulas and
// encryption onto boxes with a 16 MB flash, and reads what it is given without the bounds that a
// file from a stranger needs.

// maxUnpacked bounds what all parts that are read may unpack to, whatever the archive says of its
// sizes; a ZIP bomb ends there.
const maxUnpacked = 32 << 20

const maxParts = 10_000

var errTooLarge = fmt.Errorf("unpacks to more than %d MB", maxUnpacked>>20)

// book is an open workbook.
type book struct {
	parts   map[string]*zip.File
	left    int64 // bytes that may still be unpacked
	strings []string
	cells   int
}

// readXLSX returns the visible sheets of a workbook, in its order.
func readXLSX(data []byte) ([]Table, error) {
	archive, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, fmt.Errorf("is a damaged workbook: %w", err)
	}
	if len(archive.File) > maxParts {
		return nil, fmt.Errorf("is no workbook: %d files in an archive", len(archive.File))
	}
	b := book{parts: map[string]*zip.File{}, left: maxUnpacked}
	for _, f := range archive.File {
		b.parts[strings.ToLower(strings.TrimPrefix(f.Name, "/"))] = f
	}
	if b.parts["xl/workbook.xml"] == nil {
		return nil, errors.New("is a ZIP archive, but no XLSX workbook")
	}
	tables, err := b.read()
	if err != nil {
		return nil, fmt.Errorf("workbook: %w", err)
	}
	if len(tables) == 0 {
		return nil, errors.New("workbook: has no visible sheet")
	}
	return tables, nil
}

func (b *book) read() ([]Table, error) {
	if err := b.sharedStrings(); err != nil {
		return nil, err
	}
	targets, err := b.targets()
	if err != nil {
		return nil, err
	}
	sheets, err := b.sheets()
	if err != nil {
		return nil, err
	}
	var tables []Table
	for _, s := range sheets {
		if s.State == "hidden" || s.State == "veryHidden" {
			continue
		}
		t, err := b.sheet(s.Name, targets[s.Relation])
		if err != nil {
			return nil, fmt.Errorf("sheet %q: %w", s.Name, err)
		}
		tables = append(tables, t)
	}
	return tables, nil
}

type sheetEntry struct {
	Name     string `xml:"name,attr"`
	State    string `xml:"state,attr"`
	Relation string `xml:"id,attr"` // r:id
}

func (b *book) sheets() ([]sheetEntry, error) {
	var doc struct {
		Sheets []sheetEntry `xml:"sheets>sheet"`
	}
	err := b.part("xl/workbook.xml", func(d *xml.Decoder) error { return d.Decode(&doc) })
	return doc.Sheets, err
}

// targets maps the relations of the workbook to the parts that they mean.
func (b *book) targets() (map[string]string, error) {
	var doc struct {
		Relations []struct {
			ID     string `xml:"Id,attr"`
			Target string `xml:"Target,attr"`
		} `xml:"Relationship"`
	}
	err := b.part("xl/_rels/workbook.xml.rels", func(d *xml.Decoder) error { return d.Decode(&doc) })
	targets := map[string]string{}
	for _, r := range doc.Relations {
		if strings.HasPrefix(r.Target, "/") {
			targets[r.ID] = strings.TrimPrefix(r.Target, "/")
		} else {
			targets[r.ID] = path.Join("xl", r.Target)
		}
	}
	return targets, err
}

// part hands one part to read, within what may still be unpacked.
func (b *book) part(name string, read func(*xml.Decoder) error) error {
	f := b.parts[strings.ToLower(name)]
	if f == nil {
		return fmt.Errorf("part %q is missing", name)
	}
	r, err := f.Open()
	if err != nil {
		return fmt.Errorf("part %s: %w", name, err)
	}
	defer r.Close()
	limited := &io.LimitedReader{R: r, N: b.left}
	err = read(xml.NewDecoder(limited))
	if b.left = limited.N; b.left <= 0 {
		return errTooLarge
	}
	if err != nil {
		return fmt.Errorf("part %s: %w", name, err)
	}
	return nil
}

// sharedStrings reads the texts that cells refer to by number.
func (b *book) sharedStrings() error {
	if b.parts["xl/sharedstrings.xml"] == nil {
		return nil
	}
	return b.part("xl/sharedStrings.xml", func(d *xml.Decoder) error {
		return elements(d, "si", func(xml.StartElement) error {
			text, err := text(d)
			b.strings = append(b.strings, text)
			return err
		})
	})
}

// sheet reads the rows of one sheet.
func (b *book) sheet(name, part string) (Table, error) {
	t := Table{Name: name}
	err := b.part(part, func(d *xml.Decoder) error {
		return elements(d, "row", func(start xml.StartElement) error {
			number, err := strconv.Atoi(attribute(start, "r"))
			if err != nil { // optional: then it follows the last one
				number = 1
				if n := len(t.Rows); n > 0 {
					number = t.Rows[n-1].Number + 1
				}
			}
			cells, err := b.row(d)
			t.Rows = append(t.Rows, Row{number, cells})
			if b.cells += len(cells) + 1; b.cells > maxCells || len(t.Rows) > maxRows {
				return fmt.Errorf("has more than %d rows or %d cells", maxRows, maxCells)
			}
			return err
		})
	})
	return t, err
}

// row reads the cells of a row up to its end.
func (b *book) row(d *xml.Decoder) ([]Cell, error) {
	var cells []Cell
	err := children(d, func(start xml.StartElement) error {
		if start.Name.Local != "c" {
			return d.Skip()
		}
		at := column(attribute(start, "r"), len(cells))
		cell, err := b.cell(d, attribute(start, "t"))
		if at >= maxCols {
			return err
		}
		for len(cells) <= at {
			cells = append(cells, Cell{})
		}
		cells[at] = cell
		return err
	})
	return cells, err
}

// cell reads one cell of a type (ECMA-376 part 1, §18.18.11).
func (b *book) cell(d *xml.Decoder, kind string) (Cell, error) {
	value, inline := "", ""
	err := children(d, func(start xml.StartElement) (err error) {
		switch start.Name.Local {
		case "v":
			value, err = text(d)
		case "is":
			inline, err = text(d)
		default:
			err = d.Skip()
		}
		return err
	})
	switch kind {
	case "s":
		n, bad := strconv.Atoi(strings.TrimSpace(value))
		if bad != nil || n < 0 || n >= len(b.strings) {
			return Cell{}, errors.Join(err, fmt.Errorf("there is no text number %q", value))
		}
		return Cell{Text: b.strings[n]}, err
	case "inlineStr":
		return Cell{Text: inline}, err
	case "", "n":
		return Cell{Text: strings.TrimSpace(value), Number: value != ""}, err
	default: // str: text that a formula made; b, e, d
		return Cell{Text: unescape(value)}, err
	}
}

// column turns "AB12" into 27; a cell without a place follows the last one.
func column(reference string, next int) int {
	n := 0
	for i := range len(reference) {
		c := reference[i] &^ 0x20
		if c < 'A' || c > 'Z' || n > maxCols {
			break
		}
		n = n*26 + int(c-'A') + 1
	}
	if n == 0 {
		return next
	}
	return n - 1
}

// elements calls found at each element of a name, at any depth; found reads it to its end.
func elements(d *xml.Decoder, name string, found func(xml.StartElement) error) error {
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if start, ok := token.(xml.StartElement); ok && start.Name.Local == name {
			if err := found(start); err != nil {
				return err
			}
		}
	}
}

// children calls found at each child of the element that d stands in, up to its end.
func children(d *xml.Decoder, found func(xml.StartElement) error) error {
	for {
		token, err := d.Token()
		if err != nil {
			return err
		}
		switch token := token.(type) {
		case xml.StartElement:
			if err := found(token); err != nil {
				return err
			}
		case xml.EndElement:
			return nil
		}
	}
}

// text collects the text of the element that d stands in, in all its runs, but not their reading
// aids (rPh), which stand beside Chinese and Japanese text.
func text(d *xml.Decoder) (string, error) {
	var b strings.Builder
	for depth := 0; ; {
		token, err := d.Token()
		if err != nil {
			return "", err
		}
		switch token := token.(type) {
		case xml.StartElement:
			if token.Name.Local == "rPh" || token.Name.Local == "phoneticPr" {
				if err := d.Skip(); err != nil {
					return "", err
				}
				continue
			}
			depth++
		case xml.CharData:
			b.Write(token)
		case xml.EndElement:
			if depth == 0 {
				return unescape(b.String()), nil
			}
			depth--
		}
	}
}

// unescape undoes _x000D_, by which Excel stores characters that XML can't carry.
func unescape(s string) string {
	if !strings.Contains(s, "_x") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		if i+7 <= len(s) && s[i:i+2] == "_x" && s[i+6] == '_' {
			if n, err := strconv.ParseUint(s[i+2:i+6], 16, 16); err == nil {
				b.WriteRune(rune(n))
				i += 7
				continue
			}
		}
		b.WriteByte(s[i])
		i++
	}
	return b.String()
}

func attribute(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}
