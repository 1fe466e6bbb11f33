package cascade

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"gbgate/gb28181"
	"gbgate/gb28181/manscdp"
	"gbgate/gb28181/sipua"
)

// Lifetimes of subscriptions.
const (
	minSubscription = 30 * time.Second
	maxSubscription = 24 * time.Hour
	catalogDefault  = 10 * time.Minute // GB/T 28181-2022 Annex N
	otherDefault    = time.Hour
	unknownGranted  = 30 * time.Second // what WVP grants where it will never notify
)

// onSubscribe answers a SUBSCRIBE. What is subscribed to stands in the body; Event differs too much for that: presence,
// Catalog;id=1, catalog, or none (Monibuca).
func (p *Platform) onSubscribe(r *sipua.Request) {
	old := p.subscription(r.CallID)
	query, err := p.subscribedTo(r, old)
	if err == nil {
		err = p.subscribable(query)
	}
	expires, asked := subscriptionLifetime(r, query)
	switch {
	case asked && expires == 0 && (old != nil || err == nil):
		// Taken back; also one that we don't know, so that the superior's books agree with ours.
		p.grant(r, query, 0)
		if old != nil {
			old.terminate()
		}
	case errors.Is(err, errBadEvent) && p.cfg.Compat.AcceptUnknownEvent:
		p.grant(r, nil, unknownGranted)
	case err != nil:
		p.log.Warn("subscription refused", "event", r.Header("Event"), "call", r.CallID, "error", err)
		refuse(r, err)
	case old != nil:
		old.renew(r, query, expires)
		p.grant(r, query, expires)
		poke(old.wake)
	default:
		s, err := p.newSubscription(r, query, expires)
		if err != nil {
			refuse(r, err)
			return
		}
		p.grant(r, query, expires)
		go s.run()
	}
}

var errBadEvent = gb28181.Errorf(489, "Bad Event")

// subscribedTo is the query of a SUBSCRIBE: its body, else what the dialog was for before.
func (p *Platform) subscribedTo(r *sipua.Request, old *subscription) (manscdp.Message, error) {
	if len(strings.TrimSpace(string(r.Body))) > 0 {
		m, err := manscdp.Decode(r.Body)
		var unknown *manscdp.UnknownError
		switch {
		case errors.As(err, &unknown):
			return nil, errBadEvent
		case err != nil:
			return nil, err
		}
		if m.Head().DeviceID == "" {
			m.Head().DeviceID = p.cfg.NodeID
		}
		if old == nil && r.To.Tag != "" && p.cfg.Compat.RefuseUnknownSub {
			return nil, gb28181.Errorf(481, "Subscription Does Not Exist")
		}
		return m, nil
	}
	event, _, _ := strings.Cut(r.Header("Event"), ";")
	switch {
	case old != nil:
		old.mu.Lock()
		defer old.mu.Unlock()
		return old.query, nil
	case r.To.Tag != "" && (p.cfg.Compat.RefuseUnknownSub || !strings.EqualFold(strings.TrimSpace(event), "Catalog")):
		// A refresh inside a dialog from before our start that does not say what it is for.
		return nil, gb28181.Errorf(481, "Subscription Does Not Exist")
	case strings.EqualFold(strings.TrimSpace(event), "Catalog"):
		return &manscdp.CatalogQuery{Header: manscdp.Header{
			CmdType: "Catalog", SN: p.nextSN(), DeviceID: p.cfg.NodeID,
		}}, nil
	}
	return nil, errBadEvent
}

// subscribable refuses what has no events and what we don't have.
func (p *Platform) subscribable(m manscdp.Message) error {
	id := m.Head().DeviceID
	switch q := m.(type) {
	case *manscdp.CatalogQuery:
		if p.knows(id) || p.catalogHas(q) {
			return nil
		}
	case *manscdp.AlarmQuery, *manscdp.MobilePositionQuery, *manscdp.PTZPositionQuery:
		// An alarm's source may be an input that is no channel.
		if p.knows(id) || gb28181.ID(id).Type() == gb28181.TypeAlarmInput {
			return nil
		}
	default:
		return errBadEvent
	}
	return gb28181.Errorf(404, "No such device")
}

// catalogHas says that there are items below a group, organisation or district.
func (p *Platform) catalogHas(q *manscdp.CatalogQuery) bool {
	return len(p.itemsOf(context.Background(), q)) > 0
}

func (p *Platform) itemsOf(ctx context.Context, q *manscdp.CatalogQuery) []manscdp.Item {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.Timers.Operation)
	defer cancel()
	res, err := p.site.Catalog(ctx, q)
	if err != nil || res == nil {
		return nil
	}
	return res.Items
}

