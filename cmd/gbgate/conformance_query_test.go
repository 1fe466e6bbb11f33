package main

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/text/encoding/simplifiedchinese"

	"gbgate/cascade/rehearsal"
	"gbgate/gb28181"
	"gbgate/gb28181/manscdp"
	"gbgate/gb28181/sipua"
	"gbgate/rtsp/simcam"
)

// Line 3 of the list: XML as it really comes.

func gb18030(t *testing.T, s string) string {
	t.Helper()
	out, err := simplifiedchinese.GB18030.NewEncoder().String(s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestLine3DirtyXML(t *testing.T) {
	t.Parallel()
	query := func(prolog, command, sn, rest string) string {
		return prolog + "<Query>\r\n<CmdType>" + command + "</CmdType>\r\n<SN>" + sn + "</SN>\r\n<DeviceID>" + demoNode +
			"</DeviceID>\r\n" + rest + "</Query>\r\n"
	}
	const gb2312 = "<?xml version=\"1.0\" encoding=\"GB2312\"?>\r\n"
	overBoth(t, func(t *testing.T, transport string) {
		r := newRig(t, setup{transport: transport, rest: offCameras(1, 1)})
		for i, c := range []struct {
			name, body string
			code       int
			command    string // of the answer; empty: none
		}{
			{"GB2312", query(gb2312, "DeviceInfo", "@", "<Info>"+gb18030(t, "东门球机")+"</Info>"), 200, "DeviceInfo"},
			{
				"GB18030",
				query("<?xml version=\"1.0\" encoding=\"GB18030\"?>\r\n", "DeviceInfo", "@", "<Info>"+gb18030(t, "镕喆𠀀")+"</Info>"),
				200, "DeviceInfo",
			},
			{"UTF-8 declared GB2312", query(gb2312, "DeviceInfo", "@", "<Info>东门球机</Info>"), 200, "DeviceInfo"},
			{"BOM", query("\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"UTF-8\"?>", "DeviceInfo", "@", ""), 200, "DeviceInfo"},
			{"no prolog", query("", "DeviceInfo", "@", ""), 200, "DeviceInfo"},
			{"no encoding", query("<?xml version=\"1.0\" ?>", "DeviceInfo", "@", ""), 200, "DeviceInfo"},
			{"leading CRLF and blanks", query("\r\n  \t\r\n"+gb2312, "DeviceInfo", "@", ""), 200, "DeviceInfo"},
			{"trailing NULs", query(gb2312, "DeviceInfo", "@", "") + "\x00\x00", 200, "DeviceInfo"},
			{"bare & and <", query(gb2312, "DeviceInfo", "@", "<Info>A & B <3</Info>"), 200, "DeviceInfo"},
			{"blanks in values", query(gb2312, " DeviceInfo ", " @ ", ""), 200, "DeviceInfo"},
			{
				"blanks in an attribute", query(gb2312, "Catalog", "@", "<DeviceList Num=\" 1 \"><Item/></DeviceList>"), 200,
				"Catalog",
			},
			{"wrong case", strings.NewReplacer(
				"CmdType", "cmdtype", "DeviceID", "deviceid", "Query", "QUERY", "SN>", "sn>").Replace(
				query(gb2312, "DeviceInfo", "@", "")), 200, "DeviceInfo"},
			{"one line with tabs", strings.ReplaceAll(query(gb2312, "DeviceInfo", "@", ""), "\r\n", "\t"), 200, "DeviceInfo"},
			{"SN of ten digits", query(gb2312, "DeviceInfo", "4294967@", ""), 200, "DeviceInfo"},
			{
				"as much as fits a datagram", query(gb2312, "DeviceInfo", "@", "<Info>"+strings.Repeat("a", 64_000)+"</Info>"), 200,
				"DeviceInfo",
			},
			{"attributes alone", query(gb2312, "Catalog", "@", "<Info Version=\"1\"/><DeviceList Num=\"0\"/>"), 200, "Catalog"},
			{
				"an attribute at the root",
				strings.Replace(query(gb2312, "DeviceInfo", "@", ""), "<Query>", "<Query xmlns=\"x\" a='1'>", 1), 200, "DeviceInfo",
			},
			{"ConfigDownload as Control", strings.ReplaceAll(query("<?xml version=\"1.0\"?>", "ConfigDownload", "@",
				"<ConfigType>BasicParam</ConfigType>"), "Query>", "Control>"), 200, "ConfigDownload"},
			{
				"ConfigDownload as Query", query(gb2312, "ConfigDownload", "@", "<ConfigType>BasicParam</ConfigType>"), 200,
				"ConfigDownload",
			},
			{"no XML", "hello", 400, ""},
			{"no body", "", 400, ""},
			{"cut off", query(gb2312, "DeviceInfo", "@", "")[:70], 400, ""},
			{"unknown root", "<?xml version=\"1.0\"?><Hello><CmdType>DeviceInfo</CmdType><SN>1</SN>" +
				"<DeviceID>" + demoNode + "</DeviceID></Hello>", 415, ""},
			{"unknown command", query(gb2312, "Weather", "@", ""), 200, ""},
		} {
			sn := fmt.Sprint(100 + i)
			body := strings.Replace(c.body, "@", sn, 1)
			if c.name == "SN of ten digits" {
				sn = "4294967" + sn
			}
			wait := 5 * time.Second
			if c.command == "" {
				wait = 0
			}
			code, answer, err := r.node.AskText(t.Context(), demoNode, []byte(body), c.command, sn, wait)
			if err != nil || code != c.code {
				t.Errorf("%s: %d, %v; want %d", c.name, code, err, c.code)
			}
			if answer != nil && answer.Head().DeviceID != demoNode {
				t.Errorf("%s: the answer is of %s", c.name, answer.Head().DeviceID)
			}
		}
		if _, err := r.node.DeviceInfo(t.Context(), ""); err != nil {
			t.Errorf("after all that: %v", err)
		}
	})
}

// Line 4 of the list: Catalog.

const (
	groupID = "34020100002150000001"
	orgID   = "34020100002160000001"
	innerID = "34020100002160000002"
)

// groupedCameras are three cameras: one in a group, one in an organisation of it, one in an inner organisation.
func groupedCameras() string {
	block := func(id, name, parent, camera string) string {
		return fmt.Sprintf("[[group]]\nid = %q\nname = %q\nparent = %q\ncameras = [%q]\n", id, name, parent, camera)
	}
	return block(groupID, "园区", "", "cam001") + block(orgID, "东区", "园区", "cam002") + block(innerID, "东门", "东区", "cam003") +
		offCameras(3, 1)
}

func TestLine4Sizes(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 100} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			overBoth(t, func(t *testing.T, transport string) {
				r := newRig(t, setup{transport: transport, rest: offCameras(n, 1)})
				res, err := r.node.CatalogOf(soon(t, 30*time.Second), demoNode)
				if err != nil {
					t.Fatal(err)
				}
				noFaults(t, "catalog", res.Faults)
				if len(res.Items) != n || res.SumNum != n {
					t.Errorf("%d items, SumNum %d, want %d", len(res.Items), res.SumNum, n)
				}
				parts := r.tape.in("MESSAGE sip:", "<CmdType>Catalog</CmdType>")
				for _, e := range parts {
					if transport == "udp" && len(e.Raw) > 1300 {
						t.Errorf("a part has %d bytes", len(e.Raw))
					}
					if list := strings.Contains(e.Raw, "<DeviceList"); list != (n > 0) {
						t.Errorf("DeviceList in an answer with %d items: %v", n, list)
					}
					for _, bad := range []string{"null", "<Name></Name>", "<Manufacturer></Manufacturer>", "<Address></Address>"} {
						if strings.Contains(e.Raw, bad) {
							t.Errorf("a part has %q", bad)
						}
					}
				}
				if transport == "tcp" && n == 100 && len(parts) > 10 {
					t.Errorf("%d parts for 100 items over TCP", len(parts))
				}
			})
		})
	}
}

