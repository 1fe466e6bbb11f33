package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gbgate/cascade/rehearsal"
	"gbgate/gb28181/manscdp"
	"gbgate/rtsp/simcam"
)

// What a box is like after power came back: no network yet, no names, no right clock, a root that can't be written.

// The gateway starts where there is no network at all, not even loopback, says so of each platform and camera, and
// serves once addresses and names have come.
func TestStartsWithoutANetwork(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	cable(t, "", "wan0", "10.81.1.1/24", gatewayNS, "wan1", "10.81.1.2/24")
	names := startNames(t, "10.81.1.1:53")
	sh(t, `ip -n gateway addr flush dev wan1
		ip -n gateway link set wan1 down
		ip -n gateway link set lo down`)
	g := siteGateway(t, "30000-30199", superiorAt("named", demoPlatform, "sip.province.example:5060", "udp", shortTimers)+
		superiorAt("numbered", secondPlatform, "10.81.1.1:5061", "tcp", shortTimers)+
		cameraTOML("gate", channelID, "rtsp://10.81.1.1:554/live", "", ""))
	doc := g.status(t, "complaint of everything", func(doc statusDoc) bool {
		named, numbered := doc.Superiors[0].Reason, doc.Superiors[1].Reason
		return strings.Contains(named, "sip.province.example") && strings.Contains(numbered, "10.81.1.1") &&
			doc.Cameras[0].Reason != ""
	})
	t.Logf("without a network: %q, %q, %q", doc.Superiors[0].Reason, doc.Superiors[1].Reason, doc.Cameras[0].Reason)

	cam := startCamera(t, simcam.Config{Listen: "10.81.1.1:554"})
	names.set("sip.province.example.", "10.81.1.1")
	sh(t, `ip -n gateway link set lo up
		ip -n gateway link set wan1 up
		ip -n gateway addr add 10.81.1.2/24 dev wan1`)
	var w, other wire
	platform, _ := platformAt(t, demoPlatform, "10.81.1.1:5060", &w)
	numbered, _ := platformAt(t, secondPlatform, "10.81.1.1:5061", &other)
	for p, seen := range map[*rehearsal.Platform]*wire{platform: &w, numbered: &other} {
		n := node(t, p)
		registeredFrom(t, g, n, seen, 0, "10.81.1.2")
		wantMediaAt(t, n, seen, "10.81.1.2", rehearsal.UDP)
	}
	g.status(t, "good verdict", func(doc statusDoc) bool { return doc.Verdict == good })
	if cam.Opened() == 0 {
		t.Error("nobody has opened the camera")
	}
	if code := g.terminate(t); code != exitGood {
		t.Errorf("exit %d", code)
	}
}

// Only state_dir can be written, everything else, /tmp too, can't: all works, the log file and the codes included.
func TestReadOnlyRoot(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	cam := startCamera(t, simcam.Config{})
	platform := startPlatform(t, rehearsal.Config{Password: "12345678"})
	lists := superiorTOML(platform, "12345678", "udp") + cameraTOML("gate", "", cam.URL(), "", "")
	file := writeConfig(t, 0, `log_file = "log/gbgate.log"`, lists)
	dir := filepath.Dir(file)
	state, sheet := filepath.Join(dir, "state"), filepath.Join(dir, "sheet.csv")
	codes := []byte("编码,名称\n" + channelID + ",gate\n")
	if err := errors.Join(os.Mkdir(state, 0o755), os.WriteFile(sheet, codes, 0o600)); err != nil {
		t.Fatal(err)
	}
	binary := program(t)
	if err := syscall.Mount("tmpfs", state, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	readOnly := &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	writable := &unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_RDONLY}
	const all = unix.AT_RECURSIVE
	if err := unix.MountSetattr(unix.AT_FDCWD, "/", all, readOnly); err != nil {
		t.Fatalf("a read-only root (Linux 5.12): %v", err)
	}
	t.Cleanup(func() { _ = unix.MountSetattr(unix.AT_FDCWD, "/", all, writable); _ = syscall.Unmount(state, 0) })
	if err := unix.MountSetattr(unix.AT_FDCWD, state, 0, writable); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file + ".new", filepath.Join(os.TempDir(), "new")} {
		if err := os.WriteFile(path, nil, 0o600); !errors.Is(err, syscall.EROFS) {
			t.Fatalf("%s can be written: %v", path, err)
		}
	}

	for _, args := range [][]string{{"ids", "import", "-c", file, sheet}, {"ids", "assign", "-c", file}} {
		if out, complaints, code := run(t, binary, args...); code != exitGood {
			t.Fatalf("%v: exit %d: %s%s", args, code, out, complaints)
		}
	}
	g := &gatewayUnderTest{start(t, binary, "run", "-c", file), file}
	n := node(t, platform)
	g.status(t, "good verdict", func(doc statusDoc) bool { return doc.Verdict == good })
	wantCatalog(t, n, []string{channelID})
	for _, transport := range allTransports {
		wantPlay(t, n, rehearsal.PlayRequest{Channel: channelID, Transport: transport, Pictures: 5}, false)
	}
	if code := g.terminate(t); code != exitGood {
		t.Errorf("exit %d", code)
	}
	if log := logOf(t, file); strings.Contains(log, "level=ERROR") || !strings.Contains(log, "gbgate has stopped") {
		t.Errorf("the log:\n%s", log)
	}
}

