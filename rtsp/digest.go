package rtsp

import (
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"
	"sync"
	"time"
)

// maxWrong is how often a password may be refused within one Run: Hikvision and Dahua lock the account
// after five to seven wrong ones.
const maxWrong = 2

// hangUpPause is how soon behind its challenge a camera hangs up that does.
const hangUpPause = 500 * time.Millisecond

// challenge is one way of authentication a camera offers.
type challenge struct {
	scheme    string // "digest" or "basic"
	realm     string
	nonce     string
	opaque    string
	algorithm string // as the camera wrote it, to be echoed; "" if it named none
	qop       bool   // qop=auth is offered
	stale     bool
}

// rank orders challenges, 0 = not usable.
func (c challenge) rank() int {
	switch {
	case c.scheme == "basic":
		return 1
	case c.scheme != "digest" || c.nonce == "":
		return 0
	}
	switch strings.ToUpper(c.algorithm) {
	case "", "MD5":
		return 2
	case "MD5-SESS":
		return 3
	case "SHA-256":
		return 4
	case "SHA-256-SESS":
		return 5
	}
	return 0
}

// kind tells ways of authentication apart, whatever their nonces.
func (c challenge) kind() string { return c.scheme + " " + strings.ToUpper(c.algorithm) }

// ranOut tells whether a camera that refused a signature means the nonce of c, not the password: it says so, or the nonce
// is of an older connection and it has another one by now.
func (c challenge) ranOut(offers []challenge, older bool) bool {
	for _, o := range offers {
		if o.kind() == c.kind() && (o.stale || older && o.nonce != c.nonce) {
			return true
		}
	}
	return false
}

func (c challenge) hash(parts ...string) string {
	var h hash.Hash
	if strings.HasPrefix(strings.ToUpper(c.algorithm), "SHA-256") {
		h = sha256.New()
	} else {
		h = md5.New()
	}
	h.Write([]byte(strings.Join(parts, ":")))
	return hex.EncodeToString(h.Sum(nil))
}

// authorization returns the Authorization header (RFC 7616 3.4, RFC 2069 without qop, RFC 7617). uri is
// the very text of the request line.
func (c challenge) authorization(user, password, method, uri string, count uint32, cnonce string) string {
	if c.scheme == "basic" {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
	}
	session := strings.HasSuffix(strings.ToUpper(c.algorithm), "-SESS")
	ha1 := c.hash(user, c.realm, password)
	if session {
		ha1 = c.hash(ha1, c.nonce, cnonce)
	}
	ha2 := c.hash(method, uri)
	nc := fmt.Sprintf("%08x", count)
	response := c.hash(ha1, c.nonce, ha2)
	if c.qop {
		response = c.hash(ha1, c.nonce, nc, cnonce, "auth", ha2)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `Digest username=%s, realm=%s, nonce=%s, uri="%s", response="%s"`,
		quote(user), quote(c.realm), quote(c.nonce), uri, response)
	if c.algorithm != "" {
		b.WriteString(", algorithm=" + c.algorithm)
	}
	if c.opaque != "" {
		b.WriteString(", opaque=" + quote(c.opaque))
	}
	switch {
	case c.qop:
		fmt.Fprintf(&b, `, qop=auth, nc=%s, cnonce="%s"`, nc, cnonce)
	case session:
		fmt.Fprintf(&b, `, cnonce="%s"`, cnonce)
	}
	return b.String()
}

func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\r", "", "\n", "").Replace(s) + `"`
}

// parseChallenges reads WWW-Authenticate headers: several of them or several challenges in one, any
// case, values quoted or not, blanks round the equals sign.
func parseChallenges(values []string) []challenge {
	var all []challenge
	for _, v := range values {
		for v = strings.TrimLeft(v, " \t,"); v != ""; v = strings.TrimLeft(v, " \t,") {
			end := strings.IndexAny(v, " \t,=")
			if end < 0 {
				end = len(v)
			}
			name, rest := v[:end], strings.TrimLeft(v[end:], " \t")
			if !strings.HasPrefix(rest, "=") {
				all = append(all, challenge{scheme: strings.ToLower(name)})
				v = rest
				continue
			}
			var value string
			value, v = cutValue(strings.TrimLeft(rest[1:], " \t"))
			if len(all) > 0 {
				all[len(all)-1].set(strings.ToLower(name), value)
			}
		}
	}
	return all
}

// cutValue takes a quoted string, or everything up to the next comma.
func cutValue(s string) (value, rest string) {
	if !strings.HasPrefix(s, `"`) {
		value, rest, _ = strings.Cut(s, ",")
		return strings.TrimSpace(value), rest
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case s[i] == '"':
			return b.String(), s[i+1:]
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), ""
}

func (c *challenge) set(name, value string) {
	switch name {
	case "realm":
		c.realm = value
	case "nonce":
		c.nonce = value
	case "opaque":
		c.opaque = value
	case "algorithm":
		c.algorithm = value
	case "stale":
		c.stale = strings.EqualFold(value, "true")
	case "qop":
		for _, q := range strings.Split(value, ",") {
			c.qop = c.qop || strings.EqualFold(strings.TrimSpace(q), "auth")
		}
	}
}

