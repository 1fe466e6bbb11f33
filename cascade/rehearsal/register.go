package rehearsal

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"gbgate/gb28181"
	"gbgate/gb28181/sipua"
)

// register answers a REGISTER (2022 9.1): 400 when headers are missing (WVP), 403 for a code that is none or a wrong
// password, 401 to be asked again, 200 with Expires and the local time.
func (p *Platform) register(_ context.Context, r *sipua.Request) {
	res := p.admit(r)
	if p.cfg.Version != "" {
		res.Headers = append(res.Headers, sipua.Header{Name: "X-GB-Ver", Value: p.cfg.Version})
	}
	p.respond(r, res)
}

func (p *Platform) admit(r *sipua.Request) *sipua.Response {
	id := r.From.URI.User
	seconds, err := strconv.Atoi(r.Header("Expires"))
	switch {
	case err != nil || seconds < 0:
		return &sipua.Response{Code: 400, Reason: "Expires is missing"}
	case r.Contact == nil:
		return &sipua.Response{Code: 400, Reason: "Contact is missing"}
	case !gb28181.ID(id).Valid():
		return &sipua.Response{Code: 403, Reason: "Not a 20-digit code"}
	}
	if res := p.authenticate(r, id); res != nil {
		return res
	}
	asked := time.Duration(min(seconds, 1<<30)) * time.Second
	if asked > 0 && asked < p.cfg.MinExpires {
		return &sipua.Response{Code: 423, Headers: []sipua.Header{
			{Name: "Min-Expires", Value: strconv.Itoa(int(p.cfg.MinExpires / time.Second))},
		}}
	}
	if res := p.redirected(seconds); res != nil {
		return res
	}
	if p.cfg.Expires > 0 {
		asked = min(asked, p.cfg.Expires)
	}
	now := time.Now()
	if !p.note(r, id, asked, now) {
		return &sipua.Response{Code: 486, Reason: "Too many nodes"}
	}
	res := &sipua.Response{Code: 200, Contact: r.Contact, Headers: []sipua.Header{
		{Name: "Expires", Value: strconv.Itoa(int(asked / time.Second))},
	}}
	date := gb28181.FormatDate(now)
	if p.cfg.Date != nil {
		date = p.cfg.Date(now)
	}
	if date != "" {
		res.Headers = append(res.Headers, sipua.Header{Name: "Date", Value: date})
	}
	return res
}

// redirected is the 302 that sends a node to another platform; nil: it may stay. Who leaves is not sent on.
func (p *Platform) redirected(seconds int) *sipua.Response {
	p.mu.Lock()
	to := p.redirect
	p.mu.Unlock()
	if to == nil || seconds == 0 {
		return nil
	}
	at := to.Addr()
	return &sipua.Response{
		Code:    302,
		Contact: &sipua.URI{User: to.ID(), Host: at.Addr().String(), Port: int(at.Port())},
		Headers: []sipua.Header{{Name: "Expires", Value: strconv.Itoa(seconds)}},
	}
}

// authenticate returns the refusal of a request that does not prove the password; nil when it does.
func (p *Platform) authenticate(r *sipua.Request, id string) *sipua.Response {
	if p.cfg.Password == "" {
		return nil
	}
	want := p.cfg.Username
	if want == "" {
		want = id
	}
	err := p.challenge.Check(r.Header("Authorization"), r.Method, func(user string) (string, bool) {
		return p.cfg.Password, user == want
	})
	switch {
	case errors.Is(err, sipua.ErrNoAuthorization), errors.Is(err, sipua.ErrStaleNonce):
		res := &sipua.Response{Code: 401}
		for _, value := range append(slices.Clone(p.cfg.Challenges), p.challenge.Challenge()) {
			res.Headers = append(res.Headers, sipua.Header{Name: "WWW-Authenticate", Value: value})
		}
		return res
	case err != nil:
		p.log.Info("registration refused", "node", id, "source", r.Source, "error", err)
		return &sipua.Response{Code: 403, Reason: "Wrong username or password"}
	}
	return nil
}

// note enters a registration, or its end, into the node table; false: the table is full.
func (p *Platform) note(r *sipua.Request, id string, expires time.Duration, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.nodes[id]
	if n == nil {
		if len(p.nodes) >= maxNodes {
			return false
		}
		n = &Node{p: p, id: id, state: NodeState{ID: id}}
		p.nodes[id] = n
	}
	s := &n.state
	s.Registered = expires > 0
	s.Transport, s.Source, s.Until = r.Transport, r.Source, now.Add(expires)
	s.Contact, s.Version = r.Contact.String(), r.Header("X-GB-Ver")
	if s.Registered {
		s.Registrations++
	} else {
		s.Unregistrations++
	}
	p.wake()
	return true
}
