package rtsp

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gbgate/media"
	"gbgate/rtsp/simcam"
)

type (
	camConn    = simcam.ScriptedConn
	camRequest = simcam.ScriptedRequest
)

// fakeCamera is a scripted camera that a test pulls from.
type fakeCamera struct {
	*simcam.Scripted
	t *testing.T
}

func newFakeCamera(t *testing.T) *fakeCamera {
	t.Helper()
	return newFakeCameraOn(t, func(l net.Listener) net.Listener { return l })
}

func newFakeCameraOn(t *testing.T, wrap func(net.Listener) net.Listener) *fakeCamera {
	t.Helper()
	before := goleak.IgnoreCurrent()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cam := &fakeCamera{t: t, Scripted: simcam.NewScripted(wrap(l), func(err error) { t.Error(err) })}
	t.Cleanup(func() {
		cam.Close()
		goleak.VerifyNone(t, before)
	})
	return cam
}

var errEnough = errors.New("enough pictures")

// pull runs a source, with the camera's account, until it got some pictures or failed. errEnough means good.
func (cam *fakeCamera) pull(cfg Config) error {
	if cfg.Username == "" {
		cfg.Username, cfg.Password = cam.Username, cam.Password
	}
	return pull(cam.t, cam.URL(), cfg)
}

func pull(t *testing.T, url string, cfg Config) error {
	t.Helper()
	if cfg.URL == "" {
		cfg.URL = url
	}
	for _, d := range []*time.Duration{&cfg.ConnectTimeout, &cfg.ReplyTimeout, &cfg.FrameTimeout} {
		if *d == 0 {
			*d = 5 * time.Second
		}
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	pictures := 0
	src := &Source{Config: cfg}
	return src.Run(ctx, func(u *media.Unit) {
		if u.Codec.IsVideo() {
			if pictures == 0 && !u.Key {
				t.Error("first picture is no key picture")
			}
			if pictures++; pictures == 25 {
				cancel(errEnough)
			}
		}
		u.Release()
	})
}
