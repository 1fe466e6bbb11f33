// Package sipua is the gateway's one SIP endpoint: UDP and TCP on one port, transactions, digest and the repair of
// what real superiors send.
//
// sipgo gives the message parser and the transaction state machines. The sockets are ours: sipgo's own transports
// dial without a hook (so a superior's ACK without Content-Length on the connection that our REGISTER opened would
// close it), fork a goroutine per message before anyone can bound or order them, keep an entry per UDP source and
// end without waiting for what they started.
package sipua

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"
	"golang.org/x/time/rate"
)

// Config is what Listen needs. Only Listen is required.
type Config struct {
	// Listen is the host:port of both sockets; port 0 takes one that is free for UDP and TCP. Without a host it is
	// every IPv4 address.
	Listen string
	// UserAgent is put into requests and responses; empty leaves the header out.
	UserAgent string
	// Log takes what is worth telling; nil is silence.
	Log *slog.Logger
	// Trace sees every message in and out, secrets removed. It is called from reader and sender goroutines
	// and must not block.
	Trace func(Event)
	// MaxConcurrent bounds the requests being handled at one time; 0 is 256. A request counts until its handler
	// returned or its final response was sent, so that a call that lasts for hours does not count. Beyond the bound
	// requests get 503 with Retry-After, and no answer when that is too much too.
	MaxConcurrent int
	// ReadBuffer is the UDP socket's receive buffer in bytes; 0 is 4 MiB (the kernel may grant less).
	ReadBuffer int
	// Strangers says of a request's From user and source that nobody here knows them: the request is dropped
	// without an answer. It is called from the reader goroutines. nil knows everybody.
	Strangers func(fromUser string, src netip.AddrPort) bool
}

// Errors of Do and Send, beside the socket's own.
var (
	ErrClosed   = errors.New("sipua: endpoint closed")
	ErrNoAnswer = errors.New("sipua: no answer")         // no final response within 32 s (RFC 3261 timers B and F)
	ErrLost     = errors.New("sipua: connection lost")   // the TCP connection ended before the final response
	ErrTooMany  = errors.New("sipua: too many requests") // 4096 of our own unanswered, or 256 TCP connections
)

// Endpoint is the one SIP endpoint of the process.
type Endpoint struct {
	cfg      Config
	log      *slog.Logger
	quiet    *slog.Logger // for sipgo's state machines
	noise    *noise
	parser   *sip.Parser
	addr     netip.AddrPort
	udp      *net.UDPConn
	tcp      *net.TCPListener
	handlers map[string]Handler
	onClose  []func(netip.AddrPort)
	slots    chan struct{}
	refusals *rate.Limiter
	silence  time.Duration
	arrival  atomic.Uint64

	exchanges *exchanges
	clients   clients
	conns     conns

	ctx     context.Context // of handlers
	cancel  context.CancelCauseFunc
	life    context.Context // until the sockets are closed
	endLife context.CancelFunc
	closed  <-chan struct{} // life's end

	mu      sync.Mutex
	stage   stage
	work    sync.WaitGroup // handlers
	readers sync.WaitGroup // socket readers and what they start
}

// Handler handles one received request; it answers with Request.Respond, then or later. ctx ends with Run.
type Handler = func(ctx context.Context, r *Request)

// stage is where the endpoint is in its life:
//
//	open ──Run──▶ running ──ctx ends──▶ draining ──handlers returned──▶ shut
//	  └──────────────────────── Close ──────────────────────────────────▶┘
type stage uint8

const (
	stageOpen     stage = iota // sockets bound, requests can be sent, nothing is read
	stageRunning               // everything
	stageDraining              // no new requests are taken, handlers may still answer
	stageShut                  // sockets closed
)

func (s stage) String() string {
	return [...]string{"open", "running", "draining", "shut"}[s]
}

// Listen binds UDP and TCP on one port. The sockets are read from Run on; an endpoint that is never run needs Close.
func Listen(cfg Config) (*Endpoint, error) {
	e := &Endpoint{
		cfg:      cfg,
		log:      cfg.Log,
		quiet:    slog.New(slog.DiscardHandler),
		parser:   newParser(),
		handlers: map[string]Handler{},
		refusals: rate.NewLimiter(50, 50), // 503s per second
		silence:  silence,
	}
	if err := guard(cfg.UserAgent); err != nil {
		return nil, err
	}
	if e.log == nil {
		e.log = e.quiet
	}
	if e.cfg.MaxConcurrent <= 0 {
		e.cfg.MaxConcurrent = 256
	}
	if e.cfg.ReadBuffer <= 0 {
		e.cfg.ReadBuffer = 4 << 20
	}
	e.noise = newNoise(e.log)
	e.slots = make(chan struct{}, e.cfg.MaxConcurrent)
	e.exchanges = newExchanges()
	e.clients.by = map[clientKey]*client{}
	e.clients.acks = map[string]ackSent{}
	e.conns.by = map[netip.AddrPort]*conn{}
	e.life, e.endLife = context.WithCancel(context.Background())
	e.closed = e.life.Done()
	e.ctx, e.cancel = context.WithCancelCause(context.Background())
	if err := e.bind(); err != nil {
		return nil, err
	}
	// A burst of 500 datagrams loses a third in the default buffer.
	if err := e.udp.SetReadBuffer(e.cfg.ReadBuffer); err != nil {
		e.log.Warn("sip: receive buffer", "bytes", e.cfg.ReadBuffer, "error", err)
	}
	return e, nil
}

