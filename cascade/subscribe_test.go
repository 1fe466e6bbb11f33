package cascade

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"gbgate/gb28181/manscdp"
	"gbgate/gb28181/sipua"
	"github.com/google/go-cmp/cmp"
)

// subscription test helpers: a SUBSCRIBE of the superior, and the NOTIFYs that come back.

func (s *superior) subscribing(device, event, expires, body string) *sipua.Request {
	r := s.request("SUBSCRIBE", nodeID)
	addr := s.ua.Addr()
	r.Contact = &sipua.URI{User: superiorID, Host: addr.Addr().String(), Port: int(addr.Port())}
	if event != "" {
		r.Headers = append(r.Headers, sipua.Header{Name: "Event", Value: event})
	}
	if expires != "" {
		r.Headers = append(r.Headers, sipua.Header{Name: "Expires", Value: expires})
	}
	if body != "" {
		r.ContentType, r.Body = typeMANSCDP, []byte(strings.ReplaceAll(body, "DEVICE", device))
	}
	return r
}

func catalogQuery(device string) string { return query("Catalog", "17430", device) }

// again is a SUBSCRIBE in the dialog of the first and its 200.
func again(first *sipua.Request, res *sipua.Response, cseq uint32, expires, body string) *sipua.Request {
	r := *first
	r.CSeq, r.To.Tag, r.Body, r.ContentType = cseq, res.ToTag, nil, ""
	r.Headers = []sipua.Header{{Name: "Event", Value: first.Header("Event")}, {Name: "Expires", Value: expires}}
	if body != "" {
		r.ContentType, r.Body = typeMANSCDP, []byte(body)
	}
	return &r
}

// shortNotify lets changes through at once.
func shortNotify() Timers {
	timers := shortTimers()
	timers.Debounce, timers.Batch, timers.PTZPositionGap = time.Millisecond, 10*time.Millisecond, time.Millisecond
	return timers
}

func off(ids ...string) *manscdp.CatalogNotify {
	n := &manscdp.CatalogNotify{}
	for _, id := range ids {
		n.Items = append(n.Items, manscdp.NotifyItem{Item: manscdp.Item{DeviceID: id}, Event: manscdp.EventOff})
	}
	return n
}

func TestSubscribeAnswers(t *testing.T) {
	alarm := strings.Replace(query("Alarm", "5", nodeID), "</Query>", "<AlarmMethod>0</AlarmMethod></Query>", 1)
	tests := []struct {
		name, event, expires, body string
		compat                     Compat
		code                       int
		granted                    string
		bodyWanted                 bool
	}{
		{"WVP's catalog", "Catalog;id=1894", "600", catalogQuery(nodeID), Compat{}, 200, "600", true},
		{"gb-cms's catalog", "catalog", "3600", catalogQuery(nodeID), Compat{}, 200, "3600", true},
		{"Monibuca has no Event", "", "600", catalogQuery(nodeID), Compat{}, 200, "600", true},
		{"an alarm as presence", "presence", "3600", alarm, Compat{}, 200, "3600", true},
		{"a position as presence", "presence;id=7", "600", query("MobilePosition", "5", gateID), Compat{}, 200, "600", true},
		{"where a camera looks", "PTZPosition", "600", query("PTZPosition", "5", gateID), Compat{}, 200, "600", true},
		{"no Expires, catalog", "Catalog", "", catalogQuery(nodeID), Compat{}, 200, "600", true},
		{"no Expires, other", "presence", "", alarm, Compat{}, 200, "3600", true},
		{"too short", "Catalog", "5", catalogQuery(nodeID), Compat{}, 200, "30", true},
		{"too long", "Catalog", "999999", catalogQuery(nodeID), Compat{}, 200, "86400", true},
		{"one channel", "Catalog", "600", catalogQuery(gateID), Compat{}, 200, "600", true},
		{"Event without body", "Catalog;id=2", "600", "", Compat{}, 200, "600", false},
		{"no body wanted", "Catalog", "600", catalogQuery(nodeID), Compat{OmitSubscribeBody: true}, 200, "600", false},
		{"taken back, never given", "Catalog", "0", catalogQuery(nodeID), Compat{}, 200, "0", true},
		{"unknown device", "presence", "600", query("MobilePosition", "5", lostID), Compat{}, 404, "", false},
		{"unknown place", "Catalog", "600", catalogQuery(lostID), Compat{}, 404, "", false},
		{"unknown command", "presence", "600", query("WarpDrive", "5", nodeID), Compat{}, 489, "", false},
		{"no events of that", "presence", "600", query("DeviceInfo", "5", nodeID), Compat{}, 489, "", false},
		{
			"as WVP takes it", "presence", "600", query("WarpDrive", "5", nodeID),
			Compat{AcceptUnknownEvent: true},
			200,
			"30", false,
		},
		{"nothing at all", "", "600", "", Compat{}, 489, "", false},
		{"no XML", "Catalog", "600", "hello", Compat{}, 400, "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, _ := online(t, Config{Compat: tt.compat}, &testSite{}, newMedia())
			res := s.do(s.subscribing(nodeID, tt.event, tt.expires, tt.body))
			if res.Code != tt.code {
				t.Fatalf("SUBSCRIBE = %d %s, want %d", res.Code, res.Reason, tt.code)
			}
			if res.Code != 200 {
				return
			}
			if got := res.Header("Expires"); got != tt.granted {
				t.Errorf("Expires = %q, want %q", got, tt.granted)
			}
			if got := res.Header("Event"); got != tt.event {
				t.Errorf("Event = %q, want %q", got, tt.event)
			}
			if res.ToTag == "" || res.Contact == nil || res.Contact.User != nodeID {
				t.Errorf("tag %q, Contact %v; want a tag and the node", res.ToTag, res.Contact)
			}
			if (len(res.Body) > 0) != tt.bodyWanted {
				t.Errorf("body %q, wanted: %v", res.Body, tt.bodyWanted)
			}
			if tt.bodyWanted {
				m, err := manscdp.Decode(res.Body)
				if err != nil || m.Root() != manscdp.Response || m.Head().DeviceID == "" {
					t.Errorf("body = %+v, %v", m, err)
				}
			}
		})
	}
}

