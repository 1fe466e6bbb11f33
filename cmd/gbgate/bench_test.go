package main

import (
	"strings"
	"testing"
)

// The short form of `make soak`: most of its time is spent waiting for SIP transactions to be forgotten.
func TestSoak(t *testing.T) {
	t.Parallel()
	out, complaints, code := run(t, program(t), "bench", "--soak", "200")
	if code != exitGood || !strings.Contains(out, "200 calls: nothing is left of them") {
		t.Errorf("exit %d: %s%s", code, out, complaints)
	}
}
