package cascade

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gbgate/gb28181/manscdp"
	"gbgate/gb28181/sipua"
	"github.com/google/go-cmp/cmp"
)

func TestPositionsEachInterval(t *testing.T) {
	for asked, every := range map[string]time.Duration{"": 5 * time.Second, "1": 5 * time.Second, "7": 7 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			n := 0.0
			place := func(string) *manscdp.MobilePositionNotify {
				n++
				return &manscdp.MobilePositionNotify{Time: time.Now(), Longitude: new(n), Latitude: new(31.32)}
			}
			u := newUpstream(t, Config{}, &testSite{place: place}, nil)
			interval := "<Interval>" + asked + "</Interval></Query>"
			body := strings.Replace(query("MobilePosition", "1", gateID), "</Query>", interval, 1)
			u.subscribe("c1", "600", body)
			time.Sleep(2 * time.Second)
			u.subscribe("c1", "600", body) // a refresh is no reason for a position
			time.Sleep(every)
			want := []string{"0s NOTIFY at 1", fmt.Sprintf("%v NOTIFY at 2", every)}
			if diff := cmp.Diff(want, u.told()); diff != "" {
				t.Errorf("Interval %q (-want +got):\n%s", asked, diff)
			}
		})
	}
}

func TestFormOfPositions(t *testing.T) {
	for compat, list := range map[string]bool{"auto 2.0": false, "auto 3.0": true, "2016 3.0": false, "2022 2.0": true} {
		synctest.Test(t, func(t *testing.T) {
			form, version, _ := strings.Cut(compat, " ")
			place := func(string) *manscdp.MobilePositionNotify {
				return &manscdp.MobilePositionNotify{Time: time.Now(), Longitude: new(118.37), Latitude: new(31.32)}
			}
			u := newUpstream(t, Config{Compat: Compat{PositionFormat: form}}, &testSite{place: place},
				func(int, *sipua.Request) *sipua.Response { return code(200, "X-GB-Ver", version) })
			u.subscribe("c1", "600", query("MobilePosition", "1", gateID))
			time.Sleep(time.Second)
			all := u.requests()
			body := string(all[len(all)-1].Body)
			if got := strings.Contains(body, "<DeviceList"); got != list || !strings.Contains(body, "118.37") {
				t.Errorf("%s: list %v, want %v:\n%s", compat, got, list, body)
			}
		})
	}
}

func TestUnknownPositionIsNotTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newUpstream(t, Config{}, &testSite{}, nil)
		u.subscribe("c1", "600", query("MobilePosition", "1", gateID))
		time.Sleep(time.Minute)
		if got := u.told(); got != nil {
			t.Errorf("told %v, want nothing", got)
		}
		if n := len(u.p.Status().Subscriptions); n != 1 {
			t.Errorf("%d subscriptions, want it to stay", n)
		}
	})
}

func TestPTZPositionsLeaveGaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newUpstream(t, Config{}, &testSite{}, nil)
		u.subscribe("c1", "600", query("PTZPosition", "1", gateID))
		look := func(id string, pan float64) {
			n := &manscdp.PTZPositionNotify{Header: manscdp.Header{DeviceID: id}}
			n.Pan = &pan
			u.p.Publish(n)
		}
		time.Sleep(10 * time.Second)
		for i := range 25 { // a camera that turns for 2.5 s
			look(gateID, float64(i))
			look(yardID, 99) // not subscribed to
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(10 * time.Second)
		want := []string{"10s NOTIFY pan 0", "11s NOTIFY pan 10", "12s NOTIFY pan 20", "13s NOTIFY pan 24"}
		got := u.told()
		if len(got) == len(want) && got[1] == "11s NOTIFY pan 9" { // both happen at that instant
			want[1] = got[1]
		}
		if len(got) == len(want) && got[2] == "12s NOTIFY pan 19" {
			want[2] = got[2]
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
	})
}
