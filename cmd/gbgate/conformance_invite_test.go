package main

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"gbgate/cascade/rehearsal"
	"gbgate/cmd/gbgate/admin"
	"gbgate/gb28181"
	"gbgate/gb28181/sipua"
	"gbgate/rtsp/simcam"
)

// Line 8 of the list: INVITE.

// live is a rig with one camera that plays.
func live(t *testing.T, s setup) *rig {
	t.Helper()
	cam := startCamera(t, simcam.Config{})
	s.rest += cameraTOML("gate", channelID, cam.URL(), "", "")
	return newRig(t, s)
}

// replace changes a piece of the offer, which must be there.
func replace(t *testing.T, from, to string) func(*sipua.Request) {
	return func(r *sipua.Request) {
		if !strings.Contains(string(r.Body), from) {
			t.Errorf("the offer has no %q", from)
		}
		r.Body = []byte(strings.Replace(string(r.Body), from, to, 1))
	}
}

func subject(value string) func(*sipua.Request) {
	return func(r *sipua.Request) {
		r.Headers = nil
		if value != "" {
			r.Headers = []sipua.Header{{Name: "Subject", Value: value}}
		}
	}
}

func toNode(r *sipua.Request) { r.URI.User, r.To.URI.User = demoNode, demoNode }

func both(edits ...func(*sipua.Request)) func(*sipua.Request) {
	return func(r *sipua.Request) {
		for _, e := range edits {
			e(r)
		}
	}
}

// Every way to ask for the same picture ends in faultless media: RTP with the SSRC of y=, payload type 96, one
// timestamp and one marker a frame, numbers without hole, a map of the streams in the first pack, packets below the
// MTU, TCP framed by RFC 4571. The rehearsal's checker judges all that.
func TestLine8Plays(t *testing.T) {
	t.Parallel()
	const udp, passive, active = rehearsal.UDP, rehearsal.TCPPassive, rehearsal.TCPActive
	ch, sup := channelID, demoPlatform
	overBoth(t, func(t *testing.T, transport string) {
		r := live(t, setup{transport: transport})
		for _, c := range []struct {
			name string
			req  rehearsal.PlayRequest
		}{
			{"UDP", rehearsal.PlayRequest{Transport: udp}},
			{"TCP passive", rehearsal.PlayRequest{Transport: passive}},
			{"TCP passive that listens after its ACK only", rehearsal.PlayRequest{
				Transport: passive, LateListen: 1500 * time.Millisecond,
			}},
			{"TCP active", rehearsal.PlayRequest{Transport: active}},
			{"TCP without a=setup", rehearsal.PlayRequest{
				Transport: passive, Edit: replace(t, "a=setup:passive\r\na=connection:new\r\n", ""),
			}},
			{"y= missing", rehearsal.PlayRequest{Transport: udp, NoSSRC: true}},
			{"y= of zeros", rehearsal.PlayRequest{
				Transport: udp, NoSSRC: true, Edit: replace(t, "\r\nf=", "\r\ny=0000000000\r\nf="),
			}},
			{"y= of letters", rehearsal.PlayRequest{
				Transport: udp, NoSSRC: true, Edit: replace(t, "\r\nf=", "\r\ny=unknown\r\nf="),
			}},
			{"y= at the largest", rehearsal.PlayRequest{Transport: udp, SSRC: 0xffffffff}},
			{"channel in Subject alone", rehearsal.PlayRequest{
				Transport: udp, Edit: both(toNode, subject(ch+":0200000001,"+sup+":0")),
			}},
			{"channel nowhere: the only camera", rehearsal.PlayRequest{
				Transport: udp, Edit: both(toNode, subject(""), replace(t, "o="+sup, "o="+demoNode)),
			}},
			{"channel in u= alone", rehearsal.PlayRequest{
				Transport: udp, Edit: both(toNode, subject(""), replace(t, "s=Play\r\n", "s=Play\r\nu="+ch+":0\r\n")),
			}},
			{"Subject as gb-cms", rehearsal.PlayRequest{
				Transport: udp, Edit: subject(ch + ":" + demoNode + "," + sup + ":0200000001"),
			}},
			{"Subject as gowvp", rehearsal.PlayRequest{Transport: udp, Edit: subject(ch + ":qwerty," + demoNode + ":uiop")}},
			{"Subject as panjjo", rehearsal.PlayRequest{Transport: udp, Edit: subject(ch + ":0BEBC201," + sup + ":0BEBC201")}},
			{"no Subject", rehearsal.PlayRequest{Transport: udp, Edit: subject("")}},
			{"s= in small letters", rehearsal.PlayRequest{Transport: udp, Edit: both(replace(t, "s=Play", "s=-"), subject(""))}},
			{"protocol RTP/RTCP", rehearsal.PlayRequest{
				Transport: udp, Edit: replace(t, "RTP/AVP 96 97 98 99", "RTP/RTCP 96 98 97"),
			}},
			{"media-level c=", rehearsal.PlayRequest{Transport: udp, Edit: both(
				replace(t, "c=IN IP4 127.0.0.1", "c=IN IP4 192.0.2.1"),
				replace(t, "a=recvonly", "c=IN IP4 127.0.0.1\r\na=recvonly"))}},
			{"c= of zeros", rehearsal.PlayRequest{Transport: udp, Edit: replace(t, "c=IN IP4 127.0.0.1", "c=IN IP4 0.0.0.0")}},
			{"content type in small letters", rehearsal.PlayRequest{
				Transport: udp, Edit: func(r *sipua.Request) { r.ContentType = "application/sdp;charset=utf-8" },
			}},
			{"everything repeated", rehearsal.PlayRequest{Transport: udp, Repeats: 2}},
			{"everything repeated, over TCP", rehearsal.PlayRequest{Transport: passive, Repeats: 1}},
			{"lost ACK", rehearsal.PlayRequest{Transport: udp, NoACK: true}},
			{"late ACK", rehearsal.PlayRequest{Transport: udp, AckDelay: 1500 * time.Millisecond}},
			{"BYE by Call-ID alone", rehearsal.PlayRequest{Transport: udp, ByeByCallID: true, Linger: 300 * time.Millisecond}},
			{"silence after BYE", rehearsal.PlayRequest{Transport: udp, Linger: 300 * time.Millisecond}},
			{"second INVITE with the same offer", rehearsal.PlayRequest{
				Transport: udp, Pictures: 40, Reinvite: rehearsal.ReinviteSame,
			}},
			{"second INVITE that moves", rehearsal.PlayRequest{Transport: udp, Pictures: 40, Reinvite: rehearsal.ReinviteMove}},
			{"second INVITE that holds", rehearsal.PlayRequest{Transport: udp, Pictures: 40, Reinvite: rehearsal.ReinviteHold}},
			{"no offer", rehearsal.PlayRequest{Transport: udp, NoOffer: true}},
		} {
			req := c.req
			req.Channel = ch
			if req.Pictures == 0 {
				req.Pictures = 5
			}
			res, err := r.node.Play(soon(t, 20*time.Second), req)
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
				continue
			}
			for _, f := range res.Faults {
				if c.name == "s= in small letters" && strings.HasPrefix(f, "the answer says s=") {
					continue // s= is the offer's
				}
				t.Errorf("%s: %s", c.name, f)
			}
			if res.LostPackets > 0 || res.Pictures < req.Pictures {
				t.Errorf("%s: %d packets lost, %d pictures", c.name, res.LostPackets, res.Pictures)
			}
		}
		r.gateway.status(t, "end of all calls", func(doc statusDoc) bool { return len(doc.Calls) == 0 })
	})
}

