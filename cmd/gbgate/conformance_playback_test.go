package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"gbgate/cascade/rehearsal"
	"gbgate/cascade/rehearsal/relay"
	"gbgate/gb28181"
	"gbgate/gb28181/sdp"
	"gbgate/rtsp/simcam"
)

// Line 9 of the list: playback and download.

func TestLine9(t *testing.T) {
	t.Parallel()
	segment := recordSegment(t, simcam.H264PCMA)
	from := time.Now().Truncate(time.Hour).Add(-archiveLength - time.Hour)
	both := func(f func(*testing.T, string, time.Time)) func(*testing.T) {
		return func(t *testing.T) { f(t, segment, from) }
	}
	together(t, map[string]func(*testing.T){
		"chapter over UDP": both(func(t *testing.T, segment string, from time.Time) {
			line9Chapter(t, segment, from, rehearsal.UDP, "udp", "")
		}),
		"chapter over TCP passive": both(func(t *testing.T, segment string, from time.Time) {
			line9Chapter(t, segment, from, rehearsal.TCPPassive, "tcp", "")
		}),
		"chapter over TCP active": both(func(t *testing.T, segment string, from time.Time) {
			line9Chapter(t, segment, from, rehearsal.TCPActive, "udp", "scale_pts = \"wall\"\n")
		}),
		"chapter of a recorder": both(line9Recorder),

		"list":     both(line9List),
		"576 rows": both(line9ManyRows),
		"wire":     both(line9Wire),
		"moved":    both(line9Moved),
		"at once":  both(line9AtOnce),
		"SIPp":     both(line9SIPp),
		"channel":  both(line9FromChannel),
		"download": both(line9Download),
	})
}

// The rehearsal's chapter "recordings" is green.
func line9Chapter(t *testing.T, segment string, from time.Time, transport, sip, compat string) {
	r := storedRig(t, segment, from, setup{transport: sip, compat: compat})
	goThrough(t, r, rehearsal.RecordingsRequest{
		Channel: channelID, From: from, To: from.Add(archiveLength), Transport: transport, WallTimes: compat != "",
	})
}

// goThrough wants the chapter to be green and nothing to be left of its calls.
func goThrough(t *testing.T, r *rig, req rehearsal.RecordingsRequest) {
	t.Helper()
	for _, c := range r.node.RehearseRecordings(soon(t, 3*time.Minute), req) {
		t.Logf("%s: %s", c.Name, c.Figure)
		if c.Reason != "" {
			t.Errorf("%s: %s", c.Name, c.Reason)
		}
	}
	r.gateway.status(t, "end of all calls", func(doc statusDoc) bool { return len(doc.Calls) == 0 })
}

// What lives in the camera's recorder is played just so.
func line9Recorder(t *testing.T, _ string, from time.Time) {
	_, d := startRecorder(t, [][2]time.Time{{from, from.Add(2 * time.Hour)}}, simcam.ArchiveQuirks{})
	camera := onvifTOML("dome", channelID, d.URL(), "admin", "p@ss:w/rd#1")
	r := newRig(t, setup{rest: camera + "replay = \"onvif\"\n"})
	goThrough(t, r, rehearsal.RecordingsRequest{
		Channel: channelID, From: from, To: from.Add(archiveLength), Transport: rehearsal.UDP,
	})
}

// RecordInfo tells the hours, without the hole, each once, and filters by type.
func line9List(t *testing.T, segment string, from time.Time) {
	r := storedRig(t, segment, from, setup{})
	for _, c := range []struct {
		kind     string
		from, to time.Duration
		want     int
	}{
		{"all", 0, archiveLength, 46},
		{"", 0, archiveLength, 46},
		{"time", 0, archiveLength, 45},
		{"alarm", 0, archiveLength, 1},
		{"manual", 0, archiveLength, 0},
		{"all", 10 * time.Hour, 12 * time.Hour, 0},
		{"all", 12*time.Hour + 10*time.Minute, 12*time.Hour + 11*time.Minute, 1},
	} {
		res, err := r.node.RecordInfo(soon(t, 30*time.Second), channelID, from.Add(c.from), from.Add(c.to), c.kind)
		if err != nil {
			t.Fatal(err)
		}
		noFaults(t, c.kind, res.Faults)
		if res.SumNum != c.want || len(res.Items) != c.want {
			t.Errorf("%s in %v–%v: %d recordings, want %d", c.kind, c.from, c.to, res.SumNum, c.want)
		}
		for _, it := range res.Items {
			if !it.Start.Equal(it.Start.Truncate(time.Hour)) || it.End.Sub(it.Start) != time.Hour {
				t.Errorf("%s: from %v to %v, want a whole hour", c.kind, it.Start, it.End)
			}
		}
		t.Logf("%s: %d recordings in %d messages, the first after %v, all after %v", c.kind, res.SumNum, res.Parts,
			res.FirstPart, res.Whole)
	}
}