func TestNotifyIsOfTheDialog(t *testing.T) {
	for _, transport := range transports {
		for _, event := range []string{"Catalog;id=1894", "catalog", ""} {
			t.Run(transport+" "+event, func(t *testing.T) {
				s, g := online(t, Config{Transport: transport, Timers: shortNotify()}, &testSite{}, newMedia())
				first := s.subscribing(nodeID, event, "600", catalogQuery(nodeID))
				first.Headers = append(first.Headers, sipua.Header{Name: "Record-Route", Value: "<sip:127.0.0.1;lr>"})
				res := s.do(first)
				g.p.Publish(off(gateID))
				n := await(t, "NOTIFY", s.notifies)
				state, left, _ := strings.Cut(n.Header("Subscription-State"), ";expires=")
				if seconds, err := strconv.Atoi(left); state != "active" || err != nil || seconds < 1 || seconds > 600 {
					t.Errorf("Subscription-State = %q", n.Header("Subscription-State"))
				}
				wantEvent := event
				if event == "" {
					wantEvent = "Catalog"
				}
				got := []string{
					n.CallID, n.From.Tag, n.To.Tag, n.From.URI.User, n.To.URI.User, n.URI.User, n.Header("Event"),
					n.Header("Route"), n.Transport, fmt.Sprint(n.CSeq),
				}
				want := []string{
					first.CallID, res.ToTag, first.From.Tag, nodeID, superiorID, superiorID, wantEvent,
					"<sip:127.0.0.1;lr>", transport, "1",
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("NOTIFY (-want +got):\n%s", diff)
				}
				m, err := manscdp.Decode(n.Body)
				if err != nil {
					t.Fatal(err)
				}
				c, ok := m.(*manscdp.CatalogNotify)
				if !ok || c.SumNum != 1 || c.Num != 1 || c.DeviceID != nodeID || c.SN == "" ||
					c.Items[0].DeviceID != gateID || c.Items[0].Event != manscdp.EventOff || c.Items[0].Name != "" {
					t.Errorf("body = %s", n.Body)
				}
				g.p.Publish(off(yardID))
				if next := await(t, "second NOTIFY", s.notifies); next.CSeq != 2 || next.From.Tag != res.ToTag {
					t.Errorf("second NOTIFY = CSeq %d, tag %s", next.CSeq, next.From.Tag)
				}
			})
		}
	}
}

