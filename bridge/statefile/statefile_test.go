package statefile

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func TestReplaceAndRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "ids.json")
	if text, err := Read(path, 10); text != nil || err != nil {
		t.Errorf("no file: %q, %v", text, err)
	}
	for _, want := range []string{"first", "second", ""} {
		if err := Replace(path, []byte(want)); err != nil {
			t.Fatal(err)
		}
		if text, err := Read(path, 6); string(text) != want || text == nil || err != nil {
			t.Errorf("%q, %v; want %q", text, err, want)
		}
	}
	if err := Replace(path, []byte("seventh")); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(path, 6); !errors.Is(err, ErrTooLarge) {
		t.Errorf("seven bytes of six: %v", err)
	}
	aside, err := SetAside(path)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := Read(aside, 10); string(text) != "seventh" || err != nil {
		t.Errorf("set aside: %q, %v", text, err)
	}
	if text, err := Read(path, 10); text != nil || err != nil {
		t.Errorf("its place is empty: %q, %v", text, err)
	}
}

// What cannot be replaced stays as it was, and nothing half written stays beside it.
func TestReplaceLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "ids.json")
	if err := os.MkdirAll(filepath.Join(path, "in the way"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Replace(path, []byte("x")); err == nil {
		t.Error("a folder was replaced by a file")
	}
	wantFiles(t, dir, "ids.json")
}

// A power cut may leave a half written file behind; one that somebody is writing stays.
func TestReplaceSweeps(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "ids.json")
	for name, age := range map[string]time.Duration{
		"ids.json.1.new": 2 * time.Hour, "ids.json.2.new": time.Minute, "other.json.3.new": 2 * time.Hour,
	} {
		at := time.Now().Add(-age)
		err := os.WriteFile(filepath.Join(dir, name), nil, 0o600)
		if err = errors.Join(err, os.Chtimes(filepath.Join(dir, name), at, at)); err != nil {
			t.Fatal(err)
		}
	}
	if err := Replace(path, []byte("x")); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, dir, "ids.json", "ids.json.2.new", "other.json.3.new")
}

func wantFiles(t *testing.T, dir string, want ...string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range list {
		got = append(got, e.Name())
	}
	if !slices.Equal(got, want) {
		t.Errorf("files %q, want %q", got, want)
	}
}