// The parts go out one after the other: the next only when the last was answered.
func TestLine4Serial(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	open, worst := 0, 0
	r := newRig(t, setup{rest: offCameras(20, 1), platform: rehearsal.Config{
		Edit: func(q *sipua.Request, _ *sipua.Response) bool {
			if q.Method == "MESSAGE" {
				mu.Lock()
				open++
				worst = max(worst, open)
				mu.Unlock()
				time.Sleep(20 * time.Millisecond) // the 200 is on its way
				mu.Lock()
				open--
				mu.Unlock()
			}
			return true
		},
	}})
	if _, err := r.node.Catalog(soon(t, 30*time.Second)); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if worst != 1 {
		t.Errorf("%d parts were under way at one time", worst)
	}
}

// A 200 that is lost does not stop the catalog: WVP forgets the channels that do not come within 5 s.
func TestLine4LostAnswer(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	lost := map[string]bool{}
	r := newRig(t, setup{rest: offCameras(12, 1), platform: rehearsal.Config{
		PartGap: 3 * time.Second,
		Edit: func(q *sipua.Request, _ *sipua.Response) bool {
			mu.Lock()
			defer mu.Unlock()
			if q.Method == "MESSAGE" && len(lost) < 2 {
				lost[q.CallID] = true
			}
			return !lost[q.CallID]
		},
	}})
	items, err := r.node.Catalog(soon(t, 40*time.Second))
	if err != nil || len(items) != 12 {
		t.Errorf("%d items, %v", len(items), err)
	}
}

