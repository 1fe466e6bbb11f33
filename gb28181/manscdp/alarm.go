package manscdp

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"gbgate/gb28181"
)

// AlarmQuery subscribes to alarms or, rarely, asks for them (2022 A.2.4.6). It
// has no answer but the AlarmNotify that follow.
type AlarmQuery struct {
	Header
	StartPriority int       `gb:"StartAlarmPriority,opt"` // 1 highest to 4; 0 any
	EndPriority   int       `gb:"EndAlarmPriority,opt"`
	Method        string    `gb:"AlarmMethod,opt"`              // digits of the methods wanted, "0" or "" all
	Type          string    `gb:"AlarmType,opt"`                // a number, or several between slashes
	Start         time.Time `gb:"StartAlarmTime|StartTime,opt"` // gb-cms writes StartTime and EndTime
	End           time.Time `gb:"EndAlarmTime|EndTime,opt"`
}

// Root implements Message.
func (*AlarmQuery) Root() string { return Query }

// Matches tells whether the query wants to hear of an alarm: by its priority,
// method, type and time. The source is not looked at.
func (q *AlarmQuery) Matches(n *AlarmNotify) bool {
	switch {
	case q.StartPriority > 0 && n.Priority < q.StartPriority,
		q.EndPriority > 0 && n.Priority > q.EndPriority:
		return false
	case !q.Start.IsZero() && n.Time.Before(q.Start), !q.End.IsZero() && n.Time.After(q.End):
		return false
	case strings.Trim(q.Method, "0") != "" && !strings.Contains(q.Method, strconv.Itoa(n.Method)):
		return false
	}
	types := strings.FieldsFunc(q.Type, func(r rune) bool { return r < '0' || r > '9' })
	if len(types) == 0 || slices.Contains(types, "0") {
		return true
	}
	return n.Info != nil && slices.Contains(types, strconv.Itoa(n.Info.Type))
}

// AlarmNotify reports an alarm (2022 A.2.5.3).
type AlarmNotify struct {
	Header                 // DeviceID is the source: a camera or an alarm input
	Priority    int        `gb:"AlarmPriority"` // 1 highest to 4
	Method      int        `gb:"AlarmMethod"`   // see the constants Alarm…
	Time        time.Time  `gb:"AlarmTime"`
	Description string     `gb:"AlarmDescription,opt"`
	Longitude   *float64   `gb:"Longitude,opt,prec=6"` // degrees
	Latitude    *float64   `gb:"Latitude,opt,prec=6"`
	Info        *AlarmInfo `gb:"Info,opt"`
	ExtraInfo   string     `gb:"ExtraInfo,opt"` // 2022: at most 1024 characters
}

// Root implements Message.
func (*AlarmNotify) Root() string { return Notify }

func (n *AlarmNotify) check() error {
	if n.Priority < 1 || n.Priority > 4 {
		return fmt.Errorf("AlarmPriority %d is not 1 to 4", n.Priority)
	}
	if n.Method < AlarmPhone || n.Method > AlarmOther {
		return fmt.Errorf("AlarmMethod %d is not 1 to 7", n.Method)
	}
	return nil
}

// For returns the alarm as an edition knows it. 2016 has no word for a covered lens: to it, that is
// an abnormal picture.
func (n *AlarmNotify) For(e gb28181.Edition) *AlarmNotify {
	if e == gb28181.Edition2022 || n.Method != AlarmVideo || n.Info == nil || n.Info.Type != VideoOcclusion {
		return n
	}
	own, info := *n, *n.Info
	info.Type = VideoAbnormal
	own.Info = &info
	return &own
}

// AlarmInfo says what kind of alarm it is.
type AlarmInfo struct {
	Type  int             `gb:"AlarmType,opt"` // its meaning depends on the method
	Param *AlarmTypeParam `gb:"AlarmTypeParam,opt"`
}

// AlarmTypeParam says more of an intrusion (AlarmType 6).
type AlarmTypeParam struct {
	EventType int `gb:"EventType"` // 1 entered, 2 left
}

// Values of AlarmNotify.Method.
const (
	AlarmPhone  = 1
	AlarmDevice = 2 // see the constants Device… for its types
	AlarmSMS    = 3
	AlarmGPS    = 4
	AlarmVideo  = 5 // see Video…
	AlarmFault  = 6 // see Fault…
	AlarmOther  = 7
)

// Values of AlarmInfo.Type for AlarmDevice.
const (
	DeviceVideoLoss = 1
	DeviceTamper    = 2 // 防拆
	DeviceDiskFull  = 3
	DeviceHot       = 4
	DeviceCold      = 5
)

// Values of AlarmInfo.Type for AlarmVideo.
const (
	VideoManual     = 1
	VideoMotion     = 2
	VideoLeft       = 3 // an object was left behind
	VideoRemoved    = 4 // an object was taken away
	VideoTripwire   = 5 // 绊线
	VideoIntrusion  = 6
	VideoRetrograde = 7
	VideoLoitering  = 8
	VideoFlow       = 9
	VideoDensity    = 10
	VideoAbnormal   = 11
	VideoFast       = 12
	VideoOcclusion  = 13 // 2022
)

// Values of AlarmInfo.Type for AlarmFault.
const (
	FaultDisk = 1
	FaultFan  = 2
)

// AlarmResponse is a platform's word on an AlarmNotify. It is answered with 200 and nothing more.
type AlarmResponse struct {
	Header
	Result string `gb:"Result"` // OK or ERROR
}

// Root implements Message.
func (*AlarmResponse) Root() string { return Response }
