package cascade

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gbgate/gb28181/manscdp"
	"gbgate/gb28181/sipua"
	"github.com/google/go-cmp/cmp"
)

func alarm(id, text string, priority, method, kind int) *manscdp.AlarmNotify {
	return &manscdp.AlarmNotify{
		Header: manscdp.Header{DeviceID: id}, Priority: priority, Method: method, Time: time.Now(), Description: text,
		Info: &manscdp.AlarmInfo{Type: kind},
	}
}

func TestAlarmsGoOneWay(t *testing.T) {
	tests := []struct {
		name   string
		compat Compat
		query  string // subscribed to; empty: nothing
		want   []string
	}{
		{"no subscription: MESSAGE", Compat{}, "", []string{"1s MESSAGE alarm a", "1s MESSAGE alarm b"}},
		{"no subscription, no push", Compat{NoAlarmPush: true}, "", nil},
		{
			"subscription of the node: NOTIFY",
			Compat{},
			query("Alarm", "1", nodeID),
			[]string{"1s NOTIFY alarm a", "1s NOTIFY alarm b"},
		},
		{
			"subscription of one camera",
			Compat{},
			query("Alarm", "1", gateID),
			[]string{"1s MESSAGE alarm b", "1s NOTIFY alarm a"},
		},
		{
			"left out by the filter: not wanted at all",
			Compat{},
			strings.Replace(query("Alarm", "1", nodeID), "</Query>", "<AlarmMethod>2</AlarmMethod></Query>", 1),
			[]string{"1s NOTIFY alarm b"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				u := newUpstream(t, Config{Compat: tt.compat}, &testSite{}, nil)
				if tt.query != "" {
					u.subscribe("c1", "600", tt.query)
				}
				time.Sleep(time.Second)
				u.p.Publish(alarm(gateID, "a", 4, manscdp.AlarmVideo, manscdp.VideoMotion))
				synctest.Wait()
				u.p.Publish(alarm(yardID, "b", 1, manscdp.AlarmDevice, manscdp.DeviceTamper))
				time.Sleep(time.Minute)
				got := u.told()
				if len(got) == 2 && got[0] > got[1] {
					got[0], got[1] = got[1], got[0]
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("told (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestAlarmFilter(t *testing.T) {
	noon := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	a := &manscdp.AlarmNotify{Priority: 3, Method: 5, Time: noon, Info: &manscdp.AlarmInfo{Type: 2}}
	tests := []struct {
		name string
		q    manscdp.AlarmQuery
		want bool
	}{
		{"nothing", manscdp.AlarmQuery{}, true},
		{"all of WVP", manscdp.AlarmQuery{Method: "0", Type: "0", EndPriority: 4}, true},
		{"priority within", manscdp.AlarmQuery{StartPriority: 1, EndPriority: 3}, true},
		{"priority too high", manscdp.AlarmQuery{StartPriority: 4, EndPriority: 4}, false},
		{"priority too low", manscdp.AlarmQuery{StartPriority: 1, EndPriority: 2}, false},
		{"method", manscdp.AlarmQuery{Method: "5"}, true},
		{"several methods", manscdp.AlarmQuery{Method: "125"}, true},
		{"several methods of 2022", manscdp.AlarmQuery{Method: "1/2"}, false},
		{"type", manscdp.AlarmQuery{Type: "2"}, true},
		{"several types", manscdp.AlarmQuery{Type: "1/12/2"}, true},
		{"another type", manscdp.AlarmQuery{Type: "12"}, false},
		{"window", manscdp.AlarmQuery{Start: noon.Add(-time.Hour), End: noon.Add(time.Hour)}, true},
		{"before the window", manscdp.AlarmQuery{Start: noon.Add(time.Second)}, false},
		{"after the window", manscdp.AlarmQuery{End: noon.Add(-time.Second)}, false},
	}
	for _, tt := range tests {
		if got := wants(&tt.q, a); got != tt.want {
			t.Errorf("%s: wanted %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestAlarmsOfASilentSuperiorAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := func(_ int, r *sipua.Request) *sipua.Response {
			if r.Method == "REGISTER" {
				return code(200)
			}
			return nil
		}
		u := newUpstream(t, Config{}, &testSite{}, silent)
		u.subscribe("c1", "600", query("Alarm", "1", nodeID))
		for i := range 3 * maxWaitingAlarms {
			u.p.Publish(alarm(gateID, fmt.Sprint(i), 4, 5, 2))
		}
		s := u.p.subscription("c1")
		s.mu.Lock()
		waiting, last := len(s.alarms), s.alarms[len(s.alarms)-1].Description
		s.mu.Unlock()
		if waiting != maxWaitingAlarms || last != fmt.Sprint(3*maxWaitingAlarms-1) {
			t.Errorf("%d alarms wait, the last %s; want %d and the newest", waiting, last, maxWaitingAlarms)
		}
		for range 5 * maxAnswers {
			u.p.Publish(&manscdp.UploadSnapShotFinished{SessionID: strings.Repeat("a", 32)})
			synctest.Wait() // the sender has the first in hand before the others come
		}
		synctest.Wait()
		queued := func() int {
			u.p.mu.Lock()
			defer u.p.mu.Unlock()
			return len(u.p.outgoing)
		}
		if n := queued(); n != maxAnswers {
			t.Errorf("%d messages wait, want %d", n, maxAnswers)
		}
		time.Sleep(2 * time.Minute)
		if n, m := queued(), u.p.pushes.size(); n+m != 0 {
			t.Errorf("%d messages wait and %d are on their way after two minutes, want none", n, m)
		}
		if n := len(u.p.Status().Subscriptions); n != 0 {
			t.Errorf("%d subscriptions after three NOTIFYs without answer, want none", n)
		}
	})
}

func TestMessagesWaitForTheRegistration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var up atomic.Bool
		answer := func(int, *sipua.Request) *sipua.Response {
			if up.Load() {
				return code(200)
			}
			return nil
		}
		u := newUpstream(t, Config{}, &testSite{}, answer)
		for i := range maxAnswers + 5 {
			u.p.Publish(alarm(gateID, fmt.Sprint(i), 4, 5, 2))
		}
		time.Sleep(30 * time.Second)
		up.Store(true)
		time.Sleep(time.Minute)
		got := make(map[string]bool)
		for _, line := range u.told() {
			_, text, _ := strings.Cut(line, "MESSAGE ")
			got[text] = true
		}
		if len(got) != maxAnswers || got["alarm 4"] || !got["alarm 5"] || !got[fmt.Sprint("alarm ", maxAnswers+4)] {
			t.Errorf("%d alarms told, want the last %d: %v", len(got), maxAnswers, got)
		}
	})
}

func TestPublishedMessageGetsAHeaderOfOurs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newUpstream(t, Config{}, &testSite{}, nil)
		m := &manscdp.UploadSnapShotFinished{SessionID: strings.Repeat("a", 32)}
		u.p.Publish(m)
		u.p.Publish(m)
		time.Sleep(time.Second)
		sns := make(map[string]bool)
		for _, r := range u.requests() {
			if r.Method != "MESSAGE" {
				continue
			}
			got, err := manscdp.Decode(r.Body)
			if err != nil {
				t.Fatal(err)
			}
			if got.Head().DeviceID != nodeID || r.To.URI.User != superiorID {
				t.Errorf("of %s to %s, want the node to the superior", got.Head().DeviceID, r.To.URI.User)
			}
			sns[got.Head().SN] = true
		}
		if len(sns) != 2 || m.SN != "" {
			t.Errorf("SNs %v and %q in the caller's message, want two and none", sns, m.SN)
		}
		u.p.Publish(nil) // a mistake above must not end the process
		var none *manscdp.AlarmNotify
		u.p.push(none)
	})
}

