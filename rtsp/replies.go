package rtsp

import (
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// maxKeepalive is the longest time between two signs of life, whatever time-out the camera names.
const maxKeepalive = 25 * time.Second

// defaultTimeout is a session's when the camera names none (RFC 2326, 12.37).
const defaultTimeout = 60 * time.Second

// repairSession rewrites a Session header so that gortsplib, which sends a keepalive after 0.8 of the
// time-out, does so after min(time-out/2, 25 s). known is the time-out named before, as not every reply
// names it again. Blanks, "timeout=abc" and "timeout=0" were seen.
func repairSession(value string, known time.Duration) (text string, timeout time.Duration) {
	id, params, _ := strings.Cut(value, ";")
	timeout = known
	for _, p := range strings.Split(params, ";") {
		k, v, _ := strings.Cut(p, "=")
		if n := number(v); strings.EqualFold(strings.TrimSpace(k), "timeout") && n > 0 {
			timeout = time.Duration(n) * time.Second
		}
	}
	period := min(timeout/2, maxKeepalive)
	return strings.TrimSpace(id) + ";timeout=" + strconv.Itoa(max(1, int(period*10/8/time.Second))), timeout
}

// transport is a Transport header read leniently: any case, blanks, "RTP/AVP" without "/TCP" (Escam),
// host names where addresses belong.
type transport map[string]string

func parseTransport(value string) transport {
	t := make(transport)
	first, _, _ := strings.Cut(value, ",")
	for _, part := range strings.Split(first, ";") {
		k, v, _ := strings.Cut(part, "=")
		t[strings.ToLower(strings.TrimSpace(k))] = strings.Trim(strings.TrimSpace(v), `"`)
	}
	return t
}

// pair returns a port or channel pair; a single number stands for itself and the next.
func (t transport) pair(key string, most int) (first int, ok bool) {
	text, _, _ := strings.Cut(t[key], "-")
	n, err := strconv.Atoi(strings.TrimSpace(text))
	return n, err == nil && n >= 0 && n < most
}

// repairTCP returns the channel a camera will use for a track, and false if it will not use TCP at all.
// A camera that answers without Transport, or without channels, uses what it was asked for.
func repairTCP(asked, answered string) (channel byte, ok bool) {
	reply := parseTransport(answered)
	if n, ok := reply.pair("interleaved", 255); ok {
		return byte(n), true
	}
	if _, udp := reply.pair("server_port", 65536); udp {
		return 0, false
	}
	n, _ := parseTransport(asked).pair("interleaved", 255)
	return byte(n), true
}

// repairUDP returns the header gortsplib accepts for a UDP track.
func repairUDP(asked, answered string) string {
	reply := parseTransport(answered)
	text := "RTP/AVP/UDP;unicast"
	if n, ok := parseTransport(asked).pair("client_port", 65535); ok {
		text += ";client_port=" + strconv.Itoa(n) + "-" + strconv.Itoa(n+1)
	}
	if n, ok := reply.pair("server_port", 65535); ok && n > 1 {
		text += ";server_port=" + strconv.Itoa(n) + "-" + strconv.Itoa(n+1)
	}
	if ip := net.ParseIP(reply["source"]); ip != nil && !ip.IsUnspecified() {
		text += ";source=" + ip.String()
	}
	return text
}

// hangUpTime is how soon behind a sign of life a lost connection is taken for the answer to it.
const hangUpTime = 5 * time.Second

// keepalive chooses the method of the signs of life. A Source keeps it, so that what one session learned of the camera
// holds for the next.
type keepalive struct {
	mu      sync.Mutex
	refused map[string]int // how often in a row, by method
	pending string         // the method of the last one, as long as it is not answered
	sent    time.Time
	mute    bool // none is sent any more
}

// method returns what to send instead of what gortsplib wants to, and false when the camera has refused
// both methods twice: the session then has to live on its media.
func (k *keepalive) method(wanted string) (string, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	other := "OPTIONS"
	if wanted == other {
		other = "GET_PARAMETER"
	}
	for _, m := range []string{wanted, other} {
		if k.refused[m] < 2 {
			k.pending, k.sent = m, time.Now()
			return m, true
		}
	}
	k.mute = true
	return "", false
}

func (k *keepalive) answered(method string, code int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.pending = ""
	switch {
	case code < 300:
		delete(k.refused, method)
	case code != 401: // a nonce that ran out is no refusal
		k.refuse(method)
	}
}

func (k *keepalive) refuse(method string) {
	if k.refused == nil {
		k.refused = make(map[string]int)
	}
	k.refused[method]++
}

// lost says that the camera has ended a session. Some hang up on a method instead of refusing it (HIPCAM); one that
// was sent nothing may have missed it.
func (k *keepalive) lost() {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.mute:
		clear(k.refused)
	case k.pending != "" && time.Since(k.sent) < hangUpTime:
		k.refuse(k.pending)
	}
	k.pending, k.mute = "", false
}
