package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"gbgate/bridge/playback"
	"gbgate/media/record"
)

const recordingsUsage = `usage: gbgate recordings COMMAND [-c FILE | --dir FOLDER]
  list    [--camera NAME] [--from TIME] [--to TIME] [--kind KIND] [--files]  what was recorded, and when
  verify  [--camera NAME] [--from TIME] [--to TIME] [--deep]                 look for damaged files; --deep reads every picture
  export  --camera NAME --from TIME --to TIME -o FILE.mp4                    one clip, from the key picture in front of --from
They work on the folder itself, whether the gateway runs or not. TIME is 2026-01-31T08:00:00 in the box's time
zone, or RFC 3339 with a zone of its own; KIND is time, alarm, manual or all. Each takes --json.
In a list, files of one kind that follow each other within two seconds are one recording; a platform is told the same,
but of each hour for itself.
`

// recordingsCommand is `gbgate recordings`: what is in the archive.
func recordingsCommand(ctx context.Context, e env, args []string) int {
	if len(args) == 0 {
		fmt.Fprint(e.stderr, recordingsUsage)
		return exitUsage
	}
	r := recordingsRun{env: e}
	switch args[0] {
	case "list":
		return r.run(ctx, args, r.list)
	case "verify":
		return r.run(ctx, args, r.verify)
	case "export":
		return r.run(ctx, args, r.export)
	case "help", "-h", "--help":
		fmt.Fprint(e.stdout, recordingsUsage)
		return exitGood
	}
	fmt.Fprintf(e.stderr, "gbgate recordings: there is no command %q\n%s", args[0], recordingsUsage)
	return exitUsage
}

// recordingsRun is one `recordings` command.
type recordingsRun struct {
	env
	json, files, deep bool
	camera, out       string
	from, to          time.Time
	kind              record.Kind
	archive           *record.Archive
	configured        []string // the cameras of the configuration, if that was read
}

func (r *recordingsRun) run(ctx context.Context, args []string, f func(context.Context) int) int {
	fs := r.flags("recordings " + args[0])
	file := fs.String("c", defaultConfig, "configuration `file`")
	dir := fs.String("dir", "", "the `folder` itself, instead of that of the configuration")
	fs.BoolVar(&r.json, "json", false, "print one JSON object")
	fs.StringVar(&r.camera, "camera", "", "of this camera only")
	r.to = time.Now().Add(24 * time.Hour)
	fs.Func("from", "what ends after this `time`", moment(&r.from))
	fs.Func("to", "what begins before this `time`", moment(&r.to))
	kind := "all"
	switch args[0] {
	case "list":
		fs.StringVar(&kind, "kind", kind, "time, alarm, manual or all")
		fs.BoolVar(&r.files, "files", false, "every file, not what they are together")
	case "verify":
		fs.BoolVar(&r.deep, "deep", false, "read every picture")
	case "export":
		fs.StringVar(&r.out, "o", "", "the MP4 `file` to write")
	}
	if code, done := r.parse(fs, args[1:]); done {
		return code
	}
	var err error
	if r.kind, err = record.ParseKind(kind); err != nil {
		return r.fail(exitUsage, err)
	}
	if *dir == "" {
		cfg, err := loadConfig(*file)
		if err != nil {
			fmt.Fprintln(r.stderr, err)
			return exitUsage
		}
		*dir = cfg.RecordingDir()
		for _, c := range cfg.Cameras {
			r.configured = append(r.configured, c.Name)
		}
	}
	if args[0] == "export" && (r.camera == "" || r.out == "" || given(fs, "from", "to") < 2) {
		return r.fail(exitUsage, errors.New("export wants --camera, --from, --to and -o"))
	}
	if err := r.open(ctx, *dir); err != nil {
		return r.fail(exitBad, err)
	}
	return f(ctx)
}

// open reads the index of a folder. A folder or a camera that is not there is more likely mistyped than empty.
func (r *recordingsRun) open(ctx context.Context, dir string) error {
	switch info, err := os.Stat(dir); {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("there is no folder %s: nothing was ever recorded there", dir)
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is no folder", dir)
	}
	r.archive = record.New(record.Config{Dir: dir})
	if err := r.archive.Load(ctx); err != nil {
		return err
	}
	known := func(c record.CameraStatus) bool { return c.Camera == r.camera }
	stored := r.archive.Status().Cameras
	if r.camera == "" || slices.Contains(r.configured, r.camera) || slices.ContainsFunc(stored, known) {
		return nil
	}
	names := r.configured
	for _, c := range stored {
		names = append(names, c.Camera)
	}
	if len(names) == 0 {
		return fmt.Errorf("there is no camera %q: nothing is kept in %s", r.camera, dir)
	}
	slices.Sort(names)
	return fmt.Errorf("there is no camera %q; there are: %s", r.camera, strings.Join(slices.Compact(names), ", "))
}

// given counts the flags among names that were given.
func given(fs *flag.FlagSet, names ...string) (n int) {
	fs.Visit(func(f *flag.Flag) {
		for _, name := range names {
			if f.Name == name {
				n++
			}
		}
	})
	return n
}

// moment reads a time that a person wrote.
func moment(t *time.Time) func(string) error {
	return func(text string) error {
		for _, layout := range []string{
			"2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly,
		} {
			if at, err := time.ParseInLocation(layout, text, time.Local); err == nil {
				*t = at
				return nil
			}
		}
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return errors.New("that is no time such as 2026-01-31T08:00:00")
		}
		*t = at
		return nil
	}
}

