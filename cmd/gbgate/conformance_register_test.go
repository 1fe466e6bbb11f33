package main

import (
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gbgate/cascade/rehearsal"
	"gbgate/gb28181"
	"gbgate/gb28181/sipua"
)

// Line 1 of the list: REGISTER.

func TestLine1Challenges(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		cfg  rehearsal.Config
	}{
		{"qop auth", rehearsal.Config{Algorithm: "MD5", QOP: true}},
		{"no qop", rehearsal.Config{Algorithm: "MD5"}},
		{"no algorithm", rehearsal.Config{}},
		{"lower-case md5", rehearsal.Config{Algorithm: "md5", QOP: true}},
		{"SHA-256", rehearsal.Config{Algorithm: "SHA-256", QOP: true}},
		{"MD5 beside SHA-256", rehearsal.Config{
			Algorithm: "SHA-256", Challenges: []string{`Digest realm="other", nonce="6fe9ba44a76be22a", algorithm=MD5`},
		}},
		{"unknown beside MD5", rehearsal.Config{
			Algorithm: "MD5", QOP: true, Challenges: []string{`Digest realm="3402000000", nonce="1", algorithm=SM3`},
		}},
		{"qop list", rehearsal.Config{Edit: func(r *sipua.Request, res *sipua.Response) bool {
			for i, h := range res.Headers {
				if h.Name == "WWW-Authenticate" {
					res.Headers[i].Value = strings.TrimSuffix(h.Value, ",") +
						`, qop="auth,auth-int", opaque="5ccc069c403ebaf9f0171e9517f40e41"`
				}
			}
			return true
		}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			overBoth(t, func(t *testing.T, transport string) {
				r := newRig(t, setup{platform: c.cfg, password: "p@ss:word", transport: transport})
				if got := r.node.State(); got.Registrations != 1 {
					t.Errorf("registered %d times", got.Registrations)
				}
				r.gateway.status(t, "registration", online) // one that never heard its 200 leaves without waiting long
				if code := r.gateway.terminate(t); code != exitGood {
					t.Errorf("exit %d", code)
				}
				if got := r.node.State(); got.Registered || got.Unregistrations != 1 {
					t.Errorf("after the end the platform sees %+v, want it unregistered, through its challenge", got)
				}
			})
		})
	}
}

// The lifetime is that of Expires, of Contact's parameter, or what was asked for.
func TestLine1Lifetime(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		edit func(*sipua.Response)
		want time.Duration
	}{
		{"Expires", func(res *sipua.Response) { res.Headers[0].Value = "700" }, 700 * time.Second},
		{"Contact expires", func(res *sipua.Response) {
			res.Headers = []sipua.Header{{Name: "Contact", Value: "<" + res.Contact.String() + ">;expires=800"}}
			res.Contact = nil
		}, 800 * time.Second},
		{"none", func(res *sipua.Response) { res.Headers = nil }, time.Hour},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			edit := func(q *sipua.Request, res *sipua.Response) bool {
				if q.Method == "REGISTER" && res.Code == 200 {
					c.edit(res)
				}
				return true
			}
			overBoth(t, func(t *testing.T, transport string) {
				r := newRig(t, setup{platform: rehearsal.Config{Edit: edit}, transport: transport})
				doc := r.gateway.status(t, "registration", online)
				left := time.Until(*doc.Superiors[0].RegisteredUntil)
				if left > c.want || left < c.want-time.Minute {
					t.Errorf("registered for %v more, want %v", left, c.want)
				}
			})
		})
	}
}

// A Date is read in every form, and none of them moves the time that we tell.
func TestLine1Date(t *testing.T) {
	t.Parallel()
	form := func(layout string, in *time.Location) func(time.Time) string {
		return func(now time.Time) string { return now.In(in).Format(layout) }
	}
	for i, c := range []struct {
		name  string
		date  func(time.Time) string
		known bool
	}{
		{"local", form("2006-01-02T15:04:05", gb28181.Zone()), true},
		{"local with ms", form("2006-01-02T15:04:05.000", gb28181.Zone()), true},
		{"RFC 1123", form("Mon, 02 Jan 2006 15:04:05 GMT", time.UTC), true},
		{"with Z", form("2006-01-02T15:04:05Z", time.UTC), true},
		{"with zone", form("2006-01-02T15:04:05+08:00", gb28181.Zone()), true},
		{"garbage", func(time.Time) string { return "222213-11-11T00:00:00" }, false},
		{"none", func(time.Time) string { return "" }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, setup{platform: rehearsal.Config{Date: c.date}, transport: []string{"udp", "tcp"}[i%2]})
			doc := r.gateway.status(t, "registration", online)
			offset, err := time.ParseDuration(doc.Superiors[0].ClockOffset)
			if known := err == nil; known != c.known || known && offset.Abs() > time.Minute {
				t.Errorf("the platform's clock differs by %q", doc.Superiors[0].ClockOffset)
			}
			status, err := r.node.DeviceStatus(t.Context(), "")
			if err != nil || status.Time.IsZero() || time.Since(status.Time).Abs() > time.Minute {
				t.Errorf("DeviceTime is %v (%v)", status, err)
			}
		})
	}
}

