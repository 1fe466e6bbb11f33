package rtpout

import (
	"context"
	"io"
	"net"
	"net/netip"
	"testing"
)

// discard is a receiver that reads nothing (UDP) or throws everything away (TCP).
func benchSender(t testing.TB, transport Transport) *Sender {
	t.Helper()
	cfg := Config{Transport: transport, Local: netip.MustParseAddr("127.0.0.1"), SSRC: 1, PayloadType: 96}
	if transport == UDP {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		cfg.Remote = c.LocalAddr().(*net.UDPAddr).AddrPort()
	} else {
		l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		cfg.Remote = addrOf(l)
		go func() {
			if c, err := l.Accept(); err == nil {
				_, _ = io.Copy(struct{ io.Writer }{io.Discard}, c)
				c.Close()
			}
		}()
	}
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.Connect(context.Background()); err != nil {
		t.Fatal(err)
	}
	return s
}

// unpaced lets a benchmark send as fast as it can.
func unpaced(s *Sender) { s.pacer.burst = 0 }

// BenchmarkWritePack sends pictures of a 4 Mbit/s camera (19 KB, 14 packets).
func BenchmarkWritePack(b *testing.B) {
	bufs := pack(19_000, 1)
	for _, path := range []udpPath{pathGSO, pathMMsg, pathWrite} {
		b.Run(path.String(), func(b *testing.B) {
			s := benchSender(b, UDP)
			force(s, path)
			b.ReportAllocs()
			b.SetBytes(19_000)
			ts := uint32(0)
			for b.Loop() {
				unpaced(s)
				ts += 3600
				if err := s.WritePack(b.Context(), ts, 0, bufs); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("writev", func(b *testing.B) {
		s := benchSender(b, TCPActive)
		b.ReportAllocs()
		b.SetBytes(19_000)
		ts := uint32(0)
		for b.Loop() {
			ts += 3600
			if err := s.WritePack(b.Context(), ts, 0, bufs); err != nil {
				b.Fatal(err)
			}
		}
	})
}
