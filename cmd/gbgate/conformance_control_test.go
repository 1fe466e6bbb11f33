package main

import (
	"strings"
	"testing"
	"time"

	"gbgate/gb28181/manscdp"
)

// Line 6 of the list: controls. Each has an answer or has none, whether the camera can do it or not (2022 9.3.1 d, e).

func TestLine6Controls(t *testing.T) {
	t.Parallel()
	number := func(f float64) *float64 { return &f }
	zero, preset := 0, 1
	zoom := &manscdp.DragZoom{Length: 1920, Width: 1080, MidPointX: 960, MidPointY: 540, LengthX: 400, LengthY: 300}
	overBoth(t, func(t *testing.T, transport string) {
		r := newRig(t, setup{transport: transport, rest: offCameras(1, 1)})
		for _, c := range []struct {
			name   string
			m      manscdp.DeviceControl
			result string // wanted; "?" is any, empty is no answer
		}{
			{"PTZCmd", manscdp.DeviceControl{PTZCmd: "A50F0100000000B5"}, ""},
			{"PTZCmd with a name", manscdp.DeviceControl{
				PTZCmd: "A50F018100030039", PTZCmdParams: &manscdp.PTZCmdParams{PresetName: "大门"},
			}, ""},
			{"PTZCmd with ControlPriority", manscdp.DeviceControl{
				PTZCmd: "A50F0100000000B5", Info: &manscdp.ControlInfo{ControlPriority: 5},
			}, ""},
			{"TeleBoot", manscdp.DeviceControl{TeleBoot: "Boot"}, ""},
			{"RecordCmd Record", manscdp.DeviceControl{RecordCmd: "Record"}, "?"},
			{"RecordCmd StopRecord", manscdp.DeviceControl{RecordCmd: "StopRecord", StreamNumber: &zero}, "?"},
			{"GuardCmd SetGuard", manscdp.DeviceControl{GuardCmd: "SetGuard"}, "OK"},
			{"GuardCmd ResetGuard", manscdp.DeviceControl{GuardCmd: "ResetGuard"}, "OK"},
			{"AlarmCmd", manscdp.DeviceControl{
				AlarmCmd: "ResetAlarm", Info: &manscdp.ControlInfo{AlarmMethod: "2", AlarmType: "2"},
			}, "OK"},
			{"IFrameCmd", manscdp.DeviceControl{IFrameCmd: "Send"}, ""},
			{"DragZoomIn", manscdp.DeviceControl{DragZoomIn: zoom}, ""},
			{"DragZoomOut", manscdp.DeviceControl{DragZoomOut: zoom}, ""},
			{"HomePosition", manscdp.DeviceControl{
				HomePosition: &manscdp.HomePosition{Enabled: 1, ResetTime: 60, PresetIndex: &preset},
			}, "?"},
			{"PTZPreciseCtrl", manscdp.DeviceControl{
				PTZPreciseCtrl: &manscdp.PTZPrecise{Pan: number(90), Tilt: number(0), Zoom: number(2)},
			}, ""},
			{"DeviceUpgrade", manscdp.DeviceControl{DeviceUpgrade: &manscdp.DeviceUpgrade{
				Firmware: "2", FileURL: "http://127.0.0.1/fw", Manufacturer: "x", SessionID: strings.Repeat("5", 32),
			}}, "ERROR"},
			{"FormatSDCard", manscdp.DeviceControl{FormatSDCard: &zero}, ""},
			{"TargetTrack", manscdp.DeviceControl{TargetTrack: "Auto"}, ""},
		} {
			res, err := r.node.Command(t.Context(), channelID, c.m)
			switch {
			case err != nil:
				t.Errorf("%s: %v", c.name, err)
			case c.result == "":
			case res == nil || res.Result != "OK" && res.Result != "ERROR" || c.result != "?" && res.Result != c.result:
				t.Errorf("%s is answered %+v, want %s", c.name, res, c.result)
			}
		}
		if code := r.gateway.terminate(t); code != exitGood {
			t.Errorf("a control ended the program: exit %d", code)
		}
	})
}