func TestLine4SubQueries(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"2.0", "3.0"} {
		t.Run("X-GB-Ver "+version, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, setup{platform: rehearsal.Config{Version: version}, rest: groupedCameras()})
			cam := func(n int) string { return fmt.Sprintf("3402010000132%07d", n) }
			for _, c := range []struct {
				id   string
				want []string
			}{
				{demoNode, []string{groupID, orgID, innerID, cam(1), cam(2), cam(3)}},
				{groupID, []string{groupID, orgID, innerID, cam(1), cam(2), cam(3)}},
				{orgID, []string{orgID, innerID, cam(2), cam(3)}},
				{innerID, []string{innerID, cam(3)}},
				{cam(2), []string{cam(2)}},
				{"340201", []string{cam(1), cam(2), cam(3)}},
				{"34020100001320000099", nil},
				{"99", nil},
			} {
				res, err := r.node.CatalogOf(soon(t, 10*time.Second), c.id)
				if err != nil {
					t.Errorf("%s: %v", c.id, err)
					continue
				}
				noFaults(t, c.id, res.Faults)
				got := map[string]manscdp.Item{}
				for _, it := range res.Items {
					got[it.DeviceID] = it
				}
				missing := len(got) != len(c.want)
				for _, id := range c.want {
					if _, ok := got[id]; !ok {
						missing = true
					}
				}
				if missing {
					t.Errorf("query of %s: %d items, want %v", c.id, len(got), c.want)
				}
				if c.id == demoNode {
					checkTree(t, res.Items)
				}
			}
		})
	}
}

// checkTree wants every parent before its children, and named by a single code.
func checkTree(t *testing.T, items []manscdp.Item) {
	t.Helper()
	seen := map[string]bool{demoNode: true}
	for _, it := range items {
		parent := it.ParentID
		if parent == "" { // a top-level organisation of 2022 names its group alone
			parent = it.BusinessGroupID
		}
		if !seen[parent] {
			t.Errorf("the parent %q of %s was not seen before it", parent, it.DeviceID)
		}
		seen[it.DeviceID] = true
		if strings.HasPrefix(it.DeviceID[10:], "216") && it.BusinessGroupID != groupID {
			t.Errorf("organisation %s names the group %q", it.DeviceID, it.BusinessGroupID)
		}
	}
}

