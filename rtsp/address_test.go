package rtsp

import (
	"strings"
	"testing"
	"time"
)

func TestParseAddress(t *testing.T) {
	cases := []struct{ raw, url, dial, user, password string }{
		{"rtsp://10.0.0.1/a/b?c=d&e=%2F", "rtsp://10.0.0.1/a/b?c=d&e=%2F", "10.0.0.1:554", "", ""},
		{"RTSP://cam:8554", "rtsp://cam:8554", "cam:8554", "", ""},
		{"rtsps://cam.lan/x", "rtsps://cam.lan/x", "cam.lan:322", "", ""},
		{"rtsp://u:p@10.0.0.1/x", "rtsp://10.0.0.1/x", "10.0.0.1:554", "u", "p"},
		{"rtsp://u:p%40s@10.0.0.1/x", "rtsp://10.0.0.1/x", "10.0.0.1:554", "u", "p@s"},
		{"rtsp://u:p@s/:?#d@10.0.0.1:88/x@y", "rtsp://10.0.0.1:88/x@y", "10.0.0.1:88", "u", "p@s/:?#d"},
		{"rtsp://u:100%@cam.lan/x", "rtsp://cam.lan/x", "cam.lan:554", "u", "100%"},
		{"rtsp://u@cam/x", "rtsp://cam/x", "cam:554", "u", ""},
		{"rtsp://u:p@[fe80::1]:99/x", "rtsp://[fe80::1]:99/x", "[fe80::1]:99", "u", "p"},
		{"rtsp://[::1]/x", "rtsp://[::1]/x", "[::1]:554", "", ""},
		{"rtsp://10.0.0.1/stream@1", "rtsp://10.0.0.1/stream@1", "10.0.0.1:554", "", ""},
		{"rtsp://10.0.0.1?mail=a@b.c", "rtsp://10.0.0.1?mail=a@b.c", "10.0.0.1:554", "", ""},
		{" rtsp://10.0.0.1/a b ", "rtsp://10.0.0.1/a%20b", "10.0.0.1:554", "", ""},
	}
	for _, c := range cases {
		a, user, password, err := parseAddress(c.raw)
		if err != nil || a.String() != c.url || a.dial() != c.dial || user != c.user || password != c.password {
			t.Errorf("%s: got %s, %s, %q, %q, %v", c.raw, a, a.dial(), user, password, err)
		}
	}
	for _, raw := range []string{"", "http://x/", "rtsp:///x", "rtsp://a:b/x", "rtsp://h:70000/", "rtsp://h/\r\nX: y"} {
		if a, _, _, err := parseAddress(raw); err == nil {
			t.Errorf("%q: got %s, want an error", raw, a)
		}
	}
}

func TestControlURLs(t *testing.T) {
	cases := []struct{ session, contentBase, control, base, want string }{
		{"", "", "trackID=1", "/live?x=1", "/live?x=1/trackID=1"},
		{"*", "", "trackID=1", "/live?x=1", "/live?x=1/trackID=1"},
		{"*", "rtsp://h:554/live/", "trackID=1", "/live/", "/live/trackID=1"},
		{"", "rtsp://192.168.1.1/lan/", "track1", "/lan/", "/lan/track1"},
		{"", "rtsp://rtsp://h/twice/", "t", "/twice/", "/twice/t"},
		{"", "rtsp://::ffff:10.0.0.1:554/mapped", "t", "/mapped", "/mapped/t"},
		{"", "/only/path/", "t", "/only/path/", "/only/path/t"},
		{"", "10.0.0.1/no/scheme", "t", "/live?x=1", "/live?x=1/t"},
		{"", "rtsp://h/%zz", "t", "/live?x=1", "/live?x=1/t"},
		{"live", "", "t", "/live?x=1", "/live?x=1/t"},
		{"rtsp://h/agg/", "rtsp://h/cb/", "t", "/agg/", "/agg/t"},
		{"", "rtsp://h/cb/", "rtsp://lan/abs/track?y=2", "/cb/", "/abs/track?y=2"},
		{"", "rtsp://h/cb/", "/slash", "/cb/", "/cb/slash"},
		{"", "rtsp://h/cb", "?ctype=video", "/cb", "/cb?ctype=video"},
		{"", "rtsp://h/cb/", "", "/cb/", "/cb/"},
		{"", "rtsp://h/cb/", "*", "/cb/", "/cb/"},
	}
	target := address{scheme: "rtsp", host: "cam:8554", path: "/live?x=1"}
	for _, c := range cases {
		base := target.base(c.session, c.contentBase)
		if got, want := base.String(), "rtsp://cam:8554"+c.base; got != want {
			t.Errorf("base of %+v: got %s", c, got)
		}
		if got, want := base.control(c.control).String(), "rtsp://cam:8554"+c.want; got != want {
			t.Errorf("control of %+v: got %s", c, got)
		}
	}
}

