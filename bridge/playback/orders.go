package playback

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"gbgate/gb28181"
	"gbgate/gb28181/mansrtsp"
)

const (
	maxOrders = 16
	// obeyWithin is how long a superior waits for an order to be carried out. One that takes longer, because a receiver
	// takes nothing for now, is accepted all the same.
	obeyWithin = 4 * time.Second
	// overtakeWithin is how long an order waits for older ones, which come in goroutines of their own.
	overtakeWithin = 20 * time.Millisecond
)

var (
	errOrdered  = errors.New("the superior wants something else")
	errCallOver = gb28181.Errorf(481, "Call Does Not Exist")
)

// order is a playback control on its way to the goroutine that plays.
type order struct {
	request *mansrtsp.Request
	arrival uint64     // rises in the order in which the superior's orders came
	ripe    time.Time  // when none that came before it is on its way any more
	done    chan error // has room for the outcome
}

// orders is the mailbox of a player. What arrives interrupts what the player waits for.
type orders struct {
	mu      sync.Mutex
	calls   int             // whose superior may give orders: two while a re-INVITE goes on with the playback
	parent  context.Context //nolint:containedctx // the player's: set while it runs
	waiting context.Context //nolint:containedctx // of parent, ended by an order
	wake    context.CancelCauseFunc
	list    []*order // by arrival
}

// Listen lets Control be obeyed for a call that plays, or will soon, until stop is called.
func (p *Player) Listen() (stop func()) {
	p.orders.enter()
	return p.orders.leave
}

// Control gives an order of the superior, by its number in the order of arrival, and waits until it is carried out. It
// may be called at any time, by several goroutines. Errors are of the type *gb28181.Error.
func (p *Player) Control(ctx context.Context, arrival uint64, r *mansrtsp.Request) error {
	return p.orders.give(ctx, arrival, r)
}

// enter says that a call plays, or will soon.
func (o *orders) enter() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.calls++
}

// leave says that a call has ended. After the last one nobody obeys.
func (o *orders) leave() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.calls--; o.calls > 0 {
		return
	}
	for _, one := range o.list {
		one.done <- errCallOver
	}
	o.list = nil
}

func (o *orders) open(ctx context.Context) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.parent = ctx
}

func (o *orders) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.wake != nil {
		o.wake(nil)
	}
	o.parent, o.waiting, o.wake = nil, nil, nil
}

// next returns the oldest order, or else the context to wait under until one is to be obeyed.
func (o *orders) next() (*order, context.Context) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.list) > 0 && !time.Now().Before(o.list[0].ripe) {
		first := o.list[0]
		o.list = o.list[1:]
		return first, nil
	}
	if o.waiting == nil || o.waiting.Err() != nil {
		if o.wake != nil {
			o.wake(nil)
		}
		o.waiting, o.wake = context.WithCancelCause(o.parent)
	}
	return nil, o.waiting
}

// give hands an order over and waits for its outcome.
func (o *orders) give(ctx context.Context, arrival uint64, r *mansrtsp.Request) error {
	one := &order{request: r, arrival: arrival, ripe: time.Now().Add(overtakeWithin), done: make(chan error, 1)}
	if err := o.put(one); err != nil {
		return err
	}
	ripe, timer := time.NewTimer(overtakeWithin), time.NewTimer(obeyWithin)
	defer ripe.Stop()
	defer timer.Stop()
	for {
		select {
		case <-ripe.C:
			o.call()
		case err := <-one.done:
			return err
		case <-timer.C:
			return nil
		case <-ctx.Done():
			o.withdraw(one)
			return errCallOver
		}
	}
}

// put queues an order behind those that came before it.
func (o *orders) put(one *order) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.calls == 0:
		return errCallOver
	case len(o.list) >= maxOrders:
		return gb28181.Errorf(503, "Too many playback controls are waiting")
	}
	at, _ := slices.BinarySearchFunc(o.list, one.arrival,
		func(a *order, n uint64) int { return cmp.Compare(a.arrival, n) })
	o.list = slices.Insert(o.list, at, one)
	return nil
}

// call has the player look what is to be obeyed.
func (o *orders) call() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.wake != nil {
		o.wake(errOrdered)
	}
}

