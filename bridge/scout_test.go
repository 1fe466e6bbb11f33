package bridge

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gbgate/bridge/ledger"
	"gbgate/gb28181"
	"gbgate/gb28181/manscdp"
	"gbgate/media"
)

// doubt is a head that turns out to be fixed at the third look.
type doubt struct {
	head
	began time.Time
	looks []time.Duration
	fixed bool
}

func (d *doubt) Look(context.Context, Made) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.looks = append(d.looks, time.Since(d.began)); len(d.looks) < 3 {
		return false, errors.New("no route to host")
	}
	d.fixed = true
	return true, nil
}

func (d *doubt) Fixed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.fixed
}

func TestACameraTurnsOutToBeFixed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		head := &doubt{began: time.Now()}
		site := NewSite(Config{}, []Camera{{Name: "gate", Title: "Gate", ID: gate, Source: &probe{}, PTZ: head, Scout: head}})
		v := site.View(ViewConfig{NodeID: node, Channels: []string{"*"}})
		l, stop := running(t, site, v)
		kept := site.Channels()[0].gear
		kind := func() int {
			answer, err := v.Catalog(t.Context(), &manscdp.CatalogQuery{Header: header(node)})
			if err != nil || len(answer.Items) != 1 {
				t.Fatalf("%+v %v", answer, err)
			}
			return answer.Items[0].Info.PTZType
		}
		time.Sleep(time.Second)
		steer(t, v, goPreset)
		if got := head.take(); kind() != manscdp.PTZDome || len(got) != 1 {
			t.Errorf("while nothing is known: type %d, did %v", kind(), got)
		}
		time.Sleep(time.Hour)
		steer(t, v, goPreset)
		if got := head.take(); kind() != manscdp.PTZFixed || got != nil {
			t.Errorf("when it is known: type %d, did %v", kind(), got)
		}
		if diff := cmp.Diff([]string{"UPDATE " + gate + " Gate ON"}, l.take()); diff != "" {
			t.Error(diff)
		}
		if site.Channels()[0].gear != kept {
			t.Error("what works behind the channel was replaced")
		}
		time.Sleep(time.Hour) // another camera may be put up between two checks of its health
		head.mu.Lock()
		defer head.mu.Unlock()
		if n := len(head.looks); n != 4 || head.looks[2] > 20*time.Second {
			t.Errorf("looked at %v, want three times within 20 s, and after an hour", head.looks)
		}
		stop()
	})
}

// stranger is a camera that turns out to be another one than that whose name it has.
type stranger struct{ head }

func (*stranger) Look(_ context.Context, made Made) (bool, error) { return false, made.Replace(nil) }

// visitors is a camera that can be taken down, and counts how often it was looked at.
type visitors struct {
	head
	down  error
	looks int
}

func (v *visitors) Run(context.Context, func(*media.Unit)) error { return nil }

func (v *visitors) Check(context.Context) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.down
}

func (v *visitors) Look(context.Context, Made) (bool, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.looks++
	return false, nil
}

func (v *visitors) turn(down error) (looks int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.down = down
	return v.looks
}

// Who comes back may be another camera that was put up in the place of the first.
func TestACameraThatIsBackIsLookedAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cam := &visitors{}
		site := NewSite(Config{}, []Camera{{Name: "gate", ID: gate, Source: cam, PTZ: cam, Scout: cam}})
		_, stop := running(t, site, nil)
		time.Sleep(10 * time.Minute)
		if looks := cam.turn(errors.New("no route to host")); looks != 1 {
			t.Errorf("looked %d times while it was there", looks)
		}
		time.Sleep(10 * time.Minute)
		if looks := cam.turn(nil); looks != 1 {
			t.Errorf("looked %d times before it was back", looks)
		}
		time.Sleep(5 * time.Minute)
		if looks := cam.turn(nil); looks != 2 {
			t.Errorf("looked %d times when it is back, want once more", looks)
		}
		stop()
	})
}

// Who has no such stream any more may be another camera, or may be a recorder whose camera has been dead for weeks.
func TestACameraThatAnswersStrangelyIsLookedAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cam := &visitors{}
		site := NewSite(Config{}, []Camera{{Name: "gate", ID: gate, Source: cam, PTZ: cam, Scout: cam}})
		_, stop := running(t, site, nil)
		time.Sleep(10 * time.Minute)
		if looks := cam.turn(wrong{strange: true}); looks != 1 {
			t.Errorf("looked %d times while it answered well", looks)
		}
		time.Sleep(2 * time.Minute)
		if looks := cam.turn(wrong{strange: true}); looks != 2 {
			t.Errorf("looked %d times within two minutes, want once more", looks)
		}
		time.Sleep(8 * time.Minute)
		if looks := cam.turn(wrong{locked: true}); looks != 3 {
			t.Errorf("looked %d times within ten minutes, want three times", looks)
		}
		time.Sleep(10 * time.Minute)
		if looks := cam.turn(nil); looks != 3 {
			t.Errorf("looked %d times, and not because a password is refused", looks)
		}
		stop()
	})
}