// TestSubscriptionsAndTheRegistration says what becomes of subscriptions when the superior is lost.
func TestSubscriptionsAndTheRegistration(t *testing.T) {
	for _, tt := range []struct {
		name  string
		cause error
		left  int
	}{
		{"connection lost", errReset, 1},
		{"address changed", errMoved, 1},
		{"keepalives not answered", errMissed, 0},
		{"forgotten", errors.New("keepalive: the platform does not know us"), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				u := newUpstream(t, Config{}, &testSite{}, nil)
				u.subscribe("c1", "600", catalogQuery(nodeID))
				synctest.Wait()
				u.p.lost(tt.cause)
				synctest.Wait()
				if n := len(u.p.Status().Subscriptions); n != tt.left {
					t.Errorf("%d subscriptions, want %d", n, tt.left)
				}
			})
		})
	}
}

// Alarms that come together are told in their order: nobody leaves before he has entered.
func TestAlarmsKeepTheirOrder(t *testing.T) {
	for _, transport := range transports {
		s, g := online(t, Config{Transport: transport}, known(), nil)
		var want []string
		for i := range 30 {
			want = append(want, fmt.Sprint("alarm ", i))
			g.p.Publish(alarm(gateID, want[i], 4, manscdp.AlarmVideo, manscdp.VideoIntrusion))
		}
		var got []string
		s.await("all alarms", func() bool {
			got = nil
			for _, text := range s.containing("<CmdType>Alarm</CmdType>") { // in the order of the socket
				_, text, _ = strings.Cut(text, "<AlarmDescription>")
				text, _, _ = strings.Cut(text, "<")
				if !slices.Contains(got, text) { // else it was sent once more, as its 200 was late
					got = append(got, text)
				}
			}
			return len(got) >= len(want)
		})
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", transport, diff)
		}
	}
}

// TestAlarmBehindThoseThatWait: between the registration and the sending of what waited for it nothing overtakes.
func TestAlarmBehindThoseThatWait(t *testing.T) {
	s, g := online(t, Config{Transport: "tcp"}, known(), nil)
	eventually(t, "online", func() bool { return g.p.Status().State == Online })
	g.p.mu.Lock()
	g.p.waiting = append(g.p.waiting, alarm(gateID, "first", 4, manscdp.AlarmVideo, manscdp.VideoIntrusion))
	g.p.mu.Unlock()
	g.p.Publish(alarm(gateID, "second", 4, manscdp.AlarmVideo, manscdp.VideoIntrusion))
	var texts []string
	s.await("the second alarm", func() bool {
		texts = s.containing("<CmdType>Alarm</CmdType>")
		return len(texts) > 0 && strings.Contains(texts[len(texts)-1], "second")
	})
	if !strings.Contains(texts[0], "first") {
		t.Errorf("the alarms came as %q", texts)
	}
}
