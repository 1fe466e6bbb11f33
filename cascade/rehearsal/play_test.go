package rehearsal

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gbgate/gb28181"
	"gbgate/gb28181/sipua"
)

// shore is a platform with a registered fake node.
func shore(t *testing.T, transport string, change func(*fakeNode)) (*Node, *fakeNode) {
	t.Helper()
	p := startPlatform(t, Config{Password: password})
	fake := startNode(t, p, transport, change)
	fake.register(testContext(t), "3600")
	n, err := p.WaitNode(testContext(t), nodeID)
	if err != nil {
		t.Fatal(err)
	}
	return n, fake
}

func TestPlay(t *testing.T) {
	for _, sip := range []string{"udp", "tcp"} {
		for _, transport := range []string{UDP, TCPPassive, TCPActive} {
			for _, h265 := range []bool{false, true} {
				name := sip + " " + transport + map[bool]string{false: " H.264", true: " H.265"}[h265]
				t.Run(name, func(t *testing.T) { playOnce(t, sip, transport, h265) })
			}
		}
	}
}

func playOnce(t *testing.T, sip, transport string, h265 bool) {
	units := liveUnits(50, h265, 0x90)
	n, fake := shore(t, sip, func(n *fakeNode) { n.units = units })
	var stream, audio bytes.Buffer
	got, err := n.Play(testContext(t), PlayRequest{
		Channel: cameraID, Transport: transport, Pictures: 50, Save: &stream, SaveAudio: &audio,
	})
	if err != nil {
		t.Fatal(err)
	}
	wantFaults(t, got.Faults, nil)
	type facts struct {
		channel, transport, codec, audio string
		width, height, pictures          int
		fps                              float64
	}
	want := facts{cameraID, transport, "H.264", "G.711A", 1280, 720, 50, 25}
	if h265 {
		want.codec, want.width, want.height = "H.265", 1920, 1080
	}
	have := facts{
		got.Channel, got.Transport, got.Codec, got.Audio, got.Width, got.Height, got.Pictures, got.FPS,
	}
	if have != want {
		t.Errorf("got %+v, want %+v", have, want)
	}
	if got.Answered <= 0 || got.FirstPacket <= 0 || got.FirstPicture < got.FirstPacket || got.BitrateKbps == 0 {
		t.Errorf("answered %v, first packet %v, first picture %v, %d kbit/s: not in order",
			got.Answered, got.FirstPacket, got.FirstPicture, got.BitrateKbps)
	}
	if whole := programStream(units); !bytes.HasPrefix(whole, stream.Bytes()) || stream.Len() < len(whole)*9/10 {
		t.Errorf("saved %d bytes, want the first of the %d sent", stream.Len(), len(whole))
	}
	if audio.Len() != got.AudioBytes || got.AudioBytes < 49*320 {
		t.Errorf("saved %d audio bytes of %d, want at least %d", audio.Len(), got.AudioBytes, 49*320)
	}
	fake.wantSeen(t, "INVITE", "ACK", "BYE")
}

// TestAnswerChecked has the node answer wrong, one thing at a time.
func TestAnswerChecked(t *testing.T) {
	replace := func(old, with string) func(*sipua.Response) {
		return func(res *sipua.Response) { res.Body = []byte(strings.ReplaceAll(string(res.Body), old, with)) }
	}
	tests := []struct {
		name, transport string
		edit            func(*sipua.Response)
		want            []string
	}{
		{"no Contact", UDP, func(res *sipua.Response) { res.Contact = nil }, []string{"the answer has no Contact"}},
		{
			"content type", UDP, func(res *sipua.Response) { res.ContentType = "text/plain" },
			[]string{`the answer's Content-Type is "text/plain"`},
		},
		{"session name", UDP, replace("s=Play", "s=Playback"), []string{"the answer says s=Playback"}},
		{"time", UDP, replace("t=0 0", "t=0 99"), []string{"the answer says t=0 99, not 0 0"}},
		{"no y", UDP, replace("y=0200000001\r\n", ""), []string{"the answer has no y= line"}},
		{"another y", UDP, replace("y=02", "y=03"), []string{"the answer says y=0300000001, the offer said 0200000001"}},
		{"y cut", UDP, replace("y=02", "y=2"), []string{"the answer says y=200000001, the offer said 0200000001"}},
		{
			"protocol", TCPPassive, replace("TCP/RTP/AVP", "RTP/AVP"),
			[]string{"the answer's m= line says RTP/AVP, not TCP/RTP/AVP"},
		},
		{"all formats", UDP, replace("AVP 96", "AVP 96 98"), []string{"lists the payload types [96 98], not 96 alone"}},
		{
			"setup echoed", TCPPassive, replace("a=setup:active", "a=setup:passive"),
			[]string{`the answer says a=setup:passive, not "active"`},
		},
		{
			"setup over UDP", UDP, replace("a=sendonly", "a=sendonly\r\na=setup:active"),
			[]string{`the answer says a=setup:active, not ""`},
		},
		{"no rtpmap", UDP, replace("a=rtpmap:96 PS/90000\r\n", ""), []string{"the answer has no a=rtpmap:96 PS/90000"}},
		{"direction", UDP, replace("a=sendonly", "a=recvonly"), []string{"the answer does not say a=sendonly"}},
		{
			"no session description", UDP, func(res *sipua.Response) { res.Body = nil },
			[]string{"the answer's session description cannot be read"},
		},
		{"no video line", UDP, replace("m=video", "m=audio"), []string{"the answer has no m=video line"}},
		{"port 0", UDP, func(res *sipua.Response) {
			res.Body = regexp.MustCompile("m=video [0-9]+").ReplaceAll(res.Body, []byte("m=video 0"))
		}, []string{"the answer's m= line says port 0", "but the answer named port 0"}},
		{
			"two addresses", UDP, replace("o="+cameraID+" 0 0 IN IP4 127.0.0.1", "o=- 0 0 IN IP4 127.0.0.2"),
			[]string{"the answer says c= 127.0.0.1, but o= 127.0.0.2"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n, _ := shore(t, "udp", func(n *fakeNode) { n.edit = tt.edit })
			got, err := n.Play(testContext(t), PlayRequest{
				Channel: cameraID, Transport: tt.transport, Pictures: 2, SSRC: testSSRC,
			})
			if err != nil {
				t.Fatal(err)
			}
			wantFaults(t, got.Faults, tt.want)
		})
	}
}

