package sipua

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
)

// ErrAnswered is the refusal to give a request a second, different final response.
var ErrAnswered = errors.New("sipua: request already has its final response")

// errStranger is a request from nobody we know.
var errStranger = errors.New("unknown From user")

// receiveRequest takes a request in its reader goroutine: what depends on the order of arrival happens here, the rest
// in the handler's goroutine.
func (e *Endpoint) receiveRequest(m *sip.Request, from peer, raw []byte) error {
	user := m.From().Address.User
	if e.cfg.Strangers != nil && e.cfg.Strangers(user, from.remote()) {
		return fmt.Errorf("%w %q", errStranger, user)
	}
	e.trace(false, from.transport(), from.remote(), raw)
	r := decodeRequest(m)
	r.Transport, r.Source = from.transport(), from.remote()
	r.Arrival = e.arrival.Add(1)
	// Transactions keep the message; the body is the handler's alone.
	m.SetBody(nil)
	m.SetTransport(strings.ToUpper(r.Transport))
	m.SetSource(r.Source.String())

	in := &inbound{e: e, req: m, back: e.answerPath(m, from), key: keyOf(r), cancelled: make(chan struct{})}
	r.LocalTag = r.To.Tag
	if r.LocalTag == "" {
		r.LocalTag = newTag()
	}
	in.tag, in.slot, r.in = r.LocalTag, func() {}, in

	switch r.Method {
	case "CANCEL":
		e.receiveCancel(r)
		return nil
	case "ACK":
		if e.exchanges.absorbACK(r) {
			return nil
		}
	default:
		if old := e.exchanges.find(in.key); old != nil {
			old.repeat(in.back)
			return nil
		}
	}
	e.dispatch(r)
	return nil
}

// answerPath is where the responses to a request go, and notes in its Via what RFC 3581 §4 and RFC 3261 §18.2.1 want
// to be told. Over TCP it is the connection, even if the Via says UDP (gowvp). Over UDP it is the source; only a sender
// who names his own address and does not ask for rport may have his answers at another port.
func (e *Endpoint) answerPath(m *sip.Request, from peer) peer {
	v, src := m.Via(), from.remote()
	sentBy, err := netip.ParseAddr(v.Host)
	elsewhere := err != nil || sentBy.Unmap() != src.Addr().WithZone("")
	asked := v.Params.Has("rport")
	if asked {
		v.Params.Add("rport", fmt.Sprint(src.Port()))
	}
	if asked || elsewhere {
		v.Params.Add("received", src.Addr().WithZone("").String())
	}
	if from.transport() == "tcp" || asked || elsewhere {
		return from
	}
	port := v.Port
	if port == 0 {
		port = 5060
	}
	return &udpPeer{e: e, to: netip.AddrPortFrom(src.Addr(), uint16(port))} //nolint:gosec // repaired: at most 65535
}

// dispatch starts the handler of a new request, or refuses it.
func (e *Endpoint) dispatch(r *Request) {
	in := r.in
	if !e.takeSlot(in) {
		e.refuse(r)
		return
	}
	if r.Method != "ACK" && !e.exchanges.add(in) {
		in.slot()
		e.refuse(r)
		return
	}
	h, known := e.handlers[r.Method]
	if !known {
		h = e.unhandled
	}
	if !e.spawn(func() { e.handle(h, r) }) {
		in.slot()
	}
}

// takeSlot takes a concurrency slot. Over TCP it may wait a little: reading slower is the kinder refusal there, but a
// handler may be waiting for an answer on this very connection.
func (e *Endpoint) takeSlot(in *inbound) bool {
	select {
	case e.slots <- struct{}{}:
		in.holdSlot()
		return true
	default:
	}
	if in.back.transport() == "udp" {
		return false
	}
	wait := time.NewTimer(50 * time.Millisecond)
	defer wait.Stop()
	select {
	case e.slots <- struct{}{}:
		in.holdSlot()
		return true
	case <-wait.C:
	case <-e.closed:
	}
	return false
}

