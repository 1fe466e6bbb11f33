package ptz

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"sync"
	"time"

	"gbgate/gb28181/manscdp"
	"gbgate/media"
)

const (
	scanLook   = 500 * time.Millisecond // between two looks at where a scanning camera is
	scanBlind  = 4                      // so many looks may fail in a row
	handOver   = time.Second            // who takes a scanning camera over moves it within this, or it is stopped
	usualReset = time.Minute            // ResetTime of a home position that has none
	// The bounds of a ResetTime, in seconds.
	leastReset = 5
	mostReset  = 24 * 60 * 60
)

var (
	errTakenOver = errors.New("somebody moves the camera")
	errBlind     = errors.New("the camera does not tell where it looks")
	errClosed    = errors.New("the camera is let go")
	errStranger  = errors.New("it is another camera now")
)

// pilot moves a camera when nobody does: a cruise (巡航), a scan (线扫), the way back to the home
// position (看守位). It does one thing at a time, and a command from above takes the camera out of
// its hands. Cruise and scan go on when the superior that began them is gone, as a dome's own do.
type pilot struct {
	motion *motion
	tours  *tours
	log    *slog.Logger

	mu      sync.Mutex
	closed  bool
	program string                  // what goes on; "" = nothing
	end     context.CancelCauseFunc // of it
	number  uint64                  // of the program started last
	home    *manscdp.HomePosition   // nil: never set
	timer   *time.Timer             // of the way home; nil: never needed
}

// start begins a program in place of the one before.
func (p *pilot) start(name string, run func(ctx context.Context) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.halt(errTakenOver)
	if p.closed || !p.motion.tasks.begin() {
		return
	}
	ctx, end := context.WithCancelCause(context.Background())
	p.number++
	number := p.number
	p.program, p.end = name, end
	p.log.Info("camera moves by itself", "program", name)
	go func() {
		defer p.motion.tasks.end()
		err := run(ctx)
		end(nil)
		p.finished(number, name, err)
	}()
}

func (p *pilot) finished(number uint64, name string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil && !errors.Is(err, errTakenOver) && !errors.Is(err, errClosed) {
		p.log.Warn("camera does not move by itself any more", "program", name, "reason", err.Error())
	}
	if p.number == number {
		p.program, p.end = "", nil
		p.arm()
	}
}

// takeOver ends a program: somebody moves the camera now.
func (p *pilot) takeOver() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.halt(errTakenOver)
	p.arm()
}

// touch notes that the camera is used, which puts the way home off.
func (p *pilot) touch() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.arm()
}

// halt ends the program. p.mu is held.
func (p *pilot) halt(why error) {
	if p.end != nil {
		p.end(why)
		p.program, p.end = "", nil
		p.number++
	}
}

// close ends everything for good.
func (p *pilot) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.halt(errClosed)
	p.arm()
}

// setHome keeps the home position and begins to wait.
func (p *pilot) setHome(h manscdp.HomePosition) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.home = &h
	p.arm()
}

// forget ends the program and forgets the home position.
func (p *pilot) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.halt(errStranger)
	p.home = nil
	p.arm()
}

// homePosition returns a copy; nil: never set.
func (p *pilot) homePosition() *manscdp.HomePosition {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.home == nil {
		return nil
	}
	h := *p.home
	return &h
}

// arm sets the timer of the way home anew, or stops it while it has no business. p.mu is held.
func (p *pilot) arm() {
	if p.home == nil || p.home.Enabled != 1 || p.closed || p.program != "" {
		if p.timer != nil {
			p.timer.Stop()
		}
		return
	}
	reset := usualReset
	if p.home.ResetTime > 0 {
		reset = time.Duration(min(max(p.home.ResetTime, leastReset), mostReset)) * time.Second
	}
	if p.timer == nil {
		p.timer = time.AfterFunc(reset, p.goHome)
		return
	}
	p.timer.Reset(reset)
}