// A name beyond GB2312 arrives whole in GB18030, and breaks nothing where GB2312 is declared.
func TestLine4RareCharacters(t *testing.T) {
	t.Parallel()
	const name = "朱镕基路喆店<&>\"'"
	for _, version := range []string{"2.0", "3.0"} {
		t.Run("X-GB-Ver "+version, func(t *testing.T) {
			t.Parallel()
			rest := strings.Replace(offCameras(1, 1), "\nid = ", "\ntitle = '''"+name+"'''\nid = ", 1)
			r := newRig(t, setup{platform: rehearsal.Config{Version: version}, rest: rest})
			items, err := r.node.Catalog(t.Context())
			if err != nil || len(items) != 1 || items[0].Name != name {
				t.Errorf("%+v, %v; want the name %s", items, err, name)
			}
		})
	}
}

// Line 5 of the list: the other queries.

func TestLine5Queries(t *testing.T) {
	t.Parallel()
	overBoth(t, func(t *testing.T, transport string) {
		r := newRig(t, setup{transport: transport, platform: rehearsal.Config{Version: "3.0"}, rest: offCameras(2, 1)})
		n, ctx := r.node, soon(t, time.Minute)
		if res, err := n.DeviceInfo(ctx, ""); err != nil || res.Result != "OK" || res.DeviceName == "" || res.Channel != 2 {
			t.Errorf("DeviceInfo of the node: %+v, %v", res, err)
		}
		if res, err := n.DeviceInfo(ctx, channelID); err != nil || res.Result != "OK" || res.Manufacturer == "" {
			t.Errorf("DeviceInfo of a channel: %+v, %v", res, err)
		}
		if res, err := n.DeviceStatus(ctx, ""); err != nil || res.Result != "OK" || res.Online != "ONLINE" {
			t.Errorf("DeviceStatus of the node: %+v, %v", res, err)
		}
		r.gateway.status(t, "verdict on the camera", func(doc statusDoc) bool { return doc.Cameras[0].Status == "OFF" })
		if res, err := n.DeviceStatus(ctx, channelID); err != nil || res.Result != "OK" || res.Online != "OFFLINE" {
			t.Errorf("DeviceStatus of a camera that is off: %+v, %v", res, err)
		}
		if res, err := n.RecordInfo(ctx, channelID, time.Now().Add(-time.Hour), time.Now(), "all"); err != nil ||
			res.SumNum != 0 || len(res.Faults) > 0 {
			t.Errorf("RecordInfo without recordings: %+v, %v", res, err)
		}
		if res, err := n.Presets(ctx, channelID); err != nil || res.SumNum != 0 || len(res.Presets) != 0 {
			t.Errorf("PresetQuery: %+v, %v", res, err)
		}
		if len(r.tape.in("<CmdType>PresetQuery</CmdType>", `<PresetList Num="0">`)) == 0 {
			t.Error("an empty PresetQuery answer has no PresetList: WVP takes it for broken XML")
		}
		for _, id := range []string{"", channelID} {
			res, err := n.ConfigDownload(ctx, id, "BasicParam/VideoParamOpt")
			if err != nil || res.Result != "OK" || res.BasicParam == nil || id != "" && res.VideoParamOpt == nil {
				t.Errorf("ConfigDownload of %q: %+v, %v", id, res, err)
			}
		}
		if res, err := n.ConfigDownload(ctx, channelID, "SVACEncodeConfig"); err != nil || res.Result != "ERROR" ||
			len(res.Kinds()) != 0 {
			t.Errorf("ConfigDownload of what is not there: %+v, %v", res, err)
		}
		if res, err := n.HomePosition(ctx, channelID); err != nil ||
			res.HomePosition != nil && res.HomePosition.Enabled != 0 {
			t.Errorf("HomePositionQuery: %+v, %v", res, err)
		}
		if res, err := n.CruiseTracks(ctx, channelID); err != nil || res.SumNum != 0 {
			t.Errorf("CruiseTrackListQuery: %+v, %v", res, err)
		}
		if res, err := n.CruiseTrack(ctx, channelID, 0); err != nil || res.SumNum != 0 {
			t.Errorf("CruiseTrackQuery: %+v, %v", res, err)
		}
		if res, err := n.PTZPosition(ctx, channelID); err != nil || res.Pan != nil {
			t.Errorf("PTZPosition: %+v, %v", res, err)
		}
		if res, err := n.SDCardStatus(ctx, channelID); err != nil || res.SumNum != 0 {
			t.Errorf("SDCardStatus: %+v, %v", res, err)
		}
		alias := &manscdp.PTZPositionQuery{Header: manscdp.Header{CmdType: "PTZPreciseStatusQuery", DeviceID: channelID}}
		if res, err := n.Ask(ctx, alias); err != nil || res.Head().CmdType != "PTZPreciseStatusQuery" {
			t.Errorf("PTZPreciseStatusQuery: %+v, %v", res, err)
		}
	})
}

