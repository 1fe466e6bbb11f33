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
	"gbgate/rtsp/simcam"
)

// verdict is the kind and the words of an error that a quirk leads to.
type verdict struct {
	kind  Kind
	words string
}

// judge pulls from a camera with each quirk of a table, and wants a verdict on every one.
func judge(t *testing.T, quirks []simcam.RTSPQuirk, cfg Config, want map[string]verdict) {
	t.Helper()
	if len(quirks) != len(want) {
		t.Errorf("%d quirks have %d verdicts", len(quirks), len(want))
	}
	for _, quirk := range quirks {
		t.Run(quirk.Name, func(t *testing.T) {
			v, ok := want[quirk.Name]
			if !ok {
				t.Fatal("no verdict")
			}
			cam := newFakeCamera(t)
			quirk.Script(cam.Scripted)
			err := cam.pull(cfg)
			if kindOf(err) != v.kind || !strings.Contains(fmt.Sprint(err), v.words) {
				t.Errorf("got %v: %v, want %v with %q", kindOf(err), err, v.kind, v.words)
			}
		})
	}
}

// TestFailures holds the kind and the words of every way a camera can fail.
func TestFailures(t *testing.T) {
	judge(t, simcam.FailureQuirks(), Config{ReplyTimeout: 300 * time.Millisecond}, map[string]verdict{
		"not found":          {NotFound, "no such stream"},
		"sessions full 453":  {Busy, "no session left"},
		"sessions full 503":  {Busy, "no session left"},
		"sessions full 403":  {Busy, "no session left"},
		"forbidden":          {Auth, "forbids"},
		"server error":       {Protocol, "500 Oops"},
		"no silent DESCRIBE": {Auth, "none is configured"},
		"tcp refused":        {Protocol, "461"},
		"mjpeg":              {NoVideo, "camera sends MJPEG; GB/T 28181 needs H.264 or H.265"},
		"audio only":         {NoVideo, "no video"},
		"no media":           {NoVideo, "no streams"},
		"empty body":         {NoVideo, "no streams"},
		"hangs up":           {Protocol, "instead of answering DESCRIBE"},
		"silent":             {Protocol, "did not answer DESCRIBE"},
		"silent SETUP":       {Protocol, "did not answer SETUP"},
		"web server":         {Protocol, "HTTP"},
		"random bytes":       {Protocol, "did not answer"},
		"10 GB body":         {Protocol, "10737418240"},
		"lying length":       {Protocol, "did not answer DESCRIBE"},
		"endless headers":    {Protocol, "without end"},
		"endless line":       {Protocol, "without end"},
		"endless redirects":  {Protocol, "302"},
	})
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
	judge(t, simcam.EndQuirks(), Config{FrameTimeout: 300 * time.Millisecond}, map[string]verdict{
		"connection closed": {Closed, "closed the connection"},
		"announce":          {Closed, "ANNOUNCE"},
		"redirect":          {Closed, "REDIRECT"},
		"no packets":        {NoFrames, "no media packet"},
		"no key frame":      {NoFrames, "no key frame"},
		"frozen":            {NoFrames, "no picture"},
	})
}

func TestTransports(t *testing.T) {
	refuseTCP := func(status string) simcam.Answer {
		return simcam.AnswerTo("SETUP", func(r *camRequest) string {
			if strings.Contains(r.Get("Transport"), "TCP") {
				return simcam.Reply(r, status)
			}
			return ""
		})
	}
	silentTCP := func(cam *fakeCamera) {
		cam.Before = func(c *camConn, _ int) {
			if !c.OverUDP() {
				c.Video = 90 // a channel nobody knows
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
			cam.Answer = simcam.EditReply("SETUP", func(g string) string {
				head, _, _ := strings.Cut(g, ";server_port")
				return head + "\r\n\r\n"
			})
		}, 1},
		"auto with tcp": {"auto", func(*fakeCamera) {}, 1},
		"auto, 461":     {"auto", func(cam *fakeCamera) { cam.Answer = refuseTCP("461 Unsupported Transport") }, 2},
		"auto, 400":     {"auto", func(cam *fakeCamera) { cam.Answer = refuseTCP("400 Bad Request") }, 2},
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
			if got := len(cam.Asked("DESCRIBE")); got != c.sessions {
				t.Errorf("got %d sessions, want %d", got, c.sessions)
			}
		})
	}
}

