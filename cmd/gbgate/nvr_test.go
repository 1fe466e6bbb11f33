package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"gbgate/bridge/playback"
	"gbgate/cascade/rehearsal"
	"gbgate/cmd/gbgate/config"
	"gbgate/gb28181"
	"gbgate/rtsp"
	"gbgate/rtsp/simcam"
)

// startRecorder runs a recorder with an ONVIF side of two recordings, of which the second is the one that plays.
func startRecorder(t *testing.T, spans [][2]time.Time, q simcam.ArchiveQuirks) (*simcam.Archive, *simcam.ONVIF) {
	t.Helper()
	a, err := simcam.ListenArchive(simcam.ArchiveConfig{
		Spans: spans, Quirks: q, Username: "admin", Password: "p@ss:w/rd#1",
	})
	if err != nil {
		t.Fatal(err)
	}
	background(t, a.Run)
	d, _ := startDevice(t, simcam.ONVIFConfig{
		Username: "admin", Password: "p@ss:w/rd#1", StreamURL: "rtsp://127.0.0.1:1/live", ReplayURL: a.URL(),
		Recordings: []simcam.ONVIFRecording{
			{Token: "rec0", Source: "elsewhere"}, {Token: "rec1", Source: "vs1", Spans: spans},
		},
	})
	return a, d
}

