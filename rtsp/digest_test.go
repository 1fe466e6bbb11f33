package rtsp

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func params(header string) map[string]string {
	m := make(map[string]string)
	for _, kv := range strings.Split(strings.TrimPrefix(header, "Digest "), ", ") {
		k, v, _ := strings.Cut(kv, "=")
		m[k] = strings.Trim(v, `"`)
	}
	return m
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
