package bridge

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"gbgate/bridge/ptz"
	"gbgate/gb28181"
	"gbgate/gb28181/manscdp"
	"gbgate/media"
	"gbgate/media/ps"
)

// head writes down what it is told.
type head struct {
	mu  sync.Mutex
	did []string
}

func (h *head) note(format string, args ...any) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.did = append(h.did, fmt.Sprintf(format, args...))
	return nil
}

// take returns what it was told since it was asked last.
func (h *head) take() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	did := h.did
	h.did = nil
	return did
}

func (h *head) Move(_ context.Context, pan, tilt, zoom float64) error {
	return h.note("move %.2f %.2f %.2f", pan, tilt, zoom)
}
func (h *head) Stop(context.Context) error { return h.note("stop") }
func (h *head) Lens(_ context.Context, focus, iris float64) error {
	return h.note("lens %.2f %.2f", focus, iris)
}

func (h *head) SetPreset(_ context.Context, n int, name string) error {
	return h.note("set %d %q", n, name)
}
func (h *head) GotoPreset(_ context.Context, n int) error   { return h.note("goto %d", n) }
func (h *head) RemovePreset(_ context.Context, n int) error { return h.note("remove %d", n) }

func (h *head) Switch(_ context.Context, n int, on bool) error { return h.note("switch %d %v", n, on) }

const (
	node  = "34020100002000000001"
	gate  = "34020100001320000001"
	yard  = "34020100001320000002"
	alien = "34020100001320000099"
)

func testSite(head ptz.Head) *Site {
	return NewSite(Config{}, []Camera{
		{Name: "gate", Title: "东门球机", ID: gate, Manufacturer: "ACME", Model: "D1", Source: &camera{}, PTZ: head},
		{Name: "yard", Title: "Yard", ID: yard, Manufacturer: "ACME", Model: "B1", Source: &camera{}},
	})
}

func TestControl(t *testing.T) {
	for _, c := range []struct {
		name    string
		control manscdp.DeviceControl
		noPTZ   bool
		did     string
		result  string // "" = no answer
	}{
		{"up", manscdp.DeviceControl{PTZCmd: "A50F0108002000DD"}, false, "move 0.00 0.13 0.00", ""},
		{"left, up, in at full speed", manscdp.DeviceControl{PTZCmd: "A50F011AFFFFF0BD"}, false, "move -1.00 1.00 1.00", ""},
		{"speed 0 is slowest, not stop", manscdp.DeviceControl{PTZCmd: "A50F0101000000B6"}, false, "move 0.05 0.00 0.00", ""},
		{"stop", manscdp.DeviceControl{PTZCmd: "A50F0100000000B5"}, false, "stop", ""},
		{"focus", manscdp.DeviceControl{PTZCmd: "a50f014130000026"}, false, "lens 0.19 0.00", ""},
		{"set preset", manscdp.DeviceControl{
			PTZCmd: "A50F018100030039", PTZCmdParams: &manscdp.PTZCmdParams{PresetName: "gate"},
		}, false, `set 3 "gate"`, ""},
		{"call preset", manscdp.DeviceControl{PTZCmd: "A50F01820103003B"}, false, "goto 3", ""},
		{"delete preset", manscdp.DeviceControl{PTZCmd: "A50F01830003003B"}, false, "remove 3", ""},
		{"not by this superior", manscdp.DeviceControl{PTZCmd: "A50F0100000000B5"}, true, "", ""},
		{"garbage", manscdp.DeviceControl{PTZCmd: "FF"}, false, "", ""},
		{"key frame", manscdp.DeviceControl{IFrameCmd: "Send"}, false, "", ""},
		{"what we can't do has its answer", manscdp.DeviceControl{RecordCmd: "Record"}, false, "", manscdp.ERROR},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := &head{}
			v := testSite(h).View(ViewConfig{NodeID: node, Channels: []string{"*"}, NoPTZ: c.noPTZ})
			c.control.Header = manscdp.Header{SN: "7", DeviceID: gate}
			answer, err := v.DeviceControl(t.Context(), &c.control)
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(h.did); c.did == "" && len(h.did) > 0 || c.did != "" && got != "["+c.did+"]" {
				t.Errorf("did %v, want %q", got, c.did)
			}
			switch {
			case answer == nil && c.result != "":
				t.Error("no answer")
			case answer != nil && (answer.Result != c.result || answer.SN != "7"):
				t.Errorf("answered %+v, want %q", answer, c.result)
			}
		})
	}
}

