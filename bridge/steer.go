package bridge

import (
	"context"

	"gbgate/bridge/ptz"
	"gbgate/gb28181"
	"gbgate/gb28181/manscdp"
)

// mount is how the superior may move a channel now.
func (v *View) mount(channel *Channel) (*ptz.Mount, error) {
	if !channel.moves() || v.cfg.NoPTZ {
		return nil, errNoPTZ
	}
	return channel.gear.mount, nil
}

// ptz carries a front-end control instruction out (GB/T 28181-2022 annex A.3).
func (v *View) ptz(ctx context.Context, channel *Channel, c *manscdp.DeviceControl) error {
	cmd, err := gb28181.ParsePTZ(c.PTZCmd, v.cfg.StrictPTZ)
	if err != nil {
		return err
	}
	if cmd.Op == gb28181.PTZAuxOn || cmd.Op == gb28181.PTZAuxOff {
		return v.turnSwitch(ctx, channel, int(cmd.Switch), cmd.Op == gb28181.PTZAuxOn)
	}
	mount, err := v.mount(channel)
	if err != nil {
		return err
	}
	var names manscdp.PTZCmdParams
	if c.PTZCmdParams != nil {
		names = *c.PTZCmdParams
	}
	return mount.Control(ctx, v.operator, cmd, names)
}

// turnSwitch turns an auxiliary switch (辅助开关). A camera that can't be moved may have a lamp or a relay output all the
// same, and who switches it takes no hold of the camera.
func (v *View) turnSwitch(ctx context.Context, channel *Channel, n int, on bool) error {
	switch {
	case v.cfg.NoPTZ:
		return errNoPTZ
	case channel.Switcher == nil:
		return errNoSwitch
	case n == 0:
		return manscdp.ErrBadValue
	}
	if channel.gear.mount != nil {
		channel.gear.mount.Touch()
	}
	ctx, cancel := context.WithTimeout(ctx, deviceTimeout)
	defer cancel()
	return channel.Switcher.Switch(ctx, n, on)
}

// dragZoom makes a box of the picture as wide as the picture (拉框放大), or the other way round.
func (v *View) dragZoom(ctx context.Context, channel *Channel, box *manscdp.DragZoom, in bool) error {
	mount, err := v.mount(channel)
	if err != nil {
		return err
	}
	return mount.DragZoom(ctx, v.operator, box, in)
}

// aim goes to a position (精准云台控制, 2022).
func (v *View) aim(ctx context.Context, channel *Channel, to *manscdp.PTZPrecise) error {
	mount, err := v.mount(channel)
	if err != nil {
		return err
	}
	return mount.Aim(ctx, v.operator, to)
}

// setHome keeps the home position (看守位).
func (v *View) setHome(channel *Channel, h *manscdp.HomePosition) error {
	mount, err := v.mount(channel)
	switch {
	case err != nil:
		return err
	case h.Enabled < 0 || h.Enabled > 1 || h.ResetTime < 0,
		h.PresetIndex != nil && (*h.PresetIndex < 0 || *h.PresetIndex > 255):
		return manscdp.ErrBadValue
	}
	mount.SetHome(*h)
	v.site.cfg.Ledger.NoteHome(channel.Name, h)
	return nil
}
