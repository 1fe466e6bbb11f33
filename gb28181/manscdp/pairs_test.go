package manscdp

import "gbgate/gb28181"

const session = "0123456789abcdef0123456789abcdef"

// answerPairs are the queries and what answers them.
func answerPairs() map[string]Message {
	return map[string]Message{
		"recordinfo-query": &RecordInfoQuery{
			Header: head("RecordInfo", "8217", camera),
			Start:  beijing(2026, 1, 31, 0, 0, 0), End: beijing(2026, 1, 31, 23, 59, 59), Secrecy: new(0), Type: "all",
		},
		"recordinfo-query-2022": &RecordInfoQuery{
			Header: head("RecordInfo", "8217", camera),
			Start:  beijing(2026, 1, 31, 0, 0, 0), End: beijing(2026, 1, 31, 23, 59, 59),
			FilePath: "/2026-01-31", Address: "东门", Type: "alarm", RecorderID: gateway, IndistinctQuery: new(1),
			StreamNumber: new(0), AlarmMethod: "5", AlarmType: "2",
		},
		"recordinfo": &RecordInfoResponse{
			Header: head("RecordInfo", "8217", camera), Name: "东门球机", SumNum: 2, Num: 2, Items: []RecordItem{
				{
					DeviceID: camera, Name: "东门球机", FilePath: "/2026-01-31/000000.ps", Address: "local",
					Start: beijing(2026, 1, 31, 0, 0, 0), End: beijing(2026, 1, 31, 0, 30, 0), Type: "time",
					RecorderID: gateway, FileSize: 12345678901,
				},
				{
					DeviceID: camera, Name: "东门球机",
					Start: beijing(2026, 1, 31, 0, 30, 0), End: beijing(2026, 1, 31, 1, 0, 0), Secrecy: 1,
				},
			},
		},
		"recordinfo-2022": &RecordInfoResponse{
			Header: head("RecordInfo", "8217", camera), Name: "东门球机", SumNum: 9, Num: 1, Items: []RecordItem{{
				DeviceID: camera, Name: "东门球机", Start: beijing(2026, 1, 31, 0, 0, 0), End: beijing(2026, 1, 31, 0, 30, 0),
				Type: "time", RecordLocation: gateway, StreamNumber: new(0),
			}},
		},
		"recordinfo-empty": &RecordInfoResponse{Header: head("RecordInfo", "8217", camera), Name: "东门球机"},
		"alarm-query": &AlarmQuery{
			Header: head("Alarm", "4", gateway), StartPriority: 1, EndPriority: 4, Method: "25", Type: "2",
			Start: beijing(2026, 1, 31, 0, 0, 0), End: beijing(2026, 1, 31, 23, 59, 59),
		},
		"preset-query": &PresetQuery{head("PresetQuery", "5", camera)},
		"preset": &PresetResponse{
			Header: head("PresetQuery", "5", camera), SumNum: 2, Num: 2,
			Presets: []Preset{{ID: 1, Name: "大门"}, {ID: 2, Name: "yard"}},
		},
		"preset-empty":       &PresetResponse{Header: head("PresetQuery", "5", camera)},
		"homeposition-query": &HomePositionQuery{head("HomePositionQuery", "6", camera)},
		"homeposition": &HomePositionResponse{
			Header:       head("HomePositionQuery", "6", camera),
			HomePosition: &HomePosition{Enabled: 1, ResetTime: 60, PresetIndex: new(1)},
		},
		"homeposition-none":     &HomePositionResponse{Header: head("HomePositionQuery", "6", camera)},
		"cruisetracklist-query": &CruiseTrackListQuery{head("CruiseTrackListQuery", "7", camera)},
		"cruisetracklist": &CruiseTrackListResponse{
			Header: head("CruiseTrackListQuery", "7", camera), SumNum: 2, Num: 2,
			Tracks: []CruiseTrack{{Number: 0, Name: "夜间"}, {Number: 1, Name: "t1"}},
		},
		"cruisetracklist-empty": &CruiseTrackListResponse{Header: head("CruiseTrackListQuery", "7", camera)},
		"cruisetrack-query":     &CruiseTrackQuery{Header: head("CruiseTrackQuery", "8", camera)},
		"cruisetrack": &CruiseTrackResponse{
			Header: head("CruiseTrackQuery", "8", camera), Name: "t0", SumNum: 2, Num: 2,
			Points: []CruisePoint{{PresetIndex: 1, StayTime: 10, Speed: 5}, {PresetIndex: 2, StayTime: 20, Speed: 15}},
		},
		"cruisetrack-empty": &CruiseTrackResponse{Header: head("CruiseTrackQuery", "8", camera), Number: 3},
		"ptzposition-query": &PTZPositionQuery{head("PTZPosition", "9", camera)},
		"ptzposition": &PTZPositionResponse{
			Header: head("PTZPosition", "9", camera), PTZPosition: PTZPosition{
				Pan: new(123.45), Tilt: new(-5.0), Zoom: new(2.0), HorizontalFieldAngle: new(62.5), VerticalFieldAngle: new(36.0),
				MaxViewDistance: new(150.0),
			},
		},
		"ptzposition-unknown":    &PTZPositionResponse{Header: head("PTZPosition", "9", camera)},
		"ptzprecisestatus-query": &PTZPositionQuery{head("PTZPreciseStatusQuery", "9", camera)},
		"ptzprecisestatus": &PTZPositionResponse{
			Header: head("PTZPreciseStatusQuery", "9", camera), PTZPosition: PTZPosition{Pan: new(0.0)},
		},
		"sdcardstatus-query":       &SDCardStatusQuery{head("SDCardStatus", "12", gateway)},
		"sdcardstatus-none":        &SDCardStatusResponse{Header: head("SDCardStatus", "12", gateway)},
		"mobileposition-query":     &MobilePositionQuery{Header: head("MobilePosition", "2", gateway), Interval: 5},
		"mobileposition-subscribe": &SubscribeResponse{Header: head("MobilePosition", "2", gateway), Result: ERROR},
		"catalog-subscribe":        &SubscribeResponse{Header: head("Catalog", "17430", gateway), Result: OK},
		"sdcardstatus": &SDCardStatusResponse{
			Header: head("SDCardStatus", "12", gateway), SumNum: 2, Num: 2, Cards: []SDCard{
				{ID: 1, HddName: "SD Card 1", Status: "ok", Capacity: 32768, FreeSpace: 24576},
				{ID: 2, HddName: "SD Card 2", Status: "formatting", FormatProgress: new(0), Capacity: 32768},
			},
		},
		"alarm-response":     &AlarmResponse{Header: head("Alarm", "1", camera), Result: OK},
		"broadcast-response": &BroadcastResponse{Header: head("Broadcast", "992", camera), Result: OK},
	}
}

