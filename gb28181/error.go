package gb28181

import (
	"errors"
	"fmt"
	"strings"
)

// Error is a failure that knows how it is told to the superior: a SIP status
// and a reason in plain words.
type Error struct {
	Code   int    // SIP status, 400 to 699 (200 for a message that is accepted and then ignored)
	Reason string // reason phrase, one line
}

// Errorf returns an Error with the SIP status code and a formatted reason.
func Errorf(code int, format string, args ...any) *Error {
	return &Error{Code: code, Reason: fmt.Sprintf(format, args...)}
}

func (e *Error) Error() string { return fmt.Sprintf("%s (SIP %d)", e.Reason, e.Code) }

// StatusOf returns the SIP status and reason phrase that answer err: those of
// the first *Error in its chain, 200 OK for nil and 500 for anything else. The
// reason never holds CR, LF or another control character, and an error that is
// not an *Error tells the peer nothing about our inside.
func StatusOf(err error) (code int, reason string) {
	if err == nil {
		return 200, "OK"
	}
	if e, ok := errors.AsType[*Error](err); ok && e != nil {
		return e.Code, phrase(e.Reason)
	}
	return 500, "Server Internal Error"
}

func phrase(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}