// TestMediaFaults has the node send wrong what only the sockets can tell.
func TestMediaFaults(t *testing.T) {
	tests := []struct {
		name, transport string
		change          func(*fakeNode)
		linger          time.Duration
		want            []string
	}{
		{
			"another port than answered", UDP, func(n *fakeNode) { n.strayUDP = true }, 0,
			[]string{"but the answer named port"},
		},
		{"framed with $", TCPPassive, func(n *fakeNode) {
			n.framing = func(b []byte) []byte {
				return append(binary.BigEndian.AppendUint16([]byte{'$', 0}, uint16(len(b))), b...)
			}
		}, 0, []string{"the packets are framed with $, not by RFC 4571"}},
		{
			"two connections", TCPPassive, func(n *fakeNode) { n.twice = true }, 0,
			[]string{"the node opened a second media connection"},
		},
		{
			"packets after BYE", UDP, func(n *fakeNode) { n.afterBye = true }, 100 * time.Millisecond,
			[]string{"packets came after the BYE was answered"},
		},
		{"RTCP on the media port", UDP, func(n *fakeNode) {
			n.damage = func(sent [][]byte) [][]byte {
				sr := make([]byte, 28)
				sr[0], sr[1] = 0x80, rtcpSR
				copy(sr[4:8], sent[0][8:12])
				return slices.Insert(sent, 3, sr)
			}
		}, 0, []string{"RTCP packets come on the media port"}},
		{"sender report of another", UDP, func(n *fakeNode) {
			n.damage = func(sent [][]byte) [][]byte {
				sr := make([]byte, 28)
				sr[0], sr[1] = 0x80, rtcpSR
				return slices.Insert(sent, 3, sr)
			}
		}, 0, []string{"RTCP packets come", "the RTCP sender report names the SSRC 0000000000"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n, _ := shore(t, "udp", tt.change)
			got, err := n.Play(testContext(t), PlayRequest{
				Channel: cameraID, Transport: tt.transport, Pictures: 10, Linger: tt.linger,
			})
			if err != nil {
				t.Fatal(err)
			}
			// What comes after the BYE breaks the stream's own rules too.
			if faults := got.Faults[:min(len(got.Faults), len(tt.want))]; tt.linger > 0 {
				wantFaults(t, faults, tt.want)
				return
			}
			wantFaults(t, got.Faults, tt.want)
		})
	}
}

