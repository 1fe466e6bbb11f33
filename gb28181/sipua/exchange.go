package sipua

import (
	"container/list"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/google/uuid"
)

// Bounds of what is remembered about received requests.
const (
	maxExchanges  = 2048             // answered or being answered, for repeats
	exchangeAge   = 32 * time.Second // 64·T1: no peer repeats a request longer (RFC 3261 timers F and J)
	maxCalls      = 2048             // INVITEs whose transaction lives
	inviteTimeout = 3 * time.Minute  // an INVITE that nobody answered gets 408 (RFC 3261 timer C)
)

// exchangeKey recognises a repeated request. The method is the start line's: lalmax sends BYE with "CSeq: 3 ACK" and
// the ACK's branch. SN is no part of it, since superiors send constant ones.
type exchangeKey struct {
	method, callID, branch string
	cseq                   uint32
}

func keyOf(r *Request) exchangeKey { return exchangeKey{r.Method, r.CallID, r.Branch, r.CSeq} }

// exchanges remembers received requests for exchangeAge so that a repeat gets the same final response and does not
// reach the handler, on TCP too: gb-cms repeats MESSAGE, INFO and BYE there 0.5 s after its 200.
type exchanges struct {
	mu    sync.Mutex
	by    map[exchangeKey]*inbound
	order *list.List // *inbound, oldest first
	calls map[string]*inbound
}

func newExchanges() *exchanges {
	return &exchanges{by: map[exchangeKey]*inbound{}, order: list.New(), calls: map[string]*inbound{}}
}

// inbound is a received request as far as answering it goes.
type inbound struct {
	e         *Endpoint
	req       *sip.Request // not changed any more; without its body
	key       exchangeKey
	back      peer
	tag       string
	born      time.Time
	slot      func() // gives the concurrency slot back, once
	cancelled chan struct{}
	tx        *sip.ServerTx // INVITE only: 100 after 200 ms, final responses ≥ 300 until ACK
	expire    *time.Timer   // INVITE only

	mu    sync.Mutex
	final *sip.Response
}

func (in *inbound) holdSlot() {
	in.slot = sync.OnceFunc(func() { <-in.e.slots })
}

func (x *exchanges) find(k exchangeKey) *inbound {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.by[k]
}

// call is the living INVITE of a Call-ID.
func (x *exchanges) call(callID string) *inbound {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.calls[callID]
}

// add remembers a new request and starts an INVITE's transaction; false when there are too many INVITEs.
func (x *exchanges) add(in *inbound) bool {
	in.born = time.Now()
	x.mu.Lock()
	defer x.mu.Unlock()
	if in.key.method == "INVITE" {
		if len(x.calls) >= maxCalls {
			return false
		}
		in.tx = sip.NewServerTx(in.key.branch, in.req, in.back, in.e.quiet)
		if in.tx.Init() != nil {
			return false
		}
		in.tx.OnTerminate(func(string, error) { x.endCall(in) })
		in.expire = time.AfterFunc(inviteTimeout, func() { _ = in.respond(&Response{Code: 408}) })
		x.calls[in.key.callID] = in
	}
	x.by[in.key] = in
	x.order.PushBack(in)
	for el := x.order.Front(); el != nil; el = x.order.Front() {
		old := el.Value.(*inbound)
		if x.order.Len() <= maxExchanges && in.born.Sub(old.born) < exchangeAge {
			break
		}
		x.order.Remove(el)
		if x.by[old.key] == old {
			delete(x.by, old.key)
		}
	}
	return true
}

func (x *exchanges) endCall(in *inbound) {
	in.expire.Stop()
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.calls[in.key.callID] == in {
		delete(x.calls, in.key.callID)
	}
}

// absorbACK takes the ACK of an INVITE that was refused: it ends the repeats of the refusal and is nobody else's
// business. panjjo's ACK has another CSeq, so the INVITE is found by Call-ID and To-tag or branch.
func (x *exchanges) absorbACK(r *Request) bool {
	in := x.call(r.CallID)
	if in == nil || (r.To.Tag != in.tag && r.Branch != in.key.branch) {
		return false
	}
	in.mu.Lock()
	refused := in.final != nil && in.final.StatusCode >= 300
	in.mu.Unlock()
	if refused {
		in.tx.Terminate()
	}
	return refused
}

func (x *exchanges) terminateAll() {
	x.mu.Lock()
	var live []*inbound
	for el := x.order.Front(); el != nil; el = el.Next() {
		live = append(live, el.Value.(*inbound))
	}
	for _, in := range x.calls {
		live = append(live, in)
	}
	x.mu.Unlock()
	for _, in := range live {
		if in.tx != nil {
			in.expire.Stop()
			in.tx.Terminate()
		}
	}
}

// respond sends a response; of several finals the first stays.
func (in *inbound) respond(res *Response) error {
	m, err := encodeResponse(in.req, res, in.tag, in.e.cfg.UserAgent)
	if err != nil {
		return err
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.final != nil {
		if in.tx != nil && res.Code/100 == 2 && in.final.StatusCode == res.Code {
			return in.back.WriteMsg(m)
		}
		return ErrAnswered
	}
	if res.Code >= 200 {
		in.final = m
		if in.tx != nil { // what else the handler does is a call, not a request
			in.slot()
			in.expire.Stop()
		}
	}
	if in.tx != nil {
		return in.tx.Respond(m)
	}
	return in.back.WriteMsg(m)
}

// repeat answers a repeated request on the way the repeat came: with the same final response, before there is one with
// 100 to an INVITE and not at all to others.
func (in *inbound) repeat(back peer) {
	in.mu.Lock()
	res := in.final
	in.mu.Unlock()
	if res == nil && in.tx != nil {
		res, _ = encodeResponse(in.req, &Response{Code: 100}, in.tag, in.e.cfg.UserAgent)
	}
	if res != nil {
		_ = back.WriteMsg(res)
	}
}

// newTag makes a To-tag: unpredictable, so that nobody else can end a call.
func newTag() string { return uuid.NewString()[:18] }
