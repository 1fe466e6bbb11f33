package media

import (
	"context"
	"time"
)

// Duration is n ticks of Clock as a time; days of them too.
func Duration(n int64) time.Duration {
	return time.Duration(n/Clock)*time.Second + time.Duration(n%Clock)*time.Second/Clock
}

// Ticks is a time in ticks of Clock; days of them too.
func Ticks(d time.Duration) int64 {
	return int64(d/time.Second)*Clock + int64(d%time.Second)*Clock/int64(time.Second)
}

// Wait returns when d has gone by, or before that the cause of ctx.
func Wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return context.Cause(ctx)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
