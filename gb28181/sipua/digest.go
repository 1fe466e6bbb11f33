package sipua

import (
	"crypto/hmac"
	"crypto/md5" //nolint:gosec // RFC 3261 §22: what registrars ask for
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/icholy/digest"
)

// Credentials answer a registrar's digest challenge (GB/T 28181 §9.1.1, RFC 3261 §22).
type Credentials struct {
	Username string
	Password string
}

// Errors of digest authentication.
var (
	// ErrNoChallenge is a 401 without a challenge that can be answered; the text names what was offered.
	ErrNoChallenge = errors.New("sipua: no digest challenge that can be answered")
	// ErrNoAuthorization is a request without digest credentials.
	ErrNoAuthorization = errors.New("sipua: no digest credentials")
	// ErrStaleNonce is an answer to a challenge that is too old or not ours: challenge again.
	ErrStaleNonce = errors.New("sipua: nonce is not valid any more")
	// ErrBadCredentials is an unknown user or a wrong password.
	ErrBadCredentials = errors.New("sipua: wrong user or password")
)

// Authorize answers the strongest known of the challenges (values of WWW-Authenticate) with an Authorization value for
// a request of that method; uri is the request URI as it is sent. SHA-256 (RFC 8760) goes before MD5, qop is auth or
// none. The nonce count is always 00000001: each answer is to a fresh nonce, and WVP hashes the count in upper case,
// so that it should have no letters.
func (c Credentials) Authorize(challenges []string, method, uri string) (string, error) {
	return c.authorize(challenges, method, uri, "")
}

func (c Credentials) authorize(challenges []string, method, uri, cnonce string) (string, error) {
	var best *digest.Challenge
	var refused []string
	for _, text := range challenges {
		ch, err := parseChallenge(text)
		switch {
		case err != nil:
			refused = append(refused, err.Error())
		case best == nil || strength(ch.Algorithm) > strength(best.Algorithm):
			best = ch
		}
	}
	if best == nil {
		if refused == nil {
			refused = []string{"none was sent"}
		}
		return "", fmt.Errorf("%w: %s", ErrNoChallenge, strings.Join(refused, "; "))
	}
	cred, err := digest.Digest(best, digest.Options{
		Method: method, URI: uri, Username: c.Username, Password: c.Password, Count: 1, Cnonce: cnonce,
	})
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrNoChallenge, err)
	}
	if err := guard(cred.Username, cred.Realm, cred.Nonce, cred.Opaque, cred.URI); err != nil {
		return "", err
	}
	return cred.String(), nil
}

// strength orders the algorithms we know; 0 is one we do not.
func strength(algorithm string) int {
	switch strings.ToUpper(algorithm) {
	case "", "MD5":
		return 1
	case "SHA-256":
		return 2
	}
	return 0
}

// parseChallenge reads a challenge and refuses what cannot be answered. The algorithm stays as it was written, since
// the answer echoes it.
func parseChallenge(text string) (*digest.Challenge, error) {
	ps, ok := digestParams(text)
	if !ok {
		scheme, _, _ := strings.Cut(strings.TrimSpace(text), " ")
		return nil, fmt.Errorf("scheme %q", scheme)
	}
	ch := &digest.Challenge{
		Realm: ps["realm"], Nonce: ps["nonce"], Opaque: ps["opaque"], Algorithm: ps["algorithm"],
	}
	if strength(ch.Algorithm) == 0 {
		return nil, fmt.Errorf("algorithm %q", ch.Algorithm)
	}
	if ch.Nonce == "" {
		return nil, errors.New("challenge without nonce")
	}
	if qops := ps["qop"]; qops != "" {
		for q := range strings.SplitSeq(qops, ",") {
			if strings.EqualFold(strings.TrimSpace(q), "auth") {
				ch.QOP = []string{"auth"}
			}
		}
		if ch.QOP == nil {
			return nil, fmt.Errorf("qop %q", qops)
		}
	}
	return ch, nil
}

// digestParams reads `Digest name=value, name="value"` in any order and with blanks anywhere. Names come out in lower
// case, of a name that is there twice the first counts.
func digestParams(text string) (map[string]string, bool) {
	text = strings.TrimSpace(text)
	if len(text) < 7 || !strings.EqualFold(text[:6], "Digest") || (text[6] != ' ' && text[6] != '\t') {
		return nil, false
	}
	ps := map[string]string{}
	for _, field := range splitOutsideQuotes(text[7:], ',') {
		name, value, _ := strings.Cut(field, "=")
		name = strings.ToLower(strings.TrimSpace(name))
		if _, twice := ps[name]; name != "" && !twice {
			ps[name] = strings.Trim(strings.TrimSpace(value), `"`)
		}
	}
	return ps, true
}

