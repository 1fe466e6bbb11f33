package sheet

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
)

const xmlHead = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>` + "\n"

const (
	mainNS = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
	relNS  = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
	packNS = "http://schemas.openxmlformats.org/package/2006/"
	types  = "application/vnd.openxmlformats-officedocument.spreadsheetml."
)

// WriteXLSX writes a workbook of one sheet. The first row is its heading. Every cell and every
// column is text, so that a 20-digit code stays one, also where a person types it in.
func WriteXLSX(w io.Writer, name string, rows [][]string) error {
	z := zip.NewWriter(w)
	for _, part := range []struct{ name, text string }{
		{"[Content_Types].xml", `<Types xmlns="` + packNS + `content-types">` +
			`<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>` +
			`<Override PartName="/xl/workbook.xml" ContentType="` + types + `sheet.main+xml"/>` +
			`<Override PartName="/xl/worksheets/sheet1.xml" ContentType="` + types + `worksheet+xml"/>` +
			`<Override PartName="/xl/styles.xml" ContentType="` + types + `styles+xml"/></Types>`},
		{"_rels/.rels", relations(`officeDocument" Target="xl/workbook.xml`)},
		{"xl/workbook.xml", `<workbook xmlns="` + mainNS + `" xmlns:r="` + relNS + `"><sheets>` +
			`<sheet name="` + escape(sheetName(name)) + `" sheetId="1" r:id="rId1"/></sheets></workbook>`},
		{"xl/_rels/workbook.xml.rels", relations(`worksheet" Target="worksheets/sheet1.xml`, `styles" Target="styles.xml`)},
		{"xl/styles.xml", styles},
		{"xl/worksheets/sheet1.xml", worksheet(rows)},
	} {
		f, err := z.Create(part.name)
		if err != nil {
			return err
		}
		if _, err := io.WriteString(f, xmlHead+part.text); err != nil {
			return err
		}
	}
	return z.Close()
}

func relations(targets ...string) string {
	var b strings.Builder
	b.WriteString(`<Relationships xmlns="` + packNS + `relationships">`)
	for i, target := range targets {
		fmt.Fprintf(&b, `<Relationship Id="rId%d" Type="%s/%s"/>`, i+1, relNS, target)
	}
	b.WriteString(`</Relationships>`)
	return b.String()
}

// styles has three cell formats: 0 plain, 1 text ("@", number format 49), 2 bold text.
const styles = `<styleSheet xmlns="` + mainNS + `">` +
	`<fonts count="2"><font><sz val="11"/><name val="Calibri"/></font>` +
	`<font><b/><sz val="11"/><name val="Calibri"/></font></fonts>` +
	`<fills count="2"><fill><patternFill patternType="none"/></fill>` +
	`<fill><patternFill patternType="gray125"/></fill></fills>` +
	`<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>` +
	`<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>` +
	`<cellXfs count="3"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>` +
	`<xf numFmtId="49" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>` +
	`<xf numFmtId="49" fontId="1" fillId="0" borderId="0" xfId="0" applyNumberFormat="1" applyFont="1"/></cellXfs>` +
	`<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>`

func worksheet(rows [][]string) string {
	columns := 1
	for _, row := range rows {
		columns = max(columns, len(row))
	}
	var b strings.Builder
	b.WriteString(`<worksheet xmlns="` + mainNS + `"><sheetViews><sheetView workbookViewId="0">` +
		`<pane ySplit="1" topLeftCell="A2" state="frozen"/></sheetView></sheetViews>`)
	fmt.Fprintf(&b, `<cols><col min="1" max="%d" width="24" style="1" customWidth="1"/></cols><sheetData>`, columns)
	for i, row := range rows {
		style := 1
		if i == 0 {
			style = 2
		}
		fmt.Fprintf(&b, `<row r="%d">`, i+1)
		for j, cell := range row {
			fmt.Fprintf(&b, `<c r="%s%d" s="%d" t="inlineStr"><is><t xml:space="preserve">%s</t></is></c>`,
				letters(j), i+1, style, escape(cell))
		}
		b.WriteString(`</row>`)
	}
	b.WriteString(`</sheetData></worksheet>`)
	return b.String()
}

// letters names a column: 0 is A, 26 is AA.
func letters(n int) string {
	if n < 26 {
		return string(rune('A' + n))
	}
	return letters(n/26-1) + string(rune('A'+n%26))
}

// escape writes text so that unescape and an XML parser give it back; what XML can't carry becomes "\ufffd".
func escape(s string) string {
	if strings.Contains(s, "_x") {
		s = strings.ReplaceAll(s, "_x", "_x005F_x")
	}
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(s)) // a buffer takes everything
	return b.String()
}

// sheetName is a name that Excel accepts: at most 31 characters, none of []:*?/\.
func sheetName(name string) string {
	name = strings.Map(func(r rune) rune {
		if strings.ContainsRune(`[]:*?/\`, r) {
			return '_'
		}
		return r
	}, name)
	if runes := []rune(name); len(runes) > 31 {
		name = string(runes[:31])
	}
	if name == "" {
		return "Sheet1"
	}
	return name
}
