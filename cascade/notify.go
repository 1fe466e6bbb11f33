package cascade

import (
	"context"
	"errors"
	"strconv"
	"time"

	"gbgate/gb28181"
	"gbgate/gb28181/manscdp"
	"gbgate/gb28181/sipua"
)

const tcpChanges = 20 // changes of one Catalog NOTIFY over TCP

// initial queues what is not as it should be, so that the superior knows from the start (GB/T 28181-2022 Annex N).
// Platforms of 2016 take a NOTIFY that follows at once for an error.
func (s *subscription) initial() {
	when := s.p.cfg.Compat.InitialNotify
	if s.kind != "Catalog" || when == "off" || when == "auto" && s.p.Edition() != gb28181.Edition2022 {
		return
	}
	s.tellAbnormal = true
}

// deliverCatalog sends the changes that are due in as few NOTIFYs as the transport allows.
func (s *subscription) deliverCatalog() time.Time {
	var due []manscdp.NotifyItem
	if s.tellAbnormal {
		s.tellAbnormal = false
		due = s.abnormal()
	}
	s.mu.Lock()
	more, next := s.changes.take(time.Now())
	s.mu.Unlock()
	if due = s.inScope(append(due, more...)); len(due) == 0 {
		return next
	}
	l := list[manscdp.NotifyItem]{
		items: due, element: "DeviceList",
		part: func(items []manscdp.NotifyItem, _ int) manscdp.Message {
			return &manscdp.CatalogNotify{
				Header: s.p.ownHeader("Catalog", s.device()), SumNum: len(items), Num: len(items), Items: items,
			}
		},
		shorter: func(it *manscdp.NotifyItem) func(func(func()) bool) { return slimmer(&it.Item) },
		frame:   func(body []byte) *sipua.Request { return s.request(body, time.Hour) },
	}
	if s.p.cfg.Transport == "tcp" {
		l.maxItems = tcpChanges
	}
	edition := s.p.Edition()
	for i := range l.items {
		switch l.items[i].Event {
		case manscdp.EventAdd, manscdp.EventUpdate:
			l.items[i].Item = l.items[i].For(edition)
		}
	}
	parts, err := pages(s.p, l, "")
	if err != nil {
		s.p.log.Error("catalog changes", "error", err)
	}
	for _, body := range parts {
		for s.notify(body) {
			if !sleep(s.ctx, s.p.cfg.Timers.Batch) {
				return time.Time{}
			}
		}
		if s.ctx.Err() != nil {
			return time.Time{}
		}
	}
	return next
}

// abnormal are the channels that are not ON.
func (s *subscription) abnormal() []manscdp.NotifyItem {
	var out []manscdp.NotifyItem
	for _, it := range s.p.itemsOf(s.ctx, &manscdp.CatalogQuery{Header: s.header()}) {
		if it.Status != manscdp.EventOff {
			continue
		}
		s.mu.Lock()
		s.changes.reported[it.DeviceID] = manscdp.EventOff
		s.mu.Unlock()
		out = append(out, manscdp.NotifyItem{Item: it, Event: manscdp.EventOff})
	}
	return out
}

func (s *subscription) header() manscdp.Header {
	s.mu.Lock()
	defer s.mu.Unlock()
	return *s.query.Head()
}

// inScope leaves out what is not below the device that is subscribed to.
func (s *subscription) inScope(all []manscdp.NotifyItem) []manscdp.NotifyItem {
	if len(all) == 0 || s.covers("") {
		return all
	}
	below := map[string]bool{s.device(): true}
	for _, it := range s.p.itemsOf(s.ctx, &manscdp.CatalogQuery{Header: s.header()}) {
		below[it.DeviceID] = true
	}
	var out []manscdp.NotifyItem
	for _, it := range all {
		if below[it.DeviceID] || it.Event == manscdp.EventDel { // what is gone is below nothing any more
			out = append(out, it)
		}
	}
	return out
}

// notifyMessage sends a message in a NOTIFY; true says that it was not delivered and is to be tried again.
func (s *subscription) notifyMessage(m manscdp.Message) (again bool) {
	body, err := s.p.encode(m)
	if err != nil {
		s.p.log.Error("notification not written", "kind", s.kind, "error", err)
		return false
	}
	return s.notify(body)
}

