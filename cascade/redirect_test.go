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

const (
	serverA = "34020000002000000002"
	serverB = "34020000002000000003"
)

// sendOn is a 302 to another server.
func sendOn(id, at string) *sipua.Response {
	uri, err := sipua.ParseURI("sip:" + id + "@" + at)
	if err != nil {
		panic(err)
	}
	return &sipua.Response{Code: 302, Contact: &uri}
}

// journey says where requests went: "0s REGISTER to …0001 at 192.0.2.10:5060".
func journey(f *fakeUA) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	for _, s := range f.sent {
		to := strings.TrimPrefix(s.r.URI.String(), "sip:3402000000")
		line := fmt.Sprintf("%v %s %s", s.at.Round(time.Second), s.r.Method, to)
		if s.r.Header("Expires") == "0" {
			line += " leave"
		}
		if s.r.Header("Authorization") != "" {
			line += " auth"
		}
		out = append(out, line)
	}
	return out
}

func TestRedirect(t *testing.T) {
	const home, a, b = "2000000001@192.0.2.10:5060", "2000000002@192.0.2.11:5060", "2000000003@192.0.2.12:6060"
	at := func(r *sipua.Request, uri string) bool { return strings.HasSuffix(r.URI.String(), uri) }
	tests := []struct {
		name   string
		cfg    Config
		run    time.Duration
		answer func(n int, r *sipua.Request) *sipua.Response
		want   []string
		state  State
		id     string
		fault  string
	}{
		{
			name: "another ID, its port left out", run: 61 * time.Second, state: Online, id: serverA,
			answer: func(_ int, r *sipua.Request) *sipua.Response {
				switch {
				case at(r, home) && r.Header("Authorization") == "":
					return challenge()
				case at(r, home):
					return sendOn(serverA, "192.0.2.11")
				case r.Method == "REGISTER" && r.Header("Authorization") == "":
					return challenge()
				}
				return code(200)
			},
			want: []string{
				"0s REGISTER " + home, "0s REGISTER " + home + " auth", "0s REGISTER " + a, "0s REGISTER " + a + " auth",
				"1m0s MESSAGE " + a, "1m1s REGISTER " + a + " leave", "1m1s REGISTER " + a + " leave auth",
			},
		},
		{
			name: "a chain", run: time.Second, state: Online, id: serverB,
			answer: func(_ int, r *sipua.Request) *sipua.Response {
				switch {
				case at(r, home):
					return sendOn(serverA, "192.0.2.11:5060")
				case at(r, a):
					return sendOn(serverB, "192.0.2.12:6060")
				}
				return code(200)
			},
			want: []string{"0s REGISTER " + home, "0s REGISTER " + a, "0s REGISTER " + b, "1s REGISTER " + b + " leave"},
		},
		{
			name: "a loop", run: 30 * time.Second, state: Backoff, id: serverA, fault: "without end",
			answer: func(_ int, r *sipua.Request) *sipua.Response {
				if at(r, home) {
					return sendOn(serverA, "192.0.2.11:5060")
				}
				return sendOn(superiorID, "192.0.2.10:5060")
			},
			want: []string{"0s REGISTER " + home, "0s REGISTER " + a, "0s REGISTER " + home, "0s REGISTER " + a},
		},
		{
			name: "to itself", run: 30 * time.Second, state: Backoff, id: superiorID, fault: "without end",
			answer: func(int, *sipua.Request) *sipua.Response { return sendOn(superiorID, "192.0.2.10") },
			want:   []string{"0s REGISTER " + home},
		},
		{
			name: "nowhere", run: 30 * time.Second, state: Backoff, id: superiorID, fault: "names nowhere",
			answer: func(int, *sipua.Request) *sipua.Response { return code(302) },
			want:   []string{"0s REGISTER " + home},
		},
		{
			name: "the server is silent: back at once, then in peace", run: 50 * time.Second, state: Backoff, id: serverA,
			fault: "no answer",
			answer: func(_ int, r *sipua.Request) *sipua.Response {
				if at(r, home) {
					return sendOn(serverA, "192.0.2.11:5060")
				}
				return nil
			},
			want: []string{
				"0s REGISTER " + home, "0s REGISTER " + a, "8s REGISTER " + home, "8s REGISTER " + a,
				"16s REGISTER " + home, "16s REGISTER " + a, "24s REGISTER " + home, "24s REGISTER " + a,
			},
		},
		{
			name: "the server does not want us: as after a wrong password", run: 290 * time.Second, state: Backoff,
			id: serverA, fault: "refused",
			answer: func(_ int, r *sipua.Request) *sipua.Response {
				if at(r, home) {
					return sendOn(serverA, "192.0.2.11:5060")
				}
				return code(403)
			},
			want: []string{"0s REGISTER " + home, "0s REGISTER " + a},
		},
		{
			name: "the server forgets us: home again", run: 61 * time.Second, state: Online, id: serverB,
			fault: "does not know us",
			answer: func(n int, r *sipua.Request) *sipua.Response {
				switch {
				case at(r, home) && n == 1:
					return sendOn(serverA, "192.0.2.11:5060")
				case at(r, home):
					return sendOn(serverB, "192.0.2.12:6060")
				case r.Method == "MESSAGE":
					return code(404)
				}
				return code(200)
			},
			want: []string{
				"0s REGISTER " + home, "0s REGISTER " + a, "1m0s MESSAGE " + a, "1m0s REGISTER " + home,
				"1m0s REGISTER " + b, "1m1s REGISTER " + b + " leave",
			},
		},
		{
			name: "refreshed where we are", cfg: Config{RegisterExpires: 1000 * time.Second, KeepaliveInterval: time.Hour},
			run: 901 * time.Second, state: Online, id: serverA,
			answer: func(_ int, r *sipua.Request) *sipua.Response {
				if at(r, home) {
					return sendOn(serverA, "192.0.2.11:5060")
				}
				return code(200)
			},
			want: []string{
				"0s REGISTER " + home, "0s REGISTER " + a, "15m0s REGISTER " + a, "15m1s REGISTER " + a + " leave",
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, status := on(t, tt.cfg, tt.run, tt.answer, nil)
				if diff := cmp.Diff(tt.want, journey(f)); diff != "" {
					t.Errorf("requests (-want +got):\n%s", diff)
				}
				if status.State != tt.state || status.ID != tt.id || !strings.Contains(status.LastError, tt.fault) {
					t.Errorf("state %v at %s, %q; want %v at %s, %q",
						status.State, status.ID, status.LastError, tt.state, tt.id, tt.fault)
				}
			})
		})
	}
}

