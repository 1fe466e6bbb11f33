package rehearsal

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gbgate/gb28181"
	"gbgate/gb28181/manscdp"
	"gbgate/gb28181/sipua"
)

const offNotify = `<?xml version="1.0"?><Notify><CmdType>Catalog</CmdType><SN>1</SN><DeviceID>` + nodeID +
	`</DeviceID><SumNum>1</SumNum><DeviceList Num="1"><Item><DeviceID>` + cameraID +
	`</DeviceID><Event>OFF</Event></Item></DeviceList></Notify>`

func TestSubscription(t *testing.T) {
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			n, fake := shore(t, transport, nil)
			ctx := testContext(t)
			s, err := n.Subscribe(ctx, SubscribeRequest{Command: "Catalog", Event: "Catalog;id=7", Expires: time.Minute})
			if err != nil {
				t.Fatal(err)
			}
			if got := fake.notify(ctx, offNotify, nil); got != 200 {
				t.Errorf("NOTIFY answered %d", got)
			}
			note, err := s.Wait(ctx, 0, func(n Notification) bool { return n.CSeq == 1 })
			if err != nil {
				t.Fatal(err)
			}
			m, ok := note.Message.(*manscdp.CatalogNotify)
			if !ok || len(m.Items) != 1 || m.Items[0].Event != "OFF" || note.Event != "Catalog;id=7" {
				t.Errorf("NOTIFY as received: %+v", note)
			}
			for _, withBody := range []bool{true, false} {
				if err := s.Refresh(ctx, withBody); err != nil {
					t.Fatal(err)
				}
				fake.mu.Lock()
				last := fake.dialog
				fake.mu.Unlock()
				if last.To.Tag != s.Answer().ToTag || (len(last.Body) > 0) != withBody {
					t.Errorf("refresh with To-tag %q and %d bytes", last.To.Tag, len(last.Body))
				}
			}
			if err := s.Unsubscribe(ctx); err != nil {
				t.Fatal(err)
			}
			wantFaults(t, s.Faults(), nil)
			if got := len(s.Notifications()); got != 1 || s.Granted() != 0 {
				t.Errorf("%d NOTIFYs kept, granted %v", got, s.Granted())
			}
			fake.notify(ctx, offNotify, nil)
			wantFaults(t, s.Faults(), []string{"a NOTIFY came after the subscription was ended"})
			s.Forget()
			if got := fake.notify(ctx, offNotify, nil); got != 481 {
				t.Errorf("NOTIFY into a forgotten dialog answered %d, want 481", got)
			}
		})
	}
}

func TestSubscriptionFaults(t *testing.T) {
	header := func(name, value string) func(*sipua.Request) {
		return func(r *sipua.Request) {
			for i, h := range r.Headers {
				if h.Name == name {
					r.Headers[i].Value = value
				}
			}
		}
	}
	tests := []struct {
		name       string
		subscribed func(*sipua.Response)
		body       string
		edit       func(*sipua.Request)
		want       string // a part of the one fault
	}{
		{"Event", nil, offNotify, header("Event", "catalog;id=7"), `has the Event "catalog;id=7", want "Catalog;id=7"`},
		{"state", nil, offNotify, header("Subscription-State", "pending"), `Subscription-State "pending"`},
		{"CSeq", nil, offNotify, func(r *sipua.Request) { r.CSeq = 0 }, "CSeq 0 after 0"},
		{"From", nil, offNotify, func(r *sipua.Request) { r.From.URI.User = cameraID }, "comes from " + cameraID},
		{"tags", nil, offNotify, func(r *sipua.Request) { r.From.Tag = "other" }, "of another dialog"},
		{"body", nil, "hello", nil, "body cannot be read"},
		{"command", nil, strings.ReplaceAll(offNotify, "Catalog", "Alarm"), nil, "says Notify Alarm, want Catalog"},
		{"no Contact", func(r *sipua.Response) { r.Contact = nil }, offNotify, nil, "no Contact"},
		{
			"answered Event", func(r *sipua.Response) { r.Headers[1].Value = "presence" }, offNotify, nil,
			`the answer's Event is "presence"`,
		},
		{"no Expires", func(r *sipua.Response) { r.Headers = r.Headers[1:] }, offNotify, nil, `the answer's Expires is ""`},
		{
			"more than asked", func(r *sipua.Response) { r.Headers[0].Value = "90" }, offNotify, nil,
			"1m0s were asked for and 1m30s granted",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n, fake := shore(t, "udp", func(n *fakeNode) { n.subscribed = tt.subscribed })
			ctx := testContext(t)
			s, err := n.Subscribe(ctx, SubscribeRequest{Command: "Catalog", Event: "Catalog;id=7", Expires: time.Minute})
			if err != nil {
				t.Fatal(err)
			}
			fake.notify(ctx, tt.body, tt.edit)
			if got := s.Faults(); len(got) != 1 || !strings.Contains(got[0], tt.want) {
				t.Errorf("faults %q, want one with %q", got, tt.want)
			}
		})
	}
}

