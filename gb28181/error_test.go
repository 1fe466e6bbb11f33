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