// configPairs are the settings, asked for and changed.
func configPairs() map[string]Message {
	snapshot := &SnapShotConfig{SnapNum: 3, Interval: 1, UploadURL: "http://192.0.2.10/up?a=1&b=2", SessionID: session}
	basic := &BasicParam{Name: "东门球机", Expiration: 3600, HeartBeatInterval: 60, HeartBeatCount: 3}
	config := func(s Settings) Message {
		return &DeviceConfig{Header: head("DeviceConfig", "12", camera), Settings: s}
	}
	return map[string]Message{
		"configdownload-query": &ConfigDownloadQuery{
			Header: head("ConfigDownload", "9", camera), ConfigType: "BasicParam/VideoParamOpt",
		},
		"configdownload": &ConfigDownloadResponse{
			Header: head("ConfigDownload", "9", camera), Result: OK,
			Settings: Settings{BasicParam: basic, VideoParamOpt: &VideoParamOpt{DownloadSpeed: "1/2/4", Resolution: "6/5"}},
		},
		"configdownload-2016": &ConfigDownloadResponse{
			Header: head("ConfigDownload", "9", camera), Result: OK, Settings: Settings{BasicParam: &BasicParam{
				Name: "东门球机", Expiration: 3600, HeartBeatInterval: 60, HeartBeatCount: 3,
				PositionCapability: new(0), Longitude: new(118.376451), Latitude: new(31.326319),
			}},
		},
		"configdownload-error": &ConfigDownloadResponse{Header: head("ConfigDownload", "9", camera), Result: ERROR},
		"configdownload-snapshot": &ConfigDownloadResponse{
			Header: head("ConfigDownload", "9", camera), Result: OK, SnapShot: snapshot,
		},
		"configdownload-snapshotconfig": &ConfigDownloadResponse{
			Header: head("ConfigDownload", "9", camera), Result: OK, Settings: Settings{SnapShotConfig: snapshot},
		},
		"deviceconfig-response": &DeviceConfigResponse{Header: head("DeviceConfig", "12", gateway), Result: OK},
		"deviceconfig-basic":    config(Settings{BasicParam: basic}),
		"deviceconfig-alarmreport": config(Settings{
			AlarmReport: &AlarmReport{MotionDetection: new(1), FieldDetection: new(0)},
		}),
		"deviceconfig-snapshot": config(Settings{SnapShotConfig: snapshot}),
		"deviceconfig-mirror":   config(Settings{FrameMirror: new(0)}),
		"deviceconfig-video": config(Settings{VideoParamAttribute: []VideoParam{
			{StreamNumber: 0, VideoFormat: "2", Resolution: "6", FrameRate: "25", BitRateType: "2", VideoBitRate: "4096"},
			{StreamNumber: 1, VideoFormat: "5", Resolution: "640x360", FrameRate: "15", BitRateType: "1"},
		}}),
		"deviceconfig-plan": config(Settings{VideoRecordPlan: &VideoRecordPlan{
			RecordEnable: 1, RecordScheduleSumNum: 2, RecordSchedule: []RecordSchedule{
				{WeekDayNum: 1, TimeSegmentSumNum: 2, TimeSegment: []TimeSegment{
					{StopHour: 11, StopMin: 59, StopSec: 59}, {StartHour: 13, StopHour: 23, StopMin: 59, StopSec: 59},
				}},
				{WeekDayNum: 7, TimeSegmentSumNum: 1, TimeSegment: []TimeSegment{{StartHour: 8, StopHour: 9}}},
			},
		}}),
		"deviceconfig-alarmrecord": config(Settings{VideoAlarmRecord: &VideoAlarmRecord{
			RecordEnable: 1, RecordTime: new(30), PreRecordTime: new(0),
		}}),
		"deviceconfig-mask": config(Settings{PictureMask: &PictureMask{
			On: 1, SumNum: 2, Regions: []Mask{{Seq: 1, Point: "0,0,100,80"}, {Seq: 2, Point: "200,0,300,80"}},
		}}),
		"deviceconfig-osd": config(Settings{OSDConfig: &OSDConfig{
			Length: 1920, Width: 1080, TimeX: 10, TimeY: 10, TimeEnable: 1, TimeType: new(1), TextEnable: 1,
			SumNum: 2, Items: []OSDText{{Text: "东门", X: 10, Y: 1000}, {Text: "一号", X: 10, Y: 1040}},
		}}),
		"deviceconfig-svac": config(Settings{
			SVACEncodeConfig: &SVACConfig{
				ROIParam: &ROIParam{ROIFlag: 1, ROINumber: 1, Items: []ROI{{ROISeq: 1, TopLeft: 0, BottomRight: 99, ROIQP: 2}}},
			},
			SVACDecodeConfig: &SVACConfig{AudioParam: &AudioParam{}},
		}),
	}
}

