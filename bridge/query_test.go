package bridge

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gbgate/bridge/playback"
	"gbgate/bridge/ptz"
	"gbgate/gb28181"
	"gbgate/gb28181/manscdp"
)

// dome is a PTZ that knows its presets and where it looks.
type dome struct {
	head
	presets []Preset
	err     error
}

func (d *dome) Presets(context.Context) ([]Preset, error) { return d.presets, d.err }
func (d *dome) Position(context.Context) (pan, tilt, zoom float64, err error) {
	return -0.5, -0.25, 0.5, d.err
}

// shelf is Recordings of one camera.
type shelf struct {
	asked string
	list  []playback.Recording
	err   error
}

func (s *shelf) Find(_ context.Context, camera string, from, to time.Time, kind string) ([]playback.Recording, error) {
	s.asked = camera + " " + from.UTC().Format(time.TimeOnly) + "-" + to.UTC().Format(time.TimeOnly) + " " + kind
	return s.list, s.err
}

func (s *shelf) Open(context.Context, string, time.Time, time.Time) (playback.Reader, error) {
	return nil, gb28181.Errorf(404, "no record")
}

func header(id string) manscdp.Header { return manscdp.Header{SN: "7", DeviceID: id} }

func at(clock string) time.Time {
	t, _ := time.Parse(time.DateTime, "2026-01-31 "+clock)
	return t
}

func TestPresets(t *testing.T) {
	stored := []Preset{{1, "gate"}, {255, "yard"}, {256, "beyond the standard"}}
	for _, c := range []struct {
		name string
		ptz  ptz.Head
		no   bool
		id   string
		want []manscdp.Preset
	}{
		{
			"its presets", &dome{presets: stored}, false, gate,
			[]manscdp.Preset{{ID: 1, Name: "gate"}, {ID: 255, Name: "yard"}},
		},
		{"a camera that fails", &dome{err: errors.New("time-out")}, false, gate, nil},
		{"a PTZ that can't tell", &head{}, false, gate, nil},
		{"a fixed camera", &dome{presets: stored}, false, yard, nil},
		{"not for this superior", &dome{presets: stored}, true, gate, nil},
	} {
		v := testSite(c.ptz).View(ViewConfig{NodeID: node, Channels: []string{"*"}, NoPTZ: c.no})
		answer, err := v.Presets(t.Context(), &manscdp.PresetQuery{Header: header(c.id)})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, answer.Presets); diff != "" || answer.SumNum != len(c.want) || answer.SN != "7" {
			t.Errorf("%s: %+v\n%s", c.name, answer, diff)
		}
	}
}

func TestPTZPosition(t *testing.T) {
	v := testSite(&dome{}).View(ViewConfig{NodeID: node, Channels: []string{"*"}})
	answer, err := v.PTZPosition(t.Context(), &manscdp.PTZPositionQuery{Header: header(gate)})
	if err != nil {
		t.Fatal(err)
	}
	// A quarter to the left is 270°; a quarter of the way down, under a ceiling, is +22.5°.
	want := manscdp.PTZPosition{Pan: new(270.0), Tilt: new(22.5), Zoom: new(15.5)}
	if diff := cmp.Diff(want, answer.PTZPosition); diff != "" {
		t.Error(diff)
	}
	answer, err = v.PTZPosition(t.Context(), &manscdp.PTZPositionQuery{Header: header(yard)})
	if err != nil || answer.PTZPosition != (manscdp.PTZPosition{}) {
		t.Errorf("a fixed camera: %+v %v, want an answer without a position", answer, err)
	}
}

func TestHomePositionIsEchoed(t *testing.T) {
	v := testSite(&head{}).View(ViewConfig{NodeID: node, Channels: []string{"*"}})
	ask := func(id string) *manscdp.HomePosition {
		answer, err := v.HomePosition(t.Context(), &manscdp.HomePositionQuery{Header: header(id)})
		if err != nil {
			t.Fatal(err)
		}
		return answer.HomePosition
	}
	if got := ask(gate); got != nil {
		t.Errorf("before it was set: %+v", got)
	}
	home := manscdp.HomePosition{Enabled: 1, ResetTime: 60, PresetIndex: new(3)}
	for _, c := range []struct {
		id   string
		home manscdp.HomePosition
		want string
	}{
		{gate, home, manscdp.OK},
		{gate, manscdp.HomePosition{Enabled: 1, PresetIndex: new(256)}, manscdp.ERROR},
		{gate, manscdp.HomePosition{Enabled: 2}, manscdp.ERROR},
		{yard, home, manscdp.ERROR}, // fixed
		{node, home, manscdp.ERROR}, // which one?
	} {
		answer, err := v.DeviceControl(t.Context(), &manscdp.DeviceControl{Header: header(c.id), HomePosition: &c.home})
		if err != nil || answer.Result != c.want {
			t.Errorf("%s %+v: %+v %v, want %s", c.id, c.home, answer, err, c.want)
		}
	}
	if diff := cmp.Diff(&home, ask(gate)); diff != "" {
		t.Error(diff)
	}
}

