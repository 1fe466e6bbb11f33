package rtsp

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	gsdp "github.com/bluenviron/gortsplib/v4/pkg/sdp"

	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/google/go-cmp/cmp"

	"gbgate/media"
)

var update = flag.Bool("update", false, "write the golden files")

// descriptions returns what real cameras and recorders send, and crafted defects, by name.
func descriptions(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("testdata/sdp/*.sdp")
	if err != nil || len(files) != 115 {
		t.Fatalf("got %d descriptions (%v), want 115", len(files), err)
	}
	all := make(map[string][]byte)
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all[strings.TrimSuffix(filepath.Base(f), ".sdp")] = b
	}
	return all
}

// TestDescriptions compares the track table and the choice made from each description with a golden
// file, and makes sure that gortsplib takes the stand-in.
func TestDescriptions(t *testing.T) {
	var b strings.Builder
	all := descriptions(t)
	for _, name := range sortedKeys(all) {
		table := parseTracks(all[name])
		fmt.Fprintf(&b, "%s\n", name)
		for i := range table.Tracks {
			tr := &table.Tracks[i]
			fmt.Fprintf(&b, "\t%s %s pt=%d clock=%d name=%q control=%q sets=%d\n",
				tr.Media, tr.Codec, tr.PayloadType, tr.Clock, tr.Name, tr.Control, len(tr.sets()))
		}
		o, err := table.choose()
		if err != nil {
			fmt.Fprintf(&b, "\t=> %v: %v\n", err.Kind, err)
			continue
		}
		audio := media.CodecNone
		if o.audio != nil {
			audio = o.audio.Codec
		}
		fmt.Fprintf(&b, "\t=> %s + %s\n", o.video.Codec, audio)
		checkStandIn(t, name, o)
	}
	const golden = "testdata/sdp.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Error(diff)
	}
}

func checkStandIn(t *testing.T, name string, o *offer) {
	t.Helper()
	var session gsdp.SessionDescription
	if err := session.Unmarshal(o.standIn()); err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	var desc description.Session
	if err := desc.Unmarshal(&session); err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	want := 1
	if o.audio != nil {
		want = 2
	}
	if len(desc.Medias) != want || desc.Medias[0].Formats[0].PayloadType() != o.video.PayloadType {
		t.Errorf("%s: stand-in has %d sections, want %d", name, len(desc.Medias), want)
	}
}

func sortedKeys[V any](m map[string]V) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	for i := range keys {
		for j := i; j > 0 && keys[j] < keys[j-1]; j-- {
			keys[j], keys[j-1] = keys[j-1], keys[j]
		}
	}
	return keys
}

func TestAudioFormat(t *testing.T) {
	config := func(s string) []byte { b, _ := hex.DecodeString(s); return b }
	cases := map[string]audioFormat{
		"crafted_a_aac_hbr": {
			Codec: media.AAC, ClockRate: 16000, Config: config("1408"),
			SizeLength: 13, IndexLength: 3, IndexDeltaLength: 3,
		},
		"crafted_a_aac_pt104_noslash": {
			Codec: media.AAC, ClockRate: 16000, Config: config("1408"),
			SizeLength: 13, IndexLength: 3, IndexDeltaLength: 3,
		},
		"crafted_a_aac_no_sizelength": {Codec: media.AAC, ClockRate: 16000, Config: config("1408")},
		"crafted_a_aac_no_fmtp":       {Codec: media.AAC, ClockRate: 16000, SampleRate: 16000, Channels: 1},
		"crafted_a_aac_bad_config": {
			Codec: media.AAC, ClockRate: 16000, SampleRate: 16000, Channels: 1,
			SizeLength: 13, IndexLength: 3, IndexDeltaLength: 3,
		},
		"crafted_a_aac_latm": {Codec: media.AAC, ClockRate: 16000, LATM: true, Config: config("400028103fc0")},
		"crafted_a_pcma_pt8": {Codec: media.PCMA, ClockRate: 8000, SampleRate: 8000},
	}
	all := descriptions(t)
	for name, want := range cases {
		o, err := parseTracks(all[name]).choose()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := o.audio.audio()
		if len(got.Config) == 0 {
			got.Config = nil
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func FuzzSanitize(f *testing.F) {
	for _, b := range descriptions(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		table := parseTracks(body)
		if len(table.Tracks) > maxSections {
			t.Fatalf("%d tracks", len(table.Tracks))
		}
		o, err := table.choose()
		if err != nil {
			if err.Text == "" || err.Kind != NoVideo {
				t.Fatalf("error %v without words", err.Kind)
			}
			return
		}
		checkStandIn(t, "fuzz", o)
		if c := o.camera(); c.Video.Codec != o.video.Codec {
			t.Fatalf("camera has %v, want %v", c.Video.Codec, o.video.Codec)
		}
		a := address{scheme: "rtsp", host: "h", path: "/p"}
		u := a.base(table.Control, "").control(o.video.Control).String()
		if !strings.HasPrefix(u, "rtsp://h") || bytes.ContainsAny([]byte(u), " \r\n") {
			t.Fatalf("SETUP would go to %q", u)
		}
	})
}