func TestQuietAfterBye(t *testing.T) {
	n, _ := shore(t, "udp", nil)
	got, err := n.Play(testContext(t), PlayRequest{
		Channel: cameraID, Transport: UDP, Pictures: 10, Linger: 50 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	wantFaults(t, got.Faults, nil)
}

func TestPlayEnds(t *testing.T) {
	tests := []struct {
		name   string
		change func(*fakeNode)
		req    PlayRequest
		want   error
		seen   []string
	}{
		{
			"node hangs up", func(n *fakeNode) { n.hangUp = true },
			PlayRequest{Transport: UDP, Pictures: 51},
			ErrHungUp,
			[]string{"INVITE", "ACK"},
		},
		{
			"node closes the connection", func(n *fakeNode) { n.closeTCP = true },
			PlayRequest{Transport: TCPPassive, Pictures: 51},
			ErrDisconnect,
			[]string{"INVITE", "ACK", "BYE"},
		},
		{
			"media stops", nil,
			PlayRequest{Transport: UDP, Pictures: 51, Timeout: 200 * time.Millisecond},
			ErrNoMedia,
			[]string{"INVITE", "ACK", "BYE"},
		},
		{
			"by duration", nil,
			PlayRequest{Transport: UDP, Duration: 60 * time.Millisecond},
			nil,
			[]string{"INVITE", "ACK", "BYE"},
		},
		{"no ACK", nil, PlayRequest{Transport: UDP, NoACK: true}, nil, []string{"INVITE", "BYE"}},
		{
			"no BYE", func(n *fakeNode) { n.closeTCP = true },
			PlayRequest{Transport: TCPActive, NoBye: true},
			nil,
			[]string{"INVITE", "ACK"},
		},
		{
			"late ACK", nil,
			PlayRequest{Transport: UDP, Pictures: 50, AckDelay: 20 * time.Millisecond},
			nil,
			[]string{"INVITE", "ACK", "BYE"},
		},
		{
			"listens late", nil,
			PlayRequest{Transport: TCPPassive, LateListen: 50 * time.Millisecond},
			nil,
			[]string{"INVITE", "ACK", "BYE"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n, fake := shore(t, "udp", tt.change)
			req := tt.req
			req.Channel = cameraID
			got, err := n.Play(testContext(t), req)
			if !errors.Is(err, tt.want) {
				t.Fatalf("error %v, want %v", err, tt.want)
			}
			if got == nil {
				t.Fatal("no result")
			}
			wantFaults(t, got.Faults, nil)
			if got.Pictures == 0 || got.HungUp != (tt.want == ErrHungUp) {
				t.Errorf("%d pictures, hung up %v", got.Pictures, got.HungUp)
			}
			fake.wantSeen(t, tt.seen...)
		})
	}
}

func TestPlayRefused(t *testing.T) {
	n, _ := shore(t, "udp", func(n *fakeNode) { n.refuse = 486 })
	got, err := n.Play(testContext(t), PlayRequest{Channel: cameraID, Transport: UDP})
	if code, _ := gb28181.StatusOf(err); got != nil || code != 486 {
		t.Errorf("result %v, error %v; want none and a 486", got, err)
	}
	if _, err := n.Play(testContext(t), PlayRequest{Channel: cameraID, Transport: "sctp"}); err == nil {
		t.Error("a transport that does not exist was played")
	}
}

func TestPlayWithoutSSRC(t *testing.T) {
	other := func(n *fakeNode) {
		n.edit = func(res *sipua.Response) {
			res.Body = []byte(strings.Replace(string(res.Body), "y=0200000001", "y=0200000002", 1))
		}
	}
	for _, tt := range []struct {
		name   string
		change func(*fakeNode)
		want   []string
	}{
		{"node brings one", nil, nil},
		{"node sends another", other, []string{"the SSRC is 0200000001, but y= said 0200000002"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n, _ := shore(t, "udp", tt.change)
			got, err := n.Play(testContext(t), PlayRequest{Channel: cameraID, Transport: UDP, NoSSRC: true})
			if err != nil {
				t.Fatal(err)
			}
			wantFaults(t, got.Faults, tt.want)
		})
	}
}

func TestPlayEdited(t *testing.T) {
	n, fake := shore(t, "udp", nil)
	var offered *sipua.Request
	got, err := n.Play(testContext(t), PlayRequest{
		Channel: cameraID, Transport: TCPPassive, SSRC: testSSRC,
		Edit: func(r *sipua.Request) {
			offered = r
			r.URI.User = nodeID // as srs-sip: the channel is in Subject only
			r.Body = append([]byte("v=0\r\n"), r.Body[5:]...)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	wantFaults(t, got.Faults, nil)
	if want := cameraID + ":0200000001," + platformID + ":0"; offered.Headers[0].Value != want {
		t.Errorf("Subject %q, want %q", offered.Headers[0].Value, want)
	}
	if y := line(offered.Body, "y="); y != "0200000001" {
		t.Errorf("y=%s, want 0200000001", y)
	}
	if m := line(offered.Body, "m=video "); !strings.HasSuffix(m, " TCP/RTP/AVP 96 97 98 99") {
		t.Errorf("m=video %s", m)
	}
	fake.wantSeen(t, "INVITE", "ACK", "BYE")
}

// TestPlayGivenUp wants a call that is answered after its play was given up to be ended by ACK and BYE.
func TestPlayGivenUp(t *testing.T) {
	n, fake := shore(t, "udp", func(n *fakeNode) { n.slow = 300 * time.Millisecond })
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := n.Play(ctx, PlayRequest{Channel: cameraID, Transport: UDP}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want the deadline", err)
	}
	fake.wantSeen(t, "INVITE", "ACK", "BYE")
}

func TestSenderReports(t *testing.T) {
	n, _ := shore(t, "udp", func(n *fakeNode) { n.sr = true })
	got, err := n.Play(testContext(t), PlayRequest{Channel: cameraID, Transport: UDP, Pictures: 50})
	if err != nil {
		t.Fatal(err)
	}
	if got.SenderReports != 1 {
		t.Errorf("%d sender reports, want 1", got.SenderReports)
	}
}

// TestByeForNoCall wants 481.
func TestByeForNoCall(t *testing.T) {
	_, fake := shore(t, "udp", nil)
	res, err := fake.ep.Do(testContext(t), fake.request("BYE"), fake.route)
	if err != nil || res.Code != 481 {
		t.Errorf("got %v, %v; want 481", res, err)
	}
}
