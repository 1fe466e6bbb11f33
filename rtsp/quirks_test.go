package rtsp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"gbgate/media"
	"gbgate/rtsp/simcam"
)

// A quirk's name stands for one thing.
func TestQuirksHaveNamesOfTheirOwn(t *testing.T) {
	tables := make(map[string]string)
	for table, quirks := range simcam.RTSPQuirks() {
		for _, quirk := range quirks {
			if other, twice := tables[quirk.Name]; twice {
				t.Errorf("%q is in %s and in %s", quirk.Name, table, other)
			}
			tables[quirk.Name] = table
		}
	}
}

// plays wants pictures from a camera with each quirk of a table.
func plays(t *testing.T, quirks []simcam.RTSPQuirk, cfg Config, then func(t *testing.T, cam *fakeCamera)) {
	t.Helper()
	for _, quirk := range quirks {
		t.Run(quirk.Name, func(t *testing.T) {
			cam := newFakeCamera(t)
			quirk.Script(cam.Scripted)
			if err := cam.pull(cfg); err != errEnough { //nolint:errorlint // the very cause
				t.Errorf("got %v, want %v", err, errEnough)
			}
			then(t, cam)
		})
	}
}

// TestReplyQuirks gives the client every odd reply a camera was seen to send; the stream must come nevertheless.
func TestReplyQuirks(t *testing.T) {
	quirks := append(simcam.ReplyQuirks(), simcam.RTSPQuirk{Name: "none", Script: func(*simcam.Scripted) {}})
	plays(t, quirks, Config{}, func(t *testing.T, cam *fakeCamera) {
		if got := len(cam.Asked("TEARDOWN")); got != 1 {
			t.Errorf("got %d TEARDOWN, want 1", got)
		}
		if plays := cam.Asked("PLAY"); len(plays) > 0 && plays[0].Get("Range") != "" {
			t.Errorf("first PLAY carries Range %q, want none", plays[0].Get("Range"))
		}
	})
}

// TestDescriptionQuirks: no odd description keeps the picture away, or has anything else but it and the sound set up.
func TestDescriptionQuirks(t *testing.T) {
	plays(t, simcam.DescriptionQuirks(), Config{}, func(t *testing.T, cam *fakeCamera) {
		want := []string{cam.URL() + "/trackID=1", cam.URL() + "/trackID=2"}
		if strings.Contains(t.Name(), "no_sound") {
			want = want[:1]
		}
		var got []string
		for _, r := range cam.Asked("SETUP") {
			got = append(got, r.URL)
		}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("SETUP of %q, want %q", got, want)
		}
	})
}

// TestStreamQuirks disturbs the running stream; the pictures must go on.
func TestStreamQuirks(t *testing.T) {
	plays(t, simcam.StreamQuirks(), Config{}, func(*testing.T, *fakeCamera) {})
}

// together does something with a camera of each quirk at the same time, and judges one after the other.
func together(t *testing.T, quirks []simcam.RTSPQuirk, do func(cam *fakeCamera, quirk string) []string) {
	t.Helper()
	var wg sync.WaitGroup
	defer wg.Wait()
	faults := make([]chan []string, len(quirks))
	for i, quirk := range quirks {
		cam := newFakeCamera(t)
		quirk.Script(cam.Scripted)
		faults[i] = make(chan []string, 1)
		wg.Go(func() { faults[i] <- do(cam, quirk.Name) })
	}
	for i, quirk := range quirks {
		t.Run(quirk.Name, func(t *testing.T) {
			for _, fault := range <-faults[i] {
				t.Error(fault)
			}
		})
	}
}