// More rows than fit into a few messages come whole, over UDP and TCP.
func line9ManyRows(t *testing.T, segment string, from time.Time) {
	overBoth(t, func(t *testing.T, transport string) {
		r := newRig(t, setup{transport: transport, rest: cameraTOML("gate", channelID, "rtsp://127.0.0.1:1/0", "", "") +
			fmt.Sprintf("[recording]\ndir = %q\nmax_days = 0\n", archiveOf(t, segment, from, mixed()))})
		res, err := r.node.RecordInfo(soon(t, time.Minute), channelID, from, from.Add(archiveLength), "all")
		if err != nil {
			t.Fatal(err)
		}
		noFaults(t, transport, res.Faults)
		if want := int(archiveLength / segmentLength); res.SumNum != want || len(res.Items) != want {
			t.Errorf("%d rows, SumNum %d, want %d", len(res.Items), res.SumNum, want)
		}
		t.Logf("%d rows in %d messages, the first after %v, all after %v", res.SumNum, res.Parts, res.FirstPart, res.Whole)
	})
}

// What INFO may look like, and what it is answered; who hangs up in the end, and how the end is told.
func line9Wire(t *testing.T, segment string, from time.Time) {
	r := storedRig(t, segment, from, setup{compat: "mansrtsp_reply_body = true\npause_keepalive = true\n"})
	ctx := soon(t, 2*time.Minute)
	var saved bytes.Buffer
	p, err := r.node.OpenPlayback(ctx, rehearsal.PlayRequest{
		Channel: channelID, Transport: rehearsal.UDP, Kind: sdp.Playback, Start: from, Stop: from.Add(20 * time.Second),
		Save: &saved,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, contentType, body string
		code                    int
		reply                   string // holds this
	}{
		{
			"WVP's speed", "Application/MANSRTSP", "PLAY RTSP/1.0\r\nCSeq: 5\r\nScale: 2.000000\r\n", 200,
			"RTSP/1.0 200 OK\r\nCSeq: 5\r\nScale: 2.0\r\n",
		},
		{
			"gb-cms' content type", "application/RTSP", "PLAY RTSP/1.0\r\nCSeq: 6\r\nScale: 1.0\r\n\r\n", 200, "\r\nCSeq: 6\r\n",
		},
		{"of 2011", "Application/MANSRTSP", "PLAY MANSRTSP/1.0\nCSeq: 7\nScale: 1\n\n", 200, "MANSRTSP/1.0 200 OK\r\n"},
		{
			"srs-sip's resume", "Application/MANSRTSP", "PLAY RTSP/1.0\r\nCSeq: 0\r\nRange: npt=now\r\n\r\n", 200,
			"\r\nCSeq: 0\r\n",
		},
		{"a clock", "Application/MANSRTSP", "PLAY RTSP/1.0\r\nCSeq: 8\r\nRange: clock=20260131T000000Z-\r\n\r\n", 400, ""},
		{"no control", "Application/MANSRTSP", "DESCRIBE RTSP/1.0\r\nCSeq: 9\r\n\r\n", 400, ""},
		{"nothing", "Application/MANSRTSP", "", 400, ""},
		{"a pause", "Application/MANSRTSP", "PAUSE RTSP/1.0\r\nCSeq: 10\r\nPauseTime: now\r\n\r\n", 200, "\r\nCSeq: 10\r\n"},
		{
			"a seek in a pause", "Application/MANSRTSP", "PLAY RTSP/1.0\r\nCSeq: 11\r\nRange: npt=18-\r\n\r\n", 200,
			"Range: npt=18-\r\n",
		},
	} {
		reply, err := p.Tell(ctx, c.contentType, c.body)
		if code, _ := gb28181.StatusOf(err); code != c.code || !strings.Contains(reply, c.reply) {
			t.Errorf("%s: %d %q (%v), want %d and %q", c.name, code, reply, err, c.code, c.reply)
		}
	}
	if err := p.Finished(ctx); err != nil {
		t.Fatal(err)
	}
	invite := r.tape.pick(true, []string{"INVITE sip:", "s=Playback"})
	status := r.tape.in("<NotifyType>121</NotifyType>")
	if len(invite) != 1 || len(status) != 1 {
		t.Fatalf("%d INVITEs, %d MediaStatus", len(invite), len(status))
	}
	ok := r.tape.in("SIP/2.0 200", "CSeq: "+header(invite[0].Raw, "CSeq"), "s=Playback")
	if len(ok) == 0 {
		t.Fatal("no 200 with s=Playback")
	}
	same := func(name, a, b string) {
		t.Helper()
		if a != b {
			t.Errorf("%s: %q, want %q", name, a, b)
		}
	}
	tag := func(v string) string { _, after, _ := strings.Cut(v, ";tag="); return after }
	same("Call-ID of MediaStatus", header(status[0].Raw, "Call-ID"), header(invite[0].Raw, "Call-ID"))
	same("its From-tag", tag(header(status[0].Raw, "From")), tag(header(ok[0].Raw, "To")))
	same("its To-tag", tag(header(status[0].Raw, "To")), tag(header(invite[0].Raw, "From")))
	if !strings.Contains(header(status[0].Raw, "From"), "sip:"+demoNode+"@") {
		t.Errorf("its From is %s, want the node's", header(status[0].Raw, "From"))
	}
	if !strings.Contains(status[0].Raw, "<DeviceID>"+channelID+"</DeviceID>") {
		t.Error("it does not name the channel")
	}
	// Nobody hangs up here: the node does, ten seconds later.
	select {
	case <-p.HungUp():
	case <-ctx.Done():
		t.Fatal("the node does not hang up after the end")
	}
	res, err := p.Close(ctx)
	if err != nil {
		t.Fatal(err)
	}
	noFaults(t, "the stream", res.Faults)
	continuous(t, saved.Bytes(), res.Pictures)
	// A call that is over is unknown.
	if _, err := p.Tell(ctx, "Application/MANSRTSP", "PLAY RTSP/1.0\r\nCSeq: 12\r\n\r\n"); err == nil {
		t.Error("an INFO of a call that is over is accepted")
	} else if code, _ := gb28181.StatusOf(err); code != 481 {
		t.Errorf("an INFO of a call that is over: %v, want 481", err)
	}
}

// A second INVITE that holds or moves a playback does not begin it anew.
func line9Moved(t *testing.T, segment string, from time.Time) {
	r := storedRig(t, segment, from, setup{})
	ctx := soon(t, time.Minute)
	p, err := r.node.OpenPlayback(ctx, rehearsal.PlayRequest{
		Channel: channelID, Transport: rehearsal.UDP, Kind: sdp.Playback, Start: from, Stop: from.Add(5 * time.Second),
	})
	if err != nil {
		t.Fatal(err)
	}
	pictures := func(n int) {
		t.Helper()
		if _, err := p.Await(ctx, func(now rehearsal.Progress) bool { return now.Pictures >= n }); err != nil {
			t.Fatal(err)
		}
	}
	pictures(20)
	if err := p.Hold(ctx); err != nil {
		t.Fatal(err)
	}
	pictures(60)
	if err := p.Move(ctx); err != nil {
		t.Fatal(err)
	}
	pictures(100)
	if err := p.Finished(ctx); err != nil {
		t.Fatal(err)
	}
	res, err := p.Close(ctx)
	if err != nil {
		t.Fatal(err)
	}
	noFaults(t, "the stream", res.Faults)
	if res.Pictures != 125 || res.Report.MediaTime > 5*time.Second {
		t.Errorf("%d pictures in %v of media, want the 125 of 5 s once", res.Pictures, res.Report.MediaTime)
	}
}

// continuous lets FFmpeg read a program stream: every picture is decoded, and their times rise by at most a second.
func continuous(t *testing.T, stream []byte, pictures int) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "stream.ps")
	if err := os.WriteFile(file, stream, 0o600); err != nil {
		t.Fatal(err)
	}
	path, err := exec.LookPath("ffprobe")
	if err != nil {
		t.Fatal("install ffmpeg (apt-get install ffmpeg)")
	}
	out, complaints, _ := run(t, path, "-v", "error", "-f", "mpeg", "-select_streams", "v",
		"-show_entries", "frame=pts_time", "-of", "csv=p=0", file)
	var last float64
	var frames int
	for line := range strings.SplitSeq(out, "\n") {
		at, err := strconv.ParseFloat(strings.Trim(line, ", \r"), 64)
		if err != nil {
			continue
		}
		if step := at - last; frames > 0 && (step <= 0 || step > 1) {
			t.Errorf("a step of %.3f s between pictures", step)
		}
		last = at
		frames++
	}
	if frames != pictures || strings.Contains(complaints, "h264") {
		t.Errorf("FFmpeg decodes %d of %d pictures\n%s", frames, pictures, complaints)
	}
}

