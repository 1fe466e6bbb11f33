package cascade

import (
	"errors"
	"strings"
	"testing"

	"gbgate/gb28181/sdp"
	"gbgate/gb28181/sipua"
)

// The quirks of superiors that concern calls, each against what happens without it.

// answerTo calls and gives the session description of the 200.
func (s *superior) answerTo(invite *sipua.Request) *sdp.Session {
	s.t.Helper()
	res := s.call(invite)
	a, err := sdp.Parse(res.Body)
	if res.Code != 200 || err != nil {
		s.t.Fatalf("INVITE = %d %s, %v", res.Code, res.Reason, err)
	}
	return a
}

// With ack_required a call whose ACK never comes gets no media.
func TestACKRequired(t *testing.T) {
	m := newMedia()
	s, _ := online(t, Config{Compat: Compat{ACKRequired: true}}, known(), m)
	if res := s.do(s.invitation(gateID, "", offer("0200000001"))); res.Code != 200 { // do sends no ACK
		t.Fatalf("INVITE = %d, want 200", res.Code)
	}
	if err := await(t, "end of the call", m.ended); !errors.Is(err, ErrNoACK) || len(m.answered) != 0 {
		t.Errorf("the call ended with %v after media began %d times, want %v and no media", err, len(m.answered), ErrNoACK)
	}
	await(t, "BYE", s.byes)
	s.call(s.invitation(gateID, "", offer("0200000001")))
	await(t, "media after an ACK", m.answered)
}

// ssrc_mode = "own" puts ours into the answer and the packets, and keeps it for the dialog.
func TestOwnSSRC(t *testing.T) {
	for _, own := range []bool{false, true} {
		m := newMedia()
		s, _ := online(t, Config{Compat: Compat{OwnSSRC: own}}, known(), m)
		invite := s.invitation(gateID, "", offer("0200000001"))
		res := s.call(invite)
		first, err := sdp.Parse(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		c := await(t, "call", m.answered)
		if got := c.Offer().SSRCText; got != first.SSRC || (first.SSRC == "0200000001") == own || len(first.SSRC) != 10 {
			t.Errorf("own %v: the answer says y=%s, the media has %s", own, first.SSRC, got)
		}
		if !strings.HasPrefix(first.SSRC, "020100") && own { // digits 4 to 8 of our own code
			t.Errorf("y=%s is not of our domain", first.SSRC)
		}
		moved, err := sdp.Parse(s.call(reinvite(invite, res, 2, toPort(invite.Body, "30004"))).Body)
		if err != nil || moved.SSRC != first.SSRC {
			t.Errorf("own %v: after a re-INVITE y=%s (%v), before %s", own, moved.SSRC, err, first.SSRC)
		}
	}
}

// ssrc_from_subject = false leaves the choice to us where there is no y=.
func TestSSRCFromSubject(t *testing.T) {
	for _, off := range []bool{false, true} {
		m := newMedia()
		s, _ := online(t, Config{Compat: Compat{NoSubjectSSRC: off}}, known(), m)
		body := strings.Replace(offer("x"), "y=x\r\n", "", 1)
		subject := gateID + ":0200000007," + superiorID + ":0"
		if got := s.answerTo(s.invitation(gateID, subject, body)).SSRC; (got == "0200000007") == off {
			t.Errorf("ssrc_from_subject %v: y=%s", !off, got)
		}
		if got := s.answerTo(s.invitation(gateID, subject, "")).SSRC; (got == "0200000007") == off {
			t.Errorf("ssrc_from_subject %v, no offer: y=%s", !off, got)
		}
	}
}

// An audio line beside the video is refused with the port that the superior bears.
func TestRejectPort(t *testing.T) {
	for _, port := range []uint16{0, 9} {
		m := newMedia()
		s, _ := online(t, Config{Compat: Compat{RejectPort: port}}, known(), m)
		body := strings.Replace(offer("0200000001"), "y=", "m=audio 30002 RTP/AVP 8\r\na=recvonly\r\ny=", 1)
		a := s.answerTo(s.invitation(gateID, "", body))
		if len(a.Media) != 2 || a.Media[0].Port != 30002 || a.Media[1].Type != "audio" || a.Media[1].Port != port {
			t.Fatalf("answer = %+v, want the audio line with port %d", a.Media, port)
		}
		if _, inactive := a.Attr(&a.Media[1], "inactive"); inactive != (port != 0) {
			t.Errorf("port %d: inactive %v", port, inactive)
		}
	}
}

// So many calls of one channel; another channel has room.
func TestMaxSessionsPerChannel(t *testing.T) {
	m := newMedia()
	s, _ := online(t, Config{Compat: Compat{MaxPerChannel: 2}}, known(), m)
	var first *sipua.Request
	var answer *sipua.Response
	for range 2 {
		first = s.invitation(gateID, "", offer("0200000001"))
		if answer = s.call(first); answer.Code != 200 {
			t.Fatalf("INVITE = %d, want 200", answer.Code)
		}
		await(t, "call", m.answered)
	}
	if got := s.call(s.invitation(gateID, "", offer("0200000002"))).Code; got != 486 {
		t.Errorf("the third call of the channel = %d, want 486", got)
	}
	if got := s.call(s.invitation(yardID, "", offer("0200000003"))).Code; got != 200 {
		t.Errorf("a call of another channel = %d, want 200", got)
	}
	if got := s.call(reinvite(first, answer, 2, toPort(first.Body, "30004"))).Code; got != 200 {
		t.Errorf("media that moves = %d, want 200", got)
	}
	s.do(inside("BYE", first, answer, 3))
	if got := s.call(s.invitation(gateID, "", offer("0200000004"))).Code; got != 200 {
		t.Errorf("after a BYE = %d, want 200", got)
	}
}
