package sdp

import (
	"bytes"
	"errors"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gbgate/gb28181"
)

var update = flag.Bool("update", false, "rewrite the golden answers")

var (
	source      = netip.MustParseAddr("192.0.2.9")
	local       = netip.MustParseAddrPort("192.0.2.20:30002")
	addrs       = cmp.Options{cmpopts.EquateComparable(netip.AddrPort{}), cmpopts.IgnoreFields(Offer{}, "Session")}
	loopback    = netip.MustParseAddr("127.0.0.1")
	channelCode = "34020000001310000001"
)

func on(port uint16) netip.AddrPort { return netip.AddrPortFrom(loopback, port) }

func at(seconds int64) time.Time { return time.Unix(seconds, 0).In(gb28181.Zone()) }

// offers holds what testdata/<name>.offer.sdp asks for. The files of SRS,
// srs-sip, Monibuca, gowvp, gb-cms, lalmax and panjjo/gosip are theirs byte for byte.
func offers() map[string]Offer {
	return map[string]Offer{
		"srs-play": {
			Remote: on(19000), Transport: TCPPassive, PayloadType: 96, SSRC: 200007888,
			SSRCText: "0200007888", Stream: StreamUnset,
		},
		"srs-sip-play": {
			Channel: channelCode, Remote: on(19001), Transport: TCPPassive, PayloadType: 96,
			SSRC: 273800195, SSRCText: "0273800195", Stream: StreamUnset,
		},
		"srs-sip-playback": {
			Kind: Playback, Channel: channelCode, Remote: on(19001), Transport: TCPPassive, PayloadType: 96,
			SSRC: 1053706944, SSRCText: "1053706944", Start: at(1763740800), Stop: at(1763744400), Stream: StreamUnset,
		},
		"monibuca-play": {
			Channel: channelCode, Remote: on(15100), Transport: TCPPassive, PayloadType: 96,
			SSRC: 200003569, SSRCText: "0200003569", Stream: StreamUnset,
		},
		"gowvp-play": {
			Remote: on(15344), Transport: TCPPassive, PayloadType: 96, SSRC: 200000001,
			SSRCText: "0200000001", Stream: StreamUnset,
		},
		"gowvp-tcp-play": {
			Remote: on(15304), Transport: TCPPassive, PayloadType: 96, SSRC: 200000002,
			SSRCText: "0200000002", Stream: StreamUnset,
		},
		"gb-cms-play": {
			Remote: on(15318), Transport: TCPPassive, PayloadType: 96, SSRC: 200001138,
			SSRCText: "0200001138", Stream: StreamUnset,
		},
		"gb-cms-playback": {
			Kind: Playback, Remote: on(15382), Transport: TCPPassive, PayloadType: 96, SSRC: 1200003163, SSRCText: "1200003163",
			Start: at(1763683200), Stop: at(1763683210), Stream: StreamUnset,
		},
		"lalmax-play": {
			Remote: on(15411), PayloadType: 96, SSRC: 639377001, SSRCText: "0639377001", Stream: StreamUnset,
		},
		"gosip-play": {
			Remote: on(15300), Transport: TCPPassive, PayloadType: 96, SSRC: 200000001,
			SSRCText: "0200000001", Stream: StreamUnset,
		},
		"gosip-playback": {
			Kind: Playback, Channel: channelCode, Remote: on(15300), PayloadType: 96, SSRC: 1200000002, SSRCText: "1200000002",
			Start: at(1763740800), Stop: at(1763740820), Stream: StreamUnset,
		},
		"standard-play": {
			Remote: netip.MustParseAddrPort("192.0.2.11:30000"), PayloadType: 96, SSRC: 200000001, SSRCText: "0200000001",
			Stream: StreamUnset,
		},
		"wvp-tcp-active": {
			Remote: netip.MustParseAddrPort("192.0.2.11:30000"), Transport: TCPActive, PayloadType: 96,
			SSRC: 200000001, SSRCText: "0200000001", Stream: 1,
		},
		"wvp-talk": {
			Kind: Talk, Remote: netip.MustParseAddrPort("192.0.2.11:30000"), Transport: TCPPassive, PayloadType: 8, Codec: PCMA,
			SSRC: 200000001, SSRCText: "0200000001", Stream: StreamUnset,
		},
		"download": {
			Kind: Download, Channel: "34020100001320000001",
			Remote: netip.MustParseAddrPort("192.0.2.11:30000"), PayloadType: 97,
			SSRC: 1200000001, SSRCText: "1200000001", Start: at(1769788800), Stop: at(1769792400),
			DownloadSpeed: 4, Stream: StreamUnset,
		},
		"video-and-audio": {
			Remote: netip.MustParseAddrPort("192.0.2.11:30000"), PayloadType: 96, Stream: StreamUnset,
		},
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func TestOffersAndAnswers(t *testing.T) {
	for name, want := range offers() {
		t.Run(name, func(t *testing.T) {
			got, err := ParseOffer(read(t, name+".offer.sdp"), source, "")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&want, got, addrs); diff != "" {
				t.Errorf("ParseOffer (-want +got):\n%s", diff)
			}
			a := Answer{Channel: "34020100001320000001", Local: local, SSRC: 200009999, Format: "v/2/6/25/2/4096a/1/8/1"}
			if want.Kind == Download {
				a.FileSize = 123456789
			}
			answer := got.Answer(a).Marshal()
			golden := filepath.Join("testdata", name+".answer.sdp")
			if *update {
				if err := os.WriteFile(golden, answer, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if want := read(t, name+".answer.sdp"); !bytes.Equal(want, answer) {
				t.Errorf("Answer (-want +got):\n%s", cmp.Diff(string(want), string(answer)))
			}
		})
	}
	files, err := filepath.Glob("testdata/*.sdp")
	if want := 2 * len(offers()); err != nil || len(files) != want {
		t.Errorf("%d golden files (%v), want %d", len(files), err, want)
	}
}

// play is a complete offer to bend; each line stands for itself in Replace.
const play = "v=0\r\no=34020000002000000001 0 0 IN IP4 192.0.2.10\r\ns=Play\r\nc=IN IP4 192.0.2.11\r\nt=0 0\r\n" +
	"m=video 30000 RTP/AVP 96\r\na=recvonly\r\na=rtpmap:96 PS/90000\r\ny=0200000001\r\n"

func bend(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(play) }

func tcp(attributes string) string {
	return bend("RTP/AVP", "TCP/RTP/AVP", "a=recvonly", "a=recvonly\r\n"+attributes)
}

func TestParseOfferVariants(t *testing.T) {
	const mline = "m=video 30000 RTP/AVP 96\r\na=recvonly\r\na=rtpmap:96 PS/90000"
	for _, tc := range []struct {
		name, body string
		change     func(*Offer)
	}{
		{"as it should be", play, func(*Offer) {}},
		{"LF", strings.ReplaceAll(play, "\r\n", "\n"), func(*Offer) {}},
		{"CR", strings.ReplaceAll(play, "\r\n", "\r"), func(*Offer) {}},
		{"no last line end", strings.TrimSpace(play), func(*Offer) {}},
		{"NULs after it", play + "\x00\x00", func(*Offer) {}},
		{"empty lines", strings.ReplaceAll(play, "\r\n", "\r\n\r\n"), func(*Offer) {}},
		{"blanks around", strings.ReplaceAll(play, "\r\n", " \r\n\t"), func(*Offer) {}},
		{"unknown lines", play + "z=0\r\nk=clear:1\r\nfoo=bar\r\njunk\r\n=\r\n", func(*Offer) {}},
		{"y= before m=", bend("y=0200000001\r\n", "", "m=video", "y=0200000001\r\nf=\r\nm=video"), func(*Offer) {}},
		{"lower-case kind", bend("Play", "play"), func(*Offer) {}},
		{"dash for a kind", bend("s=Play", "s=-"), func(*Offer) {}},
		{"no kind", bend("s=Play\r\n", ""), func(*Offer) {}},
		{"u= of a play", bend("s=Play", "s=Play\r\nu="+channelCode+":0"), func(o *Offer) { o.Channel = channelCode }},
		{"u= of alarms", bend("s=Play\r\n", "s=Playback\r\nu="+channelCode+":2\r\n"), func(o *Offer) {
			o.Kind, o.Channel, o.Record = Playback, channelCode, "alarm"
		}},
		{"u= of another kind", bend("s=Play\r\n", "s=Playback\r\nu="+channelCode+":255\r\n"), func(o *Offer) {
			o.Kind, o.Channel = Playback, channelCode
		}},
		{"u= of a URL", bend("s=Play", "s=Play\r\nu=http://192.0.2.1/1"), func(*Offer) {}},
		{"unknown kind with times", bend("s=Play", "s=Foo", "t=0 0", "t=1769788800 0"), func(o *Offer) {
			o.Kind, o.Start = Playback, at(1769788800)
		}},
		{"times of NTP", bend("s=Play", "s=Playback", "t=0 0", "t=3978777600 3978781200"), func(o *Offer) {
			o.Kind, o.Start, o.Stop = Playback, at(1769788800), at(1769792400)
		}},
		{"times far beyond", bend("s=Play", "s=Playback", "t=0 0", "t=1769788800 1769788800000"), func(o *Offer) {
			o.Kind, o.Start = Playback, at(1769788800)
		}},
		{"media address wins", bend(mline, mline+"\r\nc=IN IP4 192.0.2.77/127"), func(o *Offer) {
			o.Remote = netip.MustParseAddrPort("192.0.2.77:30000")
		}},
		{"no c=", bend("c=IN IP4 192.0.2.11\r\n", ""), func(o *Offer) {
			o.Remote = netip.MustParseAddrPort("192.0.2.10:30000")
		}},
		{"c= without address", bend("c=IN IP4 192.0.2.11", "c=IN IP4"), func(o *Offer) {
			o.Remote = netip.MustParseAddrPort("192.0.2.10:30000")
		}},
		{"c= with a name", bend("c=IN IP4 192.0.2.11", "c=IN IP4 media.example"), func(o *Offer) {
			o.Remote = netip.MustParseAddrPort("192.0.2.10:30000")
		}},
		{"c= unspecified", bend("192.0.2.11", "0.0.0.0"), func(o *Offer) { o.Remote = netip.AddrPortFrom(source, 30000) }},
		{"IPv6", bend("c=IN IP4 192.0.2.11", "c=IN IP6 2001:db8::1"), func(o *Offer) {
			o.Remote = netip.MustParseAddrPort("[2001:db8::1]:30000")
		}},
		{"o= without user", bend("o=34020000002000000001 ", "o="), func(*Offer) {}},
		{"port range", bend("30000", "30000/2"), func(*Offer) {}},
		{"PS under another number", bend("AVP 96", "AVP 98 97", "96 PS", "97 ps"), func(o *Offer) { o.PayloadType = 97 }},
		{"bare 96", bend("a=rtpmap:96 PS/90000\r\n", ""), func(*Offer) {}},
		{"no formats", bend("AVP 96", "AVP"), func(*Offer) {}},
		{"H264 first", bend("AVP 96", "AVP 98 96", "a=rtpmap", "a=rtpmap:98 H264/90000\r\na=rtpmap"), func(*Offer) {}},
		{
			"PS of the number wins over a bare 96",
			bend("AVP 96", "AVP 96 100", "96 PS", "100 PS"),
			func(o *Offer) { o.PayloadType = 100 },
		},
		{"RTP/RTCP", bend("RTP/AVP", "RTP/RTCP"), func(*Offer) {}},
		{"TCP without setup", tcp("a=x"), func(o *Offer) { o.Transport = TCPPassive }},
		{"TCP passive", tcp("a=setup:passive"), func(o *Offer) { o.Transport = TCPPassive }},
		{"TCP active", tcp("a=setup: ACTIVE"), func(o *Offer) { o.Transport = TCPActive }},
		{"TCP actpass", tcp("a=setup:actpass"), func(o *Offer) { o.Transport = TCPPassive }},
		{
			"RTP/AVP/TCP",
			strings.Replace(tcp("a=setup:active"), "TCP/RTP/AVP", "rtp/avp/tcp", 1),
			func(o *Offer) { o.Transport = TCPActive },
		},
		{
			"setup of the session",
			strings.Replace(tcp("a=x"), "t=0 0", "t=0 0\r\na=setup:active", 1),
			func(o *Offer) { o.Transport = TCPActive },
		},
		{"setup after y=", tcp("a=x") + "\r\n\r\na=setup:active\r\n", func(o *Offer) { o.Transport = TCPActive }},
		{"active with port 0", strings.Replace(tcp("a=setup:active"), "30000", "0", 1), func(o *Offer) {
			o.Transport, o.Remote = TCPActive, netip.MustParseAddrPort("192.0.2.11:0")
		}},
		{"active with port 9", strings.Replace(tcp("a=setup:active"), "30000", "9", 1), func(o *Offer) {
			o.Transport, o.Remote = TCPActive, netip.MustParseAddrPort("192.0.2.11:9")
		}},
		{"no y=", bend("y=0200000001\r\n", ""), func(o *Offer) { o.SSRC, o.SSRCText = 0, "" }},
		{"y= zero", bend("0200000001", "0000000000"), func(o *Offer) { o.SSRC, o.SSRCText = 0, "" }},
		{"y= of other lengths", bend("0200000001", "01-7"), func(o *Offer) { o.SSRC, o.SSRCText = 17, "01-7" }},
		{
			"y= beyond 32 bits",
			bend("0200000001", "9999999999"),
			func(o *Offer) { o.SSRC, o.SSRCText = 1410065407, "9999999999" },
		},
		{"streamnumber", play + "a=streamnumber:2", func(o *Offer) { o.Stream = 2 }},
		{"streamprofile", play + "a=streamprofile:1", func(o *Offer) { o.Stream = 1 }},
		{"streamMode", play + "a=streamMode:SUB", func(o *Offer) { o.Stream = 1 }},
		{"stream", play + "a=stream:main", func(o *Offer) { o.Stream = 0 }},
		{"stream of nonsense", play + "a=stream:x", func(*Offer) {}},
		{"downloadspeed", play + "a=downloadspeed:0.5", func(o *Offer) { o.DownloadSpeed = 0.5 }},
		{"downloadspeed of nonsense", play + "a=downloadspeed:-Inf", func(*Offer) {}},
		{"the video that has a port", bend("m=video 30000", "m=video 0 RTP/AVP 96\r\nm=video 30000"), func(*Offer) {}},
		{"talk in A-law", bend("Play", "Talk", "m=video", "m=audio", "AVP 96", "AVP 96 0 8"), func(o *Offer) {
			o.Kind, o.PayloadType, o.Codec = Talk, 8, PCMA
		}},
		{
			"talk in A-law under another number", bend("Play", "Talk", "m=video", "m=audio", "96 PS/90000", "96 PCMA/8000"),
			func(o *Offer) { o.Kind, o.Codec = Talk, PCMA },
		},
		{
			"talk in µ-law", bend("Play", "Talk", "m=video", "m=audio", "AVP 96", "AVP 0"),
			func(o *Offer) { o.Kind, o.PayloadType, o.Codec = Talk, 0, PCMU },
		},
		{"talk", bend("Play", "Talk", "m=video", "m=audio"), func(o *Offer) { o.Kind = Talk }},
		{"talk on video", bend("Play", "Talk"), func(o *Offer) { o.Kind = Talk }},
	} {
		want := Offer{
			Remote: netip.MustParseAddrPort("192.0.2.11:30000"), PayloadType: 96, SSRC: 200000001,
			SSRCText: "0200000001", Stream: StreamUnset,
		}
		tc.change(&want)
		got, err := ParseOffer([]byte(tc.body), source, "x:not-an-ssrc,y:0")
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if diff := cmp.Diff(&want, got, addrs); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
}

func TestParseOfferRefuses(t *testing.T) {
	for _, tc := range []struct {
		name, body string
		code       int
	}{
		{"empty", "", 400},
		{"not SDP", "PLAY RTSP/1.0\r\nCSeq: 1\r\n", 400},
		{"XML", "<Query><SN a=\"1\"/></Query>", 400},
		{"no m=", play[:strings.Index(play, "m=")], 400},
		{"m= without protocol", bend("30000 RTP/AVP 96", "30000"), 400},
		{"m= without port", bend("30000", "x"), 400},
		{"m= port too high", bend("30000", "65536"), 400},
		{"port 0", bend("30000", "0"), 400},
		{"TCP passive with port 0", strings.Replace(tcp("a=setup:passive"), "30000", "0", 1), 400},
		{"no address", bend("c=IN IP4 192.0.2.11\r\n", "", "IN IP4 192.0.2.10", ""), 400},
		{"address that is none", bend("192.0.2.11", "x", "192.0.2.10", "fe80::1%eth0"), 400},
		{"too long", play + strings.Repeat("a=x\r\n", maxBody/5), 400},
		{"too many lines", play + strings.Repeat("a=x\r\n", maxLines), 400},
		{"too many media", play + strings.Repeat("m=video 1 RTP/AVP 96\r\n", maxMedia), 400},
		{"audio only", bend("m=video", "m=audio"), 488},
		{"H264 only", bend("AVP 96", "AVP 98", "96 PS", "98 H264"), 488},
		{"96 is H264", bend("96 PS", "96 H264"), 488},
		{"vendor's own stream", bend("96 PS", "96 HIKVISION"), 488},
		{"no PS among the formats", bend("AVP 96", "AVP 98"), 488},
		{"A-law for a play", bend("AVP 96", "AVP 8", "96 PS", "8 PCMA"), 488},
		{"talk in G.723", bend("Play", "Talk", "m=video", "m=audio", "AVP 96", "AVP 4", "96 PS", "4 G723"), 488},
		{"talk in a vendor's codec", bend("Play", "Talk", "m=video", "m=audio", "AVP 96", "AVP 8", "96 PS", "8 X"), 488},
		{"SRTP", bend("RTP/AVP", "RTP/SAVP"), 488},
		{"unknown transport", bend("RTP/AVP", "UDP/TLS/X"), 488},
	} {
		o, err := ParseOffer([]byte(tc.body), source, "")
		var e *gb28181.Error
		if !errors.As(err, &e) || e.Code != tc.code {
			t.Errorf("%s: %+v, %v, want %d", tc.name, o, err, tc.code)
		}
	}
	// 0.0.0.0 stands for the source, so without one there is no address.
	if o, err := ParseOffer([]byte(bend("192.0.2.11", "0.0.0.0", "192.0.2.10", "0.0.0.0")), netip.Addr{}, ""); err == nil {
		t.Errorf("0.0.0.0 from nowhere: %+v", o)
	}
}

func TestSSRCFromSubject(t *testing.T) {
	silent := bend("y=0200000001\r\n", "")
	for _, tc := range []struct {
		name, body, subject string
		want                string
	}{
		{"y= wins", play, "34020000001310000001:0200009999,34020000002000000001:0", "0200000001"},
		{"WVP's form", silent, "34020000001310000001:0200009999,34020000002000000001:0", "0200009999"},
		{"y= of zero", bend("0200000001", "0"), "34020000001310000001:1200009999,34020000002000000001:0", "1200009999"},
		{"gb-cms: device as serial", silent, "34020000001310000001:34020000001110000001,34020000002000000001:0200001138", ""},
		{"gowvp: random text", silent, "34020000001310000001:ch6cwgw,34020000001110000001:ch6cwgw", ""},
		{"panjjo: hexadecimal", silent, "34020000001310000001:0BEBC20100,34020000002000000001:0BEBC201", ""},
		{"serial 0", silent, "34020000001310000001:0,34020000002000000001:0", ""},
		{"neither live nor history", silent, "34020000001310000001:2200000001,34020000002000000001:0", ""},
		{"ten zeros", silent, "34020000001310000001:0000000000,34020000002000000001:0", ""},
		{"no Subject", silent, "", ""},
	} {
		o, err := ParseOffer([]byte(tc.body), source, tc.subject)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		n, _ := gb28181.ParseSSRC(tc.want)
		if o.SSRCText != tc.want || o.SSRC != n {
			t.Errorf("%s: SSRC %d %q, want %d %q", tc.name, o.SSRC, o.SSRCText, n, tc.want)
		}
	}
}

func TestParseSubject(t *testing.T) {
	const text = "34020000001310000001:0200009999,34020000002000000001:0"
	want := Subject{"34020000001310000001", "0200009999", "34020000002000000001", "0"}
	got := ParseSubject(text)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got.String() != text {
		t.Errorf("String() = %q, want %q", got.String(), text)
	}
	want = Subject{Sender: "a", Receiver: "b", ReceiverSerial: "c:d"}
	if diff := cmp.Diff(want, ParseSubject(" a , b : c:d ")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(Subject{}, ParseSubject("")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