// bind opens both sockets. With port 0 the kernel's choice for TCP may be taken for UDP, so it is asked again.
func (e *Endpoint) bind() error {
	host, port, err := net.SplitHostPort(e.cfg.Listen)
	if err != nil {
		return fmt.Errorf("sipua: listen address: %w", err)
	}
	// "udp" on 0.0.0.0 would be an IPv6 socket whose peers show as ::ffff:192.0.2.1.
	family := "4"
	if a, err := netip.ParseAddr(host); err == nil && a.Is6() {
		family = "6"
	}
	for range 20 {
		var l net.Listener
		l, err = net.Listen("tcp"+family, e.cfg.Listen)
		if err != nil {
			return fmt.Errorf("sipua: %w", err)
		}
		e.tcp = l.(*net.TCPListener)
		e.addr = unmap(l.Addr().(*net.TCPAddr).AddrPort())
		e.udp, err = net.ListenUDP("udp"+family, net.UDPAddrFromAddrPort(e.addr))
		if err == nil {
			return nil
		}
		_ = l.Close()
		if port != "0" {
			break
		}
	}
	return fmt.Errorf("sipua: %w", err)
}

func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// Addr is the address both sockets are bound to.
func (e *Endpoint) Addr() netip.AddrPort { return e.addr }

// LocalFor is the address at which remote can reach us: the interface on the route to it, and our port.
func (e *Endpoint) LocalFor(remote netip.AddrPort) (netip.AddrPort, error) {
	if !e.addr.Addr().IsUnspecified() {
		return e.addr, nil
	}
	// Connecting a UDP socket sends nothing and makes the kernel choose the source address.
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(remote))
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("sipua: no route to %s: %w", remote.Addr(), err)
	}
	defer c.Close()
	local := c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap().WithZone("")
	return netip.AddrPortFrom(local, e.addr.Port()), nil
}

// Handle sets the handler of a method, before Run. The endpoint itself answers CANCEL, and OPTIONS and methods
// without a handler; ACKs for 2xx responses go to the "ACK" handler whatever their CSeq says.
func (e *Endpoint) Handle(method string, h func(ctx context.Context, r *Request)) {
	e.handlers[method] = h
}

// OnClose registers a callback for the end of a TCP connection, before Run. It must not block.
func (e *Endpoint) OnClose(f func(remote netip.AddrPort)) { e.onClose = append(e.onClose, f) }

// Run serves until ctx ends. Handlers' context ends then with ctx's cause; Run waits for them, with the sockets still
// open so that they can send their last answers, and leaves no goroutine. It returns nil, or what made a socket
// unusable.
func (e *Endpoint) Run(ctx context.Context) error {
	e.mu.Lock()
	if e.stage != stageOpen {
		e.mu.Unlock()
		return fmt.Errorf("%w: %s", ErrClosed, e.stage)
	}
	e.stage = stageRunning
	e.mu.Unlock()

	failed := make(chan error, 2)
	e.readers.Go(func() { failed <- e.readUDP() })
	e.readers.Go(func() { failed <- e.accept() })
	var err error
	select {
	case <-ctx.Done():
		e.cancel(context.Cause(ctx))
	case err = <-failed:
		e.cancel(err)
	}
	e.setStage(stageDraining)
	e.work.Wait()
	e.shut()
	return err
}

// Close ends an endpoint that was not run.
func (e *Endpoint) Close() error {
	e.cancel(ErrClosed)
	e.setStage(stageDraining)
	e.work.Wait()
	e.shut()
	return nil
}

func (e *Endpoint) setStage(s stage) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stage = max(e.stage, s)
}

// shut closes the sockets and ends the transactions, whose timers would run for 32 s more.
func (e *Endpoint) shut() {
	e.mu.Lock()
	if e.stage == stageShut {
		e.mu.Unlock()
		return
	}
	e.stage = stageShut
	e.endLife()
	e.mu.Unlock()
	_ = e.udp.Close()
	_ = e.tcp.Close()
	e.conns.closeAll()
	e.clients.terminateAll()
	e.exchanges.terminateAll()
	e.readers.Wait()
}

// spawn runs f in a goroutine that Run waits for; false when the endpoint takes no new work.
func (e *Endpoint) spawn(f func()) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stage > stageRunning {
		return false
	}
	e.work.Go(f)
	return true
}

// spawnReader runs the reader of a connection; false when the sockets are closed.
func (e *Endpoint) spawnReader(f func()) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stage == stageShut {
		return false
	}
	e.readers.Go(f)
	return true
}

// stopped tells whether the sockets have been closed by us.
func (e *Endpoint) stopped() bool {
	select {
	case <-e.closed:
		return true
	default:
		return false
	}
}

// peer is where a transaction's messages go; sipgo's state machines write to it.
type peer interface {
	sip.Connection
	transport() string
	remote() netip.AddrPort
	lost() <-chan struct{} // closed with the connection; nil for UDP
}

// receive takes one whole message from a reader goroutine, in the order of arrival.
func (e *Endpoint) receive(raw []byte, from peer) error {
	text, err := repair(raw)
	if err != nil {
		return err
	}
	msg, err := e.parse(text)
	if err != nil {
		return err
	}
	switch m := msg.(type) {
	case *sip.Request:
		return e.receiveRequest(m, from, raw)
	case *sip.Response:
		e.trace(false, from.transport(), from.remote(), raw)
		e.receiveResponse(m, from)
	}
	return nil
}

// parse keeps a panic of the parser from ending the process: what comes in is anybody's.
func (e *Endpoint) parse(text []byte) (msg sip.Message, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: parser panic: %v", errNotSIP, p)
		}
	}()
	msg, err = e.parser.ParseSIP(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNotSIP, err)
	}
	if msg.Via() == nil || msg.From() == nil || msg.To() == nil || msg.CallID() == nil || msg.CSeq() == nil {
		return nil, errNotSIP
	}
	return msg, nil
}

// writeTimeout bounds one write to a TCP connection whose peer has stopped reading.
const writeTimeout = 5 * time.Second
