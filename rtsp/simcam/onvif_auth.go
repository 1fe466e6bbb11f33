package simcam

import (
	"crypto/rand"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/icholy/digest"
)

// gate checks passwords.
type gate struct {
	mu     sync.Mutex
	nonces map[string]bool // given out, and still good
	wrong  int
}

// admit lets a request in or answers it: HTTP digest refuses with 401, a UsernameToken with a
// fault and 400, as devices do.
func (d *ONVIF) admit(w http.ResponseWriter, q *soapRequest) bool {
	if d.cfg.Username == "" {
		return true
	}
	if len(d.cfg.Digest) > 0 {
		return d.guard.digest(w, q.http, d.cfg.Username, d.cfg.Password, d.cfg.Digest, d.cfg.Quirks.NonceOnce)
	}
	token := q.envelope.child("Header", "Security", "UsernameToken")
	if token != nil && d.tokenFits(token) {
		return true
	}
	if token != nil {
		d.guard.mu.Lock()
		d.guard.wrong++
		d.guard.mu.Unlock()
	}
	d.sendFault(w, fault{"Sender", "NotAuthorized", "Sender not authorized"})
	return false
}

func (d *ONVIF) tokenFits(token *node) bool {
	created, err := time.Parse(time.RFC3339Nano, token.str("Created"))
	if err != nil || created.Sub(d.now()).Abs() > d.cfg.TokenWindow {
		return false
	}
	nonce, err := base64.StdEncoding.DecodeString(token.str("Nonce"))
	if err != nil || token.str("Username") != d.cfg.Username {
		return false
	}
	sum := sha1.Sum([]byte(string(nonce) + token.str("Created") + d.cfg.Password))
	want := base64.StdEncoding.EncodeToString(sum[:])
	return subtle.ConstantTimeCompare([]byte(want), []byte(token.str("Password"))) == 1
}

// maxNonces bounds the nonces that are remembered.
const maxNonces = 256

// digest checks an Authorization header (RFC 7616) or answers 401 with a challenge each.
func (g *gate) digest(
	w http.ResponseWriter, r *http.Request, user, password string, algorithms []string, once bool,
) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	got, err := digest.ParseCredentials(r.Header.Get("Authorization"))
	known := err == nil && g.nonces[got.Nonce]
	if known {
		if once {
			delete(g.nonces, got.Nonce)
		}
		want, err := digest.Digest(&digest.Challenge{
			Realm: "sim", Nonce: got.Nonce, Algorithm: got.Algorithm, QOP: []string{"auth"},
		}, digest.Options{
			Method: r.Method, URI: r.RequestURI, Count: got.Nc, Cnonce: got.Cnonce, Username: user, Password: password,
		})
		if err == nil && got.Username == user && got.URI == r.RequestURI && want.Response == got.Response {
			return true
		}
		g.wrong++
	}
	if g.nonces == nil || len(g.nonces) > maxNonces {
		g.nonces = make(map[string]bool)
	}
	nonce := rand.Text()
	g.nonces[nonce] = true
	for _, a := range algorithms {
		w.Header().Add("WWW-Authenticate",
			fmt.Sprintf(`Digest realm="sim", nonce="%s", algorithm=%s, qop="auth"`, nonce, a))
	}
	w.WriteHeader(http.StatusUnauthorized)
	return false
}
