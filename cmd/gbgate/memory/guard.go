package memory

import (
	"fmt"
	"log/slog"
	"sync"
	"time"
)

const (
	fresh     = time.Second      // a reading holds so long
	relief    = 30 * time.Second // memory is given back to the system so often at most
	leastRest = 4 << 20          // of any box, in bytes
	mostRest  = 64 << 20
)

// Guard tells whether there is memory for one more call. It says no when less than a twentieth of
// the limit is left (4 MB to 64 MB), and yes again when half as much again is.
type Guard struct {
	Look    func() (Reading, error) // asked at most once a second
	Relieve func()                  // gives unused memory back to the system, tried before saying no
	Log     *slog.Logger

	mu       sync.Mutex
	state    State
	looked   time.Time
	relieved time.Time
}

// State is what the guard thinks.
type State struct {
	Reading
	Rest    uint64 // bytes that must be left; more while Short
	Short   bool
	Refused uint64 // how often it said no
	Err     error  // the memory can't be read: nothing is refused
}

// Admit returns an error, made for people, when there is no memory for one more call.
func (g *Guard) Admit() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.look()
	if !g.state.Short {
		return nil
	}
	g.state.Refused++
	return fmt.Errorf("memory is short: %s left, %s needed", megabytes(g.state.Available), megabytes(g.state.Rest))
}

// State returns what the guard thinks now.
func (g *Guard) State() State {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.look()
	return g.state
}

// look brings the state up to date; g.mu is held.
func (g *Guard) look() {
	now := time.Now()
	if !g.looked.IsZero() && now.Sub(g.looked) < fresh {
		return
	}
	short := g.judge()
	if short && !g.state.Short && now.Sub(g.relieved) >= relief {
		g.relieved = now
		g.Relieve()
		short = g.judge()
	}
	g.looked = time.Now()
	if short == g.state.Short {
		return
	}
	g.state.Short = short
	if short {
		g.Log.Error("memory is short, new calls are refused", "left", megabytes(g.state.Available),
			"limit", megabytes(g.state.Limit))
	} else {
		g.Log.Warn("memory is back, calls are taken again", "left", megabytes(g.state.Available))
	}
}

// judge reads the memory and tells whether it is short.
func (g *Guard) judge() bool {
	r, err := g.Look()
	if err != nil {
		if g.state.Err == nil {
			g.Log.Warn("memory can't be read, calls are never refused for it", "error", err)
		}
		g.state.Err, g.state.Reading = err, Reading{}
		return false
	}
	g.state.Err, g.state.Reading = nil, r
	g.state.Rest = min(max(r.Limit/20, leastRest), mostRest)
	if g.state.Short {
		g.state.Rest += g.state.Rest / 2
	}
	return r.Available < g.state.Rest
}

func megabytes(n uint64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }
