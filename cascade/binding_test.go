package cascade

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gbgate/gb28181"
	"gbgate/gb28181/manscdp"
	"gbgate/gb28181/sipua"
	"github.com/google/go-cmp/cmp"
)

func TestRegisterRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, status := on(t, Config{KeepaliveInterval: time.Hour}, 55*time.Minute,
			func(n int, _ *sipua.Request) *sipua.Response {
				if n == 1 {
					return code(401, "WWW-Authenticate", `Digest realm="r",nonce="n"`, "X-GB-Ver", "3.0")
				}
				res := code(200, "Date", "2000-01-01T08:00:00.000", "Contact", "<sip:x@192.0.2.20>;expires=3000")
				res.Received = netip.MustParseAddrPort("198.51.100.7:40001")
				return res
			}, nil)
		sent := f.requests()
		first, refresh := sent[0], sent[2]
		if got, want := f.lines()[2], "45m0s REGISTER"; got != want {
			t.Errorf("refresh = %s, want %s (3000 s less a tenth)", got, want)
		}
		if refresh.CallID != first.CallID || refresh.From.Tag != first.From.Tag || refresh.CSeq != 3 {
			t.Errorf("refresh = %s %s %d, want the Call-ID and tag of the first and CSeq 3",
				refresh.CallID, refresh.From.Tag, refresh.CSeq)
		}
		if got, want := first.URI.String(), "sip:"+superiorID+"@192.0.2.10:5060"; got != want {
			t.Errorf("Request-URI = %s, want %s", got, want)
		}
		from, to := first.From.URI.String(), first.To.URI.String()
		if want := "sip:" + nodeID + "@3402000000"; from != want || to != want {
			t.Errorf("From = %s, To = %s, want both %s", from, to, want)
		}
		if got, want := first.Contact.String(), "sip:"+nodeID+"@192.0.2.20:5060"; got != want {
			t.Errorf("Contact = %s, want %s", got, want)
		}
		if got := first.Header("X-GB-Ver"); got != "3.0" {
			t.Errorf("X-GB-Ver = %q, want 3.0", got)
		}
		if status.PeerVersion != "3.0" || status.NATAddress.String() != "198.51.100.7:40001" {
			t.Errorf("learned %q and %v", status.PeerVersion, status.NATAddress)
		}
		// The bubble's clock began at 2000-01-01T00:00:00Z, and the Date came once at the start and at the refresh.
		if got, want := status.ClockOffset, -45*time.Minute; !status.ClockKnown || got != want {
			t.Errorf("clock offset = %v, want %v", got, want)
		}
	})
}

func TestContactBehindNAT(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		f, _ := on(t, Config{Compat: Compat{UseNATContact: true}}, time.Second,
			func(int, *sipua.Request) *sipua.Response {
				n++ // a symmetric NAT must not make us register for ever
				res := code(200)
				res.Received = netip.AddrPortFrom(netip.MustParseAddr("198.51.100.7"), uint16(40000+n))
				return res
			}, nil)
		want := []string{"0s REGISTER", "0s REGISTER", "1s REGISTER leave"}
		if diff := cmp.Diff(want, f.lines()); diff != "" {
			t.Errorf("requests (-want +got):\n%s", diff)
		}
		if got, want := f.requests()[1].Contact.String(), "sip:"+nodeID+"@198.51.100.7:40001"; got != want {
			t.Errorf("Contact = %s, want %s", got, want)
		}
	})
}

func TestExpiresOfTheAnswer(t *testing.T) {
	tests := []struct {
		name    string
		headers []string
		want    time.Duration // of the refresh
	}{
		{"header", []string{"Expires", "1200", "Contact", "<sip:a@b>;expires=900"}, 1080 * time.Second},
		{"Contact", []string{"Contact", "<sip:a@b>;Expires=900;q=1"}, 810 * time.Second},
		{"our Contact among others", []string{
			"Contact", "<sip:z@b>;expires=99",
			"Contact", "<sip:" + nodeID + "@b>;expires=2000",
			"Contact", "<sip:y@b>;expires=77",
		}, 1800 * time.Second},
		{"none", nil, 3240 * time.Second},
		{"nonsense", []string{"Expires", "soon"}, 3240 * time.Second},
		{"short", []string{"Expires", "60"}, 30 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, _ := on(t, Config{KeepaliveInterval: 2 * time.Hour}, tt.want+time.Second,
					func(int, *sipua.Request) *sipua.Response { return code(200, tt.headers...) }, nil)
				want := []string{
					"0s REGISTER", fmt.Sprintf("%v REGISTER", tt.want),
					fmt.Sprintf("%v REGISTER leave", tt.want+time.Second),
				}
				if diff := cmp.Diff(want, f.lines()); diff != "" {
					t.Errorf("requests (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestLostRefreshKeepsTheBinding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		f, status := on(t, Config{KeepaliveInterval: 2 * time.Hour}, 56*time.Minute,
			func(int, *sipua.Request) *sipua.Response {
				if n++; n == 2 {
					return nil
				}
				return code(200)
			}, nil)
		want := []string{"0s REGISTER", "54m0s REGISTER", "55m8s REGISTER", "56m0s REGISTER leave"}
		if diff := cmp.Diff(want, f.lines()); diff != "" {
			t.Errorf("requests (-want +got):\n%s", diff)
		}
		if status.State != Online {
			t.Errorf("state = %v, want online", status.State)
		}
	})
}

func TestAddressChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, _ := on(t, Config{}, 61*time.Second, always(200, 200), func(_ *Platform, f *fakeUA) {
			time.Sleep(27 * time.Second)
			f.move("198.51.100.20:5060")
		})
		want := []string{"0s REGISTER", "30s REGISTER", "1m1s REGISTER leave"}
		if diff := cmp.Diff(want, f.lines()); diff != "" {
			t.Errorf("requests (-want +got):\n%s", diff)
		}
		if got, want := f.requests()[1].Contact.Host, "198.51.100.20"; got != want {
			t.Errorf("Contact host = %s, want %s", got, want)
		}
	})
}

func TestRequestFromAboveShortensTheBackoffOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, _ := on(t, Config{}, 50*time.Second, always(500, 200), func(p *Platform, _ *fakeUA) {
			for range 4 {
				time.Sleep(10 * time.Second)
				p.heard()
			}
		})
		want := []string{"0s REGISTER", "10s REGISTER"}
		if diff := cmp.Diff(want, f.lines()); diff != "" {
			t.Errorf("requests (-want +got):\n%s", diff)
		}
	})
}

func TestResetIsFollowedByREGISTERAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, _ := on(t, Config{Transport: "tcp"}, 30*time.Second, always(200, 200), func(p *Platform, _ *fakeUA) {
			for range 5 {
				time.Sleep(2 * time.Second)
				p.connectionClosed(netip.MustParseAddrPort("192.0.2.10:5060"))
				p.connectionClosed(netip.MustParseAddrPort("192.0.2.99:5060")) // somebody else's
			}
		})
		// Three at once; the fourth waits, as a platform that accepts and closes must not be hammered.
		want := []string{"0s REGISTER", "2s REGISTER", "4s REGISTER", "6s REGISTER"}
		if diff := cmp.Diff(want, f.lines()); diff != "" {
			t.Errorf("requests (-want +got):\n%s", diff)
		}
	})
}

func TestLeaveDoesNotWaitForSilentPlatforms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // srs-sip never answers Expires 0
		start := time.Now()
		on(t, Config{}, time.Second, func(_ int, r *sipua.Request) *sipua.Response {
			if r.Header("Expires") == "0" {
				return nil
			}
			return code(200)
		}, nil)
		if got, want := time.Since(start), 4*time.Second; got != want {
			t.Errorf("ran for %v, want %v: one second and the three of Leave", got, want)
		}
	})
}

// A superior that does not answer does not hold the end up, whether we ever were registered or not.
func TestLeaveIsQuickWhereNobodyAnswers(t *testing.T) {
	onceThere := func(n int, _ *sipua.Request) *sipua.Response {
		if n == 1 {
			return code(200)
		}
		return nil
	}
	for name, tt := range map[string]struct {
		answer func(int, *sipua.Request) *sipua.Response
		run    time.Duration
		leave  bool // says that it leaves
		took   time.Duration
	}{
		"never there":                 {always(0, 0), 3 * time.Second, false, 0},
		"never there, between two":    {always(0, 0), 20 * time.Second, false, 0},
		"just asked":                  {always(0, 0), 100 * time.Millisecond, true, 500 * time.Millisecond},
		"refused":                     {always(403, 0), time.Second, false, 0},
		"silent for a keepalive":      {onceThere, 70 * time.Second, true, 500 * time.Millisecond},
		"silent since the keepalives": {onceThere, 200 * time.Second, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				f, _ := on(t, Config{}, tt.run, tt.answer, nil)
				if got := time.Since(start) - tt.run; got != tt.took {
					t.Errorf("leaving took %v, want %v", got, tt.took)
				}
				lines := f.lines()
				if got := strings.HasSuffix(lines[len(lines)-1], "leave"); got != tt.leave {
					t.Errorf("unregistration %v, want %v: %q", got, tt.leave, lines)
				}
			})
		})
	}
}

