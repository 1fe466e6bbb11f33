package simcam

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

// notice is one event of the device.
type notice struct {
	topic, sourceName, source, item, value string
	operation                              string // "Initialized" or "Changed"
	at                                     time.Time
}

// eventHub keeps the states and the pull points.
type eventHub struct {
	mu     sync.Mutex
	states map[string]notice // the last of each topic and source
	subs   map[string]*pullPoint
	serial int
}

// pullPoint is one subscription; signal is replaced whenever something comes.
type pullPoint struct {
	queue  []notice
	signal chan struct{}
	until  time.Time
}

// Limits of the hub.
const (
	maxQueue      = 1000
	maxPullPoints = 8
)

func (h *eventHub) init() {
	h.states = make(map[string]notice)
	h.subs = make(map[string]*pullPoint)
}

// Raise sends an event with one source item and one data item to every subscriber, and keeps it
// as the state that later ones are told first. topic has its prefix: "tns1:VideoSource/MotionAlarm".
func (d *ONVIF) Raise(topic, sourceName, source, item, value string) {
	n := notice{topic, sourceName, source, item, value, "Changed", d.now()}
	h := &d.events
	h.mu.Lock()
	defer h.mu.Unlock()
	h.states[topic+" "+source] = n
	for _, s := range h.subs {
		s.push(n)
	}
}

func (s *pullPoint) push(n notice) {
	s.queue = append(s.queue, n)
	if len(s.queue) > maxQueue {
		s.queue = s.queue[1:]
	}
	close(s.signal)
	s.signal = make(chan struct{})
}

// Subscriptions returns how many pull points there are.
func (d *ONVIF) Subscriptions() int {
	d.events.mu.Lock()
	defer d.events.mu.Unlock()
	return len(d.events.subs)
}

func (d *ONVIF) event(q *soapRequest) (string, *fault) {
	switch q.body.name {
	case "GetEventProperties":
		return in("tev:GetEventPropertiesResponse",
			el("tev:TopicNamespaceLocation", "http://www.onvif.org/onvif/ver10/topics/topicns.xml"),
			el("wsnt:FixedTopicSet", "true"), `<wstop:TopicSet xmlns:wstop="http://docs.oasis-open.org/wsn/t-1"/>`,
			el("wsnt:TopicExpressionDialect", "http://www.onvif.org/ver10/tev/topicExpression/ConcreteSet"),
			el("tev:MessageContentFilterDialect", "http://www.onvif.org/ver10/tev/messageContentFilter/ItemFilter"),
			el("tev:MessageContentSchemaLocation", "http://www.onvif.org/onvif/ver10/schema/onvif.xsd")), nil
	case "CreatePullPointSubscription":
		return d.subscribe(q)
	}
	id := q.http.URL.Query().Get("id")
	if d.cfg.Quirks.NeedsParameters {
		id = q.envelope.str("Header", "SubscriptionId")
	}
	d.events.mu.Lock()
	sub := d.events.subs[id]
	d.events.mu.Unlock()
	if sub == nil || d.expired(sub) {
		return "", &fault{"Receiver", "ResourceUnknownFault", "no such subscription"}
	}
	if d.cfg.Quirks.NeedsMessageID && q.envelope.str("Header", "MessageID") == "" {
		return "", &fault{"Sender", "InvalidArgs", "MessageID missing"}
	}
	return d.subscribed(q, id, sub)
}

func (d *ONVIF) expired(s *pullPoint) bool {
	d.events.mu.Lock()
	defer d.events.mu.Unlock()
	return s.until.Before(d.now())
}

// subscribed answers what comes to a subscription's own address.
func (d *ONVIF) subscribed(q *soapRequest, id string, sub *pullPoint) (string, *fault) {
	switch q.body.name {
	case "PullMessages":
		return d.pull(q, sub)
	case "SetSynchronizationPoint":
		d.events.mu.Lock()
		defer d.events.mu.Unlock()
		d.events.initialise(sub)
		return "<tev:SetSynchronizationPointResponse/>", nil
	case "Renew":
		if d.cfg.Quirks.RenewRefused {
			return "", unsupported()
		}
		span, flt := d.span(q.body.str("TerminationTime"))
		if flt != nil {
			return "", flt
		}
		d.events.mu.Lock()
		defer d.events.mu.Unlock()
		sub.until = d.now().Add(span)
		return in("wsnt:RenewResponse", el("wsnt:TerminationTime", xsTime(sub.until)),
			el("wsnt:CurrentTime", xsTime(d.now()))), nil
	case "Unsubscribe":
		d.events.mu.Lock()
		defer d.events.mu.Unlock()
		delete(d.events.subs, id)
		if d.cfg.Quirks.EndsAllAtOnce {
			clear(d.events.subs)
		}
		return "<wsnt:UnsubscribeResponse/>", nil
	}
	return "", unsupported()
}

