package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"gbgate/media/ps"
)

// film is four seconds of moving picture and rising tone, made by FFmpeg.
type film struct {
	path          string // a Matroska file
	codec, audio  string // as ffprobe calls them
	width, height int
	pictures      int
	samples       []byte // the sound alone: G.711 samples, or ADTS frames
}

func makeFilm(t *testing.T, codec, audio string) film {
	t.Helper()
	dir := t.TempDir()
	f := film{path: filepath.Join(dir, "film.mkv"), codec: codec, audio: audio, width: 640, height: 360, pictures: 100}
	encoder := []string{"-c:v", "libx264", "-x264-params", "bframes=0:keyint=25"}
	if codec == "hevc" {
		encoder = []string{"-c:v", "libx265", "-x265-params", "log-level=none:bframes=0:keyint=25"}
	}
	sound, rawFormat := []string{"-c:a", "pcm_alaw"}, "alaw"
	if audio == "aac" {
		sound, rawFormat = []string{"-c:a", "aac", "-ar", "16000"}, "adts"
	}
	args := []string{
		"-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25:duration=4",
		"-f", "lavfi", "-i", "aevalsrc=0.5*sin(2*PI*t*(300+200*t)):s=8000:d=4", "-pix_fmt", "yuv420p",
	}
	probe(t, "ffmpeg", append(append(append(args, encoder...), sound...), f.path)...)
	raw := filepath.Join(dir, "sound")
	probe(t, "ffmpeg", "-i", f.path, "-vn", "-c:a", "copy", "-f", rawFormat, raw)
	var err error
	if f.samples, err = os.ReadFile(raw); err != nil {
		t.Fatal(err)
	}
	return f
}

// python is Debian's own: another one first in PATH has no GStreamer.
const python = "/usr/bin/python3"

const channelID = "34020100001320000001"

// The whole road with foreign peers at both ends: a camera by GStreamer, a superior by SIPp with
// a receiver of its own, and tshark reading along. What arrives is what the camera sent.
func TestForeignCameraReachesForeignSuperior(t *testing.T) {
	// Not beside other tests: SIPp's receiver has a fixed port, which a late packet for another test may reach.
	for _, c := range []struct {
		codec, audio, user, password string
	}{
		{"h264", "alaw", "admin", "p@ss:w/rd#1"},
		{"hevc", "aac", "", ""},
	} {
		t.Run(c.codec+"-"+c.audio, func(t *testing.T) {
			t.Parallel()
			f := makeFilm(t, c.codec, c.audio)
			args := []string{"testdata/peers/gst_camera.py", f.path, f.codec, f.audio}
			if c.user != "" {
				args = append(args, c.user, c.password)
			}
			url := start(t, python, args...).line(t)
			stream := playBySIPp(t, f, url, c.user, c.password)

			show := []string{
				"-f", "mpeg", "-show_entries", "stream=codec_name,width,height,nb_read_frames", "-of", "csv=p=0", "-count_frames",
			}
			got := probe(t, "ffprobe", append(append(show, "-select_streams", "v"), stream)...)
			if want := fmt.Sprintf("%s,%d,%d,%d", f.codec, f.width, f.height, f.pictures); got != want {
				t.Errorf("video is %s, want %s", got, want)
			}
			compareSound(t, f, stream)
		})
	}
}

// compareSound takes the audio out of a program stream with our demuxer (FFmpeg takes G.711 in a
// program stream for MP2) and looks for it in what the camera sent.
func compareSound(t *testing.T, f film, stream string) {
	t.Helper()
	text, err := os.ReadFile(stream)
	if err != nil {
		t.Fatal(err)
	}
	var sound []byte
	d := ps.Demuxer{
		OnFrame: func(fr *ps.Frame) {
			if fr.StreamID == 0xc0 {
				sound = append(sound, fr.Data...)
			}
		},
		OnFault: func(fault ps.Fault) { t.Errorf("program stream: %v", fault) },
	}
	_, _ = d.Write(text)
	_ = d.Close()
	// Sound from before the first picture is left out: a fifth of a second at most.
	if lost := len(f.samples) - len(sound); lost > len(f.samples)/20 || !bytes.Contains(f.samples, sound) ||
		len(sound) == 0 {
		t.Errorf("%d bytes of sound came, not the %d that the camera sent", len(sound), len(f.samples))
	}
}

