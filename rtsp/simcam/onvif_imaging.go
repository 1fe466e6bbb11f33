package simcam

import "strconv"

// imaging answers the imaging service. The focus says what it does among the commands.
func (d *ONVIF) imaging(q *soapRequest) (string, *fault) {
	if q.body.str("VideoSourceToken") != sourceToken {
		return "", invalid("NoSource")
	}
	span := func(name, low, high string) string { return in(name, el("tt:Min", low), el("tt:Max", high)) }
	switch q.body.name {
	case "GetMoveOptions":
		speeds := span("tt:Speed", "-1", "1")
		relative := ""
		if d.cfg.Quirks.PositiveFocus {
			speeds = span("tt:Speed", "1", "5")
			relative = in("tt:Relative", span("tt:Distance", "-10", "10"))
		}
		return in("timg:GetMoveOptionsResponse", in("timg:MoveOptions", relative, in("tt:Continuous", speeds))), nil
	case "Move":
		return "<timg:MoveResponse/>", d.moveFocus(q)
	case "Stop":
		d.note("Stop focus")
		return "<timg:StopResponse/>", nil
	case "GetImagingSettings":
		d.mu.Lock()
		defer d.mu.Unlock()
		return in("timg:GetImagingSettingsResponse", in("timg:ImagingSettings",
			in("tt:Exposure", el("tt:Mode", "AUTO"), el("tt:Iris", strconv.FormatFloat(d.iris, 'f', -1, 64))),
			in("tt:Focus", el("tt:AutoFocusMode", "AUTO")))), nil
	case "GetOptions":
		return in("timg:GetOptionsResponse", in("timg:ImagingOptions",
			in("tt:Exposure", el("tt:Mode", "AUTO"), el("tt:Mode", "MANUAL"), span("tt:Iris", "0", "22")))), nil
	case "SetImagingSettings":
		return "<timg:SetImagingSettingsResponse/>", d.setImaging(q)
	}
	return "", unsupported()
}

func (d *ONVIF) moveFocus(q *soapRequest) *fault {
	d.mu.Lock()
	manual := d.manualFocus
	d.mu.Unlock()
	if d.cfg.Quirks.AutoFocus && !manual {
		return &fault{"Receiver", "Action/MoveFailed", "automatic focus"}
	}
	if speed := q.body.str("Focus", "Continuous", "Speed"); speed != "" {
		if v, err := strconv.ParseFloat(speed, 64); err != nil || d.cfg.Quirks.PositiveFocus && v < 0 {
			return invalid("InvalidSpeed")
		}
		d.note("Move focus speed=%s", speed)
		return nil
	}
	if distance := q.body.str("Focus", "Relative", "Distance"); distance != "" {
		d.note("Move focus distance=%s", distance)
		return nil
	}
	return invalid("NoMove")
}

func (d *ONVIF) setImaging(q *soapRequest) *fault {
	d.mu.Lock()
	if mode := q.body.str("ImagingSettings", "Focus", "AutoFocusMode"); mode != "" {
		d.manualFocus = mode == "MANUAL"
	}
	iris := q.body.str("ImagingSettings", "Exposure", "Iris")
	if v, err := strconv.ParseFloat(iris, 64); err == nil {
		d.iris = v
	}
	d.mu.Unlock()
	if iris != "" {
		d.note("SetImagingSettings iris=%s", iris)
	}
	return nil
}
