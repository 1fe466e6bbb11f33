package cascade

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gbgate/gb28181/manscdp"
	"gbgate/gb28181/sipua"
)

// OnControl makes f take the bodies of INFO inside this call: playback control (MANSRTSP, GB/T 28181-2022 Annex B).
// Its reply is the body of the 200, most often empty; an error becomes the answer by gb28181.StatusOf. Without f, as
// in live calls, INFO is answered 200 and has no effect: some superiors pause what is live. f may be called
// concurrently.
func (c *Call) OnControl(f func(arrival uint64, body []byte) (reply []byte, err error)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.control = f
}

// info is an INFO of the superior.
func (c *Call) info(r *sipua.Request) {
	c.mu.Lock()
	control := c.control
	c.mu.Unlock()
	if control == nil {
		respond(r, 200)
		return
	}
	reply, err := control(r.Arrival, r.Body)
	if err != nil {
		c.log.Info("playback control refused", "error", err)
		refuse(r, err)
		return
	}
	res := &sipua.Response{Code: 200}
	if len(reply) > 0 {
		res.ContentType, res.Body = "Application/MANSRTSP", reply
	}
	_ = r.Respond(res)
}

// Notify sends a Notify inside the call's dialog: MediaStatus, when history media was sent to its end (GB/T 28181-2022
// A.2.5.4). SN is ours, and DeviceID the channel where m has none. An error is a superior that did not answer 2xx;
// Monibuca answers 400, so it is for the log only.
func (c *Call) Notify(ctx context.Context, m manscdp.Message) error {
	own, err := withHeader(m, c.p.nextSN(), c.channel)
	if err != nil {
		return err
	}
	body, err := c.p.encode(own)
	if err != nil {
		return fmt.Errorf("encode %s: %w", own.Head().CmdType, err)
	}
	res, err := c.sendInDialog(ctx, func() *sipua.Request {
		r := c.inDialog("MESSAGE")
		r.From.URI = c.p.self() // WVP of old looked the device up by it (WVP issue 533)
		if c.p.cfg.Compat.MediaStatusFrom == "channel" {
			r.From.URI.User = c.channel
		}
		r.ContentType, r.Body = typeMANSCDP, body
		return r
	}, c.p.cfg.Timers.Reply)
	if err != nil {
		return err
	}
	if res.Code/100 != 2 {
		return answeredError(res)
	}
	return nil
}

// inDialog builds a request of the dialog that the INVITE and our 200 made: sides swapped, to the superior's Contact,
// along its Record-Route.
func (c *Call) inDialog(method string) *sipua.Request {
	target := sipua.URI{
		User: c.req.From.URI.User, Host: c.req.Source.Addr().String(), Port: int(c.req.Source.Port()),
	}
	if c.req.Contact != nil {
		target = *c.req.Contact
	}
	r := &sipua.Request{
		Method: method, URI: target, CallID: c.id, CSeq: c.cseq.Add(1), Patient: true,
		From: sipua.Address{URI: c.req.To.URI, Tag: c.localTag},
		To:   sipua.Address{URI: c.req.From.URI, Tag: c.remoteTag},
	}
	for _, hop := range c.req.HeaderValues("Record-Route") {
		r.Headers = append(r.Headers, sipua.Header{Name: "Route", Value: hop})
	}
	return r
}

// sendInDialog sends a request to where the INVITE came from, as Contacts often hold an address behind a NAT; when the
// superior's own TCP connection is gone, to where we are registered.
func (c *Call) sendInDialog(ctx context.Context, make func() *sipua.Request, limit time.Duration) (
	*sipua.Response, error,
) {
	route := sipua.Route{Transport: c.req.Transport, Remote: c.req.Source, Local: c.sip}
	res, err := c.p.send(ctx, make(), route, limit)
	if err != nil && !errors.Is(err, errNoAnswer) && ctx.Err() == nil {
		res, err = c.p.send(ctx, make(), c.p.route(), limit)
	}
	return res, err
}
