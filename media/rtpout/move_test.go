package rtpout

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"
)

// endpoint is a socket of ours for RTP.
func endpoint(t *testing.T) (rtp *net.UDPConn, at netip.AddrPort) {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	return c, c.LocalAddr().(*net.UDPAddr).AddrPort()
}

// header is what a move may change, or must not.
type header struct {
	source      uint16
	seq         uint16
	ssrc        uint32
	payloadType byte
}

func readHeader(t *testing.T, c *net.UDPConn) header {
	t.Helper()
	b := make([]byte, 2048)
	n, from, err := c.ReadFromUDPAddrPort(b)
	if err != nil || n < rtpHeader {
		t.Fatalf("%d bytes, %v; want a packet", n, err)
	}
	return header{from.Port(), binary.BigEndian.Uint16(b[2:]), binary.BigEndian.Uint32(b[8:]), b[1] & 0x7f}
}

func TestMove(t *testing.T) {
	old, oldAt := endpoint(t)
	s, err := Open(Config{
		Local: netip.MustParseAddr("127.0.0.1"), Remote: oldAt, SSRC: 1, PayloadType: 96, RTCP: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	send := func(ts uint32) {
		t.Helper()
		if err := s.Connect(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.WritePack(t.Context(), ts, 0, pack(100, 1)); err != nil {
			t.Fatal(err)
		}
	}
	send(3600)
	if got, want := readHeader(t, old), (header{s.LocalPort(), 1, 1, 96}); got != want {
		t.Errorf("before: %+v, want %+v", got, want)
	}
	gone, goneAt := endpoint(t)
	gone.Close() // its ICMP must not be held against the next
	next, nextAt := endpoint(t)
	for i, to := range []netip.AddrPort{goneAt, nextAt} {
		if err := s.Move(to, 2, 97); err != nil {
			t.Fatal(err)
		}
		send(uint32(7200 + 3600*i))
	}
	if got, want := readHeader(t, next), (header{s.LocalPort(), 3, 2, 97}); got != want {
		t.Errorf("after: %+v, want %+v", got, want)
	}
	for name, to := range map[string]netip.AddrPort{
		"port 0": netip.AddrPortFrom(nextAt.Addr(), 0), "no room for RTCP": netip.AddrPortFrom(nextAt.Addr(), 65535),
		"the other family": netip.MustParseAddrPort("[::1]:9000"),
	} {
		if err := s.Move(to, 3, 96); err == nil {
			t.Errorf("%s: moved", name)
		}
	}
	send(14400)
	if got, want := readHeader(t, next), (header{s.LocalPort(), 4, 2, 97}); got != want {
		t.Errorf("after refused moves: %+v, want %+v", got, want)
	}
	s.Close()
	if err := s.Move(oldAt, 1, 96); !errors.Is(err, ErrClosed) {
		t.Errorf("a closed sender moves: %v", err)
	}
}

// TestMoveWithinAPicture: the superior asks for the stream at another port while the wheel holds the rest of a key
// picture and what came behind it. The receiver's decoder knows the picture's first half: the rest is for it.
func TestMoveWithinAPicture(t *testing.T) {
	checkLeaks(t)
	old, next := newReceiver(t), newReceiver(t)
	w, _ := turning(t)
	s := open(t, Config{Remote: old.addr(), Wheel: w, RTCP: true})
	connect(t, s)
	h := &held{}
	key, sound := pack(100_000, 1), pack(400, 2)
	const packets, burst = 72, 24
	for i, bufs := range [][][]byte{key, sound} {
		if !s.Offer(uint32(3600*i), 3*time.Hour, bufs, h) {
			t.Fatalf("pack %d was not taken", i)
		}
	}
	if err := s.Move(next.addr(), 200000001, 96); err != nil {
		t.Fatal(err)
	}
	for range burst {
		old.packet()
	}
	u := s.link.(*udpLink)
	for range packets/burst - 1 { // an hour goes by, as far as the sender knows
		u.sending.Lock()
		u.due, s.pacer.burst = time.Now(), 0
		u.sending.Unlock()
		u.resume()
	}
	for seq := burst + 1; seq <= packets; seq++ {
		if p := next.packet(); int(p.SequenceNumber) != seq || p.Timestamp != 0 {
			t.Fatalf("after Move: number %d, time %d; want %d, 0", p.SequenceNumber, p.Timestamp, seq)
		}
	}
	next.expect(packets+1, 3600, sound)
	if st := s.Stats(); st.Dropped != 0 || h.Load() != 0 {
		t.Errorf("%d packets dropped, %d packs held", st.Dropped, h.Load())
	}
}

// Where media go may be told later than from where they come.
func TestToldLater(t *testing.T) {
	s, err := Open(Config{
		Local: netip.MustParseAddr("127.0.0.1"), Remote: netip.MustParseAddrPort("127.0.0.1:0"), PayloadType: 96,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Connect(t.Context()); !errors.Is(err, ErrNotConnected) {
		t.Errorf("Connect to nowhere: %v", err)
	}
	c, at := endpoint(t)
	if err := s.Move(at, 1, 96); err != nil {
		t.Fatal(err)
	}
	if err := s.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.WritePack(t.Context(), 3600, 0, pack(100, 1)); err != nil {
		t.Fatal(err)
	}
	if got, want := readHeader(t, c), (header{s.LocalPort(), 1, 1, 96}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
