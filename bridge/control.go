package bridge

import (
	"context"
	"errors"
	"time"

	"gbgate/gb28181/manscdp"
)

var (
	errNoPTZ     = errors.New("not moved: the channel has no PTZ, or this platform may not use it")
	errNoSwitch  = errors.New("not switched: the channel has no auxiliary switches")
	errNoReboot  = errors.New("not restarted: the camera can't be, or this platform may not do it")
	errNoCamera  = errors.New("the command names no camera")
	errNoUpgrade = errors.New("firmware is not taken from a platform")
	errNoRecord  = errors.New("not recorded: the camera's record is off")
)

// deviceTimeout is for one command to a camera.
const deviceTimeout = 5 * time.Second

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
		return v.record(channel, c)
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
		return keyFrame(ctx, channel)
	case manscdp.ControlDragZoomIn:
		return v.dragZoom(ctx, channel, c.DragZoomIn, true)
	case manscdp.ControlDragZoomOut:
		return v.dragZoom(ctx, channel, c.DragZoomOut, false)
	case manscdp.ControlPTZPrecise:
		return v.aim(ctx, channel, c.PTZPreciseCtrl)
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
		return manscdp.ErrBadValue
	}
	return nil
}

// resetAlarm releases the latch of a device, or of all of them when the node is named.
func (v *View) resetAlarm(c *manscdp.DeviceControl) error {
	switch {
	case c.AlarmCmd != "ResetAlarm":
		return manscdp.ErrBadValue
	case c.DeviceID == v.cfg.NodeID:
		v.duties.resetAll()
	default:
		v.duties.reset(c.DeviceID)
	}
	return nil
}

// record starts or stops recording by hand (手动录像).
func (v *View) record(channel *Channel, c *manscdp.DeviceControl) error {
	switch {
	case channel == nil:
		return errNoCamera
	case channel.Recorder == nil:
		return errNoRecord
	case c.RecordCmd != "Record" && c.RecordCmd != "StopRecord":
		return manscdp.ErrBadValue
	}
	v.log.Info("platform records a camera", "camera", channel.Name, "command", c.RecordCmd)
	on := c.RecordCmd == "Record"
	channel.Recorder.Manual(on)
	v.site.cfg.Ledger.NoteManual(channel.Name, on)
	return nil
}

// reboot restarts a camera, never the gateway: it serves others too.
func (v *View) reboot(ctx context.Context, c *manscdp.DeviceControl) error {
	channel, ok := v.channel(c.DeviceID)
	if !ok || channel.Rebooter == nil || !v.cfg.AllowTeleBoot {
		return errNoReboot
	}
	if c.TeleBoot != "Boot" {
		return manscdp.ErrBadValue
	}
	v.log.Warn("platform restarts a camera", "camera", channel.Name)
	ctx, cancel := context.WithTimeout(ctx, deviceTimeout)
	defer cancel()
	return channel.Rebooter.Reboot(ctx)
}

// keyFrame asks a camera for a key picture. One that can't be asked is no failure: every viewer
// begins at a key picture anyway.
func keyFrame(ctx context.Context, channel *Channel) error {
	if channel.KeyFramer == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, deviceTimeout)
	defer cancel()
	return channel.KeyFramer.RequestKeyFrame(ctx)
}
