package sipua

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"time"
)

// Config is what Listen needs. Only Listen is required.
type Config struct {
	// Listen is the host:port of both sockets; port 0 takes one that is free for UDP and TCP.
	Listen string
	// UserAgent is put into requests and responses; empty leaves the header out.
	UserAgent string
	// Log takes what is worth telling; nil is silence.
	Log *slog.Logger
	// Trace sees every message in and out, secrets removed. It is called from reader and sender goroutines
	// and must not block.
	Trace func(Event)
	// MaxConcurrent bounds the handlers running at one time; 0 is 256.
	MaxConcurrent int
	// ReadBuffer is the UDP socket's receive buffer in bytes; 0 is 4 MiB (the kernel may grant less).
	ReadBuffer int
	// Strangers says of a request's From user and source that nobody here knows them: the request is dropped
	// without an answer. nil knows everybody.
	Strangers func(fromUser string, src netip.AddrPort) bool
}

// Event is one message as it was on the wire, for traces and captures.
type Event struct {
	Time      time.Time
	Out       bool // sent by us
	Transport string
	Local     netip.AddrPort
	Remote    netip.AddrPort
	Raw       string // digest responses and passwords are replaced by ***
}

// Handler handles one received request; it answers with Request.Respond.
type Handler = func(ctx context.Context, r *Request)

// Endpoint is the one SIP endpoint of the process.
type Endpoint struct{}

type inbound struct{}

var errStub = errors.New("sipua: not there yet")

// Listen binds UDP and TCP on one port.
func Listen(cfg Config) (*Endpoint, error) { return nil, errStub }

// Addr is the address both sockets are bound to.
func (e *Endpoint) Addr() netip.AddrPort { return netip.AddrPort{} }

// LocalFor is the address at which remote can reach us: the interface on the route to it, and our port.
func (e *Endpoint) LocalFor(remote netip.AddrPort) (netip.AddrPort, error) {
	return netip.AddrPort{}, errStub
}

// Handle sets the handler of a method, before Run.
func (e *Endpoint) Handle(method string, h func(ctx context.Context, r *Request)) {}

// OnClose registers a callback for the end of a TCP connection.
func (e *Endpoint) OnClose(f func(remote netip.AddrPort)) {}

// Run serves until ctx ends; it leaves no goroutine.
func (e *Endpoint) Run(ctx context.Context) error { return errStub }

// Do sends a request and waits for its final response, whatever its code.
func (e *Endpoint) Do(ctx context.Context, r *Request, to Route) (*Response, error) {
	return nil, errStub
}

// Send sends a request without a transaction: ACK.
func (e *Endpoint) Send(r *Request, to Route) error { return errStub }

// Header is the first value of a header, in any case and in compact form too; empty when absent.
func (r *Request) Header(name string) string { return "" }

// HeaderValues are all values of a header.
func (r *Request) HeaderValues(name string) []string { return nil }

// Respond answers a received request.
func (r *Request) Respond(res *Response) error { return errStub }

// Cancelled is closed when a CANCEL for this INVITE arrived.
func (r *Request) Cancelled() <-chan struct{} { return nil }

// Header is the first value of a header, in any case and in compact form too; empty when absent.
func (r *Response) Header(name string) string { return "" }

// HeaderValues are all values of a header.
func (r *Response) HeaderValues(name string) []string { return nil }