// Several playbacks of one camera are independent; one of them pauses and gives signs of life meanwhile.
func line9AtOnce(t *testing.T, segment string, from time.Time) {
	r := storedRig(t, segment, from, setup{compat: "pause_keepalive = true\n"})
	ctx := soon(t, time.Minute)
	var plays []*rehearsal.Playback
	for _, transport := range []string{rehearsal.UDP, rehearsal.TCPPassive, rehearsal.UDP} {
		p, err := r.node.OpenPlayback(ctx, rehearsal.PlayRequest{
			Channel: channelID, Transport: transport, Kind: sdp.Playback, Start: from, Stop: from.Add(time.Hour),
		})
		if err != nil {
			t.Fatal(err)
		}
		plays = append(plays, p)
	}
	tell := func(p *rehearsal.Playback, control string) {
		t.Helper()
		if _, err := p.Tell(ctx, "Application/MANSRTSP", control+"\r\n\r\n"); err != nil {
			t.Error(err)
		}
	}
	tell(plays[0], "PAUSE RTSP/1.0\r\nCSeq: 1\r\nPauseTime: now")
	tell(plays[1], "PLAY RTSP/1.0\r\nCSeq: 1\r\nScale: 4.0")
	time.Sleep(6 * time.Second) // a sign of life comes every 5
	var media []time.Duration
	for i, p := range plays {
		res, err := p.Close(ctx)
		if err != nil {
			t.Fatal(err)
		}
		media = append(media, res.Report.MediaTime)
		hollow := 0
		for _, f := range res.Faults {
			if i > 0 || !strings.HasPrefix(f, "a pack holds neither video (E0) nor audio (C0)") {
				t.Errorf("playback %d: %s", i, f)
				continue
			}
			hollow++
		}
		if i == 0 && hollow == 0 {
			t.Error("no sign of life in a pause")
		}
	}
	if media[0] >= media[2] || media[2] >= media[1] {
		t.Errorf("the playbacks went on by %v; want the paused one least and the fast one most", media)
	}
}

