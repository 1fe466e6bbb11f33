package sdp

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseAndMarshal(t *testing.T) {
	const text = "v=0\r\no=34020000002000000001 0 0 IN IP4 192.0.2.10\r\ns=Playback\r\n" +
		"u=34020100001320000001:0\r\nc=IN IP4 192.0.2.11\r\n" +
		"t=1769788800 1769792400\r\na=tool:x\r\nm=video 30000 TCP/RTP/AVP 96 97\r\nc=IN IP6 2001:db8::1\r\na=recvonly\r\n" +
		"a=rtpmap:96 PS/90000\r\nm=audio 0 RTP/AVP 8\r\ny=1200000001\r\nf=v/2/6/25/1/4096a///\r\n"
	want := &Session{
		OriginUser: "34020000002000000001", OriginAddr: "192.0.2.10", Name: "Playback", URI: "34020100001320000001:0",
		Conn: "192.0.2.11", Start: 1769788800, Stop: 1769792400, Attributes: []Attribute{{"tool", "x"}},
		Media: []Media{
			{
				Type: "video", Port: 30000, Proto: "TCP/RTP/AVP", Formats: []string{"96", "97"}, Conn: "2001:db8::1",
				Attributes: []Attribute{{"recvonly", ""}, {"rtpmap", "96 PS/90000"}},
			},
			{Type: "audio", Proto: "RTP/AVP", Formats: []string{"8"}},
		},
		SSRC: "1200000001", Format: "v/2/6/25/1/4096a///",
	}
	got, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Parse (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(text, string(want.Marshal())); diff != "" {
		t.Errorf("Marshal (-want +got):\n%s", diff)
	}
}

func TestMarshalFillsIn(t *testing.T) {
	const want = "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"
	if diff := cmp.Diff(want, string((&Session{}).Marshal())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A session that went through Marshal once reads and writes the same ever after,
// and an offer asks for the same before and after.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.sdp")
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
		first, err := Parse(body)
		if err != nil {
			return
		}
		wire := first.Marshal()
		if len(wire) > maxBody {
			return
		}
		second, err := Parse(wire)
		if err != nil {
			t.Fatalf("%v\n%q", err, wire)
		}
		if again := second.Marshal(); string(again) != string(wire) {
			t.Errorf("(-first +second):\n%s", cmp.Diff(string(wire), string(again)))
		}
		before, err := ParseOffer(body, source, "")
		if err != nil {
			return
		}
		answer := before.Answer(Answer{Channel: "1", Local: local, SSRC: 1})
		if got, err := Parse(answer.Marshal()); err != nil || len(got.Media) != len(first.Media) {
			t.Errorf("answer with %d of %d media: %v", len(answer.Media), len(first.Media), err)
		}
		if addr, err := netip.ParseAddr(first.OriginAddr); err != nil || !addr.IsValid() {
			return // Marshal writes 0.0.0.0 there
		}
		after, err := ParseOffer(wire, source, "")
		if err != nil {
			t.Fatalf("%v\n%q", err, wire)
		}
		if diff := cmp.Diff(before, after, addrs); diff != "" {
			t.Errorf("(-before +after):\n%s\n%q", diff, wire)
		}
		if !SameMedia(before, after) {
			t.Errorf("not the same media as\n%q", wire)
		}
	})
}
