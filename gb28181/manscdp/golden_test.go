package manscdp

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gbgate/gb28181"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const (
	gateway = "34020100002000000001"
	camera  = "34020100001320000001"
)

func head(command, sn, id string) Header { return Header{CmdType: command, SN: sn, DeviceID: id} }

func beijing(y int, m time.Month, d, h, mi, s int) time.Time {
	return time.Date(y, m, d, h, mi, s, 0, gb28181.Zone())
}

// eastGate is a camera with everything that both editions have a place for.
func eastGate() Item {
	return Item{
		DeviceID: camera, Name: "东门球机", Manufacturer: "ACME", Model: "IPC", ParentID: gateway,
		Block: "东", Address: "东门 & <北>", CivilCode: "340201", Status: "ON", Longitude: 118.376451, Latitude: 31.326319,
		BusinessGroupID: "34020100002150000001", SecurityLevelCode: "A", IPAddress: "192.0.2.64", Port: 554,
		Info: &ItemInfo{
			PTZType: 1, PositionType: 10, RoomType: 1, UseType: 1, SupplyLightType: 2, DirectionType: 3,
			Resolution: "6/5", StreamNumberList: "0/1", DownloadSpeed: "1/2/4", PhotoelectricImagingType: "1",
			MAC: "00-11-22-33-44-55", RecordSaveDays: 30, HorizontalFieldAngle: 62.5,
		},
	}
}

