package onvif

import (
	"context"
	"math"
	"strconv"
	"strings"
)

// Range is what one axis of a space allows.
type Range struct{ Min, Max float64 }

// generic is the range of ONVIF's generic velocity and position spaces.
func generic() Range { return Range{-1, 1} }

// from maps −1 … 1 linearly into the range.
func (r Range) from(v float64) float64 {
	v = max(-1, min(1, v))
	return r.Min + (v+1)/2*(r.Max-r.Min)
}

// velocity maps −1 … 1 into the range with 0 kept at 0.
func (r Range) velocity(v float64) float64 {
	v = max(-1, min(1, v))
	if v < 0 {
		return -v * r.Min
	}
	return v * r.Max
}

// span is the length of the range.
func (r Range) span() float64 { return r.Max - r.Min }

// within keeps x in the range.
func (r Range) within(x float64) float64 { return max(r.Min, min(r.Max, x)) }

// to is the inverse of from.
func (r Range) to(x float64) float64 {
	if r.Max == r.Min {
		return 0
	}
	return max(-1, min(1, (x-r.Min)/(r.Max-r.Min)*2-1))
}

// Space is a coordinate space of a PTZ node; the ranges of a zoom space are in X.
type Space struct {
	URI  string
	X, Y Range
}

// Node is what a PTZ node can do.
type Node struct {
	Token, Name string
	// Position, Translation and Velocity are the first space of each kind, Pan and Tilt in X and
	// Y; the URI is "" where the node has none.
	Position, Translation, Velocity             Space
	ZoomPosition, ZoomTranslation, ZoomVelocity Space
	// FOV is the translation space that counts in fields of view; URI "" = none.
	FOV        Space
	MaxPresets int
	Home       bool
	Auxiliary  []string // commands such as "tt:Wiper|On"
	Tours      bool
}

// Nodes lists the PTZ nodes. It may be empty on devices that can be moved all the same.
func (c *Client) Nodes(ctx context.Context) ([]Node, error) {
	e, err := c.call(ctx, request{service: ptzService, op: "GetNodes", body: "<tptz:GetNodes/>"})
	if err != nil {
		return nil, err
	}
	var list []Node
	for _, n := range e.all("PTZNode") {
		list = append(list, readNode(n))
	}
	return list, nil
}

func readNode(e *element) Node {
	n := Node{
		Token: e.attr("token"), Name: e.str("Name"), MaxPresets: e.integer("MaximumNumberOfPresets"),
		Home: e.flag("HomeSupported"), Tours: e.find("SupportedPresetTour") != nil,
	}
	spaces := e.at("SupportedPTZSpaces")
	first := func(name string) Space {
		for _, s := range spaces.all(name) {
			if s := readSpace(s, generic()); !strings.HasSuffix(s.URI, "Fov") {
				return s
			}
		}
		return Space{X: generic(), Y: generic()}
	}
	n.Position = first("AbsolutePanTiltPositionSpace")
	n.ZoomPosition = readSpace(spaces.at("AbsoluteZoomPositionSpace"), Range{0, 1})
	n.Translation, n.ZoomTranslation = first("RelativePanTiltTranslationSpace"), first("RelativeZoomTranslationSpace")
	n.Velocity, n.ZoomVelocity = first("ContinuousPanTiltVelocitySpace"), first("ContinuousZoomVelocitySpace")
	for _, s := range spaces.all("RelativePanTiltTranslationSpace") {
		if s := readSpace(s, generic()); strings.HasSuffix(s.URI, "Fov") {
			n.FOV = s
		}
	}
	for _, a := range e.all("AuxiliaryCommands") {
		// A list of its own kind: one element each by the schema, blank-separated on some devices.
		n.Auxiliary = append(n.Auxiliary, strings.Fields(a.text)...)
	}
	return n
}

// readSpace takes a space. Limits that are missing, infinite or upside down (onvif_srvd says
// -INF … INF) mean the usual range.
func readSpace(e *element, usual Range) Space {
	limits := func(r *element) Range {
		got := Range{r.num("Min"), r.num("Max")}
		if math.IsInf(got.Min, 0) || math.IsInf(got.Max, 0) || got.Min >= got.Max {
			return usual
		}
		return got
	}
	return Space{URI: strings.TrimSpace(e.str("URI")), X: limits(e.at("XRange")), Y: limits(e.at("YRange"))}
}

