// Command gbgate makes the cameras of a site a lower node (下级平台) of GB/T 28181 platforms.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// Exit codes: 0 good, 1 something is wrong and was printed, 2 wrong usage or configuration.
const (
	exitGood  = 0
	exitBad   = 1
	exitUsage = 2
)

// command is one subcommand. Its run returns the exit code; what is wrong it has printed.
type command struct {
	name, args, what string
	run              func(ctx context.Context, env env, args []string) int
}

// env is what a command may touch of the outside.
type env struct {
	stdout, stderr io.Writer
}

// fail prints err, a line each, and returns code.
func (e env) fail(code int, err error) int {
	lines := strings.Split(err.Error(), "\n")
	for i, line := range lines {
		lines[i] = printable(line)
	}
	fmt.Fprintln(e.stderr, "gbgate:", strings.Join(lines, "\n"))
	return code
}

func commands() []command {
	return []command{
		{"run", "-c FILE", "serve the configured superiors until SIGTERM", runCommand},
		{"demo", "[--once] [--json]", "cameras, gateway and platform in one process, on loopback", demoCommand},
		{"check", "-c FILE [--json]", "tell every fault of a configuration and ask every camera", checkCommand},
		{"bench", "[--json] [--streams N] [--seconds S]", "what a stream costs on this machine", benchCommand},
		{"discover", "[--toml|--json]", "find the site's cameras by ONVIF and on the RTSP ports", discoverCommand},
		{
			"probe", "camera URL|IP [--user U] [--json]",
			"look closely at one camera: what it sends, what to change", probeCommand,
		},
		{"ids", "COMMAND [-c FILE]", "the 20-digit codes: import the sheet, check, assign, export", idsCommand},
		{"recordings", "COMMAND [-c FILE]", "what was recorded: list, verify, export a clip", recordingsCommand},
		{"status", "[-c FILE] [--json]", "what the running gateway knows", statusCommand},
		{"version", "[--json]", "version, commit, Go release and modules", versionCommand},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := dispatch(ctx, env{os.Stdout, os.Stderr}, os.Args[1:])
	stop()
	os.Exit(code)
}

func dispatch(ctx context.Context, e env, args []string) int {
	if len(args) == 0 {
		usage(e.stderr)
		return exitUsage
	}
	if args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		usage(e.stdout)
		return exitGood
	}
	for _, c := range commands() {
		if c.name == args[0] {
			return c.run(ctx, e, args[1:])
		}
	}
	fmt.Fprintf(e.stderr, "gbgate: there is no command %q\n", args[0])
	usage(e.stderr)
	return exitUsage
}

func usage(w io.Writer) {
	fmt.Fprintln(w, "usage: gbgate COMMAND")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-10s %-20s %s\n", c.name, c.args, c.what)
	}
}

// flags returns an empty flag set that prints its faults to e.
func (e env) flags(name string) *flag.FlagSet {
	fs := flag.NewFlagSet("gbgate "+name, flag.ContinueOnError)
	fs.SetOutput(e.stderr)
	return fs
}

// parse reads args; done says that the command is over with code (asked for help, or wrong usage).
func (e env) parse(fs *flag.FlagSet, args []string) (code int, done bool) {
	switch err := fs.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitGood, true
	case err != nil:
		return exitUsage, true
	case fs.NArg() > 0:
		return e.fail(exitUsage, fmt.Errorf("%s: what is %q?", fs.Name(), fs.Arg(0))), true
	}
	return 0, false
}
