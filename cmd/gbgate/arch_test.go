package main_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// arrows says which packages of ours a package may import; "x/*" is every package directly
// below x, "*" any. A package without a line has that of the nearest folder above it. The
// two shores, rtsp and cascade, do not know each other; bridge knows both vocabularies but
// neither shore, and cmd ties the rope.
var arrows = map[string][]string{
	"media":                   {},
	"media/ps":                {"media"},
	"media/record":            {"media"},
	"media/rtpin":             {},
	"media/rtpout":            {},
	"rtsp":                    {"media"},
	"rtsp/simcam":             {"media"},
	"gb28181":                 {},
	"gb28181/manscdp":         {"gb28181"},
	"gb28181/mansrtsp":        {"gb28181"},
	"gb28181/sdp":             {"gb28181"},
	"gb28181/sipua":           {"gb28181"},
	"cascade":                 {"gb28181", "gb28181/*"},
	"cascade/rehearsal":       {"gb28181", "gb28181/*", "media", "media/*"},
	"cascade/rehearsal/relay": {},
	"bridge": {
		"media", "media/*",
		"gb28181", "gb28181/manscdp", "gb28181/sdp", "gb28181/mansrtsp",
		"bridge/ledger", "bridge/playback", "bridge/ptz", "bridge/statefile",
	},
	"bridge/idstore":       {"bridge/statefile"},
	"bridge/ledger":        {"gb28181/manscdp", "bridge/statefile"},
	"bridge/statefile":     {},
	"bridge/onvif":         {},
	"bridge/playback":      {"media", "gb28181", "gb28181/mansrtsp"},
	"bridge/playback/tape": {"bridge/playback", "media", "gb28181"},
	"bridge/ptz":           {"media", "gb28181", "gb28181/manscdp", "bridge/statefile"},
	"cmd/gbgate":           {"*"},
	"cmd/gbgate/admin":     {},
	"cmd/gbgate/config":    {},
	"cmd/gbgate/logfile":   {},
	"cmd/gbgate/memory":    {},
}

// testArrows is what any test may import besides: the peers that stand in for the world
// outside, and the vocabularies.
var testArrows = []string{
	"cascade/rehearsal", "cascade/rehearsal/relay", "rtsp/simcam", "bridge/playback/tape",
	"media", "media/ps",
	"gb28181", "gb28181/manscdp", "gb28181/mansrtsp", "gb28181/sdp",
}

// homes says where a library lives that the rest of us must be able to change without
// noticing.
var homes = map[string][]string{
	"github.com/emiago/sipgo":         {"gb28181/sipua"},
	"github.com/bluenviron/gortsplib": {"rtsp", "rtsp/simcam"},
}

// nameless are the names of packages that have no subject.
var nameless = []string{"common", "helper", "helpers", "models", "types", "util", "utils"}

// The folders of the top level; the first ones must exist.
var (
	codeFolders  = []string{"bridge", "cascade", "cmd", "gb28181", "media", "packaging", "rtsp"}
	otherFolders = []string{"docs"}
)

// goPackage is what `go list -json` prints of a package.
type goPackage struct {
	ImportPath   string
	Name         string
	Doc          string // its first sentence
	Imports      []string
	TestImports  []string
	XTestImports []string
}

func TestArrows(t *testing.T) {
	packages := listPackages(t)
	if len(packages) < len(codeFolders) {
		t.Fatalf("go list found %d packages only", len(packages))
	}
	for _, p := range packages {
		for _, fault := range archFaults(p) {
			t.Error(fault)
		}
	}
}