// span reads a termination time, relative or absolute.
func (d *ONVIF) span(s string) (time.Duration, *fault) {
	if s == "" {
		return time.Minute, nil
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return min(t.Sub(d.now()), d.cfg.SubscriptionTime), nil
	}
	span, ok := seconds(s)
	if !ok || d.cfg.Quirks.NoRelativeTime {
		return 0, &fault{"Sender", "InvalidArgVal/UnacceptableInitialTerminationTimeFault", "termination time"}
	}
	return min(span, d.cfg.SubscriptionTime), nil
}

// seconds reads an xs:duration of minutes and seconds.
func seconds(s string) (time.Duration, bool) {
	rest, ok := strings.CutPrefix(s, "PT")
	if !ok {
		return 0, false
	}
	d, err := time.ParseDuration(strings.ToLower(rest))
	return d, err == nil
}

func (d *ONVIF) subscribe(q *soapRequest) (string, *fault) {
	span, flt := d.span(q.body.str("InitialTerminationTime"))
	if flt != nil {
		return "", flt
	}
	h := &d.events
	h.mu.Lock()
	defer h.mu.Unlock()
	for id, s := range h.subs {
		if s.until.Before(d.now()) {
			delete(h.subs, id)
		}
	}
	if len(h.subs) >= maxPullPoints {
		return "", &fault{"Receiver", "Action/TooManyPullPoints", "too many pull points"}
	}
	h.serial++
	id := strconv.Itoa(h.serial)
	sub := &pullPoint{signal: make(chan struct{}), until: d.now().Add(span)}
	h.subs[id] = sub
	if !d.cfg.Quirks.StatesOnSync {
		h.initialise(sub)
	}
	address, parameters := d.at(q, "/onvif/subscription?id="+id), ""
	if d.cfg.Quirks.NeedsParameters {
		address = d.at(q, "/onvif/subscription")
		parameters = in("wsa5:ReferenceParameters",
			`<sim:SubscriptionId xmlns:sim="http://example.com/sim">`+id+`</sim:SubscriptionId>`)
	}
	return in("tev:CreatePullPointSubscriptionResponse",
		in("tev:SubscriptionReference", el("wsa5:Address", address), parameters),
		el("wsnt:CurrentTime", xsTime(d.now())), el("wsnt:TerminationTime", xsTime(sub.until))), nil
}

// initialise queues the present states.
func (h *eventHub) initialise(s *pullPoint) {
	for _, n := range h.states {
		n.operation = "Initialized"
		s.push(n)
	}
}

// pull waits for events as long as the client wants.
func (d *ONVIF) pull(q *soapRequest, sub *pullPoint) (string, *fault) {
	wait, ok := seconds(q.body.str("Timeout"))
	if !ok {
		return "", invalid("Timeout")
	}
	closes := d.cfg.Quirks.PullCloses
	late := time.NewTimer(wait)
	if closes > 0 && closes < wait {
		late.Reset(closes)
	}
	defer late.Stop()
	for {
		d.events.mu.Lock()
		batch, signal := sub.queue, sub.signal
		sub.queue = nil
		d.events.mu.Unlock()
		if len(batch) > 0 {
			return d.messages(batch), nil
		}
		select {
		case <-signal:
		case <-q.http.Context().Done():
			return d.messages(nil), nil
		case <-late.C:
			if closes > 0 && closes < wait {
				return "", nil // hangs up
			}
			return d.messages(nil), nil
		}
	}
}

func (d *ONVIF) messages(batch []notice) string {
	list := ""
	for _, n := range batch {
		item := func(name, value string) string {
			return fmt.Sprintf(`<tt:SimpleItem Name="%s" Value="%s"/>`, escape(name), escape(value))
		}
		list += in("wsnt:NotificationMessage",
			`<wsnt:Topic Dialect="http://www.onvif.org/ver10/tev/topicExpression/ConcreteSet">`+escape(n.topic)+`</wsnt:Topic>`,
			in("wsnt:Message", in(fmt.Sprintf(`tt:Message UtcTime="%s" PropertyOperation="%s"`, xsTime(n.at), n.operation),
				in("tt:Source", item(n.sourceName, n.source)), in("tt:Data", item(n.item, n.value)))))
	}
	return in("tev:PullMessagesResponse", el("tev:CurrentTime", xsTime(d.now())),
		el("tev:TerminationTime", xsTime(d.now().Add(time.Minute))), list)
}
