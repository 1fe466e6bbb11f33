package bridge

import (
	"context"
	"errors"

	"gbgate/gb28181"
	"gbgate/gb28181/manscdp"
)

var (
	errNoPTZ     = errors.New("not moved: the channel has no PTZ, or this platform may not use it")
	errNoReboot  = errors.New("not restarted: the camera can't be, or this platform may not do it")
	errNoCamera  = errors.New("the command names no camera")
	errBadValue  = errors.New("the command's value has no meaning")
	errNoUpgrade = errors.New("firmware is not taken from a platform")
	errNoRecord  = errors.New("nothing records here")
)

// minVelocity is what a set direction with speed 0 means: slowest, not stop.
const minVelocity = 0.05

// DeviceControl carries one command out. A nil answer is a command that has none by the
// standard (GB/T 28181-2022 §9.3.1); such a command's failure is only logged.
func (v *View) DeviceControl(ctx context.Context, c *manscdp.DeviceControl) (*manscdp.ControlResponse, error) {
	channel, err := v.device(c.DeviceID)
	if err != nil && c.DeviceID != v.cfg.NodeID {
		return nil, err
	}
	// A command for the node that has several cameras is known and does nothing, but for those
	// that concern its alarms.
	if err = v.control(ctx, channel, c); err != nil {
		v.log.Info("control not carried out",
			"device", c.DeviceID, "command", c.Kind().String(), "reason", err.Error())
	}
	if !c.Kind().Answered() {
		return nil, nil //nolint:nilnil // a command without answer
	}
	answer := &manscdp.ControlResponse{Header: c.Answer(), Result: manscdp.OK}
	if err != nil {
		answer.Result = manscdp.ERROR
	}
	return answer, nil
}

// control carries one command out. channel is nil for the node itself.
func (v *View) control(ctx context.Context, channel *Channel, c *manscdp.DeviceControl) error {
	switch c.Kind() {
	case manscdp.ControlGuard:
		return v.guard(c)
	case manscdp.ControlAlarm:
		return v.resetAlarm(c)
	case manscdp.ControlTeleBoot:
		return v.reboot(ctx, c)
	case manscdp.ControlRecord:
		return errNoRecord
	case manscdp.ControlUpgrade:
		return errNoUpgrade
	default:
	}
	if channel == nil {
		return errNoCamera
	}
	switch c.Kind() {
	case manscdp.ControlPTZ:
		return v.ptz(ctx, channel, c)
	case manscdp.ControlHomePosition:
		return v.setHome(channel, c.HomePosition)
	case manscdp.ControlIFrame:
		return nil // a viewer always starts at a key picture; asking the camera for one comes with ONVIF
	default:
		return errors.ErrUnsupported
	}
}

// guard arms or disarms a device, or all of them (布防, 撤防).
func (v *View) guard(c *manscdp.DeviceControl) error {
	switch c.GuardCmd {
	case "SetGuard":
		v.duties.arm(c.DeviceID, true)
	case "ResetGuard":
		v.duties.arm(c.DeviceID, false)
	default:
		return errBadValue
	}
	return nil
}

// resetAlarm releases the latch of a device, or of all of them when the node is named.
func (v *View) resetAlarm(c *manscdp.DeviceControl) error {
	switch {
	case c.AlarmCmd != "ResetAlarm":
		return errBadValue
	case c.DeviceID == v.cfg.NodeID:
		v.duties.resetAll()
	default:
		v.duties.reset(c.DeviceID)
	}
	return nil
}

// reboot restarts a camera, never the gateway: it serves others too.
func (v *View) reboot(ctx context.Context, c *manscdp.DeviceControl) error {
	channel, ok := v.channel(c.DeviceID)
	if !ok || channel.Rebooter == nil || !v.cfg.AllowTeleBoot {
		return errNoReboot
	}
	if c.TeleBoot != "Boot" {
		return errBadValue
	}
	v.log.Warn("platform restarts a camera", "camera", channel.Name)
	ctx, cancel := context.WithTimeout(ctx, deviceTimeout)
	defer cancel()
	return channel.Rebooter.Reboot(ctx)
}

// setHome keeps the home position (看守位).
func (v *View) setHome(channel *Channel, h *manscdp.HomePosition) error {
	switch {
	case channel.PTZ == nil || v.cfg.NoPTZ:
		return errNoPTZ
	case h.Enabled < 0 || h.Enabled > 1 || h.ResetTime < 0,
		h.PresetIndex != nil && (*h.PresetIndex < 0 || *h.PresetIndex > 255):
		return errBadValue
	}
	channel.setHomePosition(h)
	v.site.cfg.Ledger.noteHome(channel.Name, h)
	return nil
}

// ptz translates a front-end control instruction (GB/T 28181-2022 annex A.3).
func (v *View) ptz(ctx context.Context, channel *Channel, c *manscdp.DeviceControl) error {
	if channel.PTZ == nil || v.cfg.NoPTZ {
		return errNoPTZ
	}
	cmd, err := gb28181.ParsePTZ(c.PTZCmd, v.cfg.StrictPTZ)
	if err != nil {
		return err
	}
	name := ""
	if c.PTZCmdParams != nil {
		name = c.PTZCmdParams.PresetName
	}
	motion, head := channel.motion, channel.motion.ptz
	switch cmd.Op {
	case gb28181.PTZMove:
		return motion.drive(ctx, body, v, !cmd.IsStop(), func(ctx context.Context) error {
			if cmd.IsStop() {
				return head.Stop(ctx)
			}
			return head.Move(ctx, velocity(cmd.Pan, cmd.PanSpeed, 255),
				velocity(cmd.Tilt, cmd.TiltSpeed, 255), velocity(cmd.Zoom, cmd.ZoomSpeed, 15))
		})
	case gb28181.PTZLens:
		return motion.drive(ctx, lens, v, !cmd.IsStop(), func(ctx context.Context) error {
			return head.Lens(ctx, velocity(cmd.Focus, cmd.FocusSpeed, 255), velocity(cmd.Iris, cmd.IrisSpeed, 255))
		})
	case gb28181.PTZSetPreset, gb28181.PTZGotoPreset, gb28181.PTZDeletePreset:
		return motion.do(ctx, cmd.Op == gb28181.PTZGotoPreset, func(ctx context.Context) error {
			return preset(ctx, head, cmd, name)
		})
	default:
		return errors.ErrUnsupported
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
