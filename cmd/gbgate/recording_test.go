package main

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gbgate/cascade/rehearsal"
	"gbgate/gb28181/manscdp"
	"gbgate/rtsp/simcam"
)

const (
	yardID = "34020100001320000002"
	roofID = "34020100001320000003"
)

// recorded is what the status says a camera is recorded as.
func recorded(doc statusDoc, camera string) string {
	for _, c := range doc.Cameras {
		if c.Name == camera {
			return c.Record
		}
	}
	return "no camera"
}

// stored is what the status says is kept of a camera.
func stored(doc statusDoc, camera string) cameraRecordingDoc {
	if doc.Recordings != nil {
		for _, c := range doc.Recordings.Cameras {
			if c.Camera == camera {
				return c
			}
		}
	}
	return cameraRecordingDoc{}
}

// recordings runs the command of that name on the gateway's archive.
func recordings(t *testing.T, g *gatewayUnderTest, args ...string) (out, complaints string, code int) {
	t.Helper()
	return run(t, program(t), append([]string{"recordings", args[0], "-c", g.config}, args[1:]...)...)
}

// segmentFiles lists the archive's files.
func segmentFiles(t *testing.T, g *gatewayUnderTest) (files []string) {
	t.Helper()
	root := filepath.Join(filepath.Dir(g.config), "state", "recordings")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".mp4") {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestRecordings records through the whole program: always and by hand from above, through an outage of the
// superior, a reload, a kill and a regular end.
func TestRecordings(t *testing.T) {
	t.Parallel()
	cam := startCamera(t, simcam.Config{})
	first := startCamera(t, simcam.Config{Clip: simcam.H265AAC})
	lists := `[recording]
segment = "5m"
min_free_gb = 0
`
	record := func(mode string) string { return "record = \"" + mode + "\"\n" }
	r := newRig(t, setup{platform: rehearsal.Config{}, superior: "register_retry = \"1s\"\n", rest: "" +
		cameraTOML("gate", channelID, cam.URL(), "", "") + record("always") +
		cameraTOML("yard", yardID, first.URL(), "", "") + record("alarm") +
		cameraTOML("roof", roofID, cam.URL(), "", "") + lists})
	g := r.gateway
	began := time.Now()
	g.status(t, "recording of the gate", func(d statusDoc) bool {
		return recorded(d, "gate") == "time" && recorded(d, "yard") == "waiting" && recorded(d, "roof") == ""
	})

	control := func(id, command, want string) {
		t.Helper()
		answer, err := r.node.Command(t.Context(), id, manscdp.DeviceControl{RecordCmd: command})
		if err != nil || answer.Result != want {
			t.Errorf("%s of %s: %+v, %v; want %s", command, id, answer, err, want)
		}
	}
	control(roofID, "Record", manscdp.ERROR)
	control(yardID, "Record", manscdp.OK)
	g.status(t, "recording by hand", func(d statusDoc) bool { return stored(d, "yard").Written > 0 })
	control(yardID, "StopRecord", manscdp.OK)
	doc := g.status(t, "end of recording by hand", func(d statusDoc) bool { return recorded(d, "yard") == "waiting" })

	// A reload that concerns another camera leaves this one's file alone; what was recorded of the other one stays.
	since := stored(doc, "gate").Since
	r.reload(t, func(text string) string { return strings.Replace(text, record("alarm"), record("off"), 1) })
	doc = g.status(t, "end of recording the yard", func(d statusDoc) bool { return stored(d, "yard").Mode == "off" })
	if recorded(doc, "yard") != "" || stored(doc, "yard").Segments != 1 || since == nil ||
		stored(doc, "gate").Since == nil || !since.Equal(*stored(doc, "gate").Since) {
		t.Errorf("the gate's file began at %v, then %+v", since, stored(doc, "gate"))
	}

	g.status(t, "more than a second of the gate", func(d statusDoc) bool { // less is not told upward
		c := stored(d, "gate")
		return c.Newest != nil && c.Newest.Sub(*c.Oldest) > 2*time.Second
	})
	list, err := r.node.RecordInfo(t.Context(), channelID, began.Add(-time.Hour), time.Now().Add(time.Hour), "all")
	if err != nil || !list.Complete || len(list.Items) == 0 || len(list.Faults) > 0 {
		t.Errorf("RecordInfo: %+v, %v", list, err)
	}
	list, err = r.node.RecordInfo(t.Context(), yardID, began.Add(-time.Hour), time.Now().Add(time.Hour), "manual")
	if err != nil || len(list.Items) != 1 {
		t.Errorf("RecordInfo of what was recorded by hand: %+v, %v", list, err)
	}

	if err := g.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	g.wait(t)
	out, complaints, code := recordings(t, g, "verify", "--deep", "--json")
	var verdict struct {
		Verdict string
		Files   []verifyDoc
	}
	if err := json.Unmarshal([]byte(out), &verdict); err != nil || code != exitGood || verdict.Verdict != good {
		t.Fatalf("after a kill: exit %d, %v\n%s%s", code, err, out, complaints)
	}
	unfinished := 0
	for _, f := range verdict.Files {
		if f.Verdict == "unfinished" {
			unfinished++
		}
		if f.Pictures == 0 || f.Keys == 0 {
			t.Errorf("after a kill: %+v", f)
		}
	}
	if unfinished != 1 {
		t.Errorf("%d files were being written, want 1:\n%s", unfinished, out)
	}
	probe := func(file string) {
		t.Helper()
		tool := needTool(t, "ffprobe", "ffmpeg")
		found, complaints, code := run(t, tool, "-v", "error", "-count_packets", "-show_entries",
			"stream=codec_name,nb_read_packets", "-of", "csv=p=0", file)
		if code != 0 || complaints != "" || len(strings.Fields(found)) != 2 {
			t.Errorf("%s: ffprobe says %s %s", filepath.Base(file), found, complaints)
		}
	}
	for _, f := range segmentFiles(t, g) {
		probe(f)
	}

	again := &gatewayUnderTest{start(t, program(t), "run", "-c", g.config), g.config}
	again.status(t, "recording after the kill", func(d statusDoc) bool {
		return recorded(d, "gate") == "time" && stored(d, "gate").Segments >= 2
	})
	if !strings.Contains(again.output(), "a recording that was cut off is finished") {
		t.Error("nothing was finished")
	}
	if out, _, _ = run(t, program(t), "status", "-c", g.config); !strings.Contains(out, "recordings: working, 3 files") {
		t.Errorf("status:\n%s", out)
	}
	if code := again.terminate(t); code != exitGood {
		t.Errorf("exit %d", code)
	}
	if out, complaints, code = recordings(t, g, "verify", "--json"); code != exitGood ||
		strings.Contains(out, "unfinished") {
		t.Errorf("after the end: exit %d\n%s%s", code, out, complaints)
	}
	out, _, code = recordings(t, g, "list", "--camera", "gate")
	if code != exitGood || !strings.Contains(out, "gate") {
		t.Errorf("list: exit %d\n%s", code, out)
	}
	clip := filepath.Join(t.TempDir(), "clip.mp4")
	out, complaints, code = recordings(t, g, "export", "--camera", "gate", "--from", began.Format(time.RFC3339),
		"--to", time.Now().Format(time.RFC3339), "-o", clip)
	if code != exitGood {
		t.Errorf("export: exit %d\n%s%s", code, out, complaints)
	}
	probe(clip)
	_, _, code = recordings(t, g, "export", "--camera", "roof", "--from", "2020-01-01", "--to", "2020-01-02",
		"-o", clip+"2")
	if code != exitBad {
		t.Errorf("export of nothing: exit %d", code)
	}
	if _, err := os.Stat(clip + "2"); err == nil {
		t.Error("export of nothing has left a file")
	}
}

// TestMovementIsRecorded: what a camera notices is recorded from before it began until after it is over, and found
// from above as an alarm's.
func TestMovementIsRecorded(t *testing.T) {
	t.Parallel()
	cam := startCamera(t, simcam.Config{})
	device, _ := startDevice(t, simcam.ONVIFConfig{StreamURL: cam.URL()})
	r := newRig(t, setup{platform: rehearsal.Config{}, rest: onvifTOML("dome", channelID, device.URL(), "", "") +
		"record = \"alarm\"\n[recording]\nmin_free_gb = 0\npre_record = \"2s\"\npost_record = \"1s\"\n"})
	eventually(t, time.Minute, "the camera is listened to", func() bool { return device.Subscriptions() > 0 })
	r.gateway.status(t, "pictures of 5 s", func(d statusDoc) bool {
		return recorded(d, "dome") == "waiting" && len(d.Cameras) == 1 && d.Cameras[0].Frames > 250 // with the sound's
	})
	motion := func(state string) { device.Raise("tns1:VideoSource/MotionAlarm", "Source", "vs1", "State", state) }
	motion("false")
	began := time.Now()
	motion("true")
	r.gateway.status(t, "recording", func(d statusDoc) bool { return recorded(d, "dome") == "alarm" })
	time.Sleep(4 * time.Second) // it goes on for longer than post_record
	ended := time.Now()
	motion("false")
	doc := r.gateway.status(t, "end of recording", func(d statusDoc) bool { return recorded(d, "dome") == "waiting" })
	if s := stored(doc, "dome"); s.Segments != 1 || s.Lost != 0 {
		t.Errorf("%+v", s)
	}
	list, err := r.node.RecordInfo(t.Context(), channelID, began.Add(-time.Hour), time.Now().Add(time.Hour), "alarm")
	if err != nil || len(list.Items) != 1 || len(list.Faults) > 0 {
		t.Fatalf("RecordInfo: %+v, %v", list, err)
	}
	item := list.Items[0]
	if item.Start.After(began.Add(-time.Second)) || item.End.Before(ended) {
		t.Errorf("movement from %v to %v, recorded from %v to %v", began, ended, item.Start, item.End)
	}
}