// What cannot be played is refused with its code and a plain word.
func TestLine8Refusals(t *testing.T) {
	t.Parallel()
	const off = "34020100001320000002"
	cam := startCamera(t, simcam.Config{})
	r := newRig(t, setup{
		superior: "max_calls = 1\n",
		rest:     cameraTOML("gate", channelID, cam.URL(), "", "") + offCameras(1, 2),
	})
	refused := func(name string, req rehearsal.PlayRequest, want int) {
		t.Helper()
		req.Transport = rehearsal.UDP
		_, err := r.node.Play(soon(t, 15*time.Second), req)
		code, reason := gb28181.StatusOf(err)
		if err == nil || code != want || reason == "" {
			t.Errorf("%s: %d %q (%v), want %d", name, code, reason, err, want)
		}
	}
	refused("unknown channel", rehearsal.PlayRequest{Channel: "34020100001320000099", Edit: subject("")}, 404)
	refused("the node, which has two cameras", rehearsal.PlayRequest{Channel: demoNode, Edit: subject("")}, 404)
	refused("camera that is off", rehearsal.PlayRequest{Channel: off}, 480)
	refused("no PS", rehearsal.PlayRequest{
		Channel: channelID, Edit: replace(t, "a=rtpmap:96 PS/90000\r\n", "a=rtpmap:96 DAHUA/90000\r\n"),
	}, 488)
	refused("no m=", rehearsal.PlayRequest{Channel: channelID, Edit: replace(t, "m=video", "x=video")}, 400)
	refused("an extension", rehearsal.PlayRequest{Channel: channelID, Edit: func(q *sipua.Request) {
		q.Headers = append(q.Headers, sipua.Header{Name: "Require", Value: "100rel"})
	}}, 420)

	first := make(chan error, 1)
	go func() {
		_, err := r.node.Play(t.Context(), rehearsal.PlayRequest{Channel: channelID, Transport: rehearsal.UDP, Pictures: 100})
		first <- err
	}()
	r.gateway.status(t, "a call", func(doc statusDoc) bool { return len(doc.Calls) == 1 })
	refused("one call too many", rehearsal.PlayRequest{Channel: channelID}, 486)
	if err := <-first; err != nil {
		t.Error(err)
	}
}

