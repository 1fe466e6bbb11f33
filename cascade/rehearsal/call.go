package rehearsal

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"gbgate/gb28181/sdp"
	"gbgate/gb28181/sipua"
	"gbgate/media"
)

// byeTimeout is how long the answer to our BYE may take; answerGrace how long an INVITE whose play was given up is
// still waited for, so that a call which comes about after all is ended by ACK and BYE.
const (
	byeTimeout  = 5 * time.Second
	answerGrace = 2 * time.Second
)

// call is one INVITE of ours, from the first byte of its media sockets to its BYE.
type call struct {
	node   *Node
	req    PlayRequest
	route  sipua.Route
	local  netip.Addr // media address
	ssrc   uint32
	media  *intake
	moved  *intake // of a second INVITE
	sink   *sink
	wire   *wire  // what was said, to be repeated
	cseq   uint32 // of our last INVITE or BYE
	faults faults // of the answer

	request   *sipua.Request
	answer    *sipua.Response
	remote    netip.AddrPort // the answer's c= and m=
	answerSDP string
	invited   time.Time
	answered  time.Time

	hungUp  chan struct{} // closed when the node's BYE came
	hangUp1 sync.Once
}

// newCall opens the media sockets of a play, because the offer names their port.
func (n *Node) newCall(req PlayRequest) (*call, error) {
	route, err := n.route()
	if err != nil {
		return nil, err
	}
	c := &call{node: n, req: req, route: route, local: n.p.cfg.MediaIP, ssrc: req.SSRC, hungUp: make(chan struct{})}
	if !c.local.IsValid() {
		ours, err := n.p.ep.LocalFor(route.Remote)
		if err != nil {
			return nil, err
		}
		c.local = ours.Addr()
	}
	c.req.NoSSRC = c.req.NoSSRC || c.req.NoOffer
	if c.ssrc == 0 {
		c.ssrc = n.p.nextSSRC(req.Kind)
	}
	c.sink = newSink(Expect{
		SSRC: c.ssrc, NoSSRC: c.req.NoSSRC, TCP: req.Transport != UDP, SavePS: req.Save, SaveAudio: req.SaveAudio,
	}, req.Pictures)
	c.media, err = openIntake(req.Transport, c.local, req.Timeout, req.LateListen > 0, c.sink, nil)
	if err != nil {
		return nil, err
	}
	c.request = c.offer()
	c.cseq = c.request.CSeq
	return c, nil
}

func (p *Platform) enter(c *call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls[c.request.CallID] = c
	c.wire = p.watchLocked(c.request.CallID)
}

func (p *Platform) leave(c *call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.calls, c.request.CallID)
	delete(p.wires, c.request.CallID)
}

// bye answers a node's BYE; calls are found by Call-ID alone.
func (p *Platform) bye(_ context.Context, r *sipua.Request) {
	p.mu.Lock()
	c := p.calls[r.CallID]
	p.mu.Unlock()
	if c == nil {
		p.respond(r, &sipua.Response{Code: 481})
		return
	}
	p.respond(r, &sipua.Response{Code: 200})
	c.hangUp1.Do(func() { close(c.hungUp) })
}

// invite sends the INVITE and takes the answer apart.
func (c *call) invite(ctx context.Context) error {
	c.invited = time.Now()
	cancelled := c.cancelLater(ctx)
	res, err := c.ask(ctx)
	if err := errors.Join(err, cancelled()); err != nil {
		return err
	}
	if err := refusal(c.request, res); err != nil {
		return err
	}
	c.answered, c.answer, c.answerSDP = time.Now(), res, string(res.Body)
	session, err := sdp.Parse(res.Body)
	if err != nil {
		c.faults.add("sdp", "the answer's session description cannot be read: %v", err)
		return nil
	}
	c.remote = c.checkAnswer(session)
	if c.req.Transport == UDP {
		c.sink.expectSource(c.remote)
	}
	return nil
}

// ask sends the INVITE and outlives ctx by answerGrace at most.
func (c *call) ask(ctx context.Context) (*sipua.Response, error) {
	late, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	stop := context.AfterFunc(ctx, func() {
		if media.Wait(late, answerGrace) == nil {
			cancel(context.Cause(ctx))
		}
	})
	defer stop()
	return c.node.p.ep.Do(late, c.request, c.route)
}

// acknowledge sends the ACK, if and when the play wants one, and then listens if that was put off.
func (c *call) acknowledge(ctx context.Context) error {
	if err := c.again(ctx, "INVITE"); err != nil {
		return err
	}
	if c.req.AckDelay > 0 && media.Wait(ctx, c.req.AckDelay) != nil {
		return nil
	}
	if !c.req.NoACK {
		ack := c.inDialog("ACK", c.request.CSeq)
		c.answerInACK(ack)
		if err := c.node.p.ep.Send(ack, c.route); err != nil {
			return fmt.Errorf("ACK: %w", err)
		}
		if err := c.again(ctx, "ACK"); err != nil {
			return err
		}
	}
	if c.req.LateListen <= 0 || media.Wait(ctx, c.req.LateListen) != nil {
		return nil
	}
	return c.media.listen()
}

// connect dials the answer's port when the offer said a=setup:active.
func (c *call) connect(ctx context.Context) error {
	if c.req.Transport != TCPActive {
		return nil
	}
	if !c.remote.IsValid() || c.remote.Port() == 0 {
		return errors.New("the answer names no address to connect to")
	}
	return c.media.dial(ctx, c.remote)
}

// inDialog builds a request of the call's dialog: to the answer's Contact, by the node's registered address.
func (c *call) inDialog(method string, cseq uint32) *sipua.Request {
	r := &sipua.Request{
		Method: method, URI: c.request.URI, From: c.request.From, To: c.request.To,
		CallID: c.request.CallID, CSeq: cseq,
	}
	r.To.Tag = c.answer.ToTag
	if c.answer.Contact != nil {
		r.URI = *c.answer.Contact
	}
	return r
}

// hangUp sends BYE, unless the node did or the play leaves the call standing, and looks for packets after it.
func (c *call) hangUp(ctx context.Context) error {
	select {
	case <-c.hungUp:
		return nil
	default:
	}
	if c.req.NoBye {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), byeTimeout)
	defer cancel()
	if now, err := c.node.route(); err == nil && c.route.Transport == "tcp" {
		c.route = now // the connection of the INVITE may have been replaced
	}
	r := c.inDialog("BYE", c.nextCSeq())
	if c.req.ByeByCallID {
		r.From.Tag, r.To.Tag = token(4), token(4)
	}
	res, err := c.node.p.ep.Do(ctx, r, c.route)
	if err != nil {
		return fmt.Errorf("BYE: %w", err)
	}
	if err := refusal(r, res); err != nil && !c.crossed(res) {
		return err
	}
	if err := c.again(ctx, "BYE"); err != nil {
		return err
	}
	if c.req.Linger > 0 {
		c.linger(ctx)
	}
	return nil
}

// crossed tells whether our BYE met the node's own.
func (c *call) crossed(res *sipua.Response) bool {
	select {
	case <-c.hungUp:
		return res.Code == 481
	default:
		return false
	}
}

// linger counts the packets that come after the BYE was answered. What was on the way has a moment to arrive.
func (c *call) linger(ctx context.Context) {
	if media.Wait(ctx, watchEvery) != nil {
		return
	}
	before := c.sink.packets()
	_ = media.Wait(ctx, c.req.Linger)
	if after := c.sink.packets() - before; after > 0 {
		c.faults.add("after-bye", "%d packets came after the BYE was answered", after)
	}
}
