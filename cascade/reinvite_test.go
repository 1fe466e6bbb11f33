package cascade

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"gbgate/gb28181"
	"gbgate/gb28181/manscdp"
	"gbgate/gb28181/sdp"
	"gbgate/gb28181/sipua"
	"github.com/google/go-cmp/cmp"
)

// reinvite makes an INVITE inside a dialog.
func reinvite(invite *sipua.Request, res *sipua.Response, cseq uint32, body string) *sipua.Request {
	r := inside("INVITE", invite, res, cseq)
	r.ContentType, r.Body = "application/sdp", []byte(body)
	return r
}

func toPort(body []byte, port string) string {
	return strings.Replace(string(body), "m=video 30000", "m=video "+port, 1)
}

func TestMediaMoves(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			m := newMedia()
			s, g := online(t, Config{Transport: transport, MaxCalls: 1}, known(), m)
			invite := s.invitation(gateID, gateID+":0200000001,"+superiorID+":0", offer("0200000001"))
			res := s.call(invite)
			first := await(t, "call", m.answered)

			moved := s.call(reinvite(invite, res, 2, toPort(invite.Body, "30004")))
			if moved.Code != 200 || moved.ToTag != res.ToTag {
				t.Fatalf("re-INVITE = %d %s, tag %s; want 200 in the dialog", moved.Code, moved.Reason, moved.ToTag)
			}
			second := await(t, "media to the new place", m.answered)
			if err := await(t, "end of the media to the old", m.ended); !errors.Is(err, errReinvited) {
				t.Errorf("the old media ended with %v, want %v", err, errReinvited)
			}
			got := []string{first.Offer().Remote.String(), second.Offer().Remote.String(), second.ID(), second.Channel()}
			want := []string{"127.0.0.1:30000", "127.0.0.1:30004", invite.CallID, gateID}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
			if len(s.byes) != 0 {
				t.Error("BYE for media that moved")
			}
			calls := g.p.Status().Calls
			if len(calls) != 1 || calls[0].Remote.Port() != 30004 {
				t.Errorf("calls = %+v, want the one that moved", calls)
			}
			if got := s.do(inside("BYE", invite, res, 3)).Code; got != 200 {
				t.Errorf("BYE = %d, want 200", got)
			}
			if err := await(t, "end", m.ended); !errors.Is(err, ErrBye) {
				t.Errorf("the call ended with %v, want %v", err, ErrBye)
			}
			eventually(t, "no calls", func() bool { return len(g.p.Status().Calls) == 0 })
		})
	}
}

func TestRefusedMoveLeavesTheCall(t *testing.T) {
	m := newMedia()
	m.fail = func(c *Call) error {
		if c.Offer().Remote.Port() == 30004 {
			return gb28181.Errorf(486, "No port")
		}
		return nil
	}
	s, g := online(t, Config{}, known(), m)
	invite := s.invitation(gateID, "", offer("0200000001"))
	res := s.call(invite)
	await(t, "call", m.answered)
	noPS := strings.Replace(toPort(invite.Body, "30006"), "96 PS", "96 H264", 1)
	for cseq, body := range map[uint32]string{2: toPort(invite.Body, "30004"), 3: noPS} {
		want := map[uint32]int{2: 486, 3: 488}[cseq]
		if got := s.call(reinvite(invite, res, cseq, body)).Code; got != want {
			t.Errorf("re-INVITE = %d, want %d", got, want)
		}
	}
	if len(m.ended) != 0 {
		t.Error("the call has ended")
	}
	eventually(t, "the old call in its place", func() bool {
		calls := g.p.Status().Calls
		return len(calls) == 1 && calls[0].Remote.Port() == 30000 && calls[0].State == Established
	})
	if got := s.do(inside("BYE", invite, res, 9)).Code; got != 200 {
		t.Errorf("BYE = %d, want 200", got)
	}
	if err := await(t, "end", m.ended); !errors.Is(err, ErrBye) {
		t.Errorf("the call ended with %v, want %v", err, ErrBye)
	}
}

func TestBYEWhileTheMediaMoves(t *testing.T) {
	entered := make(chan struct{}, 1)
	m := newMedia()
	slow := MediaHandlerFunc(func(ctx context.Context, c *Call) error {
		if c.Offer().Remote.Port() == 30004 {
			entered <- struct{}{}
			<-ctx.Done()
			return context.Cause(ctx)
		}
		return m.ServeMedia(ctx, c)
	})
	s, g := online(t, Config{}, known(), slow)
	invite := s.invitation(gateID, "", offer("0200000001"))
	res := s.call(invite)
	await(t, "call", m.answered)
	answer := make(chan int, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), waitFor)
		defer cancel()
		if r, err := s.ua.Do(ctx, reinvite(invite, res, 2, toPort(invite.Body, "30004")), s.route()); err == nil {
			answer <- r.Code
		}
	}()
	await(t, "move", entered)
	if got := s.do(reinvite(invite, res, 3, toPort(invite.Body, "30008"))).Code; got != 491 {
		t.Errorf("a second move before the first is answered = %d, want 491", got)
	}
	if got := s.do(inside("BYE", invite, res, 4)).Code; got != 200 {
		t.Errorf("BYE = %d, want 200", got)
	}
	if err := await(t, "end of the old media", m.ended); !errors.Is(err, ErrBye) {
		t.Errorf("the old media ended with %v, want %v", err, ErrBye)
	}
	if got := await(t, "answer", answer); got != 487 {
		t.Errorf("re-INVITE = %d, want 487", got)
	}
	eventually(t, "no calls", func() bool { return len(g.p.Status().Calls) == 0 })
}

