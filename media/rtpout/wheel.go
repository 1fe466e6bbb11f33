package rtpout

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// grain is what the times of a Wheel are rounded up to: viewers of one camera are then due together.
const grain = time.Millisecond

// Wheel sends, when it is due, what senders have taken and may not send at once: the later bursts of key
// pictures and what has come behind them. It is one goroutine and one timer for all senders, where one each
// costs as much as the sending.
type Wheel struct {
	began time.Time

	mu    sync.Mutex
	timer *time.Timer // set for the earliest of the turns
	turns []turn
	due   []*udpLink // scratch
	image image      // of the pack that several viewers get
	runs  atomic.Bool
}

// turn is when a sender has to go on.
type turn struct {
	u  *udpLink
	at time.Duration // since the wheel began
}

// NewWheel returns a wheel that turns once Run is called. Until then, senders do without it.
func NewWheel() *Wheel {
	w := &Wheel{began: time.Now(), timer: time.NewTimer(time.Hour)}
	w.timer.Stop()
	return w
}

// Run turns until ctx ends. What is not sent by then is given back unsent.
func (w *Wheel) Run(ctx context.Context) error {
	w.runs.Store(true)
	for {
		select {
		case <-w.timer.C:
			w.turn()
		case <-ctx.Done():
			w.stop()
			return context.Cause(ctx)
		}
	}
}

// add gives a sender its turn; false: the wheel does not turn.
func (w *Wheel) add(u *udpLink, at time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.runs.Load() {
		return false
	}
	next := turn{u, (at.Sub(w.began) + grain - 1).Truncate(grain)}
	earliest := true
	for _, t := range w.turns {
		earliest = earliest && next.at < t.at
	}
	w.turns = append(w.turns, next)
	if earliest {
		w.timer.Reset(next.at - time.Since(w.began))
	}
	return true
}

// turn lets all go on whose time has come.
func (w *Wheel) turn() {
	w.mu.Lock()
	now := time.Since(w.began)
	rest, due := w.turns[:0], w.due[:0]
	next := time.Duration(-1)
	for _, t := range w.turns {
		switch {
		case t.at <= now:
			due = append(due, t.u)
			continue
		case next < 0 || t.at < next:
			next = t.at
		}
		rest = append(rest, t)
	}
	clear(w.turns[len(rest):])
	w.turns, w.due = rest, due
	if next >= 0 {
		w.timer.Reset(next - now)
	}
	w.mu.Unlock()
	for i, u := range due {
		u.resume()
		due[i] = nil
	}
}

func (w *Wheel) stop() {
	w.mu.Lock()
	w.runs.Store(false)
	w.timer.Stop()
	left := w.turns
	w.turns = nil
	w.mu.Unlock()
	for _, t := range left {
		t.u.giveUp()
	}
	w.image.mu.Lock()
	defer w.image.mu.Unlock()
	w.image.forget()
}
