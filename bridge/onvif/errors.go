package onvif

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// Kind tells what went wrong with a call.
type Kind uint8

// The kinds of failure.
const (
	Unreachable        Kind = iota + 1 // no way to the host, or no answer in time
	Refused                            // the host answers, but nobody listens on the port
	NotAuthorized                      // user name, password or the right to do this is missing
	Resting                            // the password was refused twice and rests: nothing was sent
	ActionNotSupported                 // the device lacks the operation or the whole service
	InvalidArgs                        // the device knows the operation, not this token or value
	Fault                              // any other SOAP fault
	NotONVIF                           // the answer is no SOAP, or beyond every limit
)

// String returns a short English name.
func (k Kind) String() string {
	switch k {
	case Unreachable:
		return "unreachable"
	case Refused:
		return "refused"
	case NotAuthorized:
		return "not authorized"
	case Resting:
		return "resting"
	case ActionNotSupported:
		return "not supported"
	case InvalidArgs:
		return "invalid arguments"
	case Fault:
		return "fault"
	case NotONVIF:
		return "not ONVIF"
	}
	return "unknown"
}

// Error is every failure of a call. Its text is made for an operator and holds no secret.
type Error struct {
	Kind   Kind
	Op     string // the operation, such as "GetProfiles"; may be ""
	Status int    // of HTTP; 0 if there was no answer
	Code   string // subcodes of the SOAP fault by local name, outer to inner: "InvalidArgVal/NoToken"
	Text   string // what happened, in plain words
	Err    error  // what it came from; may be nil
}

// Error implements error.
func (e *Error) Error() string {
	if e.Op == "" {
		return e.Text
	}
	return e.Op + ": " + e.Text
}

// Unwrap returns what the failure came from.
func (e *Error) Unwrap() error { return e.Err }

// Is lets errors.ErrUnsupported match what the device does not have.
func (e *Error) Is(target error) bool {
	return target == errors.ErrUnsupported && e.Kind == ActionNotSupported
}

// kindOf returns the kind of err, 0 if it is none of ours.
func kindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return 0
}

// answered tells whether the device understood the request, whatever it said.
func answered(err error) bool {
	switch kindOf(err) {
	case ActionNotSupported, InvalidArgs, Fault:
		return true
	}
	return err == nil
}

// missing returns the error for a service the device does not name.
func missing(s service) *Error {
	return &Error{Kind: ActionNotSupported, Text: "camera has no ONVIF " + s.String() + " service"}
}

// dialError puts a failed exchange into words.
func dialError(err error, host string, timeout time.Duration) *Error {
	if known, ok := errors.AsType[*Error](err); ok {
		return known
	}
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		return &Error{Kind: Unreachable, Text: "host name " + dns.Name + " not found", Err: err}
	case errors.Is(err, syscall.ECONNREFUSED):
		return &Error{Kind: Refused, Text: "connection to " + host + " refused", Err: err}
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return &Error{Kind: Unreachable, Text: "no route to host " + host, Err: err}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded),
		errors.Is(err, syscall.ETIMEDOUT):
		return &Error{Kind: Unreachable, Text: fmt.Sprintf("no answer from %s within %v", host, timeout), Err: err}
	}
	return &Error{Kind: Unreachable, Text: "no answer from " + host + ": " + cut(err.Error(), 200), Err: err}
}

// faultError classifies a SOAP fault; nil if e holds none. SOAP 1.1 faults, which some devices
// send, carry their code in faultcode.
func faultError(e *element, status int) *Error {
	f := e.at("Body", "Fault")
	if f == nil {
		return nil
	}
	var codes []string
	for c := f.at("Code", "Subcode"); c != nil; c = c.child("Subcode") {
		codes = append(codes, local(c.str("Value")))
	}
	if len(codes) == 0 {
		codes = append(codes, local(f.str("Code", "Value")+f.str("faultcode")))
	}
	reason := f.str("Reason", "Text") + f.str("faultstring")
	fault := &Error{Kind: Fault, Status: status, Code: strings.Join(codes, "/"), Text: cut(reason, 200)}
	all := strings.ToLower(fault.Code)
	switch {
	case strings.Contains(all, "notauthorized"), strings.Contains(all, "failedauthentication"),
		strings.Contains(all, "failedcheck"), strings.Contains(all, "invalidsecurity"),
		strings.Contains(all, "operationprohibited"):
		fault.Kind = NotAuthorized
	case strings.Contains(all, "notsupported"), strings.Contains(all, "notimplemented"),
		strings.Contains(all, "unknownaction"):
		fault.Kind = ActionNotSupported
	case strings.HasPrefix(all, "invalidarg"):
		fault.Kind = InvalidArgs
	case strings.Contains(strings.ToLower(reason), "not authorized"):
		fault.Kind = NotAuthorized
	case strings.Contains(strings.ToLower(reason), "not implemented"):
		fault.Kind = ActionNotSupported
	}
	if fault.Text == "" {
		fault.Text = "camera refuses: " + fault.Code
	}
	return fault
}

// local takes the prefix off a qualified name.
func local(name string) string { return name[strings.LastIndexByte(name, ':')+1:] }

// cut shortens a device's words and keeps them on one line.
func cut(s string, n int) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > n {
		return strings.ToValidUTF8(s[:n], "") + "…"
	}
	return s
}
