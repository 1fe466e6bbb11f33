package record

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strconv"
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

func ffprobe(t *testing.T, file string, decode bool) probed {
	t.Helper()
	args := []string{"-v", "error", "-count_packets", "-show_streams", "-of", "json", file}
	if decode {
		args = append(args, "-count_frames")
	}
	out, errs := tool(t, "ffprobe", args...)
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
		sounds             int
	}{
		{simcam.H264PCMA, "h264", "pcm_alaw", 174},
		{simcam.H265AAC, "hevc", "aac", 108},
	} {
		t.Run(c.clip, func(t *testing.T) {
			t.Parallel()
			a := openArchive(t, Config{Segment: 2 * time.Second})
			r := a.NewRecorder("gate", Always)
			a.record(r, newCam(t, c.clip, epoch), 7*time.Second)
			r.close(-1)
			found, err := a.Find(t.Context(), "gate", epoch, epoch.Add(time.Hour), None)
			if err != nil || len(found) != 4 {
				t.Fatalf("%d segments (%v), want 4", len(found), err)
			}
			pictures := map[string]int{}
			for i, s := range found {
				// Decoding is what costs: of the first segment only.
				p := ffprobe(t, filepath.Join(a.cfg.Dir, s.Path), i == 0)
				if len(p.Streams) != 2 || p.Streams[0].Codec != c.video || p.Streams[1].Codec != c.audio {
					t.Fatalf("segment %d: streams %+v", i, p.Streams)
				}
				for _, s := range p.Streams {
					n, _ := strconv.Atoi(s.Packets)
					pictures[s.Codec] += n
					if i == 0 && s.Frames != s.Packets {
						t.Errorf("%s of %s %s are decoded", s.Frames, s.Packets, s.Codec)
					}
					if at, err := strconv.ParseFloat(s.StartTime, 64); err != nil || at > 0.1 {
						t.Errorf("segment %d: %s begins at %s", i, s.Codec, s.StartTime)
					}
				}
			}
			if pictures[c.video] != 7*25 || pictures[c.audio] < c.sounds {
				t.Errorf("%v, want %d pictures and at least %d sounds", pictures, 7*25, c.sounds)
			}
		})
	}
}
