package cascade

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"syscall"
	"time"

	"gbgate/gb28181/sipua"
)

// grantedBy is the lifetime a 200 gives: its Expires, else the expires of our Contact, else what we asked for.
func (p *Platform) grantedBy(res *sipua.Response, asked time.Duration) time.Duration {
	granted := seconds(res.Header("Expires"))
	if granted <= 0 {
		for _, c := range res.HeaderValues("Contact") {
			if granted <= 0 || strings.Contains(c, p.cfg.NodeID) {
				granted = contactExpires(c)
			}
		}
	}
	if granted <= 0 {
		granted = asked
	}
	return min(granted, maxExpires)
}

func contactExpires(contact string) time.Duration {
	for param := range strings.SplitSeq(contact, ";") {
		name, value, _ := strings.Cut(param, "=")
		if strings.EqualFold(strings.TrimSpace(name), "expires") {
			return seconds(value)
		}
	}
	return 0
}

// refreshAfter is when a lifetime is renewed: well before its end, at half of it when it is very short.
func refreshAfter(granted, margin time.Duration) time.Duration {
	after := granted - max(margin, granted/10)
	if after < granted/2 {
		after = granted / 2
	}
	return after
}

func answeredError(res *sipua.Response) error {
	return fmt.Errorf("the platform answered %d %s", res.Code, res.Reason)
}

func saysStale(res *sipua.Response) bool {
	for _, name := range []string{"WWW-Authenticate", "Proxy-Authenticate"} {
		for _, v := range res.HeaderValues(name) {
			v = strings.ToLower(strings.ReplaceAll(v, " ", ""))
			if strings.Contains(v, "stale=true") || strings.Contains(v, `stale="true"`) {
				return true
			}
		}
	}
	return false
}

func isReset(err error) bool {
	for _, lost := range []error{errReset, sipua.ErrLost, syscall.ECONNRESET, syscall.EPIPE, io.EOF, net.ErrClosed} {
		if errors.Is(err, lost) {
			return true
		}
	}
	return false
}

func seconds(s string) time.Duration {
	n, err := strconv.ParseUint(strings.Trim(strings.TrimSpace(s), `"`), 10, 32)
	if err != nil {
		return 0
	}
	return time.Duration(n) * time.Second
}

func randomDuration(upTo time.Duration) time.Duration {
	if upTo <= 0 {
		return 0
	}
	return rand.N(upTo)
}
