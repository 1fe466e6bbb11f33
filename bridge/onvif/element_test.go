package onvif

import (
	"errors"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/simplifiedchinese"
)

func TestParse(t *testing.T) {
	gbk, err := simplifiedchinese.GBK.NewEncoder().String("东门球机")
	if err != nil {
		t.Fatal(err)
	}
	for in, want := range map[string]string{
		`<a:x xmlns:a="urn:1"><b:name> plain </b:name></a:x>`:                     "plain",
		`<?xml version="1.0" encoding="GB2312"?><x><name>` + gbk + `</name></x>`:  "东门球机",
		`<?xml version="1.0" encoding="GB18030"?><x><name>` + gbk + `</name></x>`: "东门球机",
		"<x><name>a\xe4\xb8</name></x>":                                           "a?",
		`<x><name>a&nbsp;&lt;&#x4e1c;</name></x>`:                                 "a&nbsp;<东",
		`<x><!-- c --><name><![CDATA[<y>]]></name></x>junk`:                       "<y>",
		`<!DOCTYPE x [<!ENTITY e "eeee">]><x><name>&e;</name></x>`:                "&e;",
	} {
		e, err := parse([]byte(in))
		if err != nil {
			t.Errorf("%s: %v", in, err)
		} else if got := e.str("name"); got != want {
			t.Errorf("%s: name is %q, want %q", in, got, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		in    string
		limit bool
	}{
		"nothing":   {"", false},
		"text":      {"hello", false},
		"unclosed":  {"<a><b></b>", false},
		"crossed":   {"<a><b></a></b>", false},
		"too deep":  {strings.Repeat("<a>", maxDepth+1), true},
		"too many":  {"<a>" + strings.Repeat("<b/>", maxElements) + "</a>", true},
		"too large": {"<a>" + strings.Repeat(" ", maxAnswer) + "</a>", true},
	} {
		_, err := parse([]byte(c.in))
		if err == nil || errors.Is(err, errLimit) != c.limit {
			t.Errorf("%s: got %v, a limit %v", name, err, c.limit)
		}
	}
}

func TestNumbers(t *testing.T) {
	e, err := parse([]byte(`<x><a>12.5</a><b>-INF</b><c>NaN</c><d>1e99</d><e>x</e></x>`))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]float64{"a": 12.5, "b": math.Inf(-1), "c": 0, "d": 1e99, "e": 0, "f": 0} {
		if got := e.num(name); got != want {
			t.Errorf("num(%s) = %v, want %v", name, got, want)
		}
	}
	for name, want := range map[string]int{"a": 12, "b": 0, "c": 0, "d": 0} {
		if got := e.integer(name); got != want {
			t.Errorf("integer(%s) = %v, want %v", name, got, want)
		}
	}
}

func TestZoneOffset(t *testing.T) {
	for tz, want := range map[string]time.Duration{
		"CST-8": 8 * time.Hour, "GMT+05:00": -5 * time.Hour, "EST5EDT,M3.2.0,M11.1.0": -5 * time.Hour,
		"<+0530>-5:30": 5*time.Hour + 30*time.Minute, "": 0, "8": 0, "Asia/Shanghai": 0,
	} {
		if got := zoneOffset(tz); got != want {
			t.Errorf("zoneOffset(%q) = %v, want %v", tz, got, want)
		}
	}
}

func TestFaults(t *testing.T) {
	fault := func(subcodes, text string) string {
		return `<s:Envelope xmlns:s="x"><s:Body><s:Fault><s:Code><s:Value>s:Sender</s:Value>` + subcodes +
			`</s:Code><s:Reason><s:Text>` + text + `</s:Text></s:Reason></s:Fault></s:Body></s:Envelope>`
	}
	sub := func(codes ...string) string {
		out := ""
		for i := len(codes) - 1; i >= 0; i-- {
			out = "<s:Subcode><s:Value>" + codes[i] + "</s:Value>" + out + "</s:Subcode>"
		}
		return out
	}
	for name, c := range map[string]struct {
		in   string
		want *Error
	}{
		"not authorized": {
			fault(sub("ter:NotAuthorized"), "Sender Not  Authorized"),
			&Error{Kind: NotAuthorized, Status: 400, Code: "NotAuthorized", Text: "Sender Not Authorized"},
		},
		"WS-Security": {
			fault(sub("wsse:FailedAuthentication"), ""),
			&Error{Kind: NotAuthorized, Status: 400, Code: "FailedAuthentication", Text: "camera refuses: FailedAuthentication"},
		},
		"no subcode, in words": {
			fault("", "The action requested requires authorization and the sender is not authorized"),
			&Error{
				Kind: NotAuthorized, Status: 400, Code: "Sender",
				Text: "The action requested requires authorization and the sender is not authorized",
			},
		},
		"not supported": {
			fault(sub("ter:ActionNotSupported"), "Optional Action Not Implemented"),
			&Error{Kind: ActionNotSupported, Status: 400, Code: "ActionNotSupported", Text: "Optional Action Not Implemented"},
		},
		"invalid": {
			fault(sub("ter:InvalidArgVal", "ter:NoProfile"), "x"),
			&Error{Kind: InvalidArgs, Status: 400, Code: "InvalidArgVal/NoProfile", Text: "x"},
		},
		"SOAP 1.1": {
			`<E><Body><Fault><faultcode>SOAP-ENV:Server</faultcode><faultstring>busy</faultstring></Fault></Body></E>`,
			&Error{Kind: Fault, Status: 400, Code: "Server", Text: "busy"},
		},
		"none": {`<E><Body><GetProfilesResponse/></Body></E>`, nil},
	} {
		e, err := parse([]byte(c.in))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, faultError(e, 400)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestReadEvent(t *testing.T) {
	message := func(topic, attrs, data string) string {
		return `<NotificationMessage><Topic>` + topic + `</Topic><Message><Message ` + attrs + `><Source>` +
			`<SimpleItem Name="InputToken" Value="di1"/></Source><Data>` + data +
			`</Data></Message></Message></NotificationMessage>`
	}
	const when = `UtcTime="2026-11-22T08:00:00Z" PropertyOperation="Changed"`
	source := map[string]string{"InputToken": "di1"}
	noon := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		in   string
		want Event
	}{
		"cell motion": {
			message("tns1:RuleEngine/CellMotionDetector/Motion//.", when, `<SimpleItem Name="IsMotion" Value="1"/>`),
			Event{
				Kind: Motion, Topic: "RuleEngine/CellMotionDetector/Motion", Active: true, HasState: true,
				Data: map[string]string{"IsMotion": "1"}, Time: noon,
			},
		},
		"input under another name": {
			message("tns1:Device/tns1:Trigger/tns1:DigitalInput", when, `<SimpleItem Name="State" Value="false"/>`),
			Event{
				Kind: DigitalInput, Topic: "Device/Trigger/DigitalInput", HasState: true,
				Data: map[string]string{"State": "false"}, Time: noon,
			},
		},
		"tripwire has no state": {
			message("tns1:RuleEngine/LineDetector/Crossed", when, `<SimpleItem Name="ObjectId" Value="15"/>`),
			Event{
				Kind: LineCrossed, Topic: "RuleEngine/LineDetector/Crossed", Active: true,
				Data: map[string]string{"ObjectId": "15"}, Time: noon,
			},
		},
		"too dark, deleted, no clock": {
			message("tns1:VideoSource/ImageTooDark/ImagingService",
				`UtcTime="1970-01-01T00:00:00Z" PropertyOperation="Deleted"`, `<SimpleItem Name="State" Value="true"/>`),
			Event{
				Kind: ImageAbnormal, Topic: "VideoSource/ImageTooDark/ImagingService", HasState: true,
				Data: map[string]string{"State": "true"},
			},
		},
		"a maker's own": {
			message("tnsvendor:Cat/Detected", when, ``),
			Event{Topic: "Cat/Detected", Active: true, Data: map[string]string{}, Time: noon},
		},
	} {
		e, err := parse([]byte(c.in))
		if err != nil {
			t.Fatal(err)
		}
		c.want.Source = source
		if diff := cmp.Diff(c.want, readEvent(e)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestMergePresets(t *testing.T) {
	n := numbers{list: []Preset{{Number: 2, Token: "kept", Name: "门"}, {Number: 9, Token: "gone"}}}
	changed := n.merge([]DevicePreset{
		{Token: "x", Name: "X"},
		{Token: "5"},
		{Token: "kept"},
		{Token: "2"},
		{Token: "300"},
		{Token: "t7", Name: "Preset 7"},
		{Token: "t8", Name: "预置点8"},
		{Token: "t5", Name: "preset5"},
	})
	want := []Preset{
		{Number: 1, Token: "x", Name: "X"},
		{Number: 2, Token: "kept", Name: "门"},
		{Number: 3, Token: "2"},
		{Number: 4, Token: "300"},
		{Number: 5, Token: "5"},
		{Number: 6, Token: "t5", Name: "preset5"},
		{Number: 7, Token: "t7", Name: "Preset 7"},
		{Number: 8, Token: "t8", Name: "预置点8"},
	}
	if diff := cmp.Diff(want, n.list); diff != "" || !changed {
		t.Errorf("changed %v, map (-want +got):\n%s", changed, diff)
	}
	if n.merge([]DevicePreset{
		{Token: "x"},
		{Token: "5"},
		{Token: "kept"},
		{Token: "2"},
		{Token: "300"},
		{Token: "t8"},
		{Token: "t7"},
		{Token: "t5"},
	}) {
		t.Error("the same list again is a change")
	}
}

var ipv4Loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// Whatever comes is read without panic and within the limits.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/answers/*.xml")
	if err != nil || len(files) == 0 {
		f.Fatalf("no answers to begin with: %v", err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := parse(data)
		if err != nil {
			return
		}
		_ = faultError(e, 500)
		_ = readVideo(e)
		_ = readNode(e)
		_ = readEvent(e)
		_ = readRecording(e)
		_, _ = deviceTime(e)
		_, _ = readChange(e, "")
		_ = lifetime(e)
		again, err := parse([]byte(e.xml("")))
		if err == nil && again.name != e.name {
			t.Errorf("%q is %q when written and read again", e.name, again.name)
		}
	})
}

func FuzzReadMatches(f *testing.F) {
	f.Add([]byte(`<E><Body><ProbeMatches><ProbeMatch>` +
		`<EndpointReference><Address>urn:uuid:1</Address></EndpointReference>` +
		`<Scopes>onvif://www.onvif.org/name/%E4%B8%9C onvif://www.onvif.org/Profile/G</Scopes>` +
		`<XAddrs>http://[fe80::1]/onvif/device_service http://0.0.0.0:80/x https://192.0.2.1</XAddrs>` +
		`</ProbeMatch></ProbeMatches></Body></E>`))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, m := range distinct(readMatches(data, ipv4Loopback)) {
			if len(m.Addresses) == 0 || len(m.Addresses) > 8 || len(m.Profiles) > 16 {
				t.Errorf("match %+v", m)
			}
		}
	})
}
