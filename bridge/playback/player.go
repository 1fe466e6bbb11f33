package playback

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math"
	"time"

	"gbgate/gb28181"
	"gbgate/media"
)

// playState is what a playback is doing.
//
//	Playing ──PAUSE──▶ Paused ──PLAY──▶ Playing
//	Playing ──nothing is left──▶ Finished ──PLAY with a Range──▶ Playing
//	any ──TEARDOWN──▶ TornDown
type playState uint8

const (
	playing playState = iota
	paused
	finished
	tornDown
)

const (
	// allPictures is the highest scale at which a Reader reads all pictures, and not only key pictures.
	allPictures = 4
	// seekWithin is how long a recording may take to turn to another place.
	seekWithin = 5 * time.Second
	// leaveWithin is how long a superior has to hang up after the end (MediaStatus or its TEARDOWN).
	leaveWithin = 10 * time.Second
	// SpreadShare is the part of a picture's interval over which its packets are spread.
	SpreadShare = 0.8
	// A playback that nobody resumes ends.
	pauseLimit = time.Hour
	// signOfLife is how often a playback that pauses sends something, where the superior wants that: ZLMediaKit gives
	// a UDP stream up after 15 s.
	signOfLife = 5 * time.Second
	// What is late by more goes on from where it is, instead of catching up.
	playbackLag, downloadLag = 500 * time.Millisecond, 3 * time.Second
)

// Config is what is sent of a recording, and how.
type Config struct {
	Camera   string
	From, To time.Time // the window; To zero: to the end
	Kind     string    // only recordings of it, where there are any: manual, alarm or time; "": all
	Speed    float64   // of a download, > 0; 0: a playback, which starts at scale 1
	MaxSpeed float64   // of a download; 0 = no limit
	Wall     bool      // times sent are those of the wall (scale_pts)
	Log      *slog.Logger
}

// Outlet is where a player's units go.
type Outlet interface {
	// Ready waits until about n bytes may be sent.
	Ready(ctx context.Context, n int) error
	// Send sends a unit that has its times, its packets spread over a time.
	Send(ctx context.Context, u *media.Unit, spread time.Duration) error
	// Alive sends a sign of life at a time of the stream's clock; d describes what was sent before.
	Alive(ctx context.Context, d media.Description, clock int64) error
	// Over waits until the receiver has everything, tells the superior so and returns when that has answered or did
	// not: told, it has its time to hang up, or to want more. The end of ctx ends it.
	Over(ctx context.Context) (told bool)
}

// Player reads a recording, gives it the times to be sent with, and sends it when it is due. It belongs to the
// goroutine that runs it, but for Listen and Control.
type Player struct {
	cfg    Config
	src    Reader
	orders orders

	state playState
	scale float64
	until *time.Duration // from cfg.From: where a Range ends or a PAUSE begins
	stops playState      // what happens there
	bye   *parting       // of a playback that is finished

	line *timeline
	pace pace
	next *media.Unit // read, not sent
	sent bool        // at and dts are set
	at   time.Time   // when the last picture that was sent was recorded
	dts  int64       // its DTS on the recording's clock
	wait bool        // for a key picture
	skip skipping
	flow flow
	free time.Time         // a download sends the next unit not before
	desc media.Description // of the unit that was sent last
}

// skipping leaves out what was sent before: a recording begins with a whole group of pictures.
type skipping struct {
	to   int64 // up to this DTS
	back bool  // or down to it
	on   bool
	keys int // key pictures seen; what comes after the second is new whatever its time
}

