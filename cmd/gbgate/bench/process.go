package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/pprof"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Handler carries out one request of the conductor.
type Handler func(op string, args json.RawMessage) (any, error)

var errUnknown = errors.New("bench: unknown request")

type request struct {
	Op   string
	Args json.RawMessage
}

type response struct {
	Error  string
	Result json.RawMessage
}

// serve answers requests, one at a time, until in ends: so no process outlives its conductor.
func serve(in io.Reader, out io.Writer, h Handler) error {
	decoder, encoder := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var r request
		if err := decoder.Decode(&r); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		result, err := common(r.Op, r.Args)
		if errors.Is(err, errUnknown) {
			result, err = h(r.Op, r.Args)
		}
		var answer response
		if err == nil {
			answer.Result, err = json.Marshal(result)
		}
		if err != nil {
			answer.Error = err.Error()
		}
		if err := encoder.Encode(answer); err != nil {
			return err
		}
	}
}

// usage is what a process has used so far, by its own accounting.
type usage struct {
	CPU   time.Duration
	Split string        // user and system time
	At    time.Duration // monotonic
	RSS   int64         // bytes, now
	GCs   uint32
	// Context switches, voluntary (something was waited for) and not.
	Waits, Preempted int64
}

// common answers what every process understands.
func common(op string, args json.RawMessage) (any, error) {
	switch op {
	case "usage":
		return ownUsage()
	case "profile":
		var file string
		if err := json.Unmarshal(args, &file); err != nil {
			return nil, err
		}
		f, err := os.Create(file)
		if err != nil {
			return nil, err
		}
		return nil, pprof.StartCPUProfile(f)
	case "profiled":
		pprof.StopCPUProfile()
		return nil, nil
	}
	return nil, errUnknown
}

func ownUsage() (usage, error) {
	var ru unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &ru); err != nil {
		return usage{}, err
	}
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	u := usage{
		CPU: time.Duration(ru.Utime.Nano() + ru.Stime.Nano()), At: time.Duration(monotonic()), GCs: mem.NumGC,
		Waits: int64(ru.Nvcsw), Preempted: int64(ru.Nivcsw),
		Split: fmt.Sprintf("%v+%v", time.Duration(ru.Utime.Nano()), time.Duration(ru.Stime.Nano())),
	}
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return u, err
	}
	var total, resident int64
	_, err = fmt.Sscan(string(text), &total, &resident)
	u.RSS = resident * int64(os.Getpagesize())
	return u, err
}

// process is a worker as the conductor sees it.
type process struct {
	name    string
	command *exec.Cmd
	in      io.WriteCloser
	encoder *json.Encoder
	decoder *json.Decoder
}

// spawn starts this program again as a worker.
func spawn(ctx context.Context, name string, stderr io.Writer) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{name: name, command: exec.CommandContext(ctx, self, "bench", "--worker", name)}
	p.command.Stderr = stderr
	if p.in, err = p.command.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.command.Start(); err != nil {
		return nil, err
	}
	p.encoder, p.decoder = json.NewEncoder(p.in), json.NewDecoder(out)
	return p, nil
}

// ask carries out one request; result may be nil.
func (p *process) ask(op string, args, result any) error {
	raw, err := json.Marshal(args)
	if err != nil {
		return err
	}
	if err := p.encoder.Encode(request{op, raw}); err != nil {
		return fmt.Errorf("%s, %s: %w", p.name, op, err)
	}
	var answer response
	if err := p.decoder.Decode(&answer); err != nil {
		return fmt.Errorf("%s, %s: %w", p.name, op, err)
	}
	if answer.Error != "" {
		return fmt.Errorf("%s, %s: %s", p.name, op, strings.TrimPrefix(answer.Error, "bench: "))
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal(answer.Result, result)
}

func (p *process) usage() (usage, error) {
	var u usage
	err := p.ask("usage", nil, &u)
	return u, err
}

// stop ends the worker and waits for it.
func (p *process) stop() {
	_ = p.in.Close()
	timer := time.AfterFunc(10*time.Second, func() { _ = p.command.Process.Kill() })
	defer timer.Stop()
	_ = p.command.Wait()
}