func TestHoldAndResume(t *testing.T) {
	for name, held := range map[string]*strings.Replacer{
		"inactive": strings.NewReplacer("a=recvonly", "a=inactive"),
		"0.0.0.0":  strings.NewReplacer("c=IN IP4 127.0.0.1", "c=IN IP4 0.0.0.0"),
	} {
		t.Run(name, func(t *testing.T) {
			m := newMedia()
			s, g := online(t, Config{}, known(), m)
			invite := s.invitation(gateID, "", offer("0200000001"))
			res := s.call(invite)
			await(t, "call", m.answered)

			hold := held.Replace(string(invite.Body))
			on := s.call(reinvite(invite, res, 2, hold))
			a, err := sdp.Parse(on.Body)
			if on.Code != 200 || err != nil {
				t.Fatalf("hold = %d, %v", on.Code, err)
			}
			if _, inactive := a.Attr(&a.Media[0], "inactive"); !inactive || a.Media[0].Port != 30002 || a.SSRC != "0200000001" {
				t.Errorf("answer = %s, want inactive at the same port", on.Body)
			}
			if err := await(t, "end of the media", m.ended); !errors.Is(err, errReinvited) {
				t.Errorf("media ended with %v, want %v", err, errReinvited)
			}
			if again := s.call(reinvite(invite, res, 3, hold)); again.Code != 200 || string(again.Body) != string(on.Body) {
				t.Errorf("the same hold again = %d, want the same answer", again.Code)
			}
			if len(m.answered) != 0 {
				t.Error("media while held")
			}
			if off := s.call(reinvite(invite, res, 4, string(invite.Body))); off.Code != 200 {
				t.Fatalf("resume = %d, want 200", off.Code)
			}
			if c := await(t, "media again", m.answered); c.Offer().Remote.Port() != 30000 {
				t.Errorf("media to %v", c.Offer().Remote)
			}
			if len(s.byes) != 0 || len(g.p.Status().Calls) != 1 {
				t.Error("the dialog did not last")
			}
		})
	}
}

func TestInviteWithoutOffer(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			m := newMedia()
			s, _ := online(t, Config{Transport: transport}, known(), m)
			invite := s.invitation(gateID, "", "")
			invite.ContentType = ""
			res := s.do(invite)
			ours, err := sdp.Parse(res.Body)
			if res.Code != 200 || err != nil || len(ours.Media) != 1 {
				t.Fatalf("INVITE = %d, %v\n%s", res.Code, err, res.Body)
			}
			if _, ok := ours.Attr(&ours.Media[0], "sendonly"); !ok || ours.Media[0].Port == 0 || len(ours.SSRC) != 10 ||
				ours.Conn != "127.0.0.1" {
				t.Errorf("our offer = %s", res.Body)
			}
			select {
			case <-m.answered:
				t.Error("media before anyone said where to")
			default:
			}
			ack := inside("ACK", invite, res, 1)
			ack.ContentType, ack.Body = "application/sdp", []byte(offer(ours.SSRC))
			if err := s.ua.Send(ack, s.route()); err != nil {
				t.Fatal(err)
			}
			c := await(t, "media", m.answered)
			if o := c.Offer(); o.Remote.String() != "127.0.0.1:30000" || gb28181.FormatSSRC(o.SSRC) != ours.SSRC {
				t.Errorf("media to %v as %d, want the ACK's", o.Remote, o.SSRC)
			}
			if got := s.do(inside("BYE", invite, res, 2)).Code; got != 200 {
				t.Errorf("BYE = %d, want 200", got)
			}
		})
	}
}

func TestACKWithoutAnswerEndsTheCall(t *testing.T) {
	for name, body := range map[string]string{
		"nothing": "", "no PS": strings.Replace(offer("1"), "96 PS", "96 H264", 1), "TCP": strings.Replace(offer("1"),
			"RTP/AVP", "TCP/RTP/AVP", 1),
	} {
		t.Run(name, func(t *testing.T) {
			m := newMedia()
			s, g := online(t, Config{}, known(), m)
			invite := s.invitation(gateID, "", "")
			res := s.do(invite)
			ack := inside("ACK", invite, res, 1)
			if body != "" {
				ack.ContentType, ack.Body = "application/sdp", []byte(body)
			}
			if err := s.ua.Send(ack, s.route()); err != nil {
				t.Fatal(err)
			}
			bye := await(t, "BYE", s.byes)
			if reason := bye.Header("Reason"); !strings.Contains(reason, "cause=488") {
				t.Errorf("Reason = %q, want 488", reason)
			}
			eventually(t, "no calls", func() bool { return len(g.p.Status().Calls) == 0 })
			if len(m.answered) != 0 {
				t.Error("media without an answer")
			}
		})
	}
}