// subscriptionLifetime is how long a subscription will last; asked is false when the superior left that to us.
func subscriptionLifetime(r *sipua.Request, q manscdp.Message) (d time.Duration, asked bool) {
	text := strings.TrimSpace(r.Header("Expires"))
	if n, err := strconv.ParseUint(text, 10, 32); err == nil {
		if n == 0 {
			return 0, true
		}
		return min(max(time.Duration(n)*time.Second, minSubscription), maxSubscription), true
	}
	if _, ok := q.(*manscdp.CatalogQuery); ok {
		return catalogDefault, false
	}
	return otherDefault, false
}

// grant is the 200. Its Event is the request's, byte for byte, and its body the Response that the platforms of 2016
// wait for.
func (p *Platform) grant(r *sipua.Request, q manscdp.Message, d time.Duration) {
	res := &sipua.Response{
		Code: 200, Contact: p.contact(p.cfg.NodeID),
		Headers: []sipua.Header{{Name: "Expires", Value: strconv.Itoa(int(d / time.Second))}},
	}
	if event := r.Header("Event"); event != "" {
		res.Headers = append(res.Headers, sipua.Header{Name: "Event", Value: event})
	}
	if q != nil && len(r.Body) > 0 && !p.cfg.Compat.OmitSubscribeBody {
		body := &manscdp.SubscribeResponse{Header: q.Head().Answer(), Result: manscdp.OK}
		if text, err := p.encode(body); err == nil {
			res.ContentType, res.Body = typeMANSCDP, text
		}
	}
	_ = r.Respond(res)
}

// newSubscription enters a subscription, in the place of an older one for the same thing: the superior has restarted.
func (p *Platform) newSubscription(r *sipua.Request, q manscdp.Message, d time.Duration) (*subscription, error) {
	s := &subscription{
		p: p, kind: q.Head().CmdType, callID: r.CallID, localTag: r.LocalTag, remoteTag: r.From.Tag,
		local:   sipua.URI{User: p.cfg.NodeID, Host: r.To.URI.Host, Port: r.To.URI.Port},
		adopted: r.To.Tag != "",
		wake:    make(chan struct{}, 1), done: make(chan struct{}),
		query: q, invite: r, event: r.Header("Event"), expires: time.Now().Add(d),
		changes: newChanges(p.cfg.Timers.Debounce, p.cfg.Timers.Batch),
	}
	if s.kind == "PTZPreciseStatusQuery" {
		s.kind = "PTZPosition"
	}
	if s.adopted {
		// Its NOTIFYs go on from a number that we forgot; a lower one would be out of order (RFC 3261 12.2.2).
		s.cseq = uint32(time.Now().Unix()) & 0x3FFFFFFF //nolint:gosec // masked
	}
	s.initial()
	work, ok := p.begin()
	if !ok {
		return nil, gb28181.Errorf(503, "The gateway is leaving")
	}
	s.ctx, s.end = context.WithCancelCause(context.WithoutCancel(work))
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, old := range p.subs { // never the other way round: whoever holds a subscription's lock does not take p.mu
		if old.kind == s.kind && old.device() == s.device() {
			delete(p.subs, id)
			old.end(errReplaced)
		}
	}
	if len(p.subs) >= maxSubscriptions {
		p.busy.Done()
		s.end(errReplaced)
		return nil, gb28181.Errorf(503, "Too many subscriptions")
	}
	p.subs[s.callID] = s
	return s, nil
}

var errReplaced = errors.New("replaced by a newer subscription")

// renew is a SUBSCRIBE inside the dialog.
func (s *subscription) renew(r *sipua.Request, q manscdp.Message, d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.query, s.expires, s.fails = q, time.Now().Add(d), 0
	if event := r.Header("Event"); event != "" {
		s.event = event
	}
	if r.Contact == nil {
		r.Contact = s.invite.Contact
	}
	s.invite = r
}

// subscription finds one by its Call-ID.
func (p *Platform) subscription(callID string) *subscription {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.subs[callID]
}

// subscriptions are those of one kind, in no order; an empty kind is all.
func (p *Platform) subscriptions(kind string) []*subscription {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []*subscription
	for _, s := range p.subs {
		if kind == "" || s.kind == kind {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b *subscription) int { return strings.Compare(a.callID, b.callID) })
	return out
}

// forget takes a subscription out that is over.
func (p *Platform) forget(s *subscription) {
	s.end(nil)
	p.mu.Lock()
	if p.subs[s.callID] == s {
		delete(p.subs, s.callID)
	}
	p.mu.Unlock()
	p.busy.Done()
}

// dropSubscriptions ends them with the superior's view of us (GB/T 28181-2022 9.6). A lost connection or an address of
// ours that changed is mended at once and mostly unnoticed above; then they stay, as the superior would not subscribe
// again before they run out.
func (p *Platform) dropSubscriptions(cause error) {
	if isReset(cause) || errors.Is(cause, errMoved) {
		return
	}
	for _, s := range p.subscriptions("") {
		s.end(cause)
	}
}
