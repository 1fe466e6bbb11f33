package simcam

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"
)

func (d *ONVIF) ptzConfiguration(name string) string {
	if d.cfg.Fixed || d.cfg.Quirks.NoPTZInProfile {
		return ""
	}
	return in(name+` token="ptz1"`, el("tt:Name", "ptz"), el("tt:UseCount", "2"), el("tt:NodeToken", "node1"),
		el("tt:DefaultPTZTimeout", fmt.Sprintf("PT%dS", int(cmp.Or(d.cfg.Quirks.MovesTire, time.Minute).Seconds()))))
}

// axis is an axis of the head in the units that the device tells: positions run over at, the
// head itself counts from −1 to 1 (zoom from 0).
type axis struct{ min, max, low float64 }

func (a axis) out(v float64) float64 { return a.min + (v-a.low)/(1-a.low)*(a.max-a.min) }

func (a axis) in(v float64) float64 { return a.low + (v-a.min)/(a.max-a.min)*(1-a.low) }

func (d *ONVIF) axes() (pan, tilt, zoom axis) {
	if d.cfg.Quirks.DegreeSpaces {
		return axis{0, 360, -1}, axis{0, 180, -1}, axis{0, 10, 0}
	}
	return axis{-1, 1, -1}, axis{-1, 1, -1}, axis{0, 1, 0}
}

func (d *ONVIF) ptz(q *soapRequest) (string, *fault) {
	if d.cfg.Fixed {
		return "", unsupported()
	}
	if flt := d.ptzProfile(q); flt != nil {
		return "", flt
	}
	done := "<tptz:" + q.body.name + "Response/>"
	switch q.body.name {
	case "GetNodes":
		if d.cfg.Quirks.NoNodes {
			return in("tptz:GetNodesResponse"), nil
		}
		return in("tptz:GetNodesResponse", d.ptzNode("tptz:PTZNode")), nil
	case "GetNode":
		return in("tptz:GetNodeResponse", d.ptzNode("tptz:PTZNode")), nil
	case "GetConfigurations":
		return in("tptz:GetConfigurationsResponse", d.ptzConfiguration("tptz:PTZConfiguration")), nil
	case "GetStatus":
		return d.ptzStatus(), nil
	case "ContinuousMove":
		return done, d.continuousMove(q)
	case "AbsoluteMove":
		return done, d.absoluteMove(q)
	case "RelativeMove":
		return done, d.relativeMove(q)
	case "Stop":
		if d.cfg.Quirks.NoStop {
			return "", unsupported()
		}
		d.note("Stop")
		if !d.cfg.Quirks.StopIgnored {
			d.head.stop(q.body.str("PanTilt") != "false", q.body.str("Zoom") != "false")
		}
		return done, nil
	case "GotoHomePosition":
		d.note("GotoHomePosition")
		d.head.goHome()
		return done, nil
	case "SetHomePosition":
		d.note("SetHomePosition")
		d.head.setHome()
		return done, nil
	case "SendAuxiliaryCommand":
		d.note("SendAuxiliaryCommand %s", q.body.str("AuxiliaryData"))
		return in("tptz:SendAuxiliaryCommandResponse", el("tptz:AuxiliaryResponse", "OK")), nil
	}
	return d.presets(q)
}

// ptzProfile checks the profile of the operations that name one.
func (d *ONVIF) ptzProfile(q *soapRequest) *fault {
	token := q.body.child("ProfileToken")
	if token == nil {
		return nil
	}
	_, flt := d.profile(token.text)
	return flt
}

func (d *ONVIF) continuousMove(q *soapRequest) *fault {
	if d.cfg.Quirks.RefusesTimeout && q.body.child("Timeout") != nil {
		return invalid("TimeoutNotSupported")
	}
	at, zoom := q.body.child("Velocity", "PanTilt"), q.body.child("Velocity", "Zoom")
	var v [3]*float64
	words := ""
	for i, part := range []struct {
		n          *node
		attr, word string
	}{{at, "x", "pan"}, {at, "y", "tilt"}, {zoom, "x", "zoom"}} {
		f, ok := part.n.number(part.attr)
		if !ok {
			continue
		}
		if f < -1 || f > 1 {
			return invalid("InvalidVelocity")
		}
		v[i] = &f
		words += fmt.Sprintf(" %s=%s", part.word, strconv.FormatFloat(f, 'f', -1, 64))
	}
	if d.cfg.Quirks.OneAxis && v[0] != nil && v[1] != nil && *v[0] != 0 && *v[1] != 0 {
		return invalid("InvalidVelocity")
	}
	d.note("ContinuousMove%s", words)
	d.head.run(v)
	if tires := d.cfg.Quirks.MovesTire; tires > 0 {
		d.head.tire(tires)
	}
	return nil
}

