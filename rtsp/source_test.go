package rtsp

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gbgate/media"
)

// TestFailures holds the kind and the words of every way a camera can fail.
func TestFailures(t *testing.T) {
	refuse := func(method, status string) func(*fakeConn, *message) string {
		return on(method, func(r *message) string { return replyOf(r, status) })
	}
	describe := func(sdp string) func(*fakeConn, *message) string {
		return on("DESCRIBE", func(r *message) string { return replySDP(r, sdp) })
	}
	cases := map[string]struct {
		answer func(*fakeConn, *message) string
		kind   Kind
		words  string
	}{
		"not found":         {refuse("DESCRIBE", "404 Stream Not Found"), NotFound, "no such stream"},
		"sessions full 453": {refuse("SETUP", "453 Not Enough Bandwidth"), Busy, "no session left"},
		"sessions full 503": {refuse("PLAY", "503 Service Unavailable"), Busy, "no session left"},
		"sessions full 403": {refuse("DESCRIBE", "403 online user threshold"), Busy, "no session left"},
		"forbidden":         {refuse("DESCRIBE", "403 Forbidden"), Auth, "forbids"},
		"server error":      {refuse("DESCRIBE", "500 Oops"), Protocol, "500 Oops"},
		"no silent DESCRIBE": {
			refuse("DESCRIBE", "401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\""),
			Auth, "none is configured",
		},
		"tcp refused": {refuse("SETUP", "461 Unsupported Transport"), Protocol, "461"},
		"mjpeg": {
			describe("m=video 0 RTP/AVP 26\r\na=control:1\r\n"), NoVideo,
			"camera sends MJPEG; GB/T 28181 needs H.264 or H.265",
		},
		"audio only": {describe("m=audio 0 RTP/AVP 8\r\n"), NoVideo, "no video"},
		"no media":   {describe("v=0\r\n"), NoVideo, "no streams"},
		"empty body": {describe(""), NoVideo, "no streams"},
		"hangs up": {
			on("DESCRIBE", func(*message) string { return "!" }),
			Protocol, "instead of answering DESCRIBE",
		},
		"silent":       {on("DESCRIBE", func(*message) string { return "-" }), Protocol, "did not answer DESCRIBE"},
		"silent SETUP": {on("SETUP", func(*message) string { return "-" }), Protocol, "did not answer SETUP"},
		"web server": {
			on("OPTIONS", func(*message) string { return "HTTP/1.1 400 Bad Request\r\n\r\n" }),
			Protocol, "HTTP",
		},
		"random bytes": {
			on("OPTIONS", func(*message) string { return strings.Repeat("\x00$R\xff", 5000) }),
			Protocol, "did not answer",
		},
		"10 GB body": {
			on("DESCRIBE", func(*message) string {
				return "RTSP/1.0 200 OK\r\nContent-Length: 10737418240\r\n\r\nv=0"
			}),
			Protocol, "10737418240",
		},
		"lying length": {
			replace("DESCRIBE", "Content-Length: ", "Content-Length: 9"), Protocol, "did not answer DESCRIBE",
		},
		"endless headers": {on("DESCRIBE", func(*message) string {
			return "RTSP/1.0 200 OK\r\n" + strings.Repeat("X: y\r\n", 20000)
		}), Protocol, "without end"},
		"endless line": {on("DESCRIBE", func(*message) string {
			return "RTSP/1.0 200 OK\r\nX: " + strings.Repeat("y", 200000)
		}), Protocol, "without end"},
		"endless redirects": {on("DESCRIBE", func(r *message) string {
			return replyOf(r, "302 Moved", "Location: "+r.url+"x")
		}), Protocol, "302"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			cam := newFakeCamera(t)
			cam.answer = c.answer
			err := cam.pull(Config{ReplyTimeout: 300 * time.Millisecond})
			if kindOf(err) != c.kind || !strings.Contains(fmt.Sprint(err), c.words) {
				t.Errorf("got %v: %v, want %v with %q", kindOf(err), err, c.kind, c.words)
			}
		})
	}
}

func TestUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
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

