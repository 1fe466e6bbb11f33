package gb28181

import "testing"

func TestSSRC(t *testing.T) {
	for _, tc := range []struct {
		y    string
		want uint32
	}{
		{"0100000001", 0x05F5E101},
		{"0200000001", 0x0BEBC201},
		{"1200000001", 0x47868C01},
		{"0000000001", 1},
	} {
		got, ok := ParseSSRC(tc.y)
		if !ok || got != tc.want {
			t.Errorf("ParseSSRC(%q) = %#x, %v, want %#x", tc.y, got, ok, tc.want)
		}
		if got := FormatSSRC(tc.want); got != tc.y {
			t.Errorf("FormatSSRC(%#x) = %q, want %q", tc.want, got, tc.y)
		}
	}
}

func TestParseSSRCLeniently(t *testing.T) {
	for _, tc := range []struct {
		y    string
		want uint32
		ok   bool
	}{
		{" 0200000001\r", 200000001, true},
		{"200000001", 200000001, true},
		{"ssrc=0200000001", 200000001, true},
		{"9999999999", 9999999999 & 0xffffffff, true},
		{"0000000000", 0, false},
		{"0", 0, false},
		{"4294967296", 0, false},
		{"", 0, false},
		{"none", 0, false},
		{"123456789012345678901", 0, false},
		{"99999999999999999999", 0, false},
	} {
		got, ok := ParseSSRC(tc.y)
		if ok != tc.ok || got != tc.want {
			t.Errorf("ParseSSRC(%q) = %d, %v, want %d, %v", tc.y, got, ok, tc.want, tc.ok)
		}
	}
}

func TestNewSSRC(t *testing.T) {
	for _, tc := range []struct {
		kind   SSRCKind
		domain string
		serial uint32
		want   string
	}{
		{SSRCLive, "3402000000", 1, "0200000001"},
		{SSRCHistory, "34020000002000000001", 1, "1200000001"},
		{SSRCLive, "3402012300", 98765, "0201238765"},
		{SSRCLive, "3402", 7, "0000000007"},
		{SSRCLive, "340xx00000", 7, "0000000007"},
		{SSRCHistory, "99999999", 9999, "1999999999"},
	} {
		if got := FormatSSRC(NewSSRC(tc.kind, tc.domain, tc.serial)); got != tc.want {
			t.Errorf("NewSSRC(%d, %q, %d) = %s, want %s", tc.kind, tc.domain, tc.serial, got, tc.want)
		}
	}
}

// FuzzSSRC: a y= line that gives a number gives the same again when we write it.
func FuzzSSRC(f *testing.F) {
	for _, y := range []string{"0200000001", "0BEBC201", " 1200000001 ", "18446744073709551616", "4294967296", ""} {
		f.Add(y)
	}
	f.Fuzz(func(t *testing.T, y string) {
		n, ok := ParseSSRC(y)
		if ok == (n == 0) {
			t.Errorf("%q gives %d, %v", y, n, ok)
		}
		if again, ok2 := ParseSSRC(FormatSSRC(n)); ok && (!ok2 || again != n) {
			t.Errorf("%q gives %d, and written %d", y, n, again)
		}
	})
}
