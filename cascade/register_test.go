package cascade

import (
	"errors"
	"testing"
	"time"

	"gbgate/gb28181/manscdp"
	"gbgate/gb28181/sipua"
)

var transports = []string{"udp", "tcp"}

// digestServer answers REGISTER as a registrar with a password does.
func digestServer(challenge func(c *sipua.Challenger) []string, algorithm string, qop bool,
) func(int, *sipua.Request) *sipua.Response {
	c := &sipua.Challenger{Realm: "3402000000", Algorithm: algorithm, QOP: qop}
	return func(_ int, r *sipua.Request) *sipua.Response {
		known := func(user string) (string, bool) { return password, user == nodeID }
		err := c.Check(r.Header("Authorization"), "REGISTER", known)
		if err == nil {
			return &sipua.Response{Code: 200}
		}
		res := &sipua.Response{Code: 401}
		all := []string{c.Challenge()}
		if challenge != nil {
			all = challenge(c)
		}
		for _, v := range all {
			res.Headers = append(res.Headers, sipua.Header{Name: "WWW-Authenticate", Value: v})
		}
		return res
	}
}

func TestRegisterWithDigest(t *testing.T) {
	tests := []struct {
		name      string
		algorithm string
		qop       bool
		challenge func(c *sipua.Challenger) []string
	}{
		{name: "MD5 without qop", algorithm: "MD5"},
		{name: "no algorithm"},
		{name: "qop", algorithm: "MD5", qop: true},
		{name: "SHA-256", algorithm: "SHA-256", qop: true},
		{name: "lower-case md5", algorithm: "md5"},
		{name: "the second challenge is stronger", algorithm: "SHA-256", challenge: func(c *sipua.Challenger) []string {
			return []string{`Digest realm="other",nonce="1",algorithm=MD5`, c.Challenge()}
		}},
		{name: "two challenges, one unknown", algorithm: "MD5", challenge: func(c *sipua.Challenger) []string {
			return []string{`Digest realm="other",nonce="1",algorithm=SM3`, c.Challenge()}
		}},
	}
	for _, tt := range tests {
		for _, transport := range transports {
			t.Run(tt.name+" "+transport, func(t *testing.T) {
				s := newSuperior(t)
				s.register = digestServer(tt.challenge, tt.algorithm, tt.qop)
				g := start(t, s, Config{Transport: transport}, &testSite{}, newMedia())
				r := await(t, "registration", s.registered)
				if r.Transport != transport {
					t.Errorf("registered over %s, want %s", r.Transport, transport)
				}
				eventually(t, "online", func() bool { return g.p.Status().State == Online })
				g.stop()
				await(t, "unregistration", s.left) // challenged too
			})
		}
	}
}

func TestWrongPasswordIsSaidInPlainWords(t *testing.T) {
	s := newSuperior(t)
	s.register = digestServer(nil, "MD5", true)
	g := start(t, s, Config{Password: "wrong"}, &testSite{}, newMedia())
	eventually(t, "back-off", func() bool { return g.p.Status().State == Backoff })
	if got, want := g.p.Status().LastError, "password refused by the platform"; got != want {
		t.Errorf("last error = %q, want %q", got, want)
	}
	if got := g.p.until(); !got.IsZero() {
		t.Errorf("registered until %v, want never", got)
	}
}

func TestResetOfTCPIsFollowedByRegistration(t *testing.T) {
	// The superior goes away with all its connections and another takes its port.
	s := newSuperior(t)
	cfg := Config{Transport: "tcp", RegisterRetry: 400 * time.Millisecond}
	m := newMedia()
	u, err := sipua.Listen(sipua.Config{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	cfg.ID, cfg.NodeID, cfg.Address, cfg.Timers = superiorID, nodeID, s.ua.Addr().String(), shortTimers()
	p := NewPlatform(cfg, u, &testSite{known: []string{gateID}}, m)
	NewRouter(u).Add(p)
	endAbove, endUA, endPlatform := run(t, s.ua.Run), run(t, u.Run), run(t, p.Run)
	defer func() {
		endPlatform()
		endUA()
	}()
	await(t, "registration", s.registered)
	if got := s.call(s.invitation(gateID, "", offer("0200000001"))).Code; got != 200 {
		t.Fatalf("INVITE = %d, want 200", got)
	}
	await(t, "media", m.answered)

	endAbove()
	if err := await(t, "end of the call", m.ended); !errors.Is(err, ErrOffline) {
		t.Errorf("the call ended with %v, want %v", err, ErrOffline)
	}
	again := newSuperiorAt(t, s.ua.Addr().String())
	endAgain := run(t, again.ua.Run)
	defer endAgain()
	await(t, "registration to the new one", again.registered)
	eventually(t, "online", func() bool { return p.Status().State == Online })
	endPlatform()
	await(t, "unregistration", again.left)
}

func TestKeepaliveOnTheWire(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			s := newSuperior(t)
			refused := false
			s.message = func(*sipua.Request, manscdp.Message) int {
				if !refused {
					refused = true
					return 404 // WVP has forgotten us
				}
				return 200
			}
			cfg := Config{Transport: transport, KeepaliveInterval: 30 * time.Millisecond}
			g := start(t, s, cfg, &testSite{}, newMedia())
			await(t, "registration", s.registered)
			await(t, "second registration", s.registered)
			eventually(t, "keepalive answered", func() bool { return !g.p.Status().KeepaliveAnswered.IsZero() })
		})
	}
}
