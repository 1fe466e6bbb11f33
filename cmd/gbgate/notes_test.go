package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// docs/gb28181-notes.md names a test for each item of the acceptance list: each of them exists.
func TestNotesNameTestsThatExist(t *testing.T) {
	notes, err := os.ReadFile("../../docs/gb28181-notes.md")
	if err != nil {
		t.Fatal(err)
	}
	declared := regexp.MustCompile(`(?m)^func ((?:Test|line)\w+)\(t \*testing\.T`)
	exist := map[string]bool{}
	err = filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
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
	named := regexp.MustCompile("`((?:Test|line)[A-Z0-9]\\w*)`").FindAllStringSubmatch(string(notes), -1)
	if len(named) < 60 {
		t.Errorf("%d tests are named", len(named))
	}
	for _, m := range named {
		if !exist[m[1]] {
			t.Errorf("there is no test %s", m[1])
		}
	}
}