// Of a device that is none of ours: 404, except that lists are empty.
func TestLine5UnknownDevice(t *testing.T) {
	t.Parallel()
	const stranger = "34020100001320000099"
	r := newRig(t, setup{rest: offCameras(1, 1)})
	for _, command := range []string{"DeviceInfo", "DeviceStatus", "PresetQuery", "ConfigDownload"} {
		body := "<?xml version=\"1.0\"?>\r\n<Query>\r\n<CmdType>" + command + "</CmdType>\r\n" +
			"<SN>7</SN>\r\n<DeviceID>" + stranger +
			"</DeviceID>\r\n<ConfigType>BasicParam</ConfigType>\r\n</Query>\r\n"
		code, _, err := r.node.AskText(t.Context(), stranger, []byte(body), command, "7", 0)
		if err != nil || code != 404 {
			t.Errorf("%s of a stranger's device: %d, %v; want 404", command, code, err)
		}
	}
	res, err := r.node.RecordInfo(t.Context(), stranger, time.Now().Add(-time.Hour), time.Now(), "")
	if err != nil || res.SumNum != 0 {
		t.Errorf("RecordInfo of a stranger's device: %+v, %v", res, err)
	}
}

// Recordings come in as many parts as they need, each once and by the times that playback asks for.
func TestLine5RecordInfo(t *testing.T) {
	t.Parallel()
	const count = 30 // the recorder tells two of their ends in a message
	day := time.Date(2026, 1, 31, 0, 0, 0, 0, gb28181.Zone())
	spans := make([][2]time.Time, count)
	for i := range spans {
		spans[i][0] = day.Add(time.Duration(i) * 5 * time.Minute)
		spans[i][1] = spans[i][0].Add(time.Minute)
	}
	recorder, _ := startDevice(t, simcam.ONVIFConfig{
		StreamURL: "rtsp://127.0.0.1:1/live", Recordings: []simcam.ONVIFRecording{
			{Token: "rec1", Source: "vs1", Spans: spans},
		},
	})
	overBoth(t, func(t *testing.T, transport string) {
		r := newRig(t, setup{
			transport: transport, platform: rehearsal.Config{ReplyTimeout: time.Minute},
			rest: onvifTOML("gate", channelID, recorder.URL(), "", "") + "replay = \"onvif\"\n",
		})
		for _, c := range []struct {
			name     string
			from, to time.Time
			kind     string
			want     int
		}{
			{"the day", day, day.Add(24 * time.Hour), "all", count},
			{"the day, without a type", day, day.Add(24 * time.Hour), "", count},
			{"the day, by the clock", day, day.Add(24 * time.Hour), "time", count},
			{"alarms, which a recorder does not tell", day, day.Add(24 * time.Hour), "alarm", 0},
			{"a piece of one", day.Add(10 * time.Second), day.Add(20 * time.Second), "all", 1},
			{"between two", day.Add(2 * time.Minute), day.Add(3 * time.Minute), "all", 0},
			{"another day", day.Add(48 * time.Hour), day.Add(72 * time.Hour), "all", 0},
		} {
			res, err := r.node.RecordInfo(soon(t, 2*time.Minute), channelID, c.from, c.to, c.kind)
			if err != nil || res.SumNum != c.want || len(res.Items) != c.want {
				t.Errorf("%s: %v, SumNum and items %+v; want %d", c.name, err, res, c.want)
				continue
			}
			noFaults(t, c.name, res.Faults)
			times := map[time.Time]bool{}
			for i, it := range res.Items {
				if times[it.Start] || i > 0 && it.Start.Before(res.Items[i-1].Start) || it.End.Sub(it.Start) != time.Minute {
					t.Errorf("%s: item %d is %v to %v", c.name, i, it.Start, it.End)
				}
				times[it.Start] = true
			}
		}
		for _, e := range r.tape.in("MESSAGE sip:", "<CmdType>RecordInfo</CmdType>") {
			if list := strings.Contains(e.Raw, "<RecordList"); transport == "udp" && len(e.Raw) > 1300 ||
				list != !strings.Contains(e.Raw, "<SumNum>0<") {
				t.Errorf("a part of %d bytes:\n%.600s", len(e.Raw), e.Raw)
			}
		}
	})
}

