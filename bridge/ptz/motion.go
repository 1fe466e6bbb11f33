package ptz

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

const (
	commandWithin = 5 * time.Second  // for one command to a camera
	usualWatchdog = 15 * time.Second // a camera turns so long without a new command
	stopAgain     = 2 * time.Second  // after a stop that failed
	stopTries     = 3

	leastRepeat = time.Second // of a movement that the camera would end
	mostRepeat  = 3 * time.Second
)

var (
	errSuperseded = errors.New("a newer command came while the camera was busy")
	errHeld       = errors.New("camera is steered by another platform")
)

// Which movements go on until they are stopped, and are stopped apart.
const (
	body = iota // pan, tilt and zoom
	lens        // focus and iris
	axes
)

// axis is one movement that goes on until it is stopped.
type axis struct {
	asked uint64    // numbers the commands
	mover *Operator // who set it in motion; nil: it stands still
	due   time.Time // when it is stopped if nothing comes; zero: never
	tries int       // stops that failed
	// Where a movement ends by itself too soon: it is repeated by again when next has come.
	again func(context.Context) error
	next  time.Time
	every time.Duration
}

// motion brings the commands of all superiors to one camera in order, the last writer winning,
// and makes sure that no camera turns for ever: the stop may be lost on its way here, the
// operator's window closed, or the superior gone.
type motion struct {
	head  Head
	log   *slog.Logger
	tasks *Tasks
	turn  *semaphore.Weighted // the camera does one thing at a time, first come, first served

	mu     sync.Mutex
	closed bool      // nothing begins to move any more
	owner  *Operator // who moved the camera last
	held   time.Time // until then only it, or one above it, may
	axes   [axes]axis
	timer  *time.Timer // nil: never needed so far
}

func newMotion(head Head, t *Tasks, log *slog.Logger) *motion {
	return &motion{head: head, tasks: t, log: log, turn: semaphore.NewWeighted(1)}
}

// claim lets o command the camera, unless another holds it whose priority is not below o's. Who
// commands holds it for its own Lock.
func (m *motion) claim(o *Operator) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if m.owner != nil && m.owner != o && now.Before(m.held) && m.owner.Priority >= o.Priority {
		return fmt.Errorf("%w: platform %s holds it for another %d s", errHeld,
			m.owner.Name, int(m.held.Sub(now).Seconds())+1)
	}
	m.owner, m.held = o, now.Add(o.Lock)
	return nil
}

// drive begins, changes or (moves is false) ends a movement by f. While the camera is busy only
// the newest command waits; an older one returns errSuperseded.
func (m *motion) drive(ctx context.Context, which int, o *Operator, moves bool, f func(context.Context) error) error {
	number := m.ask(which)
	if err := m.turn.Acquire(ctx, 1); err != nil {
		return context.Cause(ctx)
	}
	defer m.turn.Release(1)
	if !m.newest(which, number) {
		return errSuperseded
	}
	// Before it is tried: a command whose answer is lost moves the camera too.
	if moves && !m.set(which, o, o.watchdog()) {
		return errClosed
	}
	ctx, cancel := context.WithTimeout(ctx, commandWithin)
	defer cancel()
	err := f(ctx)
	switch {
	case errors.Is(err, errors.ErrUnsupported): // such as a lens without a motor: nothing moves
		m.set(which, nil, 0)
	case moves:
		m.set(which, o, o.watchdog())
		if err == nil {
			m.repeat(which, o, f)
		}
	case err == nil:
		m.set(which, nil, 0)
	default:
		m.set(which, o, stopAgain)
	}
	return err
}

// repeat keeps a movement of the body up where the camera would end it (DefaultPTZTimeout, 5 to 10 s on
// many) before the watchdog does: platforms send it once for as long as the key is held.
func (m *motion) repeat(which int, o *Operator, f func(context.Context) error) {
	t, ok := m.head.(Tiring)
	if !ok || which != body {
		return
	}
	tires, watchdog := t.Tires(), o.watchdog()
	if tires <= 0 || watchdog > 0 && tires > watchdog {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	a := &m.axes[which]
	a.again, a.every = f, max(leastRepeat, min(mostRepeat, tires/2))
	a.next = time.Now().Add(a.every)
	m.schedule()
}

// carryOn repeats the movement that is due to be.
func (m *motion) carryOn(ctx context.Context) {
	due := func() func(context.Context) error {
		m.mu.Lock()
		defer m.mu.Unlock()
		a, now := &m.axes[body], time.Now()
		if a.mover == nil || now.Before(a.next) || !a.due.IsZero() && !now.Before(a.due) {
			return nil
		}
		return a.again
	}
	if due() == nil || m.turn.Acquire(ctx, 1) != nil {
		return
	}
	defer m.turn.Release(1)
	again := due() // a stop may have come while the camera was busy
	if again == nil {
		return
	}
	m.mu.Lock()
	m.axes[body].next = time.Now().Add(m.axes[body].every)
	m.mu.Unlock()
	if err := again(ctx); err != nil {
		m.log.Debug("a movement was not repeated", "reason", err.Error())
	}
}

// do runs a command that ends by itself. preset: it takes the body over, so that a movement
// before it needs no stop any more (a stop would end the journey to the preset).
func (m *motion) do(ctx context.Context, preset bool, f func(context.Context) error) error {
	if preset {
		m.ask(body)
	}
	if err := m.turn.Acquire(ctx, 1); err != nil {
		return context.Cause(ctx)
	}
	defer m.turn.Release(1)
	ctx, cancel := context.WithTimeout(ctx, commandWithin)
	defer cancel()
	err := f(ctx)
	if preset && err == nil {
		m.set(body, nil, 0)
	}
	return err
}

// travel is a step of a program, whose context ends when the camera is taken over: f goes somewhere, and what moved
// the body before needs no stop any more.
func (m *motion) travel(ctx context.Context, f func(context.Context) error) error {
	return m.step(ctx, func(ctx context.Context) error {
		err := f(ctx)
		if err == nil {
			m.set(body, nil, 0)
		}
		return err
	})
}

// turnOn is a step of a program: f sets the body in motion until o stops, or leaves it.
func (m *motion) turnOn(ctx context.Context, o *Operator, f func(context.Context) error) error {
	return m.step(ctx, func(ctx context.Context) error {
		if !m.set(body, o, o.watchdog()) {
			return errClosed
		}
		err := f(ctx)
		if err == nil {
			m.repeat(body, o, f)
		}
		return err
	})
}

// step runs f unless the camera was taken over meanwhile. It asks for no number: whoever takes over comes first.
func (m *motion) step(ctx context.Context, f func(context.Context) error) error {
	return m.do(ctx, false, func(limited context.Context) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return f(limited)
	})
}

