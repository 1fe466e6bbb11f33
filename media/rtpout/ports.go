package rtpout

import (
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// ErrNoPorts says that every pair of ports is in use.
var ErrNoPorts = errors.New("rtpout: no free media port")

// Ports hands out pairs of ports, even for RTP and odd for RTCP. A pair given back is used again
// only after all the others, so that late packets of an old call do not reach a new one.
// Its methods may be called from several goroutines.
type Ports struct {
	first uint16 // even; 0 = the kernel picks
	pairs int

	mu    sync.Mutex
	next  int
	used  map[uint16]struct{}
	inUse int
}

// NewPorts returns an allocator for the pairs within lo..hi; 0 and 0: the kernel picks.
func NewPorts(lo, hi uint16) (*Ports, error) {
	if lo == 0 && hi == 0 {
		return &Ports{}, nil
	}
	first := int(lo) + int(lo)%2
	pairs := (int(hi) - first + 1) / 2
	if lo == 0 || pairs < 1 {
		return nil, fmt.Errorf("rtpout: no pair of ports in %d-%d", lo, hi)
	}
	return &Ports{first: uint16(first), pairs: pairs, used: make(map[uint16]struct{})}, nil
}

// InUse returns how many pairs are out.
func (p *Ports) InUse() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.inUse
}

// take reserves a pair that bind can have and returns its even port. bind is called with even ports
// until it returns another error than "address in use"; with 0 if the kernel picks.
func (p *Ports) take(bind func(port uint16) error) (uint16, error) {
	for range max(p.pairs, 1) {
		port, ok := p.reserve()
		if !ok {
			break
		}
		err := bind(port)
		if err == nil {
			return port, nil
		}
		p.release(port)
		if !errors.Is(err, unix.EADDRINUSE) {
			return 0, err
		}
	}
	return 0, ErrNoPorts
}

func (p *Ports) reserve() (uint16, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for range p.pairs {
		port := p.first + uint16(2*p.next)
		p.next = (p.next + 1) % p.pairs
		if _, taken := p.used[port]; !taken {
			p.used[port] = struct{}{}
			p.inUse++
			return port, true
		}
	}
	if p.pairs == 0 {
		p.inUse++
	}
	return 0, p.pairs == 0
}

// release gives back what take returned.
func (p *Ports) release(port uint16) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inUse--
	delete(p.used, port)
}
