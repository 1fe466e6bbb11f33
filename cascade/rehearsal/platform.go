// Package rehearsal is a small superior platform: it registers nodes, queries and controls them, plays their
// cameras and judges what they send. It is the other end in demonstrations, rehearsals and tests.
package rehearsal

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"gbgate/gb28181"
	"gbgate/gb28181/sdp"
	"gbgate/gb28181/sipua"
)

// maxNodes bounds the node table; one more is answered 486.
const maxNodes = 256

// Config is who the platform is and how it behaves. Only ID is required.
type Config struct {
	ID     string // 20-digit code of the platform
	Domain string // SIP domain and digest realm; empty: the first ten digits of ID
	// Password is what every node must know; empty: nobody is challenged (as gb-cms and SRS do).
	Password string
	// Username is the digest user of every node; empty: the node's own code.
	Username  string
	Algorithm string // "MD5", "SHA-256" or empty: MD5 that is not named
	QOP       bool   // offer qop="auth"
	Listen    string // host:port of the SIP sockets, UDP and TCP; empty: 127.0.0.1:0
	// Expires is the longest registration granted; 0 grants what is asked for.
	Expires time.Duration
	// Version is sent as X-GB-Ver ("2.0", "3.0"); empty sends none, as most platforms do.
	Version string
	Charset gb28181.Charset // of the queries
	// MediaIP is the address that media is asked to; the zero value takes the one on the route to the node.
	MediaIP netip.Addr
	// ReplyTimeout is how long the answer to a query may take, 10 s when zero.
	ReplyTimeout time.Duration
	// PartGap is how long to wait for the next part of a catalog, 5 s when zero (as WVP waits).
	PartGap time.Duration
	// MinExpires is the shortest registration granted: a shorter one gets 423 with Min-Expires.
	MinExpires time.Duration
	// Date writes the Date of the 200 to REGISTER; empty: none. nil writes the local form of GB/T 28181.
	Date func(time.Time) string
	// Challenges are further WWW-Authenticate values, sent before our own.
	Challenges []string
	// Edit may change each answer to a request before it is sent; when it returns false, none is sent.
	Edit func(*sipua.Request, *sipua.Response) bool

	Log   *slog.Logger
	Trace func(sipua.Event)
}

// Platform is the superior platform.
type Platform struct {
	cfg       Config
	ep        *sipua.Endpoint
	log       *slog.Logger
	challenge sipua.Challenger

	mu      sync.Mutex
	changed chan struct{} // closed and replaced when a node's state changes
	nodes   map[string]*Node
	queries map[*query]struct{}
	calls   map[string]*call // by Call-ID
	wires   map[string]*wire // by Call-ID

	subscriptions map[string]*Subscription // by Call-ID
	redirect      *Platform
	sn            uint32
	cseq          uint32
	serial        uint32 // of the last SSRC
}

// Listen binds the platform's sockets. It serves once Run is called.
func Listen(cfg Config) (*Platform, error) {
	if _, err := gb28181.ParseID(cfg.ID); err != nil {
		return nil, fmt.Errorf("rehearsal: id: %w", err)
	}
	if cfg.Domain == "" {
		cfg.Domain = gb28181.ID(cfg.ID).Domain()
	}
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	cfg.ReplyTimeout = orDefault(cfg.ReplyTimeout, 10*time.Second)
	cfg.PartGap = orDefault(cfg.PartGap, 5*time.Second)
	log := cfg.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	p := &Platform{
		cfg: cfg, log: log,
		challenge: sipua.Challenger{Realm: cfg.Domain, Algorithm: cfg.Algorithm, QOP: cfg.QOP},
		changed:   make(chan struct{}),
		nodes:     make(map[string]*Node),
		queries:   make(map[*query]struct{}),
		calls:     make(map[string]*call),
		wires:     make(map[string]*wire),

		subscriptions: make(map[string]*Subscription),
	}
	ep, err := sipua.Listen(sipua.Config{
		Listen: cfg.Listen, UserAgent: "gbgate rehearsal", Log: log, Trace: p.traced,
	})
	if err != nil {
		return nil, fmt.Errorf("rehearsal: %w", err)
	}
	p.ep = ep
	ep.Handle("REGISTER", p.register)
	ep.Handle("MESSAGE", p.message)
	ep.Handle("BYE", p.bye)
	ep.Handle("NOTIFY", p.notify)
	ep.OnClose(p.closed)
	return p, nil
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d <= 0 {
		return otherwise
	}
	return d
}

// Addr is the address of the SIP sockets.
func (p *Platform) Addr() netip.AddrPort { return p.ep.Addr() }

// Run serves until ctx ends. Calls and queries under way then fail.
func (p *Platform) Run(ctx context.Context) error { return p.ep.Run(ctx) }

// Close frees the sockets of a platform that was not run.
func (p *Platform) Close() error { return p.ep.Close() }

// Again binds a platform with the same configuration to the same address that remembers nothing: a restart. Run of
// the old one must have ended.
func (p *Platform) Again() (*Platform, error) {
	cfg := p.cfg
	cfg.Listen = p.Addr().String()
	return Listen(cfg)
}

// Redirect sends every node that registers from now on to another platform with 302 (2022 9.1.2.3); nil ends that.
func (p *Platform) Redirect(to *Platform) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.redirect = to
}

// ID is the platform's code.
func (p *Platform) ID() string { return p.cfg.ID }

// WaitNode returns a node as soon as it is registered.
func (p *Platform) WaitNode(ctx context.Context, nodeID string) (*Node, error) {
	var n *Node
	err := p.wait(ctx, func() bool {
		n = p.nodes[nodeID]
		return n != nil && n.alive(time.Now())
	})
	if err != nil {
		return nil, fmt.Errorf("node %s did not register: %w", nodeID, err)
	}
	return n, nil
}

// wait blocks until a condition on what mu guards is met. It looks at every change, and from time to time as well,
// because a registration runs out without one.
func (p *Platform) wait(ctx context.Context, met func() bool) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		p.mu.Lock()
		done, changed := met(), p.changed
		p.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// wake tells the waiters to look again; mu is held.
func (p *Platform) wake() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// respond sends an answer, after the configured hook had its way with it.
func (p *Platform) respond(r *sipua.Request, res *sipua.Response) {
	if p.cfg.Edit != nil && !p.cfg.Edit(r, res) {
		return
	}
	if err := r.Respond(res); err != nil {
		p.log.Warn("answer not sent", "method", r.Method, "to", r.Source, "error", err)
	}
}

// nextSN and nextCSeq number the platform's queries and its requests outside a dialog.
func (p *Platform) nextSN() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sn++
	return strconv.FormatUint(uint64(p.sn), 10)
}

func (p *Platform) nextCSeq() uint32 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cseq++
	return p.cseq
}

// nextSSRC makes the SSRC of a call: digit 0 for live ones and 1 for history, the domain, a serial number that rises.
func (p *Platform) nextSSRC(kind sdp.Kind) uint32 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.serial = p.serial%9999 + 1
	digit := gb28181.SSRCLive
	if kind == sdp.Playback || kind == sdp.Download {
		digit = gb28181.SSRCHistory
	}
	return gb28181.NewSSRC(digit, p.cfg.Domain, p.serial)
}

// token returns n random bytes in hex, for tags and Call-IDs.
func token(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return hex.EncodeToString(b)
}
