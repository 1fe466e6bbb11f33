package cascade

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
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

// A camera is looked at while it is subscribed to, and told of while it turns.
func TestPTZPositionsAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var looks atomic.Int32
		aim := func() (*manscdp.PTZPositionResponse, error) {
			looks.Add(1)
			since := time.Since(began)
			switch {
			case since > 2*time.Minute:
				return nil, errors.New("no status")
			case since > time.Minute:
				since = time.Minute
			case since < 50*time.Second:
				since = 0
			}
			return &manscdp.PTZPositionResponse{PTZPosition: manscdp.PTZPosition{Pan: new(since.Seconds())}}, nil
		}
		u := newUpstream(t, Config{}, &testSite{aim: aim}, nil)
		time.Sleep(10 * time.Second)
		if n := looks.Load(); n != 0 {
			t.Errorf("looked %d times though nobody asks", n)
		}
		u.subscribe("c1", "900", query("PTZPosition", "1", gateID))
		time.Sleep(100 * time.Second)
		got := u.told()
		if len(got) < 8 || len(got) > 12 || got[0] != "10s NOTIFY pan 0" || !strings.HasSuffix(got[len(got)-1], "pan 60") {
			t.Errorf("told %q, want where it looked at first and then each second of the ten that it turned", got)
		}
		if n := looks.Load(); n > 45 {
			t.Errorf("looked %d times in 100 s at a camera that turns for ten of them", n)
		}
		time.Sleep(time.Minute)
		looks.Store(0)
		time.Sleep(10 * time.Minute)
		if n := looks.Load(); len(u.told()) != len(got) || n < 9 || n > 12 {
			t.Errorf("told %q and looked %d times at a camera that does not tell", u.told(), n)
		}
		u.subscribe("c1", "0", query("PTZPosition", "1", gateID))
		time.Sleep(time.Second)
		looks.Store(0)
		time.Sleep(time.Hour)
		if n := looks.Load(); n != 0 {
			t.Errorf("looked %d times after the subscription", n)
		}
	})
}
