package manscdp

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gbgate/gb28181"
)

func TestEncodeRefuses(t *testing.T) {
	camera2016 := func(change func(*Item)) Message {
		it := eastGate().For(gb28181.Edition2016)
		change(&it)
		return &CatalogResponse{Header: head("Catalog", "1", gateway), SumNum: 1, Items: []Item{it}}
	}
	for _, tc := range []struct {
		m    Message
		want string // part of the error
	}{
		{&Keepalive{Header: head("", "1", gateway)}, "Status is empty"},
		{&Keepalive{Header: head("", "1", gateway), Status: " \r\n\x00"}, "Status is empty"},
		{&Keepalive{Header: head("", "", gateway), Status: OK}, `SN "" or DeviceID`},
		{&Keepalive{Header: head("", "1", ""), Status: OK}, "is empty"},
		{&ControlResponse{Header: head("", "1", gateway)}, "Result is empty"},
		{&DeviceStatusResponse{Header: head("", "1", gateway), Result: OK, Status: OK}, "Online is empty"},
		{
			&CatalogResponse{Header: head("", "1", gateway), Items: []Item{{DeviceID: "34", Name: "x"}}},
			"SumNum 0 is below the 1 items",
		},
		{
			&CatalogResponse{Header: head("", "1", gateway), SumNum: 1, Items: []Item{{DeviceID: "34"}}},
			"Item1: Name is empty",
		},
		{camera2016(func(it *Item) { it.Manufacturer = "" }), "Item1: Manufacturer is empty"},
		{camera2016(func(it *Item) { it.Model = " " }), "Model is empty"},
		{camera2016(func(it *Item) { it.CivilCode = "" }), "CivilCode is empty"},
		{camera2016(func(it *Item) { it.Address = "\t" }), "Address is empty"},
		{camera2016(func(it *Item) { it.Status = "ONLINE" }), `Status "ONLINE"`},
		{camera2016(func(it *Item) { it.RegisterWay = 0 }), "RegisterWay is missing"},
		{stranger{}, "no MANSCDP command"},
	} {
		got, err := Encode(tc.m, gb28181.GB2312)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%T: error %v, want %q in it\n%s", tc.m, err, tc.want, got)
		}
	}
}

type stranger struct{ *Header }

func (stranger) Root() string { return Query }

func TestEncodeCleans(t *testing.T) {
	got, err := Encode(&DeviceInfoResponse{
		Header: head("", "1", gateway), DeviceName: " a\r\nVia: b\x00<&>\"'\xff\ufffe ", Result: OK, Model: "\x01",
	}, gb28181.GB2312)
	if err != nil {
		t.Fatal(err)
	}
	want := "<DeviceName>a  Via: b&lt;&amp;&gt;&quot;&apos;?</DeviceName>\r\n<Result>OK</Result>\r\n</Response>\r\n"
	if !bytes.HasSuffix(got, []byte(want)) {
		t.Errorf("got %q, want it to end in %q", got, want)
	}
}

func TestEncodeDropsWhatIsPrivateOrEmpty(t *testing.T) {
	it := eastGate().For(gb28181.Edition2016)
	it.Password, it.Info = "secret", &ItemInfo{}
	got, err := Encode(&CatalogResponse{Header: head("", "1", gateway), SumNum: 1, Items: []Item{it}}, gb28181.GB2312)
	if err != nil {
		t.Fatal(err)
	}
	for _, never := range []string{"secret", "Password", "Info"} {
		if strings.Contains(string(got), never) {
			t.Errorf("%q is in\n%s", never, got)
		}
	}
}

