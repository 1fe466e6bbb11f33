package main

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"gbgate/gb28181/manscdp"
	"gbgate/rtsp/simcam"
)

// Line 7 of the list, down to a camera: what the codes do there.

// dome is a rig with one ONVIF camera that turns.
type dome struct {
	*rig
	camera *simcam.ONVIF
	seen   int // commands of the camera that were looked at
}

func newDome(t *testing.T, s setup) *dome {
	t.Helper()
	cam := startCamera(t, simcam.Config{})
	device, _ := startDevice(t, simcam.ONVIFConfig{StreamURL: cam.URL()})
	s.rest += strings.Replace(cameraTOML("dome", channelID, "", "", ""), `url = ""`, `onvif = "`+device.URL()+`"`, 1)
	return &dome{rig: newRig(t, s), camera: device}
}

var fraction = regexp.MustCompile(`-?\d+\.\d+`)

// moved waits for the camera's next command about its head or lens, its numbers to two decimals.
func (d *dome) moved(t *testing.T, what string) string {
	t.Helper()
	var next string
	eventually(t, 20*time.Second, what, func() bool {
		all := d.camera.Commands()
		for d.seen < len(all) {
			next = all[d.seen]
			d.seen++
			if !strings.HasPrefix(next, "SetSynchronizationPoint") {
				return true
			}
		}
		return false
	})
	return fraction.ReplaceAllStringFunc(next, func(s string) string {
		f, _ := strconv.ParseFloat(s, 64)
		return strconv.FormatFloat(f, 'f', 2, 64)
	})
}

// order sends a PTZ code.
func (d *dome) order(t *testing.T, code string) {
	t.Helper()
	if _, err := d.node.Command(t.Context(), channelID, manscdp.DeviceControl{PTZCmd: code}); err != nil {
		t.Fatalf("%s: %v", code, err)
	}
}

func TestLine7Vectors(t *testing.T) {
	t.Parallel()
	overBoth(t, func(t *testing.T, transport string) {
		d := newDome(t, setup{transport: transport})
		for _, c := range []struct{ name, code, does string }{
			{"right", "A50F0101400000F6", "ContinuousMove pan=0.25 tilt=0"},
			{"left", "A50F0102400000F7", "ContinuousMove pan=-0.25 tilt=0"},
			{"stop", "A50F0100000000B5", "Stop"},
			{"down", "A50F0104002000D9", "ContinuousMove pan=0 tilt=-0.13"},
			{"up", "A50F0108002000DD", "ContinuousMove pan=0 tilt=0.13"},
			{"right and up", "A50F01094020001E", "ContinuousMove pan=0.25 tilt=0.13"},
			{"left and down", "A50F01064020001B", "ContinuousMove pan=-0.25 tilt=-0.13"},
			{"stop", "A50F0100000000B5", "Stop"},
			{"zoom in", "A50F011000005015", "ContinuousMove zoom=0.33"},
			{"stop", "A50F0100000000B5", "Stop"},
			{"zoom out", "A50F012000005025", "ContinuousMove zoom=-0.33"},
			{"stop", "A50F0100000000B5", "Stop"},
			{"left, up and zoom in at full speed", "A50F011AFFFFF0BD", "ContinuousMove pan=-1 tilt=1 zoom=1"},
			{"stop", "A50F0100000000B5", "Stop"},
			{"focus far", "A50F014130000026", "Move focus speed=0.19"},
			{"focus near", "A50F014230000027", "Move focus speed=-0.19"},
			{"lens stop", "A50F0140000000F5", "Stop focus"},
			{"iris open", "A50F014400300029", "SetImagingSettings iris="},
			{"iris close", "A50F01480030002D", "SetImagingSettings iris="},
			{"preset 3", "A50F018100030039", "SetPreset "},
			{"to preset 3", "A50F01820003003A", "GotoPreset "},
			{"to preset 3, as WVP", "A50F01820103003B", "GotoPreset "},
			{"no preset 3", "A50F01830003003B", "RemovePreset "},
			{"lower case", "a50f010a7d7d00b9", "ContinuousMove pan=-0.49 tilt=0.49"},
			{"with blanks", "A5 0F 01 00 00 00 00 B5", "Stop"},
			{"without a speed", "A50F0101000000B6", "ContinuousMove pan=0.05 tilt=0"},
			{"left and right at once, and up", "A50F010B40200020", "ContinuousMove pan=0 tilt=0.13"},
			{"all at once", "A50F013F7D7DD041", "Stop"},
			{"with a wrong checksum", "A50F0101400000FF", "ContinuousMove pan=0.25 tilt=0"},
			{"address 0", "A50F0000000000B4", "Stop"},
		} {
			d.order(t, c.code)
			got := d.moved(t, c.name)
			if whole := !strings.HasSuffix(c.does, " ") && !strings.HasSuffix(c.does, "="); whole && got != c.does ||
				!strings.HasPrefix(got, c.does) {
				t.Errorf("%s: the camera does %q, want %q", c.name, got, c.does)
			}
		}
		if d.camera.Moving() {
			t.Error("the camera still moves")
		}
		for _, code := range []string{
			"A50F01", "zz", "", strings.Repeat("A5", 100), "B50F0101400000F6", "A50F01820000003700",
		} {
			_, _ = d.node.Command(t.Context(), channelID, manscdp.DeviceControl{PTZCmd: code})
		}
		d.order(t, "A50F0100000000B5")
		if got := d.moved(t, "stop"); got != "Stop" {
			t.Errorf("what is no code makes the camera do %q", got)
		}
	})
}

// What a superior may not, or says with a wrong checksum where that counts, moves nothing.
func TestLine7NotCarriedOut(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ compat, code string }{
		"strict checksum": {"ptz_strict_checksum = true\n", "A50F0101400000FF"},
		"no PTZ right":    {"ptz = false\n", "A50F0101400000F6"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDome(t, setup{compat: c.compat})
			d.order(t, c.code)
			if _, err := d.node.DeviceInfo(t.Context(), channelID); err != nil {
				t.Error(err)
			}
			if all := d.camera.Commands(); len(all) > 0 {
				t.Errorf("the camera does %q", all)
			}
		})
	}
}

// A move whose stop never comes ends: by the watchdog, and at once when the superior is gone or the program ends.
func TestLine7NobodyStops(t *testing.T) {
	t.Parallel()
	const right = "A50F0101400000F6"
	together(t, map[string]func(*testing.T){
		"watchdog": func(t *testing.T) {
			d := newDome(t, setup{compat: "ptz_watchdog = \"1s\"\n"})
			d.order(t, right)
			if got := d.moved(t, "move") + ", " + d.moved(t, "stop"); got != "ContinuousMove pan=0.25 tilt=0, Stop" {
				t.Errorf("the camera does %q", got)
			}
		},
		"superior lost": func(t *testing.T) {
			d := newDome(t, setup{transport: "tcp", compat: "ptz_watchdog = \"0s\"\n"})
			d.order(t, right)
			d.moved(t, "move")
			if err := d.node.DropConnection(); err != nil {
				t.Fatal(err)
			}
			if got := d.moved(t, "stop"); got != "Stop" {
				t.Errorf("the camera does %q", got)
			}
		},
		"end of the program": func(t *testing.T) {
			d := newDome(t, setup{compat: "ptz_watchdog = \"0s\"\n"})
			d.order(t, right)
			d.moved(t, "move")
			if code := d.gateway.terminate(t); code != exitGood || d.camera.Moving() {
				t.Errorf("exit %d, and the camera moves: %v", code, d.camera.Moving())
			}
		},
	})
}
