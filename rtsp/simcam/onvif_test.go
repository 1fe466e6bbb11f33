package simcam_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os/exec"
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
