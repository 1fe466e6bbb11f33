package manscdp

import "time"

// Result values of a Response.
const (
	OK    = "OK"
	ERROR = "ERROR"
)

// Keepalive is the heartbeat (2022 §9.6, A.2.5.2).
type Keepalive struct {
	Header
	Status string   `gb:"Status"`            // OK or ERROR
	Faulty []string `gb:"Info>DeviceID,opt"` // codes of faulty devices
}

// Root implements Message.
func (*Keepalive) Root() string { return Notify }

// DeviceInfoQuery asks what a device is (2022 A.2.4.4).
type DeviceInfoQuery struct{ Header }

// Root implements Message.
func (*DeviceInfoQuery) Root() string { return Query }

// DeviceInfoResponse answers a DeviceInfoQuery (2022 A.2.6.4).
type DeviceInfoResponse struct {
	Header
	DeviceName   string `gb:"DeviceName,opt"`
	Result       string `gb:"Result"` // OK or ERROR
	DeviceType   string `gb:"DeviceType,opt"`
	Manufacturer string `gb:"Manufacturer,opt"`
	Model        string `gb:"Model,opt"`
	Firmware     string `gb:"Firmware,opt"`
	Channel      int    `gb:"Channel,opt"`   // number of video inputs
	MaxCamera    int    `gb:"MaxCamera,opt"` // 2011, as the next
	MaxAlarm     int    `gb:"MaxAlarm,opt"`
}

// Root implements Message.
func (*DeviceInfoResponse) Root() string { return Response }

// DeviceStatusQuery asks how a device is (2022 A.2.4.2).
type DeviceStatusQuery struct{ Header }

// Root implements Message.
func (*DeviceStatusQuery) Root() string { return Query }

// DeviceStatusResponse answers a DeviceStatusQuery (2022 A.2.6.2).
type DeviceStatusResponse struct {
	Header
	Result string        `gb:"Result"`     // OK or ERROR
	Online string        `gb:"Online"`     // ONLINE or OFFLINE
	Status string        `gb:"Status"`     // OK or ERROR
	Reason string        `gb:"Reason,opt"` // why Status is ERROR
	Encode string        `gb:"Encode,opt"` // ON or OFF: the camera encodes
	Record string        `gb:"Record,opt"` // ON or OFF: the camera records
	Time   time.Time     `gb:"DeviceTime,opt"`
	Alarms []AlarmStatus `gb:"Alarmstatus>Item,opt,num"` // omitted when there are no alarm inputs
}

// AlarmStatus is the state of one alarm input.
type AlarmStatus struct {
	DeviceID   string `gb:"DeviceID"`
	DutyStatus string `gb:"DutyStatus"` // ONDUTY, OFFDUTY or ALARM
}

// Root implements Message.
func (*DeviceStatusResponse) Root() string { return Response }

// SDCardStatusQuery asks for the memory cards of a device (2022 A.2.4.14).
type SDCardStatusQuery struct{ Header }

// Root implements Message.
func (*SDCardStatusQuery) Root() string { return Query }

// SDCardStatusResponse answers an SDCardStatusQuery (2022 A.2.6.16).
type SDCardStatusResponse struct {
	Header
	SumNum int      `gb:"SumNum"`
	Num    int      `gb:"SDCardStatusInfo@Num"` // as received; Encode writes the number of Cards
	Cards  []SDCard `gb:"SDCardStatusInfo>Item,opt,num,answer"`
}

// Root implements Message.
func (*SDCardStatusResponse) Root() string { return Response }

func (r *SDCardStatusResponse) check() error { return checkSum(r.SumNum, len(r.Cards)) }

// SDCard is one memory card; a device has at most eight.
type SDCard struct {
	ID             int    `gb:"ID"`
	HddName        string `gb:"HddName"`
	Status         string `gb:"Status"`             // ok, formatting, unformatted, idle or error
	FormatProgress *int   `gb:"FormatProgress,opt"` // percent
	Capacity       int    `gb:"Capacity"`           // MB
	FreeSpace      int    `gb:"FreeSpace"`          // MB
}
