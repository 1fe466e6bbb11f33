package sipua

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/emiago/sipgo/sip"
)

// readUDP reads datagrams until the socket is closed.
func (e *Endpoint) readUDP() error {
	buf := make([]byte, maxMessage)
	for {
		n, from, err := e.udp.ReadFromUDPAddrPort(buf)
		if err != nil {
			if e.stopped() || errors.Is(err, net.ErrClosed) {
				return nil
			}
			return fmt.Errorf("sipua: UDP socket: %w", err)
		}
		from = unmap(from)
		// Empty datagrams, CRLF and NULs keep NAT bindings open.
		if len(bytes.Trim(buf[:n], "\r\n\x00 ")) == 0 {
			continue
		}
		if err := e.receive(buf[:n], &udpPeer{e: e, to: from}); err != nil {
			e.noise.drop(dropKind(err), from, n, err)
		}
	}
}

// udpPeer sends from the listening socket to one address.
type udpPeer struct {
	e  *Endpoint
	to netip.AddrPort
}

func (p *udpPeer) transport() string      { return "udp" }
func (p *udpPeer) remote() netip.AddrPort { return p.to }
func (p *udpPeer) lost() <-chan struct{}  { return nil }

// WriteMsg sends a message. Its size is not held against the MTU: superiors take fragmented datagrams of several
// kilobytes, and whoever pages a Catalog keeps it small himself.
func (p *udpPeer) WriteMsg(m sip.Message) error {
	raw := []byte(m.String())
	p.e.trace(true, "udp", p.to, raw)
	if _, err := p.e.udp.WriteToUDPAddrPort(raw, p.to); err != nil {
		return fmt.Errorf("sipua: send to %s: %w", p.to, err)
	}
	return nil
}

// LocalAddr and the methods below are what sipgo's transactions call on a connection; a socket shared by all has no
// count of users.
func (p *udpPeer) LocalAddr() net.Addr    { return p.e.udp.LocalAddr() }
func (p *udpPeer) Ref(int) int            { return 1 }
func (p *udpPeer) TryClose() (int, error) { return 1, nil }
func (p *udpPeer) Close() error           { return nil }
