package bridge

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestOrphansAreMeasured: media that stop with their call are none; what goes on counts from a second on, also
// while it goes on.
func TestOrphansAreMeasured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o orphans
		call := func() (hangUp, stopped func()) {
			ctx, cancel := context.WithCancel(t.Context())
			return func() { cancel(); synctest.Wait() }, o.watch(ctx)
		}
		want := func(d time.Duration) {
			t.Helper()
			if got := o.time(); got != d {
				t.Errorf("orphan time %v, want %v", got, d)
			}
		}
		hangUp, stopped := call()
		time.Sleep(time.Hour)
		stopped() // the media ended by themselves
		hangUp()
		time.Sleep(time.Hour)
		want(0)
		hangUp, stopped = call()
		hangUp()
		time.Sleep(time.Second)
		stopped()
		want(0)
		hangUp, stopped = call()
		hangUp()
		time.Sleep(3 * time.Second)
		want(2 * time.Second)
		time.Sleep(time.Second)
		stopped()
		time.Sleep(time.Hour)
		want(3 * time.Second)
	})
}
