// Package ledger keeps what superiors have set over restarts: heartbeat, name, guards, alarm reports, home
// positions, recordings by hand.
package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"sync"
	"time"

	"gbgate/bridge/statefile"
	"gbgate/gb28181/manscdp"
)

const (
	format     = 1
	maxFile    = 8 << 20 // bytes of the file
	maxSigners = 256     // superiors in it
	maxGuards  = 20_000  // devices of one superior in it
	maxHomes   = 20_000
	maxManual  = 20_000 // cameras recorded by hand
	// writeDelay is how long a change waits for others: a superior that arms and disarms all night must not wear
	// out a flash disk.
	writeDelay = 2 * time.Second
	writeAgain = 30 * time.Second // after a write that failed
)

// Ledger keeps what superiors have set over restarts: heartbeat and name (BasicParam), guard and alarm reports, home
// positions, cameras recorded by hand. It is one file; what happens less than two seconds before the power fails may be
// missing in it. The zero value keeps everything until the end of the process.
type Ledger struct {
	path string // "" = no file
	log  *slog.Logger

	mu      sync.Mutex
	book    book
	changed bool
	dirty   chan struct{} // holds one token when changed
}

// book is the file.
type book struct {
	Format    int                 `json:"format"`
	Superiors map[string]Superior `json:"superiors,omitempty"` // by account
	Homes     map[string]home     `json:"home_positions,omitempty"`
	Manual    map[string]bool     `json:"manual_recordings,omitempty"` // by camera
}

// Superior is what one superior has set.
type Superior struct {
	Name      string           `json:"name,omitempty"` // what it calls us
	Heartbeat *Heartbeat       `json:"heartbeat,omitempty"`
	Over      *Heartbeat       `json:"over,omitempty"` // the configuration's when Heartbeat was set
	Guards    map[string]Guard `json:"guards,omitempty"`
}

// Heartbeat is a registration's times in seconds, and how many keepalives may go unanswered.
type Heartbeat struct {
	Interval int `json:"interval"`
	Count    int `json:"count"`
	Expires  int `json:"expires"`
}

// Guard is what a superior has said about the alarms of one device, where that is not the default.
type Guard struct {
	Disarmed  bool `json:"disarmed,omitempty"`
	Motion    *int `json:"motion,omitempty"`
	Intrusion *int `json:"intrusion,omitempty"`
}

// home is a home position (看守位) in the file.
type home struct {
	Enabled   int  `json:"enabled"`
	ResetTime int  `json:"reset_time"`
	Preset    *int `json:"preset,omitempty"`
}

// errNewer is of a ledger that a later release has written.
var errNewer = errors.New("the file is of a newer release")

// Open reads a ledger. A damaged file is put aside, one that can't be read or is of a newer release stays as it
// is while this process keeps everything in memory; either is told in the log: what superiors had set does not hold
// then, which they can set again, and everything else works.
func Open(path string, log *slog.Logger) *Ledger {
	l := &Ledger{path: path, log: log, dirty: make(chan struct{}, 1)}
	text, err := statefile.Read(path, maxFile)
	whole := err != nil && !errors.Is(err, statefile.ErrTooLarge) // as far as anybody can tell
	if err == nil && text != nil {
		err = l.decode(text)
	}
	switch {
	case err == nil:
	case whole || errors.Is(err, errNewer):
		l.path = ""
		log.Error("what superiors had set is not readable; the file is left alone, and what they set now is not kept",
			"file", path, "error", err)
	default:
		aside, asideErr := statefile.SetAside(path)
		log.Error("what superiors had set is not readable and begins anew", "file", path, "kept_as", aside,
			"error", errors.Join(err, asideErr))
	}
	return l
}

func (l *Ledger) decode(text []byte) error {
	var kind struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(text, &kind); err != nil {
		return err
	}
	switch {
	case kind.Format > format:
		return fmt.Errorf("%w: it has format %d, this one knows %d", errNewer, kind.Format, format)
	case kind.Format != format:
		return fmt.Errorf("it has format %d, this program knows %d", kind.Format, format)
	}
	var b book
	if err := json.Unmarshal(text, &b); err != nil {
		return err
	}
	l.book = b
	return nil
}