// Every package says in one sentence what it is for, in the code and in docs/ARCHITECTURE.md, which names no others.
func TestPackagesHaveAPurpose(t *testing.T) {
	text, err := os.ReadFile("../../docs/ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Packages\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var told []string
	for line := range strings.SplitSeq(section, "\n") {
		if row := strings.Split(line, "|"); len(row) > 2 {
			for i, name := range strings.Split(row[1], "`") {
				if i%2 == 1 {
					told = append(told, name)
				}
			}
		}
	}
	var there []string
	for _, p := range listPackages(t) {
		there = append(there, strings.TrimPrefix(p.ImportPath, "gbgate/"))
		if p.Doc == "" {
			t.Errorf("%s has no comment that says what it is for", p.ImportPath)
		}
	}
	slices.Sort(told)
	if diff := cmp.Diff(there, told); diff != "" {
		t.Errorf("packages (-in the tree +in docs/ARCHITECTURE.md):\n%s", diff)
	}
}

func TestTopLevelIsFixed(t *testing.T) {
	entries, err := os.ReadDir("../..")
	if err != nil {
		t.Fatal(err)
	}
	var folders []string
	for _, e := range entries {
		if e.IsDir() {
			folders = append(folders, e.Name())
		}
	}
	for _, fault := range topLevelFaults(folders) {
		t.Error(fault)
	}
}

// TestArrowsAreHeld plants edges and wants the wrong ones reported.
func TestArrowsAreHeld(t *testing.T) {
	const rtsp, sipgo = "github.com/bluenviron/gortsplib/v4/pkg/base", "github.com/emiago/sipgo/sip"
	for _, c := range []struct {
		from, to string
		test     bool
		want     string // "" = allowed
	}{
		{from: "media/ps", to: "gbgate/media"},
		{from: "rtsp", to: "gbgate/media"},
		{from: "cascade", to: "gbgate/gb28181/sipua"},
		{from: "cascade/rehearsal", to: "gbgate/media/ps"},
		{from: "bridge", to: "gbgate/media/rtpout"},
		{from: "bridge", to: "gbgate/bridge/playback"},
		{from: "bridge", to: "net/http"},
		{from: "cmd/gbgate", to: "gbgate/bridge/onvif"},
		{from: "cmd/gbgate/bench", to: "gbgate/cmd/gbgate/config"},
		{from: "cascade", to: "gbgate/cascade/internal/queue"},
		{from: "cascade/internal/queue", to: "gbgate/gb28181"},
		{from: "gb28181/sipua", to: sipgo},
		{from: "rtsp", to: rtsp},
		{from: "rtsp/simcam", to: rtsp},
		{from: "cascade", to: "gbgate/cascade/rehearsal", test: true},
		{from: "rtsp", to: "gbgate/rtsp/simcam", test: true},
		{from: "bridge", to: "gbgate/bridge/playback/tape", test: true},
		{from: "gb28181/sdp", to: "gbgate/gb28181/sdp", test: true},

		{from: "cascade", to: "gbgate/bridge", want: "cascade must not import bridge"},
		{from: "bridge", to: "gbgate/cascade", want: "bridge must not import cascade"},
		{from: "cascade", to: "gbgate/media", want: "cascade must not import media"},
		{from: "cascade", to: "gbgate/media/ps", want: "cascade must not import media/ps"},
		{from: "cascade", to: "gbgate/cascade/rehearsal", want: "cascade must not import cascade/rehearsal"},
		{from: "cascade/internal/queue", to: "gbgate/media", want: "cascade/internal/queue must not import media"},
		{from: "bridge", to: "gbgate/rtsp", want: "bridge must not import rtsp"},
		{from: "bridge", to: "gbgate/bridge/onvif", want: "bridge must not import bridge/onvif"},
		{from: "bridge", to: "gbgate/gb28181/sipua", want: "bridge must not import gb28181/sipua"},
		{from: "bridge", to: "gbgate/bridge/playback/tape", want: "bridge must not import bridge/playback/tape"},
		{from: "bridge/playback", to: "gbgate/bridge", want: "bridge/playback must not import bridge"},
		{from: "bridge/ptz", to: "gbgate/bridge/onvif", want: "bridge/ptz must not import bridge/onvif"},
		{from: "bridge/playback", to: "gbgate/media/rtpout", want: "bridge/playback must not import media/rtpout"},
		{from: "bridge/onvif", to: "gbgate/media", want: "bridge/onvif must not import media"},
		{
			from: "cascade/rehearsal/relay", to: "gbgate/gb28181/sipua",
			want: "cascade/rehearsal/relay must not import gb28181/sipua",
		},
		{from: "media", to: "gbgate/gb28181", want: "media must not import gb28181"},
		{from: "media/rtpout", to: "gbgate/media", want: "media/rtpout must not import media"},
		{from: "media/ps", to: "gbgate/media/rtpout", want: "media/ps must not import media/rtpout"},
		{from: "gb28181", to: "gbgate/gb28181/sdp", want: "gb28181 must not import gb28181/sdp"},
		{from: "gb28181/sdp", to: "gbgate/gb28181/manscdp", want: "gb28181/sdp must not import gb28181/manscdp"},
		{from: "rtsp", to: "gbgate/bridge", want: "rtsp must not import bridge"},
		{from: "bridge", to: "gbgate/cmd/gbgate/config", want: "bridge must not import cmd/gbgate/config"},
		{
			from: "cascade/rehearsal", to: "gbgate/cmd/gbgate/admin",
			want: "cascade/rehearsal must not import cmd/gbgate/admin",
		},
		{from: "cmd/gbgate/config", to: "gbgate/gb28181", want: "cmd/gbgate/config must not import gb28181"},
		{from: "cmd/gbgate/admin", to: "gbgate/bridge", want: "cmd/gbgate/admin must not import bridge"},
		{from: "storage", to: "gbgate/media", want: "storage: no such top-level folder"},
		{from: "cascade", to: sipgo, want: "cascade must not import " + sipgo},
		{from: "cascade", to: sipgo, test: true, want: "cascade's tests must not import " + sipgo},
		{from: "bridge", to: rtsp, want: "bridge must not import " + rtsp},
		{from: "cmd/gbgate", to: rtsp, want: "cmd/gbgate must not import " + rtsp},
		{from: "cascade", to: "gbgate/bridge", test: true, want: "cascade's tests must not import bridge"},
		{
			from: "rtsp", to: "gbgate/cmd/gbgate/config", test: true,
			want: "rtsp's tests must not import cmd/gbgate/config",
		},
		{from: "media/utils", to: "strings", want: "media/utils: a package needs a subject"},
		{from: "bridge/internal/types", to: "strings", want: "bridge/internal/types: a package needs a subject"},
	} {
		p := goPackage{ImportPath: "gbgate/" + c.from, Name: path.Base(c.from)}
		if c.test {
			p.XTestImports = []string{c.to}
		} else {
			p.Imports = []string{c.to}
		}
		if got := strings.Join(archFaults(p), "; "); got != c.want {
			t.Errorf("%s → %s (test %v): got %q, want %q", c.from, c.to, c.test, got, c.want)
		}
	}
}

func TestTopLevelIsHeld(t *testing.T) {
	got := topLevelFaults([]string{".git", "bin", "bridge", "cascade", "cmd", "gb28181", "internal", "media", "packaging"})
	want := []string{"internal: no such top-level folder", "rtsp: missing"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
}

func listPackages(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e",
		"-json=ImportPath,Name,Doc,Imports,TestImports,XTestImports", "./...")
	cmd.Dir = "../.."
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v: %s", err, stderr.String())
	}
	var packages []goPackage
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return packages
		}
		if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

