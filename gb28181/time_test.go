package gb28181

import (
	"testing"
	"time"
)

func TestParseTime(t *testing.T) {
	beijing := func(y int, mo time.Month, d, h, mi, s, ms int) time.Time {
		return time.Date(y, mo, d, h-8, mi, s, ms*1e6, time.UTC)
	}
	for _, tc := range []struct {
		in   string
		want time.Time
	}{
		{"2026-01-31T14:40:49", beijing(2026, 1, 31, 14, 40, 49, 0)},
		{" 2026-01-31T14:40:49\r\n", beijing(2026, 1, 31, 14, 40, 49, 0)},
		{"2026-1-5T1:2:3", beijing(2026, 1, 5, 1, 2, 3, 0)},
		{"2026-01-31 14:40:49", beijing(2026, 1, 31, 14, 40, 49, 0)},
		{"2026/01/31 14:40:49", beijing(2026, 1, 31, 14, 40, 49, 0)},
		{"2026-01-31T14:40", beijing(2026, 1, 31, 14, 40, 0, 0)},
		{"2026-01-31", beijing(2026, 1, 31, 0, 0, 0, 0)},
		{"2026-01-31T14:40:49.583", beijing(2026, 1, 31, 14, 40, 49, 583)},
		{"2026-01-31T14:40:49.5839999", beijing(2026, 1, 31, 14, 40, 49, 584)},
		{"2026-01-31T14:40:49+08:00", beijing(2026, 1, 31, 14, 40, 49, 0)},
		{"2026-01-31T14:40:49.583+0800", beijing(2026, 1, 31, 14, 40, 49, 583)},
		{"2026-01-31T06:40:49Z", beijing(2026, 1, 31, 14, 40, 49, 0)},
		{"2026-01-31T01:40:49-05:00", beijing(2026, 1, 31, 14, 40, 49, 0)},
		{"2026-01-31T24:00:00", beijing(2026, 2, 1, 0, 0, 0, 0)},
	} {
		got, err := ParseTime(tc.in)
		if err != nil {
			t.Errorf("ParseTime(%q): %v", tc.in, err)
		}
		if !got.Equal(tc.want) {
			t.Errorf("ParseTime(%q) = %v, want %v", tc.in, got, tc.want)
		}
	}
}

func TestParseTimeRefuses(t *testing.T) {
	for _, in := range []string{
		"", "now", "0", "26-01-31T14:40:49", "1969-12-31T23:59:59",
		"2026-13-01T00:00:00", "2026-02-30T00:00:00", "2026-00-10",
		"2026-01-31T25:00:00", "2026-01-31T24:00:01", "2026-01-31T10:60:00", "2026-01-31T10:00:61",
		"2026-01-31T10", "2026-01-31X10:00:00", "2026-01-31T10:00:00 CST", "2026-01-31T10:00:00+99:00",
		"222213-11-11T00:00:00", // srs-sip's Date
		"2026-01-31T10:00:00.", "2026-01-31T10:00:00.x",
	} {
		if got, err := ParseTime(in); err == nil {
			t.Errorf("ParseTime(%q) = %v, want an error", in, got)
		}
	}
}

func TestFormatTime(t *testing.T) {
	at := time.Date(2026, 1, 31, 16, 0, 5, 583_000_000, time.UTC)
	if got, want := FormatTime(at), "2026-02-01T00:00:05"; got != want {
		t.Errorf("FormatTime = %s, want %s", got, want)
	}
	if got, want := FormatDate(at), "2026-02-01T00:00:05.583"; got != want {
		t.Errorf("FormatDate = %s, want %s", got, want)
	}
	if got, want := time.Date(2026, 1, 31, 0, 0, 0, 0, Zone()).Unix(), int64(1769788800); got != want {
		t.Errorf("2026-01-31 in Beijing = %d, want %d", got, want)
	}
}

func TestParseDate(t *testing.T) {
	want := time.Date(2026, 1, 31, 6, 40, 49, 0, time.UTC)
	for _, in := range []string{
		"2026-01-31T14:40:49",
		"2026-01-31T14:40:49.000",
		"2026-01-31T06:40:49Z",
		"2026-01-31T14:40:49+08:00",
		"Sat, 31 Jan 2026 06:40:49 GMT",
		"Sat, 31 Jan 2026 14:40:49 +0800",
	} {
		got, err := ParseDate(in)
		if err != nil {
			t.Errorf("ParseDate(%q): %v", in, err)
		}
		if !got.Equal(want) {
			t.Errorf("ParseDate(%q) = %v, want %v", in, got, want)
		}
	}
	for _, in := range []string{"", "222213-11-11T00:00:00", "Sat, 31 Jan"} {
		if got, err := ParseDate(in); err == nil {
			t.Errorf("ParseDate(%q) = %v, want an error", in, got)
		}
	}
}

func FuzzParseTime(f *testing.F) {
	for _, s := range []string{"2026-01-31T14:40:49.583+08:00", "2026-1-5 1:2", "2026-01-31T24:00:00", "2026/1/5"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		first, err := ParseTime(s)
		if err != nil || first.Year() < 1970 || first.Year() > 9999 { // a zone can carry it over
			return
		}
		second, err := ParseTime(FormatTime(first))
		if err != nil {
			t.Fatalf("%q → %q: %v", s, FormatTime(first), err)
		}
		if !first.Truncate(time.Second).Equal(second) {
			t.Errorf("%q → %v → %v", s, first, second)
		}
	})
}
