package main

import (
	"bytes"
	"context"
	"log/slog"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gbgate/cascade/rehearsal"
	"gbgate/cmd/gbgate/memory"
)

// When memory is short a platform's call is refused with 486 and the reason, the call under way goes on, and
// status and metrics say so; with memory back, calls are taken again.
func TestMemoryIsShort(t *testing.T) {
	t.Parallel()
	d, err := newDemo(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	var short atomic.Bool
	d.gateway.memory.Look = func() (memory.Reading, error) {
		r := memory.Reading{Limit: 500 << 20, Available: 200 << 20}
		if short.Load() {
			r.Available = 3 << 20
		}
		return r, nil
	}
	for _, cam := range d.cams {
		background(t, cam.Run)
	}
	background(t, d.platform.Run)
	background(t, d.gateway.run)
	n := node(t, d.platform)

	running, stop := context.WithCancel(t.Context())
	endless := make(chan *rehearsal.PlayResult, 1)
	go func() {
		r, _ := n.Play(running, rehearsal.PlayRequest{
			Channel: demoClips[0].id, Transport: rehearsal.UDP, Duration: time.Hour,
		})
		endless <- r
	}()
	waitFor(t, "the first call", func() bool { return len(d.gateway.status().Calls) == 1 })

	short.Store(true)
	waitFor(t, "a bad verdict", func() bool { return d.gateway.status().Memory.Verdict == bad })
	_, err = n.Play(t.Context(), rehearsal.PlayRequest{Channel: demoClips[1].id, Transport: rehearsal.UDP, Pictures: 5})
	if err == nil || !strings.Contains(err.Error(), "486") ||
		!strings.Contains(err.Error(), "memory is short: 3.1 MB left") {
		t.Errorf("a call while memory is short: %v", err)
	}
	doc := d.gateway.status()
	var metrics, text bytes.Buffer
	d.gateway.metrics(&metrics)
	printStatus(&text, doc, time.Now())
	if doc.Verdict != bad || doc.Memory.Refused != 1 || len(doc.Calls) != 1 {
		t.Errorf("status: verdict %s, %d calls, %+v", doc.Verdict, len(doc.Calls), doc.Memory)
	}
	for _, want := range []string{
		"gbgate_memory_short 1\n", "gbgate_memory_refused_calls_total 1\n", "gbgate_memory_limit_bytes 524288000\n",
	} {
		if !strings.Contains(metrics.String(), want) {
			t.Errorf("the metrics lack %q", want)
		}
	}
	want := "memory: memory is short, new calls are refused (3.1 of 524.3 MB left, 1 calls refused)\n"
	if !strings.Contains(text.String(), want) {
		t.Errorf("status lacks %q:\n%s", want, text.String())
	}

	short.Store(false)
	waitFor(t, "memory", func() bool { return d.gateway.status().Memory.Verdict == good })
	wantPlay(t, n, rehearsal.PlayRequest{Channel: demoClips[1].id, Transport: rehearsal.UDP, Pictures: 5}, false)
	stop()
	if r := <-endless; r == nil || r.HungUp || r.LostPackets > 0 || len(r.Faults) > 0 {
		t.Errorf("the call under way: %+v", r)
	}
}

// The collector is set for the memory there is, unless the environment says otherwise.
func TestTuneMemory(t *testing.T) {
	percent, limit := debug.SetGCPercent(100), debug.SetMemoryLimit(-1)
	defer func() { debug.SetGCPercent(percent); debug.SetMemoryLimit(limit) }()
	for _, c := range []struct {
		name    string
		env     map[string]string
		read    memory.Reading
		percent int
		limit   int64
	}{
		{"a box of 512 MB", nil, memory.Reading{Limit: 500_000_000}, 50, 350_000_000},
		{"a control group", nil, memory.Reading{Limit: 100_000_000, Group: true}, 50, 90_000_000},
		{"GOMEMLIMIT is given", map[string]string{"GOMEMLIMIT": "1GiB"}, memory.Reading{Limit: 500_000_000}, 50, 12345},
		{"GOGC is given", map[string]string{"GOGC": "off"}, memory.Reading{Limit: 500_000_000}, 100, 350_000_000},
	} {
		debug.SetGCPercent(100)
		debug.SetMemoryLimit(12345)
		tuneMemory(func(key string) string { return c.env[key] }, func() (memory.Reading, error) { return c.read, nil })
		if p, l := debug.SetGCPercent(100), debug.SetMemoryLimit(-1); p != c.percent || l != c.limit {
			t.Errorf("%s: GOGC %d, GOMEMLIMIT %d, want %d, %d", c.name, p, l, c.percent, c.limit)
		}
	}
}
