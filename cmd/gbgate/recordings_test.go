package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// plantRecording puts an empty file of a camera into an archive's folder, with the name that a finished one has.
func plantRecording(t *testing.T, dir, camera, day, clock, length string) {
	t.Helper()
	name := camera + "_" + strings.ReplaceAll(day, "-", "") + "T" + clock + ".000Z_time_" + length + ".mp4"
	path := filepath.Join(dir, camera, day, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestRecordingsOfNobody: a folder or a camera that is not there is said to be missing; a camera of which nothing was
// kept is not.
func TestRecordingsOfNobody(t *testing.T) {
	dir := t.TempDir()
	plantRecording(t, dir, "gate", "2026-11-30", "080000", "300000")
	file := filepath.Join(dir, "notes.txt")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	config := writeConfig(t, 0, "", cameraTOML("yard", yardID, "rtsp://127.0.0.1:9/", "", ""))
	if err := os.MkdirAll(filepath.Join(filepath.Dir(config), "state", "recordings"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"list", "--dir", dir}, exitGood, "2026-11-30"},
		{[]string{"list", "--dir", dir, "--camera", "gate", "--to", "2026-01-01"}, exitGood, "nothing was recorded then"},
		{[]string{"list", "--dir", dir + "x"}, exitBad, "there is no folder " + dir + "x"},
		{[]string{"verify", "--dir", dir + "x", "--json"}, exitBad, "there is no folder"},
		{[]string{"list", "--dir", file}, exitBad, "is no folder"},
		{[]string{"list", "--dir", dir, "--camera", "gaet"}, exitBad, "no camera \"gaet\"; there are: gate"},
		{[]string{"verify", "--dir", dir, "--camera", "gaet"}, exitBad, "no camera \"gaet\""},
		{[]string{"list", "-c", config, "--camera", "yard"}, exitGood, "nothing was recorded then"},
		{[]string{"list", "-c", config, "--camera", "gaet"}, exitBad, "there are: yard"},
	} {
		var out, faults bytes.Buffer
		code := dispatch(t.Context(), env{&out, &faults}, append([]string{"recordings"}, c.args...))
		if text := out.String() + faults.String(); code != c.code || !strings.Contains(text, c.want) {
			t.Errorf("%v: exit %d, want %d and %q:\n%s", c.args, code, c.code, c.want, text)
		}
	}
}

// TestListJoinsAsRecordInfoDoes: files of one kind that follow each other are one recording, over the edge of an hour
// too; what lies within another file, because the clock was set back, does not shorten it.
func TestListJoinsAsRecordInfoDoes(t *testing.T) {
	dir := t.TempDir()
	for clock, length := range map[string]string{
		"075500": "300000", "080000": "298000", "080500": "300000", // a gap of two seconds
		"080700": "60000",  // within the one before
		"081003": "300000", // three seconds later
	} {
		plantRecording(t, dir, "gate", "2026-11-30", clock, length)
	}
	var out, faults bytes.Buffer
	if code := dispatch(t.Context(), env{&out, &faults}, []string{
		"recordings", "list", "--json", "--dir", dir,
	}); code != exitGood {
		t.Fatal(faults.String())
	}
	var doc struct{ Recordings []segmentDoc }
	if err := json.Unmarshal(out.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range doc.Recordings {
		got = append(got, fmt.Sprintf("%s–%s of %d", d.Start.UTC().Format(time.TimeOnly), d.End.UTC().Format(time.TimeOnly),
			d.Files))
	}
	if want := "07:55:00–08:10:00 of 4, 08:10:03–08:15:03 of 1"; strings.Join(got, ", ") != want {
		t.Errorf("listed %s, want %s", strings.Join(got, ", "), want)
	}
}

// TestVerifyWhileItRuns: a file that the gateway finishes or deletes while others are looked at is not damaged.
func TestVerifyWhileItRuns(t *testing.T) {
	dir := t.TempDir()
	plantRecording(t, dir, "gate", "2026-11-30", "080000", "300000")
	var out, faults bytes.Buffer
	r := recordingsRun{env: env{&out, &faults}, to: time.Now().AddDate(1, 0, 0)}
	if err := r.open(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	if code := r.verify(t.Context()); code != exitBad || !strings.Contains(out.String(), "1 damaged") {
		t.Errorf("a file of one byte: exit %d\n%s", code, out.String())
	}
	out.Reset()
	if err := os.RemoveAll(filepath.Join(dir, "gate")); err != nil {
		t.Fatal(err)
	}
	if code := r.verify(t.Context()); code != exitGood || !strings.Contains(out.String(), "0 damaged") {
		t.Errorf("one that is gone: exit %d\n%s", code, out.String())
	}
}
