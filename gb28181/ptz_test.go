package gb28181

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// golden holds every kind of instruction as it is on the wire; both directions must agree.
var golden = []struct {
	name string
	hex  string
	want PTZCommand
}{
	{"stop", "A50F0100000000B5", PTZCommand{Op: PTZMove, Address: 1}},
	{"right", "A50F0101400000F6", PTZCommand{Op: PTZMove, Address: 1, Pan: 1, PanSpeed: 0x40}},
	{"left", "A50F0102400000F7", PTZCommand{Op: PTZMove, Address: 1, Pan: -1, PanSpeed: 0x40}},
	{"down", "A50F0104002000D9", PTZCommand{Op: PTZMove, Address: 1, Tilt: -1, TiltSpeed: 0x20}},
	{"up", "A50F0108002000DD", PTZCommand{Op: PTZMove, Address: 1, Tilt: 1, TiltSpeed: 0x20}},
	{
		"right and up", "A50F01094020001E",
		PTZCommand{Op: PTZMove, Address: 1, Pan: 1, Tilt: 1, PanSpeed: 0x40, TiltSpeed: 0x20},
	},
	{
		"left and down", "A50F01064020001B",
		PTZCommand{Op: PTZMove, Address: 1, Pan: -1, Tilt: -1, PanSpeed: 0x40, TiltSpeed: 0x20},
	},
	{"zoom in", "A50F011000005015", PTZCommand{Op: PTZMove, Address: 1, Zoom: 1, ZoomSpeed: 5}},
	{"zoom out", "A50F012000005025", PTZCommand{Op: PTZMove, Address: 1, Zoom: -1, ZoomSpeed: 5}},
	{
		"left, up and zoom in at full speed", "A50F011AFFFFF0BD",
		PTZCommand{
			Op: PTZMove, Address: 1, Pan: -1, Tilt: 1, Zoom: 1,
			PanSpeed: 0xff, TiltSpeed: 0xff, ZoomSpeed: 0xf,
		},
	},
	{"lens stop", "A50F0140000000F5", PTZCommand{Op: PTZLens, Address: 1}},
	{"focus far", "A50F014130000026", PTZCommand{Op: PTZLens, Address: 1, Focus: 1, FocusSpeed: 0x30}},
	{"focus near", "A50F014230000027", PTZCommand{Op: PTZLens, Address: 1, Focus: -1, FocusSpeed: 0x30}},
	{"iris open", "A50F014400300029", PTZCommand{Op: PTZLens, Address: 1, Iris: 1, IrisSpeed: 0x30}},
	{"iris close", "A50F01480030002D", PTZCommand{Op: PTZLens, Address: 1, Iris: -1, IrisSpeed: 0x30}},
	{"set preset", "A50F018100030039", PTZCommand{Op: PTZSetPreset, Address: 1, Preset: 3}},
	{"goto preset", "A50F01820003003A", PTZCommand{Op: PTZGotoPreset, Address: 1, Preset: 3}},
	{"delete preset", "A50F01830003003B", PTZCommand{Op: PTZDeletePreset, Address: 1, Preset: 3}},
	{"goto preset of WVP", "A50F01820103003B", PTZCommand{Op: PTZGotoPreset, Address: 1, Group: 1, Preset: 3}},
	{"add cruise point", "A50F01840103003D", PTZCommand{Op: PTZAddCruisePoint, Address: 1, Group: 1, Preset: 3}},
	{"delete cruise point", "A50F01850103003E", PTZCommand{Op: PTZDeleteCruisePoint, Address: 1, Group: 1, Preset: 3}},
	{"delete cruise", "A50F01850100003B", PTZCommand{Op: PTZDeleteCruisePoint, Address: 1, Group: 1}},
	{"cruise speed", "A50F0186012C1078", PTZCommand{Op: PTZCruiseSpeed, Address: 1, Group: 1, Value: 300}},
	{"cruise dwell", "A50F0187010F004C", PTZCommand{Op: PTZCruiseDwell, Address: 1, Group: 1, Value: 15}},
	{"start cruise", "A50F01880100003E", PTZCommand{Op: PTZStartCruise, Address: 1, Group: 1}},
	{"start scan", "A50F01890100003F", PTZCommand{Op: PTZStartScan, Address: 1, Group: 1}},
	{"scan left border", "A50F018901010040", PTZCommand{Op: PTZScanLeft, Address: 1, Group: 1}},
	{"scan right border", "A50F018901020041", PTZCommand{Op: PTZScanRight, Address: 1, Group: 1}},
	{"scan speed", "A50F018A01231073", PTZCommand{Op: PTZScanSpeed, Address: 1, Group: 1, Value: 0x123}},
	{"aux on", "A50F018C01000042", PTZCommand{Op: PTZAuxOn, Address: 1, Switch: 1}},
	{"aux off", "A50F018D01000043", PTZCommand{Op: PTZAuxOff, Address: 1, Switch: 1}},
	{"address 0", "A50F008100010036", PTZCommand{Op: PTZSetPreset, Preset: 1}},
	{"address FFF", "A50FFF01400F0F12", PTZCommand{Op: PTZMove, Address: 0xfff, Pan: 1, PanSpeed: 0x40, TiltSpeed: 0xf}},
	{"up of srs-sip", "A50F0108007D003A", PTZCommand{Op: PTZMove, Address: 1, Tilt: 1, TiltSpeed: 0x7d}},
	{"left of gb-cms", "A50F010281000038", PTZCommand{Op: PTZMove, Address: 1, Pan: -1, PanSpeed: 0x81}},
	{"zoom in of srs-sip", "A50F01100000D095", PTZCommand{Op: PTZMove, Address: 1, Zoom: 1, ZoomSpeed: 0xd}},
}

