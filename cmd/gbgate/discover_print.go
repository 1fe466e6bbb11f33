package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"gbgate/bridge/onvif"
)

// refusedPassword tells whether a device wants a password, or another one.
func refusedPassword(err error) bool {
	e, ok := errors.AsType[*onvif.Error](err)
	return ok && (e.Kind == onvif.NotAuthorized || e.Kind == onvif.Resting)
}

// printFound prints a table for people.
func (e env) printFound(doc discoverDoc) {
	defer e.printStrangers(doc)
	if len(doc.Cameras) == 0 {
		fmt.Fprintln(e.stdout, "no camera answers")
		fmt.Fprintln(e.stdout, "--net 192.0.2.0/24 looks in another network than this box's; "+
			"`gbgate probe camera IP` looks at one address closely")
		if os.Geteuid() != 0 && len(doc.Strangers) == 0 {
			fmt.Fprintln(e.stdout, "as root, discover hears cameras whose addresses are in other networks, too")
		}
		return
	}
	table(e.stdout, "HOST\tBRAND\tMODEL\tONVIF\tRTSP\tCLOCK\tCAMERA\tCODE\tNOTE", func(row func(...any)) {
		for _, f := range doc.Cameras {
			code := f.Code
			if f.Configured != "" {
				code = "configured"
			}
			row(f.Host, dash(cmp.Or(f.Brand, f.Server)), dash(f.Model), yes(f.ONVIF), yes(f.RTSP), skew(f.ClockSkew),
				f.Name, dash(code), f.Reason)
		}
	})
}

func yes(s string) string {
	if s != "" {
		return "yes"
	}
	return "-"
}

func skew(s *float64) string {
	if s == nil {
		return "-"
	}
	d := time.Duration(*s) * time.Second
	if d.Abs() <= skewAllowed {
		return "right"
	}
	if d.Abs() > time.Minute {
		d = d.Round(time.Minute)
	}
	text := d.String()
	if d%time.Minute == 0 {
		text = strings.TrimSuffix(text, "0s")
	}
	if d > 0 {
		text = "+" + text
	}
	return text
}

// printStrangers tells of cameras that can't answer us, and how they could.
func (e env) printStrangers(doc discoverDoc) {
	for _, s := range doc.Strangers {
		fmt.Fprintf(e.stdout, "\n%s (%s) is heard on %s, but is in a network that we are not in. To look at it:\n  %s\n",
			s.Host, s.Card, s.Interface, s.Fix)
	}
}

// printCameras prints [[camera]] blocks for what is not in the configuration yet.
func (e env) printCameras(doc discoverDoc) {
	for _, f := range doc.Cameras {
		if f.Configured != "" {
			continue
		}
		fmt.Fprint(e.stdout, f.block())
	}
	for _, s := range doc.Strangers {
		fmt.Fprintf(e.stdout, "\n# %s is heard on %s in a network that we are not in: %s\n", s.Host, s.Interface, s.Fix)
	}
}

// block is a camera's part of the configuration, ready but for its password.
func (f *foundDoc) block() string {
	var b strings.Builder
	key := func(name, value string) { fmt.Fprintf(&b, "%s = %s\n", name, tomlString(value)) }
	b.WriteString("\n")
	if f.Reason != "" {
		fmt.Fprintf(&b, "# %s\n", oneLine(f.Reason))
	}
	b.WriteString("[[camera]]\n")
	key("name", f.Name)
	if f.Title != "" {
		key("title", f.Title)
	}
	switch {
	case f.Code != "":
		key("id", f.Code)
	case f.CodeReason != "":
		fmt.Fprintf(&b, "# id: %s\n", oneLine(f.CodeReason))
	}
	if f.ONVIF != "" {
		key("onvif", f.ONVIF)
	} else {
		key("url", f.RTSP+strings.TrimPrefix(vendorPath(f.Brand), "/"))
	}
	key("username", cmp.Or(f.user, "admin"))
	key("password", "")
	if f.Brand != "" {
		key("manufacturer", f.Brand)
	}
	if f.Model != "" {
		key("model", f.Model)
	}
	return b.String()
}

// vendorPath is the main stream's path where a maker has but one; "" otherwise.
func vendorPath(brand string) string {
	switch brand {
	case "Hikvision", "EZVIZ":
		return "/Streaming/Channels/101"
	case "Dahua", "Amcrest", "Imou":
		return "/cam/realmonitor?channel=1&subtype=0"
	case "Uniview":
		return "/media/video1"
	case "TP-Link", "Mercury":
		return "/stream1"
	case "Reolink":
		return "/h264Preview_01_main"
	case "Axis":
		return "/axis-media/media.amp"
	case "Hanwha":
		return "/profile2/media.smp"
	case "Vivotek":
		return "/live.sdp"
	}
	return ""
}

// tomlString writes a basic string of TOML. Go's escapes are the same but for those below space.
func tomlString(s string) string {
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(clean) + `"`
}

func oneLine(s string) string {
	return strings.Join(strings.Fields(strings.Trim(strconv.Quote(s), `"`)), " ")
}
