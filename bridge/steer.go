package bridge

import (
	"context"
	"errors"

	"gbgate/gb28181"
	"gbgate/gb28181/manscdp"
)

// minVelocity is what a set direction with speed 0 means: slowest, not stop.
const minVelocity = 0.05

// steering tells whether v may move a channel now, and takes it if so.
func (v *View) steering(channel *Channel) error {
	if !channel.moves() || v.cfg.NoPTZ {
		return errNoPTZ
	}
	return channel.motion.claim(v)
}

// ptz carries a front-end control instruction out (GB/T 28181-2022 annex A.3).
func (v *View) ptz(ctx context.Context, channel *Channel, c *manscdp.DeviceControl) error {
	if !channel.moves() || v.cfg.NoPTZ {
		return errNoPTZ
	}
	cmd, err := gb28181.ParsePTZ(c.PTZCmd, v.cfg.StrictPTZ)
	if err != nil {
		return err
	}
	if err := v.steering(channel); err != nil {
		return err
	}
	var names manscdp.PTZCmdParams
	if c.PTZCmdParams != nil {
		names = *c.PTZCmdParams
	}
	motion, head, pilot := channel.motion, channel.motion.ptz, channel.pilot
	switch cmd.Op {
	case gb28181.PTZMove:
		pilot.takeOver()
		return motion.drive(ctx, body, v, !cmd.IsStop(), func(ctx context.Context) error {
			if cmd.IsStop() {
				return head.Stop(ctx)
			}
			return head.Move(ctx, velocity(cmd.Pan, cmd.PanSpeed, 255),
				velocity(cmd.Tilt, cmd.TiltSpeed, 255), velocity(cmd.Zoom, cmd.ZoomSpeed, 15))
		})
	case gb28181.PTZLens:
		pilot.touch()
		return motion.drive(ctx, lens, v, !cmd.IsStop(), func(ctx context.Context) error {
			return head.Lens(ctx, velocity(cmd.Focus, cmd.FocusSpeed, 255), velocity(cmd.Iris, cmd.IrisSpeed, 255))
		})
	case gb28181.PTZSetPreset, gb28181.PTZGotoPreset, gb28181.PTZDeletePreset:
		goes := cmd.Op == gb28181.PTZGotoPreset
		if pilot.touch(); goes {
			pilot.takeOver()
		}
		return motion.do(ctx, goes, func(ctx context.Context) error {
			return preset(ctx, head, cmd, names.PresetName)
		})
	case gb28181.PTZAuxOn, gb28181.PTZAuxOff:
		return v.turnSwitch(ctx, channel, cmd)
	default:
		return v.tour(ctx, channel, cmd, names.CruiseTrackName)
	}
}

func preset(ctx context.Context, head PTZ, cmd gb28181.PTZCommand, name string) error {
	switch n := int(cmd.Preset); {
	case n == 0:
		return errBadValue // reserved
	case cmd.Op == gb28181.PTZSetPreset:
		return head.SetPreset(ctx, n, name)
	case cmd.Op == gb28181.PTZGotoPreset:
		return head.GotoPreset(ctx, n)
	default:
		return head.RemovePreset(ctx, n)
	}
}

func velocity(direction int8, speed uint8, full float64) float64 {
	return float64(direction) * max(minVelocity, float64(speed)/full)
}

// turnSwitch turns an auxiliary switch (辅助开关).
func (v *View) turnSwitch(ctx context.Context, channel *Channel, cmd gb28181.PTZCommand) error {
	s, ok := channel.PTZ.(Switcher)
	switch {
	case !ok:
		return errors.ErrUnsupported
	case cmd.Switch == 0:
		return errBadValue
	}
	channel.pilot.touch()
	return channel.motion.do(ctx, false, func(ctx context.Context) error {
		return s.Switch(ctx, int(cmd.Switch), cmd.Op == gb28181.PTZAuxOn)
	})
}

