package cascade

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gbgate/gb28181/manscdp"
	"gbgate/gb28181/sipua"
	"github.com/google/go-cmp/cmp"
)

// upstream runs a platform in fake time, registered from 0s on; its answers to NOTIFY and MESSAGE are 200.
type upstream struct {
	*fakeUA
	t *testing.T
	p *Platform
}

func newUpstream(t *testing.T, cfg Config, site Site, answer func(int, *sipua.Request) *sipua.Response) *upstream {
	t.Helper()
	if answer == nil {
		answer = always(200, 200)
	}
	f := &fakeUA{start: time.Now(), answer: answer, local: netip.MustParseAddrPort("192.0.2.20:5060")}
	cfg.ID, cfg.NodeID, cfg.Address, cfg.KeepaliveInterval = superiorID, nodeID, "192.0.2.10:5060", time.Hour
	p := newPlatform(cfg, f, site, nil)
	p.jitter = func(time.Duration) time.Duration { return 0 }
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
	synctest.Wait()
	return &upstream{f, t, p}
}

// subscribe is a SUBSCRIBE that needs no endpoint.
func (u *upstream) subscribe(callID, expires, body string) {
	r := &sipua.Request{
		Method: "SUBSCRIBE", CallID: callID, CSeq: 1, LocalTag: "ours", Transport: "udp",
		Source:      netip.MustParseAddrPort("192.0.2.10:5060"),
		Headers:     []sipua.Header{{Name: "Event", Value: "presence"}, {Name: "Expires", Value: expires}},
		ContentType: typeMANSCDP, Body: []byte(body),
	}
	r.From = sipua.Address{URI: sipua.URI{User: superiorID, Host: "3402000000"}, Tag: "theirs"}
	r.To = sipua.Address{URI: sipua.URI{User: nodeID, Host: "3402000000"}}
	u.p.onSubscribe(r)
}

// told are the NOTIFYs and MESSAGEs so far, as "5s NOTIFY 131…1 OFF".
func (u *upstream) told() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	var out []string
	for _, s := range u.sent {
		if s.r.Method != "NOTIFY" && s.r.Method != "MESSAGE" {
			continue
		}
		m, err := manscdp.Decode(s.r.Body)
		if err != nil {
			u.t.Fatalf("%v in %s", err, s.r.Body)
		}
		out = append(out, fmt.Sprintf("%v %s %s", s.at.Round(time.Millisecond), s.r.Method, summary(m)))
	}
	return out
}

func summary(m manscdp.Message) string {
	switch m := m.(type) {
	case *manscdp.CatalogNotify:
		var items []string
		for _, it := range m.Items {
			name := it.DeviceID[len(it.DeviceID)-1:] + " " + it.Event
			if it.Name != "" {
				name += "+" + it.Name
			}
			items = append(items, name)
		}
		return strings.Join(items, ", ")
	case *manscdp.AlarmNotify:
		return "alarm " + m.Description
	case *manscdp.MobilePositionNotify:
		return fmt.Sprintf("at %v", *m.Longitude)
	case *manscdp.PTZPositionNotify:
		return fmt.Sprintf("pan %v", *m.Pan)
	}
	return m.Head().CmdType
}

func event(id, what string) *manscdp.CatalogNotify {
	it := manscdp.NotifyItem{Item: manscdp.Item{DeviceID: id}, Event: what}
	if what == manscdp.EventAdd || what == manscdp.EventUpdate {
		it.Item = cameras(1, false)[0]
		it.DeviceID, it.Name = id, "n"
	}
	return &manscdp.CatalogNotify{Items: []manscdp.NotifyItem{it}}
}

