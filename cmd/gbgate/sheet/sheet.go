// Package sheet reads and writes the tables in which a platform's owner hands out codes: CSV as
// Excel and platforms write it, and XLSX workbooks.
package sheet

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// What is read has bounds: a sheet is a few hundred kilobytes.
const (
	maxFile  = 16 << 20 // bytes of the file
	maxRows  = 200_000
	maxCols  = 256
	maxCells = 2_000_000
)

// Cell is one cell as it is stored.
type Cell struct {
	Text   string
	Number bool // stored as a number: Excel keeps 15 digits of it
}

// Row is one row; Number counts from 1, as the program that made the table shows it.
type Row struct {
	Number int
	Cells  []Cell
}

// Table is one sheet of a workbook, or a whole CSV file.
type Table struct {
	Name string // of the sheet; "" in CSV
	Rows []Row
}

// ReadFile reads a CSV or XLSX file and returns its tables, at least one. What a file is, is seen
// by its content, not by its name.
func ReadFile(path string) ([]Table, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	tables, err := Read(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return tables, nil
}

// Read is ReadFile for a file that is already in memory.
func Read(data []byte) ([]Table, error) {
	head := strings.ToLower(string(bytes.TrimSpace(data[:min(len(data), 512)])))
	switch {
	case len(data) > maxFile:
		return nil, fmt.Errorf("is larger than %d MB", maxFile>>20)
	case len(head) == 0:
		return nil, errors.New("is empty")
	case bytes.HasPrefix(data, []byte("PK\x03\x04")):
		return readXLSX(data)
	case bytes.HasPrefix(data, []byte("\xd0\xcf\x11\xe0")):
		return nil, errors.New("is an old .xls workbook, or one with a password: " +
			"save it as .xlsx without a password, or as CSV")
	case strings.HasPrefix(head, "<"):
		return nil, errors.New("is a web page or XML under another name, as some platforms export: " +
			"open it in Excel and save it as .xlsx")
	}
	return readCSV(data)
}
