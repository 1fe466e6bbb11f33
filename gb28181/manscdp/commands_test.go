package manscdp

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gbgate/gb28181"
)

// body puts elements behind the header of a command.
func body(root, command, elements string) []byte {
	return []byte("<?xml version=\"1.0\"?>\n<" + root + "><CmdType>" + command + "</CmdType><SN>1</SN>" +
		"<DeviceID>" + camera + "</DeviceID>" + elements + "</" + root + ">")
}

// Messages of the commands beyond the catalog, as platforms bend them.
func TestDecodeCommands(t *testing.T) {
	at := beijing(2026, 1, 31, 10, 0, 0)
	for _, tc := range []struct {
		name, root, command, elements string
		want                          Message
	}{
		{
			"WVP's blanks around numbers", Query, "RecordInfo",
			"<StartTime>2026-01-31T10:00:00</StartTime><EndTime>2026-1-31 10:0:0</EndTime>" +
				"<Secrecy> 0 </Secrecy><Type></Type><IndistinctQuery>x</IndistinctQuery>",
			&RecordInfoQuery{Header: head("RecordInfo", "1", camera), Start: at, End: at, Secrecy: new(0)},
		},
		{
			"times without seconds, as in 2011", Query, "RecordInfo",
			"<StartTime>2026-01-31T10:00</StartTime><EndTime>2026-01-31T10:00:00+08:00</EndTime>",
			&RecordInfoQuery{Header: head("RecordInfo", "1", camera), Start: at, End: at},
		},
		{
			"records without SumNum, size or secrecy", Response, "RecordInfo",
			"<RecordList Num=' 1 '><Item><DeviceID>" + camera + "</DeviceID><FileSize></FileSize><Secrecy/></Item></RecordList>",
			&RecordInfoResponse{Header: head("RecordInfo", "1", camera), Num: 1, Items: []RecordItem{{DeviceID: camera}}},
		},
		{
			"WVP's empty list", Response, "RecordInfo", `<SumNum>0</SumNum><RecordList Num="0"></RecordList>`,
			&RecordInfoResponse{Header: head("RecordInfo", "1", camera)},
		},
		{
			"presets of Hikvision, without SumNum", Response, "PresetQuery",
			`<PresetList Num="1"><Item><PresetID>1</PresetID><PresetName>a</PresetName></Item></PresetList>`,
			&PresetResponse{Header: head("PresetQuery", "1", camera), Num: 1, Presets: []Preset{{ID: 1, Name: "a"}}},
		},
		{
			"lower-case info of an alarm, as WVP forwards it", Notify, "Alarm",
			"<AlarmPriority>4</AlarmPriority><AlarmMethod>5</AlarmMethod><AlarmTime>2026-01-31T10:00:00.123</AlarmTime>" +
				"<info><alarmType>6</alarmType><AlarmTypeParam><EventType>1</EventType></AlarmTypeParam></info>",
			&AlarmNotify{
				Header: head("Alarm", "1", camera), Priority: 4, Method: 5, Time: at.Add(123 * time.Millisecond),
				Info: &AlarmInfo{Type: 6, Param: &AlarmTypeParam{EventType: 1}},
			},
		},
		{
			"a box drawn in a scaled window", Control, "DeviceControl",
			"<DragZoomIn><Length>1280.0</Length><Width>719.6</Width><MidPointX>-3</MidPointX></DragZoomIn>",
			&DeviceControl{Header: head("DeviceControl", "1", camera), DragZoomIn: &DragZoom{
				Length: 1280, Width: 720, MidPointX: -3,
			}},
		},
		{
			"empty info of an alarm", Notify, "Alarm", "<AlarmPriority>1</AlarmPriority><Info/>",
			&AlarmNotify{Header: head("Alarm", "1", camera), Priority: 1},
		},
		{
			"an event in another case, before the item", Notify, "Catalog",
			"<SumNum>1</SumNum><DeviceList Num=\"1\"><Item><DeviceID>" + camera + "</DeviceID><event>Off</event><Name>n</Name>" +
				"</Item></DeviceList>",
			&CatalogNotify{Header: head("Catalog", "1", camera), SumNum: 1, Num: 1, Items: []NotifyItem{
				{Item: Item{DeviceID: camera, Name: "n"}, Event: "Off"},
			}},
		},
		{
			"a broadcast has no DeviceID, but may bring one", Notify, "Broadcast", "<TargetID>" + camera + "</TargetID>",
			&Broadcast{Header: head("Broadcast", "1", camera), TargetID: camera},
		},
		{
			"settings of the 2016 kind", Control, "DeviceConfig",
			"<BasicParam><Name/><Expiration>7200</Expiration><HeartBeatInterval> 30 </HeartBeatInterval></BasicParam>",
			&DeviceConfig{Header: head("DeviceConfig", "1", camera), Settings: Settings{
				BasicParam: &BasicParam{Expiration: 7200, HeartBeatInterval: 30},
			}},
		},
		{
			"settings in the wrong case", Control, "deviceconfig",
			"<SnapshotConfig><SnapNum>1</SnapNum><Interval>2</Interval><UploadURL>http://a/?b=1&c=2</UploadURL>" +
				"<SessionID>s</SessionID></SnapshotConfig><framemirror>0</framemirror>",
			&DeviceConfig{Header: head("DeviceConfig", "1", camera), Settings: Settings{
				FrameMirror:    new(0),
				SnapShotConfig: &SnapShotConfig{SnapNum: 1, Interval: 2, UploadURL: "http://a/?b=1&c=2", SessionID: "s"},
			}},
		},
		{
			"SVAC settings that we don't know", Control, "DeviceConfig",
			"<SVACEncodeConfig><SVCParam><X>1</X></SVCParam></SVACEncodeConfig><SVACDecodeConfig><Y>1</Y></SVACDecodeConfig>",
			&DeviceConfig{Header: head("DeviceConfig", "1", camera), Settings: Settings{
				SVACEncodeConfig: &SVACConfig{SVCParam: &SVCParam{}}, SVACDecodeConfig: &SVACConfig{},
			}},
		},
		{
			"ConfigDownload as a Control, from srs-sip", Control, "ConfigDownload", "<ConfigType>BasicParam</ConfigType>",
			&ConfigDownloadQuery{Header: head("ConfigDownload", "1", camera), ConfigType: "BasicParam"},
		},
		{
			"a vendor's name for PTZPosition", Query, "ptzprecisestatusquery", "",
			&PTZPositionQuery{head("PTZPreciseStatusQuery", "1", camera)},
		},
		{
			"a position without numbers", Response, "PTZPosition", "<Pan>NaN</Pan><Tilt/><Zoom>2</Zoom>",
			&PTZPositionResponse{Header: head("PTZPosition", "1", camera), PTZPosition: PTZPosition{Zoom: new(2.0)}},
		},
		{
			"a catalog that has a Result, too", Response, "Catalog", "<Result>OK</Result><SumNum>0</SumNum>",
			&CatalogResponse{Header: head("Catalog", "1", camera)},
		},
		{
			"the answer to a subscription of a command unknown", Response, "Foo", "<Result>ERROR</Result>",
			&SubscribeResponse{Header: head("Foo", "1", camera), Result: ERROR},
		},
		{
			"the answer to an alarm", Response, "Alarm", "<Result>OK</Result>",
			&AlarmResponse{Header: head("Alarm", "1", camera), Result: OK},
		},
		{
			"cards without attribute Num", Response, "SDCardStatus",
			"<SumNum>1</SumNum><SDCardStatusInfo><Item><ID>1</ID><Status>ok</Status></Item></SDCardStatusInfo>",
			&SDCardStatusResponse{
				Header: head("SDCardStatus", "1", camera), SumNum: 1, Cards: []SDCard{{ID: 1, Status: "ok"}},
			},
		},
	} {
		got, err := Decode(body(tc.root, tc.command, tc.elements))
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
}

func TestEncodeRefusesCommands(t *testing.T) {
	at := beijing(2026, 1, 31, 10, 0, 0)
	record := func(start, end int) RecordItem {
		return RecordItem{
			DeviceID: camera, Name: "n", Start: beijing(2026, 1, 1, 0, 0, start), End: beijing(2026, 1, 1, 0, 0, end),
		}
	}
	records := func(sum int, items ...RecordItem) Message {
		return &RecordInfoResponse{Header: head("", "1", camera), SumNum: sum, Items: items}
	}
	events := func(items ...NotifyItem) Message {
		return &CatalogNotify{Header: head("", "1", gateway), SumNum: len(items), Items: items}
	}
	for _, tc := range []struct {
		m    Message
		want string // part of the error
	}{
		{records(1, record(0, 1), record(1, 2)), "SumNum 1 is below the 2 items"},
		{records(2, record(0, 1), record(0, 1)), "times of Item2 are those of another item"},
		{records(1, record(1, 0)), "Item1: EndTime is before StartTime"},
		{records(1, RecordItem{DeviceID: camera, Name: "n", Start: at}), "EndTime is"},
		{records(1, RecordItem{DeviceID: camera, Name: "n"}), "StartTime is empty"},
		{&RecordInfoQuery{Header: head("", "1", camera), Start: at}, "EndTime is empty"},
		{&PresetResponse{Header: head("", "1", camera), SumNum: 1, Presets: []Preset{{Name: "a"}}}, "PresetID 0 is not"},
		{&PresetResponse{Header: head("", "1", camera), Presets: []Preset{{ID: 1, Name: "a"}}}, "SumNum 0"},
		{&CruiseTrackListResponse{Header: head("", "1", camera), Tracks: []CruiseTrack{{}}}, "SumNum 0"},
		{&CruiseTrackResponse{Header: head("", "1", camera), Points: []CruisePoint{{}}}, "SumNum 0"},
		{&SDCardStatusResponse{Header: head("", "1", camera), Cards: []SDCard{{}}}, "SumNum 0"},
		{&CatalogNotify{Header: head("", "1", camera), Items: []NotifyItem{{Event: "ON"}}}, "SumNum 0"},
		{events(NotifyItem{Item: Item{DeviceID: camera}}), `no event ""`},
		{events(NotifyItem{Item: Item{DeviceID: camera}, Event: "ONLINE"}), `no event "ONLINE"`},
		{events(NotifyItem{Event: EventOff}), "DeviceID is empty"},
		{events(NotifyItem{Item: Item{DeviceID: camera, Name: "n"}, Event: EventAdd}), "Manufacturer is empty"},
		{&AlarmNotify{Header: head("", "1", camera), Method: 5, Time: at}, "AlarmPriority 0"},
		{&AlarmNotify{Header: head("", "1", camera), Priority: 4, Method: 8, Time: at}, "AlarmMethod 8"},
		{&AlarmNotify{Header: head("", "1", camera), Priority: 4, Method: 5}, "AlarmTime is empty"},
		{&MobilePositionNotify{Header: head("", "1", camera), Time: at, Longitude: new(1.0)}, "neither Longitude"},
		{&MobilePositionNotify{Header: head("", "1", camera), Time: at, Items: []Place{{}}}, "SumNum 0"},
		{&MediaStatusNotify{Header: head("", "1", camera)}, "NotifyType is empty"},
		{&Broadcast{Header: head("", "1", ""), SourceID: gateway}, "TargetID is empty"},
		{&Broadcast{SourceID: gateway, TargetID: camera}, `SN ""`},
		{&SubscribeResponse{Header: head(" ", "1", camera), Result: OK}, "no MANSCDP command"},
		{&UploadSnapShotFinished{Header: head("", "1", camera), SessionID: session, Files: []string{" "}}, "SnapShotFileID1"},
	} {
		got, err := Encode(tc.m, gb28181.GB2312)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%T: error %v, want %q in it\n%s", tc.m, err, tc.want, got)
		}
	}
}

