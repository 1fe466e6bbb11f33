package cascade

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"gbgate/gb28181/sipua"
)

const maxExpires = 7 * 24 * time.Hour // what a 423 or a 200 may raise the lifetime to

var (
	errReset     = errors.New("the TCP connection was closed")
	errNoAnswer  = errors.New("no answer")
	errMoved     = errors.New("our address changed")
	errElsewhere = errors.New("the platform's name has another address now")
	errMissed    = errors.New("keepalives are not answered")
	errUnknown   = errors.New("the platform does not know us")
)

// refusedError is a registration that the superior refuses and that trying again soon would not help.
type refusedError struct{ words string }

func (e *refusedError) Error() string { return e.words }

// registration is the REGISTER side of the machine: the identity of the binding and when it is to be renewed.
type registration struct {
	callID, tag string
	cseq        uint32
	granted     time.Duration
	refreshAt   time.Time
	retryAt     time.Time
	keepaliveAt time.Time
	missed      int
	lookups     int
	inFlight    time.Time // when a REGISTER left whose end was not seen; zero: there is none
	refused     bool
	contact     sipua.URI   // of the last REGISTER
	corrected   bool        // and it was sent at once because the one before was not what the superior sees
	kicked      bool        // a request from above has already shortened this back-off
	remapped    bool        // the superior saw us elsewhere since
	resets      []time.Time // resets answered at once, within RegisterRetry

	told     string // the fault that the log has; empty after a success
	toldAt   time.Time
	repeated bool // the last fault was the one that the log has
}

// registering is state Registering: a binding from nothing.
func (p *Platform) registering(ctx context.Context) State {
	started := time.Now()
	drain(p.reset)
	p.turnTo(p.cfg.home()) // a server that we were sent to has failed, or was never asked
	err := p.register(ctx, false)
	switch {
	case err == nil:
		p.reg.kicked, p.reg.refused, p.reg.missed = false, false, 0
		p.backInTime()
		p.reg.keepaliveAt = time.Now().Add(p.rhythm().keepalive)
		return Online
	case ctx.Err() != nil:
		return Leaving
	}
	p.fault(err)
	p.reg.lookups++ // the next attempt tries the name's next address
	var refused *refusedError
	elsewhere := p.redirected() && !errors.As(err, &refused) && !errors.Is(err, errRedirected)
	if (isReset(err) || elsewhere) && p.atOnce() {
		return Registering
	}
	p.waitAfter(started, err)
	return Backoff
}

// refreshing is state Refreshing: the binding is renewed while calls go on.
func (p *Platform) refreshing(ctx context.Context) State {
	started := time.Now()
	p.reg.remapped = false
	err := p.register(ctx, true)
	if err == nil {
		return Online
	}
	if ctx.Err() != nil {
		return Leaving
	}
	p.fault(err)
	var refused *refusedError
	left := time.Until(p.until())
	switch {
	case errors.As(err, &refused):
		p.lost(err)
		p.waitAfter(started, err)
		return Backoff
	case isReset(err):
		p.lost(err)
		return p.again(err)
	case left <= 0:
		p.lost(err)
		return Registering
	}
	// One lost refresh is no reason to drop pictures: the binding still holds.
	p.reg.refreshAt = time.Now().Add(min(left/2, p.cfg.RegisterRetry))
	return Online
}

// backoff is state Backoff: nothing until the next attempt is due.
func (p *Platform) backoff(ctx context.Context) State {
	drain(p.kick)
	timer := time.NewTimer(time.Until(p.reg.retryAt))
	defer timer.Stop()
	look := time.NewTicker(p.cfg.Timers.AddressCheck)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return Leaving
		case <-look.C: // another network may be the one that works
			if p.moved() && !p.reg.refused && p.atOnce() {
				return Registering
			}
		case <-timer.C:
			return Registering
		case <-p.kick:
			if p.reg.refused || p.reg.kicked {
				continue
			}
			p.reg.kicked = true
			return Registering
		}
	}
}