// archivesOf makes the recordings of one configured camera.
func archivesOf(t *testing.T, c config.Camera) *nvr {
	t.Helper()
	password := "p@ss:w/rd#1"
	c.Name, c.Username, c.Password = "dome", "admin", &password
	cfg := config.Default()
	cfg.Gateway.StateDir = t.TempDir()
	cfg.Cameras = []config.Camera{c}
	all, err := devices(cfg, nil, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	n := &nvr{}
	n.use(all)
	return n
}

// What a recorder holds is found by its ONVIF search and played by its replay, at any speed and backwards.
func TestRecorderIsFoundAndPlayed(t *testing.T) {
	day := time.Date(2026, 1, 31, 8, 0, 0, 0, time.UTC)
	spans := [][2]time.Time{{day, day.Add(2 * time.Hour)}, {day.Add(3 * time.Hour), day.Add(27 * time.Hour)}}
	_, d := startRecorder(t, spans, simcam.ArchiveQuirks{})
	c := config.DefaultCamera()
	c.ONVIF, c.Replay = d.URL(), "onvif"
	n := archivesOf(t, c)
	found, err := n.Find(t.Context(), "dome", day.Add(time.Hour), day.Add(48*time.Hour), "all")
	want := []playback.Recording{{Start: day.Add(time.Hour), End: spans[0][1], Kind: "time"}}
	for at := spans[1][0]; at.Before(spans[1][1]); at = at.Add(time.Hour) {
		want = append(want, playback.Recording{Start: at, End: at.Add(time.Hour), Kind: "time"})
	}
	if err != nil || !slices.Equal(found, want) {
		t.Errorf("found %v %v, want %v", found, err, want)
	}
	// Other windows show other parts of the same recordings.
	for _, minutes := range []time.Duration{5, 30, 55} {
		from := day.Add(5*time.Hour + minutes*time.Minute)
		part, err := n.Find(t.Context(), "dome", from, from.Add(3*time.Hour), "all")
		if err != nil || len(part) != 4 || !slices.Contains(want, part[1]) || !slices.Contains(want, part[2]) {
			t.Errorf("from %v: found %v %v", from, part, err)
		}
	}
	if found, err := n.Find(t.Context(), "dome", day, day.Add(48*time.Hour), "alarm"); len(found) > 0 || err != nil {
		t.Errorf("alarm recordings: %v %v", found, err)
	}
	from := spans[1][0].Add(time.Hour)
	p, err := n.Open(t.Context(), "dome", from, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.Play(t.Context(), day.Add(30*time.Hour), 1); statusOf(err) != 404 {
		t.Errorf("a jump beyond the end: %v, want 404", err)
	}
	if u, err := p.Read(t.Context()); err != nil || u.DTS != 0 || !u.Key {
		t.Errorf("after it: %+v, %v, want the first picture", u, err)
	} else {
		u.Release()
	}
	for _, c := range []struct {
		at    time.Duration
		scale float64
		step  int64 // ticks between pictures
	}{{0, 1, 3600}, {10 * time.Hour, 16, 180000}, {time.Hour, -4, -180000}} {
		if err := p.Play(t.Context(), from.Add(c.at), c.scale); err != nil {
			t.Fatal(err)
		}
		var dts []int64
		for len(dts) < 5 {
			u, err := p.Read(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if u.Codec.IsVideo() {
				dts = append(dts, u.DTS)
			}
			u.Release()
		}
		at := int64(c.at/time.Second) * 90000
		if !slices.Equal(dts, []int64{at, at + c.step, at + 2*c.step, at + 3*c.step, at + 4*c.step}) {
			t.Errorf("at %v × %v: %v", c.at, c.scale, dts)
		}
	}
	if _, err := n.Open(t.Context(), "dome", day.Add(30*time.Hour), time.Time{}); statusOf(err) != 404 {
		t.Errorf("beyond the end: %v, want 404", err)
	}
	if _, err := n.Open(t.Context(), "unknown", day, time.Time{}); statusOf(err) != 404 {
		t.Errorf("a camera without recordings: %v, want 404", err)
	}
}

// A superior is told what the camera's recorder holds.
func TestRecorderIsQueriedFromAbove(t *testing.T) {
	t.Parallel()
	day := time.Date(2026, 1, 31, 8, 0, 0, 0, time.UTC)
	var spans [][2]time.Time
	for i := range 300 { // ten minutes each, with five between
		begin := day.Add(time.Duration(i) * 15 * time.Minute)
		spans = append(spans, [2]time.Time{begin, begin.Add(10 * time.Minute)})
	}
	_, d := startRecorder(t, spans, simcam.ArchiveQuirks{})
	platform := startPlatform(t, rehearsal.Config{})
	camera := onvifTOML("dome", channelID, d.URL(), "admin", "p@ss:w/rd#1")
	g := startGateway(t, 0, superiorTOML(platform, "", "tcp")+camera+"replay = \"onvif\"\n")
	got, err := node(t, platform).RecordInfo(t.Context(), channelID, day, day.Add(100*time.Hour), "all")
	if err != nil || len(got.Items) != len(spans) || len(got.Faults) > 0 {
		t.Fatalf("%+v, %v; want %d items", got, err, len(spans))
	}
	for i, item := range got.Items {
		if !item.Start.Equal(spans[i][0]) || !item.End.Equal(spans[i][1]) || item.Type != "time" {
			t.Errorf("item %d: %v–%v %s, want %v", i, item.Start, item.End, item.Type, spans[i])
		}
	}
	if code := g.terminate(t); code != exitGood {
		t.Errorf("exit %d", code)
	}
}

// A superior plays what the camera's recorder holds as it plays what we record: pause, seek, every scale, backwards.
func TestRecorderIsPlayedFromAbove(t *testing.T) {
	t.Parallel()
	from := time.Now().Add(-48 * time.Hour).Truncate(time.Minute)
	_, d := startRecorder(t, [][2]time.Time{{from, from.Add(48 * time.Hour)}}, simcam.ArchiveQuirks{})
	platform := startPlatform(t, rehearsal.Config{})
	camera := onvifTOML("dome", channelID, d.URL(), "admin", "p@ss:w/rd#1")
	startGateway(t, 0, superiorTOML(platform, "", "udp")+camera+"replay = \"onvif\"\n")
	checks := node(t, platform).RehearseRecordings(soon(t, 3*time.Minute), rehearsal.RecordingsRequest{
		Channel: channelID, From: from.Add(time.Hour), To: from.Add(25 * time.Hour), Transport: "udp",
	})
	for _, c := range checks {
		t.Logf("%s: %s", c.Name, c.Figure)
		if c.Reason != "" {
			t.Errorf("%s: %s", c.Name, c.Reason)
		}
	}
}

func statusOf(err error) int {
	code, _ := gb28181.StatusOf(err)
	return code
}

// A recorder that only plays by its maker's URLs has what the configuration says, in hours, and no more.
func TestRecorderWithoutSearch(t *testing.T) {
	now := time.Now().UTC()
	a, err := simcam.ListenArchive(simcam.ArchiveConfig{
		Vendor: "hikvision", Spans: [][2]time.Time{{now.AddDate(0, 0, -3), now}},
		Quirks: simcam.ArchiveQuirks{NoExtension: true, NoRateControl: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	background(t, a.Run)
	c := config.DefaultCamera()
	c.URL, c.Replay, c.ReplayDays = "rtsp://"+a.Addr().String()+"/Streaming/Channels/301", "hikvision", 2
	n := archivesOf(t, c)
	found, err := n.Find(t.Context(), "dome", now.AddDate(0, 0, -10), now.AddDate(0, 0, 10), "time")
	if err != nil || len(found) < 48 || len(found) > 50 {
		t.Fatalf("%d recordings, %v; want the hours of two days", len(found), err)
	}
	for i, r := range found[1:] {
		if !r.Start.Equal(found[i].End) || !r.End.After(r.Start) {
			t.Errorf("%v follows %v", r, found[i])
		}
	}
	p, err := n.Open(t.Context(), "dome", found[5].Start, found[5].Start.Add(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if slow, ok := p.(playback.Realtime); !ok || !slow.Realtime() {
		t.Error("a maker's URL is said to be faster than real time")
	}
	if pictures, _ := readPictures(t, p, 0); len(pictures) != 25 {
		t.Errorf("%d pictures of one second", len(pictures))
	}
	if err := p.Play(t.Context(), found[5].Start, -1); statusOf(err) != 400 {
		t.Errorf("backwards: %v, want 400", err)
	}
}

// A recorder whose search fails is left in peace for a minute, and what the box itself has is told all the same.
func TestRecorderThatFailsIsNotAskedForAMinute(t *testing.T) {
	var asked atomic.Int32
	gone := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		http.Error(w, "rebooting", http.StatusServiceUnavailable)
	}))
	defer gone.Close()
	c := config.DefaultCamera()
	c.ONVIF, c.Replay = gone.URL+"/onvif/device_service", "onvif"
	n := archivesOf(t, c)
	day := time.Now().AddDate(0, 0, -1)
	find := func() (int, error) {
		found, err := n.Find(t.Context(), "dome", day, day.Add(time.Hour), "all")
		return len(found), err
	}
	if _, err := find(); err == nil || asked.Load() == 0 {
		t.Fatalf("%v after %d requests; want a failure", err, asked.Load())
	}
	before := asked.Load()
	if _, err := find(); err == nil || asked.Load() != before {
		t.Errorf("%v after %d requests more; want the same failure and none", err, asked.Load()-before)
	}
	a := n.of("dome")
	a.cfg.ReplayDays = 3
	if found, err := find(); err != nil || found < 1 || asked.Load() != before {
		t.Errorf("%d recordings presumed, %v", found, err)
	}
	a.since = a.since.Add(-findAgain)
	if _, err := find(); err != nil || asked.Load() == before {
		t.Errorf("%v, %d requests after a minute", err, asked.Load()-before)
	}
}

// A recorder whose disks sleep is waited for where nothing waits behind it, and asked again as soon as they turn.
func TestRecorderWhoseDisksSleep(t *testing.T) {
	a := &archive{cfg: config.DefaultCamera()}
	if a.patience() != findAlone {
		t.Errorf("the only one that has recordings has %v", a.patience())
	}
	a.cfg.Record = "always"
	if a.patience() != findTime {
		t.Errorf("beside the own disk it has %v", a.patience())
	}
	a.note(context.DeadlineExceeded, findSlow)
	if err := a.failing(); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("at once after a search that took too long: %v", err)
	}
	a.since = a.since.Add(-findSlow)
	if err := a.failing(); err != nil {
		t.Errorf("%v after such a search: %v", findSlow, err)
	}
}

// The makers that the configuration lets through are those whose URLs are known.
func TestReplayMakersAreKnown(t *testing.T) {
	for _, maker := range append(rtsp.ReplayMakers(), "kedacom") {
		camera := cameraTOML("dome", channelID, "rtsp://127.0.0.1:1/x", "", "") +
			"replay = \"" + maker + "\"\nreplay_days = 1\n"
		_, err := config.Load(writeConfig(t, 0, "", camera))
		if refused := err != nil; refused != (maker == "kedacom") {
			t.Errorf("%s: %v", maker, err)
		}
	}
}