func (m *motion) ask(which int) uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.axes[which].asked++
	return m.axes[which].asked
}

func (m *motion) newest(which int, number uint64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.axes[which].asked == number
}

// set notes that o moves an axis, which is stopped after d if nothing comes; d ≤ 0: never. False: the camera is let
// go, and nobody may move it.
func (m *motion) set(which int, o *Operator, d time.Duration) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed && o != nil && m.axes[which].mover != o {
		return false
	}
	a := &m.axes[which]
	a.mover, a.due, a.tries, a.again = o, time.Time{}, 0, nil
	if o != nil && d > 0 {
		a.due = time.Now().Add(d)
	}
	m.schedule()
	return true
}

// schedule sets the timer to the first axis that is due to be stopped, or to be moved on. m.mu is held.
func (m *motion) schedule() {
	var first time.Time
	for i := range m.axes {
		a := &m.axes[i]
		if !a.due.IsZero() && (first.IsZero() || a.due.Before(first)) {
			first = a.due
		}
		if a.again != nil && (first.IsZero() || a.next.Before(first)) {
			first = a.next
		}
	}
	switch {
	case first.IsZero():
		if m.timer != nil {
			m.timer.Stop()
		}
	case m.timer == nil:
		m.timer = time.AfterFunc(time.Until(first), m.expire)
	default:
		m.timer.Reset(time.Until(first))
	}
}

// release stops, soon, what o has set in motion.
func (m *motion) release(o *Operator) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.owner == o {
		m.owner = nil
	}
	m.leave(o, 0)
}

// leave has what o has set in motion stopped after d, unless somebody gives it another movement. m.mu is held.
func (m *motion) leave(o *Operator, d time.Duration) {
	for i := range m.axes {
		if m.axes[i].mover == o {
			m.axes[i].due, m.axes[i].again = time.Now().Add(d), nil
		}
	}
	m.schedule()
}

// close stops everything for good.
func (m *motion) close(ctx context.Context) {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.halt(ctx, func(*axis) bool { return true })
}

// expire is the watchdog.
func (m *motion) expire() {
	if !m.tasks.begin() {
		return // the end stops every camera
	}
	defer m.tasks.end()
	ctx, cancel := context.WithTimeout(context.Background(), commandWithin)
	defer cancel()
	m.carryOn(ctx)
	m.halt(ctx, func(a *axis) bool { return !a.due.IsZero() && !time.Now().Before(a.due) })
}

// halt stops those axes that move and are meant, and tries again later where that fails.
func (m *motion) halt(ctx context.Context, meant func(*axis) bool) {
	if !m.moving(meant) || m.turn.Acquire(ctx, 1) != nil {
		m.retry(meant)
		return
	}
	defer m.turn.Release(1)
	for which := range m.axes {
		m.mu.Lock()
		stop := m.axes[which].mover != nil && meant(&m.axes[which])
		if stop {
			m.axes[which].again = nil
		}
		m.mu.Unlock()
		if !stop {
			continue
		}
		if err := m.stop(ctx, which); err != nil {
			m.log.Warn("camera left by its operator does not stop", "reason", err.Error())
			continue
		}
		m.log.Info("camera left by its operator stopped")
		m.set(which, nil, 0)
	}
	m.retry(meant)
}

func (m *motion) stop(ctx context.Context, which int) error {
	if which == lens {
		return m.head.Lens(ctx, 0, 0)
	}
	return m.head.Stop(ctx)
}

func (m *motion) moving(meant func(*axis) bool) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.axes {
		if m.axes[i].mover != nil && meant(&m.axes[i]) {
			return true
		}
	}
	return false
}

// retry gives those axes that still move another date, a few times. Nothing moves them on before it.
func (m *motion) retry(meant func(*axis) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.axes {
		a := &m.axes[i]
		if a.mover == nil || !meant(a) {
			continue
		}
		a.again = nil
		if a.tries++; a.tries < stopTries {
			a.due = time.Now().Add(stopAgain)
		} else {
			a.mover, a.due = nil, time.Time{}
		}
	}
	m.schedule()
}
