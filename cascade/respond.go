package cascade

import (
	"strconv"
	"strings"

	"gbgate/gb28181"
	"gbgate/gb28181/sipua"
)

// respond gives a request its empty final response. One that cannot be sent is the peer's to ask for again.
func respond(r *sipua.Request, code int) { _ = r.Respond(&sipua.Response{Code: code}) }

// refuse answers with what an error means upward, its reason in plain ASCII.
func refuse(r *sipua.Request, err error) {
	code, reason := gb28181.StatusOf(err)
	reason = asciiOnly(reason)
	res := &sipua.Response{Code: code, Reason: reason, Headers: []sipua.Header{reasonHeader(code, reason)}}
	if code == 420 {
		res.Headers = append(res.Headers, sipua.Header{Name: "Unsupported", Value: r.Header("Require")})
	}
	_ = r.Respond(res)
}

// reasonHeader says why (RFC 3326); superiors show it where they drop the reason phrase.
func reasonHeader(code int, text string) sipua.Header {
	text = strings.NewReplacer(`\`, "", `"`, "'").Replace(asciiOnly(text))
	return sipua.Header{Name: "Reason", Value: `SIP;cause=` + strconv.Itoa(code) + `;text="` + text + `"`}
}

// asciiOnly makes a text fit for a status line: superiors read those bytes in any charset.
func asciiOnly(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}