// Auxiliary switches need no PTZ, nor a hold of the camera: a fixed camera may have a relay output, too.
func TestSwitches(t *testing.T) {
	dome, fixed := &head{}, &head{}
	site := NewSite(Config{}, []Camera{
		{Name: "gate", ID: gate, Source: &camera{}, PTZ: dome, Switcher: dome},
		{Name: "yard", ID: yard, Source: &camera{}, Switcher: fixed},
		{Name: "none", ID: alien, Source: &camera{}, PTZ: &head{}},
	})
	holder := site.View(ViewConfig{
		Superior: "city", NodeID: node, Channels: []string{"*"}, PTZLock: time.Minute, PTZPriority: 1,
	})
	plain := site.View(ViewConfig{Superior: "town", NodeID: node, Channels: []string{"*"}, PTZLock: time.Minute})
	seer := site.View(ViewConfig{Superior: "guest", NodeID: node, Channels: []string{"*"}, NoPTZ: true})
	turn := func(op gb28181.PTZOp, n uint8) string { return gb28181.PTZCommand{Op: op, Switch: n}.Encode() }
	wiper := turn(gb28181.PTZAuxOn, 1)
	for _, c := range []struct {
		name   string
		v      *View
		id     string
		code   string
		on     *head
		did    string
		reason error
	}{
		{"the wiper", plain, gate, wiper, dome, "[switch 1 true]", nil},
		{"which holds nothing", holder, gate, goPreset, dome, "[goto 3]", nil},
		{"beside who holds the camera", plain, gate, turn(gb28181.PTZAuxOff, 2), dome, "[switch 2 false]", nil},
		{"who does hold it", plain, gate, goPreset, dome, "[]", nil},
		{"a fixed camera's relay", plain, yard, turn(gb28181.PTZAuxOn, 7), fixed, "[switch 7 true]", nil},
		{"which does not move", plain, yard, goPreset, fixed, "[]", errNoPTZ},
		{"no such switch", plain, gate, turn(gb28181.PTZAuxOn, 0), dome, "[]", manscdp.ErrBadValue},
		{"a camera without", plain, alien, wiper, dome, "[]", errNoSwitch},
		{"not by this superior", seer, yard, wiper, fixed, "[]", errNoPTZ},
	} {
		control := &manscdp.DeviceControl{Header: header(c.id), PTZCmd: c.code}
		channel, err := c.v.device(c.id)
		if err != nil {
			t.Fatal(err)
		}
		err = c.v.control(t.Context(), channel, control)
		if got := fmt.Sprint(c.on.take()); got != c.did || c.reason != nil && !errors.Is(err, c.reason) {
			t.Errorf("%s: did %s, %v", c.name, got, err)
		}
	}
}

// films writes down what it is told.
type films struct{ on []bool }

func (f *films) Manual(on bool) { f.on = append(f.on, on) }

func TestRecordingByHand(t *testing.T) {
	f := &films{}
	site := NewSite(Config{}, []Camera{
		{Name: "gate", ID: gate, Source: &camera{}, Recorder: f}, {Name: "yard", ID: yard, Source: &camera{}},
	})
	v := site.View(ViewConfig{NodeID: node, Channels: []string{"*"}})
	for _, c := range []struct{ id, command, want string }{
		{gate, "Record", manscdp.OK},
		{gate, "StopRecord", manscdp.OK},
		{gate, "Rewind", manscdp.ERROR},
		{yard, "Record", manscdp.ERROR},
		{node, "Record", manscdp.ERROR},
	} {
		answer, err := v.DeviceControl(t.Context(), &manscdp.DeviceControl{
			Header: manscdp.Header{SN: "7", DeviceID: c.id}, RecordCmd: c.command,
		})
		if err != nil || answer == nil || answer.Result != c.want {
			t.Errorf("%s %s: %+v, %v", c.id, c.command, answer, err)
		}
	}
	if fmt.Sprint(f.on) != "[true false]" {
		t.Errorf("told %v", f.on)
	}
}

