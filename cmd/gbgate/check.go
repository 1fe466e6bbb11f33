package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"gbgate/bridge/onvif"
	"gbgate/cmd/gbgate/config"
)

// checkDoc is what `check --json` prints.
type checkDoc struct {
	Verdict string           `json:"verdict"`
	Checks  []faultDoc       `json:"checks"` // what is wrong with the file
	Cameras []checkCameraDoc `json:"cameras"`
	// Recordings is absent where no camera is recorded.
	Recordings *checkRecordingsDoc `json:"recordings,omitempty"`
	Hints      []hintDoc           `json:"hints"` // what of the box could be better
}

type faultDoc struct {
	Verdict string `json:"verdict"`
	Key     string `json:"key"`
	Line    int    `json:"line,omitempty"`
	Reason  string `json:"reason"`
}

type checkCameraDoc struct {
	Name    string `json:"name"`
	Verdict string `json:"verdict"`
	Reason  string `json:"reason,omitempty"`
	Codec   string `json:"codec,omitempty"`
	Width   int    `json:"width,omitempty"`
	Height  int    `json:"height,omitempty"`
	Audio   string `json:"audio,omitempty"`
	Server  string `json:"server,omitempty"`
}

// checkTimeout bounds what one camera may take; they are asked at the same time.
const checkTimeout = 20 * time.Second

// checkCommand is `gbgate check`: the file's faults, then every camera is asked what it offers, whether
// there is room for recordings, and what of the box could be better.
func checkCommand(ctx context.Context, e env, args []string) int {
	fs := e.flags("check")
	file := fs.String("c", "/etc/gbgate/config.toml", "configuration `file`")
	asJSON := fs.Bool("json", false, "print one JSON object")
	if code, done := e.parse(fs, args); done {
		return code
	}
	doc := checkDoc{Verdict: good, Checks: []faultDoc{}, Cameras: []checkCameraDoc{}, Hints: []hintDoc{}}
	cfg, err := loadConfig(*file)
	if faults, ok := errors.AsType[config.Faults](err); ok {
		doc.Verdict = bad
		for _, f := range faults {
			doc.Checks = append(doc.Checks, faultDoc{bad, f.Key, f.Line, f.Text})
		}
		if *asJSON {
			e.printJSON(doc)
		} else {
			fmt.Fprintln(e.stderr, err)
		}
		return exitUsage
	}
	doc.Cameras, doc.Hints = checkCameras(ctx, cfg), append(sheetHints(cfg), thisBox().hints(cfg)...)
	for _, c := range doc.Cameras {
		doc.Verdict = worse(doc.Verdict, c.Verdict)
	}
	if doc.Recordings = checkRecordings(cfg); doc.Recordings != nil {
		doc.Verdict = worse(doc.Verdict, doc.Recordings.Verdict)
	}
	if *asJSON {
		e.printJSON(doc)
	} else {
		fmt.Fprintf(e.stdout, "%s: no faults\n", *file)
		table(e.stdout, "\nCAMERA\tVERDICT\tVIDEO\tAUDIO\tREASON", func(row func(...any)) {
			for _, c := range doc.Cameras {
				row(c.Name, c.Verdict, dash(c.Codec), dash(c.Audio), c.Reason)
			}
		})
		printCheckedRecordings(e.stdout, doc.Recordings)
		printHints(e.stdout, doc.Hints)
	}
	if doc.Verdict != good {
		return exitBad
	}
	return exitGood
}

func checkCameras(ctx context.Context, cfg *config.Config) []checkCameraDoc {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	docs := make([]checkCameraDoc, len(cfg.Cameras))
	shared, silent := make(clients), slog.New(slog.DiscardHandler)
	var wg sync.WaitGroup
	for i, c := range cfg.Cameras {
		src := newSource(c, c.URL, nil, silent)
		if c.ONVIF != "" {
			client, err := shared.client(c, silent)
			if err == nil {
				src.onvif, err = onvif.NewCamera(onvif.CameraConfig{Client: client, Channel: c.ONVIFChannel})
			}
			if err != nil {
				docs[i] = checkCameraDoc{Name: c.Name, Verdict: bad, Reason: "ONVIF: " + err.Error()}
				continue
			}
		}
		wg.Go(func() { docs[i] = checkCamera(ctx, c.Name, src) })
	}
	wg.Wait()
	return docs
}

// checkCamera asks what a camera offers, by ONVIF first: what it refuses there needs no second try.
func checkCamera(ctx context.Context, name string, src *source) checkCameraDoc {
	pull := src.pull
	if src.onvif != nil {
		_, _, err := src.onvif.Streams(ctx)
		if err == nil {
			pull, err = src.locate(ctx)
		}
		if err != nil {
			return checkCameraDoc{Name: name, Verdict: bad, Reason: "ONVIF: " + err.Error()}
		}
	}
	found, err := pull.Check(ctx)
	if err != nil {
		return checkCameraDoc{Name: name, Verdict: bad, Reason: err.Error()}
	}
	d := checkCameraDoc{
		Name: name, Verdict: good, Codec: found.Video.Codec.String(), Width: found.Video.Width, Height: found.Video.Height,
		Server: found.Server,
	}
	if found.Audio.Codec.IsAudio() {
		d.Audio = found.Audio.Codec.String()
	}
	return d
}
