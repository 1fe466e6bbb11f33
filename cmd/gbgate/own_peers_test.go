package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gbgate/cascade/rehearsal"
	"gbgate/gb28181"
	"gbgate/gb28181/sipua"
	"gbgate/media/ps"
	"gbgate/rtsp/simcam"
)

// The real program between our own simulated cameras and rehearsal platform.

// background runs f until the test ends and waits for it.
func background(t *testing.T, f func(context.Context) error) {
	t.Helper()
	_ = running(t, f)
}

func startPlatform(t *testing.T, cfg rehearsal.Config) *rehearsal.Platform {
	t.Helper()
	cfg.ID = demoPlatform
	p, err := rehearsal.Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	background(t, p.Run)
	return p
}

func startCamera(t *testing.T, cfg simcam.Config) *simcam.Camera {
	t.Helper()
	c, err := simcam.Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	background(t, c.Run)
	return c
}

func superiorTOML(p *rehearsal.Platform, password, transport string) string {
	return fmt.Sprintf("[[superior]]\nname = \"above\"\nid = %q\naddress = %q\npassword = %q\ntransport = %q\n",
		demoPlatform, p.Addr(), password, transport)
}

func cameraTOML(name, id, url, user, password string) string {
	return fmt.Sprintf("[[camera]]\nname = %q\nid = %q\nurl = %q\nusername = %q\npassword = %q\n", name, id, url, user,
		password)
}