func TestRefreshReplaceAndEnd(t *testing.T) {
	s, g := online(t, Config{Timers: shortNotify()}, &testSite{}, newMedia())
	subs := func() []SubscriptionStatus { return g.p.Status().Subscriptions }
	first := s.subscribing(nodeID, "Catalog;id=1", "100", catalogQuery(nodeID))
	res := s.do(first)
	began := subs()[0].Expires

	for cseq, body := range map[uint32]string{2: "", 3: catalogQuery(nodeID)} {
		re := s.do(again(first, res, cseq, "3000", body))
		if re.Code != 200 || re.Header("Expires") != "3000" || re.ToTag != res.ToTag || re.Header("Event") != "Catalog;id=1" {
			t.Errorf("refresh with %q = %d, Expires %s", body, re.Code, re.Header("Expires"))
		}
	}
	if now := subs(); len(now) != 1 || !now[0].Expires.After(began) || now[0].Kind != "Catalog" {
		t.Errorf("subscriptions = %+v, want one, longer", now)
	}

	// The superior has restarted and subscribes anew: the old dialog is no more.
	second := s.subscribing(nodeID, "Catalog;id=2", "600", catalogQuery(nodeID))
	res2 := s.do(second)
	if now := subs(); len(now) != 1 || now[0].ID != second.CallID {
		t.Errorf("subscriptions = %+v, want the new one alone", now)
	}
	g.p.Publish(off(gateID))
	if n := await(t, "NOTIFY", s.notifies); n.CallID != second.CallID || n.Header("Event") != "Catalog;id=2" {
		t.Errorf("NOTIFY in %s, want %s", n.CallID, second.CallID)
	}
	s.do(s.subscribing(nodeID, "presence", "600", query("Alarm", "1", nodeID)))
	if now := subs(); len(now) != 2 {
		t.Errorf("%d subscriptions, want an alarm beside the catalog", len(now))
	}

	end := s.do(again(second, res2, 2, "0", ""))
	if end.Code != 200 || end.Header("Expires") != "0" {
		t.Errorf("Expires 0 = %d, Expires %q", end.Code, end.Header("Expires"))
	}
	eventually(t, "one subscription", func() bool { return len(subs()) == 1 })
	g.p.Publish(off(yardID))
	g.stop()
	if len(s.notifies) != 0 {
		t.Error("NOTIFY in a subscription that was taken back")
	}
}

func TestLastNotify(t *testing.T) {
	s, g := online(t, Config{Compat: Compat{NotifyTerminated: true}}, &testSite{}, newMedia())
	first := s.subscribing(nodeID, "Catalog", "100", catalogQuery(nodeID))
	res := s.do(first)
	s.do(again(first, res, 2, "0", ""))
	if n := await(t, "NOTIFY", s.notifies); !strings.HasPrefix(n.Header("Subscription-State"), "terminated") {
		t.Errorf("Subscription-State = %q, want terminated", n.Header("Subscription-State"))
	}
	s.do(s.subscribing(nodeID, "Catalog", "100", catalogQuery(nodeID)))
	g.stop()
	if n := await(t, "NOTIFY at shutdown", s.notifies); !strings.HasPrefix(n.Header("Subscription-State"), "terminated") {
		t.Errorf("Subscription-State = %q, want terminated", n.Header("Subscription-State"))
	}
}

// TestSubscriptionFromBeforeOurStart refreshes a dialog that this process never saw.
func TestSubscriptionFromBeforeOurStart(t *testing.T) {
	for _, refuse := range []bool{false, true} {
		s, g := online(t, Config{Timers: shortNotify(), Compat: Compat{RefuseUnknownSub: refuse}}, &testSite{}, newMedia())
		r := s.subscribing(nodeID, "Catalog;id=9", "600", catalogQuery(nodeID))
		r.To.Tag, r.CSeq = "ofold", 7
		res := s.do(r)
		if refuse {
			if res.Code != 481 {
				t.Errorf("SUBSCRIBE = %d, want 481", res.Code)
			}
			continue
		}
		if res.Code != 200 || res.ToTag != "ofold" {
			t.Fatalf("SUBSCRIBE = %d with tag %q, want 200 with the old one", res.Code, res.ToTag)
		}
		g.p.Publish(off(gateID))
		n := await(t, "NOTIFY", s.notifies)
		if n.From.Tag != "ofold" || n.CSeq < 1000 {
			t.Errorf("NOTIFY tag %q, CSeq %d; want the old tag and a number beyond any that was sent", n.From.Tag, n.CSeq)
		}
		// Without a body and with an Event that says nothing, nobody can know what it was for.
		bare := s.subscribing(nodeID, "presence", "600", "")
		bare.To.Tag = "ofold2"
		if got := s.do(bare).Code; got != 481 {
			t.Errorf("bare SUBSCRIBE = %d, want 481", got)
		}
	}
}

func TestForgottenSubscriptionsEnd(t *testing.T) {
	tests := []struct {
		name  string
		code  int
		tries int // NOTIFYs until the subscription is gone
	}{{"481", 481, 1}, {"500", 500, 3}, {"no answer", 0, 3}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSuperior(t)
			s.notify = func(*sipua.Request) int { return tt.code }
			timers := shortNotify()
			timers.Reply = 100 * time.Millisecond
			timers.Leave = time.Second
			g := start(t, s, Config{Timers: timers}, &testSite{}, newMedia())
			await(t, "registration", s.registered)
			first := s.subscribing(nodeID, "Catalog", "600", catalogQuery(nodeID))
			s.do(first)
			g.p.Publish(off(gateID))
			eventually(t, "no subscription", func() bool { return len(g.p.Status().Subscriptions) == 0 })
			seen := make(map[uint32]bool)
			for len(s.notifies) > 0 {
				seen[(<-s.notifies).CSeq] = true
			}
			if len(seen) != tt.tries {
				t.Errorf("%d NOTIFYs, want %d", len(seen), tt.tries)
			}
		})
	}
}