// waitAfter sets when an attempt that failed is followed by the next.
func (p *Platform) waitAfter(started time.Time, err error) {
	var refused *refusedError
	p.reg.refused = errors.As(err, &refused)
	if p.reg.refused {
		wait := p.cfg.Timers.RefusedRetry
		p.reg.retryAt = time.Now().Add(wait + p.jitter(wait/6))
		return
	}
	// Less jitter, not more: an uplink that is back must be used within RegisterRetry.
	retry := p.cfg.RegisterRetry
	next := started.Add(retry - p.jitter(retry/6))
	if soon := time.Now().Add(retry / 6); next.Before(soon) {
		next = soon
	}
	p.reg.retryAt = next
}

// again goes for a new binding at once, or later when that was done too often.
func (p *Platform) again(err error) State {
	if p.atOnce() {
		return Registering
	}
	p.waitAfter(time.Now(), err)
	return Backoff
}

// atOnce rations the attempts without delay: a platform that accepts and closes must not be hammered.
func (p *Platform) atOnce() bool {
	now := time.Now()
	kept := p.reg.resets[:0]
	for _, t := range p.reg.resets {
		if now.Sub(t) < p.cfg.RegisterRetry {
			kept = append(kept, t)
		}
	}
	p.reg.resets = kept
	if len(kept) >= p.cfg.Timers.ResetPerWindow {
		return false
	}
	p.reg.resets = append(kept, now)
	return true
}

// register makes or renews the binding: without Authorization first (a stale one was answered 400, WVP issue 572),
// then with what the challenge asks for.
func (p *Platform) register(ctx context.Context, refresh bool) error {
	var res *sipua.Response
	var expires time.Duration
	for hop := 0; ; hop++ {
		if err := p.locate(ctx, refresh); err != nil {
			return err
		}
		if p.reg.callID == "" || refresh && p.cfg.Compat.RefreshMode == "new-call-id" {
			p.newBinding()
		}
		var err error
		if res, expires, err = p.registerExchange(ctx, p.rhythm().expires, refresh); err != nil {
			return err
		}
		if res.Code/100 == 2 {
			break
		}
		up, err := p.follow(res)
		if err == nil && hop == maxHops {
			err = errRedirected
		}
		if err != nil {
			return err
		}
		p.turnTo(up)
		refresh = false
	}
	granted := p.grantedBy(res, expires)
	now := time.Now()
	p.reg.granted = granted
	p.reg.refreshAt = now.Add(refreshAfter(granted, p.cfg.Timers.RefreshMargin))
	if contact := *p.contact(p.cfg.NodeID); contact != p.reg.contact && !p.reg.corrected {
		p.reg.refreshAt, p.reg.corrected = now, true // the answer has told our address behind the NAT
	} else {
		p.reg.corrected = false
	}
	p.mu.Lock()
	p.status.RegisteredUntil = now.Add(granted)
	p.mu.Unlock()
	return nil
}

func (p *Platform) newBinding() {
	p.reg.callID, p.reg.tag, p.reg.cseq = newToken()+"@"+p.localAddr().Addr().String(), newToken(), 0
}

// registerExchange runs REGISTER through its challenges to a 2xx or a 302. The duration is what was asked for in the
// end.
func (p *Platform) registerExchange(ctx context.Context, expires time.Duration, known bool) (
	*sipua.Response, time.Duration, error,
) {
	var auth sipua.Header
	renewed, stale := false, false
	for range 6 {
		p.reg.inFlight = time.Now()
		res, err := p.request(ctx, p.registerRequest(expires, auth))
		if err == nil || ctx.Err() == nil {
			p.reg.inFlight = time.Time{}
		}
		if err != nil {
			return nil, 0, err
		}
		p.learn(res)
		switch {
		case res.Code/100 == 2, res.Code == 302 || res.Code == 301:
			return res, expires, nil
		case res.Code == 401 || res.Code == 407:
			again := auth.Name != "" && (stale || !saysStale(res))
			if again || p.cfg.Password == "" && auth.Name != "" {
				return nil, 0, &refusedError{"password refused by the platform"}
			}
			stale = auth.Name != ""
			if auth, err = p.authorize(res); err != nil {
				return nil, 0, &refusedError{"the platform's challenge cannot be answered: " + err.Error()}
			}
		case res.Code == 403:
			return nil, 0, &refusedError{"password refused by the platform, or our ID not known there (403)"}
		case res.Code == 423:
			least := seconds(res.Header("Min-Expires"))
			if least <= expires || least > maxExpires {
				return nil, 0, answeredError(res)
			}
			expires = least
		case res.Code == 400 && known && !renewed:
			p.newBinding()
			renewed, auth = true, sipua.Header{}
		default:
			return nil, 0, answeredError(res)
		}
	}
	return nil, 0, errors.New("the platform keeps challenging")
}

