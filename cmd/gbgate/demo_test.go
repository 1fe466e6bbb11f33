package main

import (
	"bytes"
	"log/slog"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// The whole demonstration inside this process: it ends good, and leaves neither goroutine nor file.
func TestDemoLeavesNothing(t *testing.T) {
	defer goleak.VerifyNone(t)
	d, err := newDemo(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	calls := 0
	doc, err := d.run(t.Context(), &said, func(doc demoDoc) { calls++ })
	if err != nil || doc.Verdict != good || calls != 1 {
		t.Errorf("verdict %s, %d calls, %v\n%s", doc.Verdict, calls, err, said.String())
	}
	if !strings.Contains(said.String(), "东门球机") || !strings.Contains(said.String(), "Verdict of the demonstration: good") {
		t.Errorf("the table says:\n%s", said.String())
	}
	if _, err := os.Stat(d.stateDir); !os.IsNotExist(err) {
		t.Errorf("the state folder is still there: %v", err)
	}
	if n := d.gateway.portsInUse(); n != 0 {
		t.Errorf("%d media ports are still in use", n)
	}
}
