package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"gbgate/rtsp"
)

// probeDoc is what `probe camera --json` prints.
type probeDoc struct {
	Verdict string           `json:"verdict"`
	Reason  string           `json:"reason,omitempty"`
	Camera  string           `json:"camera"` // what was asked for, without password
	ONVIF   *probeONVIFDoc   `json:"onvif,omitempty"`
	Streams []probeStreamDoc `json:"streams"`
	Fixes   []string         `json:"fixes"` // what to change, in plain words, the most important first
}

// probeONVIFDoc is what the camera's ONVIF side answers.
type probeONVIFDoc struct {
	Verdict      string   `json:"verdict"`
	Reason       string   `json:"reason,omitempty"`
	Address      string   `json:"address"`
	Manufacturer string   `json:"manufacturer,omitempty"`
	Model        string   `json:"model,omitempty"`
	Firmware     string   `json:"firmware,omitempty"`
	ClockSkew    *float64 `json:"clock_skew_seconds,omitempty"`
	Services     []string `json:"services,omitempty"`
	PTZ          bool     `json:"ptz"`
	Presets      int      `json:"presets_allowed,omitempty"`
	Talk         bool     `json:"back_channel"`
	Snapshot     bool     `json:"snapshot"`
	Recordings   int      `json:"recordings,omitempty"`
	refused      bool     // the password was, or there was none
}

// probeStreamDoc is one stream: what was promised and what came.
type probeStreamDoc struct {
	Verdict     string    `json:"verdict"`
	Reason      string    `json:"reason,omitempty"`
	Stream      string    `json:"stream"` // main | sub
	URL         string    `json:"url"`
	Codec       string    `json:"codec,omitempty"`
	Width       int       `json:"width,omitempty"`
	Height      int       `json:"height,omitempty"`
	FPS         float64   `json:"fps,omitempty"`
	BitrateKbps int       `json:"bitrate_kbps,omitempty"`
	GOP         int       `json:"gop,omitempty"` // pictures from key to key
	GOPSeconds  float64   `json:"gop_seconds,omitempty"`
	Audio       string    `json:"audio,omitempty"`
	FirstMS     int64     `json:"first_picture_ms,omitempty"`
	Server      string    `json:"server,omitempty"`
	BackChannel string    `json:"back_channel,omitempty"` // what its loudspeaker takes; main only
	LeftOut     []string  `json:"left_out,omitempty"`     // tracks that can't go upward
	refused     bool      // the password was
	fails       rtsp.Kind // how; 0: it does not, or not with RTSP
	watched     time.Duration
}

const probeUsage = "usage: gbgate probe camera URL|IP [--user NAME] [--password-file FILE] [--seconds N] [--json]"

// probeCommand is `gbgate probe`.
func probeCommand(ctx context.Context, e env, args []string) int {
	if len(args) == 0 || args[0] != "camera" {
		fmt.Fprintln(e.stderr, probeUsage)
		return exitUsage
	}
	flags := e.flags("probe camera")
	asJSON := flags.Bool("json", false, "print one JSON object")
	user := flags.String("user", "", "account `name`")
	passwordFile := flags.String("password-file", "", "`file` with the password; - is the standard input")
	seconds := flags.Int("seconds", 8, "how `long` each stream is watched, at most 120")
	address, code, done := e.parseWith(flags, args[1:])
	if done {
		return code
	}
	p := prober{user: *user, watch: time.Duration(max(1, min(120, *seconds))) * time.Second}
	var err error
	if p.password, err = readPassword(*passwordFile); err != nil {
		return e.fail(exitUsage, err)
	}
	if err := p.aim(address); err != nil {
		return e.fail(exitUsage, err)
	}
	doc := p.run(ctx)
	if *asJSON {
		e.printJSON(doc)
	} else {
		e.printProbe(doc)
	}
	if doc.Verdict != good {
		return e.fail(exitBad, fmt.Errorf("%s: %s", doc.Camera, doc.Reason))
	}
	return exitGood
}

// parseWith reads flags that may stand on both sides of the one argument.
func (e env) parseWith(flags *flag.FlagSet, args []string) (argument string, code int, done bool) {
	var rest []string
	for len(args) > 0 {
		switch err := flags.Parse(args); {
		case errors.Is(err, flag.ErrHelp):
			return "", exitGood, true
		case err != nil:
			return "", exitUsage, true
		}
		if args = flags.Args(); len(args) > 0 {
			rest, args = append(rest, args[0]), args[1:]
		}
	}
	if len(rest) != 1 {
		fmt.Fprintln(e.stderr, probeUsage)
		return "", exitUsage, true
	}
	return rest[0], 0, false
}

// prober looks at one camera.
type prober struct {
	user, password string
	watch          time.Duration
	name           string // what was asked for
	host           string // set: look for everything there
	onvif          string // address of the device service
	url            string // of an RTSP stream
	tcpPorts       []int  // where ONVIF is looked for on a host
	rtspPorts      []int  // and RTSP
}

// aim takes what the installer wrote: an address, an ONVIF or an RTSP URL, with an account inside or not.
func (p *prober) aim(s string) error {
	p.tcpPorts, p.rtspPorts = []int{80, 8080, 8000, 2020, 8899, 5000}, []int{554, 8554}
	if !strings.Contains(s, "://") {
		if host, port, err := net.SplitHostPort(s); err == nil {
			number, err := strconv.ParseUint(port, 10, 16)
			if err != nil || number == 0 {
				return fmt.Errorf("probe: %q is no port", port)
			}
			p.host, p.name = host, s
			p.tcpPorts, p.rtspPorts = []int{int(number)}, []int{int(number)}
			return nil
		}
		if strings.ContainsAny(s, "/@ ") || s == "" {
			return fmt.Errorf("probe: %q is neither an address nor a URL", s)
		}
		p.host, p.name = s, s
		return nil
	}
	scheme, _, _ := strings.Cut(s, "://")
	switch scheme {
	case "rtsp", "rtsps":
		p.url, p.name = s, withoutAccount(s)
	case "http", "https":
		u, err := url.Parse(s)
		if err != nil || u.Hostname() == "" {
			return errors.New("probe: the URL cannot be read")
		}
		if password, ok := u.User.Password(); ok && p.user == "" {
			p.user, p.password = u.User.Username(), password
		}
		u.User = nil
		p.onvif, p.name = u.String(), u.String()
	default:
		return fmt.Errorf("probe: %s:// is neither RTSP nor ONVIF", scheme)
	}
	return nil
}

// withoutAccount leaves out whatever may be an account in a URL. A raw password may hold anything, so
// this takes rather too much.
func withoutAccount(address string) string {
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		return address
	}
	return scheme + "://" + rest[strings.LastIndexByte(rest, '@')+1:]
}
