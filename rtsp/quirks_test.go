package rtsp

import (
	"strings"
	"testing"

	"gbgate/rtsp/simcam"
)

// TestReplyQuirks gives the client every odd reply a camera was seen to send; the stream must come nevertheless.
func TestReplyQuirks(t *testing.T) {
	quirks := append(simcam.ReplyQuirks(), simcam.RTSPQuirk{Name: "none", Script: func(*simcam.Scripted) {}})
	for _, quirk := range quirks {
		t.Run(quirk.Name, func(t *testing.T) {
			cam := newFakeCamera(t)
			quirk.Script(cam.Scripted)
			if err := cam.pull(Config{}); err != errEnough { //nolint:errorlint // the very cause
				t.Errorf("got %v, want %v", err, errEnough)
			}
			if got := len(cam.Asked("TEARDOWN")); got != 1 {
				t.Errorf("got %d TEARDOWN, want 1", got)
			}
			if plays := cam.Asked("PLAY"); len(plays) > 0 && plays[0].Get("Range") != "" {
				t.Errorf("first PLAY carries Range %q, want none", plays[0].Get("Range"))
			}
		})
	}
}

// TestStreamQuirks disturbs the running stream; the pictures must go on.
func TestStreamQuirks(t *testing.T) {
	for _, quirk := range simcam.StreamQuirks() {
		t.Run(quirk.Name, func(t *testing.T) {
			cam := newFakeCamera(t)
			quirk.Script(cam.Scripted)
			if err := cam.pull(Config{}); err != errEnough { //nolint:errorlint // the very cause
				t.Errorf("got %v, want %v", err, errEnough)
			}
		})
	}
}

func TestRequestURLs(t *testing.T) {
	cam := newFakeCamera(t)
	cam.Answer = func(_ *camConn, r *camRequest) string {
		if r.Method != "DESCRIBE" {
			return ""
		}
		sdp := strings.Replace(simcam.ScriptedSDP, "a=control:trackID=2", "a=control:rtsp://10.0.0.9:554/abs/2", 1)
		return simcam.ReplySDP(r, sdp)
	}
	path := "/cam/实时?channel=1&x=[1]%2f{a}"
	url := "rtsp://" + cam.Addr() + path
	if err := cam.pull(Config{URL: url}); err != errEnough { //nolint:errorlint // the very cause
		t.Fatal(err)
	}
	host := "rtsp://" + cam.Addr()
	want := map[string]string{
		"DESCRIBE": url, "SETUP": url + "/trackID=1", "PLAY": url, "TEARDOWN": url,
	}
	for method, u := range want {
		if got := cam.Asked(method)[0].URL; got != u {
			t.Errorf("%s %s, want %s", method, got, u)
		}
	}
	if got := cam.Asked("SETUP")[1].URL; got != host+"/abs/2" {
		t.Errorf("second SETUP %s, want %s", got, host+"/abs/2")
	}
}

func TestUserinfoNeverSent(t *testing.T) {
	cam := newFakeCamera(t)
	url := "rtsp://admin:p@ss/w:rd?#@" + cam.Addr() + "/live"
	if err := cam.pull(Config{URL: url}); err != errEnough { //nolint:errorlint // the very cause
		t.Fatal(err)
	}
	for _, r := range cam.Requests() {
		if strings.Contains(r.Text, "admin") {
			t.Errorf("user name in a request: %s", r.Text)
		}
	}
}
