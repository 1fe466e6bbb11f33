package main

import (
	"bytes"
	"strings"
	"testing"

	"gbgate/cascade/rehearsal"
	"gbgate/rtsp/simcam"
)

// A camera that is known by its ONVIF address only is found, played, and moved from above.
func TestONVIFCameraIsPlayedAndMoved(t *testing.T) {
	cam := startCamera(t, simcam.Config{Username: "admin", Password: "p@ss:w/rd#1"})
	device, err := simcam.ListenONVIF(simcam.ONVIFConfig{StreamURL: cam.URL(), Username: "admin", Password: "p@ss:w/rd#1"})
	if err != nil {
		t.Fatal(err)
	}
	background(t, device.Run)
	platform := startPlatform(t, rehearsal.Config{})
	lists := strings.Replace(cameraTOML("dome", channelID, "", "admin", "p@ss:w/rd#1"), `url = ""`, `onvif = "`+device.URL()+`"`, 1)
	nextKey := "[superior.compat]\nstart_from = \"next-idr\"\n"
	g := startGateway(t, 0, superiorTOML(platform, "", "udp")+nextKey+lists)
	n := node(t, platform)
	r, err := n.Play(t.Context(), rehearsal.PlayRequest{Channel: channelID, Transport: "udp", Pictures: 30})
	if err != nil || len(r.Faults) > 0 || r.Codec != "H.264" {
		t.Errorf("play: %+v %v", r, err)
	}
	// The camera is still pulled: the next viewer would wait for its key picture, which is asked for.
	r, err = n.Play(t.Context(), rehearsal.PlayRequest{Channel: channelID, Transport: "udp", Pictures: 1})
	if err != nil || device.Calls("SetSynchronizationPoint") != 1 {
		t.Errorf("second play: %+v %v, asked %d times for a key picture", r, err, device.Calls("SetSynchronizationPoint"))
	}
	for _, c := range []struct{ ptz, does string }{
		{"A50F0101FF0000B5", "ContinuousMove"}, // right, full speed
		{"A50F0100000000B5", "Stop"},
		{"A50F018100030039", "SetPreset"},
		{"A50F01820003003A", "GotoPreset"},
	} {
		before := device.Calls(c.does)
		if err := n.Control(t.Context(), channelID, c.ptz); err != nil {
			t.Fatal(err)
		}
		waitFor(t, c.does, func() bool { return device.Calls(c.does) > before })
	}
	if got, err := n.Presets(t.Context(), channelID); err != nil || len(got.Presets) != 1 || got.Presets[0].ID != 3 {
		t.Errorf("presets %+v %v, want number 3", got, err)
	}
	uploads, err := rehearsal.ListenUploads("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	background(t, uploads.Run)
	done, err := n.Snapshot(t.Context(), channelID, 2, uploads.URL())
	if err != nil || len(done.Files) != 2 || len(uploads.Got()) != 2 {
		t.Errorf("snapshot: %+v, %d uploads, %v", done, len(uploads.Got()), err)
	}
	for _, u := range uploads.Got() {
		if !bytes.Equal(u.Body, device.Picture()) {
			t.Errorf("%d bytes were uploaded that are not the camera's picture", len(u.Body))
		}
	}
	if code := g.terminate(t); code != exitGood {
		t.Errorf("exit %d", code)
	}
}