// IFameCmd is how the text of 2016, and WVP, spell it; WVP also sends ControlPriority with everything.
func TestLine6IFameCmd(t *testing.T) {
	t.Parallel()
	r := newRig(t, setup{rest: offCameras(1, 1)})
	for i, tag := range []string{"IFameCmd", "IFrameCmd"} {
		sn := []string{"71", "72"}[i]
		body := "<?xml version=\"1.0\" encoding=\"GB2312\"?>\r\n<Control>\r\n<CmdType>DeviceControl</CmdType>\r\n<SN>" + sn +
			"</SN>\r\n<DeviceID>" + channelID + "</DeviceID>\r\n<" + tag + ">Send</" + tag +
			">\r\n<Info>\r\n<ControlPriority>5</ControlPriority>\r\n</Info>\r\n</Control>\r\n"
		code, answer, err := r.node.AskText(t.Context(), channelID, []byte(body), "DeviceControl", sn, 300*time.Millisecond)
		if code != 200 || answer != nil || err == nil {
			t.Errorf("%s: %d, %+v, %v; want 200 and no answer", tag, code, answer, err)
		}
	}
}

// DeviceConfig is always answered; what a camera cannot do is ERROR.
func TestLine6DeviceConfig(t *testing.T) {
	t.Parallel()
	on := 1
	r := newRig(t, setup{rest: offCameras(1, 1)})
	for _, c := range []struct {
		name, id string
		s        manscdp.Settings
		want     string
	}{
		{"BasicParam of the node", "", manscdp.Settings{
			BasicParam: &manscdp.BasicParam{Expiration: 3600, HeartBeatInterval: 30, HeartBeatCount: 3},
		}, "OK"},
		{"AlarmReport", channelID, manscdp.Settings{
			AlarmReport: &manscdp.AlarmReport{MotionDetection: &on, FieldDetection: &on},
		}, "OK"},
		{"FrameMirror", channelID, manscdp.Settings{FrameMirror: &on}, "ERROR"},
		{"SVACEncodeConfig", channelID, manscdp.Settings{
			SVACEncodeConfig: &manscdp.SVACConfig{AudioParam: &manscdp.AudioParam{}},
		}, "ERROR"},
		{"VideoParamAttribute", channelID, manscdp.Settings{VideoParamAttribute: []manscdp.VideoParam{
			{StreamNumber: 0, VideoFormat: "2", Resolution: "6", FrameRate: "25", BitRateType: "1", VideoBitRate: "4096"},
		}}, "ERROR"},
		{"PictureMask", channelID, manscdp.Settings{PictureMask: &manscdp.PictureMask{On: 1}}, "ERROR"},
		{"OSDConfig", channelID, manscdp.Settings{OSDConfig: &manscdp.OSDConfig{Length: 704, Width: 576}}, "ERROR"},
		{"VideoRecordPlan", channelID, manscdp.Settings{VideoRecordPlan: &manscdp.VideoRecordPlan{}}, "ERROR"},
		{"VideoAlarmRecord", channelID, manscdp.Settings{VideoAlarmRecord: &manscdp.VideoAlarmRecord{}}, "ERROR"},
		{"nothing", channelID, manscdp.Settings{}, "ERROR"},
	} {
		res, err := r.node.DeviceConfig(t.Context(), c.id, c.s)
		if err != nil || res.Result != c.want {
			t.Errorf("%s: %+v, %v; want %s", c.name, res, err, c.want)
		}
	}
}

// Line 7 of the list: PTZ code. None of it has an answer, right or wrong, and none of it harms.

func TestLine7PTZCodes(t *testing.T) {
	t.Parallel()
	overBoth(t, func(t *testing.T, transport string) {
		r := newRig(t, setup{transport: transport, rest: offCameras(1, 1)})
		for _, code := range []string{
			"A50F0108007D003A", "A50F01027D000034", "a50f010a7d7d00b9", "A50F01100000D095", "A50F0100000000B5",
			"a50f01424b000042",
			"a50f018100030039", "a50f01820003003a",
			"A50F0108007D0000", // checksum
			"A50F010F7D7D0041", // up and down, left and right at once
			"A50F01", "zz", strings.Repeat("A5", 100),
		} {
			if _, err := r.node.Command(t.Context(), channelID, manscdp.DeviceControl{PTZCmd: code}); err != nil {
				t.Errorf("%s: %v", code, err)
			}
		}
		if _, err := r.node.DeviceInfo(t.Context(), channelID); err != nil {
			t.Errorf("after all that: %v", err)
		}
	})
}
