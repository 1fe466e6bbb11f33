package rtsp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"time"

	"gbgate/media"
)

// ReplayConfig tells how a recording is played.
type ReplayConfig struct {
	Config // URL is not used; a Poller neither, since a recorder is read as slowly as the recording is watched

	// Locate returns the URL that plays what was recorded from from up to to.
	Locate func(from, to time.Time) string
	// ByRange: one URL for every time, chosen by the Range of PLAY. Otherwise a jump opens another session.
	ByRange bool
	// ONVIF: the recorder knows ONVIF Profile G (Rate-Control, key pictures alone, backwards); implies ByRange.
	ONVIF bool
}

// Replay plays one recording that lives in a camera or a recorder. One goroutine uses it.
//
//	             Play: PLAY again (by range), else TEARDOWN and open
//	                  ┌────────────┐
//	open ─▶ SETUP ─▶ PLAY ─▶ units ┴─▶ io.EOF: T bit, ANNOUNCE, end of the span, BYE or silence
//	 ▲                         │
//	 └── the session died on the way: once more from the last unit, if it had brought any
//
// The recorder sends as fast as units are read, as far as it can (ONVIF's Rate-Control: no), and waits, through TCP,
// while nobody reads. Many cannot be faster than real time.
type Replay struct {
	cfg      ReplayConfig
	from, to time.Time // zero to: no end
	queue    *replayQueue

	now      *playingSession // nil: none
	scale    float64
	at       time.Time // of the last picture; before the first one, what was asked for
	progress bool      // the session has brought a unit
	skip     time.Time // of the last picture of the session before; zero: this one is the first, or beyond it
	// sound is when the last audio was recorded; up to skipSound it came from the session before.
	sound, skipSound time.Time
	over             bool
	dead             bool      // its session has died and is to be opened once more
	spent            bool      // the recorder has said goodbye: the session is good for nothing
	quiet            time.Time // since when Read has waited; zero: it does not
}

// playingSession is one session in the background.
type playingSession struct {
	session *session
	cancel  context.CancelCauseFunc
	done    chan struct{} // closed when err is there
	err     error
}

var errReplayClosed = errors.New("rtsp: recording closed")

// OpenReplay begins to play a recording at from, up to to (zero: to its end), and returns when the recorder plays.
func OpenReplay(ctx context.Context, cfg ReplayConfig, from, to time.Time) (*Replay, error) {
	cfg.FrameTimeout = cmp.Or(cfg.FrameTimeout, 10*time.Second)
	cfg.ByRange = cfg.ByRange || cfg.ONVIF
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	cfg.Transport, cfg.Poller = "tcp", nil // one that can be made to wait
	r := &Replay{cfg: cfg, from: from, to: to, queue: newReplayQueue()}
	if err := r.open(ctx, from, 1); err != nil {
		return nil, err
	}
	return r, nil
}

// open starts a session at a time.
func (r *Replay) open(ctx context.Context, at time.Time, scale float64) error {
	r.hangUp()
	r.begin(at, scale)
	source := &Source{Config: r.cfg.Config}
	source.URL = r.cfg.Locate(at, r.to)
	lasting, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	p := &playingSession{cancel: cancel, done: make(chan struct{})}
	up := make(chan error, 1)
	go func() {
		defer close(p.done)
		p.err = source.sessions(lasting, func(s *session) error {
			s.replay = &replaying{
				onvif: r.cfg.ONVIF, byRange: r.cfg.ByRange, origin: r.from, until: r.to,
				granted: r.queue.accept, answered: r.queue.answered, anew: r.queue.drop, ended: r.queue.finish,
				ask: playAsk{at: at, scale: scale},
			}
			s.replay.sink = func(u *media.Unit) { r.take(u, s.replay.scale) }
			p.session = s
			err := s.keep(lasting, up)
			if next := (*again)(nil); s.playing && errors.As(err, &next) {
				return next.why
			}
			return err
		})
		select {
		case up <- p.err:
		default:
		}
	}()
	r.now = p
	select {
	case err := <-up:
		if err != nil {
			r.hangUp()
		}
		return err
	case <-ctx.Done():
		r.hangUp()
		return context.Cause(ctx)
	}
}