// 403 is a refusal like a wrong password: the reason is told, and the platform is left in peace.
func line1Forbidden(t *testing.T) {
	overBoth(t, func(t *testing.T, transport string) {
		forbid := func(q *sipua.Request, res *sipua.Response) bool {
			*res = sipua.Response{Code: 403}
			return true
		}
		r := newRig(t, setup{
			platform: rehearsal.Config{Edit: forbid}, transport: transport, superior: "register_retry = \"1s\"\n", noNode: true,
		})
		doc := r.gateway.status(t, "refusal", func(doc statusDoc) bool { return doc.Superiors[0].State == "backoff" })
		if reason := doc.Superiors[0].Reason; !strings.Contains(reason, "403") {
			t.Errorf("the reason is %q", reason)
		}
		time.Sleep(3 * time.Second)
		if n := len(r.tape.in("REGISTER sip:")); n > 2 {
			t.Errorf("%d REGISTERs although the first was answered 403", n)
		}
	})
}

func line1Refused(t *testing.T) {
	r := newRig(t, setup{
		platform: rehearsal.Config{Password: "right"}, password: "wrong", superior: "register_retry = \"1s\"\n", noNode: true,
	})
	doc := r.gateway.status(t, "refusal", func(doc statusDoc) bool { return doc.Superiors[0].State == "backoff" })
	if reason := doc.Superiors[0].Reason; !strings.Contains(reason, "password") {
		t.Errorf("the reason is %q", reason)
	}
	time.Sleep(3 * time.Second)
	if n := len(r.tape.in("REGISTER sip:")); n > 2 {
		t.Errorf("%d REGISTERs with a wrong password, although one wants 1 s between them: that locks a box out", n)
	}
}

func TestLine1IntervalTooBrief(t *testing.T) {
	t.Parallel()
	overBoth(t, func(t *testing.T, transport string) {
		r := newRig(t, setup{
			platform: rehearsal.Config{MinExpires: 2 * time.Hour}, transport: transport, password: "12345678",
		})
		doc := r.gateway.status(t, "registration", online)
		if left := time.Until(*doc.Superiors[0].RegisteredUntil); left < 119*time.Minute {
			t.Errorf("registered for %v more, want two hours", left)
		}
	})
}

// A platform that answers nothing is left in peace for the time between two attempts.
func line1NoAnswer(t *testing.T) {
	mute := func(*sipua.Request, *sipua.Response) bool { return false }
	r := newRig(t, setup{platform: rehearsal.Config{Edit: mute}, noNode: true})
	r.gateway.status(t, "back-off", func(doc statusDoc) bool { return doc.Superiors[0].State == "backoff" })
	time.Sleep(time.Second)
	branches := map[string]bool{}
	for _, e := range r.tape.in("REGISTER sip:") {
		branches[header(e.Raw, "Via")] = true
	}
	if len(branches) != 1 {
		t.Errorf("%d REGISTERs within the first minute", len(branches))
	}
}

// The registration is renewed before it ends, with the same Call-ID, a rising CSeq and, first, no Authorization.
func line1Refresh(t *testing.T) {
	overBoth(t, func(t *testing.T, transport string) {
		r := newRig(t, setup{
			platform: rehearsal.Config{Expires: 2 * time.Second, QOP: true}, password: "12345678", transport: transport,
		})
		ctx := soon(t, 20*time.Second)
		if err := r.node.WaitState(ctx, func(s rehearsal.NodeState) bool { return s.Registrations >= 4 }); err != nil {
			t.Fatal(err)
		}
		var last uint64
		ids := map[string]bool{}
		for i, e := range r.tape.in("REGISTER sip:") {
			cseq, _, _ := strings.Cut(header(e.Raw, "CSeq"), " ")
			n, _ := strconv.ParseUint(cseq, 10, 32)
			if n <= last {
				t.Errorf("CSeq %d after %d", n, last)
			}
			last = n
			ids[header(e.Raw, "Call-ID")] = true
			if with := header(e.Raw, "Authorization") != ""; with != (i%2 == 1) {
				t.Errorf("REGISTER %d has an Authorization: %v", i+1, with)
			}
			if strings.Contains(header(e.Raw, "To"), "tag=") {
				t.Errorf("REGISTER %d has a To-tag", i+1)
			}
		}
		if len(ids) != 1 {
			t.Errorf("%d Call-IDs", len(ids))
		}
	})
}

