package main

import (
	"errors"
	"fmt"
	"strings"

	"gbgate/rtsp"
)

func asRTSP(err error) (*rtsp.Error, bool) { return errors.AsType[*rtsp.Error](err) }

// printProbe prints what a camera answered, for people.
func (e env) printProbe(doc probeDoc) {
	say := func(format string, args ...any) { fmt.Fprintln(e.stdout, printable(fmt.Sprintf(format, args...))) }
	say("%s: %s %s", doc.Camera, doc.Verdict, doc.Reason)
	if o := doc.ONVIF; o != nil {
		say("  ONVIF     %s %s %s", o.Verdict, o.Address, o.Reason)
		say("  device    %s %s, firmware %s, clock %s",
			dash(o.Manufacturer), dash(o.Model), dash(o.Firmware), skew(o.ClockSkew))
		var can []string
		for _, c := range []struct {
			has  bool
			what string
		}{{o.PTZ, "PTZ"}, {o.Talk, "back channel"}, {o.Snapshot, "snapshot"}, {o.Recordings > 0, "recordings"}} {
			if c.has {
				can = append(can, c.what)
			}
		}
		say("  offers    %s", dash(strings.Join(can, ", ")))
	} else {
		say("  ONVIF     not asked or not there")
	}
	for _, s := range doc.Streams {
		if s.Verdict != good {
			say("  %-9s %s %s: %s", s.Stream, s.Verdict, s.URL, s.Reason)
			continue
		}
		say("  %-9s %s %s", s.Stream, s.Verdict, s.URL)
		keys := fmt.Sprintf("a key picture every %.1f s", s.GOPSeconds)
		if s.GOP == 0 {
			keys = "one key picture only"
		}
		say("            %s %dx%d, %.1f pictures/s, %d kbit/s, %s, first after %d ms, audio %s",
			s.Codec, s.Width, s.Height, s.FPS, s.BitrateKbps, keys, s.FirstMS, dash(s.Audio))
		if s.BackChannel != "" {
			say("            back channel: yes, %s", s.BackChannel)
		} else if s.Stream == "main" {
			say("            back channel: no")
		}
	}
	for _, f := range doc.Fixes {
		say("  fix       %s", f)
	}
}
