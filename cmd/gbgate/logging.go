package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"

	"gbgate/cmd/gbgate/config"
	"gbgate/cmd/gbgate/logfile"
)

// journal is the log of a configuration.
type journal struct {
	*slog.Logger
	file *logfile.File // nil: standard error
}

// openJournal opens the log of a configuration. Where the file can't be written it goes to standard
// error and says so: a site without a log serves better than none.
func openJournal(e env, g config.Gateway) journal {
	if g.LogFile == "" {
		_ = debug.SetCrashOutput(nil, debug.CrashOptions{})
		return journal{newLogger(e, g.LogLevel), nil}
	}
	path := g.LogFile
	if !filepath.IsAbs(path) {
		path = filepath.Join(g.StateDir, path)
	}
	file, err := logfile.Open(logfile.Config{
		Path: path, Size: int64(g.LogFileKB) << 10, Files: g.LogFiles,
		// Why the program died is worth more than all other lines, and is written past us.
		OnOpen:  func(f *os.File) { _ = debug.SetCrashOutput(f, debug.CrashOptions{}) },
		OnFault: func(err error) { fmt.Fprintln(e.stderr, "gbgate: the log can't be written:", err) },
	})
	if err != nil {
		log := newLogger(e, g.LogLevel)
		log.Error("gateway.log_file can't be written, the log goes to standard error", "error", err)
		return journal{log, nil}
	}
	fmt.Fprintln(e.stderr, "gbgate: the log is in", path)
	return journal{slog.New(logfile.Handler(file, logLevel(g.LogLevel))), file}
}

// end writes what waits, and in a file why the program ends, which standard error is told anyway.
func (j journal) end(err error) {
	if j.file == nil {
		return
	}
	if err != nil {
		j.Error("gbgate ends", "error", err)
	}
	_ = j.file.Close()
}

func newLogger(e env, level string) *slog.Logger {
	return slog.New(slog.NewTextHandler(e.stderr, &slog.HandlerOptions{Level: logLevel(level)}))
}

func logLevel(name string) slog.Level {
	var l slog.Level
	_ = l.UnmarshalText([]byte(name)) // validated with the configuration
	return l
}
