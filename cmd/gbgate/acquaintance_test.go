package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

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

// craft is what superiors have made of a camera; its disk may be full.
type craft struct {
	text []byte
	disk error
}

func (c *craft) Read() ([]byte, error) { return c.text, nil }

func (c *craft) Replace(text []byte) error {
	if c.disk == nil {
		c.text = text
	}
	return c.disk
}

// meeting is one camera's name in one state_dir, which devices get one after the other.
type meeting struct {
	file    string
	presets presetFile
	craft
}

// meet has a device looked at, by a gateway that was just started.
func (m *meeting) meet(t *testing.T, device simcam.ONVIFConfig) (*acquaintance, error) {
	t.Helper()
	d, stop := startDevice(t, device)
	defer stop()
	cam, err := onvif.NewCamera(onvif.CameraConfig{Config: onvif.Config{Address: d.URL()}, Presets: m.presets})
	if err != nil {
		t.Fatal(err)
	}
	a := m.acquaintance(cam)
	_, err = a.Look(t.Context(), &m.craft)
	return a, err
}

// acquaintance is what a gateway that was just started has of a camera.
func (m *meeting) acquaintance(cam *onvif.Camera) *acquaintance {
	c := config.Camera{Name: "dome", PTZ: "auto"}
	return newAcquaintance(c, &source{onvif: cam}, m.file, slog.New(slog.DiscardHandler))
}

// make has superiors make something, whose name is mark, of the device.
func (m *meeting) make(t *testing.T, mark string) {
	t.Helper()
	if err := m.presets.Save([]onvif.Preset{{Number: 3, Token: mark}}); err != nil {
		t.Fatal(err)
	}
	m.text = []byte(strconv.Quote(mark))
}

// made is the mark of what is in place; "" = nothing is.
func (m *meeting) made(t *testing.T) string {
	t.Helper()
	kept, err := m.presets.Load()
	if err != nil {
		t.Fatal(err)
	}
	if len(kept) == 0 && m.text == nil {
		return ""
	}
	if len(kept) != 1 || strconv.Quote(kept[0].Token) != string(m.text) {
		t.Errorf("presets %v beside %s", kept, m.text)
	}
	return strings.Trim(string(m.text), `"`)
}

func newMeeting(t *testing.T) *meeting {
	dir := t.TempDir()
	return &meeting{file: filepath.Join(dir, "dome.json"), presets: presetFile(filepath.Join(dir, "presets.json"))}
}

// One camera's name goes from device to device; each has what was made of it, and nothing of another's.
func TestAnotherDeviceIsNoticed(t *testing.T) {
	m, failed := newMeeting(t), errors.New("disk full")
	old := []byte(`{"onvif":"http://192.0.2.7/onvif/device_service","moves":true}`)
	if err := os.WriteFile(m.file, old, 0o600); err != nil {
		t.Fatal(err)
	}
	m.make(t, "A's")
	elsewhere := func(serial string) simcam.ONVIFConfig {
		return simcam.ONVIFConfig{Serial: serial, Listen: "127.0.0.2:0"}
	}
	for _, step := range []struct {
		name   string
		device simcam.ONVIFConfig
		disk   error
		want   string // is in place then
		make   string // by superiors, afterwards
	}{
		{"a release before noted nothing of it", simcam.ONVIFConfig{Serial: "A"}, nil, "A's", ""},
		{"the same", simcam.ONVIFConfig{Serial: "A"}, nil, "A's", ""},
		{"its address is another", elsewhere("A"), nil, "A's", ""},
		{"another, while the disk is full", elsewhere("B"), failed, "", ""},
		{"another", elsewhere("B"), nil, "", "B's"},
		{"it is known now", elsewhere("B"), nil, "B's", ""},
		{"all zeros are no number", elsewhere("0000-00"), nil, "B's", ""},
		{"but its address is", simcam.ONVIFConfig{Serial: "0000-00"}, nil, "", ""},
		{"a third", simcam.ONVIFConfig{Serial: "C"}, nil, "", "C's"},
		{"the first is back", elsewhere("A"), nil, "A's", "A's, changed"},
		{"and the second", elsewhere("B"), nil, "B's", ""},
		{"and the third", elsewhere("C"), nil, "C's", ""},
		{"the first has what it had last", elsewhere("A"), nil, "A's, changed", ""},
	} {
		m.disk = step.disk
		_, err := m.meet(t, step.device)
		m.disk = nil
		if !errors.Is(err, step.disk) {
			t.Errorf("%s: %v", step.name, err)
		}
		if err != nil { // only one half of it is done
			continue
		}
		if got := m.made(t); got != step.want {
			t.Errorf("%s: %q is in place, want %q", step.name, got, step.want)
		}
		if step.make != "" {
			m.make(t, step.make)
		}
	}
}

