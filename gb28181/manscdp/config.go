package manscdp

import "strings"

// ConfigDownloadQuery asks for the settings of a device (2022 A.2.4.7).
// srs-sip sends it as a Control.
type ConfigDownloadQuery struct {
	Header
	ConfigType string `gb:"ConfigType"` // names between slashes, see Types
}

// Root implements Message.
func (*ConfigDownloadQuery) Root() string { return Query }

// Types returns the names of the blocks that are wanted, as they were written.
func (q *ConfigDownloadQuery) Types() []string {
	return strings.FieldsFunc(q.ConfigType, func(r rune) bool { return r == '/' || r == ' ' || r == ',' || r == ';' })
}

// ConfigDownloadResponse answers a ConfigDownloadQuery, alone or with others of
// the same SN that hold the other blocks (2022 A.2.6.7).
type ConfigDownloadResponse struct {
	Header
	Result string `gb:"Result"` // OK; ERROR when no block that was asked for is known
	Settings
	// SnapShot is SnapShotConfig under the name that 2022 gives it in the answer only; set one of them.
	SnapShot *SnapShotConfig `gb:"SnapShot,opt"`
}

// Root implements Message.
func (*ConfigDownloadResponse) Root() string { return Response }

// DeviceConfig changes the settings of a device (2022 A.2.3.2). It is always answered.
type DeviceConfig struct {
	Header
	Settings
}

// Root implements Message.
func (*DeviceConfig) Root() string { return Control }

// DeviceConfigResponse answers a DeviceConfig.
type DeviceConfigResponse struct {
	Header
	Result string `gb:"Result"` // OK or ERROR
}

// Root implements Message.
func (*DeviceConfigResponse) Root() string { return Response }

// Settings are the blocks that a device can be configured with. Those from
// VideoParamAttribute on are new in 2022.
type Settings struct {
	BasicParam          *BasicParam       `gb:"BasicParam,opt"`
	VideoParamOpt       *VideoParamOpt    `gb:"VideoParamOpt,opt"`
	SVACEncodeConfig    *SVACConfig       `gb:"SVACEncodeConfig,opt"`
	SVACDecodeConfig    *SVACConfig       `gb:"SVACDecodeConfig,opt"`
	VideoParamAttribute []VideoParam      `gb:"VideoParamAttribute>Item,opt,num"`
	VideoRecordPlan     *VideoRecordPlan  `gb:"VideoRecordPlan,opt"`
	VideoAlarmRecord    *VideoAlarmRecord `gb:"VideoAlarmRecord,opt"`
	PictureMask         *PictureMask      `gb:"PictureMask,opt"`
	FrameMirror         *int              `gb:"FrameMirror,opt"` // 0 none, 1 horizontal, 2 vertical, 3 both
	AlarmReport         *AlarmReport      `gb:"AlarmReport,opt"`
	OSDConfig           *OSDConfig        `gb:"OSDConfig,opt"`
	SnapShotConfig      *SnapShotConfig   `gb:"SnapShotConfig,opt"`
}

// Kinds returns the names of the blocks that are set, in the order of the standard.
func (s *Settings) Kinds() []string {
	var kinds []string
	for _, k := range []struct {
		name string
		set  bool
	}{
		{"BasicParam", s.BasicParam != nil},
		{"VideoParamOpt", s.VideoParamOpt != nil},
		{"SVACEncodeConfig", s.SVACEncodeConfig != nil},
		{"SVACDecodeConfig", s.SVACDecodeConfig != nil},
		{"VideoParamAttribute", len(s.VideoParamAttribute) > 0},
		{"VideoRecordPlan", s.VideoRecordPlan != nil},
		{"VideoAlarmRecord", s.VideoAlarmRecord != nil},
		{"PictureMask", s.PictureMask != nil},
		{"FrameMirror", s.FrameMirror != nil},
		{"AlarmReport", s.AlarmReport != nil},
		{"OSDConfig", s.OSDConfig != nil},
		{"SnapShotConfig", s.SnapShotConfig != nil},
	} {
		if k.set {
			kinds = append(kinds, k.name)
		}
	}
	return kinds
}

// BasicParam is the registration and heartbeat of a device.
type BasicParam struct {
	Name               string   `gb:"Name,opt"`
	Expiration         int      `gb:"Expiration,opt"`         // seconds, at least 3600
	HeartBeatInterval  int      `gb:"HeartBeatInterval,opt"`  // seconds
	HeartBeatCount     int      `gb:"HeartBeatCount,opt"`     // lost heartbeats until offline
	PositionCapability *int     `gb:"PositionCapability,opt"` // 2016, in the answer: 0 none, 1 GPS, 2 Beidou
	Longitude          *float64 `gb:"Longitude,opt,prec=6"`   // degrees
	Latitude           *float64 `gb:"Latitude,opt,prec=6"`
}

// VideoParamOpt is what a camera can offer; it is read only.
type VideoParamOpt struct {
	DownloadSpeed string `gb:"DownloadSpeed,opt"` // "1/2/4"
	Resolution    string `gb:"Resolution,opt"`    // codes of the f= line: "6/5"
}

