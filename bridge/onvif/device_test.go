package onvif_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"gbgate/bridge/onvif"
	"gbgate/rtsp/simcam"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	user     = "admin"
	password = "p@ss/w:rd#?%<&密"
)

// start runs a simulated device for the test.
func start(t *testing.T, cfg simcam.ONVIFConfig) *simcam.ONVIF {
	t.Helper()
	if cfg.StreamURL == "" {
		cfg.StreamURL = "rtsp://127.0.0.1:8554/live?channel=1&subtype=0"
	}
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
			t.Errorf("simulated device: %v", err)
		}
	})
	return d
}

func client(t *testing.T, d *simcam.ONVIF, cfg onvif.Config) *onvif.Client {
	t.Helper()
	cfg.Address = d.URL()
	c, err := onvif.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// account is the right one.
func account() onvif.Config { return onvif.Config{Username: user, Password: password} }

func kind(err error) onvif.Kind {
	var e *onvif.Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return 0
}

var simInfo = onvif.Info{
	Manufacturer: "gbgate", Model: "SIM-PTZ", Firmware: "1.0", Serial: "SIM0001", Hardware: "sim",
}

// Each way a device may want the password, and what it does to clocks and answers on the way.
func TestAuthentication(t *testing.T) {
	type quirks = simcam.ONVIFQuirks
	for name, cfg := range map[string]simcam.ONVIFConfig{
		"no password":         {},
		"token":               {Username: user, Password: password},
		"token, clock behind": {Username: user, Password: password, ClockSkew: -30 * 365 * 24 * time.Hour},
		"token, clock ahead":  {Username: user, Password: password, ClockSkew: 8 * time.Hour},
		"token, local time only": {
			Username: user, Password: password, ClockSkew: time.Hour, Quirks: quirks{NoUTCTime: true},
		},
		"token, 61 minutes": {Username: user, Password: password, Quirks: quirks{OverflowTime: true}},
		"token, time needs a password": {
			Username: user, Password: password, Quirks: quirks{TimeNeedsPassword: true},
		},
		"digest MD5":      {Username: user, Password: password, Digest: []string{"MD5"}},
		"digest SHA-256":  {Username: user, Password: password, Digest: []string{"SHA-256"}},
		"digest of both":  {Username: user, Password: password, Digest: []string{"MD5", "SHA-256"}},
		"digest one time": {Username: user, Password: password, Digest: []string{"MD5"}, Quirks: quirks{NonceOnce: true}},
	} {
		t.Run(name, func(t *testing.T) {
			c := client(t, start(t, cfg), account())
			for range 3 {
				got, err := c.Info(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(simInfo, got); diff != "" {
					t.Fatalf("info (-want +got):\n%s", diff)
				}
			}
		})
	}
}

// Platforms ask for every camera again and again; the camera itself is asked once, and after a restart.
func TestInfoIsKept(t *testing.T) {
	d := start(t, simcam.ONVIFConfig{Username: user, Password: password})
	c := client(t, d, account())
	ask := func(want int) {
		t.Helper()
		for range 3 {
			if got, err := c.Info(t.Context()); err != nil || got != simInfo {
				t.Errorf("got %+v, %v", got, err)
			}
		}
		if got := d.Calls("GetDeviceInformation"); got != want {
			t.Errorf("the camera was asked %d times, want %d", got, want)
		}
	}
	once := 2 // without the password, and with it
	ask(once)
	must(t, c.Reboot(t.Context()))
	ask(once + 1)
}

// A wrong password goes out twice at most, however many calls are made, also together.
func TestWrongPasswordRests(t *testing.T) {
	for name, digest := range map[string][]string{"token": nil, "digest": {"MD5", "SHA-256"}} {
		t.Run(name, func(t *testing.T) {
			d := start(t, simcam.ONVIFConfig{Username: user, Password: password, Digest: digest})
			c := client(t, d, onvif.Config{Username: user, Password: "wrong"})
			errs := make(chan error)
			for range 6 {
				go func() {
					_, err := c.Info(t.Context())
					errs <- err
				}()
			}
			kinds := make(map[onvif.Kind]int)
			for range 6 {
				kinds[kind(<-errs)]++
			}
			if kinds[onvif.NotAuthorized] == 0 || kinds[onvif.NotAuthorized]+kinds[onvif.Resting] != 6 {
				t.Errorf("errors by kind: %v, want refusals first and rest afterwards", kinds)
			}
			if got := d.Wrong(); got != 2 {
				t.Errorf("the wrong password was sent %d times, want 2", got)
			}
		})
	}
}

func TestPasswordIsTriedAgainAfterItsRest(t *testing.T) {
	d := start(t, simcam.ONVIFConfig{Username: user, Password: password})
	c := client(t, d, onvif.Config{Username: user, Password: "wrong", Rest: time.Millisecond})
	for range 3 {
		if _, err := c.Info(t.Context()); kind(err) != onvif.NotAuthorized {
			t.Fatalf("got %v, want a refusal", err)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func TestPasswordThatIsMissing(t *testing.T) {
	d := start(t, simcam.ONVIFConfig{Username: user, Password: password})
	_, err := client(t, d, onvif.Config{}).Info(t.Context())
	if got, want := kind(err), onvif.NotAuthorized; got != want {
		t.Errorf("got %v (%v), want %v", got, err, want)
	}
}

func TestClock(t *testing.T) {
	d := start(t, simcam.ONVIFConfig{ClockSkew: 90 * time.Minute})
	clock, err := client(t, d, onvif.Config{}).Clock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !clock.Known || (clock.Offset-90*time.Minute).Abs() > 3*time.Second {
		t.Errorf("clock is %+v, want 90 minutes ahead", clock)
	}
}

// Whatever a device gets wrong about its services, they are found.
func TestServices(t *testing.T) {
	want := []string{"device", "media", "media2", "PTZ", "imaging", "event", "device IO", "recording", "search", "replay"}
	recordings := []simcam.ONVIFRecording{{Token: "r1", Source: "vs1"}}
	for name, c := range map[string]struct {
		quirks simcam.ONVIFQuirks
		want   []string
	}{
		"plain":           {want: want},
		"wrong namespace": {simcam.ONVIFQuirks{WrongNamespaces: true}, want},
		"broken UTF-8":    {simcam.ONVIFQuirks{BrokenUTF8: true}, want},
		"behind NAT":      {simcam.ONVIFQuirks{Host: "192.0.2.99:8000"}, want},
		"on every host":   {simcam.ONVIFQuirks{Host: "0.0.0.0"}, want},
		"refuses actions": {simcam.ONVIFQuirks{RefusesAction: true}, want},
		"no GetServices": {
			simcam.ONVIFQuirks{NoGetServices: true},
			[]string{"device", "media", "PTZ", "imaging", "event", "device IO", "recording", "search", "replay"},
		},
		"few in GetServices": {
			simcam.ONVIFQuirks{FewServices: true},
			[]string{"device", "media", "PTZ", "imaging", "event", "device IO", "recording", "search", "replay"},
		},
		"no GetServices, hangs up": {
			simcam.ONVIFQuirks{NoGetServices: true, UnknownHangsUp: true},
			[]string{"device", "media", "PTZ", "imaging", "event", "device IO", "recording", "search", "replay"},
		},
		"no GetServices, no SOAP": {
			simcam.ONVIFQuirks{NoGetServices: true, UnknownIsText: true},
			[]string{"device", "media", "PTZ", "imaging", "event", "device IO", "recording", "search", "replay"},
		},
		"no GetServices, HTML": {
			simcam.ONVIFQuirks{NoGetServices: true, UnknownIsHTML: true},
			[]string{"device", "media", "PTZ", "imaging", "event", "device IO", "recording", "search", "replay"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := start(t, simcam.ONVIFConfig{Quirks: c.quirks, Recordings: recordings})
			got, err := client(t, d, onvif.Config{}).Services(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("services (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRelays(t *testing.T) {
	for name, q := range map[string]simcam.ONVIFQuirks{"device": {}, "device I/O": {RelaysInDeviceIO: true}} {
		t.Run(name, func(t *testing.T) {
			d := start(t, simcam.ONVIFConfig{Quirks: q})
			c := client(t, d, onvif.Config{})
			relays, err := c.Relays(t.Context())
			must(t, err)
			want := []onvif.Relay{{
				Token: "relay1", Mode: "Bistable", Delay: "PT0S", Idle: "open", DeviceIO: q.RelaysInDeviceIO,
			}}
			if diff := cmp.Diff(want, relays); diff != "" {
				t.Fatalf("relays (-want +got):\n%s", diff)
			}
			for _, active := range []bool{true, false} {
				must(t, c.SetRelay(t.Context(), relays[0], active))
				if d.Relay() != active {
					t.Errorf("relay is %v after SetRelay(%v)", d.Relay(), active)
				}
			}
			relays[0].Token = "relay9"
			if err := c.SetRelay(t.Context(), relays[0], true); kind(err) != onvif.InvalidArgs {
				t.Errorf("unknown relay: got %v, want invalid arguments", err)
			}
		})
	}
}

func TestInputsAndReboot(t *testing.T) {
	d := start(t, simcam.ONVIFConfig{})
	c := client(t, d, onvif.Config{})
	if inputs, err := c.Inputs(t.Context()); err != nil || len(inputs) != 1 || inputs[0] != "di1" {
		t.Errorf("inputs are %v, %v", inputs, err)
	}
	if err := c.Reboot(t.Context()); err != nil || d.Reboots() != 1 {
		t.Errorf("Reboot: %v, %d reboots", err, d.Reboots())
	}
}

// Answers that no honest device sends end in an error, soon and with little memory.
func TestHostileAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		quirks simcam.ONVIFQuirks
		want   onvif.Kind
	}{
		"endless": {simcam.ONVIFQuirks{Endless: true}, onvif.NotONVIF},
		"deep":    {simcam.ONVIFQuirks{Deep: true}, onvif.NotONVIF},
		"silent":  {simcam.ONVIFQuirks{Silent: true}, onvif.Unreachable},
	} {
		t.Run(name, func(t *testing.T) {
			d := start(t, simcam.ONVIFConfig{Quirks: c.quirks})
			_, err := client(t, d, onvif.Config{Timeout: 2 * time.Second}).Info(t.Context())
			if got := kind(err); got != c.want {
				t.Errorf("got %v (%v), want %v", got, err, c.want)
			}
		})
	}
}

func TestNobodyThere(t *testing.T) {
	c, err := onvif.New(onvif.Config{Address: "127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = c.Info(t.Context()); kind(err) != onvif.Refused {
		t.Errorf("got %v, want a refused connection", err)
	}
}

func TestAddresses(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.64":                         "http://192.0.2.64/onvif/device_service",
		"192.0.2.64:8000":                    "http://192.0.2.64:8000/onvif/device_service",
		"http://192.0.2.64/onvif/services":   "http://192.0.2.64/onvif/services",
		"https://u:secret@camera.local:8443": "https://camera.local:8443/onvif/device_service",
		"[2001:db8::1]:80":                   "http://[2001:db8::1]:80/onvif/device_service",
	} {
		c, err := onvif.New(onvif.Config{Address: in})
		if err != nil {
			t.Errorf("%s: %v", in, err)
		} else if got := c.Address(); got != want {
			t.Errorf("%s is %s, want %s", in, got, want)
		}
	}
	for _, in := range []string{"", "rtsp://192.0.2.64/", "http://", "http://%zz"} {
		if c, err := onvif.New(onvif.Config{Address: in}); err == nil {
			t.Errorf("%q is taken for %s", in, c.Address())
		}
	}
}