func TestSubscriptionRefused(t *testing.T) {
	n, _ := shore(t, "udp", func(n *fakeNode) { n.subscribed = func(r *sipua.Response) { r.Code = 489 } })
	_, err := n.Subscribe(testContext(t), SubscribeRequest{Command: "Catalog"})
	if code, _ := gb28181.StatusOf(err); err == nil || code != 489 {
		t.Errorf("%v, want 489", err)
	}
}

func TestCommand(t *testing.T) {
	var answer atomic.Bool
	answer.Store(true)
	n, _ := shore(t, "udp", func(n *fakeNode) {
		n.answers = func(m manscdp.Message) []manscdp.Message {
			if !answer.Load() {
				return nil
			}
			return []manscdp.Message{&manscdp.ControlResponse{Header: m.Head().Answer(), Result: "OK"}}
		}
	})
	ctx := testContext(t)
	res, err := n.Command(ctx, cameraID, manscdp.DeviceControl{GuardCmd: "SetGuard"})
	if err != nil || res.Result != "OK" {
		t.Errorf("GuardCmd: %+v, %v", res, err)
	}
	if _, err := n.Command(ctx, cameraID, manscdp.DeviceControl{IFrameCmd: "Send"}); !errors.Is(err, ErrUnexpected) {
		t.Errorf("IFrameCmd that is answered: %v, want %v", err, ErrUnexpected)
	}
	answer.Store(false)
	if res, err := n.Command(ctx, cameraID, manscdp.DeviceControl{IFrameCmd: "Send"}); res != nil || err != nil {
		t.Errorf("IFrameCmd: %+v, %v", res, err)
	}
}

func TestRecordInfo(t *testing.T) {
	at := time.Date(2026, 1, 31, 0, 0, 0, 0, gb28181.Zone())
	item := func(i int) manscdp.RecordItem {
		return manscdp.RecordItem{
			DeviceID: cameraID, Name: "门",
			Start: at.Add(time.Duration(i) * time.Hour), End: at.Add(time.Duration(i+1) * time.Hour),
		}
	}
	tests := []struct {
		name  string
		sum   int
		parts [][]int
		want  []string
	}{
		{"none", 0, [][]int{{}}, nil},
		{"two parts", 3, [][]int{{0, 1}, {2}}, nil},
		{"twice", 3, [][]int{{0, 1}, {1}}, []string{
			"the recording from 2026-01-31 01:00:00 +0800 +0800 came twice", "SumNum says 3, but 2 different recordings came",
		}},
		{"order", 2, [][]int{{1}, {0}}, []string{"the recording from 2026-01-31 00:00:00 came after a later one"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := startPlatform(t, Config{PartGap: 150 * time.Millisecond})
			fake := startNode(t, p, "udp", func(n *fakeNode) {
				n.answers = func(m manscdp.Message) []manscdp.Message {
					var out []manscdp.Message
					for _, part := range tt.parts {
						res := &manscdp.RecordInfoResponse{Header: m.Head().Answer(), Name: "门", SumNum: tt.sum}
						for _, i := range part {
							res.Items = append(res.Items, item(i))
						}
						out = append(out, res)
					}
					return out
				}
			})
			ctx := testContext(t)
			fake.register(ctx, "3600")
			n, err := p.WaitNode(ctx, nodeID)
			if err != nil {
				t.Fatal(err)
			}
			got, err := n.RecordInfo(ctx, cameraID, at, at.Add(24*time.Hour), "all")
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Faults) != len(tt.want) {
				t.Errorf("faults %q, want %q", got.Faults, tt.want)
			}
			for i := range min(len(got.Faults), len(tt.want)) {
				if head, _, _ := strings.Cut(tt.want[i], " 2026"); !strings.HasPrefix(got.Faults[i], head) {
					t.Errorf("fault %q, want %q", got.Faults[i], tt.want[i])
				}
			}
		})
	}
}
