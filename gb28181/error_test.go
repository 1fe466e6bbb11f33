package gb28181

import (
	"errors"
	"fmt"
	"testing"
)

func TestStatusOf(t *testing.T) {
	for _, tc := range []struct {
		name   string
		err    error
		code   int
		reason string
	}{
		{"none", nil, 200, "OK"},
		{"ours", Errorf(404, "no record in %s", "range"), 404, "no record in range"},
		{"wrapped", fmt.Errorf("play: %w", Errorf(488, "no PS")), 488, "no PS"},
		{"foreign", errors.New("open /secret: denied"), 500, "Server Internal Error"},
		{"nil Error", (*Error)(nil), 500, "Server Internal Error"},
		{"line end in reason", Errorf(400, "a\r\nVia: b"), 400, "a  Via: b"},
	} {
		code, reason := StatusOf(tc.err)
		if code != tc.code || reason != tc.reason {
			t.Errorf("%s: got %d %q, want %d %q", tc.name, code, reason, tc.code, tc.reason)
		}
	}
	if got, want := Errorf(404, "no record").Error(), "no record (SIP 404)"; got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
}

func TestEdition(t *testing.T) {
	for in, want := range map[string]Edition{
		"1.0": Edition2016, "2.0": Edition2016, "2016": Edition2016, "3.0": Edition2022, "2022": Edition2022,
	} {
		if got, ok := ParseEdition(in); !ok || got != want {
			t.Errorf("ParseEdition(%q) = %v, %v, want %v", in, got, ok, want)
		}
	}
	if got, ok := ParseEdition("auto"); ok {
		t.Errorf("ParseEdition(auto) = %v", got)
	}
	if got := Edition2016.Charset(); got != GB2312 {
		t.Errorf("2016 writes %v", got)
	}
	if got := Edition2022.Charset(); got != GB18030 {
		t.Errorf("2022 writes %v", got)
	}
}