// restarter is a Rebooter.
type restarter struct{ times int }

func (r *restarter) Reboot(context.Context) error { r.times++; return nil }

func TestTeleBoot(t *testing.T) {
	for _, c := range []struct {
		name  string
		id    string
		allow bool
		cmd   string
		want  int
	}{
		{"a camera", gate, true, "Boot", 1},
		{"not allowed", gate, false, "Boot", 0},
		{"the gateway", node, true, "Boot", 0},
		{"something else", gate, true, "Halt", 0},
	} {
		r := &restarter{}
		site := NewSite(Config{}, []Camera{{Name: "gate", ID: gate, Source: &camera{}, Rebooter: r}})
		v := site.View(ViewConfig{NodeID: node, Channels: []string{"*"}, AllowTeleBoot: c.allow})
		answer, err := v.DeviceControl(t.Context(), &manscdp.DeviceControl{Header: header(c.id), TeleBoot: c.cmd})
		if err != nil || answer != nil || r.times != c.want {
			t.Errorf("%s: restarted %d times, want %d (%+v %v)", c.name, r.times, c.want, answer, err)
		}
	}
}

func TestRecordInfo(t *testing.T) {
	books := &shelf{list: []playback.Recording{
		{Start: at("00:00:00").Add(300 * time.Millisecond), End: at("00:30:00"), Kind: "time", Path: "/a.mp4", Size: 1234},
		{Start: at("00:30:00"), End: at("00:30:00").Add(700 * time.Millisecond)}, // less than a second
		{Start: at("00:31:00").Add(100 * time.Millisecond), End: at("00:32:00"), Kind: "alarm"},
		{Start: at("00:31:00").Add(200 * time.Millisecond), End: at("00:32:00"), Kind: "alarm"}, // the same in seconds
	}}
	site := NewSite(Config{Recordings: books}, []Camera{{Name: "gate", Title: "Gate", ID: gate, Source: &camera{}}})
	v := site.View(ViewConfig{NodeID: node, Channels: []string{"*"}, Titles: map[string]string{"gate": "North"}})
	q := &manscdp.RecordInfoQuery{Header: header(gate), Start: at("00:10:00"), End: at("01:00:00")}
	answer, err := v.RecordInfo(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	want := &manscdp.RecordInfoResponse{Header: header(gate), Name: "North", SumNum: 2, Items: []manscdp.RecordItem{
		{
			DeviceID: gate, Name: "North", FilePath: "/a.mp4", Start: at("00:00:00"), End: at("00:30:00"), Type: "time",
			RecorderID: node, FileSize: 1234,
		},
		{DeviceID: gate, Name: "North", Start: at("00:31:00"), End: at("00:32:00"), Type: "alarm", RecorderID: node},
	}}
	if diff := cmp.Diff(want, answer); diff != "" {
		t.Error(diff)
	}
	if books.asked != "gate 23:10:00-02:00:00 all" {
		t.Errorf("asked %q", books.asked)
	}
	books.err = errors.New("disk gone")
	if _, err := v.RecordInfo(t.Context(), q); !errors.Is(err, books.err) {
		t.Errorf("%v, want %v", err, books.err)
	}
	none := testSite(nil).View(ViewConfig{NodeID: node, Channels: []string{"*"}})
	if answer, err := none.RecordInfo(t.Context(), q); err != nil || answer.SumNum != 0 || answer.Items != nil {
		t.Errorf("nothing records: %+v %v, want an empty answer", answer, err)
	}
}

// compass is a Positioner.
type compass struct{ fix *Fix }

func (c compass) Fix() (Fix, bool) {
	if c.fix == nil {
		return Fix{}, false
	}
	return *c.fix, true
}

func TestMobilePosition(t *testing.T) {
	gps := compass{&Fix{Time: at("10:00:00"), Longitude: 120, Latitude: 30, Speed: 36, Direction: 90, Altitude: 5}}
	for _, c := range []struct {
		name     string
		cfg      Config
		id       string
		lon, lat float64 // 0: nothing is told
	}{
		{"a fixed camera", Config{Position: gps}, gate, 118, 31},
		{"a camera that travels with us", Config{Position: gps}, yard, 120, 30},
		{"we", Config{Position: gps}, node, 120, 30},
		{"we, fixed", Config{Longitude: 119, Latitude: 32}, node, 119, 32},
		{"a camera without a place", Config{}, yard, 0, 0},
		{"no fix", Config{Position: compass{}}, node, 0, 0},
	} {
		site := NewSite(c.cfg, []Camera{
			{Name: "gate", ID: gate, Source: &camera{}, Longitude: 118, Latitude: 31},
			{Name: "yard", ID: yard, Source: &camera{}},
		})
		v := site.View(ViewConfig{NodeID: node, Channels: []string{"*"}})
		n, err := v.MobilePosition(t.Context(), c.id)
		switch {
		case err != nil:
			t.Errorf("%s: %v", c.name, err)
		case n == nil && c.lon != 0 || n != nil && (n.DeviceID != c.id || *n.Longitude != c.lon || *n.Latitude != c.lat):
			t.Errorf("%s: %+v, want %v %v", c.name, n, c.lon, c.lat)
		case n != nil && c.lon == 120 && (*n.Speed != 36 || *n.Direction != 90 || !n.Time.Equal(at("10:00:00"))):
			t.Errorf("%s: %+v, want the whole fix", c.name, n)
		}
	}
}

func TestAnswersWithNothingInThem(t *testing.T) {
	ctx, h := t.Context(), header(gate)
	v := testSite(nil).View(ViewConfig{NodeID: node, Channels: []string{"*"}})
	if a, err := v.CruiseTrackList(ctx, &manscdp.CruiseTrackListQuery{Header: h}); err != nil || a.SumNum != 0 ||
		a.SN != "7" {
		t.Errorf("%+v %v", a, err)
	}
	if a, err := v.CruiseTrack(ctx, &manscdp.CruiseTrackQuery{Header: h, Number: 2}); err != nil ||
		a.SumNum+a.Number != 2 {
		t.Errorf("%+v %v", a, err)
	}
	if a, err := v.SDCardStatus(ctx, &manscdp.SDCardStatusQuery{Header: h}); err != nil || a.SumNum != 0 || a.SN != "7" {
		t.Errorf("%+v %v", a, err)
	}
}

func TestNobodyAnswersForAStranger(t *testing.T) {
	v := testSite(&dome{}).View(ViewConfig{NodeID: node, Channels: []string{"gate"}})
	for _, id := range []string{alien, yard} { // yard is not shown to this superior
		h, ctx := header(id), t.Context()
		for name, err := range map[string]error{
			"RecordInfo":      second(v.RecordInfo(ctx, &manscdp.RecordInfoQuery{Header: h})),
			"ConfigDownload":  second(v.ConfigDownload(ctx, &manscdp.ConfigDownloadQuery{Header: h, ConfigType: "BasicParam"})),
			"DeviceConfig":    second(v.DeviceConfig(ctx, &manscdp.DeviceConfig{Header: h})),
			"Presets":         second(v.Presets(ctx, &manscdp.PresetQuery{Header: h})),
			"HomePosition":    second(v.HomePosition(ctx, &manscdp.HomePositionQuery{Header: h})),
			"CruiseTrackList": second(v.CruiseTrackList(ctx, &manscdp.CruiseTrackListQuery{Header: h})),
			"CruiseTrack":     second(v.CruiseTrack(ctx, &manscdp.CruiseTrackQuery{Header: h})),
			"PTZPosition":     second(v.PTZPosition(ctx, &manscdp.PTZPositionQuery{Header: h})),
			"SDCardStatus":    second(v.SDCardStatus(ctx, &manscdp.SDCardStatusQuery{Header: h})),
			"MobilePosition":  second(v.MobilePosition(ctx, id)),
			"DeviceInfo":      second(v.DeviceInfo(ctx, &manscdp.DeviceInfoQuery{Header: h})),
			"DeviceStatus":    second(v.DeviceStatus(ctx, &manscdp.DeviceStatusQuery{Header: h})),
			"DeviceControl":   second(v.DeviceControl(ctx, &manscdp.DeviceControl{Header: h, GuardCmd: "SetGuard"})),
		} {
			if code, _ := gb28181.StatusOf(err); code != 404 {
				t.Errorf("%s of %s: %v, want 404", name, id, err)
			}
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestTheNodeStandsForItsOnlyCamera(t *testing.T) {
	h := &head{}
	site := testSite(h)
	one := site.View(ViewConfig{NodeID: node, Channels: []string{"gate"}})
	two := site.View(ViewConfig{NodeID: node, Channels: []string{"*"}})
	for _, v := range []*View{one, two} {
		c := &manscdp.DeviceControl{Header: header(node), PTZCmd: "A50F0100000000B5"}
		if answer, err := v.DeviceControl(t.Context(), c); answer != nil || err != nil {
			t.Errorf("%+v %v, want neither answer nor error", answer, err)
		}
	}
	if diff := cmp.Diff([]string{"stop"}, h.did); diff != "" {
		t.Errorf("with one camera it is meant, with two nobody is:\n%s", diff)
	}
	for cmd, want := range map[string]string{"Record": manscdp.ERROR, "StopRecord": manscdp.ERROR} {
		answer, err := two.DeviceControl(t.Context(), &manscdp.DeviceControl{Header: header(node), RecordCmd: cmd})
		if err != nil || answer == nil || answer.Result != want {
			t.Errorf("%s: %+v %v, want %s", cmd, answer, err, want)
		}
	}
}