// TestStreamEnds holds what is said when a running stream stops.
func TestStreamEnds(t *testing.T) {
	after := func(picture int, do func(c *fakeConn)) func(*fakeConn, int) {
		return func(c *fakeConn, p int) {
			if p == picture {
				do(c)
			}
		}
	}
	cases := map[string]struct {
		prepare func(cam *fakeCamera)
		kind    Kind
		words   string
	}{
		"connection closed": {func(cam *fakeCamera) {
			cam.before = after(5, func(c *fakeConn) { _ = c.Close() })
		}, Closed, "closed the connection"},
		"announce": {func(cam *fakeCamera) {
			cam.before = after(5, func(c *fakeConn) {
				c.send([]byte("ANNOUNCE rtsp://x/ RTSP/1.0\r\nCSeq: 3\r\nNotice: 2101\r\n\r\n"))
			})
		}, Closed, "ANNOUNCE"},
		"redirect": {func(cam *fakeCamera) {
			cam.before = after(5, func(c *fakeConn) {
				c.send([]byte("REDIRECT rtsp://x/ RTSP/1.0\r\nCSeq: 3\r\nLocation: rtsp://y/\r\n\r\n"))
			})
		}, Closed, "REDIRECT"},
		"no packets": {func(cam *fakeCamera) {
			cam.tweak = func(int, []byte) []byte { return nil }
		}, NoFrames, "no media packet"},
		"no key frame": {func(cam *fakeCamera) {
			cam.tweak = func(_ int, b []byte) []byte {
				if b[12] != 0x41 {
					return nil
				}
				return b
			}
		}, NoFrames, "no key frame"},
		"frozen": {func(cam *fakeCamera) {
			cam.tweak = func(picture int, b []byte) []byte {
				if picture > 4 {
					return nil
				}
				return b
			}
		}, NoFrames, "no picture"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			cam := newFakeCamera(t)
			c.prepare(cam)
			err := cam.pull(Config{FrameTimeout: 300 * time.Millisecond})
			if kindOf(err) != c.kind || !strings.Contains(fmt.Sprint(err), c.words) {
				t.Errorf("got %v: %v, want %v with %q", kindOf(err), err, c.kind, c.words)
			}
		})
	}
}

func TestTransports(t *testing.T) {
	refuseTCP := func(status string) func(*fakeConn, *message) string {
		return on("SETUP", func(r *message) string {
			if strings.Contains(r.get("Transport"), "TCP") {
				return replyOf(r, status)
			}
			return ""
		})
	}
	silentTCP := func(cam *fakeCamera) {
		cam.before = func(c *fakeConn, _ int) {
			if c.udp == nil {
				c.video = 90 // a channel nobody knows
			}
		}
	}
	cases := map[string]struct {
		transport string
		prepare   func(cam *fakeCamera)
		sessions  int
	}{
		"udp": {"udp", func(*fakeCamera) {}, 1},
		"udp unnamed server ports": {"udp", func(cam *fakeCamera) {
			cam.answer = edit("SETUP", func(g string) string {
				head, _, _ := strings.Cut(g, ";server_port")
				return head + "\r\n\r\n"
			})
		}, 1},
		"auto with tcp": {"auto", func(*fakeCamera) {}, 1},
		"auto, 461":     {"auto", func(cam *fakeCamera) { cam.answer = refuseTCP("461 Unsupported Transport") }, 2},
		"auto, 400":     {"auto", func(cam *fakeCamera) { cam.answer = refuseTCP("400 Bad Request") }, 2},
		"auto, no RTP":  {"auto", silentTCP, 2},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			cam := newFakeCamera(t)
			c.prepare(cam)
			err := cam.pull(Config{Transport: c.transport, FrameTimeout: time.Second})
			if err != errEnough { //nolint:errorlint // the very cause
				t.Errorf("got %v, want %v", err, errEnough)
			}
			if got := len(cam.asked("DESCRIBE")); got != c.sessions {
				t.Errorf("got %d sessions, want %d", got, c.sessions)
			}
		})
	}
}

