package onvif_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gbgate/bridge/onvif"
	"gbgate/rtsp/simcam"
)

func at(hour, minute int) time.Time { return time.Date(2026, 11, 22, hour, minute, 0, 0, time.UTC) }

func archive(q simcam.ONVIFQuirks) simcam.ONVIFConfig {
	return simcam.ONVIFConfig{
		Username: user, Password: password, Quirks: q, ReplayURL: "rtsp://127.0.0.1:8554/replay?token=r1",
		Recordings: []simcam.ONVIFRecording{
			{Token: "r1", Source: "vs1", Spans: [][2]time.Time{
				{at(8, 0), at(9, 0)}, {at(9, 30), at(11, 15)}, {at(12, 0), at(13, 0)},
			}},
			{Token: "r2", Source: "vs2", Spans: [][2]time.Time{{at(7, 0), at(7, 30)}}},
			{Token: "r3", Source: "vs3"},
		},
	}
}

func TestRecordings(t *testing.T) {
	for name, q := range map[string]simcam.ONVIFQuirks{"plain": {}, "wrong namespaces": {WrongNamespaces: true}} {
		t.Run(name, func(t *testing.T) {
			d := start(t, archive(q))
			c := client(t, d, account())
			got, err := c.Recordings(t.Context())
			must(t, err)
			none := time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)
			want := []onvif.Recording{
				{Token: "r1", SourceID: "http://example.com/vs1", SourceName: "vs1", From: at(8, 0), Until: at(13, 0), Video: true},
				{Token: "r2", SourceID: "http://example.com/vs2", SourceName: "vs2", From: at(7, 0), Until: at(7, 30), Video: true},
				{Token: "r3", SourceID: "http://example.com/vs3", SourceName: "vs3", From: none, Until: none, Video: true},
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("recordings (-want +got):\n%s", diff)
			}
			if open := d.Searches(); open != 0 {
				t.Errorf("%d searches are left open", open)
			}
			uri, err := c.ReplayURI(t.Context(), "r1")
			if want := "rtsp://127.0.0.1:8554/replay?token=r1"; err != nil || uri != want {
				t.Errorf("replay from %q, %v; want %q", uri, err, want)
			}
			if _, err := c.ReplayURI(t.Context(), "r9"); kind(err) != onvif.InvalidArgs {
				t.Errorf("unknown recording: %v, want invalid arguments", err)
			}
		})
	}
}

func TestSpans(t *testing.T) {
	recording := onvif.Recording{Token: "r1", From: at(8, 0), Until: at(13, 0)}
	for name, c := range map[string]struct {
		quirks      simcam.ONVIFQuirks
		from, until time.Time
		want        []onvif.Span
	}{
		"all": {
			from: at(0, 0), until: at(23, 0),
			want: []onvif.Span{
				{From: at(8, 0), Until: at(9, 0)}, {From: at(9, 30), Until: at(11, 15)}, {From: at(12, 0), Until: at(13, 0)},
			},
		},
		"from the middle of one to the middle of another": {
			from: at(8, 30), until: at(10, 0),
			want: []onvif.Span{{From: at(8, 30), Until: at(9, 0)}, {From: at(9, 30), Until: at(10, 0)}},
		},
		"in a gap": {from: at(9, 10), until: at(9, 20)},
		"no events": {
			quirks: simcam.ONVIFQuirks{NoFindEvents: true}, from: at(7, 30), until: at(9, 30),
			want: []onvif.Span{
				{From: at(8, 0), Until: at(9, 0), Coarse: true}, {From: at(9, 0), Until: at(9, 30), Coarse: true},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := client(t, start(t, archive(c.quirks)), account()).Spans(t.Context(), recording, c.from, c.until)
			must(t, err)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("spans (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRecordingSummary(t *testing.T) {
	got, err := client(t, start(t, archive(simcam.ONVIFQuirks{})), account()).RecordingSummary(t.Context())
	must(t, err)
	if want := (onvif.RecordingSummary{Until: at(13, 0), Count: 3}); !cmp.Equal(got, want) {
		t.Errorf("summary is %+v, want %+v", got, want)
	}
}

func TestNoRecordings(t *testing.T) {
	_, err := client(t, start(t, simcam.ONVIFConfig{}), onvif.Config{}).Recordings(t.Context())
	if kind(err) != onvif.ActionNotSupported {
		t.Errorf("got %v, want not supported", err)
	}
}

func TestSearchWithoutEnd(t *testing.T) {
	d := start(t, archive(simcam.ONVIFQuirks{NoEndToSearch: true}))
	_, err := client(t, d, account()).Recordings(t.Context())
	if kind(err) != onvif.NotONVIF || d.Searches() != 0 {
		t.Errorf("got %v and %d open searches, want an end", err, d.Searches())
	}
}

// A recorder's recordings belong to its channels: by token, by the video source, or because there is but one.
func TestRecordingOfCamera(t *testing.T) {
	spans := [][2]time.Time{{at(8, 0), at(9, 0)}}
	for name, c := range map[string]struct {
		recordings []simcam.ONVIFRecording
		token      string
		want       string
		kind       onvif.Kind
	}{
		"source": {
			[]simcam.ONVIFRecording{{Token: "r1", Source: "vs2"}, {Token: "r2", Source: "vs1", Spans: spans}}, "", "r2", 0,
		},
		"token":        {[]simcam.ONVIFRecording{{Token: "r1", Source: "vs2"}, {Token: "r2", Source: "vs1"}}, "r1", "r1", 0},
		"the only one": {[]simcam.ONVIFRecording{{Token: "r1", Source: "sd card"}}, "", "r1", 0},
		"none of it": {
			[]simcam.ONVIFRecording{{Token: "r1", Source: "a"}, {Token: "r2", Source: "b"}}, "", "", onvif.InvalidArgs,
		},
		"unknown token": {[]simcam.ONVIFRecording{{Token: "r1", Source: "vs1"}}, "r7", "", onvif.InvalidArgs},
	} {
		t.Run(name, func(t *testing.T) {
			d := start(t, simcam.ONVIFConfig{
				Username: user, Password: password, StreamURL: "rtsp://127.0.0.1:1/", Recordings: c.recordings,
			})
			got, err := camera(t, d, onvif.CameraConfig{Config: account()}).Recording(t.Context(), c.token)
			if got.Token != c.want || kind(err) != c.kind {
				t.Errorf("got %q, %v; want %q, kind %v", got.Token, err, c.want, c.kind)
			}
		})
	}
}