// The switch for empty lists writes the lists of answers and no other.
func TestEmptyLists(t *testing.T) {
	at := beijing(2026, 1, 31, 10, 0, 0)
	for _, tc := range []struct {
		m    Message
		want string // "": no list at all
	}{
		{&CatalogResponse{Header: head("", "1", gateway)}, `<DeviceList Num="0"></DeviceList>`},
		{&RecordInfoResponse{Header: head("", "1", camera)}, `<RecordList Num="0"></RecordList>`},
		{&CruiseTrackListResponse{Header: head("", "1", camera)}, `<CruiseTrackList Num="0"></CruiseTrackList>`},
		{&CruiseTrackResponse{Header: head("", "1", camera)}, `<CruisePointList Num="0"></CruisePointList>`},
		{&SDCardStatusResponse{Header: head("", "1", camera)}, `<SDCardStatusInfo Num="0"></SDCardStatusInfo>`},
		{&PresetResponse{Header: head("", "1", camera)}, `<PresetList Num="0"></PresetList>`},
		{&DeviceStatusResponse{Header: head("", "1", camera), Result: OK, Online: "ONLINE", Status: OK}, ""},
		{&ConfigDownloadResponse{Header: head("", "1", camera), Result: ERROR}, ""},
		{
			&MobilePositionNotify{Header: head("", "1", camera), Time: at, Longitude: new(1.0), Latitude: new(1.0)},
			"",
		},
	} {
		got, err := Encoder{EmptyLists: true}.Encode(tc.m)
		if err != nil {
			t.Errorf("%T: %v", tc.m, err)
			continue
		}
		if tc.want == "" && strings.Contains(string(got), "Num=") || !strings.Contains(string(got), tc.want) {
			t.Errorf("%T: want the list %q in\n%s", tc.m, tc.want, got)
		}
	}
}