// goHome brings the camera back. Where that fails it is tried again a ResetTime later.
func (p *pilot) goHome() {
	p.mu.Lock()
	due := !p.closed && p.program == "" && p.home != nil && p.home.Enabled == 1
	var home manscdp.HomePosition
	if due {
		home = *p.home
	}
	due = due && p.motion.tasks.begin()
	p.mu.Unlock()
	if !due {
		return
	}
	defer p.motion.tasks.end()
	ctx, cancel := context.WithTimeout(context.Background(), commandWithin)
	defer cancel()
	err := p.motion.do(ctx, true, func(ctx context.Context) error {
		if home.PresetIndex != nil && *home.PresetIndex > 0 {
			return p.motion.head.GotoPreset(ctx, *home.PresetIndex)
		}
		if h, ok := p.motion.head.(Homer); ok {
			return h.GotoHome(ctx)
		}
		return errNoHome
	})
	if err != nil {
		p.log.Info("camera does not go home", "reason", err.Error())
		p.touch()
		return
	}
	p.log.Info("camera goes home")
}

// cruise visits the points of a cruise round and round. A point that can't be reached is passed
// over; when none can, it ends.
func (p *pilot) cruise(ctx context.Context, c cruise) error {
	for failures := 0; ; {
		for _, preset := range c.Presets {
			err := p.motion.travel(ctx, func(ctx context.Context) error { return p.motion.head.GotoPreset(ctx, preset) })
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err == nil {
				failures = 0
			} else if failures++; failures >= len(c.Presets) {
				return err
			}
			if err := media.Wait(ctx, c.dwell()); err != nil {
				return err
			}
		}
	}
}

// scan turns to and fro between two borders. It looks where the camera is, as no two turn alike.
func (p *pilot) scan(ctx context.Context, where Positioner, left, right float64, speed int) error {
	velocity := max(minVelocity, float64(speed)/maxSpeed)
	toward, going, blind := 1.0, 0.0, 0
	self := &Operator{Watchdog: -1}
	defer func() { p.endScan(self, context.Cause(ctx)) }()
	for {
		if pan, err := p.look(ctx, where); err == nil {
			blind = 0
			toward = turn(pan, left, right, toward)
		} else if blind++; blind >= scanBlind {
			return errBlind
		}
		if toward != going {
			pan := toward * velocity
			err := p.motion.turnOn(ctx, self, func(ctx context.Context) error {
				return p.motion.head.Move(ctx, pan, 0, 0)
			})
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err != nil {
				return err
			}
			going = toward
		}
		if err := media.Wait(ctx, scanLook); err != nil {
			return err
		}
	}
}

// endScan has the camera stopped: at once, or, where somebody took it over, when that one has not moved it elsewhere
// soon (the preset may be none, the camera too busy).
func (p *pilot) endScan(self *Operator, why error) {
	if errors.Is(why, errTakenOver) {
		p.motion.mu.Lock()
		defer p.motion.mu.Unlock()
		p.motion.leave(self, handOver)
		return
	}
	last, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	p.motion.halt(last, func(a *axis) bool { return a.mover == self })
}

func (p *pilot) look(ctx context.Context, where Positioner) (pan float64, err error) {
	ctx, cancel := context.WithTimeout(ctx, commandWithin)
	defer cancel()
	pan, _, _, err = where.Position(ctx)
	return pan, err
}

// turn says which way a camera at pan is to go on that went toward (+1 right, −1 left) between two
// borders; beyond one it turns to the nearer border. Pan is a circle of 2.
func turn(pan, left, right, toward float64) float64 {
	const circle = 2
	round := func(v float64) float64 { return math.Mod(math.Mod(v, circle)+circle, circle) }
	span, at := round(right-left), round(pan-left)
	switch {
	case at < span:
		return toward
	case at-span < circle-at:
		return -1
	default:
		return 1
	}
}
