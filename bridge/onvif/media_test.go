package onvif_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gbgate/bridge/onvif"
	"gbgate/rtsp/simcam"
)

const subURL = "rtsp://127.0.0.1:8554/live?channel=1&subtype=1"

// What is read of a profile, from either service.
func TestProfiles(t *testing.T) {
	main := onvif.Profile{
		Token: "main", Name: "mainStream", Source: "vs1", SourceConfig: "vsc1", PTZ: "ptz1", Node: "node1", Talk: true,
		PTZTimeout: time.Minute,
		Video: onvif.Video{
			Token: "ve_main", Codec: "H265", Width: 1920, Height: 1080, FPS: 25, BitrateKbps: 4096, GOP: 50,
		},
		Audio: onvif.Audio{Codec: "PCMA", BitrateKbps: 64, SampleRate: 8000},
	}
	sub := main
	sub.Token, sub.Name = "sub", "subStream"
	sub.Video = onvif.Video{Token: "ve_sub", Codec: "H264", Width: 640, Height: 360, FPS: 25, BitrateKbps: 512, GOP: 50}

	first := main // Media1 has no word for H.265
	first.Video.Codec, first.Audio.Codec = "H264", "G711"
	firstSub := sub
	firstSub.Audio.Codec = "G711"
	fixed := main
	fixed.PTZ, fixed.Node, fixed.PTZTimeout = "", "", 0
	fixedSub := sub
	fixedSub.PTZ, fixedSub.Node, fixedSub.PTZTimeout = "", "", 0

	type quirks = simcam.ONVIFQuirks
	for name, c := range map[string]struct {
		cfg  simcam.ONVIFConfig
		want []onvif.Profile
	}{
		"media2":           {simcam.ONVIFConfig{}, []onvif.Profile{main, sub}},
		"media1":           {simcam.ONVIFConfig{Quirks: quirks{NoMedia2: true}}, []onvif.Profile{first, firstSub}},
		"fixed":            {simcam.ONVIFConfig{Fixed: true}, []onvif.Profile{fixed, fixedSub}},
		"wrong namespaces": {simcam.ONVIFConfig{Quirks: quirks{WrongNamespaces: true}}, []onvif.Profile{main, sub}},
		"no types":         {simcam.ONVIFConfig{Quirks: quirks{NoProfileTypes: true}}, []onvif.Profile{main, sub}},
		"another order":    {simcam.ONVIFConfig{Quirks: quirks{Disorder: true}}, []onvif.Profile{main, sub}},
		"media1, another order": {
			simcam.ONVIFConfig{Quirks: quirks{NoMedia2: true, Disorder: true}}, []onvif.Profile{first, firstSub},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c.cfg.Codec, c.cfg.SubURL, c.cfg.Talk = "H265", subURL, true
			got, err := client(t, start(t, c.cfg), onvif.Config{}).Profiles(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got, cmpopts.IgnoreUnexported(onvif.Profile{})); diff != "" {
				t.Errorf("profiles (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBest(t *testing.T) {
	p := func(token, source, codec string, width, height int) onvif.Profile {
		return onvif.Profile{Token: token, Source: source, Video: onvif.Video{Codec: codec, Width: width, Height: height}}
	}
	profiles := []onvif.Profile{
		p("jpeg", "a", "JPEG", 4000, 3000), p("tiny", "a", "H264", 176, 144), p("sub", "a", "H264", 640, 360),
		p("main", "a", "H265", 2560, 1440), p("other", "b", "H264", 3840, 2160), p("only jpeg", "c", "JPEG", 640, 480),
	}
	for source, want := range map[string][2]string{
		"a": {"main", "sub"}, "b": {"other", ""}, "c": {"only jpeg", ""}, "": {"other", "sub"}, "d": {"", ""},
	} {
		main, sub := onvif.Best(profiles, source)
		if got := [2]string{main.Token, sub.Token}; got != want {
			t.Errorf("best of %q is %v, want %v", source, got, want)
		}
	}
	if diff := cmp.Diff([]string{"a", "b", "c"}, onvif.Sources(profiles)); diff != "" {
		t.Errorf("sources (-want +got):\n%s", diff)
	}
}

// Addresses that the device reports are those that can be reached, without accounts inside.
func TestStreamURI(t *testing.T) {
	const url = "rtsp://127.0.0.1:8554/live?channel=1&subtype=0"
	for name, c := range map[string]struct {
		quirks simcam.ONVIFQuirks
		trust  bool
		want   string
	}{
		"plain":              {want: url},
		"media1":             {quirks: simcam.ONVIFQuirks{NoMedia2: true}, want: url},
		"behind NAT":         {quirks: simcam.ONVIFQuirks{Host: "192.0.2.99:8000"}, want: url},
		"account inside":     {quirks: simcam.ONVIFQuirks{UserinfoInURI: true}, want: url},
		"trusted":            {quirks: simcam.ONVIFQuirks{UserinfoInURI: true}, trust: true, want: url},
		"trusted, but no IP": {quirks: simcam.ONVIFQuirks{Host: "0.0.0.0"}, trust: true, want: url},
	} {
		t.Run(name, func(t *testing.T) {
			d := start(t, simcam.ONVIFConfig{StreamURL: url, Quirks: c.quirks})
			cl := client(t, d, onvif.Config{TrustAddresses: c.trust})
			profiles, err := cl.Profiles(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got, err := cl.StreamURI(t.Context(), profiles[0])
			if err != nil || got != c.want {
				t.Errorf("got %q, %v; want %q", got, err, c.want)
			}
		})
	}
}

func TestSnapshot(t *testing.T) {
	for name, cfg := range map[string]simcam.ONVIFConfig{
		"open":       {},
		"digest":     {Username: user, Password: password, Digest: []string{"SHA-256"}},
		"token":      {Username: user, Password: password},
		"basic":      {Username: user, Password: password, Quirks: simcam.ONVIFQuirks{SnapshotBasic: true}},
		"behind NAT": {Quirks: simcam.ONVIFQuirks{Host: "192.0.2.99"}},
		"no host":    {Quirks: simcam.ONVIFQuirks{SnapshotNoHost: true}},
	} {
		t.Run(name, func(t *testing.T) {
			d := start(t, cfg)
			got, err := camera(t, d, onvif.CameraConfig{}).Snapshot(t.Context())
			if err != nil || !bytes.Equal(got, d.Picture()) {
				t.Errorf("got %d bytes, %v; want the picture of %d", len(got), err, len(d.Picture()))
			}
		})
	}
}

func TestSnapshotWithWrongPasswordIsTriedTwice(t *testing.T) {
	d := start(t, simcam.ONVIFConfig{Username: user, Password: password, Digest: []string{"MD5"}})
	c := client(t, d, onvif.Config{Username: user, Password: "wrong"})
	for range 4 {
		if _, err := c.Snapshot(t.Context(), onvif.Profile{Token: "main"}); err == nil {
			t.Fatal("a picture for a wrong password")
		}
	}
	if got := d.Wrong(); got > 2 {
		t.Errorf("the wrong password was sent %d times, want at most 2", got)
	}
}

// A key picture is asked for once in two seconds, and not at all where the device cannot.
func TestRequestKeyFrame(t *testing.T) {
	d := start(t, simcam.ONVIFConfig{})
	c := camera(t, d, onvif.CameraConfig{})
	for range 5 {
		if err := c.RequestKeyFrame(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"SetSynchronizationPoint main"}, d.Commands()); diff != "" {
		t.Errorf("commands (-want +got):\n%s", diff)
	}
	without := camera(t, start(t, simcam.ONVIFConfig{Quirks: simcam.ONVIFQuirks{NoSyncPoint: true}}), onvif.CameraConfig{})
	if err := without.RequestKeyFrame(t.Context()); kind(err) != onvif.ActionNotSupported {
		t.Errorf("got %v, want not supported", err)
	}
}

// No error shows the password.
func TestErrorsHoldNoSecret(t *testing.T) {
	c, err := onvif.New(onvif.Config{
		Address: "http://admin:topsecret@127.0.0.1:1/", Username: "admin", Password: "topsecret",
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Info(t.Context()); err == nil || strings.Contains(err.Error(), "topsecret") {
		t.Errorf("got %v", err)
	}
}
