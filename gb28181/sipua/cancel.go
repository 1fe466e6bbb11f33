package sipua

import (
	"context"
	"time"

	"github.com/emiago/sipgo/sip"
)

// takeBack ends an INVITE whose sender has stopped waiting (RFC 3261 §9.1). CANCEL goes out when the peer has answered
// something, since a CANCEL that overtakes its INVITE means nothing; the 487 that follows is acknowledged by the
// transaction. A 200 that crosses it is a call that nobody wants: it is acknowledged and hung up.
func (e *Endpoint) takeBack(c *client, m *sip.Request, r Request, p peer, to Route) {
	var cancelled <-chan *sip.Response // the answers to our CANCEL; nothing depends on them
	deadline := time.NewTimer(64 * sip.T1)
	defer deadline.Stop()
	for {
		if c.progress.Load() && cancelled == nil {
			tx := e.sendCancel(m, r, p)
			if tx == nil {
				c.tx.Terminate()
				return
			}
			defer tx.Terminate()
			cancelled = tx.Responses()
		}
		select {
		case res := <-c.tx.Responses():
			switch {
			case res.IsProvisional():
				c.progress.Store(true)
			case res.IsSuccess():
				e.hangUp(r, decodeResponse(res, p.remote()), to)
				return
			default:
				return
			}
		case <-cancelled:
		case <-c.tx.Done():
			return
		case <-deadline.C:
			c.tx.Terminate()
			return
		case <-p.lost():
			c.tx.Terminate()
			return
		case <-e.closed:
			return
		}
	}
}

// sendCancel sends a CANCEL for the INVITE m: the same but for the method, even in the branch. nil: it could not be
// sent.
func (e *Endpoint) sendCancel(m *sip.Request, r Request, p peer) *sip.ClientTx {
	r.Method, r.Contact, r.ContentType, r.Body = "CANCEL", nil, "", nil
	var routes []Header
	for _, v := range headerValues(r.Headers, "Route") {
		routes = append(routes, Header{"Route", v})
	}
	r.Headers = routes
	top, ok := sip.HeaderClone(m.Via()).(*sip.ViaHeader)
	if !ok {
		return nil
	}
	msg, err := encodeRequest(&r, top, e.cfg.UserAgent)
	if err != nil {
		return nil
	}
	msg.SetTransport(m.Transport())
	branch, _ := top.Params.Get("branch")
	key := clientKey{branch, r.Method}
	c := &client{tx: sip.NewClientTx(branch, msg, p, e.quiet)}
	if !e.clients.add(key, c) {
		return nil
	}
	c.tx.OnTerminate(func(string, error) { e.clients.remove(key) })
	if c.tx.Init() != nil {
		c.tx.Terminate()
		return nil
	}
	return c.tx
}

// hangUp ends a call that was answered too late.
func (e *Endpoint) hangUp(r Request, res *Response, to Route) {
	r.To.Tag, r.ContentType, r.Body, r.Headers = res.ToTag, "", nil, nil
	if res.Contact != nil {
		r.URI = *res.Contact
	}
	hops := res.HeaderValues("Record-Route")
	for i := range hops {
		r.Headers = append(r.Headers, Header{"Route", hops[len(hops)-1-i]})
	}
	ack, bye := r, r
	ack.Method, bye.Method, bye.CSeq = "ACK", "BYE", r.CSeq+1
	if err := e.Send(&ack, to); err != nil {
		e.log.Warn("sip: ACK of a call taken back", "call", r.CallID, "error", err)
	}
	ctx, cancel := context.WithTimeout(e.life, byeTimeout)
	defer cancel()
	if _, err := e.Do(ctx, &bye, to); err != nil {
		e.log.Warn("sip: BYE of a call taken back", "call", r.CallID, "error", err)
	}
}

// byeTimeout bounds the wait for the answer to a BYE that nobody waits for.
const byeTimeout = 10 * time.Second
