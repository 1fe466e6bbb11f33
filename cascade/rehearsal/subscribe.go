package rehearsal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"gbgate/gb28181/manscdp"
	"gbgate/gb28181/sipua"
)

// maxNotifications bounds what a subscription keeps; the oldest go first.
const maxNotifications = 4096

// SubscribeRequest is what to subscribe to, and how it is asked.
type SubscribeRequest struct {
	Command  string // Catalog, Alarm, MobilePosition or PTZPosition
	DeviceID string // empty: the node
	// Event is the header's value, byte for byte; empty sends none, as Monibuca does.
	Event string
	// Expires is what is asked for; 0 asks for 10 minutes, negative sends no header.
	Expires time.Duration
	// Filter is put into the query behind DeviceID, for example <Interval>5</Interval>.
	Filter string
	// Edit may change each SUBSCRIBE before it is sent.
	Edit func(*sipua.Request)
}

// Notification is one NOTIFY of a subscription.
type Notification struct {
	At      time.Time
	Event   string // header value
	State   string // Subscription-State
	CSeq    uint32
	Message manscdp.Message // *Unread when the codec does not know it
	Body    []byte
}

// Subscription is one dialog of SUBSCRIBE and NOTIFY. Its methods may be called from any goroutine.
type Subscription struct {
	node    *Node
	req     SubscribeRequest
	route   sipua.Route
	request *sipua.Request // the first one, with the dialog's tags

	busy sync.Mutex // one SUBSCRIBE at a time

	// Guarded by Platform.mu.
	granted time.Duration
	answer  *sipua.Response
	got     []Notification
	last    uint32 // CSeq
	ended   bool   // by Expires 0 or Forget
	faults  faults
}

// errNotNotified is the end of a wait.
var errNotNotified = errors.New("no such NOTIFY in time")

// Subscribe opens a subscription. A refusal has a *gb28181.Error in its chain.
func (n *Node) Subscribe(ctx context.Context, req SubscribeRequest) (*Subscription, error) {
	route, err := n.route()
	if err != nil {
		return nil, err
	}
	if req.DeviceID == "" {
		req.DeviceID = n.id
	}
	if req.Expires == 0 {
		req.Expires = 10 * time.Minute
	}
	s := &Subscription{node: n, req: req, route: route}
	s.request = n.request("SUBSCRIBE", req.DeviceID, route)
	contact, err := n.p.contact(route)
	if err != nil {
		return nil, err
	}
	s.request.Contact = &contact
	n.p.mu.Lock()
	n.p.subscriptions[s.request.CallID] = s // before the answer: a NOTIFY may overtake it
	n.p.mu.Unlock()
	if err := s.send(ctx, req.Expires, true); err != nil {
		s.Forget()
		return nil, err
	}
	return s, nil
}

// contact is the address that requests in a dialog are to be sent to.
func (p *Platform) contact(route sipua.Route) (sipua.URI, error) {
	ours, err := p.ep.LocalFor(route.Remote)
	return sipua.URI{User: p.cfg.ID, Host: ours.Addr().String(), Port: int(ours.Port())}, err
}

// Refresh prolongs the subscription, with or without the query in it.
func (s *Subscription) Refresh(ctx context.Context, withBody bool) error {
	return s.send(ctx, s.req.Expires, withBody)
}

// Unsubscribe ends the subscription with Expires 0. NOTIFYs that still come are kept.
func (s *Subscription) Unsubscribe(ctx context.Context) error { return s.send(ctx, 0, true) }

// Forget drops the subscription without a word: its next NOTIFY is answered 481.
func (s *Subscription) Forget() {
	p := s.node.p
	p.mu.Lock()
	defer p.mu.Unlock()
	s.ended = true
	delete(p.subscriptions, s.request.CallID)
}

// send sends one SUBSCRIBE of the dialog, by the way that leads to the node now.
func (s *Subscription) send(ctx context.Context, expires time.Duration, withBody bool) error {
	s.busy.Lock()
	defer s.busy.Unlock()
	route, err := s.node.route()
	if err != nil {
		return err
	}
	s.route = route
	r := *s.request
	r.Headers = nil
	if s.req.Event != "" {
		r.Headers = append(r.Headers, sipua.Header{Name: "Event", Value: s.req.Event})
	}
	if expires >= 0 {
		r.Headers = append(r.Headers, sipua.Header{Name: "Expires", Value: strconv.Itoa(int(expires / time.Second))})
	}
	if withBody {
		r.ContentType, r.Body = "Application/MANSCDP+xml", s.query()
	}
	if s.req.Edit != nil {
		s.req.Edit(&r)
	}
	s.request.CSeq++
	res, err := s.node.p.ep.Do(ctx, &r, route)
	if err != nil {
		return fmt.Errorf("SUBSCRIBE to %s: %w", s.node.id, err)
	}
	if err := refusal(&r, res); err != nil {
		return err
	}
	s.node.p.mu.Lock() // a NOTIFY may be judged by it at this moment
	s.request.To.Tag = res.ToTag
	s.node.p.mu.Unlock()
	if res.Contact != nil {
		s.request.URI = *res.Contact
	}
	s.accepted(&r, res, expires)
	return nil
}

// query writes the body by hand as platforms do: what the codec would not write wrong must be seen to be read right.
func (s *Subscription) query() []byte {
	return []byte("<?xml version=\"1.0\" encoding=\"GB2312\"?>\r\n<Query>\r\n<CmdType>" + s.req.Command +
		"</CmdType>\r\n<SN>" + s.node.p.nextSN() + "</SN>\r\n<DeviceID>" + s.req.DeviceID + "</DeviceID>\r\n" +
		s.req.Filter + "</Query>\r\n")
}

