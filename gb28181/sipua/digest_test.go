package sipua

import (
	"errors"
	"strings"
	"testing"
	"time"
)

const (
	vectorUser  = "34020000001320000001"
	vectorURI   = "sip:34020000002000000001@3402000000"
	vectorNonce = `realm="3402000000",nonce="6fe9ba44a76be22a"`
)

func TestAuthorizeVectors(t *testing.T) {
	tests := []struct {
		name       string
		challenges []string
		want       string
	}{
		{"no algorithm", []string{`Digest ` + vectorNonce}, `response="6a2143ae65b119e276a75f0a4a8992b7"`},
		{"MD5", []string{`Digest ` + vectorNonce + `,algorithm=MD5`}, `response="6a2143ae65b119e276a75f0a4a8992b7"`},
		{
			"lower case, blanks, other order",
			[]string{` digest  algorithm = md5 , nonce="6fe9ba44a76be22a", realm="3402000000" `},
			`response="6a2143ae65b119e276a75f0a4a8992b7"`,
		},
		{"MD5 auth", []string{`Digest ` + vectorNonce + `,qop="auth"`}, `response="fb6d2f768312116118c121c2608cf961"`},
		{
			"list of qop",
			[]string{`Digest ` + vectorNonce + `,qop="auth-int, auth"`},
			`response="fb6d2f768312116118c121c2608cf961"`,
		},
		{
			"SHA-256",
			[]string{`Digest ` + vectorNonce + `,algorithm=SHA-256`},
			`response="f934d2c150a99b608676e3f62c5ac1c5d5bacc027c808532cc831040636231ed"`,
		},
		{
			"SHA-256 auth before MD5",
			[]string{
				`Digest ` + vectorNonce + `,qop="auth",algorithm=MD5`,
				`Digest ` + vectorNonce + `,qop="auth",algorithm=SHA-256`,
				`Digest ` + vectorNonce + `,algorithm=SM3`,
			},
			`response="ae05ead0765a80e9c832fbcb4e67ee44f419e0dded67f46186dea5e245b401a6"`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := Credentials{vectorUser, "12345678"}
			got, err := c.authorize(tt.challenges, "REGISTER", vectorURI, "0a4f113b")
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(got, tt.want) {
				t.Errorf("Authorize = %s, want %s", got, tt.want)
			}
			if !strings.Contains(got, `uri="`+vectorURI+`"`) {
				t.Errorf("Authorize = %s, want uri %s", got, vectorURI)
			}
			if strings.Contains(got, "qop") && !strings.Contains(got, "nc=00000001") {
				t.Errorf("Authorize = %s, want nc=00000001", got)
			}
		})
	}
}

func TestAuthorizeEchoes(t *testing.T) {
	c := Credentials{vectorUser, "12345678"}
	got, err := c.Authorize([]string{`Digest ` + vectorNonce + `,opaque="5ccc",algorithm=md5`}, "REGISTER", vectorURI)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`algorithm=md5`, `opaque="5ccc"`, `username="` + vectorUser + `"`, `realm="3402000000"`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("Authorize = %s, want %s in it", got, want)
		}
	}
	got, err = c.Authorize([]string{`Digest ` + vectorNonce}, "REGISTER", vectorURI)
	if err != nil || strings.Contains(got, "algorithm") {
		t.Errorf("Authorize = %s, %v, want no algorithm where none was offered", got, err)
	}
}

func TestAuthorizeRefusals(t *testing.T) {
	tests := map[string]struct {
		challenges []string
		names      string
	}{
		"none":         {nil, "none"},
		"unknown only": {[]string{`Digest ` + vectorNonce + `,algorithm=SM3`}, `"SM3"`},
		"auth-int":     {[]string{`Digest ` + vectorNonce + `,qop="auth-int"`}, `"auth-int"`},
		"basic":        {[]string{`Basic realm="x"`}, `"Basic"`},
		"no nonce":     {[]string{`Digest realm="3402000000"`}, "nonce"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Credentials{vectorUser, "12345678"}.Authorize(tt.challenges, "REGISTER", vectorURI)
			if !errors.Is(err, ErrNoChallenge) || !strings.Contains(err.Error(), tt.names) {
				t.Errorf("Authorize = %v, want ErrNoChallenge with %s", err, tt.names)
			}
		})
	}
}

