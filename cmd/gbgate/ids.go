package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"gbgate/bridge/idstore"
	"gbgate/cmd/gbgate/config"
)

// idsDoc is what every `ids … --json` prints.
type idsDoc struct {
	Verdict string         `json:"verdict"`
	Store   string         `json:"store"`          // the ID store's file
	File    string         `json:"file,omitempty"` // the sheet
	Checks  []idsRowDoc    `json:"checks"`         // its rows
	Cameras []idsCameraDoc `json:"cameras"`
	Block   idsBlockDoc    `json:"block"`
	Reason  string         `json:"reason,omitempty"`
}

// idsBlockDoc counts the camera codes that were handed out.
type idsBlockDoc struct {
	Codes int `json:"codes"`
	Used  int `json:"used"`
	Free  int `json:"free"`
	Added int `json:"added"` // by this import
}

const idsUsage = `usage: gbgate ids COMMAND [-c FILE] [--json]
  import SHEET  [--block A-B,…]        read the platform's sheet (CSV, XLSX) into the ID store
  check [SHEET] [--block A-B,…]        judge a sheet without keeping it; without one: every camera's code
  assign [--any] [--dry-run]           give a code of the block to every camera that has none
         [--release NAME]              take a camera's code from it
  export [--csv|--xlsx] [-o FILE]      cameras and free codes as a sheet; [--superior NAME] as that one sees them
`

// idsCommand is `gbgate ids`: the codes of a site.
func idsCommand(ctx context.Context, e env, args []string) int {
	if len(args) == 0 {
		fmt.Fprint(e.stderr, idsUsage)
		return exitUsage
	}
	r := idsRun{env: e, name: args[0]}
	switch args[0] {
	case "import":
		return r.judgeCommand(args[1:])
	case "check":
		return r.judgeCommand(args[1:])
	case "assign":
		return r.assignCommand(args[1:])
	case "export":
		return r.exportCommand(args[1:])
	case "help", "-h", "--help":
		fmt.Fprint(e.stdout, idsUsage)
		return exitGood
	}
	fmt.Fprintf(e.stderr, "gbgate ids: there is no command %q\n%s", args[0], idsUsage)
	return exitUsage
}

// idsRun is one `ids` command.
type idsRun struct {
	env
	name string
	file string // configuration
	json bool
	cfg  *config.Config
	path string // of the ID store
	rest []string
	doc  idsDoc
}

const defaultConfig = "/etc/gbgate/config.toml"

// start reads the flags, which may also stand behind the sheet's name, and the configuration.
func (r *idsRun) start(args []string, most int, define func(*flag.FlagSet)) (code int, done bool) {
	fs := r.flags("ids " + r.name)
	fs.StringVar(&r.file, "c", defaultConfig, "configuration `file`")
	fs.BoolVar(&r.json, "json", false, "print one JSON object")
	define(fs)
	for len(args) > 0 {
		switch err := fs.Parse(args); {
		case errors.Is(err, flag.ErrHelp):
			return exitGood, true
		case err != nil:
			return exitUsage, true
		}
		if args = fs.Args(); len(args) > 0 {
			r.rest, args = append(r.rest, args[0]), args[1:]
		}
	}
	if len(r.rest) > most {
		return r.fail(exitUsage, fmt.Errorf("ids %s: what is %q?", r.name, r.rest[most])), true
	}
	cfg, err := config.Load(r.file, config.MissingCodesAllowed())
	if _, missing := os.Stat(r.file); missing != nil && r.file == defaultConfig && r.name != "export" {
		cfg, err = config.Default(), nil // the sheet may come before the configuration
	}
	if err != nil {
		return r.refuse(exitUsage, err), true
	}
	r.cfg, r.path = cfg, storePath(cfg)
	r.doc = idsDoc{Verdict: good, Store: r.path, Checks: []idsRowDoc{}, Cameras: []idsCameraDoc{}}
	return 0, false
}

func storePath(cfg *config.Config) string {
	return filepath.Join(cfg.Gateway.StateDir, idstore.FileName)
}

// refuse ends the command with an error, which with --json is the object's reason as well.
func (r *idsRun) refuse(code int, err error) int {
	if r.json {
		doc := r.doc
		doc.Verdict, doc.Reason = bad, err.Error()
		doc.Checks, doc.Cameras = []idsRowDoc{}, []idsCameraDoc{}
		r.printJSON(doc)
	}
	if faults, ok := errors.AsType[config.Faults](err); ok {
		fmt.Fprintln(r.stderr, faults)
		return code
	}
	return r.fail(code, err)
}

// end prints the document, or lets show print it for people, and tells the exit code.
func (r *idsRun) end(show func()) int {
	if r.json {
		r.printJSON(r.doc)
	} else {
		show()
	}
	if r.doc.Verdict != good {
		return exitBad
	}
	return exitGood
}

// count fills in the block's figures.
func (r *idsRun) count(s *idstore.Store, owners map[string]codeOwner) {
	for _, c := range s.Block() {
		if c.Kind != "" {
			continue
		}
		r.doc.Block.Codes++
		if _, used := owners[c.Code]; used {
			r.doc.Block.Used++
		} else {
			r.doc.Block.Free++
		}
	}
}

// codeOwner is what has a code.
type codeOwner struct {
	what  string // in plain words: camera "east_gate"
	names []string
}

// owners tells whose every code is that the configuration or the store gives to somebody.
func (r *idsRun) owners(s *idstore.Store) map[string]codeOwner {
	owners := map[string]codeOwner{}
	for code, what := range r.cfg.Reserved() {
		owners[code] = codeOwner{what: what}
	}
	here := map[string]bool{}
	for _, c := range r.cfg.Cameras {
		here[c.Name] = true
		owner := codeOwner{fmt.Sprintf("camera %q", c.Name), []string{c.Title, c.Name}}
		codes := []string{c.ID}
		if kept, ok := s.Code(c.Name); ok && c.ID == "" {
			codes[0] = kept
		}
		for _, sup := range r.cfg.Superiors {
			codes = append(codes, sup.IDs[c.Name])
		}
		for _, code := range codes {
			if code != "" {
				owners[code] = owner
			}
		}
	}
	for _, name := range s.Cameras() {
		if code, _ := s.Code(name); !here[name] && owners[code].what == "" {
			owners[code] = codeOwner{fmt.Sprintf("camera %q, which is not in the configuration", name), []string{name}}
		}
	}
	return owners
}
