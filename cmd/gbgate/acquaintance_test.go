package main

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gbgate/bridge/onvif"
	"gbgate/cmd/gbgate/config"
	"gbgate/rtsp/simcam"
)

func TestSameDevice(t *testing.T) {
	for _, c := range []struct {
		name     string
		was, now identity
		same     bool
	}{
		{"nothing has changed", identity{"a", "1", 0}, identity{"a", "1", 0}, true},
		{"it has another address", identity{"a", "1", 0}, identity{"b", "1", 0}, true},
		{"another one at its address", identity{"a", "1", 0}, identity{"a", "2", 0}, false},
		{"it tells no number, and never did", identity{"a", "", 0}, identity{"a", "", 0}, true},
		{"nor at another address", identity{"a", "", 0}, identity{"b", "", 0}, false},
		{"it tells its number now", identity{"a", "", 0}, identity{"a", "1", 0}, true},
		{"one without a number elsewhere", identity{"a", "1", 0}, identity{"b", "", 0}, false},
		{"another channel of the recorder", identity{"a", "1", 2}, identity{"a", "1", 3}, false},
		{"the first channel, by its number", identity{"a", "1", 0}, identity{"a", "1", 1}, true},
	} {
		if got := c.now.is(c.was); got != c.same {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// One camera's file goes from device to device; whoever is another one has its presets and all else forgotten.
func TestAnotherDeviceIsNoticed(t *testing.T) {
	dir := t.TempDir()
	file, presets := filepath.Join(dir, "dome.json"), presetFile(filepath.Join(dir, "presets.json"))
	failed := errors.New("disk full")
	for _, step := range []struct {
		name   string
		device simcam.ONVIFConfig
		disk   error // when it is to forget
		forgot bool
	}{
		{"a release before noted nothing of it", simcam.ONVIFConfig{Serial: "A"}, nil, false},
		{"the same", simcam.ONVIFConfig{Serial: "A"}, nil, false},
		{"its address is another", simcam.ONVIFConfig{Serial: "A", Listen: "127.0.0.2:0"}, nil, false},
		{"another, while the disk is full", simcam.ONVIFConfig{Serial: "B", Listen: "127.0.0.2:0"}, failed, true},
		{"another", simcam.ONVIFConfig{Serial: "B", Listen: "127.0.0.2:0"}, nil, true},
		{"it is known now", simcam.ONVIFConfig{Serial: "B", Listen: "127.0.0.2:0"}, nil, false},
		{"all zeros are no number", simcam.ONVIFConfig{Serial: "0000-00", Listen: "127.0.0.2:0"}, nil, false},
		{"but its address is", simcam.ONVIFConfig{Serial: "0000-00"}, nil, true},
	} {
		if step.name == "a release before noted nothing of it" {
			old := []byte(`{"onvif":"http://192.0.2.7/onvif/device_service","moves":true}`)
			if err := os.WriteFile(file, old, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := presets.Save([]onvif.Preset{{Number: 3, Token: "x"}}); err != nil {
			t.Fatal(err)
		}
		device, stop := startDevice(t, step.device)
		cam, err := onvif.NewCamera(onvif.CameraConfig{Config: onvif.Config{Address: device.URL()}, Presets: presets})
		if err != nil {
			t.Fatal(err)
		}
		a := newAcquaintance(config.Camera{Name: "dome", PTZ: "auto"}, cam, file, slog.New(slog.DiscardHandler))
		forgot := false
		_, err = a.Look(t.Context(), func() error { forgot = true; return step.disk })
		if forgot != step.forgot || !errors.Is(err, step.disk) {
			t.Errorf("%s: forgot %v, %v", step.name, forgot, err)
		}
		if kept, err := presets.Load(); err != nil || (len(kept) == 0) != step.forgot {
			t.Errorf("%s: presets %v, %v", step.name, kept, err)
		}
		stop()
	}
	if text, err := os.ReadFile(file); err != nil || !strings.Contains(string(text), `"device":{"host":"127.0.0.1"}`) {
		t.Errorf("in the end the file is %s (%v)", text, err)
	}
}
