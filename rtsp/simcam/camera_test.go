package simcam

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/bluenviron/gortsplib/v4/pkg/liberrors"
	"github.com/google/go-cmp/cmp"
	"github.com/pion/rtp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs a camera until the test ends.
func start(t *testing.T, cfg Config) *Camera {
	t.Helper()
	c, err := Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		if n := c.Sessions(); n != 0 {
			t.Errorf("%d sessions left open", n)
		}
	})
	return c
}

// seen is what ffprobe prints of a stream.
type seen struct {
	Codec    string `json:"codec_name"`
	Profile  string `json:"profile"`
	Width    int    `json:"width"`
	Height   int    `json:"height"`
	FPS      string `json:"r_frame_rate"`
	Rate     string `json:"sample_rate"`
	Channels int    `json:"channels"`
}

func TestFFprobeReadsBothClips(t *testing.T) {
	t.Parallel()
	want := map[string][]seen{
		H264PCMA: {
			{Codec: "h264", Profile: "High", Width: 1280, Height: 720, FPS: "25/1"},
			{Codec: "pcm_alaw", FPS: "0/0", Rate: "8000", Channels: 1},
		},
		H265AAC: {
			{Codec: "hevc", Profile: "Main", Width: 1920, Height: 1080, FPS: "25/1"},
			{Codec: "aac", Profile: "LC", FPS: "0/0", Rate: "16000", Channels: 1},
		},
	}
	for _, clip := range []string{H264PCMA, H265AAC} {
		for _, transport := range []string{"tcp", "udp"} {
			t.Run(clip+"/"+transport, func(t *testing.T) {
				t.Parallel()
				c := start(t, Config{Clip: clip, Username: "admin", Password: "p@ss:word"})
				got := ffprobe(t, withUser(t, c.URL(), "admin", "p@ss:word"), transport)
				if diff := cmp.Diff(want[clip], got); diff != "" {
					t.Errorf("streams (-want +got):\n%s", diff)
				}
				if c.Opened() != 1 {
					t.Errorf("got %d sessions, want 1", c.Opened())
				}
			})
		}
	}
}

func ffprobe(t *testing.T, address, transport string) []seen {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "ffprobe", "-v", "error", "-rtsp_transport", transport,
		"-show_entries", "stream=codec_name,profile,width,height,r_frame_rate,sample_rate,channels",
		"-of", "json", address)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("ffprobe: %v: %s", err, stderr.String())
	}
	var report struct{ Streams []seen }
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatal(err)
	}
	return report.Streams
}

func withUser(t *testing.T, address, user, password string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(user, password)
	return u.String()
}

// TestClientGetsTheClipsBytes joins late, so in the middle of a GOP, and compares what comes
// over the wire with the clip.
func TestClientGetsTheClipsBytes(t *testing.T) {
	c := start(t, Config{Clip: H264PCMA})
	time.Sleep(200 * time.Millisecond) // nobody watches, the clip runs
	pictures := make(chan [][]byte, 64)
	samples := make(chan []byte, 64)
	client := play(t, c.URL(), func(client *gortsplib.Client, desc *description.Session) {
		var video *format.H264
		var audio *format.G711
		videoMedia, audioMedia := desc.FindFormat(&video), desc.FindFormat(&audio)
		depacketise, err := video.CreateDecoder()
		if err != nil {
			t.Error(err)
			return
		}
		client.OnPacketRTP(videoMedia, video, func(p *rtp.Packet) {
			if au, err := depacketise.Decode(p); err == nil {
				offer(pictures, au)
			}
		})
		client.OnPacketRTP(audioMedia, audio, func(p *rtp.Packet) { offer(samples, p.Payload) })
	})
	defer client.Close()

	first := wantRun(t, "picture", pictures, len(c.Clip().Pictures),
		func(i int) []byte { return c.Clip().Pictures[i].Data() },
		func(au [][]byte) []byte { return Picture{NALUs: au}.Data() })
	if first == 0 {
		t.Error("the clip began only when a client came")
	}
	wantRun(t, "audio frame", samples, len(c.Clip().Frames),
		func(i int) []byte { return c.Clip().Frames[i] },
		func(b []byte) []byte { return b })
}