// Open opens a recording up to its first picture. Nothing there: a *gb28181.Error 404.
func Open(ctx context.Context, recordings Recordings, cfg Config) (*Player, error) {
	src, err := openKind(ctx, recordings, cfg)
	if err != nil {
		return nil, err
	}
	if cfg.MaxSpeed <= 0 {
		cfg.MaxSpeed = math.MaxInt32
	}
	p := &Player{cfg: cfg, src: src, scale: 1, line: newTimeline(), wait: true}
	if err := p.begin(ctx); err != nil {
		_ = p.Close()
		return nil, err
	}
	if p.Download() {
		if slow, ok := src.(Realtime); ok && slow.Realtime() {
			p.cfg.MaxSpeed = min(1, p.cfg.MaxSpeed) // what is promised upward must come
		}
		p.scale = p.Speed()
	}
	p.retime()
	return p, nil
}

// Download tells whether it is one, and no playback.
func (p *Player) Download() bool { return p.cfg.Speed > 0 }

// Speed is what a download gets of the speed it wants; 0 for a playback.
func (p *Player) Speed() float64 { return min(p.cfg.Speed, p.cfg.MaxSpeed) }

// First is the unit that the recording begins with. It is there until Run is called.
func (p *Player) First() *media.Unit { return p.next }

// Extent counts what will be sent at most, if that can be told before ctx ends.
func (p *Player) Extent(ctx context.Context) (media.Extent, bool) { return p.src.Extent(ctx) }

// keysOnly tells whether only key pictures are read.
func (p *Player) keysOnly() bool { return !p.Download() && (p.scale > allPictures || p.scale < 0) }

// retime begins another stretch of the time line and of the pace.
func (p *Player) retime() {
	size := max(p.scale, -p.scale)
	factor := 1.0
	if p.cfg.Wall && !p.Download() {
		factor = 1 / size
	}
	p.line.turn(factor, p.scale < 0, p.keysOnly())
	p.pace = pace{speed: size, lag: playbackLag}
	if p.Download() {
		p.pace.lag = downloadLag
	}
	p.free = time.Time{}
}

// Run sends until there is nothing more to say: nil means that the superior had its time to hang up and did not. It may
// be called again, after it has returned: it goes on where it was.
func (p *Player) Run(ctx context.Context, out Outlet) error {
	p.orders.open(ctx)
	defer p.orders.close()
	defer p.handOn()
	for {
		o, waiting := p.orders.next()
		if o != nil {
			o.done <- p.obey(ctx, o.request)
			continue
		}
		var err error
		switch p.state {
		case playing:
			err = p.step(ctx, waiting, out)
		case paused:
			err = p.rest(waiting, out)
		case finished:
			err = p.part(ctx, waiting, out)
		case tornDown:
			if err = media.Wait(waiting, leaveWithin); err == nil {
				return nil
			}
		}
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, errLeft):
			return nil
		case err != nil && !errors.Is(err, errOrdered):
			return err
		}
	}
}

var (
	errLeft    = errors.New("the superior had its time to hang up")
	errNothing = gb28181.Errorf(404, "No record")
)

// Close gives back what is held.
func (p *Player) Close() error {
	p.drop()
	return p.src.Close()
}

func (p *Player) drop() {
	if p.next != nil {
		p.next.Release()
		p.next = nil
	}
}

// begin reads the unit that the recording begins with; it stays to be sent. An end before it is a 404.
func (p *Player) begin(ctx context.Context) error {
	for p.next == nil {
		u, err := p.src.Read(ctx)
		switch {
		case errors.Is(err, io.EOF):
			return errNothing
		case err != nil:
			return err
		case !p.due(u):
			u.Release()
		default:
			p.next = u
		}
	}
	return nil
}

// step sends one unit when it is due. waiting ends for an order; then the unit stays.
func (p *Player) step(ctx, waiting context.Context, out Outlet) error {
	if p.next == nil {
		u, err := p.src.Read(waiting)
		switch {
		case errors.Is(err, io.EOF):
			p.state = finished
			return nil
		case err != nil:
			return err
		case !p.due(u):
			u.Release()
			return nil
		}
		p.next = u
	}
	if p.beyond(p.next) {
		p.state, p.until = p.stops, nil
		return nil
	}
	u := p.next
	at := p.pace.due(p.line.rising(u.DTS), p.line.jumps(u), p.line.frame)
	if at.Before(p.free) {
		at = p.free
	}
	if err := media.Wait(waiting, time.Until(at)); err != nil {
		return err
	}
	if err := out.Ready(waiting, len(u.Data)); err != nil {
		return err
	}
	p.next = nil
	defer u.Release()
	return out.Send(ctx, u, p.stamp(u))
}

