package sipua

import (
	"net/netip"
	"strconv"
	"strings"
)

// URI is a SIP URI as GB/T 28181 uses it: sip:user@host[:port]. Port 0 is not written.
type URI struct {
	User string
	Host string // name or address; IPv6 without brackets
	Port int
	// Params are URI parameters without the leading semicolon, "transport=tcp"; most often empty.
	Params string
}

// String gives the URI in its wire form, which is also the digest's uri.
func (u URI) String() string {
	var b strings.Builder
	b.WriteString("sip:")
	if u.User != "" {
		b.WriteString(u.User)
		b.WriteByte('@')
	}
	if strings.Contains(u.Host, ":") {
		b.WriteString("[" + u.Host + "]")
	} else {
		b.WriteString(u.Host)
	}
	if u.Port > 0 {
		b.WriteString(":" + strconv.Itoa(u.Port))
	}
	if u.Params != "" {
		b.WriteString(";" + u.Params)
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
	// Headers are the other header lines, in order. Of a received request they include Contact as it was
	// written, but not Via, From, To, Call-ID, CSeq, Content-Type and Content-Length.
	Headers []Header

	ContentType string
	Body        []byte

	// Patient: over TCP, no answer to it is no reason to give the connection up.
	Patient bool

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

// Header is the first value of a header, in any case and in compact form too; empty when absent.
// Call-ID and Content-Type are answered from their fields.
func (r *Request) Header(name string) string {
	return firstHeader(r.Headers, name, r.CallID, r.ContentType)
}

// HeaderValues are all values of a header that is in Headers.
func (r *Request) HeaderValues(name string) []string { return headerValues(r.Headers, name) }

// Response is one SIP response, to be given to Request.Respond or returned by Endpoint.Do.
type Response struct {
	Code    int    // 100 to 699
	Reason  string // empty: the usual phrase of the code
	ToTag   string // empty in Respond: Request.LocalTag
	Contact *URI
	Headers []Header // as in Request

	ContentType string
	Body        []byte

	// Received is our own address as the peer sees it: received and rport of the top Via (RFC 3581); invalid
	// when the peer gave none.
	Received netip.AddrPort
	// Source is the address the response came from.
	Source netip.AddrPort
}

// Header is the first value of a header, in any case and in compact form too; empty when absent.
func (r *Response) Header(name string) string {
	return firstHeader(r.Headers, name, "", r.ContentType)
}

// HeaderValues are all values of a header that is in Headers.
func (r *Response) HeaderValues(name string) []string { return headerValues(r.Headers, name) }

// Route says how a request leaves: the request URI is never resolved.
type Route struct {
	Transport string         // "udp" or "tcp"; empty is "udp"
	Remote    netip.AddrPort // where the request is sent
	Local     netip.AddrPort // what Via says; zero: found by the operating system's route to Remote
}

func firstHeader(hs []Header, name, callID, contentType string) string {
	switch strings.ToLower(fullName(name)) {
	case "call-id":
		return callID
	case "content-type":
		return contentType
	}
	if vs := headerValues(hs, name); len(vs) > 0 {
		return vs[0]
	}
	return ""
}

func headerValues(hs []Header, name string) []string {
	name = fullName(name)
	var vs []string
	for _, h := range hs {
		if strings.EqualFold(fullName(h.Name), name) {
			vs = append(vs, h.Value)
		}
	}
	return vs
}

// fullName gives the long form of a compact header name (RFC 3261 §7.3.3 and its extensions).
func fullName(name string) string {
	if len(name) != 1 {
		return name
	}
	switch name[0] | 0x20 {
	case 'a':
		return "Accept-Contact"
	case 'b':
		return "Referred-By"
	case 'c':
		return "Content-Type"
	case 'e':
		return "Content-Encoding"
	case 'f':
		return "From"
	case 'i':
		return "Call-ID"
	case 'k':
		return "Supported"
	case 'l':
		return "Content-Length"
	case 'm':
		return "Contact"
	case 'o':
		return "Event"
	case 'r':
		return "Refer-To"
	case 's':
		return "Subject"
	case 't':
		return "To"
	case 'u':
		return "Allow-Events"
	case 'v':
		return "Via"
	}
	return name
}

// reasonPhrase is what RFC 3261 §21 calls a status code.
func reasonPhrase(code int) string {
	phrases := map[int]string{
		100: "Trying", 180: "Ringing", 183: "Session Progress", 200: "OK", 202: "Accepted",
		301: "Moved Permanently", 302: "Moved Temporarily",
		400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
		406: "Not Acceptable", 407: "Proxy Authentication Required", 408: "Request Timeout",
		413: "Request Entity Too Large", 415: "Unsupported Media Type", 420: "Bad Extension",
		423: "Interval Too Brief", 480: "Temporarily Unavailable", 481: "Call/Transaction Does Not Exist",
		486: "Busy Here", 487: "Request Terminated", 488: "Not Acceptable Here", 489: "Bad Event",
		491: "Request Pending", 500: "Server Internal Error", 501: "Not Implemented", 502: "Bad Gateway",
		503: "Service Unavailable", 504: "Server Time-out", 513: "Message Too Large",
		600: "Busy Everywhere", 603: "Decline", 604: "Does Not Exist Anywhere", 606: "Not Acceptable",
	}
	if p, ok := phrases[code]; ok {
		return p
	}
	switch code / 100 {
	case 1:
		return "Progress"
	case 2:
		return "OK"
	case 3:
		return "Redirection"
	case 4:
		return "Request Failure"
	case 5:
		return "Server Failure"
	}
	return "Global Failure"
}
