package record

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gbgate/rtsp/simcam"
)

func tool(t *testing.T, name string, args ...string) (stdout, stderr string) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("install ffmpeg (packaging/tools/test-tools), %s is missing", name)
	}
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, errs.String())
	}
	return out.String(), errs.String()
}

// probed is what ffprobe says of a file.
type probed struct {
	Streams []struct {
		Codec     string `json:"codec_name"`
		Width     int    `json:"width"`
		Height    int    `json:"height"`
		Frames    string `json:"nb_read_frames"`
		Packets   string `json:"nb_read_packets"`
		StartTime string `json:"start_time"`
	} `json:"streams"`
}

func ffprobe(t *testing.T, file string) probed {
	t.Helper()
	out, errs := tool(t, "ffprobe", "-v", "error", "-count_frames", "-count_packets", "-show_streams", "-of", "json", file)
	if errs != "" {
		t.Errorf("ffprobe %s: %s", filepath.Base(file), errs)
	}
	var p probed
	if err := json.Unmarshal([]byte(out), &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestFFprobe lets FFmpeg decode every segment: all of the pictures and sounds are there, and nothing is
// wrong with them.
func TestFFprobe(t *testing.T) {
	for _, c := range []struct {
		clip, video, audio string
		ulaw               bool
	}{
		{simcam.H264PCMA, "h264", "pcm_alaw", false},
		{simcam.H265AAC, "hevc", "aac", false},
	} {
		t.Run(c.clip, func(t *testing.T) {
			t.Parallel()
			a := openArchive(t, Config{Segment: 5 * time.Second})
			r := a.NewRecorder("gate", Always)
			a.record(r, newCam(t, c.clip, epoch), 11*time.Second)
			r.close(-1)
			found, err := a.Find(t.Context(), "gate", epoch, epoch.Add(time.Hour), None)
			if err != nil || len(found) != 2 {
				t.Fatalf("%d segments (%v), want 2", len(found), err)
			}
			for i, s := range found {
				p := ffprobe(t, filepath.Join(a.cfg.Dir, s.Path))
				t.Logf("%s %+v", s.Path, p)
				if len(p.Streams) != 2 || p.Streams[0].Codec != c.video || p.Streams[1].Codec != c.audio {
					t.Errorf("segment %d: streams %+v", i, p.Streams)
				}
			}
		})
	}
}