// wantRun reads 30 units, wants them to be a stretch of the clip, and returns where it begins.
func wantRun[T any](
	t *testing.T, what string, got <-chan T, n int, want func(int) []byte, data func(T) []byte,
) (first int) {
	t.Helper()
	at := -1
	for range 30 {
		var unit []byte
		select {
		case u := <-got:
			unit = data(u)
		case <-time.After(10 * time.Second):
			t.Fatalf("no %s for 10 s", what)
		}
		if at < 0 {
			at = 0
			for at < n && !bytes.Equal(unit, want(at)) {
				at++
			}
			if at == n {
				t.Fatalf("the first %s is none of the clip's", what)
			}
			first = at
		} else if !bytes.Equal(unit, want(at)) {
			t.Fatalf("got other bytes than %s %d", what, at)
		}
		at = (at + 1) % n
	}
	return first
}

func offer[T any](to chan<- T, v T) {
	select {
	case to <- v:
	default:
	}
}

// play opens the stream over TCP; the caller closes the client.
func play(t *testing.T, address string, prepare func(*gortsplib.Client, *description.Session)) *gortsplib.Client {
	t.Helper()
	u, err := base.ParseURL(address)
	if err != nil {
		t.Fatal(err)
	}
	transport := gortsplib.TransportTCP
	client := &gortsplib.Client{Scheme: u.Scheme, Host: u.Host, Transport: &transport}
	if err := client.Start2(); err != nil {
		t.Fatal(err)
	}
	desc, _, err := client.Describe(u)
	if err == nil {
		err = client.SetupAll(desc.BaseURL, desc.Medias)
	}
	if err == nil {
		prepare(client, desc)
		_, err = client.Play(nil)
	}
	if err != nil {
		client.Close()
		t.Fatal(err)
	}
	return client
}

func TestWrongRequestsAreRefused(t *testing.T) {
	c := start(t, Config{Username: "admin", Password: "secret"})
	for _, r := range []struct {
		name, address string
		want          base.StatusCode
	}{
		{"no password", c.URL(), base.StatusUnauthorized},
		{"wrong password", withUser(t, c.URL(), "admin", "guess"), base.StatusUnauthorized},
		{"wrong path", withUser(t, strings.TrimSuffix(c.URL(), "live")+"other", "admin", "secret"), base.StatusNotFound},
	} {
		t.Run(r.name, func(t *testing.T) {
			u, err := base.ParseURL(r.address)
			if err != nil {
				t.Fatal(err)
			}
			client := &gortsplib.Client{Scheme: u.Scheme, Host: u.Host}
			if err := client.Start2(); err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			_, _, err = client.Describe(u)
			var status liberrors.ErrClientBadStatusCode
			if !errors.As(err, &status) || status.Code != r.want {
				t.Errorf("got %v, want status %d", err, r.want)
			}
		})
	}
	if c.Opened() != 0 {
		t.Errorf("got %d sessions, want none", c.Opened())
	}
}

// TestCameraComesBackOnItsAddress restarts a camera while a client watches.
func TestCameraComesBackOnItsAddress(t *testing.T) {
	c, err := Listen(Config{Listen: "0.0.0.0:0"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	client := play(t, c.URL(), func(*gortsplib.Client, *description.Session) {})
	if c.Sessions() != 1 {
		t.Errorf("got %d sessions, want 1", c.Sessions())
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
	if err := client.Wait(); err == nil {
		t.Error("the client did not notice that the camera went away")
	}
	client.Close()

	again := start(t, Config{Listen: c.Addr().String()})
	if again.URL() != c.URL() {
		t.Errorf("got %s after the restart, want %s", again.URL(), c.URL())
	}
	play(t, again.URL(), func(*gortsplib.Client, *description.Session) {}).Close()
}
