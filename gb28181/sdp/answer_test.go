package sdp

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAnswerDetails(t *testing.T) {
	silent := bend("y=0200000001\r\n", "")
	av := play + "m=audio 30002 RTP/AVP 8 0\r\na=rtpmap:8 PCMA/8000\r\n"
	for _, tc := range []struct {
		name, body string
		a          Answer
		has, lacks []string
	}{
		{"y= verbatim", bend("0200000001", "01-7"), Answer{Local: local, SSRC: 5}, []string{"\r\ny=01-7\r\n"}, nil},
		{"y= of our own", silent, Answer{Local: local, SSRC: 200000005}, []string{"\r\ny=0200000005\r\n"}, nil},
		{
			"y= of our own for zero",
			bend("0200000001", "0"),
			Answer{Local: local, SSRC: 200000005},
			[]string{"\r\ny=0200000005\r\n"},
			nil,
		},
		{"no f=", play, Answer{Local: local}, nil, []string{"\r\nf="}},
		{"bare f=", play, Answer{Local: local, BareFormat: true}, []string{"\r\ny=0200000001\r\nf=\r\n"}, nil},
		{
			"s= and t= as they came", bend("s=Play", "s=pLaYback", "t=0 0", "t=3978777600 3978781200"),
			Answer{Local: local},
			[]string{"\r\ns=pLaYback\r\n", "\r\nt=3978777600 3978781200\r\n"},
			nil,
		},
		{"passive for active", tcp("a=setup:active"), Answer{Local: local}, []string{
			"\r\nm=video 30002 TCP/RTP/AVP 96\r\na=sendonly\r\na=rtpmap:96 PS/90000\r\na=setup:passive\r\na=connection:new\r\n",
		}, nil},
		{"active for none", tcp("a=x"), Answer{Local: local}, []string{"\r\na=setup:active\r\na=connection:new\r\n"}, nil},
		{
			"no setup on UDP",
			play,
			Answer{Local: local},
			[]string{"\r\nm=video 30002 RTP/AVP 96\r\n"},
			[]string{"setup", "connection"},
		},
		{"the offered payload type", bend("AVP 96", "AVP 98 97", "96 PS", "97 PS"), Answer{Local: local}, []string{
			"\r\nm=video 30002 RTP/AVP 97\r\na=sendonly\r\na=rtpmap:97 PS/90000\r\n",
		}, nil},
		{"no file size in a play", play, Answer{Local: local, FileSize: 5}, nil, []string{"filesize"}},
		{
			"the speed that a download gets", bend("s=Play", "s=Download") + "a=downloadspeed:16\r\n",
			Answer{Local: local, DownloadSpeed: 8, FileSize: 5},
			[]string{"\r\na=downloadspeed:8\r\na=filesize:5\r\n"},
			nil,
		},
		{"audio refused", av, Answer{Local: local}, []string{"\r\nm=audio 0 RTP/AVP 8\r\ny="}, []string{"inactive"}},
		{
			"audio refused with port 9",
			av,
			Answer{Local: local, RejectPort: 9},
			[]string{"\r\nm=audio 9 RTP/AVP 8\r\na=inactive\r\ny="},
			nil,
		},
		{"IPv6", play, Answer{Local: netip.MustParseAddrPort("[2001:db8::5]:30002")}, []string{
			" IN IP6 2001:db8::5\r\n", "\r\nc=IN IP6 2001:db8::5\r\n",
		}, nil},
		{
			"mapped IPv4",
			play,
			Answer{Local: netip.MustParseAddrPort("[::ffff:192.0.2.5]:30002")},
			[]string{"\r\nc=IN IP4 192.0.2.5\r\n"},
			nil,
		},
		{
			"no line of the caller's gets in", play,
			Answer{Local: local, Channel: "1\r\na=x", Format: "v/\r\ny=1"},
			[]string{"\r\no=1a=x 0 0 IN IP4 ", "\r\nf=v/  y=1\r\n"},
			[]string{"\r\na=x"},
		},
	} {
		o, err := ParseOffer([]byte(tc.body), source, "")
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		got := string(o.Answer(tc.a).Marshal())
		for _, s := range tc.has {
			if !strings.Contains(got, s) {
				t.Errorf("%s: %q is not in\n%s", tc.name, s, got)
			}
		}
		for _, s := range tc.lacks {
			if strings.Contains(got, s) {
				t.Errorf("%s: %q is in\n%s", tc.name, s, got)
			}
		}
	}
}

// A platform of ours offers what a gateway of ours understands, and reads its answer.
func TestRequestRoundTrip(t *testing.T) {
	for name, want := range offers() {
		body := want.Request("34020000002000000001").Marshal()
		got, err := ParseOffer(body, source, "")
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, body)
			continue
		}
		if diff := cmp.Diff(&want, got, addrs); diff != "" {
			t.Errorf("%s (-want +got):\n%s\n%s", name, diff, body)
		}
	}
	talk := Offer{Kind: Talk, Remote: local, PayloadType: 8, Codec: PCMA, SSRC: 7, Stream: StreamUnset}
	got, err := ParseOffer(talk.Request("1").Marshal(), source, "")
	if err != nil {
		t.Fatal(err)
	}
	talk.SSRCText = "0000000007"
	if diff := cmp.Diff(&talk, got, addrs); diff != "" {
		t.Errorf("talk (-want +got):\n%s", diff)
	}
}

func TestFormat(t *testing.T) {
	for _, tc := range []struct {
		f    Format
		want string
	}{
		{Format{}, "v/////a///"},
		{
			Format{
				Video: FormatH264, Width: 1920, Height: 1080, FPS: 25, RateType: 2, Kbps: 4096,
				Audio: FormatG711, AudioKbps: 64, SampleRate: 8000,
			},
			"v/2/6/25/2/4096a/1/8/1",
		},
		{Format{Video: FormatH264, Width: 1920, Height: 1080, FPS: 25, RateType: 1, Kbps: 4096}, "v/2/6/25/1/4096a///"},
		{Format{Audio: FormatG711, AudioKbps: 64, SampleRate: 8000}, "v/////a/1/8/1"},
		{
			Format{Video: FormatH265, Width: 2560, Height: 1440, Audio: FormatAAC, AudioKbps: 128, SampleRate: 48000},
			"v/5/2560x1440///a/6/13/11",
		},
		{Format{Audio: FormatAAC, AudioKbps: 33, SampleRate: 44000}, "v/////a/6//"},
		{Format{Audio: FormatAAC, AudioKbps: 320, SampleRate: 16000}, "v/////a/6/19/3"},
	} {
		if got := tc.f.String(); got != tc.want {
			t.Errorf("%+v = %q, want %q", tc.f, got, tc.want)
		}
		want := tc.f
		want.AudioKbps, want.SampleRate = 0, 0
		if diff := cmp.Diff(want, ParseFormat(tc.want)); diff != "" {
			t.Errorf("ParseFormat(%q) (-want +got):\n%s", tc.want, diff)
		}
	}
	for _, text := range []string{"", "v", "junk", "a/", "v/x/axb/c/d/ea/f"} {
		if diff := cmp.Diff(Format{}, ParseFormat(text)); diff != "" {
			t.Errorf("ParseFormat(%q) (-want +got):\n%s", text, diff)
		}
	}
	for code := 1; code <= 6; code++ {
		text := "v//" + string(rune('0'+code)) + "///a///"
		if got := ParseFormat(text).String(); got != text {
			t.Errorf("%q → %q", text, got)
		}
	}
}