func TestControlOfAnUnknownDevice(t *testing.T) {
	v := testSite(nil).View(ViewConfig{NodeID: node, Channels: []string{"*"}})
	c := &manscdp.DeviceControl{Header: manscdp.Header{DeviceID: alien}, PTZCmd: "A50F0100000000B5"}
	if _, err := v.DeviceControl(t.Context(), c); err == nil {
		t.Error("no error")
	}
}

func TestCatalogIsWhatThisSuperiorSees(t *testing.T) {
	site := testSite(&head{})
	for _, c := range []struct {
		name  string
		cfg   ViewConfig
		query string
		want  []string
	}{
		{"everything", ViewConfig{Channels: []string{"*"}}, node, []string{gate, yard}},
		{"its choice", ViewConfig{Channels: []string{"y*"}}, node, []string{yard}},
		{"under its codes", ViewConfig{
			Channels: []string{"*"}, IDs: map[string]string{"gate": alien},
		}, node, []string{alien, yard}},
		{"one channel", ViewConfig{Channels: []string{"*"}}, yard, []string{yard}},
		{"unknown", ViewConfig{Channels: []string{"*"}}, alien, nil},
	} {
		c.cfg.NodeID = node
		q := &manscdp.CatalogQuery{Header: manscdp.Header{SN: "1", DeviceID: c.query}}
		answer, err := site.View(c.cfg).Catalog(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, item := range answer.Items {
			got = append(got, item.DeviceID)
		}
		if fmt.Sprint(got) != fmt.Sprint(c.want) || answer.SumNum != len(c.want) || answer.SN != "1" {
			t.Errorf("%s: %v (SumNum %d), want %v", c.name, got, answer.SumNum, c.want)
		}
	}
}

func TestResolve(t *testing.T) {
	two := testSite(nil).View(ViewConfig{NodeID: node, Channels: []string{"*"}})
	one := testSite(nil).View(ViewConfig{NodeID: node, Channels: []string{"gate"}})
	for _, c := range []struct {
		v    *View
		ids  []string
		want string
	}{
		{two, []string{node, gate}, gate},
		{two, []string{alien, yard}, yard},
		{two, []string{node}, ""},
		{one, []string{node, ""}, gate}, // SRS names only the device that registered
		{one, []string{yard}, ""},       // not shown to this superior
	} {
		if got, ok := c.v.Resolve(c.ids); got != c.want || ok != (c.want != "") {
			t.Errorf("%v: %q %v, want %q", c.ids, got, ok, c.want)
		}
	}
}

func TestDeviceStatusTellsWhy(t *testing.T) {
	site := testSite(nil)
	site.Channels()[0].health.now = Health{Condition: OFF, Reason: "password refused"}
	v := site.View(ViewConfig{NodeID: node, Channels: []string{"*"}, Name: "box"})
	for id, want := range map[string]string{
		node: "ONLINE OK ", gate: "OFFLINE ERROR password refused", yard: "ONLINE OK ",
	} {
		answer, err := v.DeviceStatus(t.Context(), &manscdp.DeviceStatusQuery{Header: manscdp.Header{DeviceID: id}})
		if err != nil {
			t.Fatal(err)
		}
		if got := answer.Online + " " + answer.Status + " " + answer.Reason; got != want {
			t.Errorf("%s: %q, want %q", id, got, want)
		}
	}
	if _, err := v.DeviceStatus(t.Context(), &manscdp.DeviceStatusQuery{
		Header: manscdp.Header{DeviceID: alien},
	}); err == nil {
		t.Error("an unknown device has a status")
	}
	info, err := v.DeviceInfo(t.Context(), &manscdp.DeviceInfoQuery{Header: manscdp.Header{DeviceID: node}})
	if err != nil || info.DeviceName != "box" || info.Channel != 2 {
		t.Errorf("%+v %v", info, err)
	}
}

func TestFormatLine(t *testing.T) {
	g711 := media.Track{Codec: media.PCMA, SampleRate: 8000, Channels: 1}
	aac := media.Track{Codec: media.AAC, SampleRate: 48000, Channels: 1}
	for _, c := range []struct {
		d      *media.Description
		policy ps.AudioPolicy
		want   string
	}{
		{nil, ps.AudioAuto, "v/////a///"},
		{&media.Description{
			Video: media.Track{Codec: media.H264, Width: 1920, Height: 1080, FPS: 25}, Audio: g711,
		}, ps.AudioAuto, "v/2/6/25/2/a/1/8/1"},
		{&media.Description{
			Video: media.Track{Codec: media.H265, Width: 2560, Height: 1440}, Audio: aac,
		}, ps.AudioAuto, "v/5/2560x1440//2/a/6//11"},
		{&media.Description{Video: media.Track{Codec: media.H264}, Audio: aac}, ps.AudioPCMA, "v/2///2/a///"},
		{&media.Description{Video: media.Track{Codec: media.H264}, Audio: g711}, ps.AudioOff, "v/2///2/a///"},
	} {
		if got := formatLine(c.d, c.policy); got != c.want {
			t.Errorf("%+v %v: %q, want %q", c.d, c.policy, got, c.want)
		}
	}
}

// offering is a camera that says what it has before it sends it.
type offering struct {
	*camera
	d media.Description
}

func (o offering) Offered() media.Description { return o.d }

func TestFormatTellsOfAudioThatHasNotStarted(t *testing.T) {
	d := media.Description{
		Video: media.Track{Codec: media.H264, Width: 1280, Height: 720, FPS: 25},
		Audio: media.Track{Codec: media.PCMA, SampleRate: 8000, Channels: 1},
	}
	site := NewSite(Config{}, []Camera{{Name: "gate", ID: gate, Source: offering{&camera{}, d}}})
	v := site.View(ViewConfig{NodeID: node, Channels: []string{"*"}, FormatLine: "full"})
	c := site.Channels()[0]
	for _, flows := range []*media.Description{nil, {Video: d.Video}, &d} {
		if got, want := v.format(c.Source, flows), "v/2/5/25/2/a/1/8/1"; got != want {
			t.Errorf("while %+v flows: %q, want %q", flows, got, want)
		}
	}
}

// badge is a camera that says what it is.
type badge struct {
	model string
	err   error
}

func (b badge) Describe(context.Context) (manufacturer, model, firmware string, err error) {
	return "", b.model, "1.2", b.err
}

// A camera is what it says of itself; where it says nothing, what the configuration says.
func TestDeviceInfoOfACamera(t *testing.T) {
	for _, c := range []struct {
		says        Describer
		model, firm string
	}{
		{nil, "IPC", ""},
		{badge{model: "DS-2"}, "DS-2", "1.2"},
		{badge{}, "IPC", "1.2"},
		{badge{err: errNoCamera}, "IPC", ""},
	} {
		site := NewSite(Config{}, []Camera{
			{Name: "gate", ID: gate, Manufacturer: "ACME", Model: "IPC", Source: &camera{}, Describer: c.says},
		})
		v := site.View(ViewConfig{NodeID: node, Channels: []string{"*"}})
		info, err := v.DeviceInfo(t.Context(), &manscdp.DeviceInfoQuery{Header: header(gate)})
		if err != nil || info.Manufacturer != "ACME" || info.Model != c.model || info.Firmware != c.firm {
			t.Errorf("%+v: %+v, %v", c.says, info, err)
		}
	}
}

// keyer counts the key pictures asked for.
type keyer struct{ asked int }

func (k *keyer) RequestKeyFrame(context.Context) error { k.asked++; return nil }

func TestKeyFrameIsAskedFor(t *testing.T) {
	k := &keyer{}
	site := NewSite(Config{}, []Camera{
		{Name: "gate", ID: gate, Source: &probe{}, KeyFramer: k}, {Name: "yard", ID: yard, Source: &probe{}},
	})
	v := site.View(ViewConfig{NodeID: node, Channels: []string{"*"}, NoPTZ: true})
	for _, id := range []string{gate, yard} {
		c := &manscdp.DeviceControl{Header: header(id), IFrameCmd: "Send"}
		if answer, err := v.DeviceControl(t.Context(), c); err != nil || answer != nil {
			t.Errorf("%+v %v, want nothing", answer, err)
		}
	}
	if k.asked != 1 {
		t.Errorf("the camera was asked %d times, want once", k.asked)
	}
}
