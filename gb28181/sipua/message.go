// Package sipua is the gateway's one SIP endpoint: UDP and TCP on one port, transactions, digest and the repair of what real superiors send.
package sipua

import (
	"net/netip"
	"strconv"
	"strings"
)

// URI is a SIP URI as GB/T 28181 uses it: sip:user@host[:port]. Port 0 is not written.
type URI struct {
	User string
	Host string
	Port int
}

// String gives the URI in its wire form, which is also the digest's uri.
func (u URI) String() string {
	var b strings.Builder
	b.WriteString("sip:")
	if u.User != "" {
		b.WriteString(u.User)
		b.WriteByte('@')
	}
	b.WriteString(u.Host)
	if u.Port > 0 {
		b.WriteByte(':')
		b.WriteString(strconv.Itoa(u.Port))
	}
	return b.String()
}

// Address is the value of From and To: a URI and the dialog tag, empty when there is none.
type Address struct {
	URI URI
	Tag string
}

// Header is one header line beyond those that have a field of their own.
type Header struct {
	Name  string
	Value string
}

// Request is one SIP request, to be sent with Endpoint.Do or Endpoint.Send or received by a handler.
type Request struct {
	Method   string
	URI      URI
	From, To Address
	CallID   string
	CSeq     uint32
	Contact  *URI // nil: no Contact
	Headers  []Header

	ContentType string
	Body        []byte

	// The fields below are filled in received requests only.

	// Transport is "udp" or "tcp": what the request really came by, whatever its Via says.
	Transport string
	// Source is the socket address the request came from.
	Source netip.AddrPort
	// Branch is the branch of the top Via.
	Branch string
	// Arrival rises in the order in which the sockets delivered the requests. Handlers run concurrently and may
	// see requests in another order; commands whose order matters (PTZ move and stop) compare this number.
	Arrival uint64
	// LocalTag is the To-tag to answer with: the request's own when To has one, else made once for this request.
	LocalTag string

	in *inbound
}

// Response is one SIP response, to be given to Request.Respond or returned by Endpoint.Do.
type Response struct {
	Code    int
	Reason  string // empty: the usual phrase of the code
	ToTag   string // empty in Respond: Request.LocalTag
	Contact *URI
	Headers []Header

	ContentType string
	Body        []byte

	// Received is our own address as the peer sees it: received and rport of the top Via; invalid when it gave none.
	Received netip.AddrPort
	// Source is the address the response came from.
	Source netip.AddrPort
}

// Route says how a request leaves: the request URI is never resolved.
type Route struct {
	Transport string         // "udp" or "tcp"; empty is "udp"
	Remote    netip.AddrPort // where the request is sent
	Local     netip.AddrPort // what Via says; zero: found by the operating system's route to Remote
}