// tour programs and starts cruises (巡航) and scans (线扫).
func (v *View) tour(ctx context.Context, channel *Channel, cmd gb28181.PTZCommand, name string) error {
	pilot := channel.pilot
	switch cmd.Op {
	case gb28181.PTZStartCruise:
		c, err := pilot.tours.cruiseOf(cmd.Group)
		if err != nil {
			return err
		}
		pilot.start(c.name(int(cmd.Group)), func(ctx context.Context) error { return pilot.cruise(ctx, c) })
		return nil
	case gb28181.PTZScanLeft, gb28181.PTZScanRight, gb28181.PTZStartScan, gb28181.PTZScanSpeed:
		return v.scan(ctx, channel, cmd)
	default:
		return pilot.tours.program(cmd, name)
	}
}

func (v *View) scan(ctx context.Context, channel *Channel, cmd gb28181.PTZCommand) error {
	pilot := channel.pilot
	where, ok := channel.PTZ.(PTZPositioner)
	if !ok {
		return errBlind
	}
	switch cmd.Op {
	case gb28181.PTZScanSpeed:
		return pilot.tours.scanSpeed(cmd.Group, int(cmd.Value))
	case gb28181.PTZStartScan:
		left, right, speed, err := pilot.tours.borders(cmd.Group)
		if err != nil {
			return err
		}
		pilot.start("scan", func(ctx context.Context) error { return pilot.scan(ctx, where, left, right, speed) })
		return nil
	default:
		ctx, cancel := context.WithTimeout(ctx, deviceTimeout)
		defer cancel()
		pan, _, _, err := where.Position(ctx)
		if err != nil {
			return err
		}
		return pilot.tours.border(cmd.Group, cmd.Op == gb28181.PTZScanLeft, pan)
	}
}

// dragZoom brings a box drawn in the playback window to the middle and makes it as wide as the
// window (拉框放大), or the window as small as the box (拉框缩小).
func (v *View) dragZoom(ctx context.Context, channel *Channel, box *manscdp.DragZoom, in bool) error {
	if err := v.steering(channel); err != nil {
		return err
	}
	z, ok := channel.PTZ.(DragZoomer)
	switch {
	case !ok:
		return errors.ErrUnsupported
	case box.Length <= 0 || box.Width <= 0 || box.LengthX <= 0 || box.LengthY <= 0,
		box.MidPointX < 0 || box.MidPointX > box.Length || box.MidPointY < 0 || box.MidPointY > box.Width:
		return errBadValue
	}
	length, width := float64(box.Length), float64(box.Width)
	x, y := 2*float64(box.MidPointX)/length-1, 1-2*float64(box.MidPointY)/width
	factor := min(length/float64(box.LengthX), width/float64(box.LengthY))
	if !in {
		factor = 1 / factor
	}
	channel.pilot.takeOver()
	return channel.motion.do(ctx, true, func(ctx context.Context) error { return z.DragZoom(ctx, x, y, factor) })
}

// aim goes to a position (精准云台控制, 2022); it is the inverse of position.
func (v *View) aim(ctx context.Context, channel *Channel, to *manscdp.PTZPrecise) error {
	if err := v.steering(channel); err != nil {
		return err
	}
	a, ok := channel.PTZ.(Aimer)
	if !ok {
		return errors.ErrUnsupported
	}
	var pan, tilt, zoom *float64
	if to.Pan != nil {
		if *to.Pan < 0 || *to.Pan > 360 {
			return errBadValue
		}
		half := *to.Pan
		if half >= 180 {
			half -= 360
		}
		pan = new(half / 180)
	}
	if to.Tilt != nil {
		if *to.Tilt < -90 || *to.Tilt > 90 {
			return errBadValue
		}
		tilt = new(-*to.Tilt / 90)
	}
	if to.Zoom != nil {
		if *to.Zoom <= 0 {
			return errBadValue
		}
		zoom = new(min(1, max(0, (*to.Zoom-1)/(usualZoom-1))))
	}
	if pan == nil && tilt == nil && zoom == nil {
		return errBadValue
	}
	channel.pilot.takeOver()
	return channel.motion.do(ctx, true, func(ctx context.Context) error { return a.MoveTo(ctx, pan, tilt, zoom) })
}
