package rehearsal

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"gbgate/gb28181/sipua"
)

// wire remembers the texts of one Call-ID, so that they can be said again byte for byte.
type wire struct {
	sent    map[string]string        // request texts by method, the last of each; guarded by Platform.mu
	answers map[string][]wiredAnswer // final, by method
}

// wiredAnswer is what must be the same in the answers to a request and to its repeats.
type wiredAnswer struct {
	Code int
	To   string
	Body string
}

// traced looks for the texts of watched calls on their way to the configured trace.
func (p *Platform) traced(e sipua.Event) {
	p.watchWire(e)
	if p.cfg.Trace != nil {
		p.cfg.Trace(e)
	}
}

func (p *Platform) watchWire(e sipua.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.wires) == 0 {
		return
	}
	w := p.wires[textHeader(e.Raw, "Call-ID")]
	if w == nil {
		return
	}
	start, _, _ := strings.Cut(e.Raw, "\r\n")
	words := strings.Fields(start)
	switch {
	case len(words) < 2:
	case e.Out && !strings.HasPrefix(start, "SIP/2.0 "):
		w.sent[words[0]] = e.Raw
	case !e.Out && strings.HasPrefix(start, "SIP/2.0 "):
		_, method, _ := strings.Cut(textHeader(e.Raw, "CSeq"), " ")
		if code, err := strconv.Atoi(words[1]); err == nil && code >= 200 {
			method = strings.TrimSpace(method)
			_, body, _ := strings.Cut(e.Raw, "\r\n\r\n")
			w.answers[method] = append(w.answers[method], wiredAnswer{code, textHeader(e.Raw, "To"), body})
		}
	}
	p.wake()
}

// textHeader is the first value of a header in a message's text.
func textHeader(text, name string) string {
	head, _, _ := strings.Cut(text, "\r\n\r\n")
	for line := range strings.SplitSeq(head, "\r\n") {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.EqualFold(strings.TrimSpace(k), name) {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// watchLocked begins to remember a call's texts; mu is held.
func (p *Platform) watchLocked(callID string) *wire {
	w := &wire{sent: make(map[string]string), answers: make(map[string][]wiredAnswer)}
	p.wires[callID] = w
	return w
}

// repeat says the last request of a method once more, byte for byte, as gb-cms does 0.5 s later. It returns the first
// answer and that to the repeat; ACK has none.
func (p *Platform) repeat(ctx context.Context, w *wire, method string, route sipua.Route) (
	first, repeated wiredAnswer, err error,
) {
	p.mu.Lock()
	text, before := w.sent[method], len(w.answers[method])
	if before > 0 {
		first = w.answers[method][0]
	}
	p.mu.Unlock()
	if text == "" {
		return first, repeated, fmt.Errorf("no %s was sent yet", method)
	}
	if err := p.ep.SendVerbatim(ctx, []byte(text), route); err != nil || method == "ACK" {
		return first, repeated, err
	}
	err = p.wait(ctx, func() bool {
		got := w.answers[method]
		if len(got) > before {
			repeated = got[len(got)-1]
		}
		return len(got) > before
	})
	if err != nil {
		return first, repeated, fmt.Errorf("the repeated %s is not answered: %w", method, err)
	}
	return first, repeated, nil
}

// cancel takes an INVITE under way back (RFC 3261 9.1): the INVITE's own Via with its branch, and its CSeq.
func (p *Platform) cancel(ctx context.Context, w *wire, route sipua.Route) (int, error) {
	p.mu.Lock()
	invite := w.sent["INVITE"]
	p.mu.Unlock()
	start, _, _ := strings.Cut(invite, "\r\n")
	cseq, _, _ := strings.Cut(textHeader(invite, "CSeq"), " ")
	if invite == "" || cseq == "" {
		return 0, errors.New("no INVITE was sent yet")
	}
	text := strings.Replace(start, "INVITE ", "CANCEL ", 1) + "\r\n"
	for _, name := range []string{"Via", "From", "To", "Call-ID"} {
		text += name + ": " + textHeader(invite, name) + "\r\n"
	}
	text += "CSeq: " + cseq + " CANCEL\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
	if err := p.ep.SendVerbatim(ctx, []byte(text), route); err != nil {
		return 0, err
	}
	code := 0
	err := p.wait(ctx, func() bool {
		if got := w.answers["CANCEL"]; len(got) > 0 {
			code = got[0].Code
		}
		return code != 0
	})
	if err != nil {
		return 0, fmt.Errorf("the CANCEL is not answered: %w", err)
	}
	return code, nil
}