// SVACConfig is the settings of an SVAC coder; no camera of ours has one.
type SVACConfig struct {
	ROIParam          *ROIParam          `gb:"ROIParam,opt"`
	SVCParam          *SVCParam          `gb:"SVCParam,opt"`
	SurveillanceParam *SurveillanceParam `gb:"SurveillanceParam,opt"`
	AudioParam        *AudioParam        `gb:"AudioParam,opt"`
}

// ROIParam is regions of interest.
type ROIParam struct {
	ROIFlag   int   `gb:"ROIFlag"`
	ROINumber int   `gb:"ROINumber,opt"`
	Items     []ROI `gb:"Item,opt"` // at most 16
}

// ROI is one region of interest.
type ROI struct {
	ROISeq      int `gb:"ROISeq"`
	TopLeft     int `gb:"TopLeft"`
	BottomRight int `gb:"BottomRight"`
	ROIQP       int `gb:"ROIQP"`
}

// SVCParam is scalable coding. Only its presence counts for us.
type SVCParam struct{}

// SurveillanceParam is surveillance data in the stream. Only its presence counts for us.
type SurveillanceParam struct{}

// AudioParam is sound recognition.
type AudioParam struct {
	AudioRecognitionFlag int `gb:"AudioRecognitionFlag"`
}

// VideoParam is how one stream of a camera is encoded.
type VideoParam struct {
	StreamNumber int    `gb:"StreamNumber"`     // 0 main, 1 sub …
	VideoFormat  string `gb:"VideoFormat"`      // codec number of the f= line
	Resolution   string `gb:"Resolution"`       // code of the f= line or WxH
	FrameRate    string `gb:"FrameRate"`        // 0 to 99
	BitRateType  string `gb:"BitRateType"`      // 1 constant, 2 variable
	VideoBitRate string `gb:"VideoBitRate,opt"` // kbit/s
}

// VideoRecordPlan is when a device records.
type VideoRecordPlan struct {
	RecordEnable         int              `gb:"RecordEnable"` // 0 or 1
	RecordScheduleSumNum int              `gb:"RecordScheduleSumNum"`
	RecordSchedule       []RecordSchedule `gb:"RecordSchedule,opt"` // at most 7
	StreamNumber         int              `gb:"StreamNumber"`
}

// RecordSchedule is one day of a VideoRecordPlan.
type RecordSchedule struct {
	WeekDayNum        int           `gb:"WeekDayNum"` // 1 to 7
	TimeSegmentSumNum int           `gb:"TimeSegmentSumNum"`
	TimeSegment       []TimeSegment `gb:"TimeSegment,opt"` // at most 8
}

// TimeSegment is a part of a day.
type TimeSegment struct {
	StartHour int `gb:"StartHour"`
	StartMin  int `gb:"StartMin"`
	StartSec  int `gb:"StartSec"`
	StopHour  int `gb:"StopHour"`
	StopMin   int `gb:"StopMin"`
	StopSec   int `gb:"StopSec"`
}

// VideoAlarmRecord is how a device records alarms.
type VideoAlarmRecord struct {
	RecordEnable  int  `gb:"RecordEnable"`      // 0 or 1
	RecordTime    *int `gb:"RecordTime,opt"`    // seconds after the alarm
	PreRecordTime *int `gb:"PreRecordTime,opt"` // seconds before the alarm
	StreamNumber  int  `gb:"StreamNumber"`
}

// PictureMask is the parts of the picture that are hidden.
type PictureMask struct {
	On      int    `gb:"On"` // 0 or 1
	SumNum  int    `gb:"SumNum"`
	Regions []Mask `gb:"RegionList>Item,opt,num"` // at most 4
}

// Mask is one hidden rectangle.
type Mask struct {
	Seq   int    `gb:"Seq"`
	Point string `gb:"Point"` // "left,top,right,bottom" in pixels
}

// AlarmReport switches the alarms that a device reports.
type AlarmReport struct {
	MotionDetection *int `gb:"MotionDetection,opt"` // 0 or 1
	FieldDetection  *int `gb:"FieldDetection,opt"`  // 0 or 1
}

// OSDConfig is the text in the picture.
type OSDConfig struct {
	Length     int       `gb:"Length"` // width of the window in pixels
	Width      int       `gb:"Width"`  // height of the window in pixels
	TimeX      int       `gb:"TimeX"`
	TimeY      int       `gb:"TimeY"`
	TimeEnable int       `gb:"TimeEnable"`   // 0 or 1
	TimeType   *int      `gb:"TimeType,opt"` // 0 yyyy-mm-dd, 1 yyyy年mm月dd日
	TextEnable int       `gb:"TextEnable"`   // 0 or 1
	SumNum     int       `gb:"SumNum"`
	Items      []OSDText `gb:"Item,opt"` // at most 8
}

// OSDText is one line of text in the picture.
type OSDText struct {
	Text string `gb:"Text"` // at most 32 bytes
	X    int    `gb:"X"`
	Y    int    `gb:"Y"`
}

// SnapShotConfig asks for pictures (图像抓拍, 2022 §9.14).
type SnapShotConfig struct {
	SnapNum   int    `gb:"SnapNum"`  // pictures, 1 to 10
	Interval  int    `gb:"Interval"` // seconds between them, at least 1
	UploadURL string `gb:"UploadURL"`
	SessionID string `gb:"SessionID"` // 32 to 128 letters, digits and dashes
}
