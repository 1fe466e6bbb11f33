package main

import (
	"errors"
	"flag"
	"fmt"
	"strings"

	"gbgate/bridge/idstore"
	"gbgate/cmd/gbgate/sheet"
)

// judgeCommand is `ids import SHEET`, which keeps the good rows of a sheet, and `ids check [SHEET]`,
// which keeps nothing.
func (r *idsRun) judgeCommand(args []string) int {
	within := ""
	code, done := r.start(args, 1, func(fs *flag.FlagSet) {
		fs.StringVar(&within, "block", "", "`prefixes` or ranges FIRST-LAST that the codes must lie in")
	})
	if done {
		return code
	}
	if len(r.rest) == 0 && r.name == "check" {
		return r.checkCameras()
	}
	if len(r.rest) == 0 {
		return r.refuse(exitUsage, errors.New("ids import: which sheet? (CSV or XLSX)"))
	}
	var block []span
	if within != "" {
		var err error
		if block, err = parseBlock(within); err != nil {
			return r.refuse(exitUsage, err)
		}
	}
	r.doc.File = r.rest[0]
	entries, err := readEntries(r.rest[0])
	if err != nil {
		return r.refuse(exitBad, err)
	}
	if err := r.judge(entries, block); err != nil {
		return r.refuse(exitBad, err)
	}
	for _, d := range r.doc.Checks {
		r.doc.Verdict = worse(r.doc.Verdict, d.Verdict)
	}
	return r.end(r.showRows)
}

// readEntries returns the rows of the first table of a file that has codes in it.
func readEntries(path string) ([]sheet.Entry, error) {
	tables, err := sheet.ReadFile(path)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(tables))
	for _, t := range tables {
		if columns, ok := sheet.Find(t); ok {
			if entries := t.Entries(columns); len(entries) > 0 {
				return entries, nil
			}
		}
		names = append(names, fmt.Sprintf("%q", t.Name))
	}
	where := ""
	if names[0] != `""` {
		where = " in its sheets " + strings.Join(names, ", ")
	}
	return nil, fmt.Errorf("%s: there is no column of codes%s; its heading should be 国标编码, 设备编码 or ID", path, where)
}

// judge fills the rows' verdicts in, and for an import puts the good ones into the store.
func (r *idsRun) judge(entries []sheet.Entry, block []span) error {
	work := func(s *idstore.Store) error {
		owners := r.owners(s)
		r.doc.Checks = judgeRows(entries, s, owners, block)
		if r.name == "import" {
			r.doc.Block.Added = s.Add(goodCodes(r.doc.Checks))
		}
		r.count(s, owners)
		return nil
	}
	if r.name == "import" {
		return idstore.Update(r.path, work)
	}
	s, err := idstore.Open(r.path)
	if err != nil {
		return err
	}
	return work(s)
}

func goodCodes(rows []idsRowDoc) []idstore.Code {
	codes := make([]idstore.Code, 0, len(rows))
	for _, d := range rows {
		if d.Verdict != good {
			continue
		}
		kind := d.Kind
		if kind == "camera" {
			kind = ""
		}
		codes = append(codes, idstore.Code{Code: d.Code, Name: d.Name, Kind: kind})
	}
	return codes
}

func (r *idsRun) showRows() {
	wrong := 0
	table(r.stdout, "ROW\tCODE\tNAME\tKIND\tVERDICT\tREASON", func(row func(...any)) {
		for _, d := range r.doc.Checks {
			what := d.State
			if d.Verdict != good {
				what = d.Reason
				wrong++
			} else if d.Owner != "" {
				what = "used by " + d.Owner
			}
			row(d.Row, dash(d.Code), dash(d.Name), dash(d.Kind), d.Verdict, what)
		}
	})
	b := r.doc.Block
	fmt.Fprintf(r.stdout, "\n%d of %d rows are good", len(r.doc.Checks)-wrong, len(r.doc.Checks))
	if r.name == "import" {
		fmt.Fprintf(r.stdout, "; %d codes are new in %s", b.Added, r.path)
	}
	fmt.Fprintf(r.stdout, "\nblock: %d camera codes, %d used, %d free\n", b.Codes, b.Used, b.Free)
}
