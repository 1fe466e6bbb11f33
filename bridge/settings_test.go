package bridge

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gbgate/bridge/playback/tape"
	"gbgate/gb28181/manscdp"
)

// registration is a Tuning.
type registration struct {
	interval, expires time.Duration
	count             int
}

func (r *registration) Tuned() (interval time.Duration, count int, expires time.Duration) {
	return r.interval, r.count, r.expires
}

func (r *registration) Tune(interval time.Duration, count int, expires time.Duration) {
	r.interval, r.count, r.expires = interval, count, expires
}

func TestBasicParam(t *testing.T) {
	basic := func(p manscdp.BasicParam) manscdp.Settings { return manscdp.Settings{BasicParam: &p} }
	before := registration{time.Minute, 2 * time.Hour, 3}
	for _, c := range []struct {
		name   string
		id     string
		set    manscdp.Settings
		result string
		want   registration
	}{
		{
			"all", node,
			basic(manscdp.BasicParam{Name: "x", Expiration: 7200, HeartBeatInterval: 30, HeartBeatCount: 5}),
			manscdp.OK,
			registration{30 * time.Second, 2 * time.Hour, 5},
		},
		{
			"one", node,
			basic(manscdp.BasicParam{HeartBeatInterval: 20}),
			manscdp.OK,
			registration{20 * time.Second, 2 * time.Hour, 3},
		},
		{
			"too low", node,
			basic(manscdp.BasicParam{Expiration: 60, HeartBeatInterval: 1, HeartBeatCount: -1}),
			manscdp.OK,
			registration{5 * time.Second, time.Hour, 3},
		},
		{
			"too high", node,
			basic(manscdp.BasicParam{Expiration: math.MaxInt, HeartBeatInterval: math.MaxInt, HeartBeatCount: math.MaxInt}),
			manscdp.OK,
			registration{300 * time.Second, 24 * time.Hour, 10},
		},
		{"a name only", node, basic(manscdp.BasicParam{Name: "x"}), manscdp.OK, before},
		{"a name that is none", node, basic(manscdp.BasicParam{Name: "x\x00"}), manscdp.ERROR, before},
		{"a channel", gate, basic(manscdp.BasicParam{HeartBeatInterval: 20}), manscdp.ERROR, before},
		{
			"with something that we can't", node,
			manscdp.Settings{BasicParam: &manscdp.BasicParam{HeartBeatInterval: 20}, FrameMirror: new(1)},
			manscdp.ERROR, before,
		},
		{"nothing", node, manscdp.Settings{}, manscdp.ERROR, before},
	} {
		r := before
		v := testSite(nil).View(ViewConfig{NodeID: node, Channels: []string{"*"}, AllowConfig: allowed})
		v.SetTuning(&r)
		answer, err := v.DeviceConfig(t.Context(), &manscdp.DeviceConfig{Header: header(c.id), Settings: c.set})
		if err != nil || answer.Result != c.result || r != c.want {
			t.Errorf("%s: %+v %v, %+v; want %s, %+v", c.name, answer, err, r, c.result, c.want)
		}
	}
	v := testSite(nil).View(ViewConfig{NodeID: node, Channels: []string{"*"}, AllowConfig: allowed})
	answer, err := v.DeviceConfig(t.Context(), &manscdp.DeviceConfig{
		Header: header(node), Settings: basic(manscdp.BasicParam{HeartBeatInterval: 20}),
	})
	if err != nil || answer.Result != manscdp.ERROR {
		t.Errorf("nowhere to set it: %+v %v", answer, err)
	}
}

func TestConfigDownload(t *testing.T) {
	site := NewSite(Config{Longitude: 118.5, Latitude: 31.5}, []Camera{
		{Name: "gate", Title: "Gate", ID: gate, Source: &camera{}}, {Name: "yard", ID: yard, Source: &camera{}},
	})
	v := site.View(ViewConfig{NodeID: node, Channels: []string{"*"}, AllowConfig: allowed, Name: "box"})
	v.SetTuning(&registration{time.Minute, time.Hour, 3})
	site.Channels()[0].feed.stream.Write(tape.Picture(true, 0))
	basic := manscdp.BasicParam{Expiration: 3600, HeartBeatInterval: 60, HeartBeatCount: 3, PositionCapability: new(0)}
	box, camera := basic, basic
	box.Name, box.Longitude, box.Latitude = "box", new(118.5), new(31.5)
	camera.Name = "Gate"
	opt := manscdp.VideoParamOpt{DownloadSpeed: "1", Resolution: "5"}
	on := &manscdp.AlarmReport{MotionDetection: new(1), FieldDetection: new(1)}
	for _, c := range []struct {
		id, types string
		result    string
		want      manscdp.Settings
	}{
		{node, "BasicParam", manscdp.OK, manscdp.Settings{BasicParam: &box}},
		{gate, "BasicParam/AlarmReport", manscdp.OK, manscdp.Settings{BasicParam: &camera, AlarmReport: on}},
		{gate, "VideoParamOpt", manscdp.OK, manscdp.Settings{VideoParamOpt: &opt}},
		{gate, "SVACEncodeConfig/AlarmReport", manscdp.OK, manscdp.Settings{AlarmReport: on}},
		{gate, "SVACEncodeConfig", manscdp.ERROR, manscdp.Settings{}},
		{gate, "OSDConfig/SnapShotConfig", manscdp.ERROR, manscdp.Settings{}},
		{node, "VideoParamOpt", manscdp.ERROR, manscdp.Settings{}}, // of which camera?
		{gate, "", manscdp.ERROR, manscdp.Settings{}},
	} {
		answer, err := v.ConfigDownload(t.Context(), &manscdp.ConfigDownloadQuery{Header: header(c.id), ConfigType: c.types})
		if err != nil || answer.Result != c.result {
			t.Errorf("%s %s: %+v %v, want %s", c.id, c.types, answer, err, c.result)
			continue
		}
		if diff := cmp.Diff(c.want, answer.Settings); diff != "" {
			t.Errorf("%s %s:\n%s", c.id, c.types, diff)
		}
	}
	site.Channels()[0].feed.stream.Close(nil)
}

// allowed are the settings that superiors may change by default.
var allowed = []string{"BasicParam", "AlarmReport", "SnapShotConfig"}

// What a superior may not change is refused as a whole, and stays.
func TestAllowDeviceConfig(t *testing.T) {
	off := &manscdp.AlarmReport{MotionDetection: new(0)}
	for _, c := range []struct {
		allow  []string
		result string
	}{{nil, manscdp.ERROR}, {[]string{"BasicParam"}, manscdp.ERROR}, {[]string{"AlarmReport"}, manscdp.OK}} {
		v := testSite(nil).View(ViewConfig{NodeID: node, Channels: []string{"*"}, AllowConfig: c.allow})
		answer, err := v.DeviceConfig(t.Context(), &manscdp.DeviceConfig{
			Header: header(gate), Settings: manscdp.Settings{AlarmReport: off},
		})
		if err != nil || answer.Result != c.result {
			t.Errorf("%q: %+v, %v; want %s", c.allow, answer, err, c.result)
		}
		if got := *v.duties.report(gate).MotionDetection; (got == 0) != (c.result == manscdp.OK) {
			t.Errorf("%q: MotionDetection is %d", c.allow, got)
		}
	}
}