// notify sends one NOTIFY and waits for its answer. 481 means that the superior has forgotten the subscription; three
// NOTIFYs without a 2xx mean so too. After a failure before that it gives true: the same should be tried again.
func (s *subscription) notify(body []byte) (again bool) {
	s.mu.Lock()
	s.cseq++
	left := time.Until(s.expires)
	s.mu.Unlock()
	if left <= 0 {
		return false
	}
	res, err := s.send(s.ctx, s.request(body, left))
	if s.ctx.Err() != nil {
		return false
	}
	if err == nil {
		switch {
		case res.Code/100 == 2:
			s.mu.Lock()
			s.fails = 0
			s.mu.Unlock()
			return false
		case res.Code == 481:
			s.p.log.Info("the superior has forgotten a subscription", "kind", s.kind, "call", s.callID)
			s.end(answeredError(res))
			return false
		}
		err = answeredError(res)
	}
	s.mu.Lock()
	s.fails++
	fails := s.fails
	s.mu.Unlock()
	s.p.log.Warn("NOTIFY failed", "kind", s.kind, "call", s.callID, "in_a_row", fails, "error", err)
	if fails >= maxNotifyFails {
		s.end(err)
		return false
	}
	return true
}

// send sends a NOTIFY to where the SUBSCRIBE came from, or where we are registered when that connection is gone.
func (s *subscription) send(ctx context.Context, r *sipua.Request) (*sipua.Response, error) {
	s.mu.Lock()
	from := s.invite
	s.mu.Unlock()
	to := sipua.Route{Transport: from.Transport, Remote: from.Source}
	if !to.Remote.IsValid() {
		to = s.p.route()
	}
	limit := s.p.cfg.Timers.Reply
	if s.ctx.Err() != nil { // the last one, perhaps on our way out
		limit = min(limit, s.p.cfg.Timers.Leave/2)
	}
	res, err := s.p.send(ctx, r, to, limit)
	if err != nil && !errors.Is(err, errNoAnswer) && ctx.Err() == nil {
		res, err = s.p.send(ctx, r, s.p.route(), limit)
	}
	return res, err
}

// request builds a NOTIFY of the dialog. From is the node whatever was subscribed to: WVP finds the device by it. Event
// is the SUBSCRIBE's to the byte, else JAIN-SIP answers 481 (WVP issue 436).
func (s *subscription) request(body []byte, left time.Duration) *sipua.Request {
	s.mu.Lock()
	invite, event, cseq := s.invite, s.event, s.cseq
	s.mu.Unlock()
	target := s.p.target()
	if invite.Contact != nil {
		target = *invite.Contact
	}
	if event == "" { // Monibuca
		event = s.kind
	}
	state := "active;expires=" + strconv.Itoa(int((left+time.Second-1)/time.Second))
	if left <= 0 {
		state = "terminated;reason=deactivated"
	}
	r := &sipua.Request{
		Method: "NOTIFY", URI: target, CallID: s.callID, CSeq: cseq,
		From:    sipua.Address{URI: s.local, Tag: s.localTag},
		To:      sipua.Address{URI: invite.From.URI, Tag: s.remoteTag},
		Contact: s.p.contact(s.p.cfg.NodeID), Patient: true,
		Headers: []sipua.Header{{Name: "Event", Value: event}, {Name: "Subscription-State", Value: state}},
	}
	if len(body) > 0 {
		r.ContentType, r.Body = typeMANSCDP, body
	}
	for _, hop := range invite.HeaderValues("Record-Route") {
		r.Headers = append(r.Headers, sipua.Header{Name: "Route", Value: hop})
	}
	return r
}

// terminate ends a subscription that was taken back. Superiors that have dropped the dialog already answer a last
// NOTIFY with 481, so it is sent only where it is wanted.
func (s *subscription) terminate() {
	s.p.log.Info("subscription ends", "kind", s.kind, "call", s.callID)
	s.end(errTakenBack)
	if !s.p.cfg.Compat.NotifyTerminated {
		return
	}
	s.mu.Lock()
	s.cseq++
	s.mu.Unlock()
	if _, ok := s.p.begin(); !ok {
		return
	}
	go func() {
		defer s.p.busy.Done()
		_, err := s.send(context.WithoutCancel(s.ctx), s.request(nil, 0))
		if err != nil {
			s.p.log.Debug("last NOTIFY", "error", err)
		}
	}()
}

var errTakenBack = errors.New("the platform took the subscription back")

// ownHeader begins a Notify of ours.
func (p *Platform) ownHeader(command, device string) manscdp.Header {
	return manscdp.Header{CmdType: command, SN: p.nextSN(), DeviceID: device}
}