// begin notes that another PLAY is under way.
func (r *Replay) begin(at time.Time, scale float64) {
	r.at, r.scale, r.skip, r.quiet = at, scale, time.Time{}, time.Time{}
	r.sound, r.skipSound = time.Time{}, time.Time{}
	r.progress, r.over, r.dead, r.spent = false, false, false, false
}

// hangUp ends the session.
func (r *Replay) hangUp() {
	r.queue.refuse()
	if p := r.now; p != nil {
		p.cancel(errReplayClosed)
		<-p.done
		r.now = nil
	}
	r.over = true
}

// Close ends the session and waits for it.
func (r *Replay) Close() error {
	r.hangUp()
	return nil
}

// take is the sink of a session that plays at scale. It blocks while the queue is full.
func (r *Replay) take(u *media.Unit, scale float64) {
	intra := scale < 0 || scale > intraAbove
	if intra && !u.Key || scale != 1 && !u.Codec.IsVideo() {
		u.Release()
		return
	}
	if intra { // their own times: there is nothing between them to wait for
		u.DTS = ticks(u.Arrived.Sub(r.from))
		u.PTS = u.DTS
	}
	r.queue.push(u)
}

// Read returns the next unit: its Arrived is when it was recorded, its times are ticks from the from of OpenReplay.
// It returns io.EOF at the end of the span, backwards at its beginning, and may be called again after ctx ended it.
func (r *Replay) Read(ctx context.Context) (*media.Unit, error) {
	for !r.over {
		if r.dead {
			if err := r.revive(ctx); err != nil {
				return nil, err
			}
		}
		u, end := r.queue.pop()
		switch {
		case u != nil && r.beyond(u.Arrived):
			u.Release()
			return nil, r.end()
		case u != nil && r.known(u):
			u.Release()
			continue
		case u != nil:
			r.progress, r.quiet = true, time.Time{}
			if u.Codec.IsVideo() {
				r.at = u.Arrived
			} else {
				r.sound = u.Arrived
			}
			return u, nil
		case end == through, end == saidBye && r.nearEnd():
			r.spent = true
			return nil, r.end()
		}
		if err := r.wait(ctx); err != nil {
			return nil, err
		}
	}
	return nil, io.EOF
}

// end notes that there is no more to read. The session stays, for another Play.
func (r *Replay) end() error {
	r.over = true
	r.queue.refuse()
	return io.EOF
}

// known tells whether a unit of a session that was opened once more had come from the one before: in decoding order
// everything up to the picture that was the last.
func (r *Replay) known(u *media.Unit) bool {
	if !u.Codec.IsVideo() && !u.Arrived.After(r.skipSound) {
		return true
	}
	if r.skip.IsZero() || !u.Codec.IsVideo() {
		return false
	}
	off := u.Arrived.Sub(r.skip)
	switch {
	case r.scale < 0:
		return off >= 0
	case !r.now.session.replay.stamped.Load() || off > 2*time.Second:
		r.skip = time.Time{} // it began where it was told to, for all we know
		return false
	case off.Abs() <= time.Millisecond:
		r.skip = time.Time{}
	}
	return true
}

func (r *Replay) beyond(at time.Time) bool {
	if r.scale < 0 {
		return at.Before(r.from)
	}
	return !r.to.IsZero() && !at.Before(r.to)
}