// TestPictureQuirks: whatever way pictures and times are put into RTP, the pictures are the camera's to the byte, their
// times rise, and with the default time-outs none is called missing.
func TestPictureQuirks(t *testing.T) {
	together(t, simcam.PictureQuirks(), func(cam *fakeCamera, quirk string) (faults []string) {
		var want [][]byte
		for n := range 25 {
			if quirk == "packets of a picture lost" && n >= 5 && n < 10 {
				continue // it, and what builds on it
			}
			want = append(want, annexBOf(cam.Shown(n)))
		}
		units, err := cam.units(len(want)+2, media.H264)
		if err != nil {
			return []string{err.Error()}
		}
		if quirk == "marker on every slice" { // which is not known before the first picture's rest
			units[1].data = append(units[0].data, units[1].data...)
			units[1].key, units = true, units[1:]
		}
		last := int64(-1)
		for i, u := range units[:len(want)] {
			if !bytes.Equal(u.data, want[i]) {
				faults = append(faults, fmt.Sprintf("picture %d has %d bytes, want %d", i, len(u.data), len(want[i])))
			}
			if set := want[i][4]&0x1f == h264SPS; u.key != set {
				faults = append(faults, fmt.Sprintf("picture %d: key %v, want %v", i, u.key, set))
			}
			if u.dts <= last || u.pts < u.dts {
				faults = append(faults, fmt.Sprintf("picture %d at PTS %d, DTS %d after %d", i, u.pts, u.dts, last))
			}
			last = u.dts
		}
		return faults
	})
}

// TestSoundQuirks: the picture waits for no sound, and what sound there is comes with it.
func TestSoundQuirks(t *testing.T) {
	want := map[string]media.Codec{
		"G.711 in odd sizes": media.PCMA, "several AAC in a packet": media.AAC, "AAC with ADTS inside": media.AAC,
	}
	together(t, simcam.SoundQuirks(), func(cam *fakeCamera, quirk string) (faults []string) {
		if _, err := cam.units(25, media.H264); err != nil {
			faults = append(faults, err.Error())
		}
		codec, ok := want[quirk]
		if !ok {
			return faults
		}
		units, err := cam.units(25, codec)
		if err != nil {
			return append(faults, err.Error())
		}
		for _, u := range units {
			// A frame of AAC goes on in ADTS; a packet of G.711 has at most 40 ms.
			if codec == media.AAC && len(u.data) != 7+100 || codec == media.PCMA && len(u.data) > 320 {
				faults = append(faults, fmt.Sprintf("%d bytes of %v", len(u.data), codec))
			}
		}
		return faults
	})
}

// units pulls, with the default time-outs, until so many units of a codec have come.
func (cam *fakeCamera) units(n int, codec media.Codec) ([]got, error) {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	var units []got
	src := &Source{Config: Config{URL: cam.URL()}}
	err := src.Run(ctx, func(u *media.Unit) {
		defer u.Release()
		if u.Codec != codec || len(units) == n {
			return
		}
		if units = append(units, got{key: u.Key, pts: u.PTS, dts: u.DTS, data: bytes.Clone(u.Data)}); len(units) == n {
			cancel(errEnough)
		}
	})
	if !errors.Is(err, errEnough) {
		return nil, fmt.Errorf("%w behind %d units of %v", err, len(units), codec)
	}
	return units, nil
}

func annexBOf(nals [][]byte) []byte {
	var b []byte
	for _, nal := range nals {
		b = append(append(b, startCode[:]...), nal...)
	}
	return b
}

// verdict is the kind and the words of an error that a quirk leads to.
type verdict struct {
	kind  Kind
	words string
}

// judge pulls from a camera with each quirk of a table, and wants a verdict on every one.
func judge(t *testing.T, quirks []simcam.RTSPQuirk, cfg Config, want map[string]verdict) {
	t.Helper()
	if len(quirks) != len(want) {
		t.Errorf("%d quirks have %d verdicts", len(quirks), len(want))
	}
	for _, quirk := range quirks {
		t.Run(quirk.Name, func(t *testing.T) {
			cam := newFakeCamera(t)
			quirk.Script(cam.Scripted)
			want[quirk.Name].on(t, cam.pull(cfg))
		})
	}
}

