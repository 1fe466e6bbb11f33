package cascade

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"gbgate/gb28181"
	"gbgate/gb28181/sdp"
	"gbgate/gb28181/sipua"
)

// CallState is where a call stands.
//
//	Offered ──Answer: 200──► Answered ──ACK──► Established
//	   │                        │                  │
//	   └── refused, CANCEL ─────┴─ BYE, no ACK ────┴──► Ended
type CallState uint8

// The states of a call.
const (
	Offered CallState = iota
	Answered
	Established
	Ended
)

// String names the state as status shows it.
func (s CallState) String() string {
	switch s {
	case Offered:
		return "offered"
	case Answered:
		return "answered"
	case Established:
		return "established"
	case Ended:
		return "ended"
	}
	return "unknown"
}

// Call is one INVITE of a superior.
type Call struct {
	p                   *Platform
	id, channel         string
	localTag, remoteTag string
	key                 string // channel and Subject serial; "" when that tells nothing
	req                 *sipua.Request
	offer               *sdp.Offer
	sip                 netip.AddrPort // our address in Contact
	local               netip.Addr     // our address on the route to where the media goes
	since               time.Time
	log                 *slog.Logger

	ctx      context.Context
	end      context.CancelCauseFunc
	watchers sync.WaitGroup
	acked    chan struct{} // closed at the first ACK
	stopped  chan struct{} // closed when ServeMedia has returned
	done     chan struct{} // closed when nothing of the call is left

	cseq      *atomic.Uint32 // of our requests in the dialog
	held      bool           // the superior wants no media for now
	offerless bool           // the INVITE had no SDP: ours is in the 200, the superior's in the ACK
	described chan []byte    // offerless: the body of the ACK
	kept      *keepsake      // shared by the calls of the dialog
	control   func(arrival uint64, body []byte) (reply []byte, err error)

	mu          sync.Mutex
	state       CallState
	established time.Time
	answer      *sipua.Response
	replaces    *Call // whose place this one takes when it is answered; nil after the ACK, and for a first INVITE
}

// Superior is the name of the superior that calls.
func (c *Call) Superior() string { return c.p.cfg.Name }

// Channel is the channel that is called, as Site.Resolve named it.
func (c *Call) Channel() string { return c.channel }

// ID is the Call-ID.
func (c *Call) ID() string { return c.id }

// Offer is what the superior wants. Its SSRC is never zero: where the superior gave none it is ours. After an INVITE
// without SDP the port of Remote is 0 until Answer has returned.
func (c *Call) Offer() *sdp.Offer {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.offer
}

// LocalIP is the address to bind media to: of the interface on the route to where the media goes, or media_ip where
// that is an address of ours. Where it is the public one of a NAT router, Answer prints it in place of this one.
func (c *Call) LocalIP() netip.Addr { return c.local }

// Answer accepts the call: it sends the 200 with the session description of a and returns when media may start,
// which is at the ACK or Timers.SendFallback after the 200 (Hikvision platforms want media after the ACK, others
// never send one; Compat.ACKRequired has no use for those). An empty Channel or address of a is filled in. An error
// means that the call is over.
func (c *Call) Answer(ctx context.Context, a sdp.Answer) error {
	if a.Channel == "" {
		a.Channel = c.channel
	}
	switch ip := c.p.cfg.MediaIP; {
	case ip.IsValid():
		a.Local = netip.AddrPortFrom(ip, a.Local.Port())
	case !a.Local.Addr().IsValid(), a.Local.Addr().IsUnspecified():
		a.Local = netip.AddrPortFrom(c.local, a.Local.Port())
	}
	if a.SSRC == 0 {
		a.SSRC = c.offer.SSRC
	}
	a.RejectPort = c.p.cfg.Compat.RejectPort
	if c.offerless {
		return c.offerFirst(ctx, a.Local)
	}
	if err := c.accept(c.offer.Answer(a)); err != nil {
		return err
	}
	return c.awaitStart(ctx)
}

