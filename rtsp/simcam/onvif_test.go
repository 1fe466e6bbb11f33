package simcam_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gbgate/rtsp/simcam"
)

// startONVIF runs a device for the test.
func startONVIF(t *testing.T, cfg simcam.ONVIFConfig) *simcam.ONVIF {
	t.Helper()
	d, err := simcam.ListenONVIF(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return d
}

// A foreign client that insists on the schema can do all that the device offers.
func TestONVIFByZeep(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	d := startONVIF(t, simcam.ONVIFConfig{
		Username: "admin", Password: "p@ss<&>", Talk: true,
		StreamURL: "rtsp://127.0.0.1:8554/live", SubURL: "rtsp://127.0.0.1:8554/sub",
		// zeep dates a token when it is made and then uses it for a whole service.
		TokenWindow: time.Minute,
		Recordings: []simcam.ONVIFRecording{
			{Token: "r1", Source: "vs1", Spans: [][2]time.Time{{now.Add(-2 * time.Hour), now.Add(-time.Hour)}}},
		},
	})
	d.Raise("tns1:VideoSource/MotionAlarm", "Source", "vs1", "State", "true")
	// Debian's own Python: another one first in PATH has no zeep.
	cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", "testdata/onvif_zeep.py",
		"testdata/onvif_wsdl.tar.gz", d.URL(), "admin", "p@ss<&>")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("zeep (Debian: python3-zeep): %v\n%s", err, stderr.String())
	}
	var got, want any
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := json.Unmarshal([]byte(`{
		"hours": true, "model": "SIM-PTZ", "scopes": 6, "relays": ["relay1"],
		"services": ["device", "deviceIO", "events", "imaging", "media", "media", "ptz", "recording", "replay",
			"search"],
		"profiles": {"main": 1920, "sub": 640}, "stream": "rtsp://127.0.0.1:8554/live", "snapshot": true,
		"presets_allowed": 64, "configurations": ["ptz1"], "moving": "MOVING", "position": [0.5, 0.25, 0.5],
		"presets": {"preset_1": "gate"}, "tours": ["tour1"], "focus": 1, "iris": 0,
		"events": [["Initialized", "Source", "vs1", "State", "true"]],
		"controlled": ["r1", "vs1", "VIDEO001"], "track": "Video", "job": ["main", "Active"], "information": "Recording",
		"recordings": 1, "found": ["r1"], "changes": 2, "replay": "rtsp://127.0.0.1:8554/live"
	}`), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what zeep got (-want +got):\n%s", diff)
	}
	if pan, tilt, zoom := d.Position(); pan != 0 || tilt != 0 || zoom != 0 || d.Moving() {
		t.Errorf("the head is at %v %v %v, moving %v, want home", pan, tilt, zoom, d.Moving())
	}
	if n := d.Subscriptions() + d.Searches(); n != 0 {
		t.Errorf("%d subscriptions and searches are left", n)
	}
}

// The client that most Node.js programs use can do all that the device offers: found by WS-Discovery and let in by a
// token for a clock that is an hour behind, and by digest, without Media2.
func TestONVIFByNPM(t *testing.T) {
	loopback, err := net.InterfaceByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	for way, cfg := range map[string]simcam.ONVIFConfig{
		"token":  {ClockSkew: -time.Hour, Discovery: []net.Interface{*loopback}},
		"digest": {Digest: []string{"SHA-256", "MD5"}, Quirks: simcam.ONVIFQuirks{NoMedia2: true}},
	} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			now := time.Now().Truncate(time.Second)
			cfg.Username, cfg.Password = "admin", "p@ss<&>"
			cfg.StreamURL, cfg.SubURL = "rtsp://127.0.0.1:8554/live", "rtsp://127.0.0.1:8554/sub"
			cfg.Recordings = []simcam.ONVIFRecording{
				{Token: "r1", Source: "vs1", Spans: [][2]time.Time{{now.Add(-2 * time.Hour), now.Add(-time.Hour)}}},
			}
			got := useByNPM(t, startONVIF(t, cfg), way)
			var want map[string]any
			if err := json.Unmarshal([]byte(`{
				"profiles": ["main", "sub"], "source": ["vs1", 1920, "H264"], "model": "SIM-PTZ", "scopes": 6,
				"capabilities": ["PTZ", "device", "events", "extension", "imaging", "media"],
				"stream": "rtsp://127.0.0.1:8554/sub", "snapshot": true,
				"nodes": ["node1"], "configurations": ["ptz"],
				"there": true, "moving": "MOVING", "stopped": ["IDLE", 0.25, true],
				"back": true, "beside": true, "focus": 1, "iris": 3, "irisMax": 22,
				"recording": ["r1", "vs1", "VIDEO001"], "recordings": 1, "job": ["job_r1", "Active"],
				"replay": "rtsp://127.0.0.1:8554/live",
				"events": [
					["tns1:VideoSource/MotionAlarm", "Initialized", true], ["tns1:VideoSource/MotionAlarm", "Changed", false]
				]
			}`), &want); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("what npm's onvif got (-want +got):\n%s", diff)
			}
		})
	}
}

// useByNPM lets npm's client do everything with a device, which raises an event when it is listened to.
func useByNPM(t *testing.T, d *simcam.ONVIF, way string) map[string]any {
	t.Helper()
	const modules = "../../bin/tools/npm/node_modules"
	if _, err := os.Stat(modules + "/onvif"); err != nil {
		t.Fatalf("npm's onvif is missing; install it by packaging/tools/test-tools: %v", err)
	}
	path, err := filepath.Abs(modules)
	if err != nil {
		t.Fatal(err)
	}
	d.Raise("tns1:VideoSource/MotionAlarm", "Source", "vs1", "State", "true")
	cmd := exec.CommandContext(t.Context(), "node", "testdata/onvif_npm.js", d.URL(), "admin", "p@ss<&>", way)
	cmd.Env = append(os.Environ(), "NODE_PATH="+path)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	ended := make(chan error, 1)
	go func() { ended <- cmd.Run() }()
	for listening := false; ; {
		select {
		case err := <-ended:
			if err != nil {
				t.Fatalf("npm's onvif: %v\n%s", err, stderr.String())
			}
			var got map[string]any
			if err := json.Unmarshal(stdout.Bytes(), &got); err != nil {
				t.Fatalf("%v: %s", err, stdout.String())
			}
			if n := d.Subscriptions(); n != 0 {
				t.Errorf("%d subscriptions are left", n)
			}
			return got
		case <-time.After(20 * time.Millisecond):
		}
		if !listening && d.Calls("PullMessages") > 0 {
			listening = true
			d.Raise("tns1:VideoSource/MotionAlarm", "Source", "vs1", "State", "false")
		}
	}
}