// Num counts the items of this message, whatever the caller wrote there.
func TestNumIsExact(t *testing.T) {
	got, err := Encode(&PresetResponse{
		Header: head("", "1", camera), SumNum: 9, Num: 7, Presets: []Preset{{ID: 1, Name: "a"}},
	}, gb28181.GB2312)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"<SumNum>9</SumNum>", `<PresetList Num="1">`} {
		if !strings.Contains(string(got), want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
}

// A camera need not name its presets (ONVIF), a platform wants names.
func TestPresetWithoutName(t *testing.T) {
	got, err := Encode(&PresetResponse{
		Header: head("", "1", camera), SumNum: 1, Presets: []Preset{{ID: 17, Name: " "}},
	}, gb28181.UTF8)
	if err != nil {
		t.Fatal(err)
	}
	if want := "<PresetID>17</PresetID>\r\n<PresetName>17</PresetName>\r\n"; !strings.Contains(string(got), want) {
		t.Errorf("%q is not in\n%s", want, got)
	}
}

func TestEncodeZero(t *testing.T) {
	got, err := Encode(&PTZPositionNotify{
		Header: head("", "1", camera), PTZPosition: PTZPosition{Pan: new(-0.001), Tilt: new(-0.01), Zoom: new(0.0)},
	}, gb28181.UTF8)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"<Pan>0.00</Pan>", "<Tilt>-0.01</Tilt>", "<Zoom>0.00</Zoom>"} {
		if !strings.Contains(string(got), want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
}

func TestConfigTypes(t *testing.T) {
	for text, want := range map[string][]string{
		"BasicParam":                         {"BasicParam"},
		"BasicParam/VideoParamOpt":           {"BasicParam", "VideoParamOpt"},
		" BasicParam / AlarmReport/,OSD;X/ ": {"BasicParam", "AlarmReport", "OSD", "X"},
		"":                                   {},
	} {
		if diff := cmp.Diff(want, (&ConfigDownloadQuery{ConfigType: text}).Types()); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}

func TestSettingsKinds(t *testing.T) {
	full := Settings{
		&BasicParam{}, &VideoParamOpt{}, &SVACConfig{}, &SVACConfig{},
		[]VideoParam{{}},
		&VideoRecordPlan{},
		&VideoAlarmRecord{}, &PictureMask{}, new(0), &AlarmReport{}, &OSDConfig{}, &SnapShotConfig{},
	}
	want := []string{
		"BasicParam", "VideoParamOpt", "SVACEncodeConfig", "SVACDecodeConfig", "VideoParamAttribute", "VideoRecordPlan",
		"VideoAlarmRecord", "PictureMask", "FrameMirror", "AlarmReport", "OSDConfig", "SnapShotConfig",
	}
	if diff := cmp.Diff(want, full.Kinds()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := (&Settings{}).Kinds(); len(got) != 0 {
		t.Errorf("empty settings have %q", got)
	}
}

func TestAlarmQueryMatches(t *testing.T) {
	at := beijing(2026, 1, 31, 10, 0, 0)
	motion := &AlarmNotify{Priority: 3, Method: AlarmVideo, Time: at, Info: &AlarmInfo{Type: VideoMotion}}
	bare := &AlarmNotify{Priority: 3, Method: AlarmVideo, Time: at}
	for _, tc := range []struct {
		name string
		q    AlarmQuery
		n    *AlarmNotify
		want bool
	}{
		{"all", AlarmQuery{}, motion, true},
		{"method 0 is all", AlarmQuery{Method: "0", Type: "0"}, bare, true},
		{"one of the methods", AlarmQuery{Method: "25"}, motion, true},
		{"none of the methods", AlarmQuery{Method: "26"}, motion, false},
		{"priorities around it", AlarmQuery{StartPriority: 1, EndPriority: 3}, motion, true},
		{"priority too low", AlarmQuery{StartPriority: 1, EndPriority: 2}, motion, false},
		{"priority too high", AlarmQuery{StartPriority: 4}, motion, false},
		{"one of the types", AlarmQuery{Type: "1/2"}, motion, true},
		{"none of the types", AlarmQuery{Type: "12"}, motion, false},
		{"a type, and the alarm has none", AlarmQuery{Type: "2"}, bare, false},
		{"inside the window", AlarmQuery{Start: at, End: at}, motion, true},
		{"before the window", AlarmQuery{Start: at.Add(time.Second)}, motion, false},
		{"after the window", AlarmQuery{End: at.Add(-time.Second)}, motion, false},
	} {
		if got := tc.q.Matches(tc.n); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

func TestMobilePositionFor(t *testing.T) {
	at := beijing(2026, 1, 31, 10, 0, 0)
	flat := &MobilePositionNotify{
		Header: head("MobilePosition", "1", camera), Time: at, Longitude: new(118.0), Latitude: new(0.0), Speed: new(1.0),
	}
	list := &MobilePositionNotify{
		Header: head("MobilePosition", "1", camera), Time: at, SumNum: 1,
		Items: []Place{{DeviceID: camera, CaptureTime: at, Longitude: 118, Speed: new(1.0)}},
	}
	for _, tc := range []struct {
		name     string
		in, want *MobilePositionNotify
		edition  gb28181.Edition
	}{
		{"flat stays", flat, flat, gb28181.Edition2016},
		{"flat to list", flat, list, gb28181.Edition2022},
		{"list stays", list, list, gb28181.Edition2022},
		{"list to flat", list, flat, gb28181.Edition2016},
	} {
		if diff := cmp.Diff(tc.want, tc.in.For(tc.edition)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
}

func TestBroadcastAnswer(t *testing.T) {
	b := &Broadcast{Header: head("Broadcast", "992", ""), SourceID: gateway, TargetID: camera}
	if diff := cmp.Diff(head("Broadcast", "992", camera), b.Answer()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A covered lens is an abnormal picture to a platform of 2016; the other alarms are the same to both.
func TestAlarmOfEachEdition(t *testing.T) {
	for _, c := range []struct{ method, kind, in2016 int }{
		{AlarmVideo, VideoOcclusion, VideoAbnormal},
		{AlarmVideo, VideoMotion, VideoMotion},
		{AlarmOther, VideoOcclusion, VideoOcclusion},
	} {
		n := &AlarmNotify{Method: c.method, Info: &AlarmInfo{Type: c.kind}}
		if got := n.For(gb28181.Edition2016).Info.Type; got != c.in2016 {
			t.Errorf("%d/%d is type %d for 2016, want %d", c.method, c.kind, got, c.in2016)
		}
		if got := n.For(gb28181.Edition2022).Info.Type; got != c.kind || n.Info.Type != c.kind {
			t.Errorf("%d/%d is type %d for 2022", c.method, c.kind, got)
		}
	}
	if n := (&AlarmNotify{Method: AlarmVideo}); n.For(gb28181.Edition2016) != n {
		t.Error("an alarm without type is changed")
	}
}