// What was made of a camera is read and put back as a whole; what is damaged counts as nothing.
func TestBelongings(t *testing.T) {
	kept := ledger.Open(filepath.Join(t.TempDir(), "settings.json"), quiet())
	by := new(hand)
	site := NewSite(Config{Ledger: kept}, []Camera{{Name: "gate", ID: gate, Source: &probe{}, PTZ: &head{}, Recorder: by}})
	v := site.View(ViewConfig{NodeID: node, Channels: []string{"*"}})
	b := &belongings{site: site, camera: "gate", mount: site.Channels()[0].mount, log: quiet()}
	now := func() string {
		t.Helper()
		tracks, err := v.CruiseTrackList(t.Context(), &manscdp.CruiseTrackListQuery{Header: header(gate)})
		home, homeErr := v.HomePosition(t.Context(), &manscdp.HomePositionQuery{Header: header(gate)})
		if err := errors.Join(err, homeErr); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(tracks.SumNum, home.HomePosition != nil, kept.Home("gate") != nil, *by)
	}
	text, err := b.Read()
	if err != nil || text != nil {
		t.Errorf("nothing was made: %s, %v", text, err)
	}
	steer(t, v, gb28181.PTZCommand{Op: gb28181.PTZAddCruisePoint, Group: 1, Preset: 3}.Encode())
	for _, c := range []manscdp.DeviceControl{
		{HomePosition: &manscdp.HomePosition{Enabled: 1, PresetIndex: new(3)}}, {RecordCmd: "Record"},
	} {
		c.Header = header(gate)
		if _, err := v.DeviceControl(t.Context(), &c); err != nil {
			t.Fatal(err)
		}
	}
	if text, err = b.Read(); err != nil || now() != "1 true true true" {
		t.Errorf("%s, %v, %s", text, err, now())
	}
	for _, c := range []struct {
		text []byte
		want string
	}{
		{nil, "0 false false false"},
		{text, "1 true true false"}, // recordings by hand are of now
		{[]byte("{"), "0 false false false"},
		{[]byte(`{"tours":{"cruises":{"1":null,"2":{"presets":[0]}},"scans":{"1":null}}}`), "0 false false false"},
	} {
		if err := b.Replace(c.text); err != nil || now() != c.want {
			t.Errorf("%s: %s, %v; want %s", c.text, now(), err, c.want)
		}
	}
}

func TestAnotherCameraStartsClean(t *testing.T) {
	dir := t.TempDir()
	kept := ledger.Open(filepath.Join(dir, "settings.json"), quiet())
	for _, c := range []struct {
		name  string
		scout Scout
		kept  bool
	}{
		{"the camera", nil, true}, {"after a restart", nil, true}, {"another", &stranger{}, false}, {"and then", nil, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			site := NewSite(Config{Ledger: kept, StateDir: dir}, []Camera{
				{Name: "gate", ID: gate, Source: &probe{}, PTZ: &head{}, Scout: c.scout},
			})
			v := site.View(ViewConfig{NodeID: node, Channels: []string{"*"}})
			if c.name == "the camera" {
				steer(t, v, gb28181.PTZCommand{Op: gb28181.PTZAddCruisePoint, Group: 1, Preset: 3}.Encode())
				home := &manscdp.DeviceControl{
					Header: header(gate), HomePosition: &manscdp.HomePosition{Enabled: 1, PresetIndex: new(3)},
				}
				if _, err := v.DeviceControl(t.Context(), home); err != nil {
					t.Error(err)
				}
			}
			_, stop := running(t, site, nil)
			time.Sleep(time.Second)
			tracks, err := v.CruiseTrackList(t.Context(), &manscdp.CruiseTrackListQuery{Header: header(gate)})
			home, homeErr := v.HomePosition(t.Context(), &manscdp.HomePositionQuery{Header: header(gate)})
			if err := errors.Join(err, homeErr); err != nil || (tracks.SumNum == 1) != c.kept ||
				(home.HomePosition != nil) != c.kept {
				t.Errorf("%s: %d cruises, home position %+v, %v", c.name, tracks.SumNum, home.HomePosition, err)
			}
			stop()
		})
	}
}