func TestChallengerBothSides(t *testing.T) {
	password := func(user string) (string, bool) { return "12345678", user == vectorUser }
	for _, c := range []*Challenger{
		{Realm: "3402000000"},
		{Realm: "3402000000", Algorithm: "MD5", QOP: true},
		{Realm: "3402000000", Algorithm: "SHA-256", QOP: true},
		{Realm: "3402000000", Algorithm: "SHA-256"},
	} {
		t.Run(c.Algorithm, func(t *testing.T) {
			challenge := c.Challenge()
			good, err := Credentials{vectorUser, "12345678"}.Authorize([]string{challenge}, "REGISTER", vectorURI)
			if err != nil {
				t.Fatal(err)
			}
			wrong, _ := Credentials{vectorUser, "87654321"}.Authorize([]string{challenge}, "REGISTER", vectorURI)
			stranger, _ := Credentials{"nobody", "12345678"}.Authorize([]string{challenge}, "REGISTER", vectorURI)
			elsewhere, _ := Credentials{vectorUser, "12345678"}.Authorize(
				[]string{(&Challenger{Realm: "3402000000", Algorithm: c.Algorithm}).Challenge()}, "REGISTER", vectorURI)
			for _, check := range []struct {
				name, authorization, method string
				want                        error
			}{
				{"good", good, "REGISTER", nil},
				{"again", good, "REGISTER", nil},
				{"other method", good, "INVITE", ErrBadCredentials},
				{"wrong password", wrong, "REGISTER", ErrBadCredentials},
				{"unknown user", stranger, "REGISTER", ErrBadCredentials},
				{"foreign nonce", elsewhere, "REGISTER", ErrStaleNonce},
				{"nothing", "", "REGISTER", ErrNoAuthorization},
			} {
				if err := c.Check(check.authorization, check.method, password); !errors.Is(err, check.want) {
					t.Errorf("%s: Check = %v, want %v", check.name, err, check.want)
				}
			}
		})
	}
}

func TestChallengerNonceEnds(t *testing.T) {
	c := &Challenger{Realm: "r", Lifetime: time.Minute}
	now := time.Unix(1763740800, 0)
	nonce := c.nonce(now)
	if !c.fresh(nonce, now.Add(time.Minute)) {
		t.Error("nonce has ended within its lifetime")
	}
	if c.fresh(nonce, now.Add(62*time.Second)) {
		t.Error("nonce is fresh beyond its lifetime")
	}
	if c.fresh("0"+nonce[1:], now) {
		t.Error("changed nonce is fresh")
	}
}

// FuzzAuthorize: an answer to any challenge is one header line.
func FuzzAuthorize(f *testing.F) {
	for _, challenge := range []string{
		`Digest realm="3402000000",nonce="6fe9ba44a76be22a",algorithm=MD5`,
		`Digest realm="3402000000", nonce="1", qop="auth,auth-int", opaque="x", algorithm=SHA-256`,
		`Digest realm="a\"b",nonce="",stale=TRUE`, `Basic realm="x"`, `Digest `,
	} {
		f.Add(challenge)
	}
	c := Credentials{Username: "34020000001320000001", Password: "12345678"}
	f.Fuzz(func(t *testing.T, challenge string) {
		value, err := c.Authorize([]string{challenge}, "REGISTER", "sip:34020000002000000001@3402000000")
		if err != nil || strings.ContainsAny(challenge, "\r\n\x00") { // no header's value has these
			return
		}
		if strings.ContainsAny(value, "\r\n\x00") || !strings.HasPrefix(value, "Digest ") {
			t.Errorf("%q is answered %q", challenge, value)
		}
	})
}