// on wants this verdict on an error.
func (v verdict) on(t *testing.T, err error) {
	t.Helper()
	if v.words == "" {
		t.Fatal("the quirk has no verdict")
	}
	if kindOf(err) != v.kind || !strings.Contains(fmt.Sprint(err), v.words) {
		t.Errorf("got %v: %v, want %v with %q", kindOf(err), err, v.kind, v.words)
	}
}

// TestFailureQuirks holds the kind and the words of every way a camera can fail.
func TestFailureQuirks(t *testing.T) {
	judge(t, simcam.FailureQuirks(), Config{ReplyTimeout: 300 * time.Millisecond}, map[string]verdict{
		"not found":          {NotFound, "no such stream"},
		"sessions full 453":  {Busy, "no session left"},
		"sessions full 503":  {Busy, "no session left"},
		"sessions full 403":  {Busy, "no session left"},
		"sessions full 401":  {Busy, "password was accepted, then refused"},
		"forbidden":          {Auth, "forbids"},
		"server error":       {Protocol, "500 Oops"},
		"no silent DESCRIBE": {Auth, "none is configured"},
		"tcp refused":        {Protocol, "461"},
		"mjpeg":              {NoVideo, "camera sends MJPEG; GB/T 28181 needs H.264 or H.265"},
		"audio only":         {NoVideo, "no video"},
		"no media":           {NoVideo, "no streams"},
		"empty body":         {NoVideo, "no streams"},
		"hangs up":           {Protocol, "instead of answering DESCRIBE"},
		"silent":             {Protocol, "did not answer DESCRIBE"},
		"silent SETUP":       {Protocol, "did not answer SETUP"},
		"web server":         {Protocol, "HTTP"},
		"random bytes":       {Protocol, "did not answer"},
		"endless redirects":  {Protocol, "302"},
		"redirect to itself": {Protocol, "302"},
	})
}

// TestEndQuirks holds what is said when a running stream stops.
func TestEndQuirks(t *testing.T) {
	judge(t, simcam.EndQuirks(), Config{FrameTimeout: 300 * time.Millisecond}, map[string]verdict{
		"connection closed": {Closed, "closed the connection"},
		"announce":          {Closed, "ANNOUNCE"},
		"redirect":          {Closed, "REDIRECT"},
		"no packets":        {NoFrames, "no media packet"},
		"no key frame":      {NoFrames, "no key frame"},
		"frozen":            {NoFrames, "no picture"},
	})
}

func TestRequestURLs(t *testing.T) {
	cam := newFakeCamera(t)
	cam.Answer = func(_ *camConn, r *camRequest) string {
		if r.Method != "DESCRIBE" {
			return ""
		}
		sdp := strings.Replace(simcam.ScriptedSDP, "a=control:trackID=2", "a=control:rtsp://10.0.0.9:554/abs/2", 1)
		return simcam.ReplySDP(r, sdp)
	}
	path := "/cam/实时?channel=1&x=[1]%2f{a}"
	url := "rtsp://" + cam.Addr() + path
	if err := cam.pull(Config{URL: url}); err != errEnough { //nolint:errorlint // the very cause
		t.Fatal(err)
	}
	host := "rtsp://" + cam.Addr()
	want := map[string]string{
		"DESCRIBE": url, "SETUP": url + "/trackID=1", "PLAY": url, "TEARDOWN": url,
	}
	for method, u := range want {
		if got := cam.Asked(method)[0].URL; got != u {
			t.Errorf("%s %s, want %s", method, got, u)
		}
	}
	if got := cam.Asked("SETUP")[1].URL; got != host+"/abs/2" {
		t.Errorf("second SETUP %s, want %s", got, host+"/abs/2")
	}
}

func TestUserinfoNeverSent(t *testing.T) {
	cam := newFakeCamera(t)
	url := "rtsp://admin:p@ss/w:rd?#@" + cam.Addr() + "/live"
	if err := cam.pull(Config{URL: url}); err != errEnough { //nolint:errorlint // the very cause
		t.Fatal(err)
	}
	for _, r := range cam.Requests() {
		if strings.Contains(r.Text, "admin") {
			t.Errorf("user name in a request: %s", r.Text)
		}
	}
}
