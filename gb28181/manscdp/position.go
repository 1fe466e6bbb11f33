package manscdp

import (
	"errors"
	"time"

	"gbgate/gb28181"
)

// MobilePositionQuery subscribes to the position of a device (2022 A.2.4.10).
type MobilePositionQuery struct {
	Header
	Interval int `gb:"Interval,opt"` // seconds between notifications; 0 means 5
}

// Root implements Message.
func (*MobilePositionQuery) Root() string { return Query }

// MobilePositionNotify tells where devices are (2022 A.2.5.6). The form of 2016
// has one position beside the header, the form of 2022 a list.
type MobilePositionNotify struct {
	Header
	Time      time.Time `gb:"Time"`
	Longitude *float64  `gb:"Longitude,opt,prec=6"` // 2016, as the next four: degrees. WVP fails without it
	Latitude  *float64  `gb:"Latitude,opt,prec=6"`
	Speed     *float64  `gb:"Speed,opt"`     // km/h
	Direction *float64  `gb:"Direction,opt"` // degrees from north, clockwise
	Altitude  *float64  `gb:"Altitude,opt"`  // metres
	SumNum    int       `gb:"SumNum,opt"`    // 2022, as the rest
	Num       int       `gb:"DeviceList@Num"`
	Items     []Place   `gb:"DeviceList>Item,opt,num"`
}

// Root implements Message.
func (*MobilePositionNotify) Root() string { return Notify }

func (n *MobilePositionNotify) check() error {
	if len(n.Items) == 0 && (n.Longitude == nil || n.Latitude == nil) {
		return errors.New("neither Longitude and Latitude nor a DeviceList")
	}
	return checkSum(n.SumNum, len(n.Items))
}

// Place is where one device is.
type Place struct {
	DeviceID    string    `gb:"DeviceID"`
	CaptureTime time.Time `gb:"CaptureTime"`
	Longitude   float64   `gb:"Longitude,prec=6"`
	Latitude    float64   `gb:"Latitude,prec=6"`
	Speed       *float64  `gb:"Speed,opt"`
	Direction   *float64  `gb:"Direction,opt"`
	Altitude    *float64  `gb:"Altitude,opt"`
	Height      *float64  `gb:"Height,opt"` // metres above the ground
}

// For returns the notification in the form of the edition. The flat form has
// room for the first place only.
func (n *MobilePositionNotify) For(e gb28181.Edition) *MobilePositionNotify {
	switch {
	case e == gb28181.Edition2022 && len(n.Items) == 0 && n.Longitude != nil && n.Latitude != nil:
		return &MobilePositionNotify{Header: n.Header, Time: n.Time, SumNum: 1, Items: []Place{{
			DeviceID: n.DeviceID, CaptureTime: n.Time, Longitude: *n.Longitude, Latitude: *n.Latitude,
			Speed: n.Speed, Direction: n.Direction, Altitude: n.Altitude,
		}}}
	case e == gb28181.Edition2016 && len(n.Items) > 0:
		p := n.Items[0]
		flat := &MobilePositionNotify{
			Header: n.Header, Time: n.Time, Longitude: &p.Longitude, Latitude: &p.Latitude,
			Speed: p.Speed, Direction: p.Direction, Altitude: p.Altitude,
		}
		flat.DeviceID = p.DeviceID
		return flat
	}
	return n
}

// PTZPositionQuery asks where a camera looks, once or as a subscription (2022
// A.2.4.13). Its CmdType PTZPreciseStatusQuery, of drafts and vendors, is kept.
type PTZPositionQuery struct{ Header }

// Root implements Message.
func (*PTZPositionQuery) Root() string { return Query }

// PTZPositionResponse answers a PTZPositionQuery (2022 A.2.6.15).
type PTZPositionResponse struct {
	Header
	PTZPosition
}

// Root implements Message.
func (*PTZPositionResponse) Root() string { return Response }

// PTZPositionNotify tells a subscriber where a camera looks (2022 A.2.5.9).
type PTZPositionNotify struct {
	Header
	PTZPosition
}

// Root implements Message.
func (*PTZPositionNotify) Root() string { return Notify }

// PTZPosition is where a camera looks; nil is unknown.
type PTZPosition struct {
	Pan                  *float64 `gb:"Pan,opt,prec=2"`                  // degrees, 0 to 360
	Tilt                 *float64 `gb:"Tilt,opt,prec=2"`                 // degrees, -30 to 90
	Zoom                 *float64 `gb:"Zoom,opt,prec=2"`                 // magnification
	HorizontalFieldAngle *float64 `gb:"HorizontalFieldAngle,opt,prec=2"` // degrees
	VerticalFieldAngle   *float64 `gb:"VerticalFieldAngle,opt,prec=2"`   // degrees
	MaxViewDistance      *float64 `gb:"MaxViewDistance,opt,prec=2"`      // metres
}
