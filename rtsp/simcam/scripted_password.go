package simcam

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"sync"
)

// The account of cameras with PasswordQuirks: a password that breaks whoever puts it into a URL.
const (
	scriptedUsername = "user"
	scriptedPassword = "p@ss:/?#口令"
)

// PasswordQuirks are the ways in which cameras ask for a password. Who has it sees the picture; who has not must give
// up before the account is locked.
func PasswordQuirks() []RTSPQuirk {
	ways := []struct {
		name, seen string
		door       door
	}{
		{"digest", "most", door{ask: []string{`Digest realm="cam", nonce="{nonce}"`}}},
		{"digest with qop", "Axis, Hikvision OEM", door{
			ask:   []string{`Digest realm="cam", nonce="{nonce}", qop="auth,auth-int", algorithm=MD5`},
			takes: signature{algorithm: "MD5", qop: true},
		}},
		{"digest SHA-256 alone", "Hikvision OEM", door{
			ask:   []string{`Digest realm="cam", nonce="{nonce}", algorithm=SHA-256, qop="auth"`},
			takes: signature{algorithm: "SHA-256", qop: true},
		}},
		{"digest MD5-sess", "Axis", door{
			ask:   []string{`Digest realm="cam", nonce="{nonce}", algorithm="MD5-sess", qop=auth`},
			takes: signature{algorithm: "MD5-sess", qop: true},
		}},
		{"basic alone", "several", door{ask: []string{`Basic realm="cam"`}, takes: signature{algorithm: "Basic"}}},
		{"digest in other case", "several", door{ask: []string{`digest Realm="cam", NONCE="{nonce}"`}}},
		{"digest unquoted", "several", door{ask: []string{`Digest realm=cam,nonce={nonce},algorithm=MD5`}}},
		{"digest with blanks", "several", door{ask: []string{`Digest  realm = "cam" , nonce = "{nonce}"`}}},
		{"digest realm with quotes", "several", door{
			ask: []string{`Digest realm="the \"cam\", \\1", nonce="{nonce}"`}, realm: `the "cam", \1`,
		}},
		{"three challenges", "Hikvision, Sony", door{
			ask: []string{
				`Basic realm="cam"`, `Digest realm="cam", nonce="{nonce}", algorithm=MD5`,
				`Digest realm="cam", nonce="{nonce}", algorithm=SHA-256`,
			},
			takes: signature{algorithm: "SHA-256"},
		}},
		{"two challenges in one header", "Sony", door{
			ask: []string{`Basic realm="cam", Digest realm="cam", nonce="{nonce}"`},
		}},
		{"challenge that nobody knows", "Sony", door{
			ask: []string{`Digest realm="cam", nonce="{nonce}", algorithm=SHA-512-256`, `Digest realm="cam", nonce="{nonce}"`},
		}},
		{"challenge that fails", "Hikvision OEM", door{
			ask: []string{`Digest realm="cam", nonce="{nonce}", algorithm=SHA-256`, `Digest realm="cam", nonce="{nonce}"`},
		}},
		{"new nonce for each request", "Dahua, Imou", door{ask: []string{`Digest realm="cam", nonce="{nonce}"`}, once: true}},
		{"new nonce called stale", "Dahua, Imou", door{
			ask: []string{`Digest realm="cam", nonce="{nonce}", stale=true`}, once: true,
		}},
		{"hangs up behind the challenge", "several", door{
			ask: []string{`Digest realm="cam", nonce="{nonce}"`}, hangsUp: true,
		}},
		{"hangs up behind the challenge at OPTIONS", "several", door{
			ask: []string{`Digest realm="cam", nonce="{nonce}"`}, hangsUp: true, options: true,
		}},
		{"hangs up once with a nonce for each connection", "several, when their sessions are all taken", door{
			ask: []string{`Digest realm="cam", nonce="{nonce}"`, `Basic realm="cam"`}, options: true, each: true, full: true,
		}},
		{"hangs up on a wrong password once with a nonce for each connection", "several", door{
			ask: []string{`Digest realm="cam", nonce="{nonce}"`}, each: true, mute: true,
		}},
		{"challenge behind OPTIONS refused without one", "old recorders", door{
			ask: []string{`Digest realm="cam", nonce="{nonce}"`}, refuses: true,
		}},
		{"account locked by the third wrong password", "Hikvision, Dahua (by the fifth to seventh)", door{
			ask: []string{`Digest realm="cam", nonce="{nonce}"`}, locks: 3,
		}},
		{"empty password", "TP-Link", door{ask: []string{`Digest realm="cam", nonce="{nonce}"`}, empty: true}},
	}
	var quirks []RTSPQuirk
	for _, w := range ways {
		quirks = append(quirks, RTSPQuirk{w.name, w.seen, w.door.script})
	}
	return quirks
}

// signature is the only one that a camera takes.
type signature struct {
	algorithm string // "Basic" or a digest's; "" = MD5
	qop       bool
}

