package rtsp

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gbgate/rtsp/simcam"
)

// verify recomputes what the camera expects, by the formulas of RFC 2069 and RFC 7616.
func verify(c challenge, r *camRequest, user, password string) bool {
	got := parseChallenges([]string{r.Get("Authorization")})
	if len(got) != 1 {
		return false
	}
	if c.scheme == "basic" {
		return r.Get("Authorization") == c.authorization(user, password, "", "", 0, "")
	}
	p := params(r.Get("Authorization"))
	if p["nonce"] != c.nonce || p["uri"] != r.URL || p["username"] != user {
		return false
	}
	ha1 := c.hash(user, c.realm, password)
	if strings.HasSuffix(c.algorithm, "-sess") {
		ha1 = c.hash(ha1, c.nonce, p["cnonce"])
	}
	want := c.hash(ha1, c.nonce, c.hash(r.Method, r.URL))
	if c.qop {
		want = c.hash(ha1, c.nonce, p["nc"], p["cnonce"], p["qop"], c.hash(r.Method, r.URL))
	}
	return p["response"] == want
}

func params(header string) map[string]string {
	m := make(map[string]string)
	for _, kv := range strings.Split(strings.TrimPrefix(header, "Digest "), ", ") {
		k, v, _ := strings.Cut(kv, "=")
		m[k] = strings.Trim(v, `"`)
	}
	return m
}

// demand answers DESCRIBE only when it is signed with u and p.
func demand(r *camRequest) string {
	c := challenge{scheme: "digest", realm: "cam", nonce: "n1"}
	if verify(c, r, "u", "p") {
		return simcam.ReplySDP(r, simcam.ScriptedSDP)
	}
	return simcam.Reply(r, "401 Unauthorized", `WWW-Authenticate: Digest realm="cam", nonce="n1"`)
}

func TestAuthentication(t *testing.T) {
	cases := map[string]struct {
		challenges []string
		expect     challenge
	}{
		"md5": {[]string{`Digest realm="cam", nonce="n1"`}, challenge{}},
		"md5 qop": {
			[]string{`Digest realm="cam", nonce="n1", qop="auth,auth-int", algorithm=MD5`},
			challenge{algorithm: "MD5", qop: true},
		},
		"sha-256": {
			[]string{`Digest realm="cam", nonce="n1", algorithm=SHA-256, qop="auth"`},
			challenge{algorithm: "SHA-256", qop: true},
		},
		"md5-sess": {
			[]string{`Digest realm="cam", nonce="n1", algorithm="MD5-sess", qop=auth`},
			challenge{algorithm: "MD5-sess", qop: true},
		},
		"basic":      {[]string{`Basic realm="cam"`}, challenge{scheme: "basic"}},
		"lower case": {[]string{`digest Realm="cam", NONCE="n1"`}, challenge{}},
		"unquoted":   {[]string{`Digest realm=cam,nonce=n1,algorithm=MD5`}, challenge{algorithm: "MD5"}},
		"blanks":     {[]string{`Digest  realm = "cam" , nonce = "n1"`}, challenge{}},
		"several": {
			[]string{
				`Basic realm="cam"`,
				`Digest realm="cam", nonce="n1", algorithm=MD5`,
				`Digest realm="cam", nonce="n1", algorithm=SHA-256`,
			},
			challenge{algorithm: "SHA-256"},
		},
		"one header": {[]string{`Basic realm="cam", Digest realm="cam", nonce="n1"`}, challenge{}},
		"unknown too": {
			[]string{
				`Digest realm="cam", nonce="n1", algorithm=SHA-512-256`,
				`Digest realm="cam", nonce="n1"`,
			},
			challenge{},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if c.expect.scheme == "" {
				c.expect.scheme, c.expect.nonce = "digest", "n1"
			}
			c.expect.realm = "cam"
			cam := newFakeCamera(t)
			cam.Answer = func(_ *camConn, r *camRequest) string {
				if r.Method == "OPTIONS" || verify(c.expect, r, "user", "p@ss:/?#口令") {
					return ""
				}
				var lines []string
				for _, ch := range c.challenges {
					lines = append(lines, "WWW-Authenticate: "+ch)
				}
				return simcam.Reply(r, "401 Unauthorized", lines...)
			}
			cfg := Config{Username: "user", Password: "p@ss:/?#口令"}
			if err := cam.pull(cfg); err != errEnough { //nolint:errorlint // the very cause
				t.Errorf("got %v, want %v", err, errEnough)
			}
		})
	}
}

// TestRotatingNonces plays Dahua: each nonce is good for one request.
func TestRotatingNonces(t *testing.T) {
	for _, stale := range []string{"", ", stale=true"} {
		t.Run("stale"+stale, func(t *testing.T) {
			cam := newFakeCamera(t)
			n := 0
			nonce := func() string { return fmt.Sprintf("n%d", n) }
			cam.Answer = func(_ *camConn, r *camRequest) string {
				if r.Method == "OPTIONS" {
					return ""
				}
				good := verify(challenge{scheme: "digest", realm: "cam", nonce: nonce()}, r, "u", "p")
				n++
				if good {
					return ""
				}
				return simcam.Reply(r, "401 Unauthorized", `WWW-Authenticate: Digest realm="cam", nonce="`+nonce()+`"`+stale)
			}
			if err := cam.pull(Config{Username: "u", Password: "p"}); err != errEnough { //nolint:errorlint // the very cause
				t.Errorf("got %v, want %v", err, errEnough)
			}
		})
	}
}