func (p *Platform) registerRequest(expires time.Duration, auth sipua.Header) *sipua.Request {
	p.reg.cseq++
	self, contact := p.self(), p.contact(p.cfg.NodeID)
	p.reg.contact = *contact
	r := &sipua.Request{
		Method: "REGISTER", URI: p.target(), From: sipua.Address{URI: self, Tag: p.reg.tag},
		To: sipua.Address{URI: self}, CallID: p.reg.callID, CSeq: p.reg.cseq, Contact: contact,
		Headers: []sipua.Header{{Name: "Expires", Value: strconv.Itoa(int(expires / time.Second))}},
	}
	if !p.cfg.Compat.OmitGBVer {
		r.Headers = append(r.Headers, sipua.Header{Name: "X-GB-Ver", Value: p.ownEdition().Version()})
	}
	if auth.Name != "" {
		r.Headers = append(r.Headers, auth)
	}
	return r
}

func (p *Platform) authorize(res *sipua.Response) (sipua.Header, error) {
	ask, answer := "WWW-Authenticate", "Authorization"
	if res.Code == 407 {
		ask, answer = "Proxy-Authenticate", "Proxy-Authorization"
	}
	c := sipua.Credentials{Username: p.cfg.Username, Password: p.cfg.Password}
	value, err := c.Authorize(res.HeaderValues(ask), "REGISTER", p.target().String())
	return sipua.Header{Name: answer, Value: value}, err
}

// locate looks the superior up and finds our address on the route to it. A binding that is renewed stays where it is as
// long as the name still has that address.
func (p *Platform) locate(ctx context.Context, stay bool) error {
	found, port, err := p.resolve(ctx, p.cfg.Timers.Reply)
	if err != nil {
		return err
	}
	remote := netip.AddrPortFrom(found[p.reg.lookups%len(found)], port)
	if now, _ := p.addrs(); stay && now.Port() == port && slices.Contains(found, now.Addr()) {
		remote = now // a name with several addresses comes back in any order
	}
	local, err := p.ua.LocalFor(remote)
	if err != nil {
		return unsent(remote, err)
	}
	p.mu.Lock()
	p.status.Remote, p.status.Local = remote, local
	p.mu.Unlock()
	return nil
}

// resolve gives the addresses of the superior's host, at least one.
func (p *Platform) resolve(ctx context.Context, limit time.Duration) ([]netip.Addr, uint16, error) {
	address := p.superior().address
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		host, port = address, "5060"
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, 0, fmt.Errorf("address %q: no such port", address)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errNoAnswer)
	defer cancel()
	found, err := p.lookup(ctx, host)
	if err != nil || len(found) == 0 {
		return nil, 0, fmt.Errorf("the name %q is not found: %w", host, errors.Join(err, context.Cause(ctx)))
	}
	return found, uint16(n), nil
}

// learn takes from a response to REGISTER what it says about the peer and about us.
func (p *Platform) learn(res *sipua.Response) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if v := strings.TrimSpace(res.Header("X-GB-Ver")); v != "" && len(v) <= 8 {
		p.status.PeerVersion = v
	}
	if res.Received.IsValid() {
		p.status.NATAddress = res.Received
	}
	// A Date never sets a clock: srs-sip sends year 222213, others UTC as local time.
	if d := res.Header("Date"); d != "" {
		p.status.ClockOffset, p.status.ClockKnown = clockOffset(d, p.cfg.Compat.DateIsUTC)
		p.dated = time.Now()
		if p.status.ClockKnown {
			p.adjust(p.status.ClockOffset)
		}
	}
}

func (p *Platform) until() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.status.RegisteredUntil
}
