package bridge

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"gbgate/gb28181"
	"gbgate/gb28181/manscdp"
)

func TestAiming(t *testing.T) {
	box := func(edit func(*manscdp.DragZoom)) *manscdp.DragZoom {
		b := &manscdp.DragZoom{Length: 800, Width: 600, MidPointX: 600, MidPointY: 150, LengthX: 200, LengthY: 100}
		if edit != nil {
			edit(b)
		}
		return b
	}
	precise := func(pan, tilt, zoom *float64) manscdp.DeviceControl {
		return manscdp.DeviceControl{PTZPreciseCtrl: &manscdp.PTZPrecise{Pan: pan, Tilt: tilt, Zoom: zoom}}
	}
	for _, c := range []struct {
		name    string
		control manscdp.DeviceControl
		want    []string
	}{
		{"a box to the right and above", manscdp.DeviceControl{DragZoomIn: box(nil)}, []string{"0s drag 0.50 0.50 4.00"}},
		{"and out again", manscdp.DeviceControl{DragZoomOut: box(nil)}, []string{"0s drag 0.50 0.50 0.25"}},
		{"no window", manscdp.DeviceControl{DragZoomIn: box(func(b *manscdp.DragZoom) { b.Width = 0 })}, nil},
		{"no box", manscdp.DeviceControl{DragZoomIn: box(func(b *manscdp.DragZoom) { b.LengthX = 0 })}, nil},
		{"outside of it", manscdp.DeviceControl{DragZoomIn: box(func(b *manscdp.DragZoom) { b.MidPointX = 801 })}, nil},
		{"half a turn", precise(new(180.0), new(45.0), new(30.0)), []string{"0s aim -1.00 -0.50 1.00"}},
		{"a quarter to the right, level", precise(new(90.0), new(0.0), new(1.0)), []string{"0s aim 0.50 -0.00 0.00"}},
		{"only the zoom", precise(nil, nil, new(15.5)), []string{"0s aim - - 0.50"}},
		{"nothing", precise(nil, nil, nil), nil},
		{"no direction", precise(new(361.0), nil, nil), nil},
		{"the wiper", manscdp.DeviceControl{PTZCmd: code(gb28181.PTZAuxOn, 0, 1)}, []string{"0s switch 1 true"}},
		{"the lamp off", manscdp.DeviceControl{PTZCmd: code(gb28181.PTZAuxOff, 0, 2)}, []string{"0s switch 2 false"}},
		{"no switch", manscdp.DeviceControl{PTZCmd: code(gb28181.PTZAuxOn, 0, 0)}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, v, stop := flight(t, "")
				c.control.Header = header(gate)
				answer, err := v.DeviceControl(t.Context(), &c.control)
				if err != nil || answer != nil {
					t.Errorf("%+v %v, want nothing", answer, err)
				}
				stop()
				if diff := cmp.Diff(c.want, g.take()); diff != "" {
					t.Error(diff)
				}
			})
		})
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
