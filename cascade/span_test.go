package cascade

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"gbgate/gb28181/manscdp"
	"gbgate/gb28181/sipua"
)

// A superior that is silent loses its calls after offline_media_grace, unless it is back before; what it has set in
// motion is stopped at once.
func TestOfflineMediaGrace(t *testing.T) {
	for _, c := range []struct {
		name  string
		grace time.Duration
		back  bool
		code  int // of its answer to keepalives; 0: none
		ends  bool
	}{
		{name: "none", back: true, ends: true},
		{name: "back in time", grace: time.Minute, back: true},
		{name: "not back", grace: 100 * time.Millisecond, ends: true},
		{name: "restarted: it knows no calls", grace: time.Minute, back: true, code: 404, ends: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, site := newMedia(), known()
			s := newSuperior(t)
			var away, heard atomic.Bool
			s.message = func(*sipua.Request, manscdp.Message) int {
				if away.Load() {
					heard.Store(true)
					return c.code
				}
				return 200
			}
			s.register = func(n int, _ *sipua.Request) *sipua.Response {
				if away.Load() && !(c.back && heard.Load()) {
					return nil
				}
				return &sipua.Response{Code: 200}
			}
			timers := shortTimers()
			timers.Reply = 50 * time.Millisecond
			g := start(t, s, Config{
				KeepaliveInterval: 50 * time.Millisecond, KeepaliveMax: 2, Timers: timers,
				Compat: Compat{MediaGrace: c.grace},
			}, site, m)
			await(t, "registration", s.registered)
			invite := s.invitation(gateID, "", offer("0200000001"))
			res := s.call(invite)
			await(t, "call", m.answered)
			away.Store(true)
			eventually(t, "release of what moves", func() bool { return site.released.Load() == 1 })
			if c.back {
				await(t, "another registration", s.registered)
				away.Store(false)
			}
			if c.ends {
				if err := await(t, "end of the call", m.ended); !errors.Is(err, ErrOffline) {
					t.Errorf("the call ended with %v, want %v", err, ErrOffline)
				}
				return
			}
			eventually(t, "online", func() bool { return g.p.Status().State == Online })
			if got := s.do(inside("INFO", invite, res, 2)).Code; got != 200 {
				t.Errorf("INFO in the call that was spared = %d, want 200", got)
			}
			if got := s.do(inside("BYE", invite, res, 3)).Code; got != 200 {
				t.Errorf("BYE = %d, want 200", got)
			}
			if err := await(t, "end of the call", m.ended); !errors.Is(err, ErrBye) {
				t.Errorf("the call ended with %v, want %v", err, ErrBye)
			}
		})
	}
}

// A call that was spared ends with the gateway.
func TestSparedCallEndsAtShutdown(t *testing.T) {
	m := newMedia()
	s := newSuperior(t)
	var away atomic.Bool
	s.message = func(*sipua.Request, manscdp.Message) int {
		if away.Load() {
			return 0
		}
		return 200
	}
	s.register = func(int, *sipua.Request) *sipua.Response {
		if away.Load() {
			return nil
		}
		return &sipua.Response{Code: 200}
	}
	timers := shortTimers()
	timers.Reply = 50 * time.Millisecond
	g := start(t, s, Config{
		KeepaliveInterval: 50 * time.Millisecond, KeepaliveMax: 1, Timers: timers, Compat: Compat{MediaGrace: time.Hour},
	}, known(), m)
	await(t, "registration", s.registered)
	s.call(s.invitation(gateID, "", offer("0200000001")))
	await(t, "call", m.answered)
	away.Store(true)
	eventually(t, "offline", func() bool { return !g.p.Status().State.registered() })
	g.stop()
	if err := await(t, "end of the call", m.ended); !errors.Is(err, ErrShutdown) {
		t.Errorf("the call ended with %v, want %v", err, ErrShutdown)
	}
}
