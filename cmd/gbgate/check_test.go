package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gbgate/rtsp/simcam"
)

// A camera that is given by its ONVIF address alone, as discover writes it, is asked there for its stream; and what is
// wrong with that side is told where its URL is given, too.
func TestCheckAsksONVIF(t *testing.T) {
	t.Parallel()
	camera := startCamera(t, simcam.Config{Username: "admin", Password: "right"})
	device, _ := startDevice(t, simcam.ONVIFConfig{Username: "admin", Password: "right", StreamURL: camera.URL()})
	file := filepath.Join(t.TempDir(), "config.toml")
	block := func(n int, more, password string) string {
		return fmt.Sprintf("[[camera]]\nname = \"c%d\"\nid = \"3402010000132000000%d\"\nonvif = %q\n%s\n"+
			"username = \"admin\"\npassword = %q\n", n, n, device.URL(), more, password)
	}
	text := "[gateway]\nid = \"34020100002000000001\"\nstate_dir = \"" + t.TempDir() + "\"\n" +
		block(1, "", "right") + block(2, "", "wrong") + block(3, fmt.Sprintf("url = %q", camera.URL()), "other")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, complaints bytes.Buffer
	code := dispatch(t.Context(), env{&out, &complaints}, []string{"check", "-c", file, "--json"})
	var doc checkDoc
	if err := json.Unmarshal(out.Bytes(), &doc); err != nil || code != exitBad || len(doc.Cameras) != 3 {
		t.Fatalf("exit %d, %v: %s %s", code, err, out.String(), complaints.String())
	}
	if c := doc.Cameras[0]; c.Verdict != good || c.Codec != "H.264" {
		t.Errorf("by ONVIF: %+v", c)
	}
	for _, c := range doc.Cameras[1:] {
		if c.Verdict != bad || !strings.Contains(c.Reason, "ONVIF: ") || !strings.Contains(c.Reason, "password refused") {
			t.Errorf("with a wrong password: %+v", c)
		}
	}
	if got := device.Wrong(); got > 4 {
		t.Errorf("two wrong passwords went out %d times", got)
	}
}
