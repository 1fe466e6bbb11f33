package logfile

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return string(text)
}

// A day of a line each second is never more than the files may hold, loses nothing while it fits,
// and writes at most twice a minute.
func TestSizeAndWrites(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log", "gbgate.log")
	synctest.Test(t, func(t *testing.T) {
		f, err := Open(Config{Path: path, Size: MinSize, Files: 3})
		if err != nil {
			t.Fatal(err)
		}
		const lines = 20_000
		writes, size, before := 0, int64(0), int64(0)
		for i := range lines {
			fmt.Fprintf(f, "line %06d of %d\n", i, lines)
			time.Sleep(time.Second)
			if info, err := os.Stat(path); err == nil && info.Size() != before {
				before = info.Size()
				writes++
				size = max(size, before)
			}
		}
		if most := lines / int(patience.Seconds()); writes > most {
			t.Errorf("%d writes in %d s, want at most %d", writes, lines, most)
		}
		if size > MinSize {
			t.Errorf("a file had %d bytes, want at most %d", size, MinSize)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		all := read(t, path+".2") + read(t, path+".1") + read(t, path)
		if info, err := os.Stat(path + ".3"); err == nil {
			t.Errorf("there is a fourth file: %v", info.Name())
		}
		first := 0
		if _, err := fmt.Sscanf(all, "line %d", &first); err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(strings.TrimSpace(all), "\n") {
			if want := fmt.Sprintf("line %06d of %d", first+i, lines); line != want {
				t.Fatalf("%q stands where %q is expected", line, want)
			}
		}
		if !strings.HasSuffix(all, fmt.Sprintf("line %06d of %d\n", lines-1, lines)) {
			t.Errorf("the last line is missing: %q", all[len(all)-60:])
		}
	})
}

// An error is in the file at once, a second one not much later; other lines wait for company.
func TestErrorsAreWrittenSoon(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gbgate.log")
	synctest.Test(t, func(t *testing.T) {
		f, err := Open(Config{Path: path, Size: MinSize, Files: 2})
		if err != nil {
			t.Fatal(err)
		}
		log := slog.New(Handler(f, slog.LevelInfo)).With("camera", "gate")
		after := func(d time.Duration) string {
			time.Sleep(d)
			synctest.Wait()
			return read(t, path)
		}
		log.Debug("unheard")
		log.Info("first")
		if got := after(patience / 2); got != "" {
			t.Errorf("written at once: %q", got)
		}
		log.Error("second")
		if got := after(0); !strings.Contains(got, "first") || !strings.Contains(got, "msg=second camera=gate") {
			t.Errorf("after an error: %q", got)
		}
		log.WithGroup("g").Error("third")
		if got := after(hurry / 2); strings.Contains(got, "third") {
			t.Errorf("errors are written one by one: %q", got)
		}
		if got := after(hurry); !strings.Contains(got, "third") || strings.Contains(got, "unheard") {
			t.Errorf("after another error: %q", got)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
}

// A file that somebody takes away, as logrotate does, is replaced.
func TestAFileTakenAwayIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gbgate.log")
	var opened []string
	f, err := Open(Config{
		Path: path, Size: MinSize, Files: 2, OnOpen: func(o *os.File) { opened = append(opened, o.Name()) },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, line := range []string{"one\n", "two\n"} {
		fmt.Fprint(f, line)
		if err := f.Flush(); err != nil {
			t.Fatal(err)
		}
		if got := read(t, path); got != line {
			t.Errorf("the file holds %q, want %q", got, line)
		}
		if err := os.Rename(path, path+".old"); err != nil {
			t.Fatal(err)
		}
	}
	if len(opened) != 2 {
		t.Errorf("files opened: %q", opened)
	}
}

// While nothing can be written the oldest lines wait, the log's memory stays bounded, and afterwards it
// says how many lines are missing; the trouble is told once.
func TestAFullDisk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	path := filepath.Join(dir, "gbgate.log")
	synctest.Test(t, func(t *testing.T) {
		var told []error
		f, err := Open(Config{Path: path, Size: MinSize, Files: 2, OnFault: func(err error) { told = append(told, err) }})
		if err != nil {
			t.Fatal(err)
		}
		line := []byte(strings.Repeat("x", 99) + "\n")
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(dir, nil, 0o600); err != nil { // no folder can be made
			t.Fatal(err)
		}
		const lines = 2000
		for range lines {
			_, _ = f.Write(line)
			time.Sleep(time.Second)
		}
		f.mu.Lock()
		if len(f.pending) > backlog || cap(f.pending) > 4*backlog {
			t.Errorf("%d bytes wait in %d", len(f.pending), cap(f.pending))
		}
		f.mu.Unlock()
		if err := os.Remove(dir); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * patience)
		synctest.Wait()
		got := read(t, path)
		kept, note := strings.Count(got, string(line)), 0
		if i := strings.Index(got, "lines="); i >= 0 {
			_, _ = fmt.Sscanf(got[i:], "lines=%d", &note)
		}
		if kept < backlog/len(line)/2 || kept+note != lines || !strings.Contains(got, `reason="mkdir `) {
			t.Errorf("%d lines kept, %d said to be lost, of %d; the end: %q", kept, note, lines, got[max(0, len(got)-200):])
		}
		if len(told) != 1 {
			t.Errorf("told %q", told)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestAFolderThatCantBeWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Config{Path: filepath.Join(file, "gbgate.log"), Size: MinSize, Files: 2}); err == nil {
		t.Error("opened below a file")
	}
}

// Files beyond the number go when the log is opened, as after a change of the configuration.
func TestFewerFilesThanBefore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gbgate.log")
	for _, name := range []string{".1", ".2", ".3", ".4"} {
		if err := os.WriteFile(path+name, bytes.Repeat([]byte("x"), 10), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f, err := Open(Config{Path: path, Size: MinSize, Files: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	left, err := filepath.Glob(path + ".*")
	if err != nil || len(left) != 2 {
		t.Errorf("left: %q %v", left, err)
	}
}
