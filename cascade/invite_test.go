package cascade

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"gbgate/gb28181"
	"gbgate/gb28181/sdp"
	"gbgate/gb28181/sipua"
)

func TestChannelLadder(t *testing.T) {
	playback := strings.Replace(offer("1200000001"), "s=Play", "s=Playback\r\nu="+yardID+":0", 1)
	playback = strings.Replace(playback, "t=0 0", "t=1769840000 1769843600", 1)
	noChannel := strings.Replace(offer("0200000001"), "o="+gateID, "o="+superiorID, 1)
	tests := []struct {
		name, to, subject, body string
		want                    string
	}{
		{"Request-URI (WVP)", yardID, "", noChannel, yardID},
		{"Subject (Monibuca, srs-sip)", nodeID, yardID + ":0200000001," + superiorID + ":0", noChannel, yardID},
		{"Subject of gb-cms", gateID, gateID + ":" + nodeID + "," + superiorID + ":0200000001", noChannel, gateID},
		{"u= of a playback before Subject", nodeID, gateID + ":1200000001," + superiorID + ":0", playback, yardID},
		{"u= of a play", nodeID, "", strings.Replace(noChannel, "s=Play", "s=Play\r\nu="+yardID+":0", 1), yardID},
		{"o=", nodeID, "", offer("0200000001"), gateID},
		{"nothing known", nodeID, "", noChannel, ""},
	}
	m := newMedia()
	s, _ := online(t, Config{}, known(), m)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			res := s.call(s.invitation(tt.to, tt.subject, tt.body))
			if tt.want == "" {
				if res.Code != 404 {
					t.Errorf("INVITE = %d, want 404", res.Code)
				}
				return
			}
			if res.Code != 200 {
				t.Fatalf("INVITE = %d, want 200", res.Code)
			}
			if got := await(t, "call", m.answered).Channel(); got != tt.want {
				t.Errorf("channel = %s, want %s", got, tt.want)
			}
		})
	}
}

func TestInviteRefused(t *testing.T) {
	m := newMedia()
	m.fail = func(c *Call) error {
		if c.Channel() == yardID {
			return fmt.Errorf("open: %w", gb28181.Errorf(480, "Camera offline: 院子"))
		}
		return errors.New("a bug with\r\nsecrets")
	}
	s, g := online(t, Config{}, known(), m)
	require := s.invitation(gateID, "", offer("0200000001"))
	require.Headers = append(require.Headers, sipua.Header{Name: "Require", Value: "100rel"})
	stray := s.invitation(gateID, "", offer("0200000001"))
	stray.To.Tag = "nobody"
	tests := []struct {
		name   string
		invite *sipua.Request
		want   int
		reason string
	}{
		{"unknown channel", s.invitation(superiorID, "", strings.Replace(offer("1"), gateID, nodeID, 1)), 404, ""},
		{"camera offline", s.invitation(yardID, "", offer("0200000001")), 480, `text="Camera offline: ??"`},
		{"no PS", s.invitation(gateID, "", strings.NewReplacer("96 PS", "96 H264").Replace(offer("1"))), 488, ""},
		{"garbage", s.invitation(gateID, "", "\x00\xff\r\n\r\nm=\r\n"), 400, ""},
		{"internal", s.invitation(gateID, "", offer("0200000001")), 500, ""},
		{"100rel", require, 420, ""},
		{"re-INVITE of no call", stray, 481, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			res := s.call(tt.invite)
			if res.Code != tt.want {
				t.Errorf("INVITE = %d %s, want %d", res.Code, res.Reason, tt.want)
			}
			reason, start := res.Header("Reason"), fmt.Sprintf("SIP;cause=%d;text=", tt.want)
			if !strings.HasPrefix(reason, start) || !strings.Contains(reason, tt.reason) {
				t.Errorf("Reason = %q, want cause %d and %s", reason, tt.want, tt.reason)
			}
			if strings.Contains(reason, "secrets") {
				t.Errorf("Reason = %q tells about our inside", reason)
			}
		})
	}
	eventually(t, "no calls", func() bool { return len(g.p.Status().Calls) == 0 })
}

func TestCallKey(t *testing.T) {
	for subject, want := range map[string]string{
		gateID + ":0200000001," + superiorID + ":0": gateID + ":0200000001",
		gateID + ":0," + superiorID + ":0":          "",
		gateID + ":0000000000," + superiorID + ":0": "",
		gateID + "," + superiorID:                   "",
		"":                                          "",
		gateID + ":" + nodeID + "," + superiorID + ":0200000001": "", // gb-cms
		gateID + ":5f3A," + superiorID + ":5f3A":                 gateID + ":5f3A",
	} {
		if got := callKey(gateID, subject); got != want {
			t.Errorf("callKey(%q) = %q, want %q", subject, got, want)
		}
	}
}

func TestOfferWithoutSSRC(t *testing.T) {
	m := newMedia()
	s, _ := online(t, Config{}, known(), m)
	res := s.call(s.invitation(gateID, "", strings.Replace(offer(""), "y=\r\n", "", 1)))
	c := await(t, "call", m.answered)
	a, err := sdp.Parse(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if c.Offer().SSRC == 0 || a.SSRC != gb28181.FormatSSRC(c.Offer().SSRC) || !strings.HasPrefix(a.SSRC, "02010") {
		t.Errorf("SSRC %d, y=%s; want one of our own domain, told to both sides", c.Offer().SSRC, a.SSRC)
	}
}
