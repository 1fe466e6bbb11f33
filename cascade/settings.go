package cascade

import "time"

// rhythm is how often we register and say that we are alive.
type rhythm struct {
	expires, keepalive time.Duration
	misses             int
}

func (p *Platform) rhythm() rhythm {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pace
}

// Tuned is the keepalive interval, how many lost ones mean offline, and the lifetime that REGISTER asks for: what
// BasicParam shows (GB/T 28181-2022 A.2.3.2.1).
func (p *Platform) Tuned() (interval time.Duration, count int, expires time.Duration) {
	r := p.rhythm()
	return r.keepalive, r.misses, r.expires
}

// Tune changes them until the next start, as the superior wants; values that are not positive stay. The interval
// counts from now, the lifetime from the next REGISTER.
func (p *Platform) Tune(interval time.Duration, count int, expires time.Duration) {
	p.mu.Lock()
	if interval > 0 {
		p.pace.keepalive = interval
	}
	if count > 0 {
		p.pace.misses = count
	}
	if expires > 0 {
		p.pace.expires = min(expires, maxExpires)
	}
	p.mu.Unlock()
	poke(p.paced)
}
