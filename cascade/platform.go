package cascade

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"gbgate/gb28181/manscdp"
	"gbgate/gb28181/sipua"
)

// Why a call or the work for a superior ended.
var (
	ErrShutdown   = errors.New("the gateway is leaving the platform")
	ErrOffline    = errors.New("the platform is offline")
	ErrBye        = errors.New("the platform hung up")
	ErrCancelled  = errors.New("the platform cancelled the call")
	ErrNoACK      = errors.New("the platform never confirmed the call (no ACK)")
	ErrSuperseded = errors.New("the platform called again with the same Subject serial")
)

// Platform is the gateway as a lower node of one superior.
type Platform struct {
	cfg   Config
	log   *slog.Logger
	ua    ua
	site  Site
	media MediaHandler

	commands []command
	lookup   func(ctx context.Context, host string) ([]netip.Addr, error)
	jitter   func(upTo time.Duration) time.Duration

	// Owned by Run.
	reg registration

	sn   atomic.Uint64 // of our own Notify messages
	ssrc atomic.Uint32 // serial of the SSRCs that we give
	cseq atomic.Uint32 // of MESSAGE outside dialogs

	reset chan struct{} // our TCP connection to the superior ended
	paced chan struct{} // the superior changed the keepalive interval
	kick  chan struct{} // the superior asked for something while we are not registered

	mu      sync.Mutex
	up      upper
	pace    rhythm
	status  Status
	shift   time.Duration            // how much later times are on the superior's clock; 0 without OffsetTimes
	shiftAt time.Time                // when shift was measured
	dated   time.Time                // when status.ClockOffset was measured
	subs    map[string]*subscription // by Call-ID
	waiting []manscdp.Message        // published while not registered, oldest first
	// outgoing is what leaves by MESSAGE of our own accord, oldest first, while telling.
	outgoing []manscdp.Message
	telling  bool
	calls    map[string]*Call // by Call-ID
	running  bool
	work     span            // of queries and controls; ends when the superior is lost
	calling  span            // of calls; may outlive that by Compat.MediaGrace
	spared   *time.Timer     // ends calling; nil: nothing is spared
	busy     sync.WaitGroup  // what runs under work and calling
	unknown  map[string]bool // CmdTypes already logged

	jobs    chan job
	pending atomic.Int32 // jobs and controls accepted but not done
	lanes   *lanes

	answers, lists, pushes outbox
	catalogs               catalogs
}

// NewPlatform joins a superior to the endpoint, the site and the media. Router.Add lets it receive requests.
func NewPlatform(cfg Config, endpoint *sipua.Endpoint, site Site, media MediaHandler) *Platform {
	return newPlatform(cfg, endpoint, site, media)
}

func newPlatform(cfg Config, u ua, site Site, media MediaHandler) *Platform {
	cfg = cfg.withDefaults()
	p := &Platform{
		cfg: cfg, log: cfg.Log, ua: u, site: site, media: media,
		up: cfg.home(), pace: rhythm{cfg.RegisterExpires, cfg.KeepaliveInterval, cfg.KeepaliveMax},
		commands: commands(),
		lookup:   lookupHost,
		jitter:   randomDuration,
		reset:    make(chan struct{}, 1),
		paced:    make(chan struct{}, 1),
		kick:     make(chan struct{}, 1),
		status:   Status{Name: cfg.Name, ID: cfg.ID, Since: time.Now()},
		calls:    make(map[string]*Call),
		subs:     make(map[string]*subscription),
		jobs:     make(chan job, maxPending),
		unknown:  make(map[string]bool),
		lanes:    newLanes(),
		answers:  outbox{room: maxAnswers},
		lists:    outbox{room: maxLists},
		pushes:   outbox{room: maxAnswers},
	}
	p.ssrc.Store(rand.Uint32N(10000)) // two identities at one superior share its domain
	return p
}

// Run keeps us registered until ctx ends, then hangs up all calls and unregisters. It returns nil after that.
func (p *Platform) Run(ctx context.Context) error {
	stop := p.open(ctx)
	defer stop()
	for state := Registering; ; {
		p.setState(state)
		switch state {
		case Registering:
			state = p.registering(ctx)
		case Online:
			state = p.online(ctx)
		case Refreshing:
			state = p.refreshing(ctx)
		case Backoff:
			state = p.backoff(ctx)
		case Leaving:
			state = p.leave(ctx)
		case Offline:
			return nil
		}
	}
}

// open lets requests in and starts the workers; the returned function waits for all of it.
func (p *Platform) open(ctx context.Context) func() {
	ctx = context.WithoutCancel(ctx) // calls outlive ctx until leave has said BYE
	quit := make(chan struct{})
	var workers sync.WaitGroup
	for range workerCount {
		workers.Go(func() {
			for {
				select {
				case j := <-p.jobs:
					j.do()
				case <-quit:
					return
				}
			}
		})
	}
	p.mu.Lock()
	p.work, p.calling = newSpan(ctx), newSpan(ctx)
	p.running = true
	p.mu.Unlock()
	return func() {
		p.endAll()
		for _, s := range p.subscriptions("") {
			s.end(ErrShutdown)
		}
		p.busy.Wait() // the workers empty the queue: without a context jobs do nothing
		close(quit)
		workers.Wait()
	}
}

// begin counts one piece of work under the present work context; false when Run is not there.
func (p *Platform) begin() (context.Context, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.running {
		return nil, false
	}
	p.busy.Add(1)
	return p.work.ctx, true
}

func (p *Platform) state() State {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.status.State
}

func (p *Platform) allCalls() []*Call {
	p.mu.Lock()
	defer p.mu.Unlock()
	calls := make([]*Call, 0, len(p.calls))
	for _, c := range p.calls {
		calls = append(calls, c)
	}
	return calls
}

// connectionClosed hears of TCP connections that ended.
func (p *Platform) connectionClosed(remote netip.AddrPort) {
	p.mu.Lock()
	ours := p.cfg.Transport == "tcp" && remote == p.status.Remote
	p.mu.Unlock()
	if ours {
		poke(p.reset)
	}
}

// heard notes a request from above. One that comes while we are not registered means that the superior is back and
// remembers us: it is answered, and the registration is tried once without waiting for the back-off.
func (p *Platform) heard() {
	p.mu.Lock()
	p.status.RequestReceived = time.Now()
	waiting := p.status.State == Backoff
	p.mu.Unlock()
	if waiting {
		poke(p.kick)
	}
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func drain(c chan struct{}) {
	select {
	case <-c:
	default:
	}
}

// lookupHost finds a superior's addresses, IPv4 first: no platform read speaks GB/T 28181 over IPv6.
func lookupHost(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a.Unmap()}, nil
	}
	all, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	var v4, v6 []netip.Addr
	for _, a := range all {
		if a = a.Unmap(); a.Is4() {
			v4 = append(v4, a)
		} else {
			v6 = append(v6, a)
		}
	}
	return append(v4, v6...), nil
}
