// Package logfile keeps a program's log in files of bounded size and number, and writes to them
// seldom: for boxes without journald, whose flash wears out.
//
// (lumberjack, the usual library, writes each line at once, which on JFFS2 is a write to the flash,
// blocks its callers meanwhile, and leaves a goroutine behind.)
package logfile

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"
)

const (
	batch    = 16 << 10         // so much is written without waiting any longer, in bytes
	backlog  = 64 << 10         // so much waits at most while nothing can be written
	patience = 30 * time.Second // a line waits so long for others,
	hurry    = 5 * time.Second  // and so long after the write before when it is urgent
)

// MinSize is the smallest Config.Size: what waits fits into one file.
const MinSize = backlog + 1<<10

var newline = []byte("\n") //nolint:gochecknoglobals // a constant

// Config says where the log is kept and how much of it.
type Config struct {
	Path  string // of the current file; older ones are Path.1, Path.2, …; its folder is created
	Size  int64  // of one file in bytes, at least MinSize
	Files int    // how many there are, the current one included; at least 2
	// OnOpen is told each file that becomes the current one; nil: nobody is. The file may be closed
	// soon after.
	OnOpen func(*os.File)
	// OnFault is told when the log can't be written, once until it can again; nil: nobody is.
	OnFault func(error)
}

// File is a log under way. Its methods may be called at any time.
type File struct {
	cfg Config

	mu      sync.Mutex
	pending []byte      // whole lines, in order
	lost    int         // lines for which there was no room
	wrote   time.Time   // when a write was tried last
	hold    time.Time   // no write before it: the last one failed
	due     time.Time   // when timer fires; zero: it does not
	timer   *time.Timer // flushes
	closed  bool

	out   sync.Mutex // of the rest; never taken with mu held
	file  *os.File   // nil: closed, or could not be opened
	size  int64
	fault error  // of the last write
	spare []byte // takes turns with pending
}

// Open opens the current file, or says why it can't be written.
func Open(cfg Config) (*File, error) {
	f := &File{cfg: cfg}
	for i := cfg.Files; os.Remove(f.name(i)) == nil; i++ { // there were more of them before
	}
	if err := f.open(); err != nil {
		return nil, err
	}
	f.timer = time.AfterFunc(time.Hour, func() { _ = f.Flush() })
	f.timer.Stop()
	return f, nil
}

// Write takes one or more whole lines. It never waits for the file and never fails: lines that find
// no room are counted, and the log says so afterwards.
func (f *File) Write(lines []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || len(f.pending)+len(lines) > backlog {
		f.lost += bytes.Count(lines, newline)
		return len(lines), nil
	}
	f.pending = append(f.pending, lines...)
	wait := patience
	if len(f.pending) >= batch {
		wait = 0
	}
	f.flushIn(wait)
	return len(lines), nil
}

// Urgent has what was written so far put into the file soon.
func (f *File) Urgent() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.flushIn(max(0, time.Until(f.wrote.Add(hurry))))
}

// flushIn flushes after a while, or earlier if that was asked for before; f.mu is held.
func (f *File) flushIn(wait time.Duration) {
	due := time.Now().Add(wait)
	if due.Before(f.hold) {
		due = f.hold
	}
	if f.closed || !f.due.IsZero() && !due.Before(f.due) {
		return
	}
	f.due = due
	f.timer.Reset(time.Until(due))
}

// Flush puts what waits into the file. What could not be written waits on.
func (f *File) Flush() error {
	f.out.Lock()
	defer f.out.Unlock()
	text, lost := f.take()
	n, err := f.put(text)
	if err == nil && lost > 0 {
		note := fmt.Appendf(nil, "time=%s level=ERROR msg=\"log lines were lost\" lines=%d reason=%q\n",
			time.Now().Format("2006-01-02T15:04:05.000Z07:00"), lost, reasonOf(f.fault, "too many at once"))
		if _, err = f.put(note); err == nil {
			lost = 0
		}
	}
	if err != nil && f.fault == nil && f.cfg.OnFault != nil {
		f.cfg.OnFault(err)
	}
	f.fault = err
	f.giveBack(text, n, lost, err != nil)
	return err
}

func reasonOf(err error, other string) string {
	if err != nil {
		return err.Error()
	}
	return other
}

// take takes what waits.
func (f *File) take() (text []byte, lost int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	text, lost = f.pending, f.lost
	f.pending, f.lost, f.due = f.spare[:0], 0, time.Time{}
	f.wrote = time.Now()
	f.timer.Stop()
	return text, lost
}

// giveBack returns the memory of text, of which n bytes were written; after a failure the rest of it
// waits again, before what has come meanwhile, and the lost lines are still to be told.
func (f *File) giveBack(text []byte, n, lost int, failed bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.spare = text
	f.lost += lost
	if !failed {
		return
	}
	rest := text[n:]
	if len(rest)+len(f.pending) > backlog {
		f.lost += bytes.Count(f.pending, newline)
		f.pending = f.pending[:0]
	}
	f.spare, f.pending = f.pending, append(slices.Clone(rest), f.pending...)
	f.hold = time.Now().Add(patience)
	f.flushIn(patience)
}

// put writes text into the current file, or into the next one if it does not fit.
func (f *File) put(text []byte) (n int, err error) {
	if len(text) == 0 {
		return 0, nil
	}
	if f.moved() {
		f.close()
	}
	if f.file != nil && f.size > 0 && f.size+int64(len(text)) > f.cfg.Size {
		f.close()
		if err := f.rotate(); err != nil {
			return 0, err
		}
	}
	if f.file == nil {
		if err := f.open(); err != nil {
			return 0, err
		}
	}
	n, err = f.file.Write(text)
	f.size += int64(n)
	return n, err
}

// moved tells whether somebody has taken the file away, as logrotate does.
func (f *File) moved() bool {
	if f.file == nil {
		return false
	}
	ours, err1 := f.file.Stat()
	named, err2 := os.Stat(f.cfg.Path)
	return err1 != nil || err2 != nil || !os.SameFile(ours, named)
}

// open opens the current file.
func (f *File) open() error {
	if err := os.MkdirAll(filepath.Dir(f.cfg.Path), 0o750); err != nil {
		return err
	}
	file, err := os.OpenFile(f.cfg.Path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		return errors.Join(err, file.Close())
	}
	f.file, f.size = file, info.Size()
	if f.cfg.OnOpen != nil {
		f.cfg.OnOpen(file)
	}
	return nil
}

func (f *File) close() {
	if f.file != nil {
		_ = f.file.Close() // every write has said whether it went well
		f.file = nil
	}
}

// rotate makes place for a new current file; the oldest one goes.
func (f *File) rotate() error {
	for i := f.cfg.Files - 1; i > 0; i-- {
		if err := os.Rename(f.name(i-1), f.name(i)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (f *File) name(i int) string {
	if i == 0 {
		return f.cfg.Path
	}
	return f.cfg.Path + "." + strconv.Itoa(i)
}

// Close writes what waits and closes the file; what is written later is lost.
func (f *File) Close() error {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	err := f.Flush()
	f.out.Lock()
	defer f.out.Unlock()
	f.close()
	return err
}
