package rtsp

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http/httptest"
	"strings"
	"testing"

	"gbgate/media"
	"gbgate/rtsp/simcam"
)

func TestUnreachable(t *testing.T) {
	address := refusing(t)
	cases := map[string]struct {
		url  string
		kind Kind
	}{
		"nobody listens": {"rtsp://" + address + "/", Refused},
		"unknown name":   {"rtsp://camera.invalid/", Unreachable},
		"no URL":         {"http://127.0.0.1/", Protocol},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if err := pull(t, c.url, Config{}); kindOf(err) != c.kind {
				t.Errorf("got %v: %v, want %v", kindOf(err), err, c.kind)
			}
		})
	}
}

// refusing returns an address that refuses connections: a connection made from there keeps others off the port.
func refusing(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	holder, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	peer, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = holder.Close(); _ = peer.Close() })
	return holder.LocalAddr().String()
}

func TestCheck(t *testing.T) {
	cam := newFakeCamera(t)
	cam.Answer = simcam.AnswerTo("DESCRIBE", func(r *camRequest) string {
		return simcam.ReplySDP(r, "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 sprop-parameter-sets="+
			simcam.ScriptedSPS+","+simcam.ScriptedPPS+
			"\r\nm=audio 0 RTP/AVP 97\r\na=rtpmap:97 G726-32/8000\r\n", "Server: Cam/1.0")
	})
	src := &Source{Config: Config{URL: cam.URL()}}
	got, err := src.Check(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if got.Video.Codec != media.H264 || got.Video.Width != 640 || got.Video.Height != 480 || got.Server != "Cam/1.0" ||
		got.Audio.Codec != media.CodecNone || len(got.LeftOut) != 1 {
		t.Errorf("got %+v", got)
	}
	if n := len(cam.Asked("SETUP")); n != 0 {
		t.Errorf("a check opened %d media sessions", n)
	}
}

// TestCancel ends the context at every stage of a session.
func TestCancel(t *testing.T) {
	errStop := errors.New("stop")
	for _, stage := range []string{"OPTIONS", "DESCRIBE", "SETUP", "PLAY"} {
		t.Run(stage, func(t *testing.T) {
			cam := newFakeCamera(t)
			ctx, cancel := context.WithCancelCause(context.Background())
			cam.Answer = simcam.AnswerTo(stage, func(*camRequest) string {
				cancel(errStop)
				return "-"
			})
			src := &Source{Config: Config{URL: cam.URL()}}
			if err := src.Run(ctx, (*media.Unit).Release); !errors.Is(err, errStop) {
				t.Errorf("got %v, want %v", err, errStop)
			}
		})
	}
	t.Run("before", func(t *testing.T) {
		cam := newFakeCamera(t)
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(errStop)
		src := &Source{Config: Config{URL: cam.URL()}}
		if err := src.Run(ctx, (*media.Unit).Release); !errors.Is(err, errStop) {
			t.Errorf("got %v, want %v", err, errStop)
		}
	})
}

func TestTLS(t *testing.T) {
	web := httptest.NewUnstartedServer(nil) // lends its self-signed certificate
	web.StartTLS()
	config := &tls.Config{Certificates: web.TLS.Certificates}
	web.Close()
	cam := newFakeCameraOn(t, func(l net.Listener) net.Listener { return tls.NewListener(l, config) })
	url := strings.Replace(cam.URL(), "rtsp://", "rtsps://", 1)
	if err := cam.pull(Config{URL: url}); err != errEnough { //nolint:errorlint // the very cause
		t.Fatal(err)
	}
	if got := cam.Asked("SETUP")[0].URL; got != url+"/trackID=1" {
		t.Errorf("SETUP %s", got)
	}
}