// archFaults tells what is wrong with a package's place, name and imports.
func archFaults(p goPackage) []string {
	from := strings.TrimPrefix(p.ImportPath, "gbgate/")
	if top, _, _ := strings.Cut(from, "/"); !slices.Contains(codeFolders, top) {
		return []string{from + ": no such top-level folder"}
	}
	var faults []string
	if slices.Contains(nameless, p.Name) || slices.Contains(nameless, path.Base(from)) {
		faults = append(faults, from+": a package needs a subject")
	}
	for _, to := range p.Imports {
		if !mayImport(from, to, nil) {
			faults = append(faults, fmt.Sprintf("%s must not import %s", from, strings.TrimPrefix(to, "gbgate/")))
		}
	}
	for _, to := range slices.Concat(p.TestImports, p.XTestImports) {
		if !mayImport(from, to, testArrows) {
			faults = append(faults, fmt.Sprintf("%s's tests must not import %s", from, strings.TrimPrefix(to, "gbgate/")))
		}
	}
	return faults
}

// mayImport tells whether the arrow from → to exists, in the table or among extra.
func mayImport(from, to string, extra []string) bool {
	for library, allowed := range homes {
		if to == library || strings.HasPrefix(to, library+"/") {
			return slices.Contains(allowed, from)
		}
	}
	to, ours := strings.CutPrefix(to, "gbgate/")
	if !ours || to == from || strings.HasPrefix(to, from+"/internal/") {
		return true
	}
	fits := func(pattern string) bool {
		folder, wild := strings.CutSuffix(pattern, "/*")
		return pattern == "*" || pattern == to || wild && path.Dir(to) == folder
	}
	return slices.ContainsFunc(arrowsOf(from), fits) || slices.ContainsFunc(extra, fits)
}

// arrowsOf returns the line of a package or of the nearest folder above that has one.
func arrowsOf(from string) []string {
	for ; from != "."; from = path.Dir(from) {
		if allowed, ok := arrows[from]; ok {
			return allowed
		}
	}
	return nil
}

// topLevelFaults compares the folders of the top level with the fixed set. Hidden folders
// and what the build leaves behind (see .gitignore) do not count.
func topLevelFaults(folders []string) []string {
	var faults []string
	for _, f := range folders {
		built := f == "bin" || f == "build" || f == "dist"
		if built || strings.HasPrefix(f, ".") || slices.Contains(codeFolders, f) || slices.Contains(otherFolders, f) {
			continue
		}
		faults = append(faults, f+": no such top-level folder")
	}
	for _, f := range codeFolders {
		if !slices.Contains(folders, f) {
			faults = append(faults, f+": missing")
		}
	}
	return faults
}
