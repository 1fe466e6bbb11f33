package ps

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"gbgate/media"
)

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatal("install ffmpeg (apt-get install ffmpeg)")
	}
	var stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil || stderr.Len() > 0 {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

// TestFFprobe lets FFmpeg read packs made of real pictures: all are decoded, nothing is wrong.
func TestFFprobe(t *testing.T) {
	const pictures = 40
	for _, c := range []struct {
		name    string
		codec   media.Codec
		encoder []string
	}{
		{"h264", media.H264, []string{"-c:v", "libx264", "-preset", "ultrafast", "-bsf:v", "h264_metadata=aud=insert"}},
		{"hevc", media.H265, []string{
			"-c:v", "libx265", "-preset", "ultrafast",
			"-x265-params", "log-level=none:bframes=0:keyint=25:repeat-headers=1:qp=20", "-bsf:v", "hevc_metadata=aud=insert",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			es, file := filepath.Join(dir, "es"), filepath.Join(dir, "ps")
			// Noise at a fixed quantiser: key pictures take several PES packets.
			args := []string{
				"-v", "error", "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25,noise=alls=60:allf=t",
				"-frames:v", strconv.Itoa(pictures), "-pix_fmt", "yuv420p", "-qp", "20", "-g", "25", "-bf", "0",
			}
			run(t, "ffmpeg", append(append(args, c.encoder...), "-f", c.name, es)...)
			stream, err := os.ReadFile(es)
			if err != nil {
				t.Fatal(err)
			}
			units := accessUnits(stream, c.codec)
			if len(units) != pictures {
				t.Fatalf("split into %d pictures, want %d", len(units), pictures)
			}
			var out []byte
			several := false
			for i, u := range units {
				u.DTS = int64(i) * 3600
				u.PTS = u.DTS
				out = append(out, flat(Of(u, AudioAuto).Bufs())...)
				several = several || len(u.Data) > maxPayload
				u.Release()
			}
			if !several {
				t.Error("no picture was too big for one PES packet")
			}
			if err := os.WriteFile(file, out, 0o600); err != nil {
				t.Fatal(err)
			}
			got := run(t, "ffprobe", "-v", "error", "-f", "mpeg", "-count_frames", "-show_entries",
				"stream=codec_name,width,height,nb_read_frames", "-of", "csv=p=0", file)
			if want := c.name + ",640,360," + strconv.Itoa(pictures); strings.TrimSpace(got) != want {
				t.Errorf("ffprobe read %q, want %q", got, want)
			}
		})
	}
}

// accessUnits splits an Annex B stream at its access unit delimiters and leaves those out.
func accessUnits(es []byte, codec media.Codec) []*media.Unit {
	desc := &media.Description{Video: media.Track{Codec: codec}}
	var units []*media.Unit
	for _, nal := range bytes.Split(es, []byte{0, 0, 1})[1:] {
		nal = bytes.TrimRight(nal, "\x00")
		kind, delimiter, key := nal[0]&0x1F, byte(9), nal[0]&0x1F == 5
		if codec == media.H265 {
			kind = nal[0] >> 1 & 0x3F
			delimiter, key = 35, kind >= 16 && kind <= 21
		}
		if kind == delimiter {
			u := media.NewUnit(1 << 10)
			u.Codec, u.Desc = codec, desc
			units = append(units, u)
			continue
		}
		u := units[len(units)-1]
		u.Key = u.Key || key
		u.Append(0, 0, 0, 1)
		u.Append(nal...)
	}
	return units
}
