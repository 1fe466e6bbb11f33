package cascade

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"gbgate/gb28181"
	"gbgate/gb28181/sdp"
)

// socket stands for what media keep.
type socket struct{ closed atomic.Bool }

func (s *socket) Close() error {
	s.closed.Store(true)
	return nil
}

// What the first call of a dialog keeps is there for those after it, also behind a hold, and closed at BYE only.
func TestKeptThroughTheDialog(t *testing.T) {
	kept, calls := make(chan any, 10), make(chan *Call, 10)
	own := new(socket)
	m := MediaHandlerFunc(func(ctx context.Context, c *Call) error {
		kept <- c.Kept()
		if c.Offer().Remote.Port() == 30006 {
			return gb28181.Errorf(486, "No port")
		}
		if err := c.Answer(ctx, sdp.Answer{Local: c.Offer().Remote}); err != nil {
			return err
		}
		c.Keep(own)
		calls <- c
		<-ctx.Done()
		return context.Cause(ctx)
	})
	s, g := online(t, Config{}, known(), m)
	invite := s.invitation(gateID, "", offer("0200000001"))
	res := s.call(invite)
	if got := await(t, "call", kept); got != nil {
		t.Errorf("the first call finds %v", got)
	}
	await(t, "media", calls)
	held := strings.Replace(string(invite.Body), "a=recvonly", "a=inactive", 1)
	for i, step := range []struct {
		body   string
		code   int
		serves bool
	}{
		{toPort(invite.Body, "30004"), 200, true},
		{toPort(invite.Body, "30006"), 486, true},
		{held, 200, false},
		{string(invite.Body), 200, true},
	} {
		if got := s.call(reinvite(invite, res, uint32(2+i), step.body)).Code; got != step.code {
			t.Fatalf("re-INVITE %d = %d, want %d", i, got, step.code)
		}
		if step.serves {
			if got := await(t, "call", kept); got != any(own) {
				t.Errorf("re-INVITE %d finds %v", i, got)
			}
		}
		if step.serves && step.code == 200 {
			await(t, "media", calls)
		}
		if own.closed.Load() {
			t.Fatalf("re-INVITE %d: closed within the dialog", i)
		}
	}
	if got := s.do(inside("BYE", invite, res, 9)).Code; got != 200 {
		t.Errorf("BYE = %d, want 200", got)
	}
	eventually(t, "no calls", func() bool { return len(g.p.Status().Calls) == 0 })
	if !own.closed.Load() {
		t.Error("not closed after BYE")
	}
}