// wait returns when there may be something to read, or why there is nothing more.
func (r *Replay) wait(ctx context.Context) error {
	if r.quiet.IsZero() {
		r.quiet = time.Now()
	}
	patience := r.cfg.FrameTimeout
	_, end := r.queue.peek()
	if end == saidBye || r.nearEnd() {
		patience = patience * 3 / 10
	}
	timer := time.NewTimer(time.Until(r.quiet.Add(patience)))
	defer timer.Stop()
	select {
	case <-r.queue.wake:
		return nil
	case <-r.now.done:
		switch waits, end := r.queue.peek(); {
		case waits, end == through:
			return nil
		case end == saidBye:
			r.spent = true
			return r.end()
		}
		return r.died(ctx, r.now.err)
	case <-timer.C:
		if end == saidBye {
			r.spent = true
		}
		if r.progress || r.spent {
			return r.end()
		}
		r.hangUp()
		return &Error{Kind: NoFrames, Text: fmt.Sprintf("RTSP up, the recording does not come within %v", patience)}
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// nearEnd tells whether the last unit was about the last of the span.
func (r *Replay) nearEnd() bool {
	if r.scale < 0 {
		return r.at.Sub(r.from) < 2*time.Second
	}
	return !r.to.IsZero() && r.to.Sub(r.at) < 2*time.Second
}

// died decides about a session that has ended: the recorder was through, or it is opened once more where it was,
// as after a long pause.
func (r *Replay) died(ctx context.Context, err error) error {
	if kindOf(err) == Closed && (r.nearEnd() || !r.progress) {
		r.spent = true
		return r.end()
	}
	if !r.progress {
		r.hangUp()
		return err
	}
	return r.revive(ctx)
}

// revive opens a session that died once more, where it was. Read does it again where ctx ended it.
func (r *Replay) revive(ctx context.Context) error {
	was := r.place()
	err := r.open(ctx, was.at, was.scale)
	kind := kindOf(err)
	switch {
	case err != nil && ctx.Err() != nil:
		r.resume(was)
	case kind == NotFound || kind == Protocol: // there is nothing behind it
		return r.end()
	case was.progress:
		r.skip, r.skipSound = was.at, was.sound
	}
	return err
}

// place is where a recording is.
type place struct {
	at, sound time.Time
	scale     float64
	progress  bool // at and sound have come
	over      bool
}

func (r *Replay) place() place { return place{r.at, r.sound, r.scale, r.progress, r.over} }

// resume leaves it to Read to open a session where the recording was, unless it was over.
func (r *Replay) resume(was place) {
	r.at, r.sound, r.scale, r.progress = was.at, was.sound, was.scale, was.progress
	r.dead, r.over = !was.over, was.over
}

// Play goes on at a time and scale: all pictures for a scale up to 4, key pictures alone above it and, where the
// recorder knows ONVIF Profile G, backwards below zero. It may be called after io.EOF. After an error the recording
// goes on as it was, in another session.
func (r *Replay) Play(ctx context.Context, at time.Time, scale float64) error {
	if scale == 0 || math.IsNaN(scale) || scale < 0 && !r.cfg.ONVIF {
		return &Error{Kind: Unsupported, Text: fmt.Sprintf("this recorder cannot play at %v times its speed", scale)}
	}
	was := r.place()
	err := r.jump(ctx, at, scale)
	if err != nil {
		r.hangUp()
		r.resume(was)
	}
	return err
}

// jump goes on elsewhere, in the session that there is or in another one.
func (r *Replay) jump(ctx context.Context, at time.Time, scale float64) error {
	r.queue.refuse()
	if r.cfg.ByRange && r.alive() {
		err := r.now.session.move(ctx, playAsk{at: at, scale: scale})
		if err == nil {
			r.begin(at, scale)
			return nil
		}
		if ctx.Err() != nil {
			return err
		}
		r.cfg.Log.Debug("recorder refuses to go on elsewhere, opening it anew", "camera", r.cfg.Name, "reason", err)
	}
	return r.open(ctx, at, scale)
}

// alive tells whether the session is good for another PLAY.
func (r *Replay) alive() bool {
	if r.now == nil || r.spent {
		return false
	}
	select {
	case <-r.now.done:
		return false
	default:
		return true
	}
}
