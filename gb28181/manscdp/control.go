package manscdp

import "errors"

// ErrBadValue is of a command whose form is right and whose value says nothing.
var ErrBadValue = errors.New("the command's value has no meaning")

// DeviceControl carries one control command to a device (2022 A.2.3.1): exactly
// one of its parts is set, which Kind names.
type DeviceControl struct {
	Header
	PTZCmd         string         `gb:"PTZCmd,opt"` // 16 hexadecimal digits, see gb28181.ParsePTZ
	PTZCmdParams   *PTZCmdParams  `gb:"PTZCmdParams,opt"`
	TeleBoot       string         `gb:"TeleBoot,opt"`           // Boot
	RecordCmd      string         `gb:"RecordCmd,opt"`          // Record or StopRecord
	StreamNumber   *int           `gb:"StreamNumber,opt"`       // with RecordCmd (2022): 0 main, 1 sub …
	GuardCmd       string         `gb:"GuardCmd,opt"`           // SetGuard or ResetGuard
	AlarmCmd       string         `gb:"AlarmCmd,opt"`           // ResetAlarm
	IFrameCmd      string         `gb:"IFrameCmd|IFameCmd,opt"` // Send. The text of 2016, and WVP, spell it IFameCmd
	DragZoomIn     *DragZoom      `gb:"DragZoomIn,opt"`         // enlarge a part of the picture
	DragZoomOut    *DragZoom      `gb:"DragZoomOut,opt"`        // the opposite
	HomePosition   *HomePosition  `gb:"HomePosition,opt"`       // 看守位
	PTZPreciseCtrl *PTZPrecise    `gb:"PTZPreciseCtrl,opt"`     // 2022
	DeviceUpgrade  *DeviceUpgrade `gb:"DeviceUpgrade,opt"`      // 2022
	FormatSDCard   *int           `gb:"FormatSDCard,opt"`       // 2022: 0 all, else the card's number
	TargetTrack    string         `gb:"TargetTrack,opt"`        // 2022: Auto, Manual or Stop
	DeviceID2      string         `gb:"DeviceID2,opt"`          // with TargetTrack: the panoramic camera
	TargetArea     *DragZoom      `gb:"TargetArea,opt"`         // with TargetTrack Manual
	Info           *ControlInfo   `gb:"Info,opt"`
}

// Root implements Message.
func (*DeviceControl) Root() string { return Control }

// PTZCmdParams names what a PTZCmd stores (2022).
type PTZCmdParams struct {
	PresetName      string `gb:"PresetName,opt"`      // with instruction 81
	CruiseTrackName string `gb:"CruiseTrackName,opt"` // with instruction 84
}

// DragZoom is a box drawn in a playback window; all lengths are pixels of that window.
type DragZoom struct {
	Length    int `gb:"Length"` // width of the window
	Width     int `gb:"Width"`  // height of the window
	MidPointX int `gb:"MidPointX"`
	MidPointY int `gb:"MidPointY"`
	LengthX   int `gb:"LengthX"` // width of the box
	LengthY   int `gb:"LengthY"` // height of the box
}

// HomePosition sends an idle camera to a preset (看守位).
type HomePosition struct {
	Enabled     int  `gb:"Enabled"`         // 1 on, 0 off
	ResetTime   int  `gb:"ResetTime,opt"`   // seconds without command until the camera returns
	PresetIndex *int `gb:"PresetIndex,opt"` // 0 to 255
}

// PTZPrecise moves a camera to an absolute position (2022); nil leaves that axis alone.
type PTZPrecise struct {
	Pan  *float64 `gb:"Pan,opt"`  // degrees, 0 to 360
	Tilt *float64 `gb:"Tilt,opt"` // degrees, -30 to 90
	Zoom *float64 `gb:"Zoom,opt"` // magnification
}

// DeviceUpgrade asks a device to load firmware (2022 §9.13).
type DeviceUpgrade struct {
	Firmware     string `gb:"Firmware"`
	FileURL      string `gb:"FileURL"`
	Manufacturer string `gb:"Manufacturer"`
	SessionID    string `gb:"SessionID"`
}

// ControlInfo is what accompanies a control command.
type ControlInfo struct {
	ControlPriority int    `gb:"ControlPriority,opt"` // 2016; no meaning for us
	AlarmMethod     string `gb:"AlarmMethod,opt"`     // with AlarmCmd
	AlarmType       string `gb:"AlarmType,opt"`       // with AlarmCmd
}

// ControlResponse answers those control commands that have an answer.
type ControlResponse struct {
	Header
	Result string `gb:"Result"` // OK or ERROR
}

// Root implements Message.
func (*ControlResponse) Root() string { return Response }

// ControlKind is which control command a DeviceControl carries.
type ControlKind uint8

// The kinds, in the order in which they are looked for.
const (
	ControlUnknown ControlKind = iota
	ControlPTZ
	ControlTeleBoot
	ControlRecord
	ControlGuard
	ControlAlarm
	ControlIFrame
	ControlDragZoomIn
	ControlDragZoomOut
	ControlHomePosition
	ControlPTZPrecise
	ControlUpgrade
	ControlFormatSDCard
	ControlTargetTrack
)

// Kind returns the first command found in c.
func (c *DeviceControl) Kind() ControlKind {
	switch {
	case c.PTZCmd != "":
		return ControlPTZ
	case c.TeleBoot != "":
		return ControlTeleBoot
	case c.RecordCmd != "":
		return ControlRecord
	case c.GuardCmd != "":
		return ControlGuard
	case c.AlarmCmd != "":
		return ControlAlarm
	case c.IFrameCmd != "":
		return ControlIFrame
	case c.DragZoomIn != nil:
		return ControlDragZoomIn
	case c.DragZoomOut != nil:
		return ControlDragZoomOut
	case c.HomePosition != nil:
		return ControlHomePosition
	case c.PTZPreciseCtrl != nil:
		return ControlPTZPrecise
	case c.DeviceUpgrade != nil:
		return ControlUpgrade
	case c.FormatSDCard != nil:
		return ControlFormatSDCard
	case c.TargetTrack != "":
		return ControlTargetTrack
	}
	return ControlUnknown
}

// Answered tells whether a command of this kind gets a MANSCDP Response (2022
// §9.3.1 d, e). The others get their SIP 200 and nothing else, even when they fail.
func (k ControlKind) Answered() bool {
	switch k {
	case ControlRecord, ControlGuard, ControlAlarm, ControlHomePosition, ControlUpgrade:
		return true
	default:
		return false
	}
}

// String returns the name of the element that carries the command.
func (k ControlKind) String() string {
	switch k {
	case ControlPTZ:
		return "PTZCmd"
	case ControlTeleBoot:
		return "TeleBoot"
	case ControlRecord:
		return "RecordCmd"
	case ControlGuard:
		return "GuardCmd"
	case ControlAlarm:
		return "AlarmCmd"
	case ControlIFrame:
		return "IFrameCmd"
	case ControlDragZoomIn:
		return "DragZoomIn"
	case ControlDragZoomOut:
		return "DragZoomOut"
	case ControlHomePosition:
		return "HomePosition"
	case ControlPTZPrecise:
		return "PTZPreciseCtrl"
	case ControlUpgrade:
		return "DeviceUpgrade"
	case ControlFormatSDCard:
		return "FormatSDCard"
	case ControlTargetTrack:
		return "TargetTrack"
	case ControlUnknown:
	}
	return "unknown"
}