func TestAddressIsLookedUpAtEachRegistration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeUA{start: time.Now(), answer: always(500, 200), local: netip.MustParseAddrPort("192.0.2.20:5060")}
		p := newPlatform(Config{ID: superiorID, NodeID: nodeID, Address: "sip.example.org"}, f, &testSite{}, nil)
		p.jitter = func(time.Duration) time.Duration { return 0 }
		var names []string
		p.lookup = func(_ context.Context, host string) ([]netip.Addr, error) {
			names = append(names, host)
			return []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")}, nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), 70*time.Second)
		defer cancel()
		if err := p.Run(ctx); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff([]string{"sip.example.org", "sip.example.org"}, names); diff != "" {
			t.Errorf("lookups (-want +got):\n%s", diff)
		}
		var hosts []string
		for _, r := range f.requests() {
			hosts = append(hosts, r.URI.Host)
		}
		if diff := cmp.Diff([]string{"192.0.2.1", "192.0.2.2"}, hosts); diff != "" {
			t.Errorf("hosts (-want +got):\n%s", diff)
		}
	})
}

func TestKeepaliveBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, _ := on(t, Config{}, 125*time.Second, always(200, 200), nil)
		for i, want := range []string{"1", "2"} {
			r := f.requests()[i+1]
			m, err := manscdp.Decode(r.Body)
			if err != nil {
				t.Fatal(err)
			}
			k, ok := m.(*manscdp.Keepalive)
			if !ok || k.SN != want || k.DeviceID != nodeID || k.Status != "OK" {
				t.Errorf("keepalive %d = %+v, want SN %s of %s", i, m, want, nodeID)
			}
			if got, want := r.To.URI.String(), "sip:"+superiorID+"@3402000000"; got != want {
				t.Errorf("To = %s, want %s", got, want)
			}
		}
	})
}

func TestStateNames(t *testing.T) {
	for s := Offline; s <= Leaving; s++ {
		if s.String() == "unknown" {
			t.Errorf("state %d has no name", s)
		}
	}
}

func TestQuirksOfTheIdentity(t *testing.T) {
	tests := []struct {
		compat           Compat
		from, to, target string
	}{
		{Compat{}, "3402000000", "3402000000", "192.0.2.10"},
		{Compat{FromHost: "own-domain"}, "3402010000", "3402010000", "192.0.2.10"},
		{Compat{FromHost: "ip:port"}, "192.0.2.20", "192.0.2.20", "192.0.2.10"},
		{Compat{RequestURIHost: "domain"}, "3402000000", "3402000000", "3402000000"},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			f, _ := on(t, Config{Compat: tt.compat}, time.Second, always(200, 200), nil)
			r := f.requests()[0]
			got := []string{r.From.URI.Host, r.To.URI.Host, r.URI.Host}
			if diff := cmp.Diff([]string{tt.from, tt.to, tt.target}, got); diff != "" {
				t.Errorf("%+v: hosts of From, To and Request-URI (-want +got):\n%s", tt.compat, diff)
			}
		})
	}
}

func TestNewCallIDForEachRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := Config{KeepaliveInterval: time.Hour, Compat: Compat{RefreshMode: "new-call-id", OmitGBVer: true}}
		f, _ := on(t, cfg, 55*time.Minute, always(200, 200), nil)
		first, refresh := f.requests()[0], f.requests()[1]
		if first.CallID == refresh.CallID || refresh.CSeq != 1 {
			t.Errorf("refresh has Call-ID %s and CSeq %d, want a new one and 1", refresh.CallID, refresh.CSeq)
		}
		if got := first.Header("X-GB-Ver"); got != "" {
			t.Errorf("X-GB-Ver = %q, want none", got)
		}
	})
}

func TestEdition(t *testing.T) {
	for _, tt := range []struct {
		version, peer, assume string
		want                  gb28181.Edition
	}{
		{"auto", "", "", gb28181.Edition2016},
		{"auto", "3.0", "", gb28181.Edition2022},
		{"auto", "2.0", "3.0", gb28181.Edition2016},
		{"auto", "", "3.0", gb28181.Edition2022},
		{"auto", "nonsense", "", gb28181.Edition2016},
		{"2016", "3.0", "", gb28181.Edition2016},
		{"2022", "", "", gb28181.Edition2022},
	} {
		p := newPlatform(Config{Version: tt.version, Compat: Compat{AssumeVersion: tt.assume}}, nil, nil, nil)
		p.status.PeerVersion = tt.peer
		if got := p.Edition(); got != tt.want {
			t.Errorf("version %s, peer %q, assumed %q: %v, want %v", tt.version, tt.peer, tt.assume, got, tt.want)
		}
		if got, want := p.charset(), tt.want.Charset(); got != want {
			t.Errorf("charset = %v, want %v", got, want)
		}
	}
}

func TestLookupHost(t *testing.T) {
	got, err := lookupHost(t.Context(), "::ffff:192.0.2.1")
	if want := netip.MustParseAddr("192.0.2.1"); err != nil || len(got) != 1 || got[0] != want {
		t.Errorf("lookupHost = %v, %v; want %v", got, err, want)
	}
	got, err = lookupHost(t.Context(), "localhost")
	if err != nil || len(got) == 0 || !got[0].IsLoopback() {
		t.Errorf("lookupHost(localhost) = %v, %v; want the loopback", got, err)
	}
}