// genericNode stands for a node that the device does not describe.
func genericNode() Node { return readNode(nil) }

// Vector is a velocity, position or translation in a node's own units. A nil part is left alone.
type Vector struct {
	PanTilt *[2]float64
	Zoom    *float64
	// PanTiltSpace and ZoomSpace name the spaces; "" = the default of the configuration.
	PanTiltSpace, ZoomSpace string
}

func (v Vector) xml(name string) string {
	num := func(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
	space := func(uri string) string {
		if uri == "" {
			return ""
		}
		return ` space="` + xmlText(uri) + `"`
	}
	inner := ""
	if v.PanTilt != nil {
		inner += `<tt:PanTilt x="` + num(v.PanTilt[0]) + `" y="` + num(v.PanTilt[1]) + `"` + space(v.PanTiltSpace) + `/>`
	}
	if v.Zoom != nil {
		inner += `<tt:Zoom x="` + num(*v.Zoom) + `"` + space(v.ZoomSpace) + `/>`
	}
	return wrap(name, inner)
}

// ptz calls an operation that names a profile.
func (c *Client) ptz(ctx context.Context, op, profile string, inner ...string) (*element, error) {
	inner = append([]string{leaf("tptz:ProfileToken", profile)}, inner...)
	return c.call(ctx, request{service: ptzService, op: op, body: wrap("tptz:"+op, inner...)})
}

// ContinuousMove sets velocities until Stop. No time-out is sent: Bosch rejects it, JM800S5 and
// onvif_simple_server ignore it.
func (c *Client) ContinuousMove(ctx context.Context, profile string, velocity Vector) error {
	_, err := c.ptz(ctx, "ContinuousMove", profile, velocity.xml("tptz:Velocity"))
	return err
}

// AbsoluteMove goes to a position.
func (c *Client) AbsoluteMove(ctx context.Context, profile string, position Vector) error {
	_, err := c.ptz(ctx, "AbsoluteMove", profile, position.xml("tptz:Position"))
	return err
}

// RelativeMove goes on from where the camera is.
func (c *Client) RelativeMove(ctx context.Context, profile string, translation Vector) error {
	_, err := c.ptz(ctx, "RelativeMove", profile, translation.xml("tptz:Translation"))
	return err
}

// StopMove ends every movement.
func (c *Client) StopMove(ctx context.Context, profile string) error {
	_, err := c.ptz(ctx, "Stop", profile, leaf("tptz:PanTilt", "true"), leaf("tptz:Zoom", "true"))
	return err
}

// Status is where a camera looks, in the units of its position space.
type Status struct {
	PanTilt         [2]float64
	Zoom            float64
	HasPanTilt      bool // the camera told pan and tilt
	HasZoom         bool
	Moving, Zooming bool
}

// PTZStatus asks for the position.
func (c *Client) PTZStatus(ctx context.Context, profile string) (Status, error) {
	e, err := c.ptz(ctx, "GetStatus", profile)
	if err != nil {
		return Status{}, err
	}
	at := e.find("Position")
	s := Status{
		HasPanTilt: at.at("PanTilt") != nil, HasZoom: at.at("Zoom") != nil,
		PanTilt: [2]float64{number(at.at("PanTilt").attr("x")), number(at.at("PanTilt").attr("y"))},
		Zoom:    number(at.at("Zoom").attr("x")),
	}
	s.Moving = strings.EqualFold(e.find("MoveStatus").str("PanTilt"), "MOVING")
	s.Zooming = strings.EqualFold(e.find("MoveStatus").str("Zoom"), "MOVING")
	return s, nil
}

// Home goes to the home position.
func (c *Client) Home(ctx context.Context, profile string) error {
	_, err := c.ptz(ctx, "GotoHomePosition", profile)
	return err
}

// SetHome makes the present position the home position. Some cameras have a fixed one.
func (c *Client) SetHome(ctx context.Context, profile string) error {
	_, err := c.ptz(ctx, "SetHomePosition", profile)
	return err
}

// Auxiliary sends a command such as "tt:Wiper|On".
func (c *Client) Auxiliary(ctx context.Context, profile, command string) error {
	_, err := c.ptz(ctx, "SendAuxiliaryCommand", profile, leaf("tptz:AuxiliaryData", command))
	return err
}
