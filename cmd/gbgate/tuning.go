package main

import (
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"

	"gbgate/cmd/gbgate/memory"
)

const (
	// memoryGrowth is how far the heap may grow beyond what lives, in percent. Nearly all that lives are the
	// cached pictures of the cameras, and the hot path makes no garbage: half as much again is room enough,
	// while Go's default would let the pictures take twice their size.
	memoryGrowth = 50
	// groupShare and boxShare are what the program may take of its control group's limit, which it hardly
	// shares, and of a box's memory, in percent; near it the collector works harder.
	groupShare = 90
	boxShare   = 70
)

// readMemory looks at this box, and at what the Go runtime may still take of its own limit.
func readMemory() (memory.Reading, error) {
	r, err := memory.Read(os.DirFS("/"))
	r.Available = min(r.Available, memory.Go())
	return r, err
}

// tuneMemory sets the collector for the memory there is, unless GOGC and GOMEMLIMIT say otherwise.
func tuneMemory(getenv func(string) string, read func() (memory.Reading, error)) {
	if getenv("GOGC") == "" {
		debug.SetGCPercent(memoryGrowth)
	}
	r, err := read()
	if getenv("GOMEMLIMIT") != "" || err != nil {
		return
	}
	share := uint64(boxShare)
	if r.Group {
		share = groupShare
	}
	debug.SetMemoryLimit(int64(r.Limit / 100 * share))
}

// tuneProcessors gives the scheduler a processor more than the machine has cores, unless GOMAXPROCS says otherwise: the
// poller of camera sockets keeps one while it rests between two looks, and the others shall not miss it.
func tuneProcessors(getenv func(string) string) {
	if cores := runtime.GOMAXPROCS(0); cores > 1 && getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(cores + 1)
	}
}

// newGuard watches the memory of this box.
func newGuard(log *slog.Logger) *memory.Guard {
	return &memory.Guard{Look: readMemory, Relieve: debug.FreeOSMemory, Log: log}
}
