package cascade

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gbgate/gb28181/sipua"
	"github.com/google/go-cmp/cmp"
)

const (
	superiorID = "34020000002000000001"
	nodeID     = "34020100002000000001"
	password   = "12345678"
)

// fakeUA stands in for the endpoint where only the time line matters. answer sees the requests one by one.
type fakeUA struct {
	start  time.Time
	answer func(n int, r *sipua.Request) *sipua.Response // nil: no answer

	mu    sync.Mutex
	local netip.AddrPort
	sent  []sentRequest
}

type sentRequest struct {
	at time.Duration // since the start
	r  *sipua.Request
}

func (f *fakeUA) Do(ctx context.Context, r *sipua.Request, _ sipua.Route) (*sipua.Response, error) {
	f.mu.Lock()
	f.sent = append(f.sent, sentRequest{time.Since(f.start), r})
	n := len(f.sent)
	f.mu.Unlock()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if res := f.answer(n, r); res != nil {
		return res, nil
	}
	<-ctx.Done()
	return nil, context.Cause(ctx)
}

func (f *fakeUA) LocalFor(netip.AddrPort) (netip.AddrPort, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.local, nil
}

func (f *fakeUA) move(to string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.local = netip.MustParseAddrPort(to)
}

// lines says when which request was sent, as "60s MESSAGE".
func (f *fakeUA) lines() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	for _, s := range f.sent {
		line := fmt.Sprintf("%v %s", s.at.Round(time.Second), s.r.Method)
		if s.r.Header("Authorization") != "" {
			line += " auth"
		}
		if s.r.Header("Expires") == "0" {
			line += " leave"
		}
		out = append(out, line)
	}
	return out
}

func (f *fakeUA) requests() []*sipua.Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []*sipua.Request
	for _, s := range f.sent {
		out = append(out, s.r)
	}
	return out
}

func code(c int, headers ...string) *sipua.Response {
	res := &sipua.Response{Code: c}
	for i := 0; i+1 < len(headers); i += 2 {
		res.Headers = append(res.Headers, sipua.Header{Name: headers[i], Value: headers[i+1]})
	}
	return res
}

func challenge() *sipua.Response {
	return code(401, "WWW-Authenticate", `Digest realm="3402000000",nonce="44010b73623249f6916a6acf7c316b8e"`)
}

// on runs a platform against answer for d of fake time, then ends it; during acts in between, after each has slept.
func on(t *testing.T, cfg Config, d time.Duration, answer func(n int, r *sipua.Request) *sipua.Response,
	during func(p *Platform, f *fakeUA),
) (*fakeUA, Status) {
	t.Helper()
	f := &fakeUA{start: time.Now(), answer: answer, local: netip.MustParseAddrPort("192.0.2.20:5060")}
	cfg.ID, cfg.NodeID, cfg.Address, cfg.Password = superiorID, nodeID, "192.0.2.10:5060", password
	p := newPlatform(cfg, f, &testSite{}, nil)
	p.jitter = func(time.Duration) time.Duration { return 0 }
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	if during != nil {
		during(p, f)
	}
	time.Sleep(d - time.Since(f.start))
	synctest.Wait()
	status := p.Status()
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
	if got := p.Status().State; got != Offline {
		t.Errorf("state after Run = %v, want offline", got)
	}
	return f, status
}

// always answers REGISTER and MESSAGE with the given codes.
func always(register, message int) func(int, *sipua.Request) *sipua.Response {
	return func(_ int, r *sipua.Request) *sipua.Response {
		c := register
		if r.Method == "MESSAGE" {
			c = message
		}
		if c == 0 {
			return nil
		}
		return code(c)
	}
}

