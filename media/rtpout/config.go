package rtpout

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"
)

// Transport says how RTP travels and who opens the connection.
type Transport uint8

// The transports of GB/T 28181-2022 Annex D.
const (
	UDP        Transport = iota
	TCPActive            // we dial (the superior's SDP says a=setup:passive)
	TCPPassive           // we listen (the superior's SDP says a=setup:active)
)

// String returns the transport's name.
func (t Transport) String() string {
	switch t {
	case UDP:
		return "udp"
	case TCPActive:
		return "tcp-active"
	case TCPPassive:
		return "tcp-passive"
	}
	return "unknown"
}

// Config says where and how to send. Of the durations and counts, 0 stands for the default.
type Config struct {
	Transport   Transport
	Local       netip.Addr     // address to bind; invalid or unspecified: by the route
	Remote      netip.AddrPort // where RTP goes (RTCP: the port after it); TCPPassive: unused; UDP: port 0 = see Move
	Ports       *Ports         // nil: the kernel picks the ports
	SSRC        uint32
	PayloadType uint8
	MaxPayload  int    // RTP payload bytes per packet, 64..1456, default 1400
	Interleaved bool   // TCP: "$" framing (older platforms) instead of RFC 4571
	RTCP        bool   // UDP: send sender reports and read receiver reports
	CNAME       string // in the sender reports: the 20-digit code of the node

	DialRetry     int           // TCPActive: attempts, 1 s apart; default 10
	AcceptTimeout time.Duration // TCPPassive: how long to wait for the connection; default 15 s
	WriteTimeout  time.Duration // a pack that is not taken in this time is dropped; default 5 s
	StallTimeout  time.Duration // the sender ends when nothing was taken for so long; default 15 s
	SRInterval    time.Duration // between sender reports; default 5 s
	RRTimeout     time.Duration // the sender ends when receiver reports stop for so long; default 60 s, < 0: never
	BearRefusals  bool          // UDP: "port unreachable" does not end the sender

	Wheel *Wheel                // UDP: sends what Offer took and may not send at once; nil: Offer does not take that
	Allow func(netip.Addr) bool // TCPPassive: who may connect; nil = anyone
	Log   *slog.Logger          // nil = no log
}

// complete checks the configuration and fills in the defaults.
func (c *Config) complete() error {
	if c.Transport > TCPPassive {
		return fmt.Errorf("rtpout: transport %d", c.Transport)
	}
	if c.Transport != TCPPassive && !c.Remote.IsValid() || c.Transport == TCPActive && c.Remote.Port() == 0 {
		return fmt.Errorf("rtpout: no address to send to (%v)", c.Remote)
	}
	if c.PayloadType > 127 {
		return fmt.Errorf("rtpout: payload type %d", c.PayloadType)
	}
	c.Local = c.Local.Unmap()
	c.Remote = netip.AddrPortFrom(c.Remote.Addr().Unmap(), c.Remote.Port())
	c.MaxPayload = or(c.MaxPayload, 1400)
	if c.MaxPayload < 64 || c.MaxPayload > 1456 {
		return fmt.Errorf("rtpout: payload of %d bytes per packet", c.MaxPayload)
	}
	if c.Transport == UDP && c.RTCP && c.Remote.Port() == 65535 {
		return errors.New("rtpout: no port for RTCP behind 65535")
	}
	c.DialRetry = or(c.DialRetry, 10)
	c.AcceptTimeout = or(c.AcceptTimeout, 15*time.Second)
	c.WriteTimeout = or(c.WriteTimeout, 5*time.Second)
	c.StallTimeout = or(c.StallTimeout, 15*time.Second)
	c.SRInterval = or(c.SRInterval, 5*time.Second)
	if c.RRTimeout >= 0 {
		c.RRTimeout = or(c.RRTimeout, time.Minute)
	}
	if c.Ports == nil {
		c.Ports = &Ports{}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}

func or[T int | time.Duration](v, byDefault T) T {
	if v > 0 {
		return v
	}
	return byDefault
}

// network returns "udp4", "tcp6" and so on, as the addresses want it.
func (c *Config) network(protocol string) string {
	a := c.Local
	if c.Remote.IsValid() {
		a = c.Remote.Addr()
	}
	if a.IsValid() && !a.Is4() {
		return protocol + "6"
	}
	return protocol + "4"
}

// local returns the address to bind, unspecified in the right family if none is given.
func (c *Config) local() netip.Addr {
	switch {
	case c.Local.IsValid() && !c.Local.IsUnspecified():
		return c.Local
	case c.network("")[0] == '6':
		return netip.IPv6Unspecified()
	}
	return netip.IPv4Unspecified()
}
