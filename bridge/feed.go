package bridge

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"gbgate/media"
)

// FeedState is what a Feed is doing.
//
//	Idle ──viewer──▶ Dialing ──first picture──▶ Live ──last viewer left──▶ Lingering ──▶ Idle
//	                 ▲  │ failed                 │ failed      ▲ viewer ┘
//	                 │  ▼                        ▼
//	                 └─ Backoff ◀────────────────┘      (Backoff ──no viewer──▶ Idle)
type FeedState uint8

// The states of a Feed.
const (
	Idle FeedState = iota
	Dialing
	Live
	Lingering
	Backoff
)

// String returns the state's name for people.
func (s FeedState) String() string {
	return [...]string{"idle", "dialing", "live", "lingering", "back-off"}[s]
}

var (
	errIdle     = errors.New("nobody watches")
	errShutdown = errors.New("gateway stops")
)

// Feed pulls one source while it has viewers, and a little longer, whatever their number. Its
// Stream outlives the source's failures: viewers wait, and go on when pictures come again.
type Feed struct {
	Source  Source
	Linger  time.Duration // how long to pull on after the last viewer
	Backoff Retry
	Log     *slog.Logger

	stream *media.Stream

	mu       sync.Mutex
	state    FeedState
	viewers  int
	attempts int           // runs that ended
	err      error         // why the last run ended; nil while live
	downAt   time.Time     // since when there are no pictures; zero while live or idle
	changed  chan struct{} // closed and replaced at every change
	fresh    bool          // the next unit is the first of a run
	offset   int64         // from the run's time line to the stream's
	last     timestamp
	wantKey  bool // the next key picture is a change
	anew     reopening
	meter    meter
	still    stillness
	groups   groups
}

// meter measures what comes in.
type meter struct {
	began time.Time
	bytes int     // since began
	rate  float64 // bytes a second; 0 = not known
}

// meterWindow is longer than most groups of pictures.
const meterWindow = 5 * time.Second

func (m *meter) count(u *media.Unit) {
	if m.began.IsZero() {
		m.began = u.Arrived
	}
	m.bytes += len(u.Data)
	if took := u.Arrived.Sub(m.began); took >= meterWindow {
		*m = meter{began: u.Arrived, rate: float64(m.bytes) / took.Seconds()}
	}
}

type timestamp struct {
	dts     int64
	arrived time.Time
}

// Retry spaces attempts: Min, doubling up to Max, each shortened by up to a fifth at random.
// A locked-out source is left alone for Locked.
type Retry struct{ Min, Max, Locked time.Duration }

func (r Retry) delay(failures int, err error) time.Duration {
	var kind Kinder
	if errors.As(err, &kind) && kind.LockedOut() {
		return r.Locked
	}
	d := r.Max
	if failures < 16 {
		d = min(r.Max, r.Min<<max(0, failures-1))
	}
	return d - time.Duration(rand.Float64()*0.2*float64(d))
}

// NewFeed returns an idle feed.
func NewFeed(src Source, linger time.Duration, retry Retry, limits media.Limits, log *slog.Logger) *Feed {
	return &Feed{
		Source: src, Linger: linger, Backoff: retry, Log: log,
		stream: media.NewStream(limits), changed: make(chan struct{}),
	}
}

// Run pulls on demand until ctx ends.
func (f *Feed) Run(ctx context.Context) error {
	defer f.stream.Close(errShutdown) // the viewers go when they see it, not before
	for ctx.Err() == nil {
		if err := f.await(ctx, func() bool { return f.viewers > 0 }, nil); err != nil {
			return err
		}
		f.pull(ctx)
		f.set(Idle, nil)
	}
	return context.Cause(ctx)
}

// tellAgain is how often the log says that a camera still does not deliver, for the same reason: one that is recorded
// is tried twice a minute, for weeks if need be.
const tellAgain = time.Hour

// pull runs the source again and again until nobody wants it.
func (f *Feed) pull(ctx context.Context) {
	told, toldAt := "", time.Time{} // the reason that the log has, and since when
	for failures := 0; ; {
		f.begin()
		began := time.Now()
		err := f.session(ctx)
		f.stream.Reset()
		switch {
		case errors.Is(err, errIdle), ctx.Err() != nil:
			return
		case errors.Is(err, errReopen):
			continue
		}
		wasLive := f.State() == Live
		if wasLive && time.Since(began) > f.Backoff.Max {
			failures = 0 // it had been well: begin with the short delays again
		}
		failures++
		f.set(Backoff, err)
		delay := f.Backoff.delay(failures, err)
		level := slog.LevelDebug
		if reason := err.Error(); wasLive || reason != told || time.Since(toldAt) > tellAgain {
			told, toldAt, level = reason, time.Now(), slog.LevelWarn
		}
		f.Log.Log(ctx, level, "camera does not deliver", "reason", err.Error(),
			"retry_in", delay.Round(time.Millisecond*100).String())
		timer := time.NewTimer(delay)
		err = f.await(ctx, func() bool { return f.viewers == 0 }, timer.C)
		timer.Stop()
		if !errors.Is(err, errTimer) {
			return
		}
	}
}