func TestRedirect(t *testing.T) {
	t.Run("same host keeps the password", func(t *testing.T) {
		cam := newFakeCamera(t)
		cam.answer = on("DESCRIBE", func(r *message) string {
			if !strings.Contains(r.url, "moved") {
				return replyOf(r, "302 Moved", "Location: rtsp://"+cam.listener.Addr().String()+"/moved")
			}
			return demand(r)
		})
		if err := cam.pull(Config{Username: "u", Password: "p"}); err != errEnough { //nolint:errorlint // the very cause
			t.Error(err)
		}
	})
	t.Run("another host gets none", func(t *testing.T) {
		other, cam := newFakeCamera(t), newFakeCamera(t)
		_, port, _ := net.SplitHostPort(other.listener.Addr().String())
		cam.answer = on("DESCRIBE", func(r *message) string {
			return replyOf(r, "302 Moved", "Location: rtsp://localhost:"+port+"/moved")
		})
		other.answer = on("DESCRIBE", func(r *message) string {
			return replyOf(r, "401 Unauthorized", `WWW-Authenticate: Basic realm="x"`)
		})
		err := cam.pull(Config{Username: "u", Password: "p"})
		if kindOf(err) != Auth || !strings.Contains(fmt.Sprint(err), "another host") {
			t.Errorf("got %v", err)
		}
		for _, r := range other.asked("DESCRIBE") {
			if r.get("Authorization") != "" {
				t.Errorf("password given to another host: %q", r.get("Authorization"))
			}
		}
	})
}

func TestCheck(t *testing.T) {
	cam := newFakeCamera(t)
	cam.answer = on("DESCRIBE", func(r *message) string {
		return replySDP(r, "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 sprop-parameter-sets="+
			testSPS+","+testPPS+"\r\nm=audio 0 RTP/AVP 97\r\na=rtpmap:97 G726-32/8000\r\n", "Server: Cam/1.0")
	})
	src := &Source{Config: Config{URL: cam.url()}}
	got, err := src.Check(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if got.Video.Codec != media.H264 || got.Video.Width != 640 || got.Video.Height != 480 || got.Server != "Cam/1.0" ||
		got.Audio.Codec != media.CodecNone || len(got.LeftOut) != 1 {
		t.Errorf("got %+v", got)
	}
	if n := len(cam.asked("SETUP")); n != 0 {
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
			cam.answer = on(stage, func(*message) string {
				cancel(errStop)
				return "-"
			})
			src := &Source{Config: Config{URL: cam.url()}}
			if err := src.Run(ctx, (*media.Unit).Release); !errors.Is(err, errStop) {
				t.Errorf("got %v, want %v", err, errStop)
			}
		})
	}
	t.Run("before", func(t *testing.T) {
		cam := newFakeCamera(t)
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(errStop)
		src := &Source{Config: Config{URL: cam.url()}}
		if err := src.Run(ctx, (*media.Unit).Release); !errors.Is(err, errStop) {
			t.Errorf("got %v, want %v", err, errStop)
		}
	})
}

// TestAutoRemembers begins with UDP once it was the transport that worked.
func TestAutoRemembers(t *testing.T) {
	cam := newFakeCamera(t)
	cam.answer = on("SETUP", func(r *message) string {
		if strings.Contains(r.get("Transport"), "TCP") {
			return replyOf(r, "461 Unsupported Transport")
		}
		return ""
	})
	src := &Source{Config: Config{URL: cam.url(), Transport: "auto"}}
	for run, want := range []int{2, 3} {
		ctx, cancel := context.WithCancelCause(context.Background())
		err := src.Run(ctx, func(u *media.Unit) {
			u.Release()
			cancel(errEnough)
		})
		if !errors.Is(err, errEnough) {
			t.Fatal(err)
		}
		if got := len(cam.asked("DESCRIBE")); got != want {
			t.Errorf("run %d: got %d sessions so far, want %d", run, got, want)
		}
	}
}