func TestChangesAreCollected(t *testing.T) {
	type step struct {
		at    time.Duration
		event *manscdp.CatalogNotify
	}
	const s, ms = time.Second, time.Millisecond
	tests := []struct {
		name  string
		steps []step
		want  []string
	}{
		{
			"one change is known in 3 s", []step{{0, event(gateID, "OFF")}}, []string{"3s NOTIFY 1 OFF"},
		},
		{
			"two cameras go together",
			[]step{{0, event(gateID, "OFF")}, {800 * ms, event(yardID, "VLOST")}},
			[]string{"3s NOTIFY 1 OFF, 2 VLOST"},
		},
		{
			"a camera that was away for a moment is nothing to tell",
			[]step{{0, event(gateID, "OFF")}, {s, event(gateID, "ON")}},
			nil,
		},
		{
			"nor one that was back for a moment",
			[]step{{0, event(gateID, "ON")}, {s, event(gateID, "OFF")}},
			nil,
		},
		{
			"the last of many changes counts",
			[]step{{0, event(gateID, "OFF")}, {s, event(gateID, "ON")}, {1500 * ms, event(gateID, "VLOST")}},
			[]string{"3s NOTIFY 1 VLOST"},
		},
		{
			"what was told is not told again",
			[]step{
				{0, event(gateID, "OFF")},
				{5 * s, event(gateID, "ON")},
				{6 * s, event(gateID, "OFF")},
				{10 * s, event(gateID, "ON")},
			},
			[]string{"3s NOTIFY 1 OFF", "13s NOTIFY 1 ON"},
		},
		{
			"added and changed is added, and its status follows",
			[]step{{0, event(gateID, "ADD")}, {s, event(gateID, "UPDATE")}, {s, event(gateID, "OFF")}},
			[]string{"3s NOTIFY 1 ADD+n, 1 OFF"},
		},
		{"added and gone is nothing", []step{{0, event(gateID, "ADD")}, {s, event(gateID, "DEL")}}, nil},
		{
			"gone and back is changed",
			[]step{{0, event(gateID, "DEL")}, {s, event(gateID, "ADD")}},
			[]string{"3s NOTIFY 1 UPDATE+n"},
		},
		{
			"what is gone has no status",
			[]step{{0, event(gateID, "OFF")}, {s, event(gateID, "DEL")}},
			[]string{"3s NOTIFY 1 DEL"},
		},
		{
			"a late change waits for its own time",
			[]step{{0, event(gateID, "OFF")}, {2500 * ms, event(yardID, "OFF")}},
			[]string{"3s NOTIFY 1 OFF", "5.5s NOTIFY 2 OFF"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				u := newUpstream(t, Config{}, &testSite{}, nil)
				u.subscribe("c1", "600", catalogQuery(nodeID))
				for _, st := range tt.steps {
					time.Sleep(st.at - time.Since(u.start))
					u.p.Publish(st.event)
				}
				time.Sleep(time.Minute)
				if diff := cmp.Diff(tt.want, u.told()); diff != "" {
					t.Errorf("told (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestChangesKeepToTheSizeOfAMessage(t *testing.T) {
	for transport, most := range map[string]int{"udp": 1300, "tcp": tcpMessage} {
		t.Run(transport, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				u := newUpstream(t, Config{Transport: transport}, &testSite{}, nil)
				u.subscribe("c1", "600", catalogQuery(nodeID))
				all := &manscdp.CatalogNotify{}
				for i, it := range cameras(100, true) {
					what := []string{manscdp.EventOff, manscdp.EventUpdate}[i%2]
					all.Items = append(all.Items, manscdp.NotifyItem{Item: it, Event: what})
				}
				u.p.Publish(all)
				time.Sleep(10 * time.Second)
				items := 0
				for _, r := range u.requests() {
					if r.Method != "NOTIFY" {
						continue
					}
					if size := messageSize(r, u.p.route()); size > most {
						t.Errorf("a NOTIFY of %d bytes, want at most %d", size, most)
					}
					m, err := manscdp.Decode(r.Body)
					if err != nil {
						t.Fatal(err)
					}
					c := m.(*manscdp.CatalogNotify)
					if c.SumNum != len(c.Items) || c.Num != len(c.Items) || len(c.Items) > tcpChanges {
						t.Errorf("SumNum %d, Num %d with %d items", c.SumNum, c.Num, len(c.Items))
					}
					items += len(c.Items)
				}
				if items != 100 {
					t.Errorf("%d changes told, want 100", items)
				}
			})
		})
	}
}

// TestNotifiedItemIsTheCatalogItem compares what a query and an UPDATE say of one camera.
func TestNotifiedItemIsTheCatalogItem(t *testing.T) {
	for _, version := range []string{"2016", "2022"} {
		synctest.Test(t, func(t *testing.T) {
			item := cameras(1, true)[0]
			u := newUpstream(t, Config{Version: version, Transport: "tcp"}, &testSite{}, nil)
			q := &manscdp.CatalogQuery{Header: manscdp.Header{SN: "1", DeviceID: nodeID}}
			parts, err := u.p.catalogParts(q, []manscdp.Item{item}, superiorID)
			if err != nil {
				t.Fatal(err)
			}
			u.subscribe("c1", "600", catalogQuery(nodeID))
			u.p.Publish(&manscdp.CatalogNotify{Items: []manscdp.NotifyItem{{Item: item, Event: "UPDATE"}}})
			time.Sleep(5 * time.Second)
			all := u.requests()
			inner := func(body []byte) string {
				_, rest, _ := strings.Cut(string(body), "<Item>")
				rest, _, _ = strings.Cut(rest, "</DeviceList>")
				return strings.Replace(rest, "<Event>UPDATE</Event>\r\n", "", 1)
			}
			got := inner(all[len(all)-1].Body)
			if want := inner(parts[0]); got != want || want == "" {
				t.Errorf("%s (-query +notify):\n%s", version, cmp.Diff(want, got))
			}
		})
	}
}

func TestWhatIsNotONIsToldAtOnce(t *testing.T) {
	items := cameras(3, false)
	items[1].Status = "OFF"
	for compat, want := range map[string][]string{
		"auto 3.0": {"0s NOTIFY 2 OFF", "23s NOTIFY 2 ON"}, "auto 2.0": nil, "on 2.0": {"0s NOTIFY 2 OFF", "23s NOTIFY 2 ON"},
		"off 3.0": nil,
	} {
		t.Run(compat, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				mode, version, _ := strings.Cut(compat, " ")
				u := newUpstream(t, Config{Compat: Compat{InitialNotify: mode}}, &testSite{items: items},
					func(int, *sipua.Request) *sipua.Response { return code(200, "X-GB-Ver", version) })
				u.subscribe("c1", "600", catalogQuery(nodeID))
				time.Sleep(20 * time.Second)
				if want != nil {
					u.p.Publish(event(items[1].DeviceID, "ON"))
				}
				time.Sleep(20 * time.Second)
				if diff := cmp.Diff(want, u.told()); diff != "" {
					t.Errorf("told (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestChangesOfOneChannelOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		items := cameras(2, false)
		u := newUpstream(t, Config{}, &testSite{}, nil)
		u.subscribe("c1", "600", catalogQuery(items[0].DeviceID)) // the test's site has nothing else below it
		u.p.Publish(event(items[0].DeviceID, "OFF"))
		u.p.Publish(event(items[1].DeviceID, "OFF"))
		time.Sleep(10 * time.Second)
		if diff := cmp.Diff([]string{"3s NOTIFY 1 OFF"}, u.told()); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
	})
}

func TestSubscriptionExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newUpstream(t, Config{}, &testSite{}, nil)
		u.subscribe("c1", "60", catalogQuery(nodeID))
		time.Sleep(40 * time.Second)
		u.subscribe("c1", "60", "") // a refresh without body
		time.Sleep(30 * time.Second)
		u.p.Publish(off(gateID))
		time.Sleep(20 * time.Second)
		if n := len(u.p.Status().Subscriptions); n != 1 {
			t.Errorf("%d subscriptions at 90 s, want one", n)
		}
		time.Sleep(20 * time.Second)
		if n := len(u.p.Status().Subscriptions); n != 0 {
			t.Errorf("%d subscriptions at 110 s, want none", n)
		}
		u.p.Publish(off(yardID))
		time.Sleep(time.Minute)
		if diff := cmp.Diff([]string{"1m13s NOTIFY 1 OFF"}, u.told()); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
	})
}

func TestSubscriptionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		site := &testSite{}
		for i := range 2 * maxSubscriptions {
			site.known = append(site.known, fmt.Sprintf("3402010000132%07d", i+1))
		}
		u := newUpstream(t, Config{}, site, nil)
		for i, id := range site.known {
			u.subscribe(fmt.Sprint("c", i), "600", query("PTZPosition", "1", id))
		}
		if n := len(u.p.Status().Subscriptions); n != maxSubscriptions {
			t.Errorf("%d subscriptions, want %d", n, maxSubscriptions)
		}
	})
}