func TestControlOfACall(t *testing.T) {
	bodies := make(chan string, 10)
	m := MediaHandlerFunc(func(ctx context.Context, c *Call) error {
		c.OnControl(func(_ uint64, body []byte) ([]byte, error) {
			bodies <- string(body)
			if strings.Contains(string(body), "-1") {
				return nil, gb28181.Errorf(400, "No reverse play")
			}
			return []byte("RTSP/1.0 200 OK\r\n\r\n"), nil
		})
		if err := c.Answer(ctx, sdp.Answer{Local: c.Offer().Remote}); err != nil {
			return err
		}
		<-ctx.Done()
		return context.Cause(ctx)
	})
	s, _ := online(t, Config{}, known(), m)
	invite := s.invitation(gateID, "", offer("0200000001"))
	res := s.call(invite)
	for i, tt := range []struct {
		body string
		code int
	}{{"PLAY RTSP/1.0\r\nScale: 2.0\r\n", 200}, {"PLAY RTSP/1.0\r\nScale: -1\r\n", 400}} {
		info := inside("INFO", invite, res, uint32(2+i))
		info.ContentType, info.Body = "Application/MANSRTSP", []byte(tt.body)
		got := s.do(info)
		if got.Code != tt.code || (len(got.Body) > 0) != (tt.code == 200) {
			t.Errorf("INFO = %d with %q, want %d", got.Code, got.Body, tt.code)
		}
		if seen := await(t, "control", bodies); seen != tt.body {
			t.Errorf("control = %q, want %q", seen, tt.body)
		}
	}
}

func TestNotifyInsideACall(t *testing.T) {
	for _, from := range []string{"node", "channel"} {
		t.Run(from, func(t *testing.T) {
			m := newMedia()
			s := newSuperior(t)
			requests := make(chan *sipua.Request, 10)
			var status atomic.Int32
			status.Store(200)
			s.message = func(r *sipua.Request, got manscdp.Message) int {
				if _, ok := got.(*manscdp.MediaStatusNotify); ok {
					requests <- r
					return int(status.Load())
				}
				return 200
			}
			start(t, s, Config{Compat: Compat{MediaStatusFrom: from}}, known(), m)
			await(t, "registration", s.registered)
			invite := s.invitation(gateID, "", offer("0200000001"))
			res := s.call(invite)
			c := await(t, "call", m.answered)
			ctx, cancel := context.WithTimeout(t.Context(), waitFor)
			defer cancel()
			if err := c.Notify(ctx, &manscdp.MediaStatusNotify{NotifyType: manscdp.MediaStatusEnd}); err != nil {
				t.Fatal(err)
			}
			r := await(t, "MediaStatus", requests)
			want := []string{invite.CallID, res.ToTag, invite.From.Tag, nodeID, superiorID}
			if from == "channel" {
				want[3] = gateID
			}
			got := []string{r.CallID, r.From.Tag, r.To.Tag, r.From.URI.User, r.To.URI.User}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("MESSAGE (-want +got):\n%s", diff)
			}
			body, err := manscdp.Decode(r.Body)
			if err != nil || body.Head().DeviceID != gateID || body.Head().SN == "" {
				t.Errorf("body = %s", r.Body)
			}
			status.Store(400) // Monibuca
			if err := c.Notify(ctx, &manscdp.MediaStatusNotify{NotifyType: manscdp.MediaStatusEnd}); err == nil {
				t.Error("a refusal is not told")
			}
			if len(m.ended) != 0 {
				t.Error("the call has ended")
			}
		})
	}
}

// TestReinvitesDoNotPileUp keeps no trace of the media that a dialog has had.
func TestReinvitesDoNotPileUp(t *testing.T) {
	m := newMedia()
	s, g := online(t, Config{}, known(), m)
	invite := s.invitation(gateID, "", offer("0200000001"))
	res := s.call(invite)
	await(t, "call", m.answered)
	for i := range 30 {
		port := []string{"30010", "30012"}[i%2]
		if got := s.call(reinvite(invite, res, uint32(2+i), toPort(invite.Body, port))).Code; got != 200 {
			t.Fatalf("re-INVITE %d = %d, want 200", i, got)
		}
		await(t, "media", m.answered)
		await(t, "end of the former", m.ended)
		eventually(t, "ACK", func() bool { return g.p.call(invite.CallID).replaced() == nil })
	}
	if n := len(g.p.call(invite.CallID).dialogCalls()); n != 1 {
		t.Errorf("%d calls are kept, want one", n)
	}
}
