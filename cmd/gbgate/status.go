package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"gbgate/cmd/gbgate/admin"
	"gbgate/cmd/gbgate/config"
)

// statusCommand is `gbgate status`: it asks the running process. Exit 1 when something is bad.
func statusCommand(ctx context.Context, e env, args []string) int {
	fs := e.flags("status")
	file := fs.String("c", "/etc/gbgate/config.toml", "configuration `file` of the running gateway")
	asJSON := fs.Bool("json", false, "print one JSON object")
	if code, done := e.parse(fs, args); done {
		return code
	}
	_, faults := loadConfig(*file)
	body, err := admin.Get(ctx, socketIn(config.StateDir(*file)), "/api/v1/status")
	switch {
	case err != nil && faults != nil:
		fmt.Fprintln(e.stderr, faults)
		return exitUsage
	case err != nil:
		return e.fail(exitBad, err)
	}
	var doc statusDoc
	if err := json.Unmarshal(body, &doc); err != nil {
		return e.fail(exitBad, fmt.Errorf("the answer is not understood: %w", err))
	}
	if *asJSON {
		_, _ = e.stdout.Write(body)
	} else {
		printStatus(e.stdout, doc, time.Now())
	}
	if faults != nil { // somebody is just changing it, and wants to know what runs
		fmt.Fprintf(e.stderr, "\n%v\nThe gateway runs with the configuration before; it would not start with this one.\n",
			faults)
		return exitBad
	}
	if now := digest(*file); doc.Config != "" && now != "" && now != doc.Config {
		fmt.Fprintf(e.stderr, "\n%s is not what the gateway runs with: it was changed since. To take it over: "+
			"systemctl reload gbgate (SIGHUP)\n", *file)
	}
	if doc.Verdict != good {
		return exitBad
	}
	return exitGood
}

func printStatus(w io.Writer, doc statusDoc, now time.Time) {
	fmt.Fprintf(w, "gbgate %s, %s, SIP on %s, up %s\n", doc.Version, doc.ID, doc.SIP, ago(doc.Started, now))
	if m := doc.Memory; m.Reason != "" {
		fmt.Fprintf(w, "memory: %s (%.1f of %.1f MB left, %d calls refused)\n",
			m.Reason, float64(m.Available)/1e6, float64(m.Limit)/1e6, m.Refused)
	}
	table(w, "\nSUPERIOR\tSTATE\tSINCE\tREGISTERED FOR\tKEEPALIVE\tLAST REQUEST\tCALLS\tREASON", func(row func(...any)) {
		for _, s := range doc.Superiors {
			left := "-"
			if s.RegisteredUntil != nil && s.RegisteredUntil.After(now) {
				left = "another " + ago(now, *s.RegisteredUntil)
			}
			row(s.Name, s.State, ago(s.Since, now), left, before(s.KeepaliveAnswered, now), before(s.RequestReceived, now),
				s.Calls, s.Reason)
		}
	})
	table(w, "\nCAMERA\tSTATUS\tSINCE\tFEED\tVIEWERS\tVIDEO\tAUDIO\tREASON", func(row func(...any)) {
		for _, c := range doc.Cameras {
			video := "-"
			if c.Codec != "" {
				video = fmt.Sprintf("%s %dx%d %.4g fps", c.Codec, c.Width, c.Height, c.FPS)
			}
			row(c.Name, c.Status, ago(c.Since, now), c.Feed, c.Viewers, video, dash(c.Audio), c.Reason)
		}
	})
	printEvents(w, doc, now)
	printRecordings(w, doc.Recordings, now)
	if len(doc.Calls) == 0 {
		return
	}
	table(w, "\nCALL\tSUPERIOR\tKIND\tTRANSPORT\tTO\tSINCE\tPACKETS\tDROPPED\tLOST\tBURST\tPATH", func(row func(...any)) {
		for _, c := range doc.Calls {
			row(c.Camera, c.Superior, c.Kind, c.Transport, c.Remote, ago(c.Since, now), c.Packets, c.Dropped, loss(c),
				c.MaxBurst, c.Path)
		}
	})
}

// loss is what the receiver's last report says: the share since the one before, and the packets so far.
func loss(c callDoc) string {
	if c.Loss == nil {
		return "-"
	}
	return fmt.Sprintf("%.1f %% (%d)", 100**c.Loss, c.Lost)
}

// printEvents shows the cameras whose own alarms can't be heard, and those that told something.
func printEvents(w io.Writer, doc statusDoc, now time.Time) {
	var told []cameraDoc
	for _, c := range doc.Cameras {
		if c.Events != nil && (c.Events.Events > 0 || c.Events.Verdict == bad) {
			told = append(told, c)
		}
	}
	if len(told) == 0 {
		return
	}
	table(w, "\nEVENTS OF\tHEARD\tLAST\tREASON", func(row func(...any)) {
		for _, c := range told {
			row(c.Name, c.Events.Events, before(c.Events.Last, now), c.Events.Reason)
		}
	})
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func before(t *time.Time, now time.Time) string {
	if t == nil {
		return "never"
	}
	return ago(*t, now) + " ago"
}

// ago is the time from one moment to another in at most two units.
func ago(from, to time.Time) string {
	d := to.Sub(from).Round(time.Second)
	switch {
	case d < time.Minute:
		return d.String()
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%02dh", int(d.Hours())/24, int(d.Hours())%24)
}