// door is where a camera asks for its account.
type door struct {
	ask     []string // the challenges
	takes   signature
	realm   string // default "cam"
	once    bool   // a nonce is good for one request
	each    bool   // a nonce is good for one connection
	hangsUp bool   // behind each challenge
	full    bool   // the first request that is signed is hung up on
	mute    bool   // the first wrong signature is hung up on
	options bool   // OPTIONS is asked for it, too
	refuses bool   // OPTIONS is refused with 401, whatever it is signed with
	locks   int    // the wrong signature that locks the account; 0: none does
	empty   bool   // the password is
}

// script makes a camera ask at this door for everything but OPTIONS, or for that too.
func (d door) script(cam *Scripted) {
	cam.Username, cam.Password = scriptedUsername, scriptedPassword
	if d.empty {
		cam.Password = ""
	}
	guard := &guard{door: d, username: cam.Username, password: cam.Password}
	cam.Answer = func(c *ScriptedConn, r *ScriptedRequest) string {
		if d.each {
			guard.connection(c.Number)
		}
		switch {
		case d.full && r.Get("Authorization") != "" && guard.turnsAway():
			return "!"
		case r.Method == "OPTIONS" && d.refuses:
			return Reply(r, "401 Unauthorized")
		case r.Method == "OPTIONS" && !d.options, guard.admits(r):
			return ""
		case d.mute && guard.wasFirst(r):
			return "!"
		}
		text := guard.challenge(r)
		if d.hangsUp {
			c.Send([]byte(text))
			return "!"
		}
		return text
	}
}

// guard stands at a door.
type guard struct {
	door
	username, password string

	mu    sync.Mutex
	nonce int
	wrong int
	away  int // requests turned away
}

// connection gives a connection its nonce. One client comes after the other.
func (g *guard) connection(number int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.nonce = number
}

// turnsAway tells whether no session is free, as at first.
func (g *guard) turnsAway() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.away++
	return g.away == 1
}

// admits tells whether a request is signed as it should be.
func (g *guard) admits(r *ScriptedRequest) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	realm := g.realm
	if realm == "" {
		realm = "cam"
	}
	fits := g.takes.fits(r, g.username, g.password, realm, fmt.Sprint("n", g.nonce))
	if g.once {
		g.nonce++
	}
	if !fits && r.Get("Authorization") != "" {
		g.wrong++
	}
	return fits && (g.locks == 0 || g.wrong < g.locks)
}

// wasFirst tells whether a request that was not admitted has brought the first wrong signature.
func (g *guard) wasFirst(r *ScriptedRequest) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return r.Get("Authorization") != "" && g.wrong == 1
}

func (g *guard) challenge(r *ScriptedRequest) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var lines []string
	for _, c := range g.ask {
		lines = append(lines, "WWW-Authenticate: "+strings.ReplaceAll(c, "{nonce}", fmt.Sprint("n", g.nonce)))
	}
	return Reply(r, "401 Unauthorized", lines...)
}

// fits recomputes what a request should be signed with (RFC 2069, RFC 7616 3.4, RFC 7617).
func (s signature) fits(r *ScriptedRequest, username, password, realm, nonce string) bool {
	header := r.Get("Authorization")
	if s.algorithm == "Basic" {
		return header == "Basic "+base64.StdEncoding.EncodeToString([]byte(username+":"+password))
	}
	p := digestParams(header)
	if p["nonce"] != nonce || p["realm"] != realm || p["uri"] != r.URL || p["username"] != username {
		return false
	}
	secret := s.hash(username, realm, password)
	if s.algorithm == "MD5-sess" {
		secret = s.hash(secret, nonce, p["cnonce"])
	}
	request := s.hash(r.Method, r.URL)
	if s.qop {
		return p["qop"] == "auth" && p["response"] == s.hash(secret, nonce, p["nc"], p["cnonce"], "auth", request)
	}
	return p["response"] == s.hash(secret, nonce, request)
}

func (s signature) hash(parts ...string) string {
	text := []byte(strings.Join(parts, ":"))
	if s.algorithm == "SHA-256" {
		sum := sha256.Sum256(text)
		return hex.EncodeToString(sum[:])
	}
	sum := md5.Sum(text)
	return hex.EncodeToString(sum[:])
}

// digestParams reads an Authorization header; one that is no digest's has none.
func digestParams(header string) map[string]string {
	params := make(map[string]string)
	rest, ok := strings.CutPrefix(header, "Digest ")
	if !ok {
		return params
	}
	pair := regexp.MustCompile(`(\w+)=(?:"((?:[^"\\]|\\.)*)"|([^",\s]+))`)
	escape := regexp.MustCompile(`\\(.)`)
	for _, m := range pair.FindAllStringSubmatch(rest, -1) {
		params[m[1]] = escape.ReplaceAllString(m[2], "$1") + m[3]
	}
	return params
}
