package rtsp

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gbgate/media"
	"gbgate/rtsp/simcam"
)

// startSpeaker runs a simulated camera until the test ends.
func startSpeaker(t *testing.T, talk bool) *simcam.Camera {
	t.Helper()
	before := goleak.IgnoreCurrent()
	cam, err := simcam.Listen(simcam.Config{Talk: talk, Username: "admin", Password: "p@ss:w/rd#1"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = cam.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done; goleak.VerifyNone(t, before) })
	return cam
}

// What is said arrives whole, in order, in packets of 20 ms and no faster than it sounds.
func TestTalk(t *testing.T) {
	cam := startSpeaker(t, true)
	src := &Source{Config: Config{URL: cam.URL(), Username: "admin", Password: "p@ss:w/rd#1"}}
	if codec, err := src.BackChannel(t.Context()); codec != media.PCMU || err != nil {
		t.Errorf("back channel is %v, %v; want G.711 µ-law", codec, err)
	}
	talk, err := src.OpenTalk(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if talk.Codec() != media.PCMU {
		t.Errorf("codec %v", talk.Codec())
	}
	said := make([]byte, 50*talkFrame)
	for i := range said {
		said[i] = byte(i * 7)
	}
	began := time.Now()
	for rest := said; len(rest) > 0; {
		n := min(len(rest), 130) // sizes that are no packet's
		if err := talk.Write(t.Context(), rest[:n]); err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
	}
	if took := time.Since(began); took < 900*time.Millisecond {
		t.Errorf("a second of sound went out in %v", took)
	}
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if _, packets, _ := cam.Heard(); packets == 50 {
			break
		}
	}
	if heard, packets, _ := cam.Heard(); packets != 50 || !bytes.Equal(heard, said) {
		t.Errorf("%d bytes in %d packets were heard, not the %d that were said", len(heard), packets, len(said))
	}
	if err := talk.Close(); err != nil {
		t.Error(err)
	}
}

// TestTalkQuirks: there is no back channel, and it was asked for as ONVIF has it.
func TestTalkQuirks(t *testing.T) {
	for _, quirk := range simcam.TalkQuirks() {
		t.Run(quirk.Name, func(t *testing.T) {
			cam := newFakeCamera(t)
			quirk.Script(cam.Scripted)
			src := &Source{Config: Config{URL: cam.URL()}}
			if _, err := src.OpenTalk(t.Context()); kindOf(err) != Unsupported ||
				!strings.Contains(err.Error(), "no back channel") {
				t.Errorf("got %v", err)
			}
			if r := cam.Asked("DESCRIBE")[0]; r.Get("Require") != backChannel {
				t.Errorf("Require is %q", r.Get("Require"))
			}
		})
	}
}