func TestItemForEdition(t *testing.T) {
	bare := Item{DeviceID: camera, Name: "n", Manufacturer: "m", Model: "o", Status: "ON", ParentID: gateway}
	for _, tc := range []struct {
		name    string
		in      Item
		edition gb28181.Edition
		want    Item
	}{
		{"2016 fills in", bare, gb28181.Edition2016, Item{
			DeviceID: camera, Name: "n", Manufacturer: "m", Model: "o", Status: "ON", ParentID: gateway,
			Owner: "0", CivilCode: "340201", Address: "n", SafetyWay: new(0), RegisterWay: 1,
		}},
		{"2022 fills in", bare, gb28181.Edition2022, Item{
			DeviceID: camera, Name: "n", Manufacturer: "m", Model: "o", Status: "ON", ParentID: gateway,
			CivilCode: "340201",
			Address:   "n", RegisterWay: 1, Info: &ItemInfo{GrassrootsCode: "000000"},
		}},
		{
			"2022 takes out",
			Item{
				DeviceID: camera, Name: "n", Owner: "o", SafetyWay: new(0), CertNum: "1", Certifiable: new(1),
				ErrCode: new(4), EndTime: "x",
				Info: &ItemInfo{PTZType: 5, PositionType: 1, UseType: 1, BusinessGroupID: "g"},
			},
			gb28181.Edition2022,
			Item{
				DeviceID: camera, Name: "n", Manufacturer: "Unknown", Model: "Unknown", CivilCode: "340201", Address: "n",
				RegisterWay: 1, BusinessGroupID: "g",
				Info: &ItemInfo{PTZType: 5, GrassrootsCode: "000000"},
			},
		},
		{
			"2016 takes out",
			Item{
				DeviceID: camera, Name: "n", BusinessGroupID: "g", SecurityLevelCode: "A",
				Info: &ItemInfo{PTZType: 5, MAC: "x"},
			},
			gb28181.Edition2016,
			Item{
				DeviceID: camera, Name: "n", Manufacturer: "Unknown", Model: "Unknown", CivilCode: "340201", Address: "n",
				RegisterWay: 1, Owner: "0", SafetyWay: new(0),
				Info: &ItemInfo{PTZType: 2, BusinessGroupID: "g"},
			},
		},
		{
			"a panorama is no dome",
			Item{DeviceID: gateway, Name: "n", Info: &ItemInfo{PTZType: 6}},
			gb28181.Edition2016,
			Item{
				DeviceID: gateway, Name: "n", Manufacturer: "Unknown", Model: "Unknown", CivilCode: "340201", Address: "n",
				RegisterWay: 1, Owner: "0", SafetyWay: new(0),
			},
		},
		{"a platform has no grassroots code", Item{DeviceID: gateway, Name: "n"}, gb28181.Edition2022, Item{
			DeviceID: gateway, Name: "n", Manufacturer: "Unknown", Model: "Unknown", CivilCode: "340201",
			Address: "n", RegisterWay: 1,
		}},
		{
			"groups stay as they are",
			Item{DeviceID: "34020100002150000001", ParentID: gateway},
			gb28181.Edition2016,
			Item{DeviceID: "34020100002150000001", Name: "34020100002150000001", ParentID: gateway},
		},
	} {
		if diff := cmp.Diff(tc.want, tc.in.For(tc.edition)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
	shared := &ItemInfo{PTZType: 5, MAC: "x"}
	Item{DeviceID: camera, Info: shared}.For(gb28181.Edition2016)
	if diff := cmp.Diff(&ItemInfo{PTZType: 5, MAC: "x"}, shared); diff != "" {
		t.Errorf("For changed its receiver (-want +got):\n%s", diff)
	}
}

func TestAnswer(t *testing.T) {
	q := &DeviceInfoQuery{head("DeviceInfo", "0042", camera)}
	if diff := cmp.Diff(head("DeviceInfo", "0042", camera), q.Head().Answer()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestControlKinds(t *testing.T) {
	answered := map[ControlKind]bool{
		ControlRecord: true, ControlGuard: true, ControlAlarm: true, ControlHomePosition: true, ControlUpgrade: true,
	}
	seen := map[ControlKind]bool{}
	for name, p := range pairs() {
		c, ok := p.m.(*DeviceControl)
		if !ok {
			continue
		}
		k := c.Kind()
		seen[k] = true
		if got := k.Answered(); got != answered[k] {
			t.Errorf("%s: Answered() = %v, want %v", name, got, answered[k])
		}
		wire, err := Encode(c, gb28181.UTF8)
		if err != nil || !strings.Contains(string(wire), "<"+k.String()+">") {
			t.Errorf("%s: kind %v is not in\n%s (%v)", name, k, wire, err)
		}
	}
	for k := ControlPTZ; k <= ControlTargetTrack; k++ {
		if !seen[k] {
			t.Errorf("%v has no golden pair", k)
		}
	}
	if got := (&DeviceControl{}).Kind(); got != ControlUnknown {
		t.Errorf("an empty control is %v", got)
	}
}

func BenchmarkEncodeCatalog(b *testing.B) {
	m := &CatalogResponse{Header: head("", "1", gateway), SumNum: 100}
	for range 100 {
		m.Items = append(m.Items, eastGate().For(gb28181.Edition2016))
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Encode(m, gb28181.GB2312); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeControl(b *testing.B) {
	body, err := Encode(&DeviceControl{Header: head("", "1", gateway), PTZCmd: "A50F0101400000F6"}, gb28181.GB2312)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(body); err != nil {
			b.Fatal(err)
		}
	}
}
