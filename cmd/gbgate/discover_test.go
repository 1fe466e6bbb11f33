package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"

	"gbgate/bridge"
	"gbgate/bridge/idstore"
	"gbgate/bridge/onvif"
	"gbgate/bridge/ptz"
	"gbgate/cmd/gbgate/config"
	"gbgate/rtsp/simcam"
)

// What the bridge may ask of a camera that an ONVIF device stands behind.
var (
	_ ptz.Head           = (*onvif.Camera)(nil)
	_ ptz.Positioner     = (*onvif.Camera)(nil)
	_ bridge.Snapshotter = (*onvif.Camera)(nil)
	_ bridge.Rebooter    = (*onvif.Camera)(nil)
)

// simulatedSite runs simulated devices and tells where discovery finds them.
type simulatedSite struct {
	nic  net.Interface
	port int
}

func newSimulatedSite(t *testing.T) simulatedSite {
	t.Helper()
	nic, err := net.InterfaceByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.ListenPacket("udp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return simulatedSite{*nic, conn.LocalAddr().(*net.UDPAddr).Port}
}

func (s simulatedSite) options() discoverOptions {
	return discoverOptions{
		interfaces: []net.Interface{s.nic}, discoveryPort: s.port, wait: 2 * time.Second,
	}
}

func (s simulatedSite) device(t *testing.T, cfg simcam.ONVIFConfig) *simcam.ONVIF {
	t.Helper()
	cfg.Discovery, cfg.DiscoveryPort = []net.Interface{s.nic}, s.port
	d, _ := startDevice(t, cfg)
	return d
}

// A site with what sites have: a good camera, one that anybody may look at, one with a wrong clock and
// the password it was shipped with, one that is configured already, and one without ONVIF.
func TestDiscoverSite(t *testing.T) {
	s := newSimulatedSite(t)
	s.device(t, simcam.ONVIFConfig{Name: "Hikvision", Model: "DS-2CD 1", Username: "admin", Password: "S3cret!!"})
	s.device(t, simcam.ONVIFConfig{Name: "open", Model: "M2"})
	shipped := s.device(t, simcam.ONVIFConfig{
		Name: "dahua", Model: `M"3\`, Username: "admin", Password: "12345",
		Digest: []string{"MD5"}, ClockSkew: -8 * time.Hour,
	})
	silent := startCamera(t, simcam.Config{})

	opt := s.options()
	opt.factory, opt.scan = true, true
	opt.networks = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	opt.rtspPorts = []uint16{silent.Addr().Port(), freeTCPPort(t)}
	store := &idstore.Store{}
	for n := range 3 {
		store.Add([]idstore.Code{{Code: fmt.Sprintf("3402010000132000000%d", n+1)}})
	}
	doc := discover(t.Context(), opt, knownSiteConfig{config.Default(), store})
	if doc.Verdict != good || len(doc.Cameras) != 3 {
		t.Fatalf("verdict %q (%s), %d cameras: %+v", doc.Verdict, doc.Reason, len(doc.Cameras), doc.Cameras)
	}
	names := make(map[string]bool)
	codes := make(map[string]bool)
	for _, f := range doc.Cameras {
		names[f.Name], codes[f.Code] = true, true
		got := []any{f.Brand, f.Open, f.Factory, f.Verdict}
		var want []any
		switch {
		case strings.HasPrefix(f.Model, "DS"):
			want = []any{"Hikvision", false, false, good}
		case f.Model == "M2":
			want = []any{"open", true, false, bad}
		default:
			want = []any{"Dahua", false, true, bad}
			if !strings.Contains(f.Reason, "clock is off by -8h") || !strings.Contains(f.Reason, "shipped with") {
				t.Errorf("%s: reason is %q", f.Model, f.Reason)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: brand, open, factory, verdict (-want +got):\n%s", f.Model, diff)
		}
		if f.Host != "127.0.0.1" || f.RTSP == "" && f.Model == doc.Cameras[0].Model {
			t.Errorf("%s: host %q, RTSP %q", f.Model, f.Host, f.RTSP)
		}
	}
	if len(names) != 3 || len(codes) != 3 || codes[""] {
		t.Errorf("names %v, codes %v: want three of each", names, codes)
	}
	if got := shipped.Wrong(); got > 2 {
		t.Errorf("%d passwords were tried, want at most two", got)
	}

	var out, complaints bytes.Buffer
	e := env{&out, &complaints}
	e.printCameras(doc)
	var file struct{ Camera []config.Camera }
	if _, err := toml.Decode(out.String(), &file); err != nil || len(file.Camera) != 3 {
		t.Fatalf("%d blocks, %v:\n%s", len(file.Camera), err, out.String())
	}
	for _, c := range file.Camera {
		if c.ID == "" || c.ONVIF == "" || c.Name == "" {
			t.Errorf("block %+v lacks something", c)
		}
	}
	out.Reset()
	e.printFound(doc)
	if got := strings.Count(out.String(), "\n"); got != 4 {
		t.Errorf("table has %d lines, want 4:\n%s", got, out.String())
	}
}

func freeTCPPort(t *testing.T) uint16 {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).AddrPort().Port()
}

// What is in the configuration is not offered again.
func TestDiscoverKnowsTheConfiguration(t *testing.T) {
	cfg := config.Default()
	cfg.Cameras = []config.Camera{
		{Name: "east", URL: "rtsp://192.0.2.64:554/x"}, {Name: "cam_192_0_2_65", ONVIF: "http://192.0.2.66/"},
	}
	found := []foundDoc{
		{Host: "192.0.2.64", hosts: []string{"192.0.2.64"}, ONVIF: "http://192.0.2.64/"},
		{Host: "192.0.2.65", hosts: []string{"192.0.2.65"}, RTSP: "rtsp://192.0.2.65:554/", Brand: "Dahua"},
		{Host: "10.0.0.1", hosts: []string{"10.0.0.1", "192.0.2.66"}},
	}
	knownSiteConfig{cfg, &idstore.Store{}}.mark(found)
	var got []string
	for _, f := range found {
		got = append(got, f.Name+" "+f.Configured)
	}
	if diff := cmp.Diff([]string{"east east", "cam_192_0_2_65_2 ", "cam_192_0_2_65 cam_192_0_2_65"}, got); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	want := `url = "rtsp://192.0.2.65:554/cam/realmonitor?channel=1&subtype=0"`
	if got := found[1].block(); !strings.Contains(got, want) {
		t.Errorf("block lacks %s:\n%s", want, got)
	}
}

func TestHostsOf(t *testing.T) {
	for network, want := range map[string]int{
		"192.0.2.0/30": 2, "192.0.2.9/32": 1, "10.0.0.0/8": maxScan, "198.51.100.0/24": 254,
	} {
		if got := len(hostsOf([]netip.Prefix{netip.MustParsePrefix(network)})); got > want || got < want-1 {
			t.Errorf("%s has %d hosts to knock on, want %d (or one less: our own)", network, got, want)
		}
	}
}

func TestDiscoverCommandRefuses(t *testing.T) {
	dir := t.TempDir()
	for _, args := range [][]string{
		{"discover", "--net", "fe80::/64"},
		{"discover", "--net", "x"},
		{"discover", "extra"},
		{"discover", "--password-file", filepath.Join(dir, "none")},
		{"discover", "-c", filepath.Join(dir, "none.toml")},
		{"probe"},
		{"probe", "camera"},
		{"probe", "superior", "x"},
		{"probe", "camera", "ftp://x"},
		{"probe", "camera", "a", "b"},
	} {
		var out, complaints bytes.Buffer
		code := dispatch(t.Context(), env{&out, &complaints}, args)
		if code != exitUsage || out.Len() > 0 || complaints.Len() == 0 {
			t.Errorf("%v: exit %d, stdout %q, stderr %q", args, code, out.String(), complaints.String())
		}
	}
}

func probeCamera(t *testing.T, want int, args ...string) probeDoc {
	t.Helper()
	var out, complaints bytes.Buffer
	code := dispatch(t.Context(), env{&out, &complaints}, append([]string{"probe", "camera", "--json"}, args...))
	var doc probeDoc
	if err := json.Unmarshal(out.Bytes(), &doc); err != nil {
		t.Fatalf("%v: %s %s", err, out.String(), complaints.String())
	}
	if code != want {
		t.Errorf("probe %v: exit %d, want %d: %s", args, code, want, complaints.String())
	}
	return doc
}

func secretFile(t *testing.T, password string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// A camera is looked at from its ONVIF address down to its pictures.
func TestProbeCamera(t *testing.T) {
	t.Parallel()
	const password = "p@ss:w/rd#1"
	camera := startCamera(t, simcam.Config{Username: "admin", Password: password, Talk: true})
	device, _ := startDevice(t, simcam.ONVIFConfig{
		Username: "admin", Password: password, StreamURL: camera.URL(), ClockSkew: time.Hour, Talk: true,
		Recordings: []simcam.ONVIFRecording{
			{Token: "r1", Source: "vs1", Spans: [][2]time.Time{{time.Now().Add(-time.Hour), time.Now()}}},
		},
		Quirks: simcam.ONVIFQuirks{Host: "192.0.2.99", UserinfoInURI: true},
	})
	doc := probeCamera(t, exitGood, device.URL(), "--user", "admin", "--password-file", secretFile(t, password))
	o := doc.ONVIF
	if o == nil || !o.PTZ || !o.Talk || !o.Snapshot || o.Presets != 64 || o.Model != "SIM-PTZ" {
		t.Errorf("ONVIF: %+v", o)
	}
	if len(doc.Streams) != 1 {
		t.Fatalf("streams: %+v", doc.Streams)
	}
	s, clip := doc.Streams[0], camera.Clip()
	if s.URL != camera.URL() || s.Codec != "H.264" || s.Width != clip.Video.Width || s.Height != clip.Video.Height ||
		s.GOP != clip.GOP || s.Audio != "G.711A" || s.BackChannel != "G.711U" {
		t.Errorf("stream: %+v", s)
	}
	if n := len(doc.Fixes); n < 2 || !strings.Contains(doc.Fixes[0], "clock") ||
		!strings.Contains(doc.Fixes[n-1], "replay") {
		t.Errorf("fixes %q: want the clock first, the recordings last", doc.Fixes)
	}
}

func TestProbeStream(t *testing.T) {
	t.Parallel()
	camera := startCamera(t, simcam.Config{Clip: simcam.H265AAC})
	doc := probeCamera(t, exitGood, camera.URL())
	if len(doc.Streams) != 1 || doc.Streams[0].Codec != "H.265" || doc.Streams[0].Audio != "AAC" ||
		doc.Streams[0].BackChannel != "" || doc.ONVIF != nil {
		t.Errorf("document: %+v", doc)
	}
}

// A camera that is still busy with the question what it has is asked for pictures once more.
func TestProbeOfCameraWithOneSession(t *testing.T) {
	t.Parallel()
	cam := startScripted(t, simcam.RTSPQuirk{Name: "one session", Script: func(cam *simcam.Scripted) {
		cam.Answer = func(c *simcam.ScriptedConn, r *simcam.ScriptedRequest) string {
			if c.Number == 1 && r.Method == "DESCRIBE" {
				return simcam.Reply(r, "503 Service Unavailable")
			}
			return ""
		}
	}})
	doc := probeCamera(t, exitGood, cam.URL())
	if len(doc.Streams) != 1 || doc.Streams[0].Codec != "H.264" || doc.Streams[0].Width != 640 {
		t.Errorf("document: %+v", doc)
	}
}

// A wrong password goes out twice at most, to both sides of the camera together.
func TestProbeWithWrongPassword(t *testing.T) {
	camera := startCamera(t, simcam.Config{Username: "admin", Password: "right"})
	device, _ := startDevice(t, simcam.ONVIFConfig{Username: "admin", Password: "right", StreamURL: camera.URL()})
	doc := probeCamera(t, exitBad, device.URL(), "--user", "admin", "--password-file", secretFile(t, "wrong"))
	if !strings.Contains(doc.Reason, "password refused") || len(doc.Streams) != 0 {
		t.Errorf("document: %+v", doc)
	}
	if got := device.Wrong(); got == 0 || got > 2 {
		t.Errorf("the wrong password was sent %d times, want one or two", got)
	}
	if got := camera.Opened(); got != 0 {
		t.Errorf("%d RTSP sessions were opened", got)
	}
	doc = probeCamera(t, exitBad, camera.URL(), "--user", "admin", "--password-file", secretFile(t, "wrong"))
	if len(doc.Fixes) == 0 {
		t.Errorf("no advice: %+v", doc)
	}
}

// Who gives a URL of another maker's is told how to find the right one.
func TestProbeWithWrongPath(t *testing.T) {
	camera := startCamera(t, simcam.Config{})
	doc := probeCamera(t, exitBad, "rtsp://"+camera.Addr().String()+"/Streaming/Channels/101")
	want := "gbgate probe camera " + camera.Addr().String() + ","
	if !strings.Contains(doc.Reason, "no such stream") || len(doc.Fixes) != 1 || !strings.Contains(doc.Fixes[0], want) {
		t.Errorf("document: %+v, want a fix with %q", doc, want)
	}
}

func TestProbeNothing(t *testing.T) {
	doc := probeCamera(t, exitBad, fmt.Sprintf("127.0.0.1:%d", freeTCPPort(t)))
	if doc.Verdict != bad || !strings.Contains(doc.Reason, "refused") {
		t.Errorf("document: %+v", doc)
	}
}

// What a device calls itself is shown, and does nothing to the terminal or to the lines of a table.
func TestDiscoverPrintsNothingThatATerminalObeys(t *testing.T) {
	var out bytes.Buffer
	env{&out, &out}.printFound(discoverDoc{Cameras: []foundDoc{{
		Host: "192.0.2.1", Brand: "东门\x1b[2J", Model: "a\tb\nc", Reason: "Fault: \x9b31m\u202e",
	}}})
	if got := out.String(); strings.ContainsAny(got, "\x1b\u009b\u202e\t") || strings.Count(got, "\n") != 2 ||
		!strings.Contains(got, "东门") {
		t.Errorf("printed %q", got)
	}
}

// Nobody tries every usual address of a host where no port answers, or asks for ONVIF where RTSP is.
func TestProbeFindsTheDoor(t *testing.T) {
	t.Parallel()
	camera := startCamera(t, simcam.Config{Username: "admin", Password: "x"})
	doc := probeCamera(t, exitBad, camera.Addr().String())
	if doc.ONVIF != nil || len(doc.Streams) != 1 || !strings.Contains(doc.Reason, "none is configured") ||
		len(doc.Fixes) != 1 || !strings.Contains(doc.Fixes[0], "--password-file") {
		t.Errorf("RTSP at an unusual port: %+v", doc)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			_ = c.Close()
		}
	}()
	defer l.Close()
	doc = probeCamera(t, exitBad, l.Addr().String())
	if !strings.Contains(doc.Reason, "neither ONVIF nor RTSP") {
		t.Errorf("something else: %+v", doc)
	}
	doc = probeCamera(t, exitBad, "nobody.invalid")
	if !strings.Contains(doc.Reason, "nobody knows a host of that name") {
		t.Errorf("no such name: %+v", doc)
	}
}

func TestProbeAim(t *testing.T) {
	for in, want := range map[string]prober{
		"192.0.2.64": {host: "192.0.2.64", name: "192.0.2.64"},
		"rtsp://admin:p@ss/w@192.0.2.64:554/a?x=%20": {
			url: "rtsp://admin:p@ss/w@192.0.2.64:554/a?x=%20", name: "rtsp://192.0.2.64:554/a?x=%20",
		},
		"http://u:p@192.0.2.64/onvif/device_service": {
			user: "u", password: "p", onvif: "http://192.0.2.64/onvif/device_service",
			name: "http://192.0.2.64/onvif/device_service",
		},
	} {
		var got prober
		if err := got.aim(in); err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		got.tcpPorts, got.rtspPorts = nil, nil
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(prober{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", in, diff)
		}
	}
}
