package sipua

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// SendVerbatim sends text as it is, without transaction, Via or guard: what no stack would say, the repeat of a request
// byte for byte, or a CANCEL with its INVITE's branch. Answers to it reach only the trace, unless they belong to a
// request of Do. It is for rehearsals, which play the odd peer; a text from outside must not get here.
func (e *Endpoint) SendVerbatim(ctx context.Context, text []byte, to Route) error {
	if e.stopped() {
		return ErrClosed
	}
	remote := unmap(to.Remote)
	switch strings.ToLower(to.Transport) {
	case "", "udp":
		e.trace(true, "udp", remote, text)
		if _, err := e.udp.WriteToUDPAddrPort(text, remote); err != nil {
			return fmt.Errorf("sipua: send to %s: %w", remote, err)
		}
		return nil
	case "tcp":
		c, err := e.dial(ctx, remote)
		if err != nil {
			return err
		}
		return c.writeVerbatim(text)
	}
	return fmt.Errorf("sipua: transport %q", to.Transport)
}

func (c *conn) writeVerbatim(text []byte) error {
	c.write.Lock()
	defer c.write.Unlock()
	c.e.trace(true, "tcp", c.to, text)
	err := c.nc.SetWriteDeadline(time.Now().Add(writeTimeout))
	if err == nil {
		_, err = c.nc.Write(text)
	}
	if err != nil {
		c.close()
		return fmt.Errorf("sipua: send to %s: %w", c.to, err)
	}
	return nil
}

// Drop ends the TCP connection with a remote, as a firewall or a restarted peer would; false: there is none.
func (e *Endpoint) Drop(remote netip.AddrPort) bool {
	e.conns.mu.Lock()
	c := e.conns.by[unmap(remote)]
	e.conns.mu.Unlock()
	if c == nil {
		return false
	}
	c.close()
	return true
}