// session runs the source once, and ends it when the last viewer has been gone for Linger.
func (f *Feed) session(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	done := make(chan error, 1)
	go func() {
		err := f.Source.Run(ctx, f.write)
		if err == nil {
			err = errors.New("the camera ended the stream")
		}
		done <- err
	}()
	for {
		f.mu.Lock()
		changed, viewers, wanted := f.changed, f.viewers, f.anew.wanted
		switch {
		case viewers == 0 && f.state == Live:
			f.state = Lingering
		case viewers > 0 && f.state == Lingering:
			f.state = Live
		}
		f.mu.Unlock()
		if wanted {
			stop(errReopen)
			<-done
			return errReopen
		}
		var linger <-chan time.Time
		var timer *time.Timer
		if viewers == 0 {
			timer = time.NewTimer(f.Linger)
			linger = timer.C
		}
		select {
		case err := <-done:
			return err
		case <-changed:
		case <-linger:
			stop(errIdle)
			<-done
			return errIdle
		}
		if timer != nil {
			timer.Stop()
		}
	}
}

// write puts a unit on the stream, on the stream's own time line: a camera that comes back
// begins a new one, and the receiver shall not see it jump.
func (f *Feed) write(u *media.Unit) {
	f.mu.Lock()
	if f.fresh {
		f.fresh = false
		f.meter.began, f.meter.bytes = time.Time{}, 0
		f.still = stillness{}
		f.groups.begin()
		if !f.last.arrived.IsZero() {
			gap := u.Arrived.Sub(f.last.arrived)
			f.offset = f.last.dts + max(1, int64(gap)*media.Clock/int64(time.Second)) - u.DTS
		}
	}
	u.DTS += f.offset
	u.PTS += f.offset
	f.last = timestamp{u.DTS, u.Arrived}
	f.meter.count(u)
	f.still.count(u)
	f.groups.count(u)
	first := f.state == Dialing && (u.Key || !u.Desc.HasVideo())
	again := u.Key && f.wantKey
	f.mu.Unlock()
	f.stream.Write(u)
	switch {
	case first:
		f.set(Live, nil)
	case again:
		f.keyCame()
	}
}

func (f *Feed) begin() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fresh, f.wantKey = true, false
	f.anew.begin(time.Now())
	f.state = Dialing
	if f.downAt.IsZero() {
		f.downAt = time.Now()
	}
	f.notify()
}

func (f *Feed) set(state FeedState, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.state = state
	if state == Live {
		f.anew.live(time.Now())
	}
	switch state {
	case Live, Idle:
		f.downAt, f.err = time.Time{}, nil
	case Backoff:
		f.attempts++
		f.err = err
		if f.downAt.IsZero() {
			f.downAt = time.Now()
		}
	case Dialing, Lingering:
	}
	f.notify()
}

// tellNextKey makes the next key picture a change: somebody waits for it.
func (f *Feed) tellNextKey() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wantKey = true
}

func (f *Feed) wantsKey() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.wantKey
}

func (f *Feed) keyCame() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wantKey = false
	f.notify()
}

// watch returns the state and a channel that is closed at the next change.
func (f *Feed) watch() (FeedState, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state, f.changed
}

// notify wakes all who wait for a change. f.mu is held.
func (f *Feed) notify() {
	close(f.changed)
	f.changed = make(chan struct{})
}

var errTimer = errors.New("time is up")

// await returns nil once cond holds (it is called with f.mu held), errTimer when timer fires
// first, or the cause of ctx.
func (f *Feed) await(ctx context.Context, cond func() bool, timer <-chan time.Time) error {
	for {
		f.mu.Lock()
		ok, changed := cond(), f.changed
		f.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-timer:
			return errTimer
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// State tells what the feed is doing.
func (f *Feed) State() FeedState {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state
}

// live tells whether pictures flow.
func (f *Feed) live() bool {
	state := f.State()
	return state == Live || state == Lingering
}

// rate is what the source was last measured to send, in bytes a second; 0 = not known.
func (f *Feed) rate() float64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.meter.rate
}

// FeedStatus is a snapshot of a feed.
type FeedStatus struct {
	State   FeedState
	Viewers int
	Err     error         // why the last attempt failed; nil when it did not
	Frozen  time.Duration // for so long the picture has stood still; 0: it lives
	Group   time.Duration // from one key picture to the next, at most
	media.StreamStats
	LastPicture time.Time // arrival of the newest picture
	Description *media.Description
}

// Status returns a snapshot.
func (f *Feed) Status() FeedStatus {
	st := FeedStatus{StreamStats: f.stream.Stats(), Description: f.stream.Description()}
	f.mu.Lock()
	defer f.mu.Unlock()
	st.State, st.Viewers, st.Err, st.Frozen = f.state, f.viewers, f.err, f.still.frozen(time.Now())
	st.Group, st.LastPicture = f.groups.length(), f.groups.picture
	return st
}
