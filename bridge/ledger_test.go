package bridge

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gbgate/bridge/ledger"
	"gbgate/gb28181/manscdp"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// living is one life of a gateway: a site with its ledger and one superior's view.
type living struct {
	*View
	tuning *registration
	hand   *hand // records yard
	end    func()
}

// hand is a Recorder: whether it records by hand.
type hand bool

func (h *hand) Manual(on bool) { *h = hand(on) }

func live(t *testing.T, path string, usual registration) *living {
	t.Helper()
	kept, by := ledger.Open(path, quiet()), new(hand)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = kept.Run(ctx) }()
	site := NewSite(Config{Ledger: kept}, []Camera{
		{Name: "gate", Title: "Gate", ID: gate, Source: &camera{}, PTZ: &head{}},
		{Name: "yard", ID: yard, Source: &camera{}, Recorder: by},
	})
	l := &living{tuning: &usual, hand: by}
	l.View = site.View(ViewConfig{
		Superior: "province", Account: "a/b", NodeID: node, Channels: []string{"*"}, Name: "box", AllowConfig: allowed,
	})
	l.SetTuning(l.tuning)
	l.end = func() { cancel(); <-done }
	return l
}

// order gives a command that must be carried out.
func (l *living) order(t *testing.T, c manscdp.DeviceControl) {
	t.Helper()
	res, err := l.DeviceControl(t.Context(), &c)
	if err != nil || res == nil || res.Result != manscdp.OK {
		t.Fatalf("%s: %+v, %v", c.Kind(), res, err)
	}
}

func (l *living) set(t *testing.T, id string, s manscdp.Settings) {
	t.Helper()
	res, err := l.DeviceConfig(t.Context(), &manscdp.DeviceConfig{Header: header(id), Settings: s})
	if err != nil || res.Result != manscdp.OK {
		t.Fatalf("%+v, %v", res, err)
	}
}

// What a superior has set is there after a restart, and what it took back is not.
func TestSettingsSurviveARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "settings.json")
	usual := registration{time.Minute, time.Hour, 3}
	a := live(t, path, usual)
	a.set(t, node, manscdp.Settings{
		BasicParam: &manscdp.BasicParam{Name: "一号站", HeartBeatInterval: 30, HeartBeatCount: 5},
	})
	a.set(t, gate, manscdp.Settings{AlarmReport: &manscdp.AlarmReport{MotionDetection: new(0)}})
	a.order(t, manscdp.DeviceControl{Header: header(yard), GuardCmd: "ResetGuard"})
	a.order(t, manscdp.DeviceControl{Header: header(gate), HomePosition: &manscdp.HomePosition{
		Enabled: 1, ResetTime: 60, PresetIndex: new(3),
	}})
	a.order(t, manscdp.DeviceControl{Header: header(yard), RecordCmd: "Record"})
	a.end()

	b := live(t, path, usual)
	if !*b.hand {
		t.Error("what was recorded by hand is not any more")
	}
	if want := (registration{30 * time.Second, time.Hour, 5}); *b.tuning != want {
		t.Errorf("the heartbeat is %+v, want %+v", *b.tuning, want)
	}
	info, err := b.DeviceInfo(t.Context(), &manscdp.DeviceInfoQuery{Header: header(node)})
	if err != nil || info.DeviceName != "一号站" {
		t.Errorf("we are called %q, %v", info.DeviceName, err)
	}
	if r := b.duties.report(gate); *r.MotionDetection != 0 || *r.FieldDetection != 1 {
		t.Errorf("the alarm report is %d, %d", *r.MotionDetection, *r.FieldDetection)
	}
	if got := b.duties.status(yard, node); got != "OFFDUTY" {
		t.Errorf("the disarmed camera is %s", got)
	}
	home, err := b.HomePosition(t.Context(), &manscdp.HomePositionQuery{Header: header(gate)})
	want := &manscdp.HomePosition{Enabled: 1, ResetTime: 60, PresetIndex: new(3)}
	if diff := cmp.Diff(want, home.HomePosition); diff != "" || err != nil {
		t.Errorf("home position (-want +got), %v:\n%s", err, diff)
	}
	b.set(t, node, manscdp.Settings{
		BasicParam: &manscdp.BasicParam{Name: "box", HeartBeatInterval: 60, HeartBeatCount: 3},
	})
	b.set(t, gate, manscdp.Settings{AlarmReport: &manscdp.AlarmReport{MotionDetection: new(1)}})
	b.order(t, manscdp.DeviceControl{Header: header(yard), GuardCmd: "SetGuard"})
	b.order(t, manscdp.DeviceControl{Header: header(yard), RecordCmd: "StopRecord"})
	b.end()

	text, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(text), gate) || strings.Contains(string(text), "heartbeat") ||
		strings.Contains(string(text), "manual") {
		t.Errorf("%v: what was taken back is kept:\n%s", err, text)
	}
}

