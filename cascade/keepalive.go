package cascade

import (
	"context"
	"fmt"
	"slices"
	"time"

	"gbgate/gb28181/manscdp"
	"gbgate/gb28181/sipua"
)

// online is state Online: a keepalive (心跳, GB/T 28181-2022 9.6) each interval until something ends the binding.
func (p *Platform) online(ctx context.Context) State {
	refresh := time.NewTimer(time.Until(p.reg.refreshAt))
	defer refresh.Stop()
	beat := time.NewTimer(time.Until(p.reg.keepaliveAt))
	defer beat.Stop()
	look := time.NewTicker(p.cfg.Timers.AddressCheck)
	defer look.Stop()
	p.flush()
	for {
		var ended error
		select {
		case <-ctx.Done():
			return Leaving
		case <-refresh.C:
			return Refreshing
		case <-p.paced:
			p.reg.keepaliveAt = time.Now().Add(p.rhythm().keepalive)
			beat.Reset(time.Until(p.reg.keepaliveAt))
		case <-p.reset:
			ended = errReset
		case <-look.C:
			if p.moved() {
				ended = errMoved
			}
		case <-beat.C:
			p.reg.keepaliveAt = time.Now().Add(p.rhythm().keepalive)
			if p.movedAway(ctx) {
				ended = errElsewhere
			} else {
				ended = p.keepalive(ctx)
			}
			beat.Reset(time.Until(p.reg.keepaliveAt))
			if ended == nil && p.reg.remapped && ctx.Err() == nil {
				return Refreshing
			}
		}
		if ended != nil && ctx.Err() == nil {
			p.fault(ended)
			p.lost(ended)
			return p.again(ended)
		}
	}
}

// keepalive sends one; an error means that the superior does not have us any more. The answers of
// Compat.ReregisterOn say so at once (WVP: 404, SRS: 403), anything else but a 2xx when KeepaliveMax came in a row.
func (p *Platform) keepalive(ctx context.Context) error {
	m := &manscdp.Keepalive{Status: "OK"}
	m.CmdType, m.SN, m.DeviceID = "Keepalive", p.nextSN(), p.cfg.NodeID
	req, err := p.message(m, p.superior().id)
	if err != nil {
		return err
	}
	req.Patient = p.reg.missed+1 < p.rhythm().misses
	res, err := p.send(ctx, req, p.route(), min(p.cfg.Timers.Reply, p.rhythm().keepalive))
	if err == nil {
		p.reg.remapped = p.remapped(res)
	}
	switch {
	case err == nil && res.Code/100 == 2:
		p.reg.missed = 0
		p.mu.Lock()
		p.status.KeepaliveAnswered = time.Now()
		p.mu.Unlock()
		return nil
	case err == nil && slices.Contains(p.cfg.Compat.ReregisterOn, res.Code):
		return fmt.Errorf("keepalive: %w: %w", errUnknown, answeredError(res))
	case err == nil:
		err = answeredError(res)
	case isReset(err):
		return err
	}
	p.reg.missed++
	p.log.Warn("keepalive lost", "in_a_row", p.reg.missed, "error", err)
	if p.reg.missed >= p.rhythm().misses {
		return fmt.Errorf("%d %w: %w", p.reg.missed, errMissed, err)
	}
	return nil
}

// remapped says that the superior sees us at another address than when we registered: a NAT box was restarted
// or has forgotten us. Requests to the old one are lost, so the registration is renewed at once, but not for ever where
// each answer tells another address. An answer that repeats what we wrote tells nothing.
func (p *Platform) remapped(res *sipua.Response) bool {
	p.mu.Lock()
	seen, was := res.Received, p.status.NATAddress
	same := !seen.IsValid() || !was.IsValid() || seen == was || seen == p.status.Local
	p.mu.Unlock()
	if same || !p.atOnce() {
		return false
	}
	p.mu.Lock()
	p.status.NATAddress = seen
	p.mu.Unlock()
	p.log.Info("the platform sees us at another address: registering anew", "was", was, "now", seen)
	return true
}

// moved says that the route to the superior leaves from another address than the one we registered with: DHCP, 4G,
// the other network card.
func (p *Platform) moved() bool {
	remote, local := p.addrs()
	if !remote.IsValid() {
		return false
	}
	now, err := p.ua.LocalFor(remote)
	return err == nil && now != local
}

// movedAway says that the superior's name no longer has the address that we are registered at. Where the name server
// does not answer, everything stays as it is.
func (p *Platform) movedAway(ctx context.Context) bool {
	remote, _ := p.addrs()
	found, _, err := p.resolve(ctx, min(2*time.Second, p.cfg.Timers.Reply))
	return err == nil && !slices.Contains(found, remote.Addr())
}