// One that does not tell who it is, as some don't while they start, is neither the one before nor another, unless there
// is nothing but its address that it was ever known by.
func TestDeviceThatDoesNotTellYet(t *testing.T) {
	quiet := simcam.ONVIFConfig{Quirks: simcam.ONVIFQuirks{NoInformation: true}}
	m := newMeeting(t)
	m.make(t, "mark")
	for _, step := range []struct {
		name   string
		device simcam.ONVIFConfig
		known  bool
		want   string // is in place then
	}{
		{"it never tells", quiet, true, "mark"},
		{"it tells at last", simcam.ONVIFConfig{Serial: "A"}, true, "mark"},
		{"another is put up, and just starting", quiet, false, "mark"},
		{"it has started", simcam.ONVIFConfig{Serial: "B"}, true, ""},
	} {
		_, err := m.meet(t, step.device)
		if known := err == nil; known != step.known || !known && !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: %v", step.name, err)
		}
		if got := m.made(t); got != step.want {
			t.Errorf("%s: %q is in place, want %q", step.name, got, step.want)
		}
	}
}

// What can't be written is tried again, and meanwhile nothing is lost: neither of the device before, nor what superiors
// make of the new one while only the file does not say yet that it is there.
func TestAnotherDeviceWhileTheDiskIsFull(t *testing.T) {
	m := newMeeting(t)
	if _, err := m.meet(t, simcam.ONVIFConfig{Serial: "A"}); err != nil {
		t.Fatal(err)
	}
	m.make(t, "A's")
	d, _ := startDevice(t, simcam.ONVIFConfig{Serial: "B"})
	cam, err := onvif.NewCamera(onvif.CameraConfig{Config: onvif.Config{Address: d.URL()}, Presets: m.presets})
	if err != nil {
		t.Fatal(err)
	}
	known, err := os.ReadFile(m.file)
	if err != nil {
		t.Fatal(err)
	}
	a := m.acquaintance(cam)
	// A folder in the file's place can be neither read nor replaced.
	full := func(on bool) {
		t.Helper()
		err := os.RemoveAll(m.file)
		if on {
			err = errors.Join(err, os.MkdirAll(filepath.Join(m.file, "in the way"), 0o700))
		} else {
			err = errors.Join(err, os.WriteFile(m.file, known, 0o600))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	full(true)
	if _, err := a.Look(t.Context(), &m.craft); err == nil || m.made(t) != "A's" {
		t.Errorf("before: %v, %s in place", err, m.made(t))
	}
	full(false)
	fills := blocking{&m.craft, func() { known, _ = os.ReadFile(m.file); full(true) }}
	if _, err := a.Look(t.Context(), fills); err == nil {
		t.Error("that the file can't be written is no failure")
	}
	m.text = []byte(`"B's"`) // its presets are in memory
	if err := cam.ReplacePresets(t.Context(), []onvif.Preset{{Number: 3, Token: "B's"}}); err != nil {
		t.Fatal(err)
	}
	full(false)
	if _, err := a.Look(t.Context(), &m.craft); err != nil || m.made(t) != "B's" {
		t.Errorf("then: %v, %q in place", err, m.made(t))
	}
	if _, err := m.meet(t, simcam.ONVIFConfig{Serial: "A"}); err != nil || m.made(t) != "A's" {
		t.Errorf("the first again: %v, %q in place", err, m.made(t))
	}
	if _, err := m.meet(t, simcam.ONVIFConfig{Serial: "B"}); err != nil || m.made(t) != "B's" {
		t.Errorf("the second again: %v, %q in place", err, m.made(t))
	}
}

// A camera is swapped while the gateway runs: the one that answers at the address then is asked anew for everything.
func TestAnotherDeviceAtTheSameAddress(t *testing.T) {
	t.Parallel()
	m := newMeeting(t)
	d, _ := startDevice(t, simcam.ONVIFConfig{Serial: "A", Fixed: true})
	address, swap := swappable(t, d)
	cam, err := onvif.NewCamera(onvif.CameraConfig{Config: onvif.Config{Address: address}, Presets: m.presets})
	if err != nil {
		t.Fatal(err)
	}
	a := m.acquaintance(cam)
	if _, err := a.Look(t.Context(), &m.craft); err != nil || !a.Fixed() {
		t.Fatalf("fixed %v, %v", a.Fixed(), err)
	}
	m.text = []byte(`"A's"`)
	other, _ := startDevice(t, simcam.ONVIFConfig{Serial: "B"})
	swap(other)
	eventually(t, time.Minute, "the other camera is noticed", func() bool {
		changed, err := a.Look(t.Context(), &m.craft)
		return err == nil && changed
	})
	if a.Fixed() || m.text != nil {
		t.Errorf("fixed %v, has %s", a.Fixed(), m.text)
	}
}

// The one that is there is steered just when it turns out to be another, and that lasts until the look is over.
func TestAnotherDeviceWhileItIsSteered(t *testing.T) {
	t.Parallel()
	m := newMeeting(t)
	d, _ := startDevice(t, simcam.ONVIFConfig{Serial: "A"})
	address, swap := swappable(t, d)
	cam, err := onvif.NewCamera(onvif.CameraConfig{Config: onvif.Config{Address: address}, Presets: m.presets})
	if err != nil {
		t.Fatal(err)
	}
	a := m.acquaintance(cam)
	if _, err := a.Look(t.Context(), &m.craft); err != nil || a.Fixed() {
		t.Fatalf("fixed %v, %v", a.Fixed(), err)
	}
	steered, over := make(chan struct{}), make(chan struct{})
	steer, release := sync.OnceFunc(func() { close(steered) }), sync.OnceFunc(func() { close(over) })
	other, _ := startDevice(t, simcam.ONVIFConfig{Serial: "B", Fixed: true, Asked: func(op string) {
		if op == "ContinuousMove" {
			steer()
			<-over
		}
	}})
	swap(other)
	var moves sync.WaitGroup
	defer moves.Wait()
	defer release()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	steers := reading{&m.craft, func() {
		moves.Go(func() { _ = cam.Move(t.Context(), 1, 0, 0) })
		<-steered
		cancel()
	}}
	eventually(t, time.Minute, "the other camera is noticed", func() bool {
		_, err := a.Look(ctx, steers)
		return err != nil && ctx.Err() != nil
	})
	release()
	if _, err := a.Look(t.Context(), &m.craft); err != nil || !a.Fixed() {
		t.Errorf("then: fixed %v, %v", a.Fixed(), err)
	}
}

// reading is a craft that does something when it is read.
type reading struct {
	*craft
	then func()
}

func (r reading) Read() ([]byte, error) {
	r.then()
	return r.craft.Read()
}

// swappable is an address where a device answers, and another one after swap. The second could not be sure to get the
// port of the first.
func swappable(t *testing.T, d *simcam.ONVIF) (address string, swap func(*simcam.ONVIF)) {
	t.Helper()
	var target atomic.Pointer[url.URL]
	swap = func(d *simcam.ONVIF) {
		u, err := url.Parse(d.URL())
		if err != nil {
			t.Fatal(err)
		}
		target.Store(u)
	}
	swap(d)
	front := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = "http", target.Load().Host },
		Transport: &http.Transport{DisableKeepAlives: true},
	})
	t.Cleanup(front.Close)
	return front.URL + target.Load().Path, swap
}