// notifyPairs are what goes without being answered by a Response.
func notifyPairs() map[string]Message {
	at := beijing(2026, 1, 31, 10, 0, 0)
	change := func(id, event string) NotifyItem { return NotifyItem{Item: Item{DeviceID: id}, Event: event} }
	lists := &MobilePositionNotify{
		Header: head("MobilePosition", "1", gateway), Time: at, SumNum: 2, Num: 2, Items: []Place{
			{DeviceID: camera, CaptureTime: at, Longitude: 118.37, Latitude: 31.32},
			{
				DeviceID: "34020100001380000001", CaptureTime: at, Longitude: 118.376451, Latitude: -0.000001,
				Speed: new(12.5), Direction: new(270.0), Altitude: new(-3.0), Height: new(1.5),
			},
		},
	}
	return map[string]Message{
		"notify-catalog": &CatalogNotify{
			Header: head("Catalog", "103", gateway), SumNum: 5, Num: 5, Items: []NotifyItem{
				change(camera, EventOn), change("34020100001320000002", EventOff), change("34020100001320000003", EventVLost),
				change("34020100001320000004", EventDefect), change("34020100001320000005", EventDel),
			},
		},
		"notify-catalog-2016": &CatalogNotify{
			Header: head("Catalog", "104", gateway), SumNum: 2, Num: 2, Items: []NotifyItem{
				{Item: eastGate().For(gb28181.Edition2016), Event: EventAdd},
				{Item: Item{DeviceID: "34020100002160000001", Name: "东区", ParentID: gateway}, Event: EventUpdate},
			},
		},
		"notify-catalog-2022": &CatalogNotify{
			Header: head("Catalog", "104", gateway), SumNum: 1, Num: 1, Items: []NotifyItem{
				{Item: eastGate().For(gb28181.Edition2022), Event: EventUpdate},
			},
		},
		"notify-alarm": &AlarmNotify{
			Header: head("Alarm", "1", camera), Priority: 4, Method: AlarmVideo, Time: at, Description: "motion",
			Longitude: new(118.37), Latitude: new(31.32), Info: &AlarmInfo{Type: VideoMotion},
		},
		"notify-alarm-intrusion": &AlarmNotify{
			Header: head("Alarm", "1", camera), Priority: 1, Method: AlarmVideo, Time: at,
			Info: &AlarmInfo{Type: VideoIntrusion, Param: &AlarmTypeParam{EventType: 2}}, ExtraInfo: "门 2",
		},
		"notify-alarm-2011": &AlarmNotify{
			Header: head("Alarm", "1", "34020100001340000001"), Priority: 1, Method: AlarmDevice, Time: at,
		},
		"notify-mobileposition": &MobilePositionNotify{
			Header: head("MobilePosition", "1", "34020100001380000001"), Time: at, Longitude: new(118.37), Latitude: new(31.32),
			Speed: new(0.0), Direction: new(0.0), Altitude: new(10.0),
		},
		"notify-mobileposition-2022": lists,
		"notify-ptzposition": &PTZPositionNotify{
			Header: head("PTZPosition", "3", camera), PTZPosition: PTZPosition{Pan: new(359.99), Tilt: new(-0.5)},
		},
		"notify-mediastatus": &MediaStatusNotify{Header: head("MediaStatus", "8", camera), NotifyType: MediaStatusEnd},
		"notify-broadcast": &Broadcast{
			Header: Header{CmdType: "Broadcast", SN: "992"}, SourceID: "34020000002000000001", TargetID: camera,
		},
		"notify-snapshot": &UploadSnapShotFinished{
			Header: head("UploadSnapShotFinished", "31", camera), SessionID: session, Files: []string{
				camera + "022026013114404958301", camera + "022026013114405058302",
			},
		},
		"notify-snapshot-failed": &UploadSnapShotFinished{
			Header: head("UploadSnapShotFinished", "31", camera), SessionID: session,
		},
		"notify-videoupload": &VideoUploadNotify{
			Header: head("VideoUploadNotify", "32", camera), Time: at, Longitude: new(118.37), Latitude: new(31.32),
		},
		"notify-upgrade": &DeviceUpgradeResult{
			Header: head("DeviceUpgradeResult", "33", gateway), SessionID: session, Result: OK, Firmware: "V2.0",
		},
		"notify-upgrade-failed": &DeviceUpgradeResult{
			Header: head("DeviceUpgradeResult", "33", gateway), SessionID: session, Result: ERROR, Firmware: "V1.0",
			Reason: UpgradeTimeout,
		},
	}
}