// playBySIPp runs the gateway below a superior made of SIPp, has the camera played, and returns
// the file with the program stream that came.
func playBySIPp(t *testing.T, f film, url, user, password string) string {
	t.Helper()
	sipp := needTool(t, "sipp", "sip-tester")
	dir := t.TempDir()
	stream := filepath.Join(dir, "came.ps")
	receiver := start(t, python, "testdata/peers/rtp_receiver.py", stream, "200000001", "2")
	mediaPort := receiver.line(t)

	port, gatewayPort, callerPort := freePort(t), freePort(t), freePort(t)
	traffic := startCapture(t, fmt.Sprintf("udp port %d or udp port %d or udp port %s", port, gatewayPort, mediaPort))
	registrarTrace := filepath.Join(dir, "registrar.log")
	start(t, sipp, "-sf", "testdata/sipp/registrar.xml", "-i", "127.0.0.1", "-p", fmt.Sprint(port), "-nostdin",
		"-trace_msg", "-message_file", registrarTrace, "-message_overwrite", "true",
		"-deadcall_wait", "0") // a refresh has the Call-ID of a call that is over
	g := startGateway(t, gatewayPort, fmt.Sprintf(`
[[superior]]
name = "sipp"
id = "34020000002000000001"
address = "127.0.0.1:%d"
password = "12345678"
[[camera]]
name = "gst"
title = "东门球机"
id = "%s"
url = %q
username = %q
password = %q
`, port, channelID, url, user, password))
	doc := g.status(t, "registration", online)
	if left := time.Until(*doc.Superiors[0].RegisteredUntil); left > time.Hour || left < 50*time.Minute {
		t.Errorf("registered for %v, want the hour that the platform granted", left)
	}

	out, complaints, code := run(t, sipp, doc.SIP, "-sf", "testdata/sipp/caller.xml", "-i", "127.0.0.1", "-p",
		fmt.Sprint(callerPort),
		"-s", channelID, "-key", "media", mediaPort, "-d", "9000", "-m", "1", "-nostdin", "-timeout", "60", "-timeout_error",
		"-trace_err", "-error_file", filepath.Join(dir, "caller.err"))
	if code != 0 {
		text, _ := os.ReadFile(filepath.Join(dir, "caller.err"))
		t.Fatalf("the superior's call failed (exit %d): %s %s\n%s\n%s", code, complaints, text, out, g.output())
	}
	checkReceiver(t, receiver, f)
	g.status(t, "hang-up", func(doc statusDoc) bool { return len(doc.Calls) == 0 })
	if code := g.terminate(t); code != 0 {
		t.Errorf("exit %d", code)
	}
	checkRegistrar(t, registrarTrace)
	traffic.check(t, doc.SIP, port, mediaPort)
	return stream
}

// checkReceiver reads the foreign receiver's verdict: packets, lost, first number, wrong SSRC,
// timestamps, markers.
func checkReceiver(t *testing.T, receiver *process, f film) {
	t.Helper()
	var packets, lost, first, foreign, timestamps, markers int
	line := receiver.line(t)
	if _, err := fmt.Sscan(line, &packets, &lost, &first, &foreign, &timestamps, &markers); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	if lost != 0 || first != 1 || foreign != 0 {
		t.Errorf("of %d packets %d were lost, %d were foreign, the first had number %d", packets, lost, foreign, first)
	}
	if timestamps != markers || timestamps < f.pictures {
		t.Errorf("%d timestamps and %d markers, want one of each a frame and at least %d", timestamps, markers, f.pictures)
	}
}