// authenticator answers the challenges of one camera during one Run.
type authenticator struct {
	user, password string
	stranger       bool // asked by a host the camera redirected to, which gets no password
	options        bool // the OPTIONS in front are signed, too; set between two sessions
	older          bool // the current nonce is of another connection; set between two sessions
	careful        bool // see whether the camera hangs up behind its challenge before signing; set between two sessions

	mu       sync.Mutex
	current  *challenge // signs the next request
	count    uint32     // of requests signed with it
	proven   bool       // a request signed with the current nonce got through
	accepted bool       // any signed request ever got through
	refused  map[string]bool
	wrong    int
	expired  int    // fresh nonces in a row that had run out
	silent   int    // signatures in a row that the camera hung up on
	failure  *Error // why no further try makes sense
}

func newAuthenticator(user, password string) *authenticator {
	return &authenticator{user: user, password: password, refused: make(map[string]bool)}
}

// sign returns the Authorization header of a request and the nonce it stands on; "" before a challenge.
func (a *authenticator) sign(method, uri string) (header, nonce string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.current == nil {
		return "", ""
	}
	a.count++
	return a.current.authorization(a.user, a.password, method, uri, a.count, rand.Text()[:16]), a.current.kind() +
		" " + a.current.nonce
}

// passed notes that a request got through; signed is what sign said about it.
func (a *authenticator) passed(signed string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if signed == "" {
		return
	}
	a.accepted, a.expired, a.silent = true, 0, 0
	if a.current != nil && signed == a.current.kind()+" "+a.current.nonce {
		a.proven = true
	}
}

// challenged takes a 401. A nonce that worked before has merely run out (Dahua gives each request a new
// one), and so has, once, one of an older connection where the camera has another now; a fresh one that fails
// means a wrong password, or a way of authentication the camera offers but gets wrong, so the next best is tried once.
func (a *authenticator) challenged(values []string, signed string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	offers := parseChallenges(values)
	fresh := a.current != nil && !a.proven && signed == a.current.kind()+" "+a.current.nonce
	if fresh && a.current.ranOut(offers, a.older) {
		a.expired++
	} else if fresh {
		a.refused[a.current.kind()] = true
		a.wrong++
	}
	best := a.best(offers)
	switch {
	case a.stranger:
		a.failure = &Error{Kind: Auth, Text: "camera redirects to another host, which asks for a password; it gets none"}
	case a.user == "" && a.password == "":
		a.failure = &Error{Kind: Auth, Text: "camera asks for a user name and password, none is configured"}
	case a.wrong+a.expired+a.silent >= maxWrong, a.wrong > 0 && best == nil:
		a.failure = a.refusal()
	case best == nil:
		a.failure = &Error{Kind: Auth, Text: "camera asks for a kind of authentication nobody knows"}
	default:
		a.current, a.count, a.proven, a.older = best, 0, false, false
		return
	}
	a.current = nil
}

func (a *authenticator) refusal() *Error {
	if a.accepted {
		return &Error{
			Kind: Busy,
			Text: "password was accepted, then refused (401): no free session, or no right to view this stream",
		}
	}
	if a.wrong == 0 && a.silent > 0 {
		return &Error{Kind: Auth, Text: hangsUpText}
	}
	return &Error{Kind: Auth, Text: "password refused"}
}

// hangsUpText is for cameras of which nobody can tell why they do.
const hangsUpText = "camera hangs up behind the password: it is wrong, or no session is free"

// unanswered tells whether the camera hung up on a signature that nothing has proven, and counts that: it may be how it
// refuses a password, or it has no session free.
func (a *authenticator) unanswered() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.current == nil || a.proven || a.count == 0 {
		return false
	}
	a.silent++
	return true
}

// askAnew drops the nonce of a signature that was hung up on: where each connection has its own, signing the next
// connection's first request with it would only use up one more of the tries that a password has.
func (a *authenticator) askAnew() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.current, a.careful = nil, true
}

// pause is how long to wait before the next request, so that a signature is not wasted on a camera that hangs up
// behind its challenge.
func (a *authenticator) pause() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.careful && a.current != nil && a.count == 0 {
		return hangUpPause
	}
	return 0
}

// hungUp tells what is wrong with a camera that hung up on its last connection. Where it refused the signature of an
// OPTIONS there, whose nonce may have run out, or hung up on as many signatures as a password has tries, it may hang up
// on a wrong password: that is not tried again soon, since cameras lock the account.
func (a *authenticator) hungUp(why *Error) *Error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.expired == 0 && a.silent < maxWrong {
		return why
	}
	return &Error{Kind: Auth, Text: hangsUpText, Err: why}
}

func (a *authenticator) best(offers []challenge) *challenge {
	var best *challenge
	for i := range offers {
		c := &offers[i]
		if c.rank() > 0 && !a.refused[c.kind()] && (best == nil || c.rank() > best.rank()) {
			best = c
		}
	}
	return best
}

// retry tells whether a request refused with 401 is worth sending again, or why not.
func (a *authenticator) retry() *Error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.failure
}