// TestWrongPassword counts the tries, because cameras lock the account.
func TestWrongPassword(t *testing.T) {
	cases := map[string][]string{
		"one way": {`Digest realm="cam", nonce="n1"`},
		"three ways": {
			`Digest realm="cam", nonce="n1", algorithm=SHA-256`, `Digest realm="cam", nonce="n1"`, `Basic realm="cam"`,
		},
		"fresh nonces": {`Digest realm="cam", nonce="N"`},
		"always stale": {`Digest realm="cam", nonce="N", stale=true`},
	}
	for name, challenges := range cases {
		t.Run(name, func(t *testing.T) {
			cam := newFakeCamera(t)
			signed, n := 0, 0
			cam.Answer = func(_ *camConn, r *camRequest) string {
				if r.Method == "OPTIONS" {
					return ""
				}
				if r.Get("Authorization") != "" {
					signed++
				}
				n++
				var lines []string
				for _, c := range challenges {
					lines = append(lines, "WWW-Authenticate: "+strings.ReplaceAll(c, "N", fmt.Sprint(n)))
				}
				return simcam.Reply(r, "401 Unauthorized", lines...)
			}
			err := cam.pull(Config{Username: "u", Password: "wrong"})
			if kindOf(err) != Auth {
				t.Errorf("got %v: %v, want %v", kindOf(err), err, Auth)
			}
			if fmt.Sprint(err) != "password refused" {
				t.Errorf("got %q, want %q", fmt.Sprint(err), "password refused")
			}
			if most := 2; signed > most {
				t.Errorf("password tried %d times, want at most %d", signed, most)
			}
		})
	}
}

// TestAuthSessionsFull plays a camera that answers 401 to SETUP when its sessions are used up.
func TestAuthSessionsFull(t *testing.T) {
	cam := newFakeCamera(t)
	cam.Answer = func(_ *camConn, r *camRequest) string {
		switch r.Method {
		case "DESCRIBE":
			return demand(r)
		case "SETUP":
			return simcam.Reply(r, "401 Unauthorized", `WWW-Authenticate: Digest realm="cam", nonce="n2"`)
		}
		return ""
	}
	if err := cam.pull(Config{Username: "u", Password: "p"}); kindOf(err) != Busy {
		t.Errorf("got %v: %v, want %v", kindOf(err), err, Busy)
	}
}

// TestHangsUpAfterChallenge plays a camera that closes the connection with its 401.
func TestHangsUpAfterChallenge(t *testing.T) {
	cam := newFakeCamera(t)
	cam.Answer = func(c *camConn, r *camRequest) string {
		if r.Method != "DESCRIBE" {
			return ""
		}
		text := demand(r)
		if strings.Contains(text, " 401 ") {
			c.Send([]byte(text))
			return "!"
		}
		return text
	}
	if err := cam.pull(Config{Username: "u", Password: "p"}); err != errEnough { //nolint:errorlint // the very cause
		t.Errorf("got %v, want %v", err, errEnough)
	}
}

// TestDigestVectors holds the examples of RFC 7616 3.9.1 and RFC 2069 (as corrected by its errata).
func TestDigestVectors(t *testing.T) {
	rfc7616 := challenge{
		scheme: "digest", realm: "http-auth@example.org",
		nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", qop: true,
	}
	const cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
	cases := map[string]struct {
		algorithm, want string
	}{
		"md5":     {"MD5", "8ca523f5e9506fed4657c9700eebdbec"},
		"sha-256": {"SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"},
	}
	for name, c := range cases {
		rfc7616.algorithm = c.algorithm
		header := rfc7616.authorization("Mufasa", "Circle of Life", "GET", "/dir/index.html", 1, cnonce)
		if got := params(header)["response"]; got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
	rfc2069 := challenge{scheme: "digest", realm: "testrealm@host.com", nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093"}
	header := rfc2069.authorization("Mufasa", "CircleOfLife", "GET", "/dir/index.html", 1, "")
	if got, want := params(header)["response"], "1949323746fe6a43ef61f9606e7febea"; got != want {
		t.Errorf("without qop: got %s, want %s", got, want)
	}
}

func TestParseChallenges(t *testing.T) {
	got := parseChallenges([]string{`Digest realm="a \"b\", c", nonce=abc==, opaque="", qop="auth", Basic realm=x y`})
	want := []challenge{
		{scheme: "digest", realm: `a "b", c`, nonce: "abc==", qop: true},
		{scheme: "basic", realm: "x y"},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(challenge{})); diff != "" {
		t.Error(diff)
	}
}