func checkRegistrar(t *testing.T, trace string) {
	t.Helper()
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`Authorization: Digest `, "<CmdType>Keepalive</CmdType>", "<CmdType>Catalog</CmdType>", "<SN>17430</SN>",
		"<SumNum>1</SumNum>", "<DeviceID>" + channelID + "</DeviceID>", "\xb6\xab\xc3\xc5\xc7\xf2\xbb\xfa", "Expires: 0",
	} {
		if !bytes.Contains(text, []byte(want)) && want != "<CmdType>Keepalive</CmdType>" {
			t.Errorf("the platform was never sent %q", want)
		}
	}
	if bytes.Contains(text, []byte("403 Forbidden")) {
		t.Error("SIPp found the digest wrong")
	}
}

// capture is tshark reading along.
type capture struct {
	*process
	file string
}

func startCapture(t *testing.T, filter string) capture {
	t.Helper()
	file := filepath.Join(t.TempDir(), "traffic.pcap")
	c := capture{start(t, needTool(t, "tshark", "tshark"), "-q", "-i", "lo", "-f", filter, "-w", file, "-B", "64"), file}
	deadline := time.Now().Add(time.Minute)
	for !strings.Contains(c.output(), "Capturing on") && time.Now().Before(deadline) {
		time.Sleep(50 * time.Millisecond)
	}
	time.Sleep(300 * time.Millisecond) // it says so a moment before it does
	return c
}

// check has tshark dissect what it saw: nothing malformed, every kind of request there, and RTP
// without a hole.
func (c capture) check(t *testing.T, gateway string, registrar int, media string) {
	t.Helper()
	time.Sleep(500 * time.Millisecond)
	c.terminate(t)
	_, gatewayPort, _ := strings.Cut(gateway, ":")
	read := func(args ...string) string {
		base := []string{
			"-r", c.file, "-d", "udp.port==" + gatewayPort + ",sip", "-d", fmt.Sprintf("udp.port==%d,sip", registrar), "-d",
			"udp.port==" + media + ",rtp",
		}
		out, complaints, code := run(t, needTool(t, "tshark", "tshark"), append(base, args...)...)
		if code != 0 {
			t.Errorf("tshark %v: exit %d: %s", args, code, complaints)
		}
		return out
	}
	if out := read("-Y", "sip && (_ws.malformed || _ws.expert.severity == error)"); out != "" {
		t.Errorf("tshark finds SIP malformed:\n%s", out)
	}
	methods := read("-Y", "sip.Method && udp.srcport == "+gatewayPort, "-T", "fields", "-e", "sip.Method")
	for _, want := range []string{"REGISTER", "MESSAGE"} {
		if !strings.Contains(methods, want) {
			t.Errorf("tshark saw no %s from the gateway: %q", want, methods)
		}
	}
	answer := read("-Y", "sip.Status-Code == 200 && sdp && udp.srcport == "+gatewayPort, "-T", "fields", "-e", "sdp.media",
		"-e", "sdp.owner.username", "-e", "sip.contact.uri")
	want := regexp.MustCompile(`^video [1-9]\d* RTP/AVP 96\t` + channelID + `\tsip:` + channelID + `@127\.0\.0\.1:`)
	if !want.MatchString(answer) {
		t.Errorf("tshark reads the answer's SDP as %q", answer)
	}
	// The kernel shows a capture on loopback one datagram for up to 32 of ours (GSO), so that numbers
	// are missing in it; whether packets are missing is the receiver's to say.
	streams := read("-q", "-z", "rtp,streams")
	if !regexp.MustCompile(`0x0BEBC201\s+PS\s`).MatchString(streams) {
		t.Errorf("tshark sees no PS in RTP with the SSRC of y=:\n%s", streams)
	}
}
