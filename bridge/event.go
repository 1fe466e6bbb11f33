package bridge

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"time"

	"gbgate/media"
)

// Lookout is a camera that tells what it notices: movement, tampering, its inputs, its own faults.
type Lookout interface {
	// Watch hands every event to tell, in order and from one goroutine, until ctx ends or the
	// camera fails, and says why. It does not retry.
	Watch(ctx context.Context, tell func(Event)) error
}

// Event is what a camera tells, in the words of an alarm.
type Event struct {
	// Alarm is what the event means upward.
	Alarm
	// State names what began or ended: the same for both, another for each detector and each input.
	// "" = something that begins and ends at once, such as a crossed line.
	State  string
	Active bool // it began, or goes on
	// Initial tells that it was so when the camera was asked: nothing happens now. It may have begun since the
	// camera was heard last.
	Initial bool
	// Standing tells that it lasts until somebody mends it, so that it is worth an alarm also where
	// it was found so: a broken disk, a lens that is covered.
	Standing bool
}

const (
	// autoClear is when a state that nobody ended is over: a TVT recorder never says that motion
	// ended, and would alarm once and never again.
	autoClear = 30 * time.Second
	// maxStates bounds the states of one camera that are remembered.
	maxStates = 256
	// eventsUnsupported is when a camera that has no events is asked again: firmware is replaced,
	// and some devices refuse everything while they start.
	eventsUnsupported = 10 * time.Minute
	// heardAfter is how long a camera must have been listened to before it counts as heard.
	heardAfter = 15 * time.Second
)

// alarmKind is what is told at most once in a while of one camera.
type alarmKind struct{ method, kind, event int }

// activity is a state that is active.
type activity struct {
	said     time.Time // the last time
	standing bool
	// began tells that we saw it begin and that it was worth an alarm: a door contact of the normally closed
	// kind is active whenever nothing happens.
	began bool
	past  bool // it was active when the camera was heard last, which has not said so since
}

// detector makes alarms of the events of one camera: one for each beginning, and of each kind not
// more than one in every. It is used from one goroutine.
type detector struct {
	every  time.Duration
	states map[string]activity // active ones
	calm   map[string]bool     // those that were inactive when they were heard last
	told   map[alarmKind]time.Time
}

// take returns the alarm that an event is worth, if any.
func (d *detector) take(e Event, now time.Time) (Alarm, bool) {
	// What was calm when it was heard last and is found active has begun while nobody listened.
	unheard := e.Initial && d.calm[e.State]
	began := e.Active
	if e.State != "" {
		began = d.begins(e, now, !e.Initial || unheard)
	}
	if !began || e.Method == 0 || e.Initial && !unheard && !e.Standing {
		return Alarm{}, false
	}
	kind := alarmKind{e.Method, e.Type, e.EventType}
	if last, ok := d.told[kind]; ok && now.Sub(last) < d.every {
		return Alarm{}, false
	}
	if d.told == nil {
		d.told = make(map[alarmKind]time.Time)
	}
	d.told[kind] = now
	return e.Alarm, true
}

// begins notes a state and tells whether it was not active before; happens, whether it begins in our time.
func (d *detector) begins(e Event, now time.Time, happens bool) bool {
	last, known := d.states[e.State]
	if !e.Active {
		delete(d.states, e.State)
		if d.calm == nil || len(d.calm) >= maxStates && !d.calm[e.State] {
			d.calm = make(map[string]bool)
		}
		d.calm[e.State] = true
		return false
	}
	delete(d.calm, e.State)
	if d.states == nil || len(d.states) >= maxStates && !known {
		d.states = make(map[string]activity)
	}
	begins := !known || last.past || !e.Standing && now.Sub(last.said) >= autoClear
	d.states[e.State] = activity{
		said: now, standing: e.Standing, began: last.began || begins && happens && e.Method != 0,
	}
	return begins
}

// goesOn tells whether something is active that has begun, was worth an alarm, and will end by itself.
func (d *detector) goesOn() bool {
	for _, a := range d.states {
		if a.began && !a.standing && !a.past {
			return true
		}
	}
	return false
}

// anew forgets what goes on at the moment: the camera is asked from the beginning, perhaps after it
// has restarted. What was broken and told stays known, and so does, for one time, what had begun: the camera
// may say that it still goes on.
func (d *detector) anew() {
	maps.DeleteFunc(d.states, func(_ string, a activity) bool { return a.past })
	for state, a := range d.states {
		if !a.standing {
			a.past = true
			d.states[state] = a
		}
	}
}

// EventStatus tells how it is with a camera's events.
type EventStatus struct {
	Watched bool      // the camera is asked for events
	Err     error     // why it can't be heard; nil while it can
	Last    time.Time // of the last event
	Events  uint64
}

// eventRetry spaces the attempts to hear a camera that starts, or hangs up.
func eventRetry() Retry {
	return Retry{Min: 5 * time.Second, Max: time.Minute, Locked: 5 * time.Minute}
}

// listener hears one camera: it tries again and again, and remembers how that went.
type listener struct {
	lookout Lookout
	retry   Retry
	raise   func(Alarm)
	active  func(bool) // told when what was worth an alarm goes on, and when all of it has ended
	log     *slog.Logger
	detect  detector
	busy    bool // what active was told last

	mu     sync.Mutex
	status EventStatus
	began  time.Time // of the present attempt; zero between two
}

// run listens until ctx ends.
func (l *listener) run(ctx context.Context) {
	for failures := 0; ; {
		began := time.Now()
		l.begin(began)
		l.detect.anew()
		l.settleActivity()
		err := l.lookout.Watch(ctx, l.hear)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			err = errors.New("the camera ended the events")
		}
		if time.Since(began) > l.retry.Max {
			failures = 0
		}
		failures++
		delay := l.retry.delay(failures, err)
		if errors.Is(err, errors.ErrUnsupported) {
			delay = eventsUnsupported
		}
		if l.fail(err) {
			l.log.Info("camera's events are not heard", "reason", err.Error(), "retry_in", delay.Round(time.Second).String())
		}
		if media.Wait(ctx, delay) != nil {
			return
		}
	}
}

func (l *listener) begin(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.status.Watched, l.began = true, now
}

// fail notes why the camera can't be heard, and tells whether that is news.
func (l *listener) fail(err error) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settle()
	news := l.status.Err == nil || l.status.Err.Error() != err.Error()
	l.status.Err, l.began = err, time.Time{}
	return news
}

// settle forgets a failure when the attempt after it lasts: silence is what most cameras send.
// l.mu is held.
func (l *listener) settle() {
	if !l.began.IsZero() && time.Since(l.began) > heardAfter {
		l.status.Err = nil
	}
}

func (l *listener) hear(e Event) {
	now := time.Now()
	l.mu.Lock()
	l.status.Err = nil
	if !e.Initial {
		l.status.Events++
		l.status.Last = now
	}
	l.mu.Unlock()
	if a, ok := l.detect.take(e, now); ok {
		l.raise(a)
	}
	l.settleActivity()
}

// settleActivity tells whether something goes on where that has changed.
func (l *listener) settleActivity() {
	if busy := l.detect.goesOn(); busy != l.busy {
		l.busy = busy
		l.active(busy)
	}
}

// Status returns a snapshot; the zero value of a camera that nobody listens to.
func (l *listener) Status() EventStatus {
	if l == nil {
		return EventStatus{}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settle()
	return l.status
}
