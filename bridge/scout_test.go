package bridge

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gbgate/bridge/ledger"
	"gbgate/gb28181"
	"gbgate/gb28181/manscdp"
)

// doubt is a head that turns out to be fixed at the third look.
type doubt struct {
	head
	began time.Time
	looks []time.Duration
	fixed bool
}

func (d *doubt) Look(_ context.Context, forget func() error) (bool, error) {
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
		if n := len(head.looks); n != 3 || head.looks[2] > 20*time.Second {
			t.Errorf("looked at %v, want three times within 20 s", head.looks)
		}
		stop()
	})
}

// stranger is a camera that turns out to be another one than that whose name it has.
type stranger struct{ head }

func (*stranger) Look(_ context.Context, forget func() error) (bool, error) { return false, forget() }

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
