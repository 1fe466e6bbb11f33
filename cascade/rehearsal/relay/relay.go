// Package relay is a bad network for tests: it passes UDP datagrams and TCP connections on to a peer and does to them
// on the way what real paths do.
package relay

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"time"
)

const (
	defaultFlows     = 256                    // clients at one time
	defaultQueue     = 1000                   // datagrams in front of a bottleneck: a cheap router's
	defaultLate      = 30 * time.Millisecond  // by which a reordered datagram is overtaken
	defaultRecovery  = 200 * time.Millisecond // Linux' shortest TCP retransmission time-out
	defaultSegment   = 16 << 10
	maxDatagram      = 64 << 10
	maxHeld          = 8192 // datagrams on their way in one direction
	maxHeldSegments  = 256  // of one TCP connection in one direction; the sender is held up beyond
	socketBuffer     = 4 << 20
	dialTimeout      = 10 * time.Second
	maxTimestampLate = time.Second // an older arrival stamp is a mistake
)

// Path is what happens to datagrams, or to the segments of a TCP connection, in one direction. The zero value
// passes everything on at once.
type Path struct {
	Delay  time.Duration // each takes that long
	Jitter time.Duration // and up to that much longer; the order is kept

	// Loss is the chance (0 to 1) that a datagram vanishes. A TCP segment can't: it comes Recovery later, and what
	// follows waits for it.
	Loss     float64
	Recovery time.Duration // 200 ms when zero
	// Drop, when set, is asked for each datagram (n counts from 1) whether to lose it. It is called with a lock held
	// and must not call the relay. UDP only.
	Drop func(n uint64, datagram []byte) bool

	Duplicate float64       // chance that a datagram comes twice in a row; UDP only
	Reorder   float64       // chance that a datagram comes Late later, so that others overtake it; UDP only
	Late      time.Duration // 30 ms when zero

	// Rate (packets per second) and Bandwidth (bits per second of payload) are a bottleneck, 0 is none. In front of
	// it Queue datagrams can wait, 1000 when zero; more are lost, as in a switch that a burst has filled.
	Rate      int
	Bandwidth int
	Queue     int

	// Segment is how many bytes of a TCP stream go at one time, 16 KiB when zero; a small number cuts messages apart.
	Segment int
}

// Config is one relay.
type Config struct {
	Listen string         // address:port of the near side, where the clients send; empty: 127.0.0.1:0
	Target netip.AddrPort // the far side; may be set later with SetTarget
	Up     Path           // from the clients to Target
	Down   Path           // back
	Seed   uint64         // of every random choice
	Flows  int            // clients at one time, 256 when zero; more are not served
	Log    *slog.Logger   // nil is silence
}

// Stats counts what one direction did with datagrams or segments.
type Stats struct {
	Seen       uint64 // taken from a socket
	Lost       uint64 // by chance, by Drop or because the relay was off
	Overflowed uint64 // found the queue full
	Duplicated uint64
	Reordered  uint64
	Delivered  uint64
	MaxQueue   int // most that waited for the bottleneck at one time
	// MaxGap is the longest time between two arrivals: much more than the sender's own pauses shows that the machine
	// stood still meanwhile.
	MaxGap time.Duration
}

func (c Config) withDefaults() Config {
	c.Listen = cmp.Or(c.Listen, "127.0.0.1:0")
	c.Flows = cmp.Or(c.Flows, defaultFlows)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// ListenPair binds two UDP relays for media: RTP on an even port, RTCP on the odd one above it (RFC 3550 11). The
// port of cfg.Listen is not used; Target, when given, is that of RTP.
func ListenPair(cfg Config) (rtp, rtcp *UDP, err error) {
	cfg = cfg.withDefaults()
	host, _, err := net.SplitHostPort(cfg.Listen)
	if err != nil {
		return nil, nil, fmt.Errorf("relay: %w", err)
	}
	for range 100 {
		cfg.Listen = net.JoinHostPort(host, "0")
		if rtp, err = ListenUDP(cfg); err != nil {
			return nil, nil, err
		}
		if port := rtp.Addr().Port(); port%2 == 0 {
			second := cfg
			second.Listen = net.JoinHostPort(host, fmt.Sprint(port+1))
			if cfg.Target.IsValid() {
				second.Target = netip.AddrPortFrom(cfg.Target.Addr(), cfg.Target.Port()+1)
			}
			if rtcp, err = ListenUDP(second); err == nil {
				return rtp, rtcp, nil
			}
		}
		_ = rtp.Close()
	}
	return nil, nil, errors.New("relay: no pair of UDP ports is free")
}
