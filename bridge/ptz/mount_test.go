package ptz

import (
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

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
	type order func(t *testing.T, s *seat) error
	in := func(b *manscdp.DragZoom) order {
		return func(t *testing.T, s *seat) error { return s.DragZoom(t.Context(), s.who, b, true) }
	}
	out := func(b *manscdp.DragZoom) order {
		return func(t *testing.T, s *seat) error { return s.DragZoom(t.Context(), s.who, b, false) }
	}
	precise := func(pan, tilt, zoom *float64) order {
		return func(t *testing.T, s *seat) error {
			return s.Aim(t.Context(), s.who, &manscdp.PTZPrecise{Pan: pan, Tilt: tilt, Zoom: zoom})
		}
	}
	for _, c := range []struct {
		name  string
		order order
		want  []string
	}{
		{"a box to the right and above", in(box(nil)), []string{"0s drag 0.50 0.50 4.00"}},
		{"and out again", out(box(nil)), []string{"0s drag 0.50 0.50 0.25"}},
		{"no window", in(box(func(b *manscdp.DragZoom) { b.Width = 0 })), nil},
		{"no box", in(box(func(b *manscdp.DragZoom) { b.LengthX = 0 })), nil},
		{"outside of it", in(box(func(b *manscdp.DragZoom) { b.MidPointX = 801 })), nil},
		{"half a turn", precise(new(180.0), new(45.0), new(30.0)), []string{"0s aim -1.00 -0.50 1.00"}},
		{"a quarter to the right, level", precise(new(90.0), new(0.0), new(1.0)), []string{"0s aim 0.50 -0.00 0.00"}},
		{"only the zoom", precise(nil, nil, new(15.5)), []string{"0s aim - - 0.50"}},
		{"nothing", precise(nil, nil, nil), nil},
		{"no direction", precise(new(361.0), nil, nil), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, s, stop := flight("")
				if err := c.order(t, s); (err == nil) != (c.want != nil) {
					t.Errorf("%v", err)
				}
				stop()
				if diff := cmp.Diff(c.want, g.take()); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}
