package bridge

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gbgate/gb28181/manscdp"
)

// doubt is a head that turns out to be fixed at the third look.
type doubt struct {
	head
	began time.Time
	looks []time.Duration
	fixed bool
}

func (d *doubt) Look(context.Context) (bool, error) {
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
