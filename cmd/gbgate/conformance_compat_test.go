package main

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"gbgate/cascade/rehearsal"
	"gbgate/gb28181"
	"gbgate/gb28181/manscdp"
	"gbgate/gb28181/sdp"
	"gbgate/rtsp/simcam"
)

// The switches of [superior.compat] as the file gives them to the program, each away from its default.

// played is the answer to a call that must succeed.
func (r *rig) played(t *testing.T, what string, req rehearsal.PlayRequest) *sdp.Session {
	t.Helper()
	req.Channel = channelID
	if req.Transport == "" {
		req.Transport = rehearsal.UDP
	}
	if req.Pictures == 0 {
		req.Pictures = 5
	}
	res, err := r.node.Play(soon(t, 20*time.Second), req)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	answer, err := sdp.Parse([]byte(res.AnswerSDP))
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	return answer
}

func TestCompatOfCalls(t *testing.T) {
	t.Parallel()
	const low, high = 19000, 19009
	r := live(t, setup{
		superior: fmt.Sprintf("media_ports = \"%d-%d\"\n", low, high),
		compat: "ack_required = true\nack_timeout = \"3s\"\nssrc_mode = \"own\"\nreject_port = 9\n" +
			"max_sessions_per_channel = 1\n",
	})
	audio := replace(t, "\r\nf=", "\r\nm=audio 30002 RTP/AVP 8\r\na=recvonly\r\ny=0200000001\r\nf=")
	answer := r.played(t, "own SSRC", rehearsal.PlayRequest{NoSSRC: true, Edit: audio}) // the receiver bears any
	if answer.SSRC == "0200000001" || !strings.HasPrefix(answer.SSRC, "020100") {
		t.Errorf("ssrc_mode: y=%s, want one of our domain", answer.SSRC)
	}
	if port := answer.Media[0].Port; port < low || port > high {
		t.Errorf("media_ports: media come from port %d", port)
	}
	if len(answer.Media) != 2 || answer.Media[1].Port != 9 {
		t.Errorf("reject_port: %+v", answer.Media)
	}
	res, err := r.node.Play(soon(t, 30*time.Second), rehearsal.PlayRequest{
		Channel: channelID, Transport: rehearsal.UDP, Pictures: 5, NoACK: true, NoSSRC: true,
	})
	if err == nil || res.Pictures > 0 {
		t.Errorf("ack_required: %d pictures without an ACK, %v", res.Pictures, err)
	}

	first := make(chan error, 1)
	go func() {
		_, err := r.node.Play(t.Context(), rehearsal.PlayRequest{
			Channel: channelID, Transport: rehearsal.UDP, Pictures: 100, NoSSRC: true,
		})
		first <- err
	}()
	r.gateway.status(t, "a call", func(doc statusDoc) bool { return len(doc.Calls) == 1 })
	_, err = r.node.Play(soon(t, 15*time.Second), rehearsal.PlayRequest{Channel: channelID, Transport: rehearsal.UDP})
	if code, _ := gb28181.StatusOf(err); err == nil || code != 486 {
		t.Errorf("max_sessions_per_channel: %v, want 486", err)
	}
	if err := <-first; err != nil {
		t.Error(err)
	}
}

func TestCompatSSRCFromSubject(t *testing.T) {
	t.Parallel()
	for _, on := range []bool{true, false} {
		t.Run(strconv.FormatBool(on), func(t *testing.T) {
			t.Parallel()
			r := live(t, setup{compat: fmt.Sprintf("ssrc_from_subject = %v\n", on)})
			answer := r.played(t, "no y=", rehearsal.PlayRequest{
				NoSSRC: true, Edit: subject(channelID + ":0200000007," + demoPlatform + ":0"),
			})
			if (answer.SSRC == "0200000007") != on {
				t.Errorf("y=%s", answer.SSRC)
			}
		})
	}
}

// A platform whose connection breaks finds its pictures again when offline_media_grace says so.
func TestCompatOfflineMediaGrace(t *testing.T) {
	t.Parallel()
	for grace, ends := range map[string]bool{"0s": true, "30s": false} {
		t.Run(grace, func(t *testing.T) {
			t.Parallel()
			r := live(t, setup{transport: "tcp", compat: "offline_media_grace = \"" + grace + "\"\n"})
			done := make(chan error, 1)
			go func() {
				res, err := r.node.Play(soon(t, 20*time.Second), rehearsal.PlayRequest{
					Channel: channelID, Transport: rehearsal.UDP, Pictures: 150,
				})
				if err == nil && res.LostPackets > 0 {
					err = fmt.Errorf("%d packets lost", res.LostPackets)
				}
				done <- err
			}()
			r.gateway.status(t, "a call", func(doc statusDoc) bool { return len(doc.Calls) == 1 && doc.Calls[0].Packets > 0 })
			if err := r.node.DropConnection(); err != nil {
				t.Fatal(err)
			}
			if err := r.node.WaitState(soon(t, 20*time.Second), func(s rehearsal.NodeState) bool {
				return s.Registrations == 2
			}); err != nil {
				t.Fatal(err)
			}
			if ends {
				r.gateway.status(t, "end of the call", func(doc statusDoc) bool { return len(doc.Calls) == 0 })
				return
			}
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// The platform's clock is 90 minutes ahead: with time_sync it reads its own time.
func TestCompatTimeSync(t *testing.T) {
	t.Parallel()
	const ahead = 90 * time.Minute
	for mode, want := range map[string]time.Duration{"off": 0, "offset": ahead} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, setup{
				compat: "time_sync = \"" + mode + "\"\n",
				platform: rehearsal.Config{Date: func(now time.Time) string {
					return now.Add(ahead).In(gb28181.Zone()).Format("2006-01-02T15:04:05.000")
				}},
			})
			r.gateway.status(t, "registration", online)
			status, err := r.node.DeviceStatus(t.Context(), "")
			if err != nil || status.Time.Sub(time.Now().Add(want)).Abs() > time.Minute {
				t.Errorf("DeviceTime %v, %v", status, err)
			}
		})
	}
}