func TestTimelines(t *testing.T) {
	// by chooses among answers by what was asked before.
	script := func(steps ...int) func(int, *sipua.Request) *sipua.Response {
		return func(n int, _ *sipua.Request) *sipua.Response {
			c := steps[min(n, len(steps))-1]
			switch c {
			case 0:
				return nil
			case 401:
				return challenge()
			case 423:
				return code(423, "Min-Expires", "7200")
			}
			return code(c)
		}
	}
	tests := []struct {
		name   string
		cfg    Config
		run    time.Duration
		answer func(int, *sipua.Request) *sipua.Response
		want   []string
		state  State
		fault  string // part of LastError
	}{
		{
			name: "keepalives", run: 150 * time.Second, answer: always(200, 200), state: Online,
			want: []string{"0s REGISTER", "1m0s MESSAGE", "2m0s MESSAGE", "2m30s REGISTER leave"},
		},
		{
			name: "challenge", run: 10 * time.Second, answer: script(401, 200, 401, 200), state: Online,
			want: []string{"0s REGISTER", "0s REGISTER auth", "10s REGISTER leave", "10s REGISTER auth leave"},
		},
		{
			name: "refresh before the end, without Authorization first",
			cfg:  Config{RegisterExpires: 100 * time.Second, KeepaliveInterval: time.Hour},
			run:  85 * time.Second, answer: script(401, 200, 401, 200, 200), state: Online,
			want: []string{
				"0s REGISTER", "0s REGISTER auth", "50s REGISTER", "50s REGISTER auth",
				"1m25s REGISTER leave",
			},
		},
		{
			name: "refresh answered 400: new Call-ID",
			cfg:  Config{RegisterExpires: 1000 * time.Second, KeepaliveInterval: time.Hour},
			run:  901 * time.Second, answer: script(200, 400, 401, 200), state: Online,
			want: []string{
				"0s REGISTER", "15m0s REGISTER", "15m0s REGISTER", "15m0s REGISTER auth",
				"15m1s REGISTER leave",
			},
		},
		{
			name: "refresh answered 403: five minutes",
			cfg:  Config{RegisterExpires: 1000 * time.Second, KeepaliveInterval: time.Hour},
			run:  1100 * time.Second, answer: script(200, 403), state: Backoff,
			want: []string{"0s REGISTER", "15m0s REGISTER"}, fault: "password refused by the platform",
		},
		{
			name: "refresh never answered: a new binding when the old has ended",
			cfg:  Config{RegisterExpires: 100 * time.Second, KeepaliveInterval: time.Hour},
			run:  130 * time.Second, answer: script(200, 0), state: Backoff,
			want: []string{
				"0s REGISTER", "50s REGISTER", "1m19s REGISTER", "1m34s REGISTER", "1m42s REGISTER",
			},
			fault: "no answer",
		},
		{
			name: "no answer: again every RegisterRetry", run: 130 * time.Second, answer: always(0, 0), state: Backoff,
			want:  []string{"0s REGISTER", "1m0s REGISTER", "2m0s REGISTER"},
			fault: "no answer from 192.0.2.10:5060 over udp",
		},
		{
			name: "password refused: five minutes", run: 301 * time.Second, state: Backoff,
			answer: func(int, *sipua.Request) *sipua.Response { return challenge() },
			want:   []string{"0s REGISTER", "0s REGISTER auth", "5m0s REGISTER", "5m0s REGISTER auth"},
			fault:  "password refused by the platform",
		},
		{
			name: "403: five minutes", run: 200 * time.Second, state: Backoff, answer: always(403, 0),
			want: []string{"0s REGISTER"}, fault: "password refused by the platform",
		},
		{
			name: "stale nonce is no wrong password", run: time.Second, state: Online,
			answer: func(n int, _ *sipua.Request) *sipua.Response {
				switch n {
				case 1:
					return challenge()
				case 2:
					return code(401, "WWW-Authenticate", `Digest realm="r",nonce="new",stale=TRUE`)
				}
				return code(200)
			},
			want: []string{"0s REGISTER", "0s REGISTER auth", "0s REGISTER auth", "1s REGISTER leave"},
		},
		{
			name: "423", run: time.Second, answer: script(423, 200), state: Online,
			want: []string{"0s REGISTER", "0s REGISTER", "1s REGISTER leave"},
		},
		{
			name: "500: after RegisterRetry", run: 61 * time.Second, answer: script(500, 200), state: Online,
			want: []string{"0s REGISTER", "1m0s REGISTER", "1m1s REGISTER leave"}, fault: "the platform answered 500",
		},
		{
			name: "a challenge of an unknown kind", run: time.Second, state: Backoff,
			answer: func(int, *sipua.Request) *sipua.Response {
				return code(401, "WWW-Authenticate", `Digest realm="r",nonce="n",algorithm=SM3`)
			},
			want: []string{"0s REGISTER"}, fault: "challenge cannot be answered",
		},
		{
			name: "three keepalives without answer: at once", run: 190 * time.Second,
			state: Online, answer: always(200, 0),
			want: []string{
				"0s REGISTER", "1m0s MESSAGE", "2m0s MESSAGE", "3m0s MESSAGE", "3m8s REGISTER",
				"3m10s REGISTER leave",
			},
			fault: "3 keepalives are not answered",
		},
		{
			name: "two lost keepalives are forgiven", run: 250 * time.Second, state: Online,
			answer: script(200, 0, 500, 200, 500),
			want: []string{
				"0s REGISTER", "1m0s MESSAGE", "2m0s MESSAGE", "3m0s MESSAGE", "4m0s MESSAGE",
				"4m10s REGISTER leave",
			},
		},
		{
			name: "three keepalives lost and nobody there: every RegisterRetry", run: 310 * time.Second,
			state:  Registering,
			answer: script(200, 0),
			want: []string{
				"0s REGISTER", "1m0s MESSAGE", "2m0s MESSAGE", "3m0s MESSAGE", "3m8s REGISTER",
				"4m8s REGISTER", "5m8s REGISTER",
			},
			fault: "no answer",
		},
	}
	for _, c := range []int{401, 403, 404, 407, 481} {
		tests = append(tests, struct {
			name   string
			cfg    Config
			run    time.Duration
			answer func(int, *sipua.Request) *sipua.Response
			want   []string
			state  State
			fault  string
		}{
			name: fmt.Sprintf("keepalive answered %d: at once", c), run: 61 * time.Second, state: Online,
			answer: script(200, c, 200), fault: "does not know us",
			want: []string{"0s REGISTER", "1m0s MESSAGE", "1m0s REGISTER", "1m1s REGISTER leave"},
		})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, status := on(t, tt.cfg, tt.run, tt.answer, nil)
				if diff := cmp.Diff(tt.want, f.lines()); diff != "" {
					t.Errorf("requests (-want +got):\n%s", diff)
				}
				if status.State != tt.state {
					t.Errorf("state = %v, want %v", status.State, tt.state)
				}
				if !strings.Contains(status.LastError, tt.fault) || tt.fault == "" && status.LastError != "" {
					t.Errorf("last error = %q, want %q in it", status.LastError, tt.fault)
				}
			})
		})
	}
}