func TestRepairSession(t *testing.T) {
	cases := map[string]struct {
		id     string
		period time.Duration // after which gortsplib sends a keepalive, at most
	}{
		"12345":               {"12345", 25 * time.Second},
		"12345 ;timeout=60":   {"12345", 25 * time.Second},
		"12345; timeout = 15": {"12345", 7500 * time.Millisecond},
		"12345;timeout=abc":   {"12345", 25 * time.Second},
		"12345;timeout=0":     {"12345", 25 * time.Second},
		"12345;timeout=1":     {"12345", time.Second},
		"a;x=y;TIMEOUT=3600":  {"a", 25 * time.Second},
	}
	for value, want := range cases {
		text, _ := repairSession(value, defaultTimeout)
		got := parseTransport("id=" + text)
		id := got["id"]
		period := time.Duration(number(got["timeout"])) * time.Second * 8 / 10
		if id != want.id || period > want.period || period < want.period*3/4 {
			t.Errorf("%q: got %q with a keepalive after %v, want %q after %v", value, id, period, want.id, want.period)
		}
	}
}

func TestKeepaliveMethod(t *testing.T) {
	var k keepalive
	next := func() string {
		m, ok := k.method("GET_PARAMETER")
		if !ok {
			return "none"
		}
		return m
	}
	steps := []struct {
		code int // of the reply to the method before
		want string
	}{
		{200, "GET_PARAMETER"},
		{501, "GET_PARAMETER"},
		{401, "GET_PARAMETER"},
		{501, "OPTIONS"},
		{200, "OPTIONS"},
		{404, "OPTIONS"},
		{404, "none"},
	}
	last := next()
	for i, s := range steps {
		k.answered(last, s.code)
		if last = next(); last != s.want {
			t.Errorf("step %d: got %s, want %s", i, last, s.want)
		}
	}
}

// A camera that hangs up on signs of life is asked otherwise; one that gets none is asked again when it has gone.
func TestKeepaliveLost(t *testing.T) {
	var k keepalive
	for i, want := range []string{"GET_PARAMETER", "GET_PARAMETER", "OPTIONS", "OPTIONS", "", "GET_PARAMETER"} {
		if got, ok := k.method("GET_PARAMETER"); got != want || ok != (want != "") {
			t.Errorf("session %d: got %q, want %q", i, got, want)
		}
		k.lost()
	}
	k.answered("GET_PARAMETER", 200)
	k.lost() // long behind it
	if got, _ := k.method("GET_PARAMETER"); got != "GET_PARAMETER" {
		t.Errorf("got %s behind an answer", got)
	}
}

// A URL of a camera that would take seconds to read is none.
func TestLongURLs(t *testing.T) {
	long := "rtsp://a@b/" + strings.Repeat("@", 60_000)
	if path, ok := pathOf(long); ok {
		t.Errorf("a path of %d bytes", len(path))
	}
	if _, _, _, err := parseAddress(long); err == nil {
		t.Error("an address of 60 kB")
	}
	url := "rtsp://192.0.2.1/" + strings.Repeat("a", 2000)
	if a, _, _, err := parseAddress(url); err != nil || a.String() != url {
		t.Errorf("2000 bytes: %v", err)
	}
}