func node(t *testing.T, p *rehearsal.Platform) *rehearsal.Node {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	n, err := p.WaitNode(ctx, demoNode)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestDemoOnceAsJSON(t *testing.T) {
	t.Parallel()
	out, complaints, code := run(t, program(t), "demo", "--once", "--json")
	var doc demoDoc
	if err := json.Unmarshal([]byte(out), &doc); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if code != exitGood || complaints != "" || doc.Verdict != good || len(doc.Plays) != 6 || len(doc.Cameras) != 2 ||
		len(doc.Superiors) != 1 {
		t.Errorf("exit %d, %q\n%s", code, complaints, out)
	}
	for _, p := range doc.Plays {
		if p.Verdict != good || p.Pictures == 0 || p.FirstPicture < p.FirstPacket || p.LostPackets != 0 {
			t.Errorf("%+v", p)
		}
	}
}

// Every clip over every transport, SIP over UDP and TCP: FFmpeg decodes what was saved and counts
// every picture; the sound is the clip's, sample by sample.
func TestEveryTransportIsDecodedByFFmpeg(t *testing.T) {
	t.Parallel()
	for _, sip := range []string{"udp", "tcp"} {
		for _, name := range []string{simcam.H264PCMA, simcam.H265AAC} {
			t.Run(sip+"/"+name, func(t *testing.T) {
				t.Parallel()
				cam := startCamera(t, simcam.Config{Clip: name, Username: "admin", Password: "p@ss:w/rd#1"})
				platform := startPlatform(t, rehearsal.Config{Password: "12345678", Algorithm: "SHA-256", QOP: true})
				g := startGateway(t, 0, superiorTOML(platform, "12345678", sip)+
					cameraTOML("gate", channelID, cam.URL(), "admin", "p@ss:w/rd#1"))
				n := node(t, platform)
				for _, transport := range []string{"udp", "tcp-passive", "tcp-active"} {
					playAndDecode(t, n, transport, cam.Clip())
				}
				if got := cam.Opened(); got != 1 {
					t.Errorf("the camera was opened %d times for three viewers, one after the other", got)
				}
				if code := g.terminate(t); code != exitGood {
					t.Errorf("exit %d", code)
				}
			})
		}
	}
}

func playAndDecode(t *testing.T, n *rehearsal.Node, transport string, clip *simcam.Clip) {
	t.Helper()
	file := filepath.Join(t.TempDir(), transport+".ps")
	var stream bytes.Buffer
	r, err := n.Play(t.Context(), rehearsal.PlayRequest{
		Channel: channelID, Transport: transport, Pictures: 75, Save: &stream,
	})
	if err != nil {
		t.Fatalf("%s: %v", transport, err)
	}
	if len(r.Faults) > 0 || r.LostPackets > 0 {
		t.Errorf("%s: %d packets lost, faults %q", transport, r.LostPackets, r.Faults)
	}
	if err := os.WriteFile(file, stream.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	got := probe(t, "ffprobe", "-f", "mpeg", "-count_frames", "-select_streams", "v",
		"-show_entries", "stream=codec_name,width,height,nb_read_frames", "-of", "csv=p=0", file)
	codec := map[string]string{simcam.H264PCMA: "h264", simcam.H265AAC: "hevc"}[clip.Name]
	if want := fmt.Sprintf("%s,%d,%d,%d", codec, clip.Video.Width, clip.Video.Height, r.Pictures); got != want {
		t.Errorf("%s: FFmpeg sees %s, want %s", transport, got, want)
	}
	probe(t, "ffmpeg", "-f", "mpeg", "-i", file, "-map", "0:v", "-f", "null", "-")
	if clip.Name == simcam.H265AAC {
		probe(t, "ffmpeg", "-f", "mpeg", "-i", file, "-map", "0:a", "-f", "null", "-")
	}
	var sound, loop []byte
	d := ps.Demuxer{
		OnFrame: func(f *ps.Frame) {
			if !f.IsVideo() {
				sound = append(sound, f.Data...)
			}
		},
		OnFault: func(f ps.Fault) { t.Errorf("%s: %v", transport, f) },
	}
	_, _ = d.Write(stream.Bytes())
	_ = d.Close()
	for range 3 {
		for _, f := range clip.Frames {
			loop = append(loop, f...)
		}
	}
	if len(sound) == 0 || !bytes.Contains(loop, sound) {
		t.Errorf("%s: %d bytes of sound came that are not the clip's", transport, len(sound))
	}
}

func TestOneCameraSessionForAllViewers(t *testing.T) {
	t.Parallel()
	cam := startCamera(t, simcam.Config{})
	platform := startPlatform(t, rehearsal.Config{})
	g := startGateway(t, 0, superiorTOML(platform, "", "udp")+"compat.max_sessions_per_channel = 0\n"+
		cameraTOML("gate", channelID, cam.URL(), "", ""))
	n := node(t, platform)
	results := make(chan error, 9)
	for i := range cap(results) {
		transport := []string{"udp", "tcp-passive", "tcp-active"}[i%3]
		go func() {
			r, err := n.Play(t.Context(), rehearsal.PlayRequest{Channel: channelID, Transport: transport, Pictures: 60})
			if err == nil && (len(r.Faults) > 0 || r.LostPackets > 0) {
				err = fmt.Errorf("%s: lost %d, %q", transport, r.LostPackets, r.Faults)
			}
			results <- err
		}()
	}
	g.status(t, "nine calls", func(doc statusDoc) bool { return len(doc.Calls) == 9 && doc.Cameras[0].Viewers == 9 })
	if got := cam.Sessions(); got != 1 {
		t.Errorf("%d sessions at the camera for nine viewers", got)
	}
	for range cap(results) {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	g.status(t, "end of the calls", func(doc statusDoc) bool { return len(doc.Calls) == 0 && doc.Cameras[0].Viewers == 0 })
}

// What is wrong from any side gives a code and a plain line, and costs only its own call.
func TestBadInputCostsOnlyItsOwnCall(t *testing.T) {
	t.Parallel()
	cam := startCamera(t, simcam.Config{Username: "admin", Password: "right"})
	platform := startPlatform(t, rehearsal.Config{Password: "12345678"})
	const wrong, off = "34020100001320000002", "34020100001320000003"
	const garbage, unknown = "34020100001320000004", "34020100001320000099"
	g := startGateway(t, 0, superiorTOML(platform, "12345678", "udp")+
		cameraTOML("good", channelID, cam.URL(), "admin", "right")+
		cameraTOML("wrong", wrong, cam.URL(), "admin", "wrong")+
		cameraTOML("off", off, fmt.Sprintf("rtsp://127.0.0.1:%d/live", freePort(t)), "", "")+
		cameraTOML("garbage", garbage, "rtsp://"+noiseServer(t)+"/live", "", ""))
	n := node(t, platform)
	doc := g.status(t, "registration", online)

	steady := make(chan error, 1)
	go func() {
		r, err := n.Play(t.Context(), rehearsal.PlayRequest{Channel: channelID, Transport: "udp", Pictures: 150})
		if err == nil && (len(r.Faults) > 0 || r.LostPackets > 0) {
			err = fmt.Errorf("lost %d, %q", r.LostPackets, r.Faults)
		}
		steady <- err
	}()
	sendNoise(t, doc.SIP)

	replace := func(from, to string) func(*sipua.Request) {
		return func(r *sipua.Request) { r.Body = []byte(strings.Replace(string(r.Body), from, to, 1)) }
	}
	for _, c := range []struct {
		name, channel string
		edit          func(*sipua.Request)
		code          int
		says          string
	}{
		{"unknown channel", unknown, nil, 404, "no such channel"},
		{"camera with another password", wrong, nil, 480, "password refused"},
		{"camera that is off", off, nil, 480, "refused"},
		{"camera that speaks no RTSP", garbage, nil, 480, ""},
		{"no PS in the offer", channelID, replace("PS/90000", "MPEG4/90000"), 488, ""},
		{"no media in the offer", channelID, replace("m=video", "x=video"), 400, ""},
		{"playback", channelID, replace("s=Play", "s=Playback"), 400, "no time to play from"},
		{"empty offer", channelID, func(r *sipua.Request) { r.Body = []byte("garbage") }, 400, ""},
	} {
		_, err := n.Play(t.Context(), rehearsal.PlayRequest{Channel: c.channel, Transport: "udp", Edit: c.edit})
		code, reason := gb28181.StatusOf(err)
		if err == nil || code != c.code || !strings.Contains(strings.ToLower(reason), c.says) {
			t.Errorf("%s: got %d %q (%v), want %d with %q", c.name, code, reason, err, c.code, c.says)
		}
	}
	if err := <-steady; err != nil {
		t.Errorf("the call beside: %v", err)
	}
	doc = g.status(t, "verdict on the cameras", func(doc statusDoc) bool {
		return doc.Cameras[1].Status == "OFF" && doc.Cameras[2].Status == "OFF" && doc.Cameras[3].Status == "OFF"
	})
	for i, says := range []string{"", "password refused", "refused", ""} {
		if c := doc.Cameras[i]; !strings.Contains(strings.ToLower(c.Reason), says) || (i == 0) != (c.Verdict == good) {
			t.Errorf("status of camera %s: %+v, want a reason with %q", c.Name, c, says)
		}
	}
	if code := g.terminate(t); code != exitGood {
		t.Errorf("exit %d", code)
	}
}

// noiseServer answers every connection with bytes that are nothing.
func noiseServer(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				noise := bytes.Repeat([]byte("\x00\xff$\x07garbage RTSP/1.0 999999\r\n"), 4000)
				for range 1000 {
					if _, err := conn.Write(noise); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

func sendNoise(t *testing.T, sip string) {
	t.Helper()
	for _, network := range []string{"udp", "tcp"} {
		conn, err := net.Dial(network, sip)
		if err != nil {
			t.Fatal(err)
		}
		for _, junk := range []string{
			"\r\n\r\n", "\x00\x01\x02\x03", "INVITE\r\n\r\n", "SIP/2.0 200\r\nContent-Length: -1\r\n\r\n",
			"MESSAGE sip:x SIP/2.0\r\nVia: \r\nContent-Length: 99999999999\r\n\r\n", strings.Repeat("A", 30000),
		} {
			_, _ = conn.Write([]byte(junk)) // over TCP the gateway hangs up at some point
		}
		conn.Close()
	}
}

func TestWrongPasswordUpward(t *testing.T) {
	t.Parallel()
	registers := make(chan struct{}, 1000)
	platform := startPlatform(t, rehearsal.Config{
		Password: "right",
		Trace: func(e sipua.Event) {
			if strings.HasPrefix(e.Raw, "REGISTER ") {
				registers <- struct{}{}
			}
		},
	})
	g := startGateway(t, 0, superiorTOML(platform, "wrong", "udp"))
	doc := g.status(t, "refusal", func(doc statusDoc) bool { return doc.Superiors[0].State == "backoff" })
	if s := doc.Superiors[0]; !strings.Contains(s.Reason, "password") || s.Verdict != bad {
		t.Errorf("status says %+v", s)
	}
	time.Sleep(3 * time.Second)
	if n := len(registers); n > 2 {
		t.Errorf("%d REGISTERs with a wrong password in 3 s: that gets a box locked out", n)
	}
	out, _, code := run(t, program(t), "status", "-c", g.config)
	if code != exitBad || !strings.Contains(out, "password") {
		t.Errorf("status for people, exit %d:\n%s", code, out)
	}
	if code := g.terminate(t); code != exitGood {
		t.Errorf("exit %d", code)
	}
}

func TestWrongUsage(t *testing.T) {
	t.Parallel()
	bad := filepath.Join(t.TempDir(), "bad.toml")
	if err := os.WriteFile(bad, []byte("[gateway]\nid = \"1\"\nsip_lisen = \"\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		says []string
	}{
		{nil, exitUsage, []string{"usage:"}},
		{[]string{"help"}, exitGood, nil},
		{[]string{"nonsense"}, exitUsage, []string{`no command "nonsense"`}},
		{[]string{"run", "-c", "/nowhere.toml"}, exitUsage, []string{"/nowhere.toml: no such file"}},
		{[]string{"run", "-c", bad}, exitUsage, []string{
			"bad.toml:2: gateway.id:", "bad.toml:3: gateway.sip_lisen: unknown key; was sip_listen meant?",
		}},
		{[]string{"run", "extra"}, exitUsage, []string{`what is "extra"?`}},
		{[]string{"check", "-c", bad}, exitUsage, []string{"gateway.id"}},
		{[]string{"status", "-c", bad}, exitUsage, []string{"gateway.id"}},
		{[]string{"version"}, exitGood, nil},
	} {
		out, complaints, code := run(t, program(t), c.args...)
		if code != c.code {
			t.Errorf("%v: exit %d, want %d: %s%s", c.args, code, c.code, out, complaints)
		}
		for _, want := range c.says {
			if !strings.Contains(complaints, want) {
				t.Errorf("%v says %q, want %q", c.args, complaints, want)
			}
		}
	}
}

func TestHealthzAnswers(t *testing.T) {
	t.Parallel()
	cam := startCamera(t, simcam.Config{})
	platform := startPlatform(t, rehearsal.Config{})
	g := startGateway(t, 0, superiorTOML(platform, "", "udp")+cameraTOML("gate", channelID, cam.URL(), "", ""))
	g.status(t, "registration", online)
	out, complaints, code := run(t, program(t), "check", "--json", "-c", g.config)
	var doc checkDoc
	if err := json.Unmarshal([]byte(out), &doc); err != nil || code != exitGood || doc.Cameras[0].Codec != "H.264" {
		t.Errorf("check: exit %d %v %s%s", code, err, out, complaints)
	}
	table, _, code := run(t, program(t), "status", "-c", g.config)
	if code != exitGood || !strings.Contains(table, "online") || !strings.Contains(table, "gate") {
		t.Errorf("status: exit %d\n%s", code, table)
	}
}
