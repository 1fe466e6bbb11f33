package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gbgate/cmd/gbgate/config"
	"gbgate/media/record"
)

// TestCheckRecordings: check tells whether the folder that a camera is recorded to can be used.
func TestCheckRecordings(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, record, folder string
		keep                 float64 // min_free_gb
		verdict, reason      string
	}{
		{"nothing is recorded", "off", file, 0, "", ""},
		{"there", "always", dir, 0, good, ""},
		{"to be made", "alarm", filepath.Join(dir, "card", "site"), 0, good, ""},
		{"a file", "always", file, 0, bad, "is no folder"},
		{"below a file", "always", filepath.Join(file, "site"), 0, bad, "not a directory"},
		{"no room", "always", dir, 1e6, bad, "min_free_gb keeps 1000000.0 GB"},
	} {
		cfg := config.Default()
		cfg.Gateway.StateDir = dir
		cam := config.DefaultCamera()
		cam.Record, cfg.Recording.Dir, cfg.Recording.MinFreeGB = c.record, c.folder, c.keep
		cfg.Cameras = []config.Camera{cam}
		switch d := checkRecordings(cfg); {
		case c.verdict == "":
			if d != nil {
				t.Errorf("%s: %+v", c.name, d)
			}
		case d == nil || d.Verdict != c.verdict || !strings.Contains(d.Reason, c.reason) || c.reason == "" && d.Free == 0:
			t.Errorf("%s: %+v, want %s, %q", c.name, d, c.verdict, c.reason)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "card")); err == nil {
		t.Error("check has made the folder")
	}
}

// TestStatusHintsAtAnUnmountedDisk: what is to be on a disk of its own and is on the system's is told while it runs
// too.
func TestStatusHintsAtAnUnmountedDisk(t *testing.T) {
	for folder, want := range map[string]bool{"/gbgate-is-not-here/card": true, "/proc/card": false, "card": false} {
		cfg := config.Default()
		cfg.Gateway.StateDir = "/gbgate-is-not-here"
		cam := config.DefaultCamera()
		cam.Record, cfg.Recording.Dir = "always", folder
		cfg.Cameras = []config.Camera{cam}
		r := newRecorders(cfg, func(record.Condition) {}, slog.New(slog.DiscardHandler))
		var out bytes.Buffer
		printRecordings(&out, r.document(), time.Now())
		if got := strings.Contains(out.String(), "\nhint: "+unmounted+"\n"); got != want {
			t.Errorf("%s: a hint %v, want %v\n%s", folder, got, want, out.String())
		}
	}
}

// TestNamesFitIntoFiles: a name that the configuration allows is one that a file can have.
func TestNamesFitIntoFiles(t *testing.T) {
	if 3*config.MaxRecordedName > record.MaxCamera {
		t.Errorf("a camera's name may have %d bytes, its files' %d", config.MaxRecordedName, record.MaxCamera)
	}
}

func TestMayWrite(t *testing.T) {
	for _, c := range []struct {
		uid, gid, mode uint32
		want           bool
	}{
		{0, 0, 0o755, true}, // a service that is root
		{7, 7, 0o755, true},
		{7, 7, 0o555, false},
		{8, 7, 0o755, false},
		{8, 7, 0o775, true},
		{8, 8, 0o775, false},
		{8, 8, 0o1777, true},
	} {
		if got := mayWrite(c.uid, c.gid, unix.Stat_t{Uid: 7, Gid: 7, Mode: c.mode}); got != c.want {
			t.Errorf("%d:%d in a folder of 7:7 with %o: %v", c.uid, c.gid, c.mode, got)
		}
	}
}

// TestCheckPrintsRecordings looks at what the installer sees, as text and as JSON.
func TestCheckPrintsRecordings(t *testing.T) {
	t.Parallel()
	file := writeConfig(t, 0, "", cameraTOML("gate", channelID, "rtsp://127.0.0.1:9/", "", "")+
		"record = \"always\"\n[recording]\nmin_free_gb = 900000\n")
	for _, args := range [][]string{{"check", "-c", file}, {"check", "--json", "-c", file}} {
		var out, faults bytes.Buffer
		code := dispatch(t.Context(), env{&out, &faults}, args)
		if code != exitBad || !strings.Contains(out.String(), "nothing is recorded unless older recordings can go") {
			t.Errorf("%v: exit %d\n%s%s", args, code, out.String(), faults.String())
		}
		var doc checkDoc
		if args[1] == "--json" &&
			(json.Unmarshal(out.Bytes(), &doc) != nil || doc.Recordings == nil || doc.Recordings.Verdict != bad) {
			t.Errorf("%+v", doc.Recordings)
		}
	}
}
