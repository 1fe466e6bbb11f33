package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// logOf returns the log in the state folder beside a configuration.
func logOf(t *testing.T, config string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(filepath.Dir(config), "state", "log", "gbgate.log"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// With log_file the log is in that file from the first line to the last, why the program died too, and
// standard error only says where.
func TestLogFile(t *testing.T) {
	t.Parallel()
	file := writeConfig(t, 0, `log_file = "log/gbgate.log"`, "")
	g := &gatewayUnderTest{start(t, program(t), "run", "-c", file), file}
	g.status(t, "answer", func(statusDoc) bool { return true })
	if code := g.terminate(t); code != exitGood {
		t.Errorf("exit %d", code)
	}
	log := logOf(t, file)
	for _, want := range []string{"gbgate runs", "gbgate has stopped"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log has no %q:\n%s", want, log)
		}
	}
	if out := g.output(); strings.Count(out, "\n") != 1 || !strings.Contains(out, "the log is in") {
		t.Errorf("standard error: %s", out)
	}

	g = &gatewayUnderTest{start(t, program(t), "run", "-c", file), file}
	g.status(t, "answer", func(statusDoc) bool { return true })
	if err := g.cmd.Process.Signal(syscall.SIGQUIT); err != nil { // ends it as a panic does
		t.Fatal(err)
	}
	g.wait(t)
	if log := logOf(t, file); !strings.Contains(log, "SIGQUIT") || !strings.Contains(log, "goroutine ") {
		t.Errorf("the log does not say how the program died:\n%s", log)
	}
}

// A log file that can't be written costs nothing but the file.
func TestLogFileThatCantBeWritten(t *testing.T) {
	t.Parallel()
	file := writeConfig(t, 0, `log_file = "/proc/gbgate.log"`, "")
	g := &gatewayUnderTest{start(t, program(t), "run", "-c", file), file}
	g.status(t, "answer", func(statusDoc) bool { return true })
	if code := g.terminate(t); code != exitGood {
		t.Errorf("exit %d", code)
	}
	out := g.output()
	for _, want := range []string{"gateway.log_file can't be written", "gbgate has stopped"} {
		if !strings.Contains(out, want) {
			t.Errorf("standard error has no %q: %s", want, out)
		}
	}
}
