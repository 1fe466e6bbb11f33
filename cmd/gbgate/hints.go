package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"gbgate/cmd/gbgate/config"
)

// hintDoc is something of the box or the configuration that could be better; it makes no verdict bad.
type hintDoc struct {
	Key    string `json:"key"`
	Have   string `json:"have"`
	Want   string `json:"want"`
	Reason string `json:"reason"`
	Fix    string `json:"fix"` // the line that mends it
}

const (
	// receiveBuffer is what the SIP socket asks for, and twice what a camera's does (in bytes).
	receiveBuffer = 4 << 20
	// sendBuffer holds the largest burst of a stream with the kernel's own overhead, in bytes.
	sendBuffer = 128 << 10
	// Descriptors: RTSP or ONVIF of a camera with its health check, RTP and RTCP of a call.
	filesBase, filesPerCamera, filesPerCall = 64, 6, 3
)

// box is what hints are about.
type box struct {
	root         fs.FS // its "/"
	files        uint64
	now          time.Time
	unsynced     bool // the kernel says that nobody keeps the clock right
	unprivileged bool
	onSystem     func(folder string) bool // it is on the same volume as "/"
}

// thisBox looks at the machine we run on.
func thisBox() box {
	b := box{root: os.DirFS("/"), now: time.Now(), unprivileged: os.Geteuid() != 0, onSystem: onSystemVolume}
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) == nil {
		b.files = limit.Max // the runtime raises the soft limit to it
	}
	var state unix.Timex
	_, err := unix.Adjtimex(&state)
	b.unsynced = err == nil && state.Status&unix.STA_UNSYNC != 0
	return b
}

// hints tells what of the box could be better for a configuration.
func (b box) hints(cfg *config.Config) []hintDoc {
	hints := []hintDoc{}
	udp, calls := false, 0
	for _, s := range cfg.Superiors {
		udp = udp || s.Transport == "udp"
		calls += s.MaxCalls
	}
	for _, c := range cfg.Cameras {
		udp = udp || c.Transport != "tcp"
	}
	if udp {
		hints = b.sysctl(hints, "net.core.rmem_max", receiveBuffer,
			"many SIP messages at once, or the key picture of a camera by UDP, overflow a smaller receive buffer")
	}
	hints = b.sysctl(hints, "net.core.wmem_default", sendBuffer,
		"a burst of packets does not fit into a smaller send buffer")
	if need := uint64(filesBase + filesPerCamera*len(cfg.Cameras) + filesPerCall*calls); b.files > 0 && b.files < need {
		hints = append(hints, hintDoc{
			Key: "nofile", Have: strconv.FormatUint(b.files, 10), Want: strconv.FormatUint(need, 10),
			Reason: fmt.Sprintf("%d cameras and %d calls may need so many open files; this shell allows fewer "+
				"(the packages' services have 65536)",
				len(cfg.Cameras), calls),
			Fix: "ulimit -n 65536", // as root; a service's own file otherwise
		})
	}
	hints = recordHints(hints, cfg)
	if dir := cfg.Recording.Dir; cfg.Records() && filepath.IsAbs(dir) && b.onSystem(dir) {
		hints = append(hints, hintDoc{
			Key: "recording.dir", Have: "on the same volume as /", Want: "on a disk of its own", Reason: unmounted,
			Fix: b.sudo() + "mount " + dir, // where /etc/fstab names it
		})
	}
	return b.clock(hints)
}

// recordHints adds a hint when cameras are recorded around alarms that they do not send.
func recordHints(hints []hintDoc, cfg *config.Config) []hintDoc {
	var silent []string
	for _, c := range cfg.Cameras {
		if c.Record == "alarm" && (c.ONVIF == "" || c.Events == "off") {
			silent = append(silent, c.Name)
		}
	}
	if len(silent) == 0 {
		return hints
	}
	return append(hints, hintDoc{
		Key: "record", Have: `"alarm"`, Want: `"always"`,
		Reason: fmt.Sprintf("%s: without an onvif address, or with events = \"off\", a camera sends no alarms, "+
			"and only what a platform orders (RecordCmd) is recorded", strings.Join(silent, ", ")),
		Fix: `record = "always", or onvif = "http://…" with events = "auto", in its [[camera]]`,
	})
}

// sysctl adds a hint when a kernel setting is below want.
func (b box) sysctl(hints []hintDoc, key string, want int, reason string) []hintDoc {
	text, err := fs.ReadFile(b.root, "proc/sys/"+strings.ReplaceAll(key, ".", "/"))
	have, err2 := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || err2 != nil || have >= want { // a container's own network has no such key
		return hints
	}
	const file = "/etc/sysctl.d/60-gbgate.conf"
	return append(hints, hintDoc{
		Key: key, Have: strconv.Itoa(have), Want: strconv.Itoa(want), Reason: reason,
		Fix: fmt.Sprintf("echo %s=%d | %stee -a %s && %ssysctl -p %s", key, want, b.sudo(), file, b.sudo(), file),
	})
}

func (b box) sudo() string {
	if b.unprivileged {
		return "sudo "
	}
	return ""
}

// thisYear is one that every right clock has reached.
const thisYear = 2026

func (b box) clock(hints []hintDoc) []hintDoc {
	hint := hintDoc{
		Key: "clock", Have: b.now.Format(time.RFC3339), Want: "set by NTP", Fix: b.sudo() + "timedatectl set-ntp true",
		Reason: "the platform refuses or misfiles what comes with a wrong time",
	}
	for file, fix := range map[string]string{
		"etc/openwrt_release": "/etc/init.d/sysntpd enable; /etc/init.d/sysntpd restart",
		"etc/alpine-release":  "rc-update add ntpd; rc-service ntpd start",
	} {
		if _, err := fs.Stat(b.root, file); err == nil {
			hint.Fix = fix
		}
	}
	switch {
	case b.now.Year() < thisYear:
	case b.unsynced:
		hint.Reason = "nothing keeps the clock right; it will drift"
	default:
		return hints
	}
	return append(hints, hint)
}

func printHints(w io.Writer, hints []hintDoc) {
	for _, h := range hints {
		fmt.Fprintf(w, "\nhint: %s is %s, better %s: %s\n  %s\n", h.Key, h.Have, h.Want, h.Reason, h.Fix)
	}
}
