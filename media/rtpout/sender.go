// Package rtpout sends program stream packs as RTP over UDP or TCP.
package rtpout

import (
	"context"
	"log/slog"
	"net/netip"
	"time"
)

// Transport says how RTP travels and who opens the connection.
type Transport uint8

// The transports of GB/T 28181 Annex D.
const (
	UDP        Transport = iota
	TCPActive            // we dial (the superior's SDP says a=setup:passive)
	TCPPassive           // we listen (the superior's SDP says a=setup:active)
)

// Config says where and how to send.
type Config struct {
	Transport     Transport
	Local         netip.Addr     // address to bind; may be unspecified
	Remote        netip.AddrPort // where RTP goes; RTCP goes to the port after it
	Ports         *Ports         // nil: the kernel picks the ports
	SSRC          uint32
	PayloadType   uint8                 // 0..127
	MaxPayload    int                   // RTP payload bytes per packet; 0 = 1400
	Interleaved   bool                  // TCP: "$" framing instead of RFC 4571
	RTCP          bool                  // UDP: send sender reports, read receiver reports
	CNAME         string                // in the sender reports
	DialRetry     int                   // TCPActive: attempts, 1 s apart; 0 = 10
	AcceptTimeout time.Duration         // TCPPassive: 0 = 15 s
	WriteTimeout  time.Duration         // a pack that can't be written in this time is dropped; 0 = 5 s
	StallTimeout  time.Duration         // the sender ends when nothing could be written for so long; 0 = 15 s
	SRInterval    time.Duration         // 0 = 5 s
	RRTimeout     time.Duration         // 0 = 60 s
	Allow         func(netip.Addr) bool // TCPPassive: who may connect; nil = anyone
	Log           *slog.Logger
}

// Sender sends one stream to one receiver.
type Sender struct{}

// Open binds the local port, so that the SDP answer can name it.
func Open(cfg Config) (*Sender, error) { return &Sender{}, nil }

// LocalPort returns the bound port.
func (s *Sender) LocalPort() uint16 { return 0 }

// Connect makes the sender ready to write: over TCP it dials or accepts.
func (s *Sender) Connect(ctx context.Context) error { return nil }

// WritePack sends one pack.
func (s *Sender) WritePack(ctx context.Context, ts uint32, spread time.Duration, bufs [][]byte) error {
	return nil
}

// Done is closed when the sender has ended; Err tells why.
func (s *Sender) Done() <-chan struct{} { return nil }

// Err returns why the sender ended, nil while it works.
func (s *Sender) Err() error { return nil }

// Stats returns the counters.
func (s *Sender) Stats() Stats { return Stats{} }

// Close ends the sender, waits for its goroutines and returns the ports.
func (s *Sender) Close() error { return nil }

// Stats is a snapshot of a sender's counters.
type Stats struct {
	Packets  uint64  // RTP packets sent
	Bytes    uint64  // RTP bytes sent, headers included
	Dropped  uint64  // packets that the system or a slow peer did not take
	MaxBurst int     // most packets sent without a pause
	Path     string  // "gso", "mmsg", "write" (UDP) or "writev" (TCP)
	RRs      uint64  // receiver reports read
	RRLost   int64   // packets lost so far, by the last receiver report
	RRLoss   float64 // share of packets lost, by the last receiver report (0..1)
}