// TestKeepalive lets a camera with a short time-out refuse GET_PARAMETER.
func TestKeepalive(t *testing.T) {
	cam := newFakeCamera(t)
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	cam.answer = func(c *fakeConn, r *message) string {
		switch r.method {
		case "SETUP":
			return setSession(c.good(r), "1234;timeout=1")
		case "GET_PARAMETER":
			return replyOf(r, "501 Not Implemented")
		case "OPTIONS":
			if len(cam.asked("OPTIONS")) == 2 {
				cancel(errEnough)
			}
		}
		return ""
	}
	src := &Source{Config: Config{URL: cam.url()}}
	if err := src.Run(ctx, (*media.Unit).Release); !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	if got := len(cam.asked("GET_PARAMETER")); got != 2 {
		t.Errorf("got %d GET_PARAMETER, want 2 before the other method", got)
	}
	again, stop := context.WithCancelCause(context.Background())
	defer stop(nil)
	good := cam.answer
	cam.answer = func(c *fakeConn, r *message) string {
		if r.method == "OPTIONS" && len(cam.asked("OPTIONS")) == 4 {
			stop(errEnough)
		}
		return good(c, r)
	}
	if err := src.Run(again, (*media.Unit).Release); !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	if got := len(cam.asked("GET_PARAMETER")); got != 2 {
		t.Errorf("%d GET_PARAMETER: the next session did not remember", got)
	}
	for _, r := range append(cam.asked("GET_PARAMETER"), cam.asked("OPTIONS")[1]) {
		if r.get("Session") != "1234" || r.url != cam.url() {
			t.Errorf("keepalive for session %q and %s", r.get("Session"), r.url)
		}
	}
}

func TestTLS(t *testing.T) {
	web := httptest.NewUnstartedServer(nil) // lends its self-signed certificate
	web.StartTLS()
	config := &tls.Config{Certificates: web.TLS.Certificates}
	web.Close()
	cam := newFakeCameraOn(t, func(l net.Listener) net.Listener { return tls.NewListener(l, config) })
	url := strings.Replace(cam.url(), "rtsp://", "rtsps://", 1)
	if err := cam.pull(Config{URL: url}); err != errEnough { //nolint:errorlint // the very cause
		t.Fatal(err)
	}
	if got := cam.asked("SETUP")[0].url; got != url+"/trackID=1" {
		t.Errorf("SETUP %s", got)
	}
}

// A camera whose picture never ends costs its own channel only: memory is bounded, and another one on the same poller
// goes on.
func TestEndlessPicture(t *testing.T) {
	poller, err := NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	polling := make(chan error, 1)
	go func() { polling <- poller.Run(ctx) }()
	defer func() { cancel(); <-polling }()
	var sent atomic.Int64
	bad := newFakeCamera(t)
	bad.mu.Lock()
	bad.before = func(c *fakeConn, picture int) {
		if picture != 3 {
			return
		}
		part := append([]byte{0x7c, 0x05}, bytes.Repeat([]byte{0xa5}, 60000)...) // the middle of an IDR, for ever
		c.send(interleave(0, rtpPacket(96, 1000, 10800, 0x11223344, false, []byte{0x7c, 0x85, 0x88, 0x84})))
		for n := uint16(1001); sent.Load() < 100<<20; n++ {
			if _, err := c.Write(interleave(0, rtpPacket(96, n, 10800, 0x11223344, false, part))); err != nil {
				return
			}
			sent.Add(int64(len(part)))
		}
	}
	bad.mu.Unlock()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	lost := make(chan error, 1)
	running, stop := context.WithCancelCause(ctx)
	go func() {
		src := &Source{Config: Config{URL: bad.url(), Poller: poller, FrameTimeout: 20 * time.Second}}
		lost <- src.Run(running, (*media.Unit).Release)
	}()
	for deadline := time.Now().Add(time.Minute); sent.Load() < 50<<20; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the endless picture does not flow")
		}
	}
	good := newFakeCamera(t)
	if err := good.pull(Config{Poller: poller}); err != errEnough { //nolint:errorlint // the very cause
		t.Errorf("the other camera: %v", err)
	}
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapInuse) - int64(before.HeapInuse); grown > 64<<20 {
		t.Errorf("%d MB are in use for a picture of %d MB", grown>>20, sent.Load()>>20)
	}
	stop(errEnough)
	if err := <-lost; !errors.Is(err, errEnough) {
		t.Error(err)
	}
}
