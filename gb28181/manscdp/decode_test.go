package manscdp

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gbgate/gb28181"
)

// The messages of real platforms, byte for byte.
func TestDecodeSuperiors(t *testing.T) {
	const (
		device  = "34020000001110000001"
		channel = "34020000001310000001"
	)
	want := map[string]any{
		"gb-cms-catalog":           &CatalogQuery{Header: head("Catalog", "5", device)},
		"gb-cms-subscribe-catalog": &CatalogQuery{Header: head("Catalog", "3", device)},
		"gb-cms-deviceinfo":        &DeviceInfoQuery{head("DeviceInfo", "1", device)},
		"gb-cms-devicecontrol": &DeviceControl{
			Header: head("DeviceControl", "6", channel), PTZCmd: "A50F010281000038",
		},
		"gb-cms-recordinfo": &RecordInfoQuery{
			Header: head("RecordInfo", "9", channel), Type: "all",
			Start: beijing(2025, 11, 21, 0, 0, 0), End: beijing(2025, 11, 21, 23, 59, 59),
		},
		"gb-cms-subscribe-alarm": &AlarmQuery{
			Header: head("Alarm", "4", device), StartPriority: 1, EndPriority: 4, Method: "0",
			Start: beijing(2026, 11, 22, 14, 28, 28), End: beijing(2026, 11, 22, 15, 28, 28),
		},
		"gb-cms-subscribe-mobileposition": &MobilePositionQuery{Header: head("MobilePosition", "2", device), Interval: 10},
		"gosip-catalog":                   &CatalogQuery{Header: head("Catalog", "276483", device)},
		"gosip-deviceinfo":                &DeviceInfoQuery{head("DeviceInfo", "359122", device)},
		"gosip-recordinfo": &RecordInfoQuery{
			Header: head("RecordInfo", "741335", channel), Secrecy: new(0), Type: "time",
			Start: beijing(2025, 11, 21, 16, 0, 0), End: beijing(2025, 11, 21, 17, 0, 0),
		},
		"gowvp-catalog":        &CatalogQuery{Header: head("Catalog", "688690", device)},
		"gowvp-configdownload": &ConfigDownloadQuery{Header: head("ConfigDownload", "1", device), ConfigType: "BasicParam"},
		"gowvp-deviceinfo":     &DeviceInfoQuery{head("DeviceInfo", "998236", device)},
		"lalmax-catalog":       &CatalogQuery{Header: head("Catalog", "1", device)},
		"lalmax-devicecontrol": &DeviceControl{
			Header: head("DeviceControl", "1", channel), PTZCmd: "a50f010a7d7d00b9",
		},
		"monibuca-catalog":       &CatalogQuery{Header: head("Catalog", "0", device)},
		"monibuca-deviceinfo":    &DeviceInfoQuery{head("DeviceInfo", "1", device)},
		"srs-sip-catalog":        &CatalogQuery{Header: head("Catalog", "3", device)},
		"srs-sip-configdownload": &ConfigDownloadQuery{Header: head("ConfigDownload", "4", device), ConfigType: "BasicParam"},
		"srs-sip-devicecontrol": &DeviceControl{
			Header: head("DeviceControl", "5", channel), PTZCmd: "A50F0108007D003A", Info: &ControlInfo{ControlPriority: 150},
		},
		"srs-sip-recordinfo": &RecordInfoQuery{
			Header: head("RecordInfo", "9", channel), Secrecy: new(0), Type: "all",
			Start: beijing(2025, 11, 21, 0, 0, 0), End: beijing(2025, 11, 21, 17, 0, 0),
		},
	}
	files, err := filepath.Glob("testdata/superiors/*.xml")
	if err != nil || len(files) != len(want) {
		t.Fatalf("%d files (%v), want %d", len(files), err, len(want))
	}
	for _, path := range files {
		body, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var got any
		m, err := Decode(body)
		got = m
		if err != nil {
			got = err
		}
		if diff := cmp.Diff(want[strings.TrimSuffix(filepath.Base(path), ".xml")], got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

const query = "<Query><CmdType>Catalog</CmdType><SN>1</SN><DeviceID>34020100002000000001</DeviceID></Query>"

func TestDecodeDirtyQuery(t *testing.T) {
	want := &CatalogQuery{Header: head("Catalog", "1", gateway)}
	for name, body := range map[string]string{
		"bare":               query,
		"leading line ends":  "\r\n\r\n  <?xml version=\"1.0\"?>\r\n" + query,
		"leading junk":       "\x00\x01junk<<" + query,
		"byte-order mark":    "\xEF\xBB\xBF<?xml version=\"1.0\" encoding=\"GB2312\"?>" + query,
		"late mark":          "\r\n\xEF\xBB\xBF<?xml version=\"1.0\" encoding=\"UTF-8\"?>" + query,
		"trailing NULs":      query + "\x00\x00\x00",
		"trailing junk":      query + "</Query><Query>",
		"prolog after blank": "<?xml version = '1.0' encoding = 'gb2312' ?>" + query,
		"prolog without end": "<?xml version=\"1.0\">" + query,
		"comment":            "<!-- a > b < c -->" + strings.Replace(query, "<SN>", "<!--x--><SN>", 1),
		"document type":      "<!DOCTYPE Query>" + query,
		"wrong case":         strings.NewReplacer("Query", "QUERY", "CmdType", "cmdtype", "SN", "Sn").Replace(query),
		"end tag in another case": strings.Replace(
			query, "</CmdType>", "</cmdType>", 1),
		"command in another case": strings.Replace(query, "Catalog", "CATALOG", 1),
		"blanks in text": strings.NewReplacer(
			"<SN>1", "<SN>\r\n\t 1 ", "Catalog", "\u3000Catalog\x00").Replace(query),
		"CDATA":      strings.Replace(query, "Catalog", "<![CDATA[Catalog]]>", 1),
		"attributes": strings.Replace(query, "<SN>", `<SN a=">" b='1' c=2 d >`, 1),
		"name space": strings.NewReplacer(
			"<Query>", `<gb:Query xmlns:gb="urn:x">`, "</Query>", "</gb:Query>").Replace(query),
		"end tag missing":   strings.Replace(query, "</DeviceID>", "", 1),
		"end tag too many":  strings.Replace(query, "<SN>", "</SNX><SN>", 1),
		"unknown element":   strings.Replace(query, "<SN>", "<Foo><SN>2</SN></Foo><SN>", 1),
		"empty twin":        strings.Replace(query, "<SN>", "<SN/><SN></SN><SN>", 1),
		"all in attributes": `<Query CmdType="Catalog" SN=" 1 " DeviceID='34020100002000000001'/>`,
	} {
		got, err := Decode([]byte(body))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(Message(want), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestDecodeDirtyCatalog(t *testing.T) {
	item := func(name, address string) Item { return Item{DeviceID: camera, Name: name, Address: address} }
	for _, tc := range []struct {
		name, fields string
		want         Item
	}{
		{"bare ampersand", "<Name>A&B</Name><Address>R&D &amp; more</Address>", item("A&B", "R&D & more")},
		{"entities", "<Name>&lt;&#19996;&#x95E8;&gt;</Name><Address>&quot;&apos;&nbsp;</Address>", item("<东门>", `"'&nbsp;`)},
		{"bare less-than", "<Name>a < b</Name><Address>1<2<3</Address>", item("a < b", "1<2<3")},
		{"less-than before a letter", "<Name>A<B road</Name><Address>x</Address>", item("A<B road", "x")},
		{"angle brackets", "<Name>Gate <north> 1</Name><Address>x</Address>", item("Gate <north> 1", "x")},
		{"angle brackets of digits", "<Name>Gate<1></Name><Address><2></Address>", item("Gate<1>", "<2>")},
		{"Chinese in brackets", "<Name><东门></Name><Address>x</Address>", item("<东门>", "x")},
		{"empty elements", "<Name>n</Name><Address></Address><Status/><Info></Info><Longitude> </Longitude>", item("n", "")},
		{
			"numbers that are none",
			"<Name>n</Name><Parental>yes</Parental><Longitude>NaN</Longitude><Port>x</Port>",
			item("n", ""),
		},
		{"missing end tag", "<Name>n<Address>x</Address>", item("n", "x")},
		{"missing end tag of the item", "<Name>n</Name><Address>x</Address></DeviceList><Foo>", item("n", "x")},
	} {
		body := `<?xml version="1.0" encoding="GB2312"?><Response><CmdType>Catalog</CmdType><SN>1</SN><DeviceID>` + gateway +
			`</DeviceID><SumNum> 1 </SumNum><DeviceList Num=" 1 "><Item><DeviceID>` + camera + `</DeviceID>` + tc.fields +
			`</Item></DeviceList></Response>`
		want := &CatalogResponse{Header: head("Catalog", "1", gateway), SumNum: 1, Num: 1, Items: []Item{tc.want}}
		for _, cs := range []gb28181.Charset{gb28181.GB18030, gb28181.UTF8} { // both declared GB2312
			got, err := Decode(gb28181.Encode(body, cs))
			if err != nil {
				t.Errorf("%s in %v: %v", tc.name, cs, err)
				continue
			}
			if diff := cmp.Diff(Message(want), got); diff != "" {
				t.Errorf("%s in %v (-want +got):\n%s", tc.name, cs, diff)
			}
		}
	}
}

func TestDecodeNumbers(t *testing.T) {
	body := `<Response><CmdType>Catalog</CmdType><SN>1</SN><DeviceID>1</DeviceID><SumNum>2.0</SumNum><DeviceList Num=1>` +
		`<Item><Parental> 1</Parental><Secrecy> 0 </Secrecy><SafetyWay>0</SafetyWay><ErrCode>-</ErrCode>` +
		`<Longitude> 118.5 </Longitude><Latitude>1e999</Latitude><Password>p</Password></Item></DeviceList></Response>`
	got, err := Decode([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	want := &CatalogResponse{Header: head("Catalog", "1", "1"), SumNum: 2, Num: 1, Items: []Item{
		{Parental: 1, SafetyWay: new(0), Longitude: 118.5, Password: "p"},
	}}
	if diff := cmp.Diff(Message(want), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A name that its sender cut in the middle of a character must not hide the tag behind it.
func TestDecodeCutCharacter(t *testing.T) {
	body := "<Response><CmdType>DeviceInfo</CmdType><SN>1</SN><DeviceID>1</DeviceID>" +
		"<DeviceName>\xB6\xAB\xC3</DeviceName><Result>OK</Result></Response>"
	got, err := Decode([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	want := &DeviceInfoResponse{Header: head("DeviceInfo", "1", "1"), DeviceName: "东\ufffd", Result: OK}
	if diff := cmp.Diff(Message(want), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDecodeIFrameSpellings(t *testing.T) {
	for _, tag := range []string{"IFrameCmd", "IFameCmd", "IFAMECmd", "iframecmd"} {
		body := "<Control><CmdType>DeviceControl</CmdType><SN>1</SN><DeviceID>1</DeviceID>" +
			"<" + tag + ">Send</" + tag + "></Control>"
		m, err := Decode([]byte(body))
		if err != nil {
			t.Fatalf("%s: %v", tag, err)
		}
		if got := m.(*DeviceControl).Kind(); got != ControlIFrame {
			t.Errorf("%s: kind %v, want %v", tag, got, ControlIFrame)
		}
	}
}

func TestDecodeErrors(t *testing.T) {
	nested := func(n int) string {
		return "<Query>" + strings.Repeat("<a>", n-1) + strings.Repeat("</a>", n-1) + "</Query>"
	}
	for _, tc := range []struct {
		name, body string
		want       error
		code       int
	}{
		{"empty", "", ErrNotXML, 400},
		{"text", "hello", ErrNotXML, 400},
		{"text with less-than", "a < b <1>", ErrNotXML, 400},
		{"truncated", query[:len(query)-3], ErrNotXML, 400},
		{"prolog only", `<?xml version="1.0"?>`, ErrNotXML, 400},
		{"comment without end", "<!-- " + query, ErrNotXML, 400},
		{"CDATA without end", "<Query><![CDATA[ </Query>", ErrNotXML, 400},
		{"too long", query + strings.Repeat(" ", maxBody), ErrNotXML, 400},
		{"too deep", nested(maxDepth + 1), ErrNotXML, 400},
		{"too many elements", "<Query>" + strings.Repeat("<a/>", maxElements) + "</Query>", ErrNotXML, 400},
		{"too many attributes", "<Query><a" + strings.Repeat(" b=1", maxAttributes+1) + "/></Query>", ErrNotXML, 400},
		{"HTML", "<html><body>x</body></html>", ErrRoot, 415},
	} {
		m, err := Decode([]byte(tc.body))
		if !errors.Is(err, tc.want) {
			t.Errorf("%s: %v %v, want %v", tc.name, m, err, tc.want)
		}
		if code, _ := gb28181.StatusOf(err); code != tc.code {
			t.Errorf("%s: answered with %d, want %d", tc.name, code, tc.code)
		}
	}
	for _, body := range []string{
		nested(maxDepth), "<Query><SN>1</SN></Query>", strings.Replace(query, "Catalog", "Foo", 1),
	} {
		_, err := Decode([]byte(body))
		if _, ok := errors.AsType[*UnknownError](err); !ok {
			t.Errorf("%.60s: %v, want an UnknownError", body, err)
		}
		if code, _ := gb28181.StatusOf(err); code != 200 {
			t.Errorf("%.60s: answered with %d, want 200", body, code)
		}
	}
}

func TestDecodeLargestBody(t *testing.T) {
	body := strings.Replace(query, "<SN>", "<!--"+strings.Repeat("x", maxBody-len(query)-7)+"--><SN>", 1)
	if len(body) != maxBody {
		t.Fatalf("body of %d bytes, want %d", len(body), maxBody)
	}
	if _, err := Decode([]byte(body)); err != nil {
		t.Errorf("%v", err)
	}
}

// What Decode makes of anything, Encode writes so that Decode reads the same.
func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("testdata/*.xml")
	if err != nil {
		f.Fatal(err)
	}
	more, err := filepath.Glob("testdata/superiors/*.xml")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range append(files, more...) {
		body, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		first, err := Decode(body)
		if err != nil {
			return
		}
		narrow := Encoder{Charset: gb28181.GB2312Strict, EmptyLists: true}
		if wire, err := narrow.Encode(first); err == nil && len(wire) <= maxBody {
			if _, err := Decode(wire); err != nil {
				t.Errorf("%v\n%q", err, wire)
			}
		}
		wire, err := Encode(first, gb28181.UTF8)
		if err != nil { // what came in need not be complete
			return
		}
		second, err := Decode(wire)
		if err != nil {
			if len(wire) > maxBody {
				return
			}
			t.Fatalf("%v\n%q", err, wire)
		}
		again, err := Encode(second, gb28181.UTF8)
		if err != nil {
			t.Fatalf("%v\n%q", err, wire)
		}
		if diff := cmp.Diff(string(wire), string(again)); diff != "" {
			t.Errorf("(-first +second):\n%s", diff)
		}
	})
}
