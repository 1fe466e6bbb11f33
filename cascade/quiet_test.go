package cascade

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gbgate/gb28181/sipua"
)

// record is a log that may be read while it is written.
type record struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *record) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(b)
}

func (r *record) count(part string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Count(r.text.String(), part)
}

// A platform that is away for a night has a line in the log, not one for each attempt.
func TestTheSameFaultIsToldOnce(t *testing.T) {
	s := newSuperior(t)
	var attempts atomic.Int32
	var well atomic.Bool
	s.register = func(int, *sipua.Request) *sipua.Response {
		switch n := attempts.Add(1); {
		case well.Load():
			return &sipua.Response{Code: 200}
		case n <= 5:
			return &sipua.Response{Code: 500}
		}
		return &sipua.Response{Code: 503}
	}
	var log record
	timers := shortTimers()
	timers.Reply = time.Minute // on a busy machine an answer that is late would be a third kind of fault
	g := start(t, s, Config{
		RegisterRetry: 30 * time.Millisecond,
		Timers:        timers,
		Log:           slog.New(slog.NewTextHandler(&log, nil)),
	}, &testSite{}, newMedia())
	eventually(t, "ten attempts", func() bool { return attempts.Load() >= 10 })
	for part, want := range map[string]int{"msg=superior ": 2, "to=backoff": 2, "from=backoff": 0} {
		if got := log.count(part); got != want {
			t.Errorf("%d lines with %q after two kinds of refusals, want %d:\n%s", got, part, want, log.text.String())
		}
	}
	if s := g.p.Status(); !s.Since.Before(s.LastErrorAt) {
		t.Errorf("away since %v, but the last of ten refusals came at %v", s.Since, s.LastErrorAt)
	}
	well.Store(true)
	eventually(t, "online", func() bool { return g.p.Status().State == Online })
	eventually(t, "the line that says so", func() bool { return log.count("to=online") == 1 })
}

func TestWhatCouldNotBeSentIsSaidInPlainWords(t *testing.T) {
	to := netip.MustParseAddrPort("192.0.2.10:5060")
	wrapped := func(errno syscall.Errno) error {
		return fmt.Errorf("fail to write request on init req=%q: %w", "REGISTER sip:…", os.NewSyscallError("sendto", errno))
	}
	for _, c := range []struct {
		err  error
		want string
	}{
		{wrapped(syscall.EPERM), "a firewall of this box forbids sending to 192.0.2.10:5060: operation not permitted"},
		{wrapped(syscall.ENETUNREACH), "no route to 192.0.2.10:5060: network is unreachable"},
		{wrapped(syscall.ENOBUFS), "nothing can be sent to 192.0.2.10:5060: no buffer space available"},
		{errReset, errReset.Error()},
	} {
		got := unsent(to, c.err)
		if got.Error() != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
		var errno syscall.Errno
		if errors.As(c.err, &errno) && !errors.Is(got, errno) {
			t.Errorf("%q is not the system's %v any more", got, errno)
		}
	}
}