// blocking is a craft that does something when it is replaced.
type blocking struct {
	*craft
	then func()
}

func (b blocking) Replace(text []byte) error {
	err := b.craft.Replace(text)
	b.then()
	return err
}

// Of no more than a few devices something is kept, the newest, and of no more than fits into the file.
func TestWhatIsPutAsideIsBounded(t *testing.T) {
	var r remembered
	device := func(n int) identity { return identity{Serial: strconv.Itoa(n)} }
	for n := range 20 {
		r.put(aside{Device: device(n), Made: []byte(strconv.Itoa(n))})
	}
	r.put(aside{Device: device(99)}) // nothing was made of it
	if len(r.Aside) != maxAside || string(r.take(device(19)).Made) != "19" || r.take(device(1)).Made != nil {
		t.Errorf("kept %v", r.Aside)
	}
	file := filepath.Join(t.TempDir(), "dome.json")
	a := &acquaintance{file: file, log: slog.New(slog.DiscardHandler)}
	long := []byte(strconv.Quote(strings.Repeat("x", maxAcquaintance/2)))
	for n := range 3 {
		r.put(aside{Device: device(n), Made: long})
	}
	if err := a.remember(r); err != nil {
		t.Fatal(err)
	}
	kept, err := a.recall()
	if err != nil || len(kept.Aside) != 1 || kept.Aside[0].Device != device(2) {
		t.Errorf("%d in the file, %v", len(kept.Aside), err)
	}
	// A damaged file is put aside, too.
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if kept, err = a.recall(); err != nil || kept.Device != nil || !kept.Moves {
		t.Errorf("damaged: %+v, %v", kept, err)
	}
	if _, err := os.Stat(file + ".damaged"); err != nil {
		t.Error(err)
	}
}
