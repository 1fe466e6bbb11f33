package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gbgate/cmd/gbgate/config"
)

func TestHints(t *testing.T) {
	kernel := func(rmem, wmem string, files ...string) fstest.MapFS {
		root := fstest.MapFS{
			"proc/sys/net/core/rmem_max":     &fstest.MapFile{Data: []byte(rmem + "\n")},
			"proc/sys/net/core/wmem_default": &fstest.MapFile{Data: []byte(wmem + "\n")},
		}
		for _, name := range files {
			root[name] = &fstest.MapFile{}
		}
		return root
	}
	right := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	site := func(cameras int, sip, rtsp string, calls int) *config.Config {
		cfg := config.Default()
		s := config.DefaultSuperior()
		s.Transport, s.MaxCalls = sip, calls
		cfg.Superiors = []config.Superior{s}
		for range cameras {
			c := config.DefaultCamera()
			c.Transport = rtsp
			cfg.Cameras = append(cfg.Cameras, c)
		}
		return cfg
	}
	recorded := func(change func(*config.Camera)) *config.Config {
		cfg := site(2, "tcp", "tcp", 64)
		for i := range cfg.Cameras {
			c := &cfg.Cameras[i]
			c.Name, c.Record, c.ONVIF = fmt.Sprint("c", i), "alarm", "http://192.0.2.1"
			change(c)
		}
		return cfg
	}
	const noAlarms = `record "alarm" "always": record = "always", ` +
		`or onvif = "http://…" with events = "auto", in its [[camera]]`
	tuned := box{root: kernel("4194304", "212992"), files: 4096, now: right}
	recording := func(dir string) *config.Config {
		cfg := site(1, "tcp", "tcp", 1)
		cfg.Recording.Dir, cfg.Cameras[0].Record = dir, "always"
		return cfg
	}
	for _, c := range []struct {
		name string
		box  box
		cfg  *config.Config
		want []string // key: fix
	}{
		{"a tuned box", box{root: kernel("4194304", "212992"), files: 1024, now: right}, site(64, "udp", "udp", 64), nil},
		{
			"Debian as installed, not root",
			box{root: kernel("212992", "212992"), files: 1 << 20, now: right, unprivileged: true},
			site(1, "udp", "tcp", 64),
			[]string{"net.core.rmem_max 212992 4194304: echo net.core.rmem_max=4194304 | " +
				"sudo tee -a /etc/sysctl.d/60-gbgate.conf" +
				" && sudo sysctl -p /etc/sysctl.d/60-gbgate.conf"},
		},
		{"nothing by UDP", box{root: kernel("212992", "212992"), files: 4096, now: right}, site(64, "tcp", "tcp", 64), nil},
		{"recorded around alarms", tuned, recorded(func(*config.Camera) {}), nil},
		{"around alarms that nobody sends", tuned, recorded(func(c *config.Camera) { c.ONVIF = "" }), []string{noAlarms}},
		{
			"around alarms that are not wanted", tuned, recorded(func(c *config.Camera) { c.Events = "off" }),
			[]string{noAlarms},
		},
		{
			"a camera by UDP, a small send buffer",
			box{root: kernel("212992", "65536"), files: 4096, now: right},
			site(1, "tcp", "udp", 64),
			[]string{
				"net.core.rmem_max 212992 4194304: echo net.core.rmem_max=4194304 | tee -a /etc/sysctl.d/60-gbgate.conf" +
					" && sysctl -p /etc/sysctl.d/60-gbgate.conf",
				"net.core.wmem_default 65536 131072: echo net.core.wmem_default=131072 | tee -a /etc/sysctl.d/60-gbgate.conf" +
					" && sysctl -p /etc/sysctl.d/60-gbgate.conf",
			},
		},
		{
			"many cameras, few files",
			box{root: kernel("4194304", "212992"), files: 1024, now: right},
			site(200, "udp", "tcp", 64),
			[]string{"nofile 1024 1456: ulimit -n 65536"},
		},
		{
			"no clock, OpenWrt",
			box{root: kernel("4194304", "212992", "etc/openwrt_release"), now: time.Unix(60, 0).UTC()},
			site(1, "udp", "tcp", 64),
			[]string{"clock 1970-01-01T00:01:00Z set by NTP: /etc/init.d/sysntpd enable; /etc/init.d/sysntpd restart"},
		},
		{
			"nobody keeps the clock",
			box{root: kernel("4194304", "212992"), now: right, unsynced: true},
			site(1, "udp", "tcp", 64),
			[]string{"clock 2026-11-30T12:00:00Z set by NTP: timedatectl set-ntp true"},
		},
		{
			"a disk that is not mounted",
			box{root: kernel("4194304", "212992"), now: right, onSystem: func(dir string) bool { return dir == "/mnt/card" }},
			recording("/mnt/card"),
			[]string{"recording.dir on the same volume as / on a disk of its own: mount /mnt/card"},
		},
		{
			"a disk that is mounted",
			box{root: kernel("4194304", "212992"), now: right, onSystem: func(string) bool { return false }},
			recording("/mnt/card"), nil,
		},
		{
			"a folder of state_dir",
			box{root: kernel("4194304", "212992"), now: right, onSystem: func(string) bool { return true }},
			recording("recordings"), nil,
		},
		{"a container has no such keys", box{root: fstest.MapFS{}, now: right}, site(1, "udp", "udp", 64), nil},
	} {
		var got []string
		for _, h := range c.box.hints(c.cfg) {
			got = append(got, fmt.Sprintf("%s %s %s: %s", h.Key, h.Have, h.Want, h.Fix))
			if h.Reason == "" {
				t.Errorf("%s: %s has no reason", c.name, h.Key)
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

// check says its hints as text and as JSON, and they make no verdict bad.
func TestCheckGivesHints(t *testing.T) {
	t.Parallel()
	superior := "[[superior]]\nname = \"a\"\nid = \"34020000002000000001\"\naddress = \"127.0.0.1:5060\"\n" +
		"password = \"\"\nmax_calls = 100000000\n"
	file := writeConfig(t, 0, "", superior)
	out, _, code := run(t, program(t), "check", "--json", "-c", file)
	var doc checkDoc
	if err := json.Unmarshal([]byte(out), &doc); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var text bytes.Buffer
	printHints(&text, doc.Hints)
	if code != exitGood || doc.Verdict != good || !strings.Contains(text.String(), "hint: nofile is ") {
		t.Errorf("exit %d, %s", code, out)
	}
	out, _, code = run(t, program(t), "check", "-c", file)
	if code != exitGood || !strings.Contains(out, "\n  ulimit -n 65536\n") {
		t.Errorf("exit %d, %s", code, out)
	}
}