// Challenger is the registrar's side of digest authentication. Its nonces need no memory: each holds its time and a
// signature. The zero value with a Realm is ready; it must not be copied after use.
type Challenger struct {
	Realm     string
	Algorithm string        // "MD5", "SHA-256", or empty: MD5 and no algorithm parameter
	QOP       bool          // offer qop="auth"
	Lifetime  time.Duration // of a nonce; 0 is 5 minutes

	once sync.Once
	key  [32]byte
}

// Challenge makes a WWW-Authenticate value with a fresh nonce.
func (c *Challenger) Challenge() string {
	ch := digest.Challenge{Realm: c.Realm, Nonce: c.nonce(time.Now()), Algorithm: c.Algorithm}
	if c.QOP {
		ch.QOP = []string{"auth"}
	}
	return ch.String()
}

// Check checks an Authorization value against the password of the user it names. Errors: ErrNoAuthorization,
// ErrStaleNonce, ErrBadCredentials.
func (c *Challenger) Check(authorization, method string, password func(user string) (string, bool)) error {
	ps, ok := digestParams(authorization)
	if !ok {
		return ErrNoAuthorization
	}
	if !c.fresh(ps["nonce"], time.Now()) {
		return ErrStaleNonce
	}
	secret, known := password(ps["username"])
	switch {
	case !known:
		return fmt.Errorf("%w: user %q", ErrBadCredentials, ps["username"])
	case ps["realm"] != c.Realm:
		return fmt.Errorf("%w: realm %q", ErrBadCredentials, ps["realm"])
	case strength(ps["algorithm"]) != strength(c.Algorithm):
		return fmt.Errorf("%w: algorithm %q", ErrBadCredentials, ps["algorithm"])
	}
	want := digestResponse(ps, method, secret)
	if subtle.ConstantTimeCompare([]byte(want), []byte(strings.ToLower(ps["response"]))) != 1 {
		return fmt.Errorf("%w: user %q", ErrBadCredentials, ps["username"])
	}
	return nil
}

// digestResponse computes what the response parameter should be. nc and qop enter as they were written.
func digestResponse(ps map[string]string, method, secret string) string {
	h := func(parts ...string) string {
		var sum hash.Hash = md5.New() //nolint:gosec // as above
		if strength(ps["algorithm"]) == 2 {
			sum = sha256.New()
		}
		sum.Write([]byte(strings.Join(parts, ":")))
		return hex.EncodeToString(sum.Sum(nil))
	}
	ha1 := h(ps["username"], ps["realm"], secret)
	ha2 := h(method, ps["uri"])
	if ps["qop"] == "" {
		return h(ha1, ps["nonce"], ha2)
	}
	return h(ha1, ps["nonce"], ps["nc"], ps["cnonce"], ps["qop"], ha2)
}

// nonce is the time in seconds (hexadecimal), a point of uniqueness and a signature of both.
func (c *Challenger) nonce(now time.Time) string {
	var unique [4]byte
	_, _ = rand.Read(unique[:]) // never fails since Go 1.24
	stamp := fmt.Sprintf("%08x%x", now.Unix(), unique)
	return stamp + c.sign(stamp)
}

func (c *Challenger) sign(stamp string) string {
	c.once.Do(func() { _, _ = rand.Read(c.key[:]) })
	mac := hmac.New(sha256.New, c.key[:])
	mac.Write([]byte(stamp))
	return hex.EncodeToString(mac.Sum(nil)[:8])
}

func (c *Challenger) fresh(nonce string, now time.Time) bool {
	const stampLen = 16
	if len(nonce) != stampLen+16 || !hmac.Equal([]byte(nonce[stampLen:]), []byte(c.sign(nonce[:stampLen]))) {
		return false
	}
	sec, err := strconv.ParseInt(nonce[:8], 16, 64)
	life := c.Lifetime
	if life <= 0 {
		life = 5 * time.Minute
	}
	return err == nil && now.Sub(time.Unix(sec, 0)) <= life
}