// A foreign SIP stack goes through a playback in srs-sip's words, and tshark finds nothing malformed.
func line9SIPp(t *testing.T, segment string, from time.Time) {
	r := storedRig(t, segment, from, setup{})
	traffic := startCapture(t, fmt.Sprintf("port %d", r.port))
	for _, transport := range []string{"udp", "tcp"} {
		media := openMediaPort(t, true)
		r.sipp(t, "playback_srs_sip.xml", transport, "-key", "media", strconv.Itoa(media.port),
			"-key", "start", strconv.FormatInt(from.Unix(), 10), "-key", "stop", strconv.FormatInt(from.Unix()+60, 10))
		media.check(t, 1053706944)
		r.gateway.status(t, "end of the call", func(doc statusDoc) bool { return len(doc.Calls) == 0 })
	}
	r.readByTshark(t, traffic, 2)
}

// mediastatus_from = "channel"; and mediastatus = false leaves the end to BYE.
func line9FromChannel(t *testing.T, segment string, from time.Time) {
	for compat, want := range map[string]string{
		"mediastatus_from = \"channel\"\n": "sip:" + channelID + "@", "mediastatus = false\n": "",
	} {
		r := storedRig(t, segment, from, setup{compat: compat})
		ctx := soon(t, time.Minute)
		p, err := r.node.OpenPlayback(ctx, rehearsal.PlayRequest{
			Channel: channelID, Transport: rehearsal.UDP, Kind: sdp.Playback, Start: from, Stop: from.Add(2 * time.Second),
		})
		if err != nil {
			t.Fatal(err)
		}
		select {
		case <-p.HungUp():
		case <-ctx.Done():
			t.Error("the node does not hang up after the end")
		}
		if _, err := p.Close(ctx); err != nil {
			t.Error(err)
		}
		told := r.tape.in("<NotifyType>121</NotifyType>")
		switch {
		case want == "" && len(told) > 0:
			t.Errorf("told %d times with %s", len(told), compat)
		case want != "" && (len(told) != 1 || !strings.Contains(header(told[0].Raw, "From"), want)):
			t.Errorf("%s: told %d times", compat, len(told))
		}
	}
}

