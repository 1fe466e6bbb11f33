package onvif

import (
	"context"
	"math"
)

// irisStep is how far one iris command goes, as a part of the range: ONVIF sets an iris, it does
// not move it.
const irisStep = 0.1

// Lens drives the focus (far +) and the iris (open +) with velocities from −1 to 1; both 0 stop
// the focus. An iris goes a step per command. What cannot be done is an error.
func (c *Camera) Lens(ctx context.Context, focus, iris float64) error {
	l, release, err := c.borrow(ctx)
	if err != nil {
		return err
	}
	defer release()
	source := l.main.Source
	if focus == 0 && (iris == 0 || c.moving.focus) {
		c.moving.focus = false
		if err := c.client.StopFocus(ctx, source); err != nil || iris == 0 {
			return c.forget(err)
		}
	}
	if focus != 0 {
		if err := c.driveFocus(ctx, source, focus); err != nil {
			return c.forget(err)
		}
	}
	if iris != 0 {
		return c.forget(c.stepIris(ctx, source, iris))
	}
	return nil
}

func (c *Camera) driveFocus(ctx context.Context, source string, v float64) error {
	if c.focus == nil {
		o, err := c.client.FocusOptions(ctx, source)
		if err != nil && !answered(err) {
			return err
		}
		if err != nil {
			o = FocusOptions{HasContinuous: true, Continuous: generic()}
		}
		c.focus = &o
	}
	drive, ok := c.focusDrive(v)
	if !ok {
		return &Error{Kind: ActionNotSupported, Op: "Move", Text: "camera has no focus to drive"}
	}
	err := drive(ctx, source)
	if k := kindOf(err); (k == Fault || k == InvalidArgs) && !c.auto {
		// Refused while the camera focuses by itself.
		if c.client.ManualFocus(ctx, source, true) == nil {
			c.auto = true
			err = drive(ctx, source)
		}
	}
	return err
}

// focusDrive chooses how a focus velocity is carried out. A range of speeds without a negative
// part (1 … 5 on some) has no direction, so there the focus goes by steps.
func (c *Camera) focusDrive(v float64) (func(context.Context, string) error, bool) {
	o := c.focus
	steps := func(ctx context.Context, source string) error {
		reach := max(math.Abs(o.Relative.Min), math.Abs(o.Relative.Max))
		return c.client.StepFocus(ctx, source, v*reach)
	}
	switch {
	case o.HasContinuous && (o.Continuous.Min < 0 || !o.HasRelative):
		r := o.Continuous
		if r.Min >= r.Max {
			r = generic()
		}
		if r.Min >= 0 {
			r.Min = -r.Max
		}
		return func(ctx context.Context, source string) error {
			err := c.client.MoveFocus(ctx, source, r.velocity(v))
			c.moving.focus = c.moving.focus || err == nil
			return err
		}, true
	case o.HasRelative:
		return steps, true
	}
	return nil, false
}

func (c *Camera) stepIris(ctx context.Context, source string, v float64) error {
	iris, err := c.client.Iris(ctx, source)
	if err != nil {
		return err
	}
	// The level is an attenuation: less of it opens the iris.
	step := irisStep * (iris.Limits.Max - iris.Limits.Min)
	level := iris.Level - math.Copysign(step, v)
	return c.client.SetIris(ctx, source, max(iris.Limits.Min, min(iris.Limits.Max, level)))
}
