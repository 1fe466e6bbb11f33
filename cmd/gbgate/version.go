package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"runtime"
	"runtime/debug"
	"slices"
)

// versionDoc is what `version --json` prints.
type versionDoc struct {
	Version string            `json:"version"`
	Commit  string            `json:"commit"`
	Date    string            `json:"date"` // of the commit
	Go      string            `json:"go"`
	OS      string            `json:"os"`
	Arch    string            `json:"arch"`
	Modules map[string]string `json:"modules"`
}

// Release builds set both with -ldflags "-X main.version=… -X main.commit=…".
var (
	version = "dev" //nolint:gochecknoglobals // the linker sets it
	commit  string  //nolint:gochecknoglobals // the linker sets it
)

func buildVersion() versionDoc {
	doc := versionDoc{
		Version: version, Commit: commit, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH,
		Modules: map[string]string{},
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return doc
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			if doc.Commit == "" {
				doc.Commit = s.Value
			}
		case "vcs.time":
			doc.Date = s.Value
		}
	}
	for _, m := range info.Deps {
		doc.Modules[m.Path] = m.Version
	}
	return doc
}

func versionCommand(_ context.Context, e env, args []string) int {
	fs := e.flags("version")
	asJSON := fs.Bool("json", false, "print one JSON object")
	if code, done := e.parse(fs, args); done {
		return code
	}
	doc := buildVersion()
	if *asJSON {
		return e.printJSON(doc)
	}
	fmt.Fprintf(e.stdout, "gbgate %s %s %s %s/%s\n", doc.Version, doc.Commit, doc.Go, doc.OS, doc.Arch)
	for _, path := range slices.Sorted(maps.Keys(doc.Modules)) {
		fmt.Fprintf(e.stdout, "  %s %s\n", path, doc.Modules[path])
	}
	return exitGood
}

// printJSON prints the one object that stdout holds with --json.
func (e env) printJSON(v any) int {
	if err := writeJSON(e.stdout, v); err != nil {
		return e.fail(exitBad, err)
	}
	return exitGood
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