// An order to record by hand ends with the camera's recording: it does not come to life when that is switched on again,
// or when the name is given to another.
func TestRecordingByHandIsForgotten(t *testing.T) {
	cams := func(r Recorder) []Camera { return []Camera{{Name: "yard", ID: yard, Source: &camera{}, Recorder: r}} }
	for _, c := range []struct {
		name  string
		then  func(kept *ledger.Ledger, site *Site)
		still bool
	}{
		{"a reload", func(_ *ledger.Ledger, site *Site) { site.SetCameras(cams(new(hand)), nil) }, true},
		{"a restart", func(kept *ledger.Ledger, _ *Site) { NewSite(Config{Ledger: kept}, cams(new(hand))) }, true},
		{"not recorded any more", func(_ *ledger.Ledger, site *Site) { site.SetCameras(cams(nil), nil) }, false},
		{"nor after a restart", func(kept *ledger.Ledger, _ *Site) { NewSite(Config{Ledger: kept}, cams(nil)) }, false},
		{"removed", func(_ *ledger.Ledger, site *Site) { site.SetCameras(nil, nil) }, false},
		{"removed before a start", func(kept *ledger.Ledger, _ *Site) { NewSite(Config{Ledger: kept}, nil) }, false},
	} {
		kept := &ledger.Ledger{}
		site := NewSite(Config{Ledger: kept}, cams(new(hand)))
		l := &living{View: site.View(ViewConfig{NodeID: node, Channels: []string{"*"}})}
		l.order(t, manscdp.DeviceControl{Header: header(yard), RecordCmd: "Record"})
		c.then(kept, site)
		again := new(hand)
		NewSite(Config{Ledger: kept}, cams(again))
		if bool(*again) != c.still {
			t.Errorf("%s: recorded by hand %v, want %v", c.name, *again, c.still)
		}
	}
}

// Who edits the configuration has the last word over a heartbeat that was set before.
func TestConfigurationOverridesTheSuperior(t *testing.T) {
	path := filepath.Join(t.TempDir(), "settings.json")
	a := live(t, path, registration{time.Minute, time.Hour, 3})
	a.set(t, node, manscdp.Settings{BasicParam: &manscdp.BasicParam{HeartBeatInterval: 30}})
	a.end()
	changed := registration{20 * time.Second, time.Hour, 3}
	b := live(t, path, changed)
	if *b.tuning != changed {
		t.Errorf("the heartbeat is %+v, want the configuration's %+v", *b.tuning, changed)
	}
	b.end()
	c := live(t, path, registration{time.Minute, time.Hour, 3})
	if c.tuning.interval != time.Minute {
		t.Errorf("the heartbeat is %v again, which the configuration has overridden", c.tuning.interval)
	}
	c.end()
}

// What no superior could have set, somebody has written into the file: it is held to what one may.
func TestHeartbeatOfAFileIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "settings.json")
	text := `{"format": 1, "superiors": {"a/b": {"heartbeat": {"interval": 0, "count": -1, "expires": 1},
"over": {"interval": 60, "count": 3, "expires": 3600}}}}`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	l := live(t, path, registration{time.Minute, time.Hour, 3})
	if want := (registration{minInterval, minExpires, 1}); *l.tuning != want {
		t.Errorf("the heartbeat is %+v, want %+v", *l.tuning, want)
	}
	l.end()
}
