package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"gbgate/rtsp/simcam"
)

// declaredTests are the names of all tests of the program.
func declaredTests(t *testing.T) map[string]bool {
	t.Helper()
	declared := regexp.MustCompile(`(?m)^func ((?:Test|line)\w+)\(t \*testing\.T`)
	exist := map[string]bool{}
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range declared.FindAllStringSubmatch(string(text), -1) {
			exist[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return exist
}

func readDoc(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// docs/gb28181-notes.md names a test for each item of the acceptance list: each of them exists.
func TestNotesNameTestsThatExist(t *testing.T) {
	exist := declaredTests(t)
	named := regexp.MustCompile("`((?:Test|line)[A-Z0-9]\\w*)`").FindAllStringSubmatch(readDoc(t, "gb28181-notes.md"), -1)
	if len(named) < 60 {
		t.Errorf("%d tests are named", len(named))
	}
	for _, m := range named {
		if !exist[m[1]] {
			t.Errorf("there is no test %s", m[1])
		}
	}
}

// docs/cameras.md names a test in each row, and every quirk of the simulated cameras in one: all of them exist, and
// none is forgotten.
func TestCamerasNameQuirksAndTests(t *testing.T) {
	exist := declaredTests(t)
	tables := simcam.RTSPQuirks()
	forgotten := map[string]bool{} // "TestReplyQuirks/no CSeq", or a field of the quirks of ONVIF
	for table, quirks := range tables {
		if !exist[table] {
			t.Errorf("there is no test %s", table)
		}
		for _, q := range quirks {
			forgotten[table+"/"+q.Name] = true
		}
	}
	fields := map[string]bool{}
	for _, kind := range []reflect.Type{
		reflect.TypeFor[simcam.ONVIFQuirks](), reflect.TypeFor[simcam.ArchiveQuirks](),
		reflect.TypeFor[simcam.ONVIFConfig](), reflect.TypeFor[simcam.ArchiveConfig](),
	} {
		for i := range kind.NumField() {
			fields[kind.Field(i).Name] = true
			if strings.HasSuffix(kind.Name(), "Quirks") {
				forgotten[kind.Field(i).Name] = true
			}
		}
	}
	rows := tableRows(readDoc(t, "cameras.md"), "test")
	if len(rows) < 90 {
		t.Errorf("%d rows", len(rows))
	}
	for _, row := range rows {
		names := namesIn(row.last)
		if len(names) == 0 {
			t.Errorf("no test: %s", row.first)
		}
		for _, name := range names {
			test, quirk, _ := strings.Cut(name, "/")
			if !exist[test] {
				t.Errorf("there is no test %s", test)
			}
			if tables[test] != nil && !forget(forgotten, test+"/", quirk) && !hasQuirk(tables[test], quirk) {
				t.Errorf("there is no quirk %q in the table of %s", quirk, test)
			}
		}
		quirk := regexp.MustCompile("`(?:ONVIFConfig.|ArchiveConfig.)?([A-Z]\\w+)`")
		for _, m := range quirk.FindAllStringSubmatch(row.quirk, -1) {
			if !fields[m[1]] {
				t.Errorf("there is no quirk %s", m[1])
			}
			delete(forgotten, m[1])
		}
	}
	for name := range forgotten {
		t.Errorf("no row for %s", name)
	}
}

// forget takes a quirk, or all whose names begin with what stands before "…", from those that are left.
func forget(left map[string]bool, table, quirk string) bool {
	start, many := strings.CutSuffix(quirk, "…")
	found := false
	for name := range left {
		if name == table+quirk || many && strings.HasPrefix(name, table+start) {
			delete(left, name)
			found = true
		}
	}
	return found
}

func hasQuirk(quirks []simcam.RTSPQuirk, name string) bool {
	for _, q := range quirks {
		if q.Name == name {
			return true
		}
	}
	return false
}

// docRow is a row of a table in a document: its first cell, its last, and the one of the quirk's column.
type docRow struct{ first, last, quirk string }

// tableRows reads the rows of the tables whose last column has that head.
func tableRows(text, last string) []docRow {
	var rows []docRow
	var head []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") {
			head = nil
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		switch {
		case head == nil:
			head = cells
		case head[len(head)-1] != last || strings.HasPrefix(line, "|-"):
		default:
			row := docRow{first: cells[0], last: cells[len(cells)-1]}
			for i, h := range head {
				if strings.HasPrefix(h, "quirk") && len(cells) == len(head) {
					row.quirk = cells[i]
				}
			}
			rows = append(rows, row)
		}
	}
	return rows
}

// namesIn reads "TestA/one, another …, TestB (cmd)"; what follows a test with a slash is another name of the same test.
func namesIn(cell string) []string {
	var names []string
	test := ""
	for part := range strings.SplitSeq(cell, ", ") {
		part = strings.TrimSpace(regexp.MustCompile(`\([\w/]+\)`).ReplaceAllString(part, ""))
		switch found, _, slash := strings.Cut(part, "/"); {
		case strings.HasPrefix(part, "Test"):
			if test = ""; slash {
				test = found
			}
			names = append(names, part)
		case test != "":
			names = append(names, test+"/"+part)
		}
	}
	return names
}