func TestPTZGolden(t *testing.T) {
	for _, tc := range golden {
		for _, text := range []string{tc.hex, strings.ToLower(tc.hex)} {
			got, err := ParsePTZ(text, true)
			if err != nil {
				t.Errorf("%s: %v", tc.name, err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s: ParsePTZ (-want +got):\n%s", tc.name, diff)
			}
		}
		if got := tc.want.Encode(); got != tc.hex {
			t.Errorf("%s: Encode() = %s, want %s", tc.name, got, tc.hex)
		}
	}
}

func TestParsePTZLeniently(t *testing.T) {
	for _, tc := range []struct {
		name, hex string
		want      PTZCommand
	}{
		{"blanks", " A5 0F 01 01 40 00 00 F6\r\n", PTZCommand{Op: PTZMove, Address: 1, Pan: 1, PanSpeed: 0x40}},
		{"odd version", "A5000101400000E7", PTZCommand{Op: PTZMove, Address: 1, Pan: 1, PanSpeed: 0x40}},
		{
			"left and right cancel out", "A50F010B40200020",
			PTZCommand{Op: PTZMove, Address: 1, Tilt: 1, PanSpeed: 0x40, TiltSpeed: 0x20},
		},
		{"all six bits", "A50F013F404000" + "74", PTZCommand{Op: PTZMove, Address: 1, PanSpeed: 0x40, TiltSpeed: 0x40}},
		{"focus both ways", "A50F0143300000" + "28", PTZCommand{Op: PTZLens, Address: 1, FocusSpeed: 0x30}},
		{"aux number in data 2", "A50F018C00020043", PTZCommand{Op: PTZAuxOn, Address: 1, Switch: 2}},
		{"bad checksum", "A50F010140000000", PTZCommand{Op: PTZMove, Address: 1, Pan: 1, PanSpeed: 0x40, BadChecksum: true}},
	} {
		got, err := ParsePTZ(tc.hex, false)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
}

func TestParsePTZRefuses(t *testing.T) {
	for _, tc := range []struct {
		name, hex string
		strict    bool
	}{
		{"empty", "", false},
		{"short", "A50F01014000F6", false},
		{"long", "A50F0101400000F600", false},
		{"not hexadecimal", "A50F0101400000FG", false},
		{"not A5", "A40F0101400000F5", false},
		{"unknown command", "A50F01C000000075", false},
		{"unknown lens command", "A50F015000000005", false},
		{"unknown scan", "A50F018901030042", false},
		{"bad checksum", "A50F010140000000", true},
	} {
		if got, err := ParsePTZ(tc.hex, tc.strict); err == nil {
			t.Errorf("%s: got %+v, want an error", tc.name, got)
		}
	}
}

func TestPTZIsStop(t *testing.T) {
	for _, tc := range golden {
		want := strings.HasSuffix(tc.name, "stop")
		if got := tc.want.IsStop(); got != want {
			t.Errorf("%s: IsStop() = %v, want %v", tc.name, got, want)
		}
	}
}

func FuzzParsePTZ(f *testing.F) {
	for _, tc := range golden {
		f.Add(tc.hex)
	}
	f.Fuzz(func(t *testing.T, text string) {
		first, err := ParsePTZ(text, false)
		if err != nil {
			return
		}
		first.BadChecksum = false
		second, err := ParsePTZ(first.Encode(), true)
		if err != nil {
			t.Fatalf("%q → %s: %v", text, first.Encode(), err)
		}
		if diff := cmp.Diff(first, second); diff != "" {
			t.Errorf("%q → %s (-first +second):\n%s", text, first.Encode(), diff)
		}
	})
}
