package bench

import (
	"context"
	"encoding/json"
	"fmt"
)

// GatewaySetup says what the gateway process is to be configured for.
type GatewaySetup struct {
	Cameras  string // host:port of the camera process
	Streams  int
	Superior string // host:port of the platform
}

// CameraURL is where camera i is.
func (s GatewaySetup) CameraURL(i int) string { return fmt.Sprintf("rtsp://%s/cam%d", s.Cameras, i) }

// Gateway returns a worker that starts what start makes and answers the conductor.
func Gateway(start func(ctx context.Context, s GatewaySetup) error) func(context.Context) Handler {
	return func(ctx context.Context) Handler {
		return func(op string, args json.RawMessage) (any, error) {
			if op != "start" {
				return nil, errUnknown
			}
			var s GatewaySetup
			if err := json.Unmarshal(args, &s); err != nil {
				return nil, err
			}
			return nil, start(ctx, s)
		}
	}
}
