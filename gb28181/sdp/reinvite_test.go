package sdp

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gbgate/gb28181"
)

func offer(t *testing.T, body string) *Offer {
	t.Helper()
	o, err := ParseOffer([]byte(body), source, "")
	if err != nil {
		t.Fatalf("%v\n%s", err, body)
	}
	return o
}

func TestSameMedia(t *testing.T) {
	playback := bend("s=Play", "s=Playback", "t=0 0", "t=1769788800 1769792400")
	for _, tc := range []struct {
		name, first, again string
		want               bool
	}{
		{"repeated", play, play, true},
		{"another version in o=", play, bend("34020000002000000001 0 0", "x 1 2"), true},
		{"other payloads besides PS", play, bend("AVP 96", "AVP 98 96"), true},
		{"s= in another case", play, bend("s=Play", "s=PLAY"), true},
		{"no y= the second time", play, bend("y=0200000001\r\n", ""), true},
		{"another port", play, bend("30000", "30002"), false},
		{"another address", play, bend("192.0.2.11", "192.0.2.12"), false},
		{"another SSRC", play, bend("0200000001", "0200000002"), false},
		{"another transport", play, tcp("a=setup:passive"), false},
		{"the other way round", tcp("a=setup:passive"), tcp("a=setup:active"), false},
		{"another number for PS", play, bend("AVP 96", "AVP 97", "96 PS", "97 PS"), false},
		{"another kind", play, playback, false},
		{"another window", playback, strings.Replace(playback, "1769788800", "1769788801", 1), false},
		{"the same window", playback, playback, true},
		{"the sub stream", play, play + "a=streamnumber:1\r\n", false},
		{"another speed", play + "a=downloadspeed:2", play + "a=downloadspeed:4", false},
		{"hold by direction", play, bend("recvonly", "inactive"), false},
		{"still held", bend("recvonly", "inactive"), bend("recvonly", "inactive"), true},
		{"0.0.0.0 from the beginning", bend("192.0.2.11", "0.0.0.0"), bend("192.0.2.11", "0.0.0.0"), true},
		{
			"hold by an address that is the source's",
			bend("192.0.2.11", source.String()), bend("192.0.2.11", "0.0.0.0"), false,
		},
	} {
		if got := SameMedia(offer(t, tc.first), offer(t, tc.again)); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

func TestHold(t *testing.T) {
	talk := bend("s=Play", "s=Talk", "m=video", "m=audio")
	for _, tc := range []struct {
		name, body string
		want       bool
	}{
		{"recvonly", play, false},
		{"sendrecv", bend("recvonly", "sendrecv"), false},
		{"no direction", bend("a=recvonly\r\n", ""), false},
		{"sendonly", bend("recvonly", "SendOnly"), true},
		{"inactive", bend("recvonly", "inactive"), true},
		{"inactive of the session", bend("a=recvonly\r\n", "", "t=0 0", "t=0 0\r\na=inactive"), true},
		{"the media's direction wins", bend("t=0 0", "t=0 0\r\na=inactive"), false},
		{"0.0.0.0", bend("192.0.2.11", "0.0.0.0"), true},
		{"0.0.0.0 of the media", bend("a=recvonly", "c=IN IP4 0.0.0.0"), true},
		{
			"0.0.0.0 of the session, not of the media",
			bend("192.0.2.11", "0.0.0.0", "a=recvonly", "c=IN IP4 192.0.2.12"), false,
		},
		{":: as well", bend("IN IP4 192.0.2.11", "IN IP6 ::"), true},
		{"the superior's turn in a talk", strings.Replace(talk, "recvonly", "sendonly", 1), false},
		{"a talk that is held", strings.Replace(talk, "recvonly", "inactive", 1), true},
	} {
		if got := offer(t, tc.body).Hold(); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
	if (&Offer{}).Hold() {
		t.Error("an offer without session is on hold")
	}
}

func TestNoOffer(t *testing.T) {
	o := NoOffer()
	if !o.Pending() {
		t.Error("not pending before the ACK")
	}
	const want = "v=0\r\no=34020100001320000001 0 0 IN IP4 192.0.2.20\r\ns=Play\r\nc=IN IP4 192.0.2.20\r\nt=0 0\r\n" +
		"m=video 30002 RTP/AVP 96\r\na=sendonly\r\na=rtpmap:96 PS/90000\r\ny=0200009999\r\n"
	got := o.Answer(Answer{Channel: "34020100001320000001", Local: local, SSRC: 200009999}).Marshal()
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := o.Complete([]byte(play), source); err != nil {
		t.Fatal(err)
	}
	if want := netip.MustParseAddrPort("192.0.2.11:30000"); o.Remote != want || o.Pending() || o.SSRC != 0 {
		t.Errorf("after the ACK: %+v, want remote %v", o, want)
	}
	for _, tc := range []struct {
		name, body string
		code       int
	}{
		{"no body", "", 400},
		{"declined", bend("30000", "0"), 400},
		{"TCP", tcp("a=setup:passive"), 488},
		{"another number", bend("AVP 96", "AVP 97", "96 PS", "97 PS"), 488},
		{"no PS", bend("AVP 96", "AVP 98", "96 PS", "98 H264"), 488},
	} {
		o := NoOffer()
		err := o.Complete([]byte(tc.body), source)
		if e, ok := errors.AsType[*gb28181.Error](err); !ok || e.Code != tc.code || !o.Pending() {
			t.Errorf("%s: %v, pending %v, want %d", tc.name, err, o.Pending(), tc.code)
		}
	}
}