// Settings that a platform may not change, where snapshots may go, and how the answer calls them.
func TestCompatOfSettings(t *testing.T) {
	t.Parallel()
	cam := startCamera(t, simcam.Config{})
	device, _ := startDevice(t, simcam.ONVIFConfig{StreamURL: cam.URL()})
	uploads, err := rehearsal.ListenUploads("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	background(t, uploads.Run)
	camera := strings.Replace(cameraTOML("dome", channelID, "", "", ""), `url = ""`, `onvif = "`+device.URL()+`"`, 1)
	report := manscdp.Settings{AlarmReport: &manscdp.AlarmReport{MotionDetection: new(int)}}
	basic := manscdp.Settings{BasicParam: &manscdp.BasicParam{HeartBeatInterval: 30}}
	for _, c := range []struct {
		name, compat            string
		basic, report, snapshot string // Result
		tag                     string
	}{
		{"default", "", "OK", "OK", "OK", "<SnapShotConfig>"},
		{"nothing", "allow_device_config = []\n", "ERROR", "ERROR", "ERROR", ""},
		{"one", "allow_device_config = [\"AlarmReport\"]\n", "ERROR", "OK", "ERROR", ""},
		{"uploads to nobody", "snapshot_upload_allow = []\n", "OK", "OK", "ERROR", ""},
		{"uploads elsewhere", "snapshot_upload_allow = [\"192.0.2.0/24\"]\n", "OK", "OK", "ERROR", ""},
		{
			"other tag, other network", "snapshot_answer_tag = \"SnapShot\"\nsnapshot_upload_allow = [\"127.0.0.0/8\"]\n",
			"OK", "OK", "OK", "<SnapShot>",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, setup{compat: c.compat, rest: camera})
			result := func(id string, s manscdp.Settings) string {
				t.Helper()
				res, err := r.node.DeviceConfig(t.Context(), id, s)
				if err != nil {
					t.Fatal(err)
				}
				return res.Result
			}
			shot := manscdp.Settings{SnapShotConfig: &manscdp.SnapShotConfig{
				SnapNum: 1, Interval: 1, UploadURL: uploads.URL(), SessionID: strings.Repeat("5", 32),
			}}
			got := [3]string{result("", basic), result(channelID, report), result(channelID, shot)}
			if want := [3]string{c.basic, c.report, c.snapshot}; got != want {
				t.Errorf("BasicParam, AlarmReport, SnapShotConfig are answered %q, want %q", got, want)
			}
			res, err := r.node.ConfigDownload(t.Context(), channelID, "SnapShotConfig")
			if err != nil || (res.Result == "OK") != (c.tag != "") {
				t.Errorf("ConfigDownload: %+v, %v", res, err)
			}
			if c.tag != "" && len(r.tape.in("<CmdType>ConfigDownload</CmdType>", c.tag)) == 0 {
				t.Errorf("no ConfigDownload answer with %s", c.tag)
			}
		})
	}
}

// A camera with two streams: the offer chooses, else default_stream does.
func TestCompatOfStreams(t *testing.T) {
	t.Parallel()
	main, sub := startCamera(t, simcam.Config{Clip: simcam.H265AAC}), startCamera(t, simcam.Config{})
	camera := cameraTOML("gate", channelID, main.URL(), "", "") + fmt.Sprintf("sub_url = %q\n", sub.URL())
	r := newRig(t, setup{compat: "default_stream = \"sub\"\n", rest: camera})
	for number, want := range map[string]string{"": "H.264", "a=streamnumber:0\r\n": "H.265"} {
		res, err := r.node.Play(soon(t, 20*time.Second), rehearsal.PlayRequest{
			Channel: channelID, Transport: rehearsal.UDP, Pictures: 5,
			Edit: replace(t, "a=recvonly\r\n", "a=recvonly\r\n"+number),
		})
		if err != nil || res.Codec != want {
			t.Errorf("%q: %s is sent, want %s (%v)", number, res.Codec, want, err)
		}
	}
}
