package bridge

import (
	"context"
	"errors"

	"gbgate/gb28181"
	"gbgate/gb28181/manscdp"
)

// errNoPTZ says that a channel can't be moved, or not by this superior.
var errNoPTZ = errors.New("not moved: the channel has no PTZ, or this platform may not use it")

// minVelocity is what a set direction with speed 0 means: slowest, not stop.
const minVelocity = 0.05

// DeviceControl carries one command out. A nil answer is a command that has none by the
// standard (GB/T 28181-2022 §9.3.1); such a command's failure is only logged.
func (v *View) DeviceControl(ctx context.Context, c *manscdp.DeviceControl) (*manscdp.ControlResponse, error) {
	channel, ok := v.channel(c.DeviceID)
	if !ok {
		id, only := v.Resolve([]string{c.DeviceID})
		if !only {
			return nil, gb28181.Errorf(404, "no such device")
		}
		channel, _ = v.channel(id)
	}
	err := errors.ErrUnsupported
	switch c.Kind() {
	case manscdp.ControlPTZ:
		err = v.ptz(ctx, channel, c)
	case manscdp.ControlIFrame:
		err = nil // a viewer always starts at a key picture; asking the camera for one comes with ONVIF
	}
	if err != nil {
		v.log.Info("control not carried out", "camera", channel.Name, "command", c.Kind().String(), "reason", err.Error())
	}
	if !c.Kind().Answered() {
		return nil, nil
	}
	answer := &manscdp.ControlResponse{Header: c.Answer(), Result: manscdp.OK}
	if err != nil {
		answer.Result = manscdp.ERROR
	}
	return answer, nil
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
	switch cmd.Op {
	case gb28181.PTZMove:
		if cmd.IsStop() {
			return channel.PTZ.Stop(ctx)
		}
		return channel.PTZ.Move(ctx, velocity(cmd.Pan, cmd.PanSpeed, 255),
			velocity(cmd.Tilt, cmd.TiltSpeed, 255), velocity(cmd.Zoom, cmd.ZoomSpeed, 15))
	case gb28181.PTZLens:
		return channel.PTZ.Lens(ctx, velocity(cmd.Focus, cmd.FocusSpeed, 255), velocity(cmd.Iris, cmd.IrisSpeed, 255))
	case gb28181.PTZSetPreset:
		return channel.PTZ.SetPreset(ctx, int(cmd.Preset), name)
	case gb28181.PTZGotoPreset:
		return channel.PTZ.GotoPreset(ctx, int(cmd.Preset))
	case gb28181.PTZDeletePreset:
		return channel.PTZ.RemovePreset(ctx, int(cmd.Preset))
	}
	return errors.ErrUnsupported
}

func velocity(direction int8, speed uint8, full float64) float64 {
	return float64(direction) * max(minVelocity, float64(speed)/full)
}
