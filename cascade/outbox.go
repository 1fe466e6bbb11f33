package cascade

import (
	"context"
	"errors"
	"sync"

	"gbgate/gb28181/manscdp"
	"gbgate/gb28181/sipua"
)

const (
	maxAnswers = 64 // answers of one message on their way, each until its 200
	maxLists   = 8  // answers of many messages on their way
)

// errDisplaced ends the sending of an answer for which a newer one needs the room.
var errDisplaced = errors.New("given up for newer answers: the platform confirms none of them")

// outbox bounds what is on its way to one superior. An answer leaves at once and is repeated until the superior's
// 200; some never give one (Tencent's and ByteDance's clouds). So nobody waits for it: the answers of one superior hold
// up neither the workers nor other superiors, and where too many are unconfirmed the oldest is not repeated any more.
type outbox struct {
	room int

	mu    sync.Mutex
	going []*letter // oldest first
}

type letter struct{ cancel context.CancelCauseFunc }

// enter takes room for one letter; the returned function gives it back.
func (o *outbox) enter(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	l := &letter{cancel}
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.going) >= o.room {
		o.going[0].cancel(errDisplaced)
		o.going = o.going[1:]
	}
	o.going = append(o.going, l)
	return ctx, func() {
		cancel(nil)
		o.mu.Lock()
		defer o.mu.Unlock()
		for i := range o.going {
			if o.going[i] == l {
				o.going = append(o.going[:i], o.going[i+1:]...)
				return
			}
		}
	}
}

// size is how many letters are on their way.
func (o *outbox) size() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.going)
}

// dispatch runs send for one letter of an outbox, in a goroutine that Run waits for. The letter belongs to the work
// that was asked for under ctx.
func (p *Platform) dispatch(ctx context.Context, o *outbox, send func(ctx context.Context)) {
	if _, ok := p.begin(); !ok {
		return
	}
	ctx, leave := o.enter(ctx)
	go func() {
		defer p.busy.Done()
		defer leave()
		send(ctx)
	}()
}

// answer sends a Response of one message: a new MESSAGE with the SN of the question.
func (p *Platform) answer(a asked, m manscdp.Message) {
	req, err := p.message(m, a.from)
	if err != nil {
		p.log.Error("response not sent", "error", err)
		return
	}
	p.dispatch(a.ctx, &p.answers, func(ctx context.Context) {
		if p.afterAnswer(ctx, a) {
			p.deliver(ctx, m, req)
		}
	})
}

// deliver sends one MESSAGE and tells the log how that went.
func (p *Platform) deliver(ctx context.Context, m manscdp.Message, req *sipua.Request) {
	res, err := p.request(ctx, req)
	h := m.Head()
	switch {
	case errors.Is(err, errDisplaced):
		p.log.Debug("answer not confirmed", "command", h.CmdType, "sn", h.SN, "error", err)
	case err != nil:
		p.log.Warn("message lost", "root", m.Root(), "command", h.CmdType, "sn", h.SN, "error", err)
	case res.Code/100 != 2:
		p.log.Warn("message refused", "root", m.Root(), "command", h.CmdType, "sn", h.SN, "code", res.Code)
	}
}
