package gb28181

import (
	"strings"
	"testing"
)

func TestParseID(t *testing.T) {
	for _, tc := range []struct {
		in string
		ok bool
	}{
		{"34020100001320000001", true},
		{"3402010000132000000", false},
		{"340201000013200000011", false},
		{"3402010000132000000a", false},
		{"３4020100001320001", false}, // 20 bytes, one of them no digit
		{"", false},
	} {
		id, err := ParseID(tc.in)
		if got := err == nil; got != tc.ok {
			t.Errorf("ParseID(%q) error %v, want ok %v", tc.in, err, tc.ok)
		}
		if got := ID(tc.in).Valid(); got != tc.ok {
			t.Errorf("ID(%q).Valid() = %v, want %v", tc.in, got, tc.ok)
		}
		if tc.ok && string(id) != tc.in {
			t.Errorf("ParseID(%q) = %q", tc.in, id)
		}
	}
}

func TestIDParts(t *testing.T) {
	id := ID("34020112341320123456")
	for _, tc := range []struct{ name, got, want string }{
		{"CivilCode", id.CivilCode(), "340201"},
		{"Domain", id.Domain(), "3402011234"},
		{"Industry", id.Industry(), "34"},
		{"Network", id.Network(), "0"},
		{"Serial", id.Serial(), "123456"},
		{"district CivilCode", ID("3402").CivilCode(), "3402"},
		{"short Serial", ID("3402").Serial(), ""},
		{"short Industry", ID("3402").Industry(), ""},
		{"short Network", ID("3402").Network(), ""},
	} {
		if tc.got != tc.want {
			t.Errorf("%s = %q, want %q", tc.name, tc.got, tc.want)
		}
	}
}

func TestIDKinds(t *testing.T) {
	for _, tc := range []struct {
		id   ID
		want string // the one kind that holds
	}{
		{"34020100001310000001", "camera"},
		{"34020100001320000001", "camera"},
		{"34020100001180000001", "recorder"},
		{"34020100001110000001", "recorder"},
		{"34020100002000000001", "system"},
		{"34020100002150000001", "group"},
		{"34020100002160000001", "group"},
		{"34", "district"},
		{"34020101", "district"},
		{"340201010", ""},
		{"34020100001340000001", ""},
		{"3402x1", ""},
		{"", ""},
	} {
		got := ""
		for _, k := range []struct {
			name string
			is   bool
		}{
			{"camera", tc.id.IsCamera()},
			{"recorder", tc.id.IsRecorder()},
			{"system", tc.id.IsSystem()},
			{"group", tc.id.IsGroup()},
			{"district", tc.id.IsDistrict()},
		} {
			if k.is {
				got += k.name
			}
		}
		if got != tc.want {
			t.Errorf("ID(%q) is %q, want %q", tc.id, got, tc.want)
		}
	}
}

func TestTypeCodeNames(t *testing.T) {
	want := map[TypeCode]string{
		111: "DVR", 118: "NVR", 119: "reserved device", 130: "HVR", 131: "camera", 132: "network camera",
		134: "alarm input", 137: "voice output", 143: "credential reader", 144: "reserved device", 199: "reserved device",
		200: "signalling server", 202: "media server", 214: "reserved server", 215: "business group",
		216: "virtual organisation", 300: "centre user", 399: "centre user", 400: "end user",
		500: "video application platform",
		504: "reserved platform", 505: "analysis device", 600: "extension", 999: "extension", 0: "unknown", 110: "unknown",
	}
	for code, name := range want {
		if got := code.String(); got != name {
			t.Errorf("TypeCode(%d) = %q, want %q", code, got, name)
		}
	}
	seen := map[string]TypeCode{}
	for code := TypeCode(111); code < 600; code++ {
		name := code.device() + code.server()
		if other, twice := seen[name]; twice && name != "" {
			t.Errorf("%d and %d are both called %q", other, code, name)
		}
		seen[name] = code
	}
	if got, want := len(seen)-1, 47; got != want {
		t.Errorf("%d types have a name, want %d", got, want)
	}
}

// FuzzID: whatever text is asked what it is, nothing but 20 digits is a valid code, and its parts are pieces of it.
func FuzzID(f *testing.F) {
	for _, id := range []string{
		"34020000002000000001", "340201", "3402010000132000000", "", "３４", "34020100002160000001",
	} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, err := ParseID(text)
		if err == nil && !id.Valid() {
			t.Errorf("%q is taken, but not valid", text)
		}
		for _, part := range []string{
			ID(text).CivilCode(), ID(text).Domain(), ID(text).Industry(), ID(text).Network(), ID(text).Serial(),
		} {
			if !strings.Contains(text, part) {
				t.Errorf("%q has no part %q", text, part)
			}
		}
		_ = ID(text).IsRecorder() || ID(text).IsGroup() || ID(text).IsDistrict() || ID(text).IsSystem() || ID(text).IsCamera()
	})
}