// awaitStart waits until media may start.
func (c *Call) awaitStart(ctx context.Context) error {
	var late <-chan time.Time
	switch {
	case c.p.cfg.Compat.ACKRequired:
	case c.p.cfg.Compat.SendStart == "200":
		return nil
	default:
		fallback := time.NewTimer(c.p.cfg.Timers.SendFallback)
		defer fallback.Stop()
		late = fallback.C
	}
	select {
	case <-c.acked:
	case <-late:
		c.log.Info("no ACK yet: media starts all the same")
	case <-c.ctx.Done():
		return context.Cause(c.ctx)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// accept sends the 200 and sees to it until the ACK. The media that this call takes over ends then, not before: had it
// been refused, that would go on.
func (c *Call) accept(s *sdp.Session) error {
	res := &sipua.Response{
		Code: 200, ToTag: c.localTag, Contact: c.contact(), ContentType: "Application/SDP", Body: s.Marshal(),
	}
	old := c.replaced() // the ACK forgets it
	if err := c.send200(res); err != nil {
		return err
	}
	if old != nil {
		old.end(errReinvited)
	}
	c.watchers.Go(c.repeat200)
	return nil
}

func (c *Call) send200(res *sipua.Response) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != Offered {
		return fmt.Errorf("call is %s already", c.state)
	}
	if c.ctx.Err() != nil {
		return context.Cause(c.ctx)
	}
	if err := c.req.Respond(res); err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	c.state, c.answer = Answered, res
	return nil
}

// repeat200 sends the 200 again until the ACK, over TCP too (RFC 3261 13.3.1.4).
func (c *Call) repeat200() {
	c.mu.Lock()
	answer := c.answer
	c.mu.Unlock()
	t := c.p.cfg.Timers
	deadline := time.NewTimer(t.ACK)
	defer deadline.Stop()
	wait := t.T1
	again := time.NewTimer(wait)
	defer again.Stop()
	for {
		select {
		case <-c.acked:
			return
		case <-c.ctx.Done():
			return
		case <-deadline.C:
			c.end(ErrNoACK)
			return
		case <-again.C:
			if err := c.req.Respond(answer); err != nil {
				c.log.Debug("200 not repeated", "error", err)
			}
			wait = min(2*wait, t.T2)
			again.Reset(wait)
		}
	}
}

// confirm is the ACK; its body is the superior's answer to an offer of ours.
func (c *Call) confirm(body []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == Answered {
		c.state, c.established = Established, time.Now()
		if c.offerless {
			c.described <- body // room for the one
		}
		c.replaces = nil
		close(c.acked)
	}
}

// serve runs the media; the deferred close lets BYE get its 200 even when the handler panics.
func (c *Call) serve() error {
	defer close(c.stopped)
	defer c.letGo()
	if c.held {
		return c.hold()
	}
	return c.p.media.ServeMedia(c.ctx, c)
}

// waitStopped waits until the media has stopped, at most Timers.Stop.
func (c *Call) waitStopped() {
	t := time.NewTimer(c.p.cfg.Timers.Stop)
	defer t.Stop()
	select {
	case <-c.stopped:
	case <-t.C:
		c.log.Warn("media does not stop")
	}
}

// hangUp ends the dialog after ServeMedia has returned err.
func (c *Call) hangUp(err error) {
	if cause := context.Cause(c.ctx); cause != nil {
		err = cause
	}
	c.mu.Lock()
	state := c.state
	c.mu.Unlock()
	switch {
	case state == Offered:
		c.decline(err)
	case errors.Is(err, errReinvited): // the dialog goes on
	case errors.Is(err, ErrBye), errors.Is(err, ErrOffline):
		// Nothing to say, or nobody to say it to.
	default:
		c.bye(err)
	}
	c.mu.Lock()
	c.state = Ended
	c.mu.Unlock()
	c.log.Info("call ended", "state", state.String(), "cause", errorText(err))
}

// decline gives an INVITE that was not answered its final response.
func (c *Call) decline(err error) {
	switch {
	case errors.Is(err, ErrCancelled): // the endpoint has answered 487
	case errors.Is(err, ErrBye):
		refuse(c.req, gb28181.Errorf(487, "Request Terminated"))
	case errors.Is(err, ErrShutdown):
		refuse(c.req, gb28181.Errorf(503, "The gateway is leaving"))
	case errors.Is(err, ErrOffline), errors.Is(err, ErrSuperseded), err == nil:
		refuse(c.req, gb28181.Errorf(480, "Temporarily Unavailable"))
	default:
		refuse(c.req, err)
	}
}

// bye hangs up. An INVITE just answered waits a moment for its ACK first (RFC 3261 15).
func (c *Call) bye(err error) {
	limit := c.p.cfg.Timers.Reply
	if errors.Is(err, ErrShutdown) {
		limit = c.p.cfg.Timers.Leave / 2
	}
	if !errors.Is(err, ErrNoACK) && !errors.Is(err, ErrShutdown) {
		t := time.NewTimer(c.p.cfg.Timers.SendFallback)
		defer t.Stop()
		select {
		case <-c.acked:
		case <-t.C:
		}
	}
	res, sendErr := c.sendInDialog(context.WithoutCancel(c.ctx), func() *sipua.Request { return c.byeRequest(err) }, limit)
	switch {
	case sendErr != nil:
		c.log.Warn("BYE not answered", "error", sendErr)
	case res.Code/100 != 2:
		c.log.Info("BYE refused", "code", res.Code)
	}
}

func (c *Call) byeRequest(err error) *sipua.Request {
	r := c.inDialog("BYE")
	r.Headers = append(r.Headers, byeReason(err))
	return r
}

// byeReason says why we hang up. Errors that are not meant for the superior tell nothing of our inside.
func byeReason(err error) sipua.Header {
	if err == nil {
		return reasonHeader(200, "Media ended")
	}
	for _, ours := range []error{ErrShutdown, ErrNoACK, ErrSuperseded} {
		if errors.Is(err, ours) {
			return reasonHeader(500, ours.Error())
		}
	}
	return reasonHeader(gb28181.StatusOf(err))
}

// contact is the target of in-dialog requests to us.
func (c *Call) contact() *sipua.URI {
	if c.p.cfg.Compat.UseNATContact {
		return c.p.contact(c.channel)
	}
	return contactAt(c.channel, c.sip, c.req.Transport)
}

func (c *Call) status() CallStatus {
	c.mu.Lock()
	defer c.mu.Unlock()
	return CallStatus{
		ID: c.id, Channel: c.channel, Kind: c.offer.Kind.String(), Transport: c.offer.Transport.String(),
		Remote: c.offer.Remote, SSRC: gb28181.FormatSSRC(c.offer.SSRC), State: c.state,
		Since: c.since, Established: c.established,
	}
}

func errorText(err error) string {
	if err == nil {
		return "media ended"
	}
	return err.Error()
}
