package cascade

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"gbgate/gb28181/manscdp"
	"github.com/google/go-cmp/cmp"
)

// recordings makes n files of half an hour.
func recordings(n int) []manscdp.RecordItem {
	items := make([]manscdp.RecordItem, n)
	begin := time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)
	for i := range items {
		start := begin.Add(time.Duration(i) * 30 * time.Minute)
		items[i] = manscdp.RecordItem{
			DeviceID: gateID, Name: "东门球机", FilePath: "/2026-01-31/000000.ps", Address: "local",
			Start: start, End: start.Add(30 * time.Minute), Type: "time", FileSize: 12345678,
		}
	}
	return items
}

func recordQuery(sn, device string) string {
	return strings.Replace(query("RecordInfo", sn, device), "</Query>",
		"<StartTime>2026-01-31T00:00:00</StartTime><EndTime>2026-02-05T00:00:00</EndTime><Type>all</Type></Query>", 1)
}

func TestRecordInfoInParts(t *testing.T) {
	for _, total := range []int{0, 1, 200} {
		for _, transport := range transports {
			t.Run(fmt.Sprint(total, transport), func(t *testing.T) {
				items := recordings(total)
				if total > 0 {
					items = append(items, items[0]) // a file listed twice: WVP would never reach SumNum
				}
				s, _ := online(t, Config{Transport: transport}, &testSite{records: items}, newMedia())
				if got := s.ask(gateID, recordQuery("8217", gateID)); got != 200 {
					t.Fatalf("MESSAGE = %d, want 200", got)
				}
				found := make(map[time.Time]bool)
				for n := 1; len(found) < total || n == 1; n++ {
					m, ok := s.responses("8217", n)[n-1].(*manscdp.RecordInfoResponse)
					if !ok {
						t.Fatal("no RecordInfo")
					}
					if m.SumNum != total || m.DeviceID != gateID || m.Name != "东门" || m.Num != len(m.Items) {
						t.Errorf("part %d: SumNum %d, Num %d, %d items of %s", n, m.SumNum, m.Num, len(m.Items), m.Name)
					}
					for _, it := range m.Items {
						found[it.Start] = true
					}
				}
				parts := s.received("<CmdType>RecordInfo</CmdType>")
				last := ""
				for _, raw := range parts {
					for _, it := range strings.Split(raw, "<StartTime>")[1:] { // by rising time over all parts
						if it = it[:19]; it <= last {
							t.Errorf("%s comes after %s", it, last)
						} else {
							last = it
						}
					}
					if transport == "udp" && len(raw) > 1300 {
						t.Errorf("a message of %d bytes, want at most 1300", len(raw))
					}
					if hasList := strings.Contains(raw, "RecordList"); hasList != (total > 0) {
						t.Errorf("RecordList there: %v, with %d items", hasList, total)
					}
				}
				if most := max(1, total/2); len(parts) > most {
					t.Errorf("%d parts, want at most %d", len(parts), most)
				}
			})
		}
	}
}

// answerOf asks and gives the one Response.
func answerOf(t *testing.T, s *superior, device, body, sn string) manscdp.Message {
	t.Helper()
	if got := s.ask(device, body); got != 200 {
		t.Fatalf("MESSAGE = %d, want 200", got)
	}
	return s.responses(sn, 1)[0]
}