func TestRedirect(t *testing.T) {
	t.Run("same host keeps the password", func(t *testing.T) {
		cam := newFakeCamera(t)
		cam.Answer = simcam.AnswerTo("DESCRIBE", func(r *camRequest) string {
			if !strings.Contains(r.URL, "moved") {
				return simcam.Reply(r, "302 Moved", "Location: rtsp://"+cam.Addr()+"/moved")
			}
			return demand(r)
		})
		if err := cam.pull(Config{Username: "u", Password: "p"}); err != errEnough { //nolint:errorlint // the very cause
			t.Error(err)
		}
	})
	t.Run("another host gets none", func(t *testing.T) {
		other, cam := newFakeCamera(t), newFakeCamera(t)
		_, port, _ := net.SplitHostPort(other.Addr())
		cam.Answer = simcam.AnswerTo("DESCRIBE", func(r *camRequest) string {
			return simcam.Reply(r, "302 Moved", "Location: rtsp://localhost:"+port+"/moved")
		})
		other.Answer = simcam.AnswerTo("DESCRIBE", func(r *camRequest) string {
			return simcam.Reply(r, "401 Unauthorized", `WWW-Authenticate: Basic realm="x"`)
		})
		err := cam.pull(Config{Username: "u", Password: "p"})
		if kindOf(err) != Auth || !strings.Contains(fmt.Sprint(err), "another host") {
			t.Errorf("got %v", err)
		}
		for _, r := range other.Asked("DESCRIBE") {
			if r.Get("Authorization") != "" {
				t.Errorf("password given to another host: %q", r.Get("Authorization"))
			}
		}
	})
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

// TestAutoRemembers begins with UDP once it was the transport that worked.
func TestAutoRemembers(t *testing.T) {
	cam := newFakeCamera(t)
	cam.Answer = simcam.AnswerTo("SETUP", func(r *camRequest) string {
		if strings.Contains(r.Get("Transport"), "TCP") {
			return simcam.Reply(r, "461 Unsupported Transport")
		}
		return ""
	})
	src := &Source{Config: Config{URL: cam.URL(), Transport: "auto"}}
	for run, want := range []int{2, 3} {
		ctx, cancel := context.WithCancelCause(context.Background())
		err := src.Run(ctx, func(u *media.Unit) {
			u.Release()
			cancel(errEnough)
		})
		if !errors.Is(err, errEnough) {
			t.Fatal(err)
		}
		if got := len(cam.Asked("DESCRIBE")); got != want {
			t.Errorf("run %d: got %d sessions so far, want %d", run, got, want)
		}
	}
}

// TestKeepalive lets a camera with a short time-out refuse GET_PARAMETER.
func TestKeepalive(t *testing.T) {
	cam := newFakeCamera(t)
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	cam.Answer = func(c *camConn, r *camRequest) string {
		switch r.Method {
		case "SETUP":
			return simcam.SetSession(c.Good(r), "1234;timeout=1")
		case "GET_PARAMETER":
			return simcam.Reply(r, "501 Not Implemented")
		case "OPTIONS":
			if len(cam.Asked("OPTIONS")) == 2 {
				cancel(errEnough)
			}
		}
		return ""
	}
	src := &Source{Config: Config{URL: cam.URL()}}
	if err := src.Run(ctx, (*media.Unit).Release); !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	if got := len(cam.Asked("GET_PARAMETER")); got != 2 {
		t.Errorf("got %d GET_PARAMETER, want 2 before the other method", got)
	}
	again, stop := context.WithCancelCause(context.Background())
	defer stop(nil)
	good := cam.Answer
	cam.Answer = func(c *camConn, r *camRequest) string {
		if r.Method == "OPTIONS" && len(cam.Asked("OPTIONS")) == 4 {
			stop(errEnough)
		}
		return good(c, r)
	}
	if err := src.Run(again, (*media.Unit).Release); !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	if got := len(cam.Asked("GET_PARAMETER")); got != 2 {
		t.Errorf("%d GET_PARAMETER: the next session did not remember", got)
	}
	for _, r := range append(cam.Asked("GET_PARAMETER"), cam.Asked("OPTIONS")[1]) {
		if r.Get("Session") != "1234" || r.URL != cam.URL() {
			t.Errorf("keepalive for session %q and %s", r.Get("Session"), r.URL)
		}
	}
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
	endless := func(c *camConn, picture int) {
		if picture != 3 {
			return
		}
		part := append([]byte{0x7c, 0x05}, bytes.Repeat([]byte{0xa5}, 60000)...) // the middle of an IDR, for ever
		c.Send(simcam.Interleave(0, simcam.RTPPacket(96, 1000, 10800, 0x11223344, false, []byte{0x7c, 0x85, 0x88, 0x84})))
		for n := uint16(1001); sent.Load() < 100<<20; n++ {
			if _, err := c.Write(simcam.Interleave(0, simcam.RTPPacket(96, n, 10800, 0x11223344, false, part))); err != nil {
				return
			}
			sent.Add(int64(len(part)))
		}
	}
	bad.Change(func() { bad.Before = endless })
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	lost := make(chan error, 1)
	running, stop := context.WithCancelCause(ctx)
	go func() {
		src := &Source{Config: Config{URL: bad.URL(), Poller: poller, FrameTimeout: 20 * time.Second}}
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
