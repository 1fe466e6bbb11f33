package mansrtsp

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gbgate/gb28181"
)

func seconds(n int) *time.Duration { return new(time.Duration(n) * time.Second) }

// The requests of real platforms, byte for byte.
func TestParseSuperiors(t *testing.T) {
	want := map[string]*Request{
		"gb-cms-scale":   {Method: Play, Version: RTSP, CSeq: "10", Scale: 2, HasScale: true},
		"srs-sip-pause":  {Method: Pause, Version: RTSP, CSeq: "0"},
		"srs-sip-resume": {Method: Play, Version: RTSP, CSeq: "0", Range: &Range{Now: true}},
		"srs-sip-scale":  {Method: Play, Version: RTSP, CSeq: "0", Scale: 2, HasScale: true},
	}
	files, err := filepath.Glob("testdata/superiors/*.rtsp")
	if err != nil || len(files) != len(want) {
		t.Fatalf("%d files (%v), want %d", len(files), err, len(want))
	}
	for _, path := range files {
		body, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Parse(body)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if diff := cmp.Diff(want[strings.TrimSuffix(filepath.Base(path), ".rtsp")], got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

// What Marshal writes, and Parse reads back.
func TestGolden(t *testing.T) {
	for _, tc := range []struct {
		wire string
		r    Request
	}{
		{
			"PLAY RTSP/1.0|CSeq: 2|Scale: 2.0||",
			Request{Method: Play, Version: RTSP, CSeq: "2", Scale: 2, HasScale: true},
		},
		{
			"PLAY RTSP/1.0|CSeq: 2|Scale: 0.25||",
			Request{Method: Play, Version: RTSP, CSeq: "2", Scale: 0.25, HasScale: true},
		},
		{
			"PLAY RTSP/1.0|CSeq: 2|Scale: -1.0||",
			Request{Method: Play, Version: RTSP, CSeq: "2", Scale: -1, HasScale: true},
		},
		{
			"PLAY RTSP/1.0|CSeq: 3|Range: npt=100-||",
			Request{Method: Play, Version: RTSP, CSeq: "3", Range: &Range{Start: 100 * time.Second}},
		},
		{"PLAY RTSP/1.0|CSeq: 3|Range: npt=0-||", Request{Method: Play, Version: RTSP, CSeq: "3", Range: &Range{}}},
		{
			"PLAY RTSP/1.0|CSeq: 4|Range: npt=now-||",
			Request{Method: Play, Version: RTSP, CSeq: "4", Range: &Range{Now: true}},
		},
		{
			"PLAY RTSP/1.0|CSeq: 5|Scale: 4.0|Range: npt=now-||",
			Request{Method: Play, Version: RTSP, CSeq: "5", Scale: 4, HasScale: true, Range: &Range{Now: true}},
		},
		{
			"PLAY MANSRTSP/1.0|CSeq: 5|Scale: -2.0|Range: npt=600.5-120||",
			Request{
				Method: Play, Version: MANSRTSP, CSeq: "5", Scale: -2, HasScale: true,
				Range: &Range{Start: 600500 * time.Millisecond, End: seconds(120)},
			},
		},
		{"PAUSE RTSP/1.0|CSeq: 6|PauseTime: now||", Request{Method: Pause, Version: RTSP, CSeq: "6"}},
		{
			"PAUSE RTSP/1.0|CSeq: 6|PauseTime: 30||",
			Request{Method: Pause, Version: RTSP, CSeq: "6", PauseAt: seconds(30)},
		},
		{"TEARDOWN RTSP/1.0|CSeq: 7||", Request{Method: Teardown, Version: RTSP, CSeq: "7"}},
	} {
		wire := strings.ReplaceAll(tc.wire, "|", "\r\n")
		if got := string(tc.r.Marshal()); got != wire {
			t.Errorf("Marshal = %q, want %q", got, wire)
		}
		got, err := Parse([]byte(wire))
		if err != nil {
			t.Errorf("%q: %v", wire, err)
			continue
		}
		if diff := cmp.Diff(&tc.r, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", wire, diff)
		}
	}
	// A request of the least fields is complete.
	if got, want := string((&Request{Method: Teardown}).Marshal()), "TEARDOWN RTSP/1.0\r\nCSeq: 1\r\n\r\n"; got != want {
		t.Errorf("Marshal = %q, want %q", got, want)
	}
}

func TestParseVariants(t *testing.T) {
	for _, tc := range []struct {
		name, body string
		want       Request
	}{
		{"WVP's speed, no empty line", "PLAY RTSP/1.0\r\nCSeq: 471936325\r\nScale: 2.000000\r\n", Request{
			Method: Play, Version: RTSP, CSeq: "471936325", Scale: 2, HasScale: true,
		}},
		{"WVP's resume", "PLAY RTSP/1.0\r\nCSeq: 1\r\nRange: npt=now-\r\n", Request{
			Method: Play, Version: RTSP, CSeq: "1", Range: &Range{Now: true},
		}},
		{"WVP's seek", "PLAY RTSP/1.0\r\nCSeq: 1\r\nRange: npt=12-\r\n", Request{
			Method: Play, Version: RTSP, CSeq: "1", Range: &Range{Start: 12 * time.Second},
		}},
		{"any case, blanks, LF", "\n play  rtsp/1.0 \ncseq:2\nSCALE : 0.5\nrange:  NPT = NOW -\n", Request{
			Method: Play, Version: "rtsp/1.0", CSeq: "2", Scale: 0.5, HasScale: true, Range: &Range{Now: true},
		}},
		{"CR and NULs", "PAUSE MANSRTSP/1.0\rCSeq: 2\rPauseTime: NOW\r\x00\x00", Request{
			Method: Pause, Version: MANSRTSP, CSeq: "2",
		}},
		{"URL on the first line", "PLAY rtsp://192.0.2.1/1 RTSP/1.0\r\n", Request{Method: Play, Version: RTSP}},
		{"words after the version", "PLAY RTSP/1.0 x", Request{Method: Play, Version: RTSP}},
		{"pause without time", "PAUSE RTSP/1.0", Request{Method: Pause, Version: RTSP}},
		{"pause at npt", "PAUSE RTSP/1.0\nPauseTime: npt=1.5-", Request{
			Method: Pause, Version: RTSP, PauseAt: new(1500 * time.Millisecond),
		}},
		{
			"the first of two", "PLAY RTSP/1.0\nScale: 2\nScale: 4",
			Request{Method: Play, Version: RTSP, Scale: 2, HasScale: true},
		},
		{
			"no unit", "PLAY RTSP/1.0\nRange: 5-",
			Request{Method: Play, Version: RTSP, Range: &Range{Start: 5 * time.Second}},
		},
		{"clock form", "PLAY RTSP/1.0\nRange: npt=1:00:01.5-1:00:02;time=x", Request{
			Method: Play, Version: RTSP, Range: &Range{Start: 3601500 * time.Millisecond, End: seconds(3602)},
		}},
		{
			"up to", "PLAY RTSP/1.0\nRange: npt=-30",
			Request{Method: Play, Version: RTSP, Range: &Range{Now: true, End: seconds(30)}},
		},
		{
			"to the end", "PLAY RTSP/1.0\nRange: npt=3-end",
			Request{Method: Play, Version: RTSP, Range: &Range{Start: 3 * time.Second}},
		},
		{
			"beyond any recording", "PLAY RTSP/1.0\nRange: npt=1e300-",
			Request{Method: Play, Version: RTSP, Range: &Range{Start: maxTime}},
		},
		{
			"too fast", "PLAY RTSP/1.0\nScale: 32",
			Request{Method: Play, Version: RTSP, Scale: MaxScale, HasScale: true},
		},
		{
			"too slow", "PLAY RTSP/1.0\nScale: -0.01",
			Request{Method: Play, Version: RTSP, Scale: -MinScale, HasScale: true},
		},
		{"empty values", "PLAY RTSP/1.0\nScale:\nRange: \nCSeq", Request{Method: Play, Version: RTSP}},
		{
			"a PauseTime that is none counts with PAUSE only", "PLAY RTSP/1.0\nPauseTime: x",
			Request{Method: Play, Version: RTSP},
		},
	} {
		got, err := Parse([]byte(tc.body))
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if diff := cmp.Diff(&tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, body := range []string{
		"", "\r\n\r\n", "PLAY", "PLAY HTTP/1.1", "RTSP/1.0", "DESCRIBE RTSP/1.0", "RTSP/1.0 200 OK",
		"PLAY RTSP/1.0\nScale: 0", "PLAY RTSP/1.0\nScale: NaN", "PLAY RTSP/1.0\nScale: x", "PLAY RTSP/1.0\nScale: Inf",
		"PLAY RTSP/1.0\nScale: 1e999",
		"PLAY RTSP/1.0\nRange: clock=20260131T000000Z-", "PLAY RTSP/1.0\nRange: smpte=0:10:20-",
		"PLAY RTSP/1.0\nRange: npt=", "PLAY RTSP/1.0\nRange: npt=-", "PLAY RTSP/1.0\nRange: npt=x-",
		"PLAY RTSP/1.0\nRange: npt=-5-", "PLAY RTSP/1.0\nRange: npt=5-x", "PLAY RTSP/1.0\nRange: npt=NaN-",
		"PAUSE RTSP/1.0\nPauseTime: x", "PAUSE RTSP/1.0\nPauseTime: -1",
		"PLAY RTSP/1.0\n" + strings.Repeat("a\n", maxLines), "PLAY RTSP/1.0\n" + strings.Repeat("a", maxBody),
	} {
		r, err := Parse([]byte(body))
		if e, ok := errors.AsType[*gb28181.Error](err); !ok || e.Code != 400 {
			t.Errorf("%.60q: %+v, %v, want 400", body, r, err)
		}
	}
}

func TestResponse(t *testing.T) {
	req := &Request{Method: Play, Version: MANSRTSP, CSeq: "9"}
	reverse := req.Answer(200, "OK")
	reverse.Scale, reverse.HasScale = -1, true
	for _, tc := range []struct {
		r    *Response
		wire string
	}{
		{req.Answer(200, "OK"), "MANSRTSP/1.0 200 OK|CSeq: 9||"},
		{reverse, "MANSRTSP/1.0 200 OK|CSeq: 9|Scale: -1.0||"},
		{
			&Response{
				Version: RTSP, Code: 200, Reason: "OK", CSeq: "2", Range: &Range{Start: 5 * time.Second},
				RTPInfo: "seq=1;rtptime=90000",
			},
			"RTSP/1.0 200 OK|CSeq: 2|Range: npt=5-|RTP-Info: seq=1;rtptime=90000||",
		},
		{&Response{Version: RTSP, Code: 400, Reason: "Bad Request", CSeq: "1"}, "RTSP/1.0 400 Bad Request|CSeq: 1||"},
	} {
		wire := strings.ReplaceAll(tc.wire, "|", "\r\n")
		if got := string(tc.r.Marshal()); got != wire {
			t.Errorf("Marshal = %q, want %q", got, wire)
		}
		got, err := ParseResponse([]byte(wire))
		if err != nil {
			t.Errorf("%q: %v", wire, err)
			continue
		}
		if diff := cmp.Diff(tc.r, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", wire, diff)
		}
	}
	if got, want := string((&Response{Code: 200, Reason: "a\r\nb", RTPInfo: "x\ny"}).Marshal()),
		"RTSP/1.0 200 a  b\r\nCSeq: 1\r\nRTP-Info: x y\r\n\r\n"; got != want {
		t.Errorf("Marshal = %q, want %q", got, want)
	}
	for _, body := range []string{
		"", "RTSP/1.0", "RTSP/1.0 x", "RTSP/1.0 99", "SIP/2.0 200 OK", "PLAY RTSP/1.0",
		"RTSP/1.0 200 OK\nScale: 0", "RTSP/1.0 200 OK\nRange: clock=1-",
	} {
		if r, err := ParseResponse([]byte(body)); err == nil {
			t.Errorf("%q: %+v, want an error", body, r)
		}
	}
}

// What Parse makes of anything, Marshal writes so that Parse reads the same.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/superiors/*.rtsp")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range files {
		body, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if first, err := Parse(body); err == nil {
			if first.CSeq == "" {
				first.CSeq = "1"
			}
			first.CSeq = word(first.CSeq)
			if again, err := Parse(first.Marshal()); err != nil {
				t.Errorf("%v\n%q", err, first.Marshal())
			} else if diff := cmp.Diff(first, again); diff != "" {
				t.Errorf("(-first +again):\n%s", diff)
			}
		}
		first, err := ParseResponse(body)
		if err != nil {
			return
		}
		second, err := ParseResponse(first.Marshal())
		if err != nil {
			t.Fatalf("%v\n%q", err, first.Marshal())
		}
		if diff := cmp.Diff(string(first.Marshal()), string(second.Marshal())); diff != "" {
			t.Errorf("(-first +again):\n%s", diff)
		}
	})
}