// pairs holds every command as we write it: testdata/<name>.xml is the other side of each.
func pairs() map[string]struct {
	cs gb28181.Charset
	m  Message
} {
	type pair = struct {
		cs gb28181.Charset
		m  Message
	}
	gb := func(m Message) pair { return pair{gb28181.GB2312, m} }
	all := map[string]pair{
		"catalog-query": gb(&CatalogQuery{Header: head("Catalog", "17430", gateway)}),
		"catalog-query-window": gb(&CatalogQuery{
			Header: head("Catalog", "17430", gateway), Start: beijing(2026, 1, 1, 0, 0, 0), End: beijing(2026, 12, 31, 0, 0, 0),
		}),
		"catalog-empty": gb(&CatalogResponse{Header: head("Catalog", "17430", "34020100002160000009")}),
		"catalog-2016": gb(&CatalogResponse{
			Header: head("Catalog", "17430", gateway), SumNum: 4, Num: 1, Items: []Item{eastGate().For(gb28181.Edition2016)},
		}),
		"catalog-2022": {gb28181.GB18030, &CatalogResponse{
			Header: head("Catalog", "17430", gateway), SumNum: 4, Num: 1, Items: []Item{eastGate().For(gb28181.Edition2022)},
		}},
		"catalog-utf8": {gb28181.UTF8, &CatalogResponse{
			Header: head("Catalog", "1", gateway), SumNum: 1, Num: 1, Items: []Item{{DeviceID: "340201", Name: "镕城"}},
		}},
		"catalog-tree": gb(&CatalogResponse{
			Header: head("Catalog", "17430", gateway), SumNum: 4, Num: 4,
			Items: []Item{
				{DeviceID: "340201", Name: "某市"},
				{DeviceID: "34020100002150000001", Name: "园区", ParentID: gateway},
				{
					DeviceID: "34020100002160000001", Name: "东区",
					ParentID: "34020100002150000001", BusinessGroupID: "34020100002150000001",
				},
				{
					DeviceID: gateway, Name: "网关", Manufacturer: "ACME", Model: "GW", CivilCode: "340201",
					Address: "机房", RegisterWay: 1, Parental: 1,
				},
			},
		}),
		"deviceinfo-query": gb(&DeviceInfoQuery{head("DeviceInfo", "17430", gateway)}),
		"deviceinfo": gb(&DeviceInfoResponse{
			Header: head("DeviceInfo", "17430", gateway), DeviceName: "EdgeGW-01", Result: OK,
			Manufacturer: "ACME", Model: "GW-100", Firmware: "1.0.0", Channel: 4,
		}),
		"deviceinfo-error":   gb(&DeviceInfoResponse{Header: head("DeviceInfo", "17430", camera), Result: ERROR}),
		"devicestatus-query": gb(&DeviceStatusQuery{head("DeviceStatus", "248", camera)}),
		"devicestatus": gb(&DeviceStatusResponse{
			Header: head("DeviceStatus", "248", camera), Result: OK, Online: "ONLINE", Status: OK, Encode: "ON", Record: "OFF",
			Time:   beijing(2026, 1, 31, 14, 40, 49),
			Alarms: []AlarmStatus{{DeviceID: "34020100001340000001", DutyStatus: "OFFDUTY"}},
		}),
		"devicestatus-lost": gb(&DeviceStatusResponse{
			Header: head("DeviceStatus", "248", camera), Result: OK, Online: "OFFLINE", Status: ERROR,
			Reason: "no key frame for 10 s",
		}),
		"keepalive": gb(&Keepalive{Header: head("Keepalive", "43", gateway), Status: OK}),
		"keepalive-faulty": gb(&Keepalive{
			Header: head("Keepalive", "43", gateway), Status: ERROR, Faulty: []string{camera, "34020100001320000002"},
		}),
		"control-response": gb(&ControlResponse{Header: head("DeviceControl", "11", camera), Result: OK}),
		"control-ptz": gb(&DeviceControl{
			Header: head("DeviceControl", "11", camera), PTZCmd: "A50F0101400000F6", Info: &ControlInfo{ControlPriority: 5},
		}),
		"control-ptz-params": {gb28181.GB18030, &DeviceControl{
			Header: head("DeviceControl", "11", camera), PTZCmd: "A50F018100030039",
			PTZCmdParams: &PTZCmdParams{PresetName: "大门"},
		}},
		"control-teleboot": gb(&DeviceControl{Header: head("DeviceControl", "11", gateway), TeleBoot: "Boot"}),
		"control-record": gb(&DeviceControl{
			Header: head("DeviceControl", "11", camera), RecordCmd: "Record", StreamNumber: new(0),
		}),
		"control-guard":      gb(&DeviceControl{Header: head("DeviceControl", "11", camera), GuardCmd: "SetGuard"}),
		"control-iframe":     gb(&DeviceControl{Header: head("DeviceControl", "11", camera), IFrameCmd: "Send"}),
		"control-formatcard": gb(&DeviceControl{Header: head("DeviceControl", "11", camera), FormatSDCard: new(0)}),
		"control-alarm": gb(&DeviceControl{
			Header: head("DeviceControl", "11", camera), AlarmCmd: "ResetAlarm",
			Info: &ControlInfo{AlarmMethod: "2", AlarmType: "1"},
		}),
		"control-dragzoomin": gb(&DeviceControl{Header: head("DeviceControl", "11", camera), DragZoomIn: &DragZoom{
			Length: 1280, Width: 720, MidPointX: 640, MidPointY: 360, LengthX: 320, LengthY: 180,
		}}),
		"control-dragzoomout": gb(&DeviceControl{Header: head("DeviceControl", "11", camera), DragZoomOut: &DragZoom{
			Length: 1280, Width: 720, MidPointX: 1, MidPointY: 0, LengthX: 320, LengthY: 180,
		}}),
		"control-homeposition": gb(&DeviceControl{Header: head("DeviceControl", "11", camera), HomePosition: &HomePosition{
			Enabled: 1, ResetTime: 60, PresetIndex: new(0),
		}}),
		"control-homeposition-off": gb(&DeviceControl{
			Header: head("DeviceControl", "11", camera), HomePosition: &HomePosition{},
		}),
		"control-precise": {gb28181.GB18030, &DeviceControl{
			Header:         head("DeviceControl", "11", camera),
			PTZPreciseCtrl: &PTZPrecise{Pan: new(123.45), Tilt: new(-5.0), Zoom: new(2.0)},
		}},
		"control-upgrade": {gb28181.GB18030, &DeviceControl{
			Header: head("DeviceControl", "11", gateway), DeviceUpgrade: &DeviceUpgrade{
				Firmware: "V2.0", FileURL: "http://192.0.2.10/fw?a=1&b=2", Manufacturer: "ACME",
				SessionID: "0123456789abcdef0123456789abcdef",
			},
		}},
		"control-targettrack": {gb28181.GB18030, &DeviceControl{
			Header: head("DeviceControl", "11", camera), TargetTrack: "Manual", DeviceID2: "34020100001310000002",
			TargetArea: &DragZoom{Length: 1280, Width: 720, MidPointX: 640, MidPointY: 360, LengthX: 64, LengthY: 64},
		}},
	}
	for _, more := range []map[string]Message{answerPairs(), configPairs(), notifyPairs()} {
		for name, m := range more {
			all[name] = gb(m)
		}
	}
	return all
}

func TestGolden(t *testing.T) {
	for name, p := range pairs() {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join("testdata", name+".xml")
			got, err := Encode(p.m, p.cs)
			if err != nil {
				t.Fatal(err)
			}
			if *update {
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("Encode (-want +got):\n%s", cmp.Diff(string(want), string(got)))
			}
			back, err := Decode(want)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(p.m, back); diff != "" {
				t.Errorf("Decode (-want +got):\n%s", diff)
			}
		})
	}
}

// Every row of the table has a golden file, and nothing else lies in testdata.
func TestGoldenIsComplete(t *testing.T) {
	seen := map[row]bool{}
	for _, p := range pairs() {
		if r, ok := byType(p.m); ok {
			seen[r] = true
		}
	}
	for _, r := range table {
		if r.message.Root() != r.root { // ConfigDownload as a Control, which we only read
			continue
		}
		if r.command == "" {
			r.command = "Catalog"
		}
		if !seen[r] {
			t.Errorf("%s %s has no golden pair", r.root, r.command)
		}
	}
	files, err := filepath.Glob("testdata/*.xml")
	if err != nil || len(files) != len(pairs()) {
		t.Errorf("%d golden files (%v), want %d", len(files), err, len(pairs()))
	}
}