// Presets have their numbers and names.
func TestLine5Presets(t *testing.T) {
	t.Parallel()
	overBoth(t, func(t *testing.T, transport string) {
		d := newDome(t, setup{transport: transport})
		for i := range 12 {
			code := fmt.Sprintf("A50F018100%02X0", i+1) // the low digit of byte 7 and a checksum follow
			sum := 0xa5 + 0x0f + 0x01 + 0x81 + i + 1
			code += fmt.Sprintf("0%02X", sum&0xff)
			c := manscdp.DeviceControl{PTZCmd: code, PTZCmdParams: &manscdp.PTZCmdParams{PresetName: fmt.Sprint("位", i+1)}}
			if _, err := d.node.Command(t.Context(), channelID, c); err != nil {
				t.Fatal(err)
			}
			d.moved(t, "preset")
		}
		info, err := d.node.DeviceInfo(soon(t, 20*time.Second), channelID)
		if err != nil || info.Model != "SIM-PTZ" || info.Firmware != "1.0" {
			t.Errorf("DeviceInfo of a camera is %+v, %v; want what it says itself", info, err)
		}
		res, err := d.node.Presets(soon(t, 20*time.Second), channelID)
		if err != nil || res.SumNum != 12 || len(res.Presets) != 12 {
			t.Fatalf("%+v, %v", res, err)
		}
		for i, p := range res.Presets {
			if p.ID != i+1 || p.Name != fmt.Sprint("位", i+1) {
				t.Errorf("preset %d is %+v", i+1, p)
			}
		}
		for _, e := range d.tape.in("<CmdType>PresetQuery</CmdType>") {
			if transport == "udp" && len(e.Raw) > 1300 {
				t.Errorf("a part has %d bytes", len(e.Raw))
			}
		}
	})
}

// Many channels go over TCP, fifty in a message. (Ten thousand take 2 to 4 s without the race detector, which makes a
// test of it dear.)
func TestLine4Thousands(t *testing.T) {
	t.Parallel()
	const total = 2000
	// With the race detector, beside other tests, a part may take long.
	patient := rehearsal.Config{ReplyTimeout: 2 * time.Minute, PartGap: time.Minute}
	r := newRig(t, setup{transport: "tcp", platform: patient, rest: offCameras(total, 1)})
	res, err := r.node.CatalogOf(soon(t, 4*time.Minute), demoNode)
	if err != nil {
		t.Fatal(err)
	}
	noFaults(t, "catalog", res.Faults)
	if len(res.Items) != total || res.SumNum != total || res.Parts != total/50 {
		t.Errorf("%d items, SumNum %d, %d parts; want %d in %d", len(res.Items), res.SumNum, res.Parts, total, total/50)
	}
}
