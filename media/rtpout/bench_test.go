package rtpout

import (
	"context"
	"io"
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// discard is a receiver that reads nothing (UDP) or throws everything away (TCP).
func benchSender(t testing.TB, transport Transport, w *Wheel) *Sender {
	t.Helper()
	cfg := Config{Transport: transport, Wheel: w, Local: netip.MustParseAddr("127.0.0.1"), SSRC: 1, PayloadType: 96}
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
			s := benchSender(b, UDP, nil)
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
		s := benchSender(b, TCPActive, nil)
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

// BenchmarkOfferCold is what a viewer's picture of four packets costs our own code when its memory is cold, as it
// always is with many viewers: 25 times a second, and everything else in between. The system call is left out.
func BenchmarkOfferCold(b *testing.B) {
	const viewers = 256
	w := NewWheel()
	w.runs.Store(true)
	remote := netip.MustParseAddrPort("127.0.0.1:9")
	var senders [viewers]*Sender
	for i := range senders {
		s := open(b, Config{Transport: UDP, Remote: remote, SSRC: 1, PayloadType: 96, Wheel: w})
		if err := s.Connect(b.Context()); err != nil {
			b.Fatal(err)
		}
		s.link.(*udpLink).out.sendmsg = func(int, *unix.Msghdr) unix.Errno { return 0 }
		senders[i] = s
	}
	bufs, h := pack(5_000, 1), new(held)
	other := make([]byte, 16<<20)
	ts := uint32(0)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%viewers == 0 {
			b.StopTimer()
			ts += 3600
			for _, s := range senders {
				unpaced(s)
			}
			for j := 0; j < len(other); j += 64 {
				other[j]++
			}
			b.StartTimer()
		}
		if !senders[i%viewers].Offer(ts, 0, bufs, h) {
			b.Fatal("not taken")
		}
	}
}
