package main

import (
	"bytes"
	"errors"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gbgate/bridge"
	"gbgate/cascade/rehearsal"
	"gbgate/cmd/gbgate/config"
	"gbgate/gb28181"
	"gbgate/gb28181/manscdp"
	"gbgate/rtsp/simcam"
)

// A camera that is known by its ONVIF address only is found, played, and moved from above.
func TestONVIFCameraIsPlayedAndMoved(t *testing.T) {
	cam := startCamera(t, simcam.Config{Username: "admin", Password: "p@ss:w/rd#1"})
	device, _ := startDevice(t, simcam.ONVIFConfig{StreamURL: cam.URL(), Username: "admin", Password: "p@ss:w/rd#1"})
	platform := startPlatform(t, rehearsal.Config{})
	lists := onvifTOML("dome", channelID, device.URL(), "admin", "p@ss:w/rd#1")
	nextKey := "[superior.compat]\nstart_from = \"next-idr\"\n"
	g := startGateway(t, 0, superiorTOML(platform, "", "udp")+nextKey+lists)
	n := node(t, platform)
	r, err := n.Play(t.Context(), rehearsal.PlayRequest{Channel: channelID, Transport: "udp", Pictures: 30})
	if err != nil || len(r.Faults) > 0 || r.Codec != "H.264" {
		t.Errorf("play: %+v %v", r, err)
	}
	// The camera is still pulled: the next viewer would wait for its key picture, which is asked for, unless the
	// first one had to wait, too, and it was asked for just now.
	r, err = n.Play(t.Context(), rehearsal.PlayRequest{Channel: channelID, Transport: "udp", Pictures: 1})
	if err != nil || device.Calls("SetSynchronizationPoint") == 0 {
		t.Errorf("second play: %+v %v, asked %d times for a key picture", r, err, device.Calls("SetSynchronizationPoint"))
	}
	ptz := func(code string) manscdp.DeviceControl { return manscdp.DeviceControl{PTZCmd: code} }
	point := gb28181.PTZCommand{Op: gb28181.PTZAddCruisePoint, Group: 1, Preset: 3}.Encode()
	cruise := gb28181.PTZCommand{Op: gb28181.PTZStartCruise, Group: 1}.Encode()
	wiper := gb28181.PTZCommand{Op: gb28181.PTZAuxOn, Switch: 1}.Encode()
	relay := gb28181.PTZCommand{Op: gb28181.PTZAuxOn, Switch: 7}.Encode()
	box := &manscdp.DragZoom{Length: 640, Width: 360, MidPointX: 400, MidPointY: 100, LengthX: 64, LengthY: 36}
	for _, c := range []struct {
		control manscdp.DeviceControl
		does    string
	}{
		{ptz("A50F0101FF0000B5"), "ContinuousMove"}, // right, full speed
		{ptz("A50F0100000000B5"), "Stop"},
		{ptz("A50F018100030039"), "SetPreset"},
		{ptz("A50F01820003003A"), "GotoPreset"},
		{manscdp.DeviceControl{DragZoomIn: box}, "RelativeMove"},
		{manscdp.DeviceControl{PTZPreciseCtrl: &manscdp.PTZPrecise{Pan: new(90.0)}}, "AbsoluteMove"},
		{ptz(wiper), "SendAuxiliaryCommand"},
		{ptz(relay), "SetRelayOutputState"},
		{ptz("A50F0141FF0000F5"), "Move"}, // focus far
		{ptz(point), ""},
		{ptz(cruise), "GotoPreset"},
	} {
		before := device.Calls(c.does)
		if _, err := n.Command(t.Context(), channelID, c.control); err != nil {
			t.Fatal(err)
		}
		if c.does != "" {
			waitFor(t, c.does, func() bool { return device.Calls(c.does) > before })
		}
	}
	if got, err := n.CruiseTracks(t.Context(), channelID); err != nil || len(got.Tracks) != 1 ||
		got.Tracks[0].Number != 1 {
		t.Errorf("cruise tracks %+v %v, want number 1", got, err)
	}
	if at, err := n.PTZPosition(t.Context(), channelID); err != nil || at.Pan == nil || at.Zoom == nil {
		t.Errorf("position %+v %v", at, err)
	}
	if got, err := n.Presets(t.Context(), channelID); err != nil || len(got.Presets) != 1 || got.Presets[0].ID != 3 {
		t.Errorf("presets %+v %v, want number 3", got, err)
	}
	looks, err := n.Subscribe(t.Context(), rehearsal.SubscribeRequest{
		Command: "PTZPosition", DeviceID: channelID, Event: "PTZPosition",
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, pan := range []float64{45, 90} {
		to := manscdp.DeviceControl{PTZPreciseCtrl: &manscdp.PTZPrecise{Pan: &pan}}
		if _, err := n.Command(t.Context(), channelID, to); err != nil {
			t.Fatal(err)
		}
		if _, err := looks.Wait(soon(t, time.Minute), i, func(note rehearsal.Notification) bool {
			at, ok := note.Message.(*manscdp.PTZPositionNotify)
			return ok && at.Pan != nil && math.Abs(*at.Pan-pan) < 1
		}); err != nil {
			t.Error(err)
		}
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
	if text, err := os.ReadFile(filepath.Join(filepath.Dir(g.config), "state", "tours", "dome.json")); err != nil {
		t.Errorf("the cruise is not kept: %s %v", text, err)
	}
}

// What `ptz = "auto"` means is found out from the camera, told upward, and known at once after a restart.
func TestFixedCameraIsFoundOut(t *testing.T) {
	t.Parallel()
	cam := startCamera(t, simcam.Config{})
	device, stopDevice := startDevice(t, simcam.ONVIFConfig{StreamURL: cam.URL(), Fixed: true})
	r := newRig(t, setup{rest: onvifTOML("bullet", channelID, device.URL(), "", "")})
	kind := func(r *rehearsal.Node) int {
		items, err := r.Catalog(t.Context())
		if err != nil || len(items) != 1 || items[0].Info == nil {
			return -1
		}
		return items[0].Info.PTZType
	}
	eventually(t, time.Minute, "the camera is fixed", func() bool { return kind(r.node) == manscdp.PTZFixed })
	relay := manscdp.DeviceControl{PTZCmd: gb28181.PTZCommand{Op: gb28181.PTZAuxOn, Switch: 7}.Encode()}
	if _, err := r.node.Command(t.Context(), channelID, relay); err != nil {
		t.Fatal(err)
	}
	eventually(t, time.Minute, "its relay output is switched", device.Relay)
	if code := r.gateway.terminate(t); code != exitGood {
		t.Errorf("exit %d", code)
	}
	stopDevice()
	again := start(t, program(t), "run", "-c", r.gateway.config)
	if got := kind(node(t, r.platform)); got != manscdp.PTZFixed {
		t.Errorf("after a restart with the camera off its PTZType is %d, want %d", got, manscdp.PTZFixed)
	}
	if code := again.terminate(t); code != exitGood {
		t.Errorf("exit %d", code)
	}
}

// onvifDevice is a camera of the name "dome" that is known by its ONVIF address alone.
func onvifDevice(t *testing.T, address string, channel int) (device, bridge.Camera) {
	t.Helper()
	c, password := config.DefaultCamera(), ""
	c.Name, c.ONVIF, c.ONVIFChannel, c.Password = "dome", address, channel, &password
	cfg := config.Default()
	cfg.Cameras, cfg.Gateway.StateDir = []config.Camera{c}, t.TempDir()
	all, err := devices(cfg, nil, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return all[c.Name], cameras(cfg, all, nil)[0]
}

// A camera that is known by its ONVIF address alone is swapped, and the other one has its stream elsewhere.
func TestStreamIsElsewhere(t *testing.T) {
	t.Parallel()
	live := startCamera(t, simcam.Config{}).URL()
	script := func(answer simcam.Answer) string {
		return startScripted(t, simcam.RTSPQuirk{Script: func(cam *simcam.Scripted) { cam.Answer = answer }}).URL()
	}
	for name, old := range map[string]string{
		"404":     strings.Replace(live, "/live", "/old", 1),
		"451":     script(simcam.Refuse("DESCRIBE", "451 Parameter Not Understood")),
		"hung up": script(simcam.AnswerTo("DESCRIBE", func(*simcam.ScriptedRequest) string { return "!" })),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first, _ := startDevice(t, simcam.ONVIFConfig{StreamURL: old, Serial: "A"})
			address, swap := swappable(t, first)
			_, cam := onvifDevice(t, address, 0)
			look := func() error { _, err := cam.Scout.Look(t.Context(), &craft{}); return err }
			if err := look(); err != nil {
				t.Fatal(err)
			}
			var kind bridge.Kinder
			if err := cam.Source.Check(t.Context()); !errors.As(err, &kind) || !kind.Strange() {
				t.Errorf("a stream that is gone: %v", err)
			}
			other, _ := startDevice(t, simcam.ONVIFConfig{StreamURL: live, Serial: "B"})
			swap(other)
			eventually(t, time.Minute, "the other one delivers", func() bool {
				return look() == nil && cam.Source.Check(t.Context()) == nil
			})
		})
	}
}

// One of a recorder's cameras dies, and the recorder drops it from its list: its channel does not become the next one.
func TestDeadChannelIsNoOther(t *testing.T) {
	t.Parallel()
	live := startCamera(t, simcam.Config{}).URL()
	old := strings.Replace(live, "/live", "/old", 1)
	recorder, _ := startDevice(t, simcam.ONVIFConfig{StreamURL: old, Serial: "A", Channels: 3})
	address, swap := swappable(t, recorder)
	d, cam := onvifDevice(t, address, 2)
	if err := d.head.SetPreset(t.Context(), 3, "gate"); err != nil {
		t.Fatal(err)
	}
	check := func(when string) {
		t.Helper()
		if err := cam.Source.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "404") {
			t.Errorf("%s: %v", when, err)
		}
	}
	made := craft{text: []byte(`"a cruise"`)}
	if _, err := cam.Scout.Look(t.Context(), &made); err != nil {
		t.Fatal(err)
	}
	check("its stream is gone")
	later, _ := startDevice(t, simcam.ONVIFConfig{StreamURL: live, Serial: "A", Channels: 2})
	swap(later)
	check("it is not listed any more")
	eventually(t, time.Minute, "it is looked at", func() bool {
		_, err := cam.Scout.Look(t.Context(), &made)
		return err == nil && later.Calls("GetDeviceInformation") > 0
	})
	check("it was looked at")
	kept, err := d.head.KeptPresets(t.Context())
	if err != nil || len(kept) != 1 || made.text == nil {
		t.Errorf("presets %v, %v, and %s", kept, err, made.text)
	}
	if n := later.Calls("GetProfiles") + later.Calls("GetServices"); n > 0 {
		t.Errorf("what all channels share was asked for again, %d times", n)
	}
}

// `ptz = "off"` is what installers set for fixed cameras, whose relay outputs are switched all the same.
func TestRelayOfACameraWithoutPTZ(t *testing.T) {
	device, _ := startDevice(t, simcam.ONVIFConfig{Fixed: true})
	c, password := config.DefaultCamera(), ""
	c.Name, c.ONVIF, c.PTZ, c.Password = "bullet", device.URL(), "off", &password
	cfg := config.Default()
	cfg.Cameras = []config.Camera{c}
	all, err := devices(cfg, nil, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	cam := cameras(cfg, all, nil)[0]
	if cam.PTZ != nil || cam.Switcher == nil {
		t.Fatalf("PTZ %v, switches %v", cam.PTZ, cam.Switcher)
	}
	if cam.Scout == nil {
		t.Error("nobody would notice that it was swapped and has its stream elsewhere")
	}
	if err := cam.Switcher.Switch(t.Context(), 7, true); err != nil || !device.Relay() {
		t.Errorf("%v, relay output %v", err, device.Relay())
	}
}

// What platforms have made of a camera follows it to another address, and not to another camera that gets its name.
func TestCruisesFollowTheirCamera(t *testing.T) {
	t.Parallel()
	cam := startCamera(t, simcam.Config{})
	at := func(serial string) string {
		device, _ := startDevice(t, simcam.ONVIFConfig{StreamURL: cam.URL(), Serial: serial})
		return device.URL()
	}
	first, moved, other := at("A"), at("A"), at("B")
	r := newRig(t, setup{rest: onvifTOML("dome", channelID, first, "", "")})
	file := filepath.Join(filepath.Dir(r.gateway.config), "state", "cameras", "dome.json")
	remembered := func(what string) func() bool {
		return func() bool {
			text, _ := os.ReadFile(file)
			return strings.Contains(string(text), what)
		}
	}
	eventually(t, time.Minute, "the camera is known", remembered(`"serial":"A"`))
	point := gb28181.PTZCommand{Op: gb28181.PTZAddCruisePoint, Group: 1, Preset: 3}.Encode()
	home := &manscdp.HomePosition{Enabled: 1, ResetTime: 3600, PresetIndex: new(3)}
	for _, c := range []manscdp.DeviceControl{{PTZCmd: point}, {HomePosition: home}} {
		if _, err := r.node.Command(t.Context(), channelID, c); err != nil {
			t.Fatal(err)
		}
	}
	made := func() (cruises int, home *manscdp.HomePosition) {
		tracks, err := r.node.CruiseTracks(t.Context(), channelID)
		if err != nil {
			return -1, nil
		}
		at, err := r.node.HomePosition(t.Context(), channelID)
		if err != nil {
			return -1, nil
		}
		return len(tracks.Tracks), at.HomePosition
	}
	eventually(t, time.Minute, "a cruise and a home position",
		func() bool { n, home := made(); return n == 1 && home != nil })
	r.reload(t, func(text string) string { return strings.Replace(text, first, moved, 1) })
	eventually(t, time.Minute, "the camera is found at its new address", remembered(moved))
	if n, home := made(); n != 1 || home == nil {
		t.Errorf("at its new address it has %d cruises and the home position %+v", n, home)
	}
	r.reload(t, func(text string) string { return strings.Replace(text, moved, other, 1) })
	eventually(t, time.Minute, "another camera has its name, and nothing of the first",
		func() bool { n, home := made(); return n == 0 && home == nil })
	r.reload(t, func(text string) string { return strings.Replace(text, other, moved, 1) })
	eventually(t, time.Minute, "the first has its own again",
		func() bool { n, home := made(); return n == 1 && home != nil })
}
