package cascade

import (
	"context"
	"errors"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"gbgate/gb28181/manscdp"
	"gbgate/gb28181/sdp"
	"gbgate/gb28181/sipua"
)

func TestCallsOfOneChannelAndTheirBound(t *testing.T) {
	m := newMedia()
	s, g := online(t, Config{MaxCalls: 3}, known(), m)
	for range 3 {
		if got := s.call(s.invitation(gateID, gateID+":0,"+superiorID+":0", offer("0200000001"))).Code; got != 200 {
			t.Fatalf("INVITE = %d, want 200", got)
		}
		await(t, "call", m.answered)
	}
	if got := s.call(s.invitation(gateID, "", offer("0200000002"))).Code; got != 486 {
		t.Errorf("the fourth = %d, want 486", got)
	}
	if got := len(g.p.Status().Calls); got != 3 {
		t.Errorf("%d calls, want 3", got)
	}
}

func TestSameSubjectSerialEndsTheOldCall(t *testing.T) {
	m := newMedia()
	s, g := online(t, Config{MaxCalls: 1}, known(), m)
	subject := gateID + ":0200000001," + superiorID + ":0"
	first := s.invitation(gateID, subject, offer("0200000001"))
	s.call(first)
	await(t, "call", m.answered)
	second := s.invitation(gateID, subject, offer("0200000001"))
	if got := s.call(second).Code; got != 200 {
		t.Fatalf("the second INVITE = %d, want 200", got)
	}
	if err := await(t, "end of the first", m.ended); !errors.Is(err, ErrSuperseded) {
		t.Errorf("the first ended with %v, want %v", err, ErrSuperseded)
	}
	if got := await(t, "BYE", s.byes).CallID; got != first.CallID {
		t.Errorf("BYE of %s, want %s", got, first.CallID)
	}
	eventually(t, "one call", func() bool {
		calls := g.p.Status().Calls
		return len(calls) == 1 && calls[0].ID == second.CallID
	})
}

func TestMediaIP(t *testing.T) {
	for printed, bound := range map[string]string{
		"203.0.113.9": "127.0.0.1", // a NAT router's
		"127.0.0.1":   "127.0.0.1",
	} {
		m := newMedia()
		s, _ := online(t, Config{MediaIP: netip.MustParseAddr(printed)}, known(), m)
		res := s.call(s.invitation(gateID, "", offer("0200000001")))
		a, err := sdp.Parse(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		c := await(t, "call", m.answered)
		if c.LocalIP().String() != bound || a.Conn != printed || a.OriginAddr != printed || a.Media[0].Port != 30002 {
			t.Errorf("bound to %s, printed %s and %s; want %s and %s",
				c.LocalIP(), a.Conn, a.OriginAddr, bound, printed)
		}
	}
}

func TestFreshRegistrationEndsCalls(t *testing.T) {
	m := newMedia()
	s := newSuperior(t)
	var restarted atomic.Bool
	s.message = func(*sipua.Request, manscdp.Message) int {
		if restarted.Load() {
			return 404
		}
		return 200
	}
	start(t, s, Config{KeepaliveInterval: 100 * time.Millisecond}, known(), m)
	await(t, "registration", s.registered)
	s.call(s.invitation(gateID, "", offer("0200000001")))
	await(t, "call", m.answered)
	restarted.Store(true)
	if err := await(t, "end", m.ended); !errors.Is(err, ErrOffline) {
		t.Errorf("the call ended with %v, want %v", err, ErrOffline)
	}
	await(t, "second registration", s.registered)
	restarted.Store(false)
	if got := s.call(s.invitation(gateID, "", offer("0200000001"))).Code; got != 200 {
		t.Errorf("INVITE afterwards = %d, want 200", got)
	}
	if len(s.byes) != 0 {
		t.Error("BYE to a platform that does not know us")
	}
}

func TestBYEIsAnsweredWhenMediaDoesNotStop(t *testing.T) {
	stuck := make(chan struct{})
	m := MediaHandlerFunc(func(ctx context.Context, c *Call) error {
		err := c.Answer(ctx, sdp.Answer{Local: netip.MustParseAddrPort("127.0.0.1:30002")})
		<-stuck
		return err
	})
	timers := shortTimers()
	timers.Stop = 50 * time.Millisecond
	s, g := online(t, Config{Timers: timers}, known(), m)
	invite := s.invitation(gateID, "", offer("0200000001"))
	res := s.call(invite)
	if got := s.do(inside("BYE", invite, res, 2)).Code; got != 200 {
		t.Errorf("BYE = %d, want 200", got)
	}
	if got := len(g.p.Status().Calls); got != 1 {
		t.Errorf("%d calls, want the one that does not stop", got)
	}
	close(stuck)
	eventually(t, "no calls", func() bool { return len(g.p.Status().Calls) == 0 })
}

func TestBYEBeforeTheAnswer(t *testing.T) {
	entered := make(chan *Call, 1)
	m := MediaHandlerFunc(func(ctx context.Context, c *Call) error {
		entered <- c
		<-ctx.Done()
		return c.Answer(context.Background(), sdp.Answer{})
	})
	s, _ := online(t, Config{}, known(), m)
	invite := s.invitation(gateID, "", offer("0200000001"))
	answer := make(chan int, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), waitFor)
		defer cancel()
		if res, err := s.ua.Do(ctx, invite, s.route()); err == nil {
			answer <- res.Code
		}
	}()
	await(t, "call", entered)
	if got := s.do(inside("BYE", invite, &sipua.Response{}, 2)).Code; got != 200 {
		t.Errorf("BYE = %d, want 200", got)
	}
	if got := await(t, "answer", answer); got != 487 {
		t.Errorf("INVITE = %d, want 487", got)
	}
}

func TestLeaveSaysBYEThenUnregisters(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			m := newMedia()
			s, g := online(t, Config{Transport: transport}, known(), m)
			for range 2 {
				s.call(s.invitation(gateID, "", offer("0200000001")))
				await(t, "call", m.answered)
			}
			g.stop()
			if len(s.byes) != 2 || len(s.left) != 1 {
				t.Errorf("%d BYEs and %d unregistrations, want 2 and 1", len(s.byes), len(s.left))
			}
			for range 2 {
				if err := await(t, "end", m.ended); !errors.Is(err, ErrShutdown) {
					t.Errorf("the call ended with %v, want %v", err, ErrShutdown)
				}
			}
			if got := s.call(s.invitation(gateID, "", offer("0200000001"))).Code; got != 503 {
				t.Errorf("INVITE after the end = %d, want 503", got)
			}
			if got := s.ask(nodeID, query("DeviceInfo", "1", nodeID)); got != 503 {
				t.Errorf("MESSAGE after the end = %d, want 503", got)
			}
		})
	}
}