// A CANCEL before the answer ends the INVITE with 487.
func TestLine8Cancel(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0") // a camera that accepts and is silent
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	overBoth(t, func(t *testing.T, transport string) {
		r := newRig(t, setup{
			transport: transport, rest: cameraTOML("mute", channelID, "rtsp://"+l.Addr().String()+"/live", "", ""),
		})
		_, err := r.node.Play(t.Context(), rehearsal.PlayRequest{
			Channel: channelID, Transport: rehearsal.UDP, CancelAfter: 300 * time.Millisecond,
		})
		if code, _ := gb28181.StatusOf(err); err == nil || code != 487 {
			t.Errorf("a cancelled INVITE ends with %v, want 487", err)
		}
		r.gateway.status(t, "end of the call", func(doc statusDoc) bool { return len(doc.Calls) == 0 })
	})
}

// Without ACK the media comes all the same, and the call is given up after ack_timeout.
func TestLine8NoACKEver(t *testing.T) {
	t.Parallel()
	r := live(t, setup{compat: "ack_timeout = \"3s\"\n"})
	res, err := r.node.Play(soon(t, 30*time.Second), rehearsal.PlayRequest{
		Channel: channelID, Transport: rehearsal.UDP, Pictures: 10000, NoACK: true,
	})
	if !errors.Is(err, rehearsal.ErrHungUp) || res.Pictures == 0 {
		t.Errorf("%v, %+v; want pictures and then the node's BYE", err, res)
	}
}

// A superior that lost its BYE calls again with the same serial in Subject: the old call ends.
func TestLine8LostBye(t *testing.T) {
	t.Parallel()
	r := live(t, setup{})
	play := func(req rehearsal.PlayRequest) {
		t.Helper()
		req.Channel, req.Transport, req.SSRC, req.Pictures = channelID, rehearsal.TCPPassive, 200001234, 5
		if req.NoBye {
			req.Transport = rehearsal.UDP
		}
		if _, err := r.node.Play(soon(t, 20*time.Second), req); err != nil {
			t.Fatal(err)
		}
	}
	play(rehearsal.PlayRequest{NoBye: true})
	play(rehearsal.PlayRequest{})
	r.gateway.status(t, "end of both calls", func(doc statusDoc) bool { return len(doc.Calls) == 0 })
}

// Several viewers of one channel, each with its own call; serials of zero are no reason to end one.
func TestLine8SeveralCalls(t *testing.T) {
	t.Parallel()
	r := live(t, setup{})
	results := make(chan error, 3)
	for range cap(results) {
		go func() {
			res, err := r.node.Play(t.Context(), rehearsal.PlayRequest{
				Channel: channelID, Transport: rehearsal.UDP, Pictures: 60, Edit: subject(channelID + ":0," + demoPlatform + ":0"),
			})
			if err == nil && (len(res.Faults) > 0 || res.LostPackets > 0) {
				err = fmt.Errorf("lost %d, %q", res.LostPackets, res.Faults)
			}
			results <- err
		}()
	}
	for range cap(results) {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
}

// The answer says what is really sent, in the order that platforms want.
func TestLine8Answer(t *testing.T) {
	t.Parallel()
	r := live(t, setup{})
	res, err := r.node.Play(t.Context(), rehearsal.PlayRequest{
		Channel: channelID, Transport: rehearsal.TCPActive, Pictures: 5,
	})
	if err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile(`^v=0\r\no=` + channelID + ` \d+ \d+ IN IP4 127\.0\.0\.1\r\n` +
		`s=Play\r\nc=IN IP4 127\.0\.0\.1\r\nt=0 0\r\n` +
		`m=video [1-9]\d* TCP/RTP/AVP 96\r\n(a=[^\r]*\r\n)+y=\d{10}\r\nf=v/2/[^\r]*a/1/[^\r]*\r\n$`)
	if !want.MatchString(res.AnswerSDP) {
		t.Errorf("the answer is\n%s", res.AnswerSDP)
	}
}

// A superior that forgets its BYE and closes its port: ICMP ends the call, and no media outlive it.
func TestLine8ForgottenCall(t *testing.T) {
	t.Parallel()
	r := live(t, setup{})
	if _, err := r.node.Play(soon(t, 20*time.Second), rehearsal.PlayRequest{
		Channel: channelID, Transport: rehearsal.UDP, Pictures: 5, NoBye: true,
	}); err != nil {
		t.Fatal(err)
	}
	r.gateway.status(t, "end of the call", func(doc statusDoc) bool { return len(doc.Calls) == 0 })
	cfg, err := loadConfig(r.gateway.config)
	if err != nil {
		t.Fatal(err)
	}
	text, err := admin.Get(t.Context(), socketPath(cfg), "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"gbgate_orphan_seconds_total 0\n", "gbgate_media_port_pairs_in_use 0\n", "process_open_fds ",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("/metrics lacks %q", want)
		}
	}
}
