package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"time"
)

// GatewaySetup says what the gateway process is to be configured for.
type GatewaySetup struct {
	Cameras  string // host:port of the camera process
	Streams  int
	Superior string        // host:port of the platform
	Linger   time.Duration // of cameras that nobody watches any more; 0: the default
}

// Census is what must not grow however many calls a gateway has served.
type Census struct {
	Calls      int           // under way
	Ports      int           // pairs of media ports in use
	Orphans    time.Duration // for how long media outlived their calls
	Goroutines int
	Files      int   // open descriptors
	Heap       int64 // bytes that live after a collection
}

// CameraURL is where camera i is.
func (s GatewaySetup) CameraURL(i int) string { return fmt.Sprintf("rtsp://%s/cam%d", s.Cameras, i) }

// Handle is what the conductor asks a gateway that runs.
type Handle struct {
	Count  func() Census // calls, ports and orphans
	Record func(on bool) error
}

// Gateway returns a worker that starts what start makes and answers the conductor.
func Gateway(start func(ctx context.Context, s GatewaySetup) (Handle, error)) func(context.Context) Handler {
	return func(ctx context.Context) Handler {
		var gateway Handle
		return func(op string, args json.RawMessage) (any, error) {
			switch op {
			case "start":
				var s GatewaySetup
				if err := json.Unmarshal(args, &s); err != nil {
					return nil, err
				}
				var err error
				gateway, err = start(ctx, s)
				return nil, err
			case "census":
				c := gateway.Count()
				c.Heap = liveHeap()
				c.Goroutines = runtime.NumGoroutine()
				open, err := os.ReadDir("/proc/self/fd")
				c.Files = len(open)
				return c, err
			case "record":
				var on bool
				if err := json.Unmarshal(args, &on); err != nil {
					return nil, err
				}
				return nil, gateway.Record(on)
			}
			return nil, errUnknown
		}
	}
}

// liveHeap collects garbage, pools included (they keep what they hold over one collection), and tells what is left.
func liveHeap() int64 {
	runtime.GC()
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