// due tells whether a unit that was read is to be sent.
func (p *Player) due(u *media.Unit) bool {
	video := u.Codec.IsVideo()
	if p.wait && (u.Key || !u.Desc.HasVideo()) {
		p.wait = false
	}
	if p.wait || !video && !p.Download() && p.scale != 1 {
		return false
	}
	if !p.skip.on {
		return true
	}
	if u.Key {
		p.skip.keys++
	}
	old := u.DTS <= p.skip.to
	if p.skip.back {
		old = u.DTS >= p.skip.to
	}
	if old && p.skip.keys < 2 {
		return false
	}
	p.skip.on = !video && u.Desc.HasVideo() // until the first picture that is new
	return true
}

// beyond tells whether u is where a Range ends or a PAUSE begins.
func (p *Player) beyond(u *media.Unit) bool {
	if p.until == nil {
		return false
	}
	here := u.Arrived.Sub(p.cfg.From)
	if p.scale < 0 {
		return here < *p.until
	}
	return here >= *p.until
}

// stamp gives u the times to be sent with and returns the time to spread it over.
func (p *Player) stamp(u *media.Unit) time.Duration {
	video := u.Codec.IsVideo()
	if video || !u.Desc.HasVideo() {
		p.sent, p.at, p.dts = true, u.Arrived, u.DTS
	}
	if u.Desc != nil {
		u.Announce = *u.Desc != p.desc
		p.desc = *u.Desc
	}
	jumps := p.line.jumps(u)
	interval := p.line.put(u)
	if p.Download() {
		spread := p.flow.spread(u, jumps, interval, p.scale)
		p.free = time.Now().Add(spread)
		return spread
	}
	return min(time.Duration(SpreadShare*float64(interval)/p.pace.speed), time.Second)
}

// rest is a pause; an order ends it.
func (p *Player) rest(waiting context.Context, out Outlet) error {
	p.pace.halt()
	for end := time.Now().Add(pauseLimit); time.Now().Before(end); {
		if err := media.Wait(waiting, signOfLife); err != nil {
			return err
		}
		if err := out.Alive(waiting, p.desc, p.line.tick()); err != nil {
			return err
		}
	}
	p.cfg.Log.Warn("playback ended: paused too long")
	return errLeft
}

// flow measures what a second of the recording holds, for a download's packets to be spread evenly: over UDP they go
// through queues that are short.
type flow struct {
	bytes, ticks float64 // of what was sent, the older the less
}

const (
	flowWindow = 4 * media.Clock
	// flowSlack is how much faster than what is measured a download may go, to make up for big pictures.
	flowSlack = 1.25
)

// spread returns the time over which a download sends u.
func (f *flow) spread(u *media.Unit, jumps bool, interval time.Duration, speed float64) time.Duration {
	size := float64(len(u.Data))
	if step := float64(interval) * media.Clock / float64(time.Second); !jumps && step > 0 {
		keep := max(0, 1-step/flowWindow)
		f.bytes, f.ticks = f.bytes*keep, f.ticks*keep+step
	}
	f.bytes += size
	natural := time.Duration(SpreadShare * float64(interval) / speed)
	if f.ticks < media.Clock/2 { // nothing is known yet
		return min(max(natural, time.Duration(size/2e6*float64(time.Second))), 500*time.Millisecond)
	}
	rate := f.bytes / f.ticks * media.Clock * speed * flowSlack
	return min(time.Duration(size/rate*float64(time.Second)), 500*time.Millisecond)
}
