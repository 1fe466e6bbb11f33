package ledger

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gbgate/gb28181/manscdp"
)

const (
	gate = "34020100001320000001"
	yard = "34020100001320000002"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// opened is a ledger that is written until end is called.
func opened(t *testing.T, path string) (l *Ledger, end func()) {
	t.Helper()
	l = Open(path, quiet())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = l.Run(ctx) }()
	return l, func() { cancel(); <-done }
}

// A file that is damaged or far too large costs what is in it and nothing else.
func TestDamagedLedger(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "cut off": `{"format": 1, "superiors": {"a/b": {"na`, "garbage": "\x00\xff\x00",
		"no format": `{}`, "other types": `{"format": 1, "superiors": []}`,
		"huge": strings.Repeat(" ", maxFile+1), "null": "null",
	} {
		path := filepath.Join(t.TempDir(), "settings.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		l, end := opened(t, path)
		l.NoteGuard("a/b", yard, Guard{Disarmed: true})
		end()
		kept, err := os.ReadFile(path + ".damaged")
		if err != nil || string(kept) != text {
			t.Errorf("%s: the file is not kept aside: %v", name, err)
		}
		if got := Open(path, quiet()).Superior("a/b").Guards[yard]; !got.Disarmed {
			t.Errorf("%s: afterwards nothing is kept", name)
		}
	}
}

// A file that is whole as far as anybody can tell is not touched: the next release reads it, or the mended disk.
func TestLedgerLeavesAloneWhatItCannotRead(t *testing.T) {
	for name, make := range map[string]func(path string) error{
		"a newer release": func(path string) error {
			return os.WriteFile(path, []byte(`{"format": 99, "superiors": []}`), 0o600)
		},
		"it can't be read": func(path string) error { return os.Mkdir(path, 0o700) },
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "settings.json")
		if err := make(path); err != nil {
			t.Fatal(err)
		}
		before, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		l, end := opened(t, path)
		l.NoteGuard("a/b", yard, Guard{Disarmed: true})
		if got := l.Superior("a/b").Guards[yard]; !got.Disarmed {
			t.Errorf("%s: what is set is not even remembered", name)
		}
		end()
		after, err := os.Stat(path)
		if err != nil || !os.SameFile(before, after) || !after.ModTime().Equal(before.ModTime()) {
			t.Errorf("%s: the file is not left alone: %v", name, err)
		}
		if list, err := os.ReadDir(dir); err != nil || len(list) != 1 {
			t.Errorf("%s: in the folder are %v, %v", name, list, err)
		}
	}
}

// The same command again and again costs no writes, and the file has a bound.
func TestLedgerIsBounded(t *testing.T) {
	l := Open(filepath.Join(t.TempDir(), "settings.json"), quiet())
	for range 3 {
		l.NoteGuard("a", gate, Guard{Disarmed: true})
	}
	if err := l.save(); err != nil {
		t.Fatal(err)
	}
	l.NoteGuard("a", gate, Guard{Disarmed: true})
	l.NoteGuard("a", yard, Guard{Motion: new(1)})
	if l.changed {
		t.Error("what is the same is written again")
	}
	for i := range maxSigners + 10 {
		l.NoteGuard(string(rune('a'+i)), gate, Guard{Disarmed: true})
	}
	if n := len(l.book.Superiors); n > maxSigners {
		t.Errorf("%d superiors", n)
	}
	for i := range maxGuards + 10 {
		l.NoteGuard("a", string(rune(i)), Guard{Disarmed: true})
		l.NoteHome(string(rune(i)), &manscdp.HomePosition{Enabled: 1})
	}
	if n := len(l.book.Superiors["a"].Guards); n > maxGuards {
		t.Errorf("%d devices", n)
	}
	if n := len(l.book.Homes); n > maxHomes {
		t.Errorf("%d home positions", n)
	}
}

// Changes are collected, and a disk that refuses is tried again.
func TestLedgerWritesBehind(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(dir, "state", "settings.json")
		if err := os.WriteFile(filepath.Join(dir, "state"), nil, 0o600); err != nil { // a file where the folder should be
			t.Fatal(err)
		}
		l := &Ledger{path: path, log: quiet(), dirty: make(chan struct{}, 1)}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); _ = l.Run(ctx) }()
		l.NoteGuard("a", gate, Guard{Disarmed: true})
		time.Sleep(writeDelay + time.Second)
		if err := os.Remove(filepath.Join(dir, "state")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(writeAgain)
		if _, err := os.Stat(path); err != nil {
			t.Errorf("after the disk is well again: %v", err)
		}
		cancel()
		<-done
	})
}
