package rtsp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// Kind tells what went wrong with a camera, so that a caller can choose how to go on.
type Kind uint8

// The kinds of failure, in the order a session can meet them.
const (
	Unreachable Kind = iota + 1 // no way to the host: no route, no answer, unknown name
	Refused                     // the host answers, but nobody listens on the port
	Auth                        // user name or password missing or refused
	NotFound                    // the camera has no such stream
	Busy                        // no session or bandwidth left in the camera
	NoVideo                     // no stream that GB/T 28181 can carry
	NoFrames                    // RTSP works, pictures do not come
	Protocol                    // the peer says what RTSP does not allow, or nothing at all
	Closed                      // the camera ended a session that had been up
	Unsupported                 // the recorder cannot play that way
)

// String returns a short English name.
func (k Kind) String() string {
	switch k {
	case Unreachable:
		return "unreachable"
	case Refused:
		return "refused"
	case Auth:
		return "auth"
	case NotFound:
		return "not found"
	case Busy:
		return "busy"
	case NoVideo:
		return "no video"
	case NoFrames:
		return "no frames"
	case Protocol:
		return "protocol"
	case Closed:
		return "closed"
	case Unsupported:
		return "unsupported"
	}
	return "unknown"
}

// Error is every failure of a Source. Its text is made for an operator and holds no secret.
type Error struct {
	Kind Kind
	Text string // what happened, in plain words
	Err  error  // what it came from; may be nil
}

// Error implements error.
func (e *Error) Error() string { return e.Text }

// Unwrap returns what the failure came from.
func (e *Error) Unwrap() error { return e.Err }

// kindOf returns the kind of a failure, 0 if it is none of ours.
func kindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return 0
}

// dialError classifies a failed connect to address.
func dialError(err error, address string, timeout time.Duration) *Error {
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		return &Error{Kind: Unreachable, Text: "host name " + dns.Name + " not found", Err: err}
	case errors.Is(err, syscall.ECONNREFUSED):
		return &Error{Kind: Refused, Text: "connection to " + address + " refused", Err: err}
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return &Error{Kind: Unreachable, Text: "no route to host " + address, Err: err}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded),
		errors.Is(err, syscall.ETIMEDOUT):
		return &Error{
			Kind: Unreachable, Text: fmt.Sprintf("no answer from %s within %v", address, timeout), Err: err,
		}
	}
	return &Error{Kind: Unreachable, Text: "cannot connect to " + address + ": " + err.Error(), Err: err}
}

// statusError classifies a refused request. 403 is what some cameras say when their sessions are used up
// (Dahua), and what others say to an account without the right to view.
func statusError(method string, code int, reason string) *Error {
	text := strings.TrimSpace(fmt.Sprintf("%d %s", code, reason))
	switch {
	case code == 404:
		return &Error{Kind: NotFound, Text: "camera has no such stream: " + method + " refused with " + text}
	case code == 453, code == 503, code == 403 && (method != "DESCRIBE" || soundsFull(reason)):
		return &Error{Kind: Busy, Text: "camera has no session left: " + method + " refused with " + text}
	case code == 403:
		return &Error{Kind: Auth, Text: "camera forbids this account to view the stream (" + text + ")"}
	case code == 461:
		return &Error{Kind: Protocol, Text: "camera refuses this RTP transport (" + text + ")"}
	}
	return &Error{Kind: Protocol, Text: method + " refused with " + text}
}

// soundsFull tells whether a reason phrase speaks of used-up sessions.
func soundsFull(reason string) bool {
	reason = strings.ToLower(reason)
	for _, word := range []string{"session", "full", "busy", "limit", "max", "many", "threshold", "online"} {
		if strings.Contains(reason, word) {
			return true
		}
	}
	return false
}

// lost tells whether err means that the connection ended.
func lost(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ETIMEDOUT)
}

// again is not a failure: the session says how the next one should be different.
type again struct {
	udp         bool   // RTP over UDP
	redirect    string // another URL
	signOptions bool   // OPTIONS with a signature
	why         *Error // the failure it becomes when there is no next session
}

func (e *again) Error() string { return e.why.Error() }
func (e *again) Unwrap() error { return e.why }
