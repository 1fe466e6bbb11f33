package cascade

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"time"
)

// Status is a snapshot of one superior. Online is a fact in three parts: RegisteredUntil, KeepaliveAnswered and
// RequestReceived; a zero time is "never".
type Status struct {
	Name  string
	ID    string
	State State
	Since time.Time // when it was registered (Online, Refreshing) or ceased to be, not when the last of many attempts began

	RegisteredUntil   time.Time
	KeepaliveAnswered time.Time
	RequestReceived   time.Time

	LastError   string // in plain words; stays after recovery, with its time
	LastErrorAt time.Time

	Remote     netip.AddrPort // the superior's address, as looked up last
	Local      netip.AddrPort // what our Via and Contact say
	NATAddress netip.AddrPort // our address as the superior sees it; invalid while unknown

	PeerVersion string        // the X-GB-Ver it sent; empty: none
	ClockKnown  bool          // it sent a Date
	ClockOffset time.Duration // its clock minus ours; never applied
	Calls       []CallStatus  // oldest first

	Subscriptions []SubscriptionStatus
}

// CallStatus is a snapshot of one call.
type CallStatus struct {
	ID          string // Call-ID
	Channel     string
	Kind        string // Play, Playback, …
	Transport   string // udp, tcp-passive or tcp-active, named by the superior's a=setup
	Remote      netip.AddrPort
	SSRC        string
	State       CallState
	Since       time.Time // the INVITE
	Established time.Time // the ACK; zero before
}

// Status is a snapshot; it may be called at any time.
func (p *Platform) Status() Status {
	p.mu.Lock()
	s := p.status
	s.ClockOffset -= stepped(p.dated)
	calls := make([]*Call, 0, len(p.calls))
	for _, c := range p.calls {
		calls = append(calls, c)
	}
	p.mu.Unlock()
	for _, c := range calls {
		s.Calls = append(s.Calls, c.status())
	}
	for _, sub := range p.subscriptions("") {
		s.Subscriptions = append(s.Subscriptions, sub.status())
	}
	slices.SortFunc(s.Calls, func(a, b CallStatus) int { return a.Since.Compare(b.Since) })
	return s
}

func (p *Platform) setState(s State) {
	p.mu.Lock()
	from := p.status.State
	if from != s {
		p.status.State = s
		if from.registered() != s.registered() {
			p.status.Since = time.Now()
		}
	}
	p.mu.Unlock()
	if from == s {
		return
	}
	level := slog.LevelInfo
	switch {
	case s == Online:
		p.reg.told, p.reg.repeated = "", false
	case from == Backoff && s == Registering, s == Backoff && p.reg.repeated:
		level = slog.LevelDebug // one more attempt of a night full of them
	}
	p.log.Log(context.Background(), level, "registration", "from", from.String(), "to", s.String())
}

// tellAgain is how often the log says that a fault goes on.
const tellAgain = time.Hour

// fault notes why the machine does not go on. The log has it when it is news: each attempt at a platform that is
// away for a night must not push what happened before out of a small log.
func (p *Platform) fault(err error) {
	now := time.Now()
	p.mu.Lock()
	p.status.LastError, p.status.LastErrorAt = err.Error(), now
	p.mu.Unlock()
	p.reg.repeated = err.Error() == p.reg.told && now.Sub(p.reg.toldAt) < tellAgain
	if p.reg.repeated {
		p.log.Debug("superior", "error", err)
		return
	}
	p.reg.told, p.reg.toldAt = err.Error(), now
	p.log.Warn("superior", "error", err)
}