// Who answers 400 to a refresh gets a new Call-ID (WVP issue 572).
func TestLine1RefreshAnswered400(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	granted := map[string]int{}
	r := newRig(t, setup{platform: rehearsal.Config{
		Expires: 2 * time.Second,
		Edit: func(q *sipua.Request, res *sipua.Response) bool {
			mu.Lock()
			defer mu.Unlock()
			if q.Method != "REGISTER" {
				return true
			}
			if granted[q.CallID] > 0 {
				*res = sipua.Response{Code: 400}
			}
			granted[q.CallID]++
			return true
		},
	}})
	eventually(t, 15*time.Second, "a third Call-ID", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(granted) >= 3
	})
	if doc := r.gateway.status(t, "registration", online); doc.Superiors[0].State == "" {
		t.Error("no state")
	}
}

func TestLine1VersionHeader(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ version, charset string }{{"", "GB2312"}, {"2.0", "GB2312"}, {"3.0", "GB18030"}} {
		t.Run("X-GB-Ver "+c.version, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, setup{platform: rehearsal.Config{Version: c.version}, rest: offCameras(1, 1)})
			if _, err := r.node.Catalog(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n := len(r.tape.in("<CmdType>Catalog</CmdType>", `encoding="`+c.charset+`"`)); n == 0 {
				t.Errorf("no catalog in %s", c.charset)
			}
			for _, e := range r.tape.in("REGISTER sip:") {
				if header(e.Raw, "X-GB-Ver") == "" {
					t.Errorf("a REGISTER without X-GB-Ver:\n%s", e.Raw)
				}
			}
		})
	}
}

// startSecond runs a further platform with another code.
func startSecond(t *testing.T, id string, cfg rehearsal.Config) (*rehearsal.Platform, *tape) {
	t.Helper()
	tp := &tape{}
	cfg.ID, cfg.Trace = id, tp.add
	p, err := rehearsal.Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	background(t, p.Run)
	return p, tp
}

// 302 leads to another platform with another code, which then is the superior in everything (2022 9.1.2.3).
func TestLine1Redirect(t *testing.T) {
	t.Parallel()
	overBoth(t, func(t *testing.T, transport string) {
		const second, third = "34020000002000000002", "34020000002000000003"
		c, tapeC := startSecond(t, third, rehearsal.Config{Password: "12345678", QOP: true})
		b, _ := startSecond(t, second, rehearsal.Config{Password: "12345678"})
		b.Redirect(c)
		a := startPlatform(t, rehearsal.Config{Password: "12345678"})
		a.Redirect(b)
		s := setup{
			password: "12345678", transport: transport, superior: "keepalive_interval = \"5s\"\nregister_retry = \"1s\"\n",
		}
		startGateway(t, 0, s.rigConfig(a)+offCameras(1, 1))
		n := node(t, c)
		if _, err := n.Catalog(soon(t, 10*time.Second)); err != nil {
			t.Error(err)
		}
		if err := n.WaitState(soon(t, 15*time.Second), func(s rehearsal.NodeState) bool {
			return s.Keepalives > 0
		}); err != nil {
			t.Fatal(err)
		}
		for _, e := range tapeC.in("<CmdType>Keepalive</CmdType>") {
			if to := header(e.Raw, "To"); !strings.HasPrefix(e.Raw, "MESSAGE sip:"+third+"@") ||
				!strings.Contains(to, "sip:"+third+"@") {
				t.Errorf("a keepalive is addressed to another than the new superior:\n%s", e.Raw)
			}
		}
		// The new superior fails: back to the one that redirects.
		a.Redirect(nil)
		n.Forget()
		c.Redirect(a) // it does not take the node any more
		node(t, a)
	})
}

func TestLine1RedirectLoop(t *testing.T) {
	t.Parallel()
	b, tapeB := startSecond(t, "34020000002000000002", rehearsal.Config{})
	r := newRig(t, setup{noNode: true, rest: offCameras(1, 1)})
	b.Redirect(r.platform)
	r.platform.Redirect(b)
	r.gateway.status(t, "end of the chase", func(doc statusDoc) bool { return doc.Superiors[0].State == "backoff" })
	time.Sleep(time.Second)
	if n := len(r.tape.in("REGISTER sip:")) + len(tapeB.in("REGISTER sip:")); n > 8 {
		t.Errorf("%d REGISTERs in a loop of two platforms", n)
	}
}
