package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gbgate/cascade/rehearsal"
	"gbgate/rtsp/simcam"
)

// A reload takes a good file, and a bad one costs nothing.
func TestReload(t *testing.T) {
	t.Parallel()
	cam := startCamera(t, simcam.Config{})
	platform := startPlatform(t, rehearsal.Config{Password: "12345678"})
	lists := superiorTOML(platform, "12345678", "udp") + cameraTOML("gate", channelID, cam.URL(), "", "")
	g := startGateway(t, freePort(t), lists)
	n := node(t, platform)
	text, err := os.ReadFile(g.config)
	if err != nil {
		t.Fatal(err)
	}
	hangup := func(text string) {
		t.Helper()
		if err := os.WriteFile(g.config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := g.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}

	hangup(strings.Replace(string(text), "\nid = \"", "\nid = \"1", 1))
	waitFor(t, "the fault", func() bool { return strings.Contains(g.output(), "configuration not reloaded") })
	out, complaints, code := run(t, program(t), "status", "-c", g.config)
	if code != exitBad || !strings.Contains(out, "gate") || !strings.Contains(complaints, "21 digits") ||
		!strings.Contains(complaints, "would not start") {
		t.Errorf("status beside a bad file: exit %d\n%s%s", code, out, complaints)
	}
	if items, err := n.Catalog(t.Context()); err != nil || len(items) != 1 {
		t.Errorf("after a bad file: %d channels, %v", len(items), err)
	}

	changed := func() bool {
		_, complaints, _ := run(t, program(t), "status", "-c", g.config)
		return strings.Contains(complaints, "changed since")
	}
	if err := os.WriteFile(g.config, append(text, "# edited\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	if !changed() {
		t.Error("status does not tell that the file is not what runs")
	}
	hangup(string(text) + cameraTOML("yard", "34020100001320000002", cam.URL(), "", ""))
	waitFor(t, "the second camera", func() bool {
		items, err := n.Catalog(t.Context())
		return err == nil && len(items) == 2
	})
	waitFor(t, "status that tells no change", func() bool { return !changed() })
	if code := g.terminate(t); code != exitGood {
		t.Errorf("exit %d", code)
	}
}

func waitFor(t *testing.T, what string, met func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !met(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no %s within a minute", what)
		}
	}
}

// systemd is told when the gateway serves, that it is alive, and when it stops.
func TestSystemdIsNotified(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	t.Setenv("NOTIFY_SOCKET", socket)
	t.Setenv("WATCHDOG_USEC", "300000")
	g := startGateway(t, 0, "")
	expect := func(want string) {
		t.Helper()
		buf := make([]byte, 4096)
		_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
		k, err := conn.Read(buf)
		if err != nil || string(buf[:k]) != want {
			t.Fatalf("systemd was told %q (%v), want %q", buf[:k], err, want)
		}
	}
	expect("READY=1")
	expect("WATCHDOG=1")
	expect("WATCHDOG=1")
	if code := g.terminate(t); code != exitGood {
		t.Errorf("exit %d", code)
	}
	for {
		buf := make([]byte, 4096)
		_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
		k, err := conn.Read(buf)
		if err != nil {
			t.Fatalf("systemd was never told that it stops: %v", err)
		}
		if string(buf[:k]) == "STOPPING=1" {
			return
		}
	}
}