func TestEveryQueryHasItsAnswer(t *testing.T) {
	site := &testSite{presets: []manscdp.Preset{{ID: 1, Name: "gate"}}}
	s, _ := online(t, Config{}, site, newMedia())
	head := func(command, sn string) manscdp.Header {
		return manscdp.Header{CmdType: command, SN: sn, DeviceID: gateID}
	}
	pan := manscdp.PTZPosition{Pan: new(123.45)}
	tests := []struct {
		command string
		inner   string
		want    manscdp.Message
	}{
		{"PresetQuery", "", &manscdp.PresetResponse{SumNum: 1, Num: 1, Presets: site.presets}},
		{"HomePositionQuery", "", &manscdp.HomePositionResponse{
			HomePosition: &manscdp.HomePosition{Enabled: 1, ResetTime: 60},
		}},
		{"CruiseTrackListQuery", "", &manscdp.CruiseTrackListResponse{
			SumNum: 1, Num: 1, Tracks: []manscdp.CruiseTrack{{Name: "t0"}},
		}},
		{"CruiseTrackQuery", "<Number>3</Number>", &manscdp.CruiseTrackResponse{Number: 3, Name: "t0"}},
		{"PTZPosition", "", &manscdp.PTZPositionResponse{PTZPosition: pan}},
		{"PTZPreciseStatusQuery", "", &manscdp.PTZPositionResponse{PTZPosition: pan}},
		{"SDCardStatus", "", &manscdp.SDCardStatusResponse{}}, // the site has no answer: the empty form
		{"ConfigDownload", "<ConfigType>BasicParam</ConfigType>", &manscdp.ConfigDownloadResponse{
			Result: manscdp.OK, Settings: manscdp.Settings{BasicParam: &manscdp.BasicParam{Name: "网关"}},
		}},
		{"ConfigDownload", "<ConfigType>SVACEncodeConfig</ConfigType>", &manscdp.ConfigDownloadResponse{
			Result: manscdp.ERROR,
		}},
	}
	for i, tt := range tests {
		sn := fmt.Sprint(100 + i)
		body := strings.Replace(query(tt.command, sn, gateID), "</Query>", tt.inner+"</Query>", 1)
		*tt.want.Head() = head(tt.command, sn)
		if diff := cmp.Diff(tt.want, answerOf(t, s, gateID, body, sn)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.command, diff)
		}
	}
	// srs-sip asks for settings with a Control.
	body := strings.ReplaceAll(query("ConfigDownload", "7", nodeID), "Query>", "Control>")
	body = strings.Replace(body, "</Control>", "<ConfigType>BasicParam</ConfigType></Control>", 1)
	if m, ok := answerOf(t, s, nodeID, body, "7").(*manscdp.ConfigDownloadResponse); !ok || m.Result != manscdp.OK {
		t.Errorf("ConfigDownload as Control = %+v", m)
	}
}

func TestDeviceConfigIsAlwaysAnswered(t *testing.T) {
	site := &testSite{config: func(c *manscdp.DeviceConfig) string {
		if c.BasicParam != nil {
			return manscdp.OK
		}
		return manscdp.ERROR
	}}
	s, _ := online(t, Config{}, site, newMedia())
	config := func(sn, inner string) string {
		return strings.Replace(controlXML(sn, nodeID, inner), "DeviceControl", "DeviceConfig", 1)
	}
	for sn, want := range map[string]string{"1": manscdp.OK, "2": manscdp.ERROR} {
		inner := map[string]string{
			"1": "<BasicParam><HeartBeatInterval>30</HeartBeatInterval></BasicParam>", "2": "<FrameMirror>1</FrameMirror>",
		}[sn]
		m, ok := answerOf(t, s, nodeID, config(sn, inner), sn).(*manscdp.DeviceConfigResponse)
		if !ok || m.Result != want || m.DeviceID != nodeID {
			t.Errorf("DeviceConfig %s = %+v, want %s", inner, m, want)
		}
	}
}

func TestRespondAllControls(t *testing.T) {
	s, _ := online(t, Config{Compat: Compat{RespondControls: true}}, &testSite{}, newMedia())
	m, ok := answerOf(t, s, gateID, controlXML("5", gateID, "<IFrameCmd>Send</IFrameCmd>"), "5").(*manscdp.ControlResponse)
	if !ok || m.Result != manscdp.OK {
		t.Errorf("answer = %+v, want OK", m)
	}
}