// segments finds what was asked for, camera by camera.
func (r *recordingsRun) segments(ctx context.Context) (all []record.Segment, err error) {
	for _, c := range r.archive.Status().Cameras {
		if r.camera != "" && c.Camera != r.camera {
			continue
		}
		found, err := r.archive.Find(ctx, c.Camera, r.from, r.to, r.kind)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// segmentDoc is one file, or several that follow each other.
type segmentDoc struct {
	Camera string    `json:"camera"`
	Start  time.Time `json:"start"`
	End    time.Time `json:"end"`
	Kind   string    `json:"kind"`
	Bytes  int64     `json:"bytes"`
	Files  int       `json:"files"`
	File   string    `json:"file,omitempty"` // where it is one
}

// joined is the longest gap between two files that are one recording, the same as upward. There each hour is one for
// itself, because platforms ask for playback with what they were told; people want to see the gaps.
const joined = playback.JoinGap

func (r *recordingsRun) list(ctx context.Context) int {
	found, err := r.segments(ctx)
	if err != nil {
		return r.fail(exitBad, err)
	}
	docs := make([]segmentDoc, 0, len(found))
	for _, s := range found {
		if n := len(docs); n > 0 && !r.files {
			last := &docs[n-1]
			if last.Camera == s.Camera && last.Kind == s.Kind.String() && s.Start.Sub(last.End) <= joined {
				if s.End.After(last.End) { // where the clock was set back, a file may lie within the one before
					last.End = s.End
				}
				last.Bytes, last.Files, last.File = last.Bytes+s.Size, last.Files+1, ""
				continue
			}
		}
		docs = append(docs, segmentDoc{s.Camera, s.Start, s.End, s.Kind.String(), s.Size, 1, s.Path})
	}
	if r.json {
		r.printJSON(map[string]any{"recordings": docs})
		return exitGood
	}
	if len(docs) == 0 {
		fmt.Fprintln(r.stdout, "nothing was recorded then")
		return exitGood
	}
	table(r.stdout, "CAMERA\tFROM\tTO\tLENGTH\tKIND\tFILES\tSIZE\tFILE", func(row func(...any)) {
		for _, d := range docs {
			row(d.Camera, d.Start.Local().Format(time.DateTime), d.End.Local().Format(time.DateTime),
				ago(d.Start, d.End), d.Kind, d.Files, size(d.Bytes), d.File)
		}
	})
	return exitGood
}

// verifyDoc is what verify says of a file.
type verifyDoc struct {
	File     string  `json:"file"`
	Verdict  string  `json:"verdict"` // good | unfinished | bad
	Reason   string  `json:"reason,omitempty"`
	Seconds  float64 `json:"seconds"`
	Pictures int     `json:"pictures"`
	Keys     int     `json:"key_pictures"`
	Sounds   int     `json:"audio_frames"`
	Torn     int64   `json:"torn_bytes,omitempty"`
}

func (r *recordingsRun) verify(ctx context.Context) int {
	found, err := r.segments(ctx)
	if err != nil {
		return r.fail(exitBad, err)
	}
	verdict, damaged, seconds := good, 0, 0.0
	docs := make([]verifyDoc, 0, len(found))
	for _, s := range found {
		v := r.archive.Verify(ctx, s, r.deep)
		if ctx.Err() != nil {
			return r.fail(exitBad, context.Cause(ctx))
		}
		if errors.Is(v.Err, os.ErrNotExist) { // the gateway has finished or deleted it since the list was made
			continue
		}
		d := verifyDoc{
			File: s.Path, Verdict: good, Seconds: v.Length.Seconds(), Pictures: v.Pictures, Keys: v.Keys, Sounds: v.Sounds,
			Torn: v.Torn,
		}
		switch {
		case v.Err != nil:
			d.Verdict, d.Reason, verdict = bad, v.Err.Error(), bad
			damaged++
		case !v.Finished:
			d.Verdict = "unfinished"
			d.Reason = "it is being written, or the gateway was killed: it is finished at its next start"
		}
		seconds += d.Seconds
		docs = append(docs, d)
	}
	switch {
	case r.json:
		r.printJSON(map[string]any{"verdict": verdict, "files": docs})
	default:
		for _, d := range docs {
			if d.Verdict != good {
				fmt.Fprintf(r.stdout, "%s: %s: %s (%.1f s can be read)\n", d.File, d.Verdict, d.Reason, d.Seconds)
			}
		}
		fmt.Fprintf(r.stdout, "%d files, %s: %d damaged\n", len(docs),
			time.Duration(seconds*float64(time.Second)).Round(time.Second), damaged)
	}
	if verdict == bad {
		return exitBad
	}
	return exitGood
}

func (r *recordingsRun) export(ctx context.Context) int {
	clip, err := r.archive.Export(ctx, r.camera, r.from, r.to, r.out)
	if errors.Is(err, record.ErrNothing) {
		err = fmt.Errorf("%s: %w", r.camera, err)
	}
	if r.json {
		doc := map[string]any{
			"verdict": good, "file": r.out, "from": clip.From, "to": clip.To, "pictures": clip.Pictures,
			"audio_frames": clip.Sounds, "skipped_seconds": clip.Skipped.Seconds(),
		}
		if err != nil {
			doc["verdict"], doc["reason"] = bad, err.Error()
		}
		r.printJSON(doc)
	} else if clip.Pictures+clip.Sounds > 0 {
		fmt.Fprintf(r.stdout, "%s: %s to %s, %d pictures", r.out, clip.From.Local().Format(time.DateTime),
			clip.To.Local().Format(time.DateTime), clip.Pictures)
		if clip.Skipped > 0 {
			fmt.Fprintf(r.stdout, ", gaps of %v left out", clip.Skipped.Round(time.Second))
		}
		fmt.Fprintln(r.stdout)
	}
	if err != nil {
		return r.fail(exitBad, err)
	}
	return exitGood
}
