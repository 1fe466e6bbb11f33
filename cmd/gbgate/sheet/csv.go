package sheet

import (
	"bytes"
	"encoding/binary"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"
)

const bom = "\ufeff"

// readCSV reads a text table: UTF-8, GBK (what Excel writes in China) or UTF-16 with its mark, with
// commas, semicolons or tabs.
func readCSV(data []byte) ([]Table, error) {
	text, err := decode(data)
	if err != nil {
		return nil, err
	}
	r := csv.NewReader(strings.NewReader(text))
	r.Comma, r.LazyQuotes, r.FieldsPerRecord, r.ReuseRecord = separator(text), true, -1, true
	var t Table
	cells := 0
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return []Table{t}, nil
		}
		if err != nil {
			return nil, fmt.Errorf("is no table: %w", err)
		}
		line, _ := r.FieldPos(0)
		row := Row{Number: line, Cells: make([]Cell, min(len(record), maxCols))}
		for i := range row.Cells {
			row.Cells[i].Text = strings.Clone(record[i])
		}
		t.Rows = append(t.Rows, row)
		if cells += len(row.Cells); cells > maxCells || len(t.Rows) > maxRows {
			return nil, fmt.Errorf("has more than %d rows or %d cells", maxRows, maxCells)
		}
	}
}

// decode returns the text in UTF-8 without its mark.
func decode(data []byte) (string, error) {
	switch {
	case bytes.HasPrefix(data, []byte{0xff, 0xfe}):
		return fromUTF16(data[2:], binary.LittleEndian), nil // Excel's "Unicode text"
	case bytes.HasPrefix(data, []byte{0xfe, 0xff}):
		return fromUTF16(data[2:], binary.BigEndian), nil
	case bytes.IndexByte(data, 0) >= 0:
		return "", errors.New("is neither a text nor an XLSX workbook")
	case utf8.Valid(data):
		return strings.TrimPrefix(string(data), bom), nil
	}
	text, err := simplifiedchinese.GB18030.NewDecoder().Bytes(data)
	if err != nil || bytes.ContainsRune(text, utf8.RuneError) {
		return "", errors.New("is neither UTF-8 nor GBK text")
	}
	return string(text), nil
}

func fromUTF16(data []byte, order binary.ByteOrder) string {
	units := make([]uint16, len(data)/2)
	for i := range units {
		units[i] = order.Uint16(data[2*i:])
	}
	return string(utf16.Decode(units))
}

// separator is what stands most often in the first lines.
func separator(text string) rune {
	head := text[:min(len(text), 4096)]
	best, most := ',', strings.Count(head, ",")
	for _, c := range "\t;" {
		if n := strings.Count(head, string(c)); n > most {
			best, most = c, n
		}
	}
	return best
}

// WriteCSV writes a table as UTF-8 with the mark that tells Excel so. A text that Excel would take
// for a formula is kept one by an apostrophe; codes stay bare for the programs that read them, so
// a person should be given XLSX: Excel shows 20 digits of a CSV file as 3.40201E+19.
func WriteCSV(w io.Writer, rows [][]string) error {
	if _, err := io.WriteString(w, bom); err != nil {
		return err
	}
	out := csv.NewWriter(w)
	out.UseCRLF = true
	for _, row := range rows {
		safe := make([]string, len(row))
		for i, cell := range row {
			safe[i] = harmless(cell)
		}
		if err := out.Write(safe); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

func harmless(cell string) string {
	if cell == "" || !strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
		return cell
	}
	if _, err := strconv.ParseFloat(cell, 64); err == nil {
		return cell
	}
	return "'" + cell
}
