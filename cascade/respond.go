package cascade

import (
	"strconv"
	"strings"
	"sync"

	"gbgate/gb28181"
	"gbgate/gb28181/sipua"
)

const maxRepeats = 1024 // requests whose answers are remembered

// respond gives a request its empty final response; an answer that cannot be sent is asked for again.
func respond(r *sipua.Request, code int) *sipua.Response {
	res := &sipua.Response{Code: code}
	_ = r.Respond(res)
	return res
}

// refuse answers with what an error means upward, its reason in plain ASCII.
func refuse(r *sipua.Request, err error) *sipua.Response {
	code, reason := gb28181.StatusOf(err)
	reason = asciiOnly(reason)
	res := &sipua.Response{Code: code, Reason: reason, Headers: []sipua.Header{reasonHeader(code, reason)}}
	if code == 420 {
		res.Headers = append(res.Headers, sipua.Header{Name: "Unsupported", Value: r.Header("Require")})
	}
	_ = r.Respond(res)
	return res
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

// repeats remembers the answers to the last requests by Call-ID, CSeq and branch. SN is no key: superiors reuse it.
type repeats struct {
	mu    sync.Mutex
	known map[repeatKey]*sipua.Response // nil: not answered yet, or never
	order []repeatKey                   // oldest first, as a ring once full
	next  int
}

type repeatKey struct {
	method, callID, branch string
	cseq                   uint32
}

func newRepeats() *repeats {
	return &repeats{known: make(map[repeatKey]*sipua.Response, maxRepeats)}
}

func keyOf(r *sipua.Request) repeatKey {
	return repeatKey{method: r.Method, callID: r.CallID, branch: r.Branch, cseq: r.CSeq}
}

// begin says whether a request comes for the first time, else what it was answered then.
func (s *repeats) begin(r *sipua.Request) (res *sipua.Response, first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := keyOf(r)
	if res, known := s.known[k]; known {
		return res, false
	}
	if len(s.order) < maxRepeats {
		s.order = append(s.order, k)
	} else {
		delete(s.known, s.order[s.next])
		s.order[s.next] = k
		s.next = (s.next + 1) % maxRepeats
	}
	s.known[k] = nil
	return nil, true
}

func (s *repeats) end(r *sipua.Request, res *sipua.Response) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k := keyOf(r); res != nil {
		if _, known := s.known[k]; known {
			s.known[k] = res
		}
	}
}