func (d *ONVIF) absoluteMove(q *soapRequest) *fault {
	pan, tilt, zoom := d.axes()
	to := d.head.position()
	for i, part := range []struct {
		n    *node
		attr string
		axis axis
	}{
		{q.body.child("Position", "PanTilt"), "x", pan},
		{q.body.child("Position", "PanTilt"), "y", tilt},
		{q.body.child("Position", "Zoom"), "x", zoom},
	} {
		f, ok := part.n.number(part.attr)
		if !ok {
			continue
		}
		if f < part.axis.min || f > part.axis.max {
			return invalid("InvalidPosition")
		}
		to[i] = part.axis.in(f)
	}
	d.note("AbsoluteMove %.3f %.3f %.3f", to[0], to[1], to[2])
	d.head.put(to)
	return nil
}

func (d *ONVIF) relativeMove(q *soapRequest) *fault {
	at, zoom := q.body.child("Translation", "PanTilt"), q.body.child("Translation", "Zoom")
	to := d.head.position()
	reach := 1.0
	if at != nil && strings.HasSuffix(at.attrs["space"], "Fov") {
		reach = 0.1 // A picture shows a tenth of the range.
	}
	x, _ := at.number("x")
	y, _ := at.number("y")
	z, _ := zoom.number("x")
	d.note("RelativeMove %.3f %.3f %.3f", x, y, z)
	d.head.put([3]float64{to[0] + x*reach, to[1] + y*reach, to[2] + z})
	return nil
}

func (d *ONVIF) ptzStatus() string {
	pan, tilt, zoom := d.axes()
	p, moving, zooming := d.head.state()
	word := map[bool]string{false: "IDLE", true: "MOVING"}
	at := in("tt:Position",
		fmt.Sprintf(`<tt:PanTilt x="%.4f" y="%.4f"/>`, pan.out(p[0]), tilt.out(p[1])),
		fmt.Sprintf(`<tt:Zoom x="%.4f"/>`, zoom.out(p[2])))
	if d.cfg.Quirks.NoPosition {
		at = ""
	}
	return in("tptz:GetStatusResponse", in("tptz:PTZStatus", at,
		in("tt:MoveStatus", el("tt:PanTilt", word[moving]), el("tt:Zoom", word[zooming])),
		el("tt:UtcTime", xsTime(d.now()))))
}

func (d *ONVIF) ptzNode(name string) string {
	const base = "http://www.onvif.org/ver10/tptz/"
	pan, tilt, zoom := d.axes()
	limit := func(v float64) string {
		if d.cfg.Quirks.InfiniteSpaces {
			return map[bool]string{true: "-INF", false: "INF"}[v < 0 || v == 0]
		}
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	limits := func(name string, a axis) string {
		return in(name, el("tt:Min", limit(a.min)), el("tt:Max", limit(a.max)))
	}
	flat := func(name, uri string, x, y axis) string {
		return in(name, el("tt:URI", base+"PanTiltSpaces/"+uri), limits("tt:XRange", x), limits("tt:YRange", y))
	}
	line := func(name, uri string, x axis) string {
		return in(name, el("tt:URI", base+"ZoomSpaces/"+uri), limits("tt:XRange", x))
	}
	full := axis{-1, 1, -1}
	fov := flat("tt:RelativePanTiltTranslationSpace", "TranslationSpaceFov", full, full)
	if d.cfg.Quirks.NoFOV {
		fov = ""
	}
	return in(name+` token="node1"`, el("tt:Name", "head"), in("tt:SupportedPTZSpaces",
		flat("tt:AbsolutePanTiltPositionSpace", "PositionGenericSpace", pan, tilt),
		line("tt:AbsoluteZoomPositionSpace", "PositionGenericSpace", zoom),
		flat("tt:RelativePanTiltTranslationSpace", "TranslationGenericSpace", full, full),
		fov,
		line("tt:RelativeZoomTranslationSpace", "TranslationGenericSpace", full),
		flat("tt:ContinuousPanTiltVelocitySpace", "VelocityGenericSpace", full, full),
		line("tt:ContinuousZoomVelocitySpace", "VelocityGenericSpace", full)),
		el("tt:MaximumNumberOfPresets", strconv.Itoa(maxPresets)), el("tt:HomeSupported", "true"),
		el("tt:AuxiliaryCommands", "tt:Wiper|On"), el("tt:AuxiliaryCommands", "tt:Wiper|Off"))
}
