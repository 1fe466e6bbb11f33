package bridge

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"gbgate/media"
)

// Lease is a viewer's hold on a feed: while it is there, the source is pulled.
type Lease struct {
	*media.Reader
	feed *Feed
	once sync.Once
	seen int // attempts that had failed before
}

// Subscribe adds a viewer. It returns at once; see Lease.Ready.
func (f *Feed) Subscribe(start media.Start) *Lease {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.viewers++
	f.notify()
	return &Lease{Reader: f.stream.Subscribe(start), feed: f, seen: f.attempts}
}

// Close gives the lease back. Twice is harmless.
func (l *Lease) Close() error {
	l.once.Do(func() {
		_ = l.Reader.Close()
		l.feed.mu.Lock()
		defer l.feed.mu.Unlock()
		l.feed.viewers--
		l.feed.notify()
	})
	return nil
}

// Ready waits until pictures flow. It returns why they don't as soon as an attempt has failed
// (also the last one before, if the feed is waiting to try again), errTimer when timer fires
// first, or the cause of ctx.
func (l *Lease) Ready(ctx context.Context, timer <-chan time.Time) error {
	f := l.feed
	var failed error
	err := f.await(ctx, func() bool {
		if f.state == Live || f.state == Lingering {
			return true
		}
		if f.err != nil && (f.attempts > l.seen || f.state == Backoff) {
			failed = f.err
			return true
		}
		return false
	}, timer)
	if err == nil {
		err = failed
	}
	return err
}

// Lost waits until there have been no pictures for grace, and says why; or for ctx.
func (l *Lease) Lost(ctx context.Context, grace time.Duration) error {
	f := l.feed
	timer := time.NewTimer(grace)
	defer timer.Stop()
	for {
		f.mu.Lock()
		changed, downAt, reason := f.changed, f.downAt, f.err
		f.mu.Unlock()
		var wait <-chan time.Time
		if !downAt.IsZero() {
			timer.Reset(max(0, time.Until(downAt.Add(grace))))
			wait = timer.C
		}
		select {
		case <-changed:
		case <-wait:
			if reason == nil {
				reason = errors.New("no picture yet")
			}
			return fmt.Errorf("camera gone for %v: %w", grace, reason)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