// accepted judges the 200 (RFC 6665 4.2.1.1; 2022 9.11): Expires not above what was asked, Contact, the Event again.
func (s *Subscription) accepted(r *sipua.Request, res *sipua.Response, asked time.Duration) {
	p := s.node.p
	p.mu.Lock()
	defer p.mu.Unlock()
	s.answer = res
	f := &s.faults
	granted, err := strconv.Atoi(res.Header("Expires"))
	switch s.granted = time.Duration(granted) * time.Second; {
	case err != nil:
		f.add("expires", "the answer's Expires is %q", res.Header("Expires"))
	case asked == 0 && granted != 0:
		f.add("expires-0", "the answer to Expires 0 grants %d s", granted)
	case asked >= 30*time.Second && s.granted > asked:
		f.add("expires-more", "%v were asked for and %v granted", asked, s.granted)
	}
	if res.Contact == nil {
		f.add("contact", "the answer has no Contact")
	}
	if res.ToTag == "" {
		f.add("tag", "the answer has no To-tag")
	}
	if want := r.Header("Event"); want != "" && res.Header("Event") != want {
		f.add("event", "the answer's Event is %q, want %q", res.Header("Event"), want)
	}
	if asked == 0 {
		s.ended = true
	}
	p.wake()
}

// notify answers a NOTIFY: 481 when there is no such subscription, else 200.
func (p *Platform) notify(_ context.Context, r *sipua.Request) {
	p.mu.Lock()
	s := p.subscriptions[r.CallID]
	if s != nil {
		s.take(r)
		p.wake()
	}
	p.mu.Unlock()
	if s == nil {
		p.respond(r, &sipua.Response{Code: 481})
		return
	}
	p.respond(r, &sipua.Response{Code: 200})
}

// take keeps and judges a NOTIFY; Platform.mu is held.
func (s *Subscription) take(r *sipua.Request) {
	note := Notification{
		At: time.Now(), Event: r.Header("Event"), State: r.Header("Subscription-State"), CSeq: r.CSeq,
		Message: decode(r.Body), Body: bytes.Clone(r.Body),
	}
	f := &s.faults
	want := s.req.Event
	if want == "" {
		want = s.req.Command // the notifier has to send one (RFC 6665 8.2.1)
	}
	if note.Event != want {
		f.add("notify-event", "a NOTIFY has the Event %q, want %q", note.Event, want)
	}
	state, _, _ := strings.Cut(note.State, ";")
	switch {
	case state != "active" && state != "terminated":
		f.add("state", "a NOTIFY has the Subscription-State %q", note.State)
	case state == "active" && s.ended:
		f.add("after-end", "a NOTIFY came after the subscription was ended")
	}
	if r.CSeq <= s.last {
		f.add("cseq", "a NOTIFY has the CSeq %d after %d", r.CSeq, s.last)
	}
	s.last = r.CSeq
	if r.From.URI.User != s.node.id {
		f.add("from", "a NOTIFY comes from %s, not from the node", r.From.URI.User)
	}
	if tag := s.request.To.Tag; tag != "" && r.From.Tag != tag || r.To.Tag != s.request.From.Tag {
		f.add("tags", "a NOTIFY has the tags %s and %s of another dialog", r.From.Tag, r.To.Tag)
	}
	s.judgeBody(&note)
	if len(s.got) >= maxNotifications {
		s.got = s.got[1:]
	}
	s.got = append(s.got, note)
}

func (s *Subscription) judgeBody(note *Notification) {
	switch {
	case note.Message == nil && len(note.Body) > 0:
		s.faults.add("body", "a NOTIFY's body cannot be read")
	case note.Message == nil:
	case note.Message.Root() != manscdp.Notify || note.Message.Head().CmdType != s.req.Command:
		h := note.Message.Head()
		s.faults.add("command", "a NOTIFY says %s %s, want %s", note.Message.Root(), h.CmdType, s.req.Command)
	}
}

// Notifications are the NOTIFYs so far.
func (s *Subscription) Notifications() []Notification {
	s.node.p.mu.Lock()
	defer s.node.p.mu.Unlock()
	return slices.Clone(s.got)
}

// Granted is the lifetime of the last answer, Answer that answer.
func (s *Subscription) Granted() time.Duration {
	s.node.p.mu.Lock()
	defer s.node.p.mu.Unlock()
	return s.granted
}

// Answer is the last 200.
func (s *Subscription) Answer() *sipua.Response {
	s.node.p.mu.Lock()
	defer s.node.p.mu.Unlock()
	return s.answer
}

// Faults are the rules that the node broke in this subscription.
func (s *Subscription) Faults() []string {
	s.node.p.mu.Lock()
	defer s.node.p.mu.Unlock()
	return s.faults.list()
}

// Wait returns the first NOTIFY from number from on (0 is the first ever) that met, which must not call the platform,
// holds for.
func (s *Subscription) Wait(ctx context.Context, from int, met func(Notification) bool) (Notification, error) {
	var found Notification
	err := s.node.p.wait(ctx, func() bool {
		for _, note := range s.got[min(from, len(s.got)):] {
			if met(note) {
				found = note
				return true
			}
		}
		return false
	})
	if err != nil {
		return found, fmt.Errorf("%s of %s: %w: %w", s.req.Command, s.req.DeviceID, errNotNotified, err)
	}
	return found, nil
}