// A download is held to max_download_speed, tells so, and does without loss within a share of the uplink that is
// narrower than it would like.
func line9Download(t *testing.T, segment string, from time.Time) {
	r := storedRig(t, segment, from, setup{superior: "max_download_speed = 4\nbandwidth_kbps = 600\n"})
	ctx := soon(t, 2*time.Minute)
	p, err := r.node.OpenPlayback(ctx, rehearsal.PlayRequest{
		Channel: channelID, Transport: rehearsal.UDP, Kind: sdp.Download, Speed: 16,
		Start: from.Add(290 * time.Second), Stop: from.Add(310 * time.Second), // over the end of a file
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Finished(ctx); err != nil {
		t.Fatal(err)
	}
	size := p.FileSize()
	res, err := p.Close(ctx)
	if err != nil {
		t.Fatal(err)
	}
	noFaults(t, "the download", res.Faults)
	if !strings.Contains(res.AnswerSDP, "\r\na=downloadspeed:4\r\n") {
		t.Errorf("the answer does not tell the speed that is granted:\n%s", res.AnswerSDP)
	}
	if got := int64(res.Report.Bytes); got < size*99/100 || got > size*101/100 {
		t.Errorf("%d bytes came, a=filesize:%d", got, size)
	}
	if res.LostPackets > 0 || res.Report.MediaTime < 19*time.Second || res.AudioFrames == 0 {
		t.Errorf("%d packets lost, %v of media, %d frames of sound", res.LostPackets, res.Report.MediaTime, res.AudioFrames)
	}
	t.Logf("%d bytes, announced %s", res.Report.Bytes, strconv.FormatInt(size, 10))
}

// While the uplink is down recording goes on; when it is back the gap is told, and can be fetched.
func TestOutageIsFilled(t *testing.T) {
	t.Parallel()
	cam := startCamera(t, simcam.Config{})
	platform := startPlatform(t, rehearsal.Config{Password: "12345678"})
	uplink := udpRelay(t, relay.Config{Target: platform.Addr()})
	short := "keepalive_interval = \"5s\"\nkeepalive_max = 1\nregister_retry = \"1s\""
	g := startGateway(t, 0, superiorAt("above", demoPlatform, uplink.Addr().String(), "udp", short)+
		cameraTOML("gate", channelID, cam.URL(), "", "")+"record = \"always\"\n")
	n := node(t, platform)
	g.status(t, "recording", func(doc statusDoc) bool { return recorded(doc, "gate") == "time" })
	before := n.State().Registrations
	uplink.Off(true)
	down := time.Now()
	g.status(t, "loss of the platform", func(doc statusDoc) bool { return !online(doc) })
	time.Sleep(5 * time.Second) // of pictures
	up := time.Now()
	uplink.Off(false)
	waitNode(t, g, n, "registration", func(s rehearsal.NodeState) bool { return s.Registrations > before })
	res, err := n.RecordInfo(soon(t, 20*time.Second), channelID, down, up, "all")
	if err != nil {
		t.Fatal(err)
	}
	noFaults(t, "RecordInfo", res.Faults)
	if len(res.Items) != 1 || res.Items[0].Start.After(down) || res.Items[0].End.Before(up.Add(-2*time.Second)) {
		t.Fatalf("the outage from %v to %v is %+v", down, up, res.Items)
	}
	ctx := soon(t, time.Minute)
	p, err := n.OpenPlayback(ctx, rehearsal.PlayRequest{
		Channel: channelID, Transport: rehearsal.UDP, Kind: sdp.Download, Speed: 8,
		Start: down, Stop: up.Add(-2 * time.Second),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Finished(ctx); err != nil {
		t.Error(err)
	}
	play, err := p.Close(ctx)
	if err != nil {
		t.Fatal(err)
	}
	noFaults(t, "the download", play.Faults)
	if want := up.Sub(down) - 5*time.Second; play.Report.MediaTime < want {
		t.Errorf("%v of the outage came, want %v", play.Report.MediaTime, want)
	}
}