// A disk whose file system has been made read-only, as the kernel does when it fails, ends no pictures at the next start.
func TestReadOnlyState(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	cam := startCamera(t, simcam.Config{})
	platform := startPlatform(t, rehearsal.Config{Password: "12345678"})
	file := writeConfig(t, 0, `log_file = "log/gbgate.log"`, superiorTOML(platform, "12345678", "udp")+cameraTOML("gate", channelID, cam.URL(), "", ""))
	state := filepath.Join(filepath.Dir(file), "state")
	if err := os.Mkdir(state, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", state, "tmpfs", syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(state, 0) })
	binary := program(t)
	g := &gatewayUnderTest{start(t, binary, "run", "-c", file), file}
	wantPlay(t, node(t, platform), rehearsal.PlayRequest{Channel: channelID, Transport: rehearsal.UDP, Pictures: 5}, false)
	_, complaints, code := run(t, binary, "status", "-c", file)
	if code != exitBad || !strings.Contains(complaints, "read-only file system") {
		t.Errorf("status: exit %d: %s", code, complaints)
	}
	if code := g.terminate(t); code != exitGood {
		t.Errorf("exit %d", code)
	}
	if log := g.output(); !strings.Contains(log, "gateway.state_dir can't be written to") {
		t.Errorf("the log:\n%s", log)
	}
}

// clock is the wall clock of one program, which runs in an emulator whose clock a library makes wrong; nobody else's
// clock is touched.
type clock struct{ offsets string }

// offset makes the clock wrong by d from now on.
func (c clock) offset(t *testing.T, d time.Duration) {
	t.Helper()
	next := c.offsets + ".new"
	if err := os.WriteFile(next, fmt.Appendf(nil, "%+d\n", int64(d.Seconds())), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, c.offsets); err != nil {
		t.Fatal(err)
	}
}

// startWithClock runs gbgate with a clock of its own.
func startWithClock(t *testing.T, offset time.Duration, args ...string) (*process, clock) {
	t.Helper()
	machine := map[string]string{
		"amd64": "x86_64", "arm64": "aarch64", "386": "i386", "arm": "arm", "riscv64": "riscv64",
	}[runtime.GOARCH]
	emulator := needTool(t, "qemu-"+machine, "qemu-user")
	libraries, _ := filepath.Glob("/usr/lib/*/faketime/libfaketime.so.1")
	if len(libraries) == 0 {
		t.Fatal("libfaketime is not installed: apt-get install faketime")
	}
	dir := t.TempDir()
	binary := filepath.Join(dir, "gbgate")
	// The race detector and the emulator exclude each other.
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	c := clock{filepath.Join(dir, "offset")}
	c.offset(t, offset)
	env := []string{
		"LD_PRELOAD=" + libraries[0], "FAKETIME_TIMESTAMP_FILE=" + c.offsets, "FAKETIME_CACHE_DURATION=1",
		"DONT_FAKE_MONOTONIC=1", "FAKETIME_DONT_FAKE_MONOTONIC=1",
		emulator, "-U", "LD_PRELOAD", binary,
	}
	return start(t, "env", append(env, args...)...), c
}

// A box without a battery wakes in 1970 and gets its time later, in one step, and again another one: it registers and
// plays before, keeps its registration and the call under way through the steps, and shows times that make sense.
func TestWrongClock(t *testing.T) {
	t.Parallel()
	cam := startCamera(t, simcam.Config{Username: "admin", Password: "p@ss:w/rd#1"})
	platform := startPlatform(t, rehearsal.Config{Password: "12345678", QOP: true})
	lists := superiorTOML(platform, "12345678", "udp") + shortTimers + "\n[superior.compat]\ntime_sync = \"offset\"\n" +
		cameraTOML("gate", channelID, cam.URL(), "admin", "p@ss:w/rd#1")
	file := writeConfig(t, 0, "", lists)
	p, clock := startWithClock(t, time.Until(time.Unix(30, 0)), "run", "-c", file)
	g := &gatewayUnderTest{p, file}
	n := node(t, platform)
	doc := g.status(t, "registration in 1970", online)
	if year := doc.Started.UTC().Year(); year != 1970 {
		t.Fatalf("the gateway believes to have started in %d", year)
	}
	wantOffset(t, doc, time.Since(time.Unix(30, 0)))
	wantDeviceTime(t, n)

	running, stop := context.WithCancel(t.Context())
	defer stop()
	endless := make(chan *rehearsal.PlayResult, 1)
	go func() {
		r, _ := n.Play(running, rehearsal.PlayRequest{
			Channel: channelID, Transport: rehearsal.TCPPassive, Duration: time.Hour,
		})
		endless <- r
	}()
	g.status(t, "a call", func(doc statusDoc) bool { return len(doc.Calls) == 1 && doc.Calls[0].Packets > 0 })
	for _, offset := range []time.Duration{0, -time.Hour} { // NTP is there; then somebody corrects it
		clock.offset(t, offset)
		doc = g.status(t, "new time", func(doc statusDoc) bool {
			return time.Since(doc.Started.Add(-offset)).Abs() < 10*time.Minute
		})
		keepalives := n.State().Keepalives
		waitNode(t, g, n, "keepalive after the step", func(s rehearsal.NodeState) bool { return s.Keepalives > keepalives+1 })
		doc = g.status(t, "answered keepalive", func(doc statusDoc) bool { return doc.Superiors[0].KeepaliveAnswered != nil })
		s := doc.Superiors[0]
		box := time.Now().Add(offset)
		if s.State != "online" || s.RegisteredUntil == nil || s.RegisteredUntil.Before(box) ||
			s.RegisteredUntil.After(box.Add(2*time.Hour)) ||
			s.KeepaliveAnswered.Sub(box).Abs() > 10*time.Minute {
			t.Errorf("after a step to %v: %+v", offset, s)
		}
		wantOffset(t, doc, -offset)
		wantDeviceTime(t, n)
	}
	stop()
	if r := <-endless; r == nil || r.HungUp || r.LostPackets > 0 || len(r.Faults) > 0 {
		t.Errorf("the call under way: %+v", r)
	}
	wantPlay(t, n, rehearsal.PlayRequest{Channel: channelID, Transport: rehearsal.UDP, Pictures: 5}, false)
	if got := n.State().Registrations; got != 1 {
		t.Errorf("%d registrations, want one", got)
	}
	if code := g.terminate(t); code != exitGood {
		t.Errorf("exit %d", code)
	}
	if out := g.output(); !strings.Contains(out, "time=1970-01-01T") || strings.Contains(out, "level=ERROR") {
		t.Errorf("the log has errors, or does not begin in 1970")
	}
}

// wantOffset wants the platform's clock to be shown as that far ahead.
func wantOffset(t *testing.T, doc statusDoc, want time.Duration) {
	t.Helper()
	got, err := time.ParseDuration(doc.Superiors[0].ClockOffset)
	if err != nil || (got-want).Abs() > 10*time.Minute {
		t.Errorf("clock offset %q, want about %v", doc.Superiors[0].ClockOffset, want)
	}
}

// wantDeviceTime wants the platform to be told the right time, whatever the box believes (time_sync = "offset").
func wantDeviceTime(t *testing.T, n *rehearsal.Node) {
	t.Helper()
	answer, err := n.Ask(limited(t, time.Minute), &manscdp.DeviceStatusQuery{
		Header: manscdp.Header{CmdType: "DeviceStatus", DeviceID: n.ID()},
	})
	status, ok := answer.(*manscdp.DeviceStatusResponse)
	if err != nil || !ok || time.Since(status.Time).Abs() > 10*time.Minute {
		t.Errorf("the platform is told %+v (%v)", answer, err)
	}
}