func TestUnknownDevice(t *testing.T) {
	ask := map[string]string{
		"DeviceInfo": query("DeviceInfo", "1", lostID), "DeviceStatus": query("DeviceStatus", "2", lostID),
		"PresetQuery": query("PresetQuery", "3", lostID),
		"PTZ":         controlXML("4", lostID, "<PTZCmd>A50F0101400000F6</PTZCmd>"),
		"Guard":       controlXML("5", lostID, "<GuardCmd>SetGuard</GuardCmd>"),
		"Catalog":     query("Catalog", "6", lostID), "RecordInfo": recordQuery("7", lostID),
	}
	t.Run("sip404", func(t *testing.T) {
		s, _ := online(t, Config{}, &testSite{}, newMedia())
		got := make(map[string]int)
		for name, body := range ask {
			got[name] = s.ask(lostID, body)
		}
		want := map[string]int{
			"DeviceInfo": 404, "DeviceStatus": 404, "PresetQuery": 404, "PTZ": 404, "Guard": 404,
			"Catalog": 200, "RecordInfo": 200,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("codes (-want +got):\n%s", diff)
		}
		for _, sn := range []string{"6", "7"} { // an unknown place has nothing in it
			switch m := s.responses(sn, 1)[0].(type) {
			case *manscdp.CatalogResponse:
				if m.SumNum != 0 {
					t.Errorf("SumNum = %d, want 0", m.SumNum)
				}
			case *manscdp.RecordInfoResponse:
				if m.SumNum != 0 {
					t.Errorf("SumNum = %d, want 0", m.SumNum)
				}
			default:
				t.Errorf("%T", m)
			}
		}
	})
	t.Run("result-error", func(t *testing.T) {
		s, _ := online(t, Config{Compat: Compat{UnknownDevice: "result-error"}}, &testSite{}, newMedia())
		for name, body := range ask {
			if got := s.ask(lostID, body); got != 200 {
				t.Errorf("%s = %d, want 200", name, got)
			}
		}
		m, ok := s.responses("1", 1)[0].(*manscdp.DeviceInfoResponse)
		if !ok || m.Result != manscdp.ERROR {
			t.Errorf("DeviceInfo = %+v, want ERROR", m)
		}
	})
}

func TestPresetsInParts(t *testing.T) {
	site := &testSite{}
	for i := range 60 {
		site.presets = append(site.presets, manscdp.Preset{ID: i + 1, Name: "预置位 " + fmt.Sprint(i+1)})
	}
	s, _ := online(t, Config{}, site, newMedia())
	s.ask(gateID, query("PresetQuery", "5", gateID))
	seen, parts := make(map[int]bool), 0
	for len(seen) < len(site.presets) {
		parts++
		m, ok := s.responses("5", parts)[parts-1].(*manscdp.PresetResponse)
		if !ok || m.SumNum != len(site.presets) {
			t.Fatalf("part %d = %+v", parts, m)
		}
		for _, p := range m.Presets {
			seen[p.ID] = true
		}
	}
	for _, raw := range s.received("<CmdType>PresetQuery</CmdType>") {
		if len(raw) > 1300 {
			t.Errorf("a message of %d bytes, want at most 1300", len(raw))
		}
	}
	if parts > 10 {
		t.Errorf("%d parts, want them filled", parts)
	}
}

func TestNoPresetsIsAnEmptyList(t *testing.T) {
	s, _ := online(t, Config{}, &testSite{}, newMedia())
	s.ask(gateID, query("PresetQuery", "5", gateID))
	s.responses("5", 1)
	raw := s.received("<CmdType>PresetQuery</CmdType>")
	if len(raw) != 1 || !strings.Contains(raw[0], "<SumNum>0</SumNum>") ||
		!strings.Contains(raw[0], `<PresetList Num="0">`) {
		t.Errorf("answer = %q, want SumNum 0 and an empty PresetList: WVP wants both", raw)
	}
}

func TestBroadcastIsRefused(t *testing.T) {
	s, _ := online(t, Config{}, &testSite{}, newMedia())
	body := `<?xml version="1.0"?><Notify><CmdType>Broadcast</CmdType><SN>31</SN><SourceID>` + superiorID +
		`</SourceID><TargetID>` + gateID + `</TargetID></Notify>`
	m, ok := answerOf(t, s, gateID, body, "31").(*manscdp.BroadcastResponse)
	if !ok || m.Result != manscdp.ERROR || m.DeviceID != gateID {
		t.Errorf("answer = %+v, want ERROR", m)
	}
}

func TestPositionAskedForByMESSAGE(t *testing.T) {
	place := func(string) *manscdp.MobilePositionNotify {
		return &manscdp.MobilePositionNotify{Time: time.Now(), Longitude: new(118.37), Latitude: new(31.32)}
	}
	s, _ := online(t, Config{}, &testSite{place: place}, newMedia())
	if got := s.ask(gateID, query("MobilePosition", "9", gateID)); got != 200 {
		t.Fatalf("MESSAGE = %d, want 200", got)
	}
	s.await("position", func() bool {
		for _, m := range s.messages {
			if n, ok := m.(*manscdp.MobilePositionNotify); ok {
				return n.DeviceID == gateID && n.Longitude != nil && *n.Longitude == 118.37
			}
		}
		return false
	})
}