// Run writes what changes, until ctx ends.
func (l *Ledger) Run(ctx context.Context) error {
	for wait := writeDelay; ; {
		select {
		case <-l.dirty:
		case <-ctx.Done():
			if err := l.save(); err != nil {
				l.log.Error("what superiors have set is not saved", "error", err)
			}
			return context.Cause(ctx)
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
		wait = writeDelay
		if err := l.save(); err != nil {
			l.log.Warn("what superiors have set is not saved yet", "error", err)
			wait = writeAgain
		}
	}
}

// save writes the file if anything has changed.
func (l *Ledger) save() error {
	l.mu.Lock()
	if !l.changed || l.path == "" {
		l.mu.Unlock()
		return nil
	}
	l.changed = false
	l.book.Format = format
	text, err := json.MarshalIndent(l.book, "", " ")
	l.mu.Unlock()
	if err == nil {
		err = statefile.Replace(l.path, append(text, '\n'))
	}
	if err != nil {
		l.mu.Lock()
		l.touch()
		l.mu.Unlock()
	}
	return err
}

// touch notes a change; l.mu is held.
func (l *Ledger) touch() {
	l.changed = true
	select {
	case l.dirty <- struct{}{}:
	default:
	}
}

// Superior is what one has set; the guards are the caller's own.
func (l *Ledger) Superior(account string) Superior {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.book.Superiors[account]
	s.Guards = maps.Clone(s.Guards)
	return s
}

// Note changes what a superior has set; change says whether it did.
func (l *Ledger) Note(account string, change func(*Superior) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, known := l.book.Superiors[account]
	if !known && len(l.book.Superiors) >= maxSigners {
		return
	}
	if !change(&s) {
		return
	}
	if l.book.Superiors == nil {
		l.book.Superiors = make(map[string]Superior)
	}
	l.book.Superiors[account] = s
	l.touch()
}

// NoteGuard keeps what a superior has said about a device; the zero value is the default and takes no room.
func (l *Ledger) NoteGuard(account, device string, g Guard) {
	l.Note(account, func(s *Superior) bool {
		was, known := s.Guards[device]
		switch {
		case was.equal(g), !known && len(s.Guards) >= maxGuards:
			return false
		case g.equal(Guard{}):
			delete(s.Guards, device)
		case s.Guards == nil:
			s.Guards = map[string]Guard{device: g}
		default:
			s.Guards[device] = g
		}
		return true
	})
}

// on tells whether a flag is on, as it is where nobody has set it.
func on(flag *int) bool { return flag == nil || *flag != 0 }

func (g Guard) equal(h Guard) bool {
	return g.Disarmed == h.Disarmed && on(g.Motion) == on(h.Motion) && on(g.Intrusion) == on(h.Intrusion)
}

// Home is the home position of a camera; nil: never set.
func (l *Ledger) Home(camera string) *manscdp.HomePosition {
	l.mu.Lock()
	defer l.mu.Unlock()
	h, ok := l.book.Homes[camera]
	if !ok {
		return nil
	}
	return &manscdp.HomePosition{Enabled: h.Enabled, ResetTime: h.ResetTime, PresetIndex: h.Preset}
}

// ForgetHome forgets a camera's home position.
func (l *Ledger) ForgetHome(camera string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, known := l.book.Homes[camera]; known {
		delete(l.book.Homes, camera)
		l.touch()
	}
}

// NoteHome keeps a camera's home position.
func (l *Ledger) NoteHome(camera string, h *manscdp.HomePosition) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.book.Homes == nil {
		l.book.Homes = make(map[string]home)
	}
	if _, known := l.book.Homes[camera]; !known && len(l.book.Homes) >= maxHomes {
		return
	}
	set := home{Enabled: h.Enabled, ResetTime: h.ResetTime, Preset: h.PresetIndex}
	if reflect.DeepEqual(set, l.book.Homes[camera]) {
		return
	}
	l.book.Homes[camera] = set
	l.touch()
}

// Manual tells whether a camera is recorded by hand (手动录像).
func (l *Ledger) Manual(camera string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.book.Manual[camera]
}

// NoteManual keeps whether a camera is recorded by hand.
func (l *Ledger) NoteManual(camera string, on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.book.Manual[camera] == on, on && len(l.book.Manual) >= maxManual:
		return
	case !on:
		delete(l.book.Manual, camera)
	case l.book.Manual == nil:
		l.book.Manual = map[string]bool{camera: true}
	default:
		l.book.Manual[camera] = true
	}
	l.touch()
}

// KeepManual forgets the recordings by hand of all cameras but those that are recorded now: an order must not come to
// life months later, when a camera's recording is switched on again, or its name given to another. A swap without a
// gap is seen by the camera's scout alone (bridge.Made): without ONVIF nobody can tell another camera from a new address.
func (l *Ledger) KeepManual(recorded func(camera string) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := len(l.book.Manual)
	maps.DeleteFunc(l.book.Manual, func(camera string, _ bool) bool { return !recorded(camera) })
	if len(l.book.Manual) < before {
		l.touch()
	}
}
