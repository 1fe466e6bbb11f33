package rtpout

import (
	"context"
	"sync"
	"time"
)

// writeGuard lets a context and a time limit end a blocked write through the connection's write
// deadline. It registers with a context once, not once per write, so that writing allocates nothing.
type writeGuard struct {
	mu       sync.Mutex
	conn     interface{ SetWriteDeadline(time.Time) error } // nil: not connected yet
	done     <-chan struct{}                                // of the context that is watched
	stop     func() bool
	watching int  // counts the contexts
	over     bool // the context has ended
}

// set names the connection.
func (g *writeGuard) set(conn interface{ SetWriteDeadline(time.Time) error }) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.conn = conn
}

// watch makes ctx the context that ends writes. It returns false if there is no connection.
func (g *writeGuard) watch(ctx context.Context) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.conn == nil {
		return false
	}
	if g.done == ctx.Done() {
		return true
	}
	if g.stop != nil {
		g.stop()
	}
	g.done = ctx.Done()
	g.watching++
	g.over = false
	_ = g.conn.SetWriteDeadline(time.Time{})
	turn := g.watching
	g.stop = context.AfterFunc(ctx, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.watching == turn {
			g.over = true
			_ = g.conn.SetWriteDeadline(time.Unix(1, 0))
		}
	})
	return true
}

// limit gives the write a time limit, 0 = none, unless the context has ended it already.
func (g *writeGuard) limit(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.over:
	case d == 0:
		_ = g.conn.SetWriteDeadline(time.Time{})
	default:
		_ = g.conn.SetWriteDeadline(time.Now().Add(d))
	}
}

// release forgets the context.
func (g *writeGuard) release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stop != nil {
		g.stop()
	}
	g.conn, g.done, g.stop, g.over = nil, nil, nil, true
	g.watching++
}
