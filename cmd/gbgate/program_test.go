package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// The tests of this file's harness run the real program against foreign peers.

// needTool fails the test when a foreign program is not there, and says what to install.
func needTool(t *testing.T, name, debianPackage string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is not installed: apt-get install %s", name, debianPackage)
	}
	return path
}

// buildProgram compiles gbgate once for all tests, with the race detector when the tests have it.
var buildProgram = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "gbgate-test-")
	if err != nil {
		return "", err
	}
	args := []string{"build", "-o", filepath.Join(dir, "gbgate")}
	if raceEnabled {
		args = append(args, "-race")
	}
	out, err := exec.Command("go", append(args, ".")...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return filepath.Join(dir, "gbgate"), nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := buildProgram(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

func program(t *testing.T) string {
	t.Helper()
	path, err := buildProgram()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// process is a running program whose output is kept.
type process struct {
	cmd    *exec.Cmd
	name   string
	stdin  io.WriteCloser
	mu     sync.Mutex
	out    bytes.Buffer
	lines  chan string // of standard output
	exited chan struct{}
}

// start runs a program; it is killed at the end of the test if it still lives.
func start(t *testing.T, name string, args ...string) *process {
	t.Helper()
	p := &process{
		cmd: exec.Command(name, args...), name: filepath.Base(name), lines: make(chan string, 1000),
		exited: make(chan struct{}),
	}
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stderr = p
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.exited)
		defer close(p.lines)
		for scan := bufio.NewScanner(stdout); scan.Scan(); {
			_, _ = p.Write(append(scan.Bytes(), '\n'))
			select {
			case p.lines <- scan.Text():
			default:
			}
		}
		_ = p.cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.exited
		if t.Failed() {
			t.Logf("%s printed:\n%s", p.name, p.output())
		}
	})
	return p
}

func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(b)
}

func (p *process) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// line returns the next line of standard output.
func (p *process) line(t *testing.T) string {
	t.Helper()
	select {
	case l, ok := <-p.lines:
		if !ok {
			t.Fatalf("%s ended: %s", p.name, p.output())
		}
		return l
	case <-time.After(time.Minute):
		t.Fatalf("%s says nothing: %s", p.name, p.output())
	}
	return ""
}

// wait returns the exit code.
func (p *process) wait(t *testing.T) int {
	t.Helper()
	select {
	case <-p.exited:
	case <-time.After(2 * time.Minute):
		t.Fatalf("%s does not end", p.name)
	}
	return p.cmd.ProcessState.ExitCode()
}

// terminate asks the program to end and returns its exit code.
func (p *process) terminate(t *testing.T) int {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	return p.wait(t)
}

// run executes a program to its end.
func run(t *testing.T, name string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if cmd.ProcessState == nil {
		t.Fatalf("%s: %v", name, err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// gatewayUnderTest is a running `gbgate run`.
type gatewayUnderTest struct {
	*process
	config string
}

// startGateway writes the configuration and runs the program with it; lists are its cameras and
// superiors. sipPort 0 takes a free one.
func startGateway(t *testing.T, sipPort int, lists string) *gatewayUnderTest {
	t.Helper()
	file := writeConfig(t, sipPort, "", lists)
	return &gatewayUnderTest{start(t, program(t), "run", "-c", file), file}
}

// writeConfig writes a configuration into a folder of its own; keys are more of its [gateway].
func writeConfig(t *testing.T, sipPort int, keys, lists string) (file string) {
	t.Helper()
	dir := t.TempDir()
	file = filepath.Join(dir, "config.toml")
	text := fmt.Sprintf(`
[gateway]
id = "34020100002000000001"
sip_listen = "127.0.0.1:%d"
media_ports = "0"
state_dir = %q
log_level = "debug"
%s
[admin]
listen = "127.0.0.1:0"
%s`, sipPort, filepath.Join(dir, "state"), keys, lists)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// status asks the running program until met holds.
func (g *gatewayUnderTest) status(t *testing.T, what string, met func(statusDoc) bool) statusDoc {
	t.Helper()
	var doc statusDoc
	deadline := time.Now().Add(time.Minute)
	for time.Now().Before(deadline) {
		out, _, _ := run(t, program(t), "status", "--json", "-c", g.config)
		doc = statusDoc{}
		if json.Unmarshal([]byte(out), &doc) == nil && met(doc) {
			return doc
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("no %s within a minute; last status: %+v\n%s", what, doc, g.output())
	return doc
}

func online(doc statusDoc) bool {
	for _, s := range doc.Superiors {
		if s.State != "online" {
			return false
		}
	}
	return len(doc.Superiors) > 0
}

// nextPort is where freePort goes on; each process of tests begins somewhere else.
var nextPort atomic.Uint32

// freePort returns a UDP and TCP port of loopback that nobody uses at the moment, for peers
// that can't be asked which one they took. It is none of those that the kernel gives to others.
func freePort(t *testing.T) int {
	t.Helper()
	const low, count = 20000, 9000 // below the kernel's own, 32768 and up
	nextPort.CompareAndSwap(0, rand.Uint32N(count)+1)
	for range 200 {
		port := low + int(nextPort.Add(1)%count)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		u, err := net.ListenPacket("udp", fmt.Sprintf("127.0.0.1:%d", port))
		l.Close()
		if err == nil {
			u.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}

// mp2 is FFmpeg's complaint of G.711 in a program stream: it knows no stream type 0x90, takes it
// for MP2 and finds no header in it. The sound is judged by our demuxer instead.
var mp2 = regexp.MustCompile(`(?m)^\[mp2 @ .*\n`)

// probe runs ffprobe or ffmpeg on a file and returns what it printed; anything it complains of
// fails the test.
func probe(t *testing.T, tool string, args ...string) string {
	t.Helper()
	out, complaints, code := run(t, needTool(t, tool, "ffmpeg"), append([]string{"-v", "error"}, args...)...)
	if complaints = mp2.ReplaceAllString(complaints, ""); code != 0 || complaints != "" {
		t.Errorf("%s %s: exit %d: %s", tool, strings.Join(args, " "), code, complaints)
	}
	return strings.TrimSpace(out)
}