// handle runs a handler; a panic of it costs this request only.
func (e *Endpoint) handle(h Handler, r *Request) {
	defer r.in.slot()
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		e.log.Error("sip: handler panic", "method", r.Method, "from", r.Source.String(), "panic", p,
			"stack", string(debug.Stack()))
		if r.Method != "ACK" {
			_ = r.Respond(&Response{Code: 500})
		}
	}()
	h(e.ctx, r)
}

// unhandled answers what has no handler.
func (e *Endpoint) unhandled(_ context.Context, r *Request) {
	code := 405
	switch r.Method {
	case "ACK":
		return
	case "OPTIONS":
		code = 200
	}
	if err := r.Respond(&Response{Code: code, Headers: []Header{{"Allow", e.allow()}}}); err != nil {
		e.log.Warn("sip: answer", "method", r.Method, "to", r.Source.String(), "error", err)
	}
}

// allow lists the methods this endpoint serves, handled by others or by itself.
func (e *Endpoint) allow() string {
	order := []string{
		"INVITE", "ACK", "INFO", "CANCEL", "BYE", "OPTIONS", "MESSAGE", "SUBSCRIBE", "NOTIFY", "REGISTER",
	}
	var out []string
	for _, m := range order {
		if _, ok := e.handlers[m]; ok || m == "CANCEL" || m == "OPTIONS" || m == "ACK" {
			out = append(out, m)
		}
	}
	var others []string
	for m := range e.handlers {
		if !slices.Contains(order, m) {
			others = append(others, m)
		}
	}
	slices.Sort(others)
	return strings.Join(append(out, others...), ", ")
}

// refuse answers 503 without remembering anything, as long as that itself is not too much.
func (e *Endpoint) refuse(r *Request) {
	e.noise.drop("overloaded, refused "+r.Method, r.Source, 0, errTooBusy)
	if r.Method == "ACK" || !e.refusals.Allow() {
		return
	}
	m, err := encodeResponse(r.in.req, &Response{Code: 503, Headers: []Header{{"Retry-After", "5"}}}, r.LocalTag,
		e.cfg.UserAgent)
	if err == nil {
		_ = r.in.back.WriteMsg(m)
	}
}

var errTooBusy = errors.New("too many requests at one time")

// receiveCancel answers a CANCEL and ends the INVITE it means (RFC 3261 §9.2). The INVITE is found by Call-ID and
// branch or CSeq.
func (e *Endpoint) receiveCancel(r *Request) {
	invite := e.exchanges.call(r.CallID)
	code, tag := 481, r.LocalTag
	if invite != nil && (invite.key.branch == r.Branch || invite.key.cseq == r.CSeq) {
		code, tag = 200, invite.tag
	}
	if err := r.Respond(&Response{Code: code, ToTag: tag}); err != nil {
		e.log.Warn("sip: answer", "method", r.Method, "to", r.Source.String(), "error", err)
	}
	if code == 200 && invite.respond(&Response{Code: 487}) == nil {
		close(invite.cancelled)
	}
}

// Respond answers a received request with res. The To-tag is res.ToTag, else LocalTag, unless the request's To has one.
// A provisional response may be followed by others; of final responses there is one, except that the 2xx to an
// INVITE may be sent again until its ACK arrives. ErrAnswered says that the request has another final response
// already, for example 487 after a CANCEL.
func (r *Request) Respond(res *Response) error {
	if r.in == nil {
		return errors.New("sipua: not a received request")
	}
	if r.Method == "ACK" {
		return errors.New("sipua: ACK has no response")
	}
	return r.in.respond(res)
}

// Cancelled is closed when a CANCEL for this INVITE arrived before its final response. The endpoint has answered both.
func (r *Request) Cancelled() <-chan struct{} {
	if r.in == nil {
		return nil
	}
	return r.in.cancelled
}
