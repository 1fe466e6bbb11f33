package cascade

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"gbgate/gb28181/sipua"
)

// maxHops bounds how often one registration is sent on (GB/T 28181-2022 9.1.2.3).
const maxHops = 3

var errRedirected = errors.New("the platform sends us on without end")

// upper is who is above us now: the configured superior, or the server that it sent us to by a 302. Its ID changes
// with it.
type upper struct {
	id, domain, address string
}

// home is the superior of the configuration.
func (c *Config) home() upper { return upper{c.ID, c.Domain, c.Address} }

func (p *Platform) superior() upper {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.up
}

// turnTo makes all further traffic go to another superior.
func (p *Platform) turnTo(up upper) {
	p.mu.Lock()
	from := p.up
	p.up, p.status.ID = up, up.id
	if from != up {
		p.status.PeerVersion = "" // what the other one said of itself
		p.shift = 0
	}
	p.mu.Unlock()
	if from != up {
		p.reg.callID, p.reg.lookups = "", 0
		p.log.Info("superior changes", "from", from.id, "to", up.id, "address", up.address)
	}
}

// redirected says whether a 302 has sent us away from the configured superior.
func (p *Platform) redirected() bool { return p.superior() != p.cfg.home() }

// follow gives the server that a 302 names. Its port may be missing, and its ID: then it is another door of the same
// platform.
func (p *Platform) follow(res *sipua.Response) (upper, error) {
	from, to := p.superior(), res.Contact
	if to == nil {
		return from, fmt.Errorf("%w and names nowhere", answeredError(res))
	}
	up := upper{id: to.User, domain: domainOf(to.User)}
	if up.id == "" || up.id == from.id {
		up.id, up.domain = from.id, from.domain
	}
	port := to.Port
	if port == 0 {
		port = 5060
	}
	up.address = net.JoinHostPort(to.Host, strconv.Itoa(port))
	if up == from {
		return from, errRedirected
	}
	return up, nil
}

// isFrom tells whether the user of a From is our superior: the configured one, which may still ask after it has sent
// us on, or the one that it sent us to.
func (p *Platform) isFrom(user string) bool {
	return user == p.cfg.ID || user == p.superior().id
}

// hasZone tells whether a Date says what its clock time refers to.
func hasZone(date string) bool {
	_, clock, iso := strings.Cut(date, "T")
	return !iso || strings.ContainsAny(clock, "Zz+") || strings.Contains(date, "GMT") || strings.Contains(clock, "-")
}