// withdraw takes an order back whose call has ended, so that the call after it does not obey.
func (o *orders) withdraw(one *order) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.list = slices.DeleteFunc(o.list, func(a *order) bool { return a == one })
}

// obey carries out a playback control (MANSRTSP, GB/T 28181-2022 Annex B). After an error the playback goes on as it
// was.
func (p *Player) obey(ctx context.Context, r *mansrtsp.Request) error {
	if p.state == tornDown {
		return gb28181.Errorf(400, "The playback was torn down")
	}
	switch r.Method {
	case mansrtsp.Teardown:
		p.recall()
		p.state = tornDown
		p.cfg.Log.Info("playback torn down by the platform")
		return nil
	case mansrtsp.Pause:
		switch {
		case p.state == finished:
		case r.PauseAt != nil:
			p.until, p.stops = r.PauseAt, paused
		default:
			p.state = paused
		}
		return nil
	}
	return p.play(ctx, r)
}

// wanted is where to play from and how fast.
type wanted struct {
	at    time.Time
	seeks bool
	scale float64
	until *time.Duration
}

// wants says what a request to play means for a player as it is.
func (p *Player) wants(r *mansrtsp.Request) (wanted, error) {
	w := wanted{at: p.at, scale: p.scale}
	if !p.sent {
		w.at = p.cfg.From
	}
	if r.HasScale {
		w.scale = r.Scale
	}
	if g := r.Range; g != nil {
		start := w.at.Sub(p.cfg.From)
		if !g.Now {
			start, w.seeks, w.at = g.Start, true, p.cfg.From.Add(g.Start)
		}
		if w.until = g.End; g.End != nil && *g.End < start && w.scale > 0 {
			w.scale = -w.scale // "npt=600-120" is a way to ask for reverse play
		}
	}
	if !p.cfg.To.IsZero() && w.at.After(p.cfg.To) {
		w.at = p.cfg.To // there is nothing, and that is told as any end is
	}
	if p.Download() {
		if w.scale < 0 {
			return w, gb28181.Errorf(400, "A download does not go backwards")
		}
		w.scale = min(w.scale, p.cfg.MaxSpeed)
	}
	return w, nil
}

// play resumes, seeks and changes the speed.
func (p *Player) play(ctx context.Context, r *mansrtsp.Request) error {
	w, err := p.wants(r)
	switch {
	case err != nil:
		return err
	case p.state == finished && !w.seeks && w.scale == p.scale:
		return nil // nothing is left to be resumed
	case w.seeks || w.scale != p.scale && !p.Download():
		if err := p.turn(ctx, w); err != nil {
			return err
		}
	case w.scale != p.scale:
		p.scale = w.scale
		p.pace = pace{speed: w.scale, lag: p.pace.lag}
	}
	p.recall()
	p.state, p.until, p.stops = playing, w.until, finished
	return nil
}

// turn has the recording read from another place or in another way.
func (p *Player) turn(ctx context.Context, w wanted) error {
	limited, cancel := context.WithTimeout(ctx, seekWithin)
	defer cancel()
	began, scale := time.Now(), w.scale
	if p.Download() {
		scale = 1 // all of it, however fast
	}
	log := p.cfg.Log.With("scale", w.scale, "at", w.at.In(gb28181.Zone()).Format(time.DateTime))
	if err := p.src.Play(limited, w.at, scale); err != nil {
		log.Warn("playback control not carried out", "error", err)
		if e, ok := errors.AsType[*gb28181.Error](err); ok {
			return e
		}
		return gb28181.Errorf(400, "The recording cannot be played so")
	}
	p.turned(w)
	log.Debug("playback turns", "took", time.Since(began))
	return nil
}

// turned notes that the recording is read from another place or in another way.
func (p *Player) turned(w wanted) {
	p.drop()
	p.skip = skipping{}
	same := (p.scale < 0) == (w.scale < 0)
	if p.sent && !w.seeks && (w.scale > 0 || same) {
		p.skip = skipping{on: true, to: p.dts, back: w.scale < 0}
	}
	p.scale, p.wait = w.scale, true
	p.retime()
}