// TestRedirectOnTheWire talks with the server that we were sent to, under its ID.
func TestRedirectOnTheWire(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			home, other := newSuperior(t), newSuperior(t)
			other.as = serverA
			home.register = func(int, *sipua.Request) *sipua.Response {
				return sendOn(serverA, other.ua.Addr().String())
			}
			endOther := run(t, other.ua.Run)
			g := start(t, home, Config{Transport: transport}, &testSite{items: cameras(3, false)}, newMedia())
			t.Cleanup(endOther)
			r := await(t, "registration at the other", other.registered)
			if r.URI.User != serverA || r.To.URI.Host != "3402000000" {
				t.Errorf("REGISTER %s, To %s", r.URI.User, r.To.URI.String())
			}
			eventually(t, "online", func() bool { return g.p.Status().State == Online })
			if got := other.ask(nodeID, query("Catalog", "7", nodeID)); got != 200 {
				t.Fatalf("MESSAGE = %d, want 200", got)
			}
			checkCatalog(t, other, "7", 3, 3)
			if raw := other.received("<CmdType>Catalog</CmdType>")[0]; !strings.HasPrefix(raw, "MESSAGE sip:"+serverA+"@") {
				t.Errorf("answer goes to\n%s", raw)
			}
			g.stop()
			await(t, "unregistration", other.left)
			if len(home.left) != 0 {
				t.Error("unregistered where we were not registered")
			}
		})
	}
}

func TestClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // now is 2000-01-01T00:00:00Z
		tests := []struct {
			date  string
			utc   bool
			want  time.Duration
			known bool
		}{
			{"2000-01-01T08:00:00.583", false, 583 * time.Millisecond, true},
			{"2000-01-01T08:05:00", false, 5 * time.Minute, true},
			{"Sat, 01 Jan 2000 00:00:10 GMT", false, 10 * time.Second, true},
			{"2000-01-01T00:00:10Z", false, 10 * time.Second, true},
			{"2000-01-01T08:00:10+08:00", true, 10 * time.Second, true},
			{"2000-01-01T00:00:10", true, 10 * time.Second, true},
			{"Sat, 01 Jan 2000 00:00:10 GMT", true, 10 * time.Second, true},
			{"2000-01-01T00:00:30", false, 0, false}, // UTC where Beijing time belongs
			{"2000-01-01T16:01:00", false, 0, false},
			{"222213-11-11T00:00:00", false, 0, false},
			{"", false, 0, false},
		}
		for _, tt := range tests {
			if got, known := clockOffset(tt.date, tt.utc); got != tt.want || known != tt.known {
				t.Errorf("clockOffset(%q, %v) = %v, %v; want %v, %v", tt.date, tt.utc, got, known, tt.want, tt.known)
			}
		}
	})
}

func TestAddressChangeWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := false
		f, status := on(t, Config{}, 30*time.Second, func(int, *sipua.Request) *sipua.Response {
			if up {
				return code(200)
			}
			return code(500)
		}, func(_ *Platform, f *fakeUA) {
			time.Sleep(12 * time.Second)
			synctest.Wait()
			up = true
			f.move("198.51.100.20:5060") // the other network card
		})
		want := []string{"0s REGISTER", "15s REGISTER", "30s REGISTER leave"}
		if diff := cmp.Diff(want, f.lines()); diff != "" || status.State != Online {
			t.Errorf("%v, requests (-want +got):\n%s", status.State, diff)
		}
	})
}

// TestNameMoves gives the superior's name another address while we are registered.
func TestNameMoves(t *testing.T) {
	first := []string{"0s REGISTER 192.0.2.10", "1m0s MESSAGE 192.0.2.10"}
	tests := []struct {
		name string
		then []string // addresses of the name from 90 s on; nil: no answer
		want []string
	}{
		{
			"another address",
			[]string{"192.0.2.99"},
			[]string{first[0], first[1], "2m0s REGISTER 192.0.2.99", "2m10s REGISTER 192.0.2.99"},
		},
		{
			"one more address, in another order",
			[]string{"192.0.2.99", "192.0.2.10"},
			[]string{first[0], first[1], "2m0s MESSAGE 192.0.2.10", "2m10s REGISTER 192.0.2.10"},
		},
		{
			"the name server is down", nil,
			[]string{first[0], first[1], "2m0s MESSAGE 192.0.2.10", "2m10s REGISTER 192.0.2.10"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fakeUA{start: time.Now(), answer: always(200, 200), local: netip.MustParseAddrPort("192.0.2.20:5060")}
				p := newPlatform(Config{ID: superiorID, NodeID: nodeID, Address: "sip.example.com:5060"}, f, &testSite{}, nil)
				p.lookup = func(context.Context, string) ([]netip.Addr, error) {
					found := []string{"192.0.2.10"}
					if time.Since(f.start) > 90*time.Second {
						found = tt.then
					}
					if found == nil {
						return nil, fmt.Errorf("no such host")
					}
					var out []netip.Addr
					for _, a := range found {
						out = append(out, netip.MustParseAddr(a))
					}
					return out, nil
				}
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() { ended <- p.Run(ctx) }()
				time.Sleep(130 * time.Second)
				cancel()
				if err := <-ended; err != nil {
					t.Error(err)
				}
				var got []string
				for i, line := range f.lines() {
					got = append(got, strings.TrimSuffix(line, " leave")+" "+f.requests()[i].URI.Host)
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("requests (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestTune(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, _ := on(t, Config{}, 100*time.Second, always(200, 200), func(p *Platform, _ *fakeUA) {
			time.Sleep(70 * time.Second)
			p.Tune(10*time.Second, 1, 2*time.Hour)
			p.Tune(0, 0, 0) // nothing named, nothing changed
			interval, count, expires := p.Tuned()
			if interval != 10*time.Second || count != 1 || expires != 2*time.Hour {
				t.Errorf("tuned to %v, %d, %v", interval, count, expires)
			}
		})
		want := []string{"0s REGISTER", "1m0s MESSAGE", "1m20s MESSAGE", "1m30s MESSAGE", "1m40s REGISTER leave"}
		got := f.lines()
		if len(got) == len(want)+1 { // the keepalive of that very second
			got = append(got[:4:4], got[5:]...)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("requests (-want +got):\n%s", diff)
		}
	})
}

// TestSNsRise has every keepalive under a number of its own.
func TestSNsRise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, _ := on(t, Config{}, 200*time.Second, always(200, 200), nil)
		last := ""
		for _, r := range f.requests() {
			if r.Method != "MESSAGE" {
				continue
			}
			m, err := manscdp.Decode(r.Body)
			if err != nil {
				t.Fatal(err)
			}
			if sn := m.Head().SN; sn <= last {
				t.Errorf("SN %s after %s", sn, last)
			} else {
				last = sn
			}
		}
	})
}
