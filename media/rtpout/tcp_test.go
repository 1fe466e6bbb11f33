package rtpout

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/rtp"
)

// readPack reads the packets of one pack from a connection.
func readPack(t *testing.T, r io.Reader, dollar bool) (packets []*rtp.Packet, data []byte) {
	t.Helper()
	for {
		p := readPacket(t, r, dollar)
		packets = append(packets, p)
		data = append(data, p.Payload...)
		if p.Marker {
			return packets, data
		}
	}
}

func readPacket(t *testing.T, r io.Reader, dollar bool) *rtp.Packet {
	t.Helper()
	head := make([]byte, 2)
	if dollar {
		if _, err := io.ReadFull(r, head); err != nil || head[0] != '$' || head[1] != 0 {
			t.Fatalf("frame begins with % X, %v", head, err)
		}
	}
	if _, err := io.ReadFull(r, head); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, binary.BigEndian.Uint16(head))
	if _, err := io.ReadFull(r, b); err != nil {
		t.Fatal(err)
	}
	p := new(rtp.Packet)
	if err := p.Unmarshal(b); err != nil {
		t.Fatal(err)
	}
	return p
}

func listener(t *testing.T) *net.TCPListener {
	t.Helper()
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func addrOf(l *net.TCPListener) netip.AddrPort { return l.Addr().(*net.TCPAddr).AddrPort() }

// dialled opens a sender that dials, and returns its connection as the superior has it.
func dialled(t *testing.T, cfg Config) (*Sender, *net.TCPConn) {
	t.Helper()
	l := listener(t)
	cfg.Transport, cfg.Remote = TCPActive, addrOf(l)
	s := open(t, cfg)
	connect(t, s)
	_ = l.SetDeadline(time.Now().Add(5 * time.Second))
	c, err := l.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	return s, c
}

func TestTCPStream(t *testing.T) {
	for _, dollar := range []bool{false, true} {
		t.Run(map[bool]string{false: "RFC 4571", true: "dollar"}[dollar], func(t *testing.T) {
			checkLeaks(t)
			ports := &Ports{}
			s, c := dialled(t, Config{Interleaved: dollar, Ports: ports})
			if got, want := c.RemoteAddr().(*net.TCPAddr).Port, int(s.LocalPort()); got != want {
				t.Errorf("dialled from port %d, want the announced %d", got, want)
			}
			seq := uint16(1)
			for i, n := range []int{1, 1400, 1401, 64 * 1400, 64*1400 + 1, 160_000} {
				want := pack(n, byte(i))
				if err := s.WritePack(t.Context(), uint32(3600*i), time.Second, want); err != nil {
					t.Fatal(err)
				}
				packets, got := readPack(t, c, dollar)
				if !bytes.Equal(got, bytes.Join(want, nil)) {
					t.Fatalf("pack %d: the payloads are not the pack", i)
				}
				for _, p := range packets {
					if p.SequenceNumber != seq || p.Timestamp != uint32(3600*i) || p.SSRC != 200000001 || p.PayloadType != 96 {
						t.Fatalf("pack %d: header %+v, want seq %d", i, p.Header, seq)
					}
					seq++
				}
			}
			if st := s.Stats(); st.Path != "writev" || st.Packets != uint64(seq-1) || st.Dropped != 0 {
				t.Errorf("stats = %+v, want %d packets by writev", st, seq-1)
			}
			s.Close()
			if got := ports.InUse(); got != 0 {
				t.Errorf("%d pairs in use after Close", got)
			}
		})
	}
}

// unheard returns an address that refuses connections and that no other test is given meanwhile: a sender that never
// dials holds the port.
func unheard(t *testing.T) netip.AddrPort {
	t.Helper()
	holder := open(t, Config{Transport: TCPActive, Remote: netip.MustParseAddrPort("127.0.0.1:9")})
	return netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), holder.LocalPort())
}

// TestLateListener: monibuca listens only after the ACK. The port stays the announced one.
func TestLateListener(t *testing.T) {
	checkLeaks(t)
	remote := unheard(t)
	s := open(t, Config{Transport: TCPActive, Remote: remote})
	s.link.(*tcpLink).pause = 10 * time.Millisecond
	got := make(chan error, 1)
	go func() { got <- s.Connect(t.Context()) }()
	time.Sleep(35 * time.Millisecond)
	l, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(remote))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_ = l.SetDeadline(time.Now().Add(5 * time.Second))
	c, err := l.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := <-got; err != nil {
		t.Fatal(err)
	}
	if got, want := c.RemoteAddr().(*net.TCPAddr).Port, int(s.LocalPort()); got != want {
		t.Errorf("dialled from port %d, want the announced %d", got, want)
	}
}

func TestNobodyListens(t *testing.T) {
	checkLeaks(t)
	ports := &Ports{}
	s := open(t, Config{Transport: TCPActive, Remote: unheard(t), DialRetry: 3, Ports: ports})
	s.link.(*tcpLink).pause = time.Millisecond
	if err := s.Connect(t.Context()); !errors.Is(err, ErrNoConnection) {
		t.Errorf("got %v, want %v", err, ErrNoConnection)
	}
	if err := s.WritePack(t.Context(), 0, 0, pack(1, 0)); !errors.Is(err, ErrNotConnected) {
		t.Errorf("writing got %v, want %v", err, ErrNotConnected)
	}
	s.Close()
	if got := ports.InUse(); got != 0 {
		t.Errorf("%d pairs in use", got)
	}
}

func dial(t *testing.T, port uint16) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp4", netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port).String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// TestPassive: the port listens before Connect, strangers are sent away, one connection is taken.
func TestPassive(t *testing.T) {
	checkLeaks(t)
	allowed := 0
	s := open(t, Config{Transport: TCPPassive, Allow: func(netip.Addr) bool { allowed++; return allowed > 1 }})
	stranger, superior := dial(t, s.LocalPort()), dial(t, s.LocalPort())
	connect(t, s)
	if _, err := stranger.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the stranger got %v, want his connection closed", err)
	}
	if err := s.WritePack(t.Context(), 0, 0, pack(5000, 1)); err != nil {
		t.Fatal(err)
	}
	if _, got := readPack(t, superior, false); !bytes.Equal(got, bytes.Join(pack(5000, 1), nil)) {
		t.Error("the payloads are not the pack")
	}
	if c, err := net.Dial("tcp4", superior.RemoteAddr().String()); err == nil {
		c.Close()
		t.Error("a second connection was taken")
	}
}

func TestNobodyConnects(t *testing.T) {
	checkLeaks(t)
	s := open(t, Config{Transport: TCPPassive, AcceptTimeout: 10 * time.Millisecond})
	if err := s.Connect(t.Context()); !errors.Is(err, ErrNoConnection) {
		t.Errorf("got %v, want %v", err, ErrNoConnection)
	}
}

// TestConnectEnds: a BYE, or Close, while we wait for the connection.
func TestConnectEnds(t *testing.T) {
	l := listener(t)
	l.Close()
	for _, transport := range []Transport{TCPActive, TCPPassive} {
		t.Run(transport.String(), func(t *testing.T) {
			checkLeaks(t)
			bye := errors.New("BYE")
			ctx, cancel := context.WithCancelCause(t.Context())
			s := open(t, Config{Transport: transport, Remote: addrOf(l)})
			time.AfterFunc(10*time.Millisecond, func() { cancel(bye) })
			if err := s.Connect(ctx); !errors.Is(err, bye) {
				t.Errorf("got %v, want %v", err, bye)
			}
			s = open(t, Config{Transport: transport, Remote: addrOf(l)})
			time.AfterFunc(10*time.Millisecond, func() { s.Close() })
			if err := s.Connect(t.Context()); !errors.Is(err, ErrClosed) {
				t.Errorf("got %v, want %v", err, ErrClosed)
			}
		})
	}
}

// TestPeerCloses: noticed although nothing is being sent, by FIN as by RST.
func TestPeerCloses(t *testing.T) {
	for name, linger := range map[string]int{"FIN": -1, "RST": 0} {
		t.Run(name, func(t *testing.T) {
			checkLeaks(t)
			s, c := dialled(t, Config{})
			_, _ = c.Write([]byte("reports that nobody reads"))
			_ = c.SetLinger(linger)
			c.Close()
			select {
			case <-s.Done():
			case <-time.After(5 * time.Second):
				t.Fatal("not noticed")
			}
			if !errors.Is(s.Err(), ErrPeerClosed) {
				t.Errorf("ended with %v, want %v", s.Err(), ErrPeerClosed)
			}
			if err := s.WritePack(t.Context(), 0, 0, pack(1, 0)); !errors.Is(err, ErrPeerClosed) {
				t.Errorf("writing got %v, want %v", err, ErrPeerClosed)
			}
		})
	}
}

// TestSlowReceiver: packs are dropped while nothing is taken, but no packet is torn.
func TestSlowReceiver(t *testing.T) {
	checkLeaks(t)
	s, c := dialled(t, Config{WriteTimeout: 20 * time.Millisecond})
	_ = c.SetReadBuffer(1 << 16)
	want := pack(300_000, 1)
	var err error
	packs := uint32(0)
	for ; err == nil && packs < 1000; packs++ {
		err = s.WritePack(t.Context(), packs*3600, 0, want)
	}
	if !errors.Is(err, ErrSlow) || s.Err() != nil {
		t.Fatalf("got %v (%v), want %v and a living sender", err, s.Err(), ErrSlow)
	}
	// The receiver wakes up.
	last := make(chan error, 1)
	const final = 1 << 30
	go func() {
		err := ErrSlow
		for errors.Is(err, ErrSlow) {
			err = s.WritePack(t.Context(), final, 0, want)
		}
		last <- err
	}()
	var got []byte
	packets, gaps, next := 0, 0, uint16(1)
	for {
		p := readPacket(t, c, false)
		packets++
		if p.SequenceNumber != next {
			gaps++
			got = nil
		}
		next = p.SequenceNumber + 1
		if p.Timestamp >= final {
			if got = append(got, p.Payload...); p.Marker && bytes.Equal(got, bytes.Join(want, nil)) {
				break
			}
		}
		if p.Marker {
			got = nil
		}
	}
	if err := <-last; err != nil {
		t.Fatal(err)
	}
	st := s.Stats()
	if gaps == 0 || st.Dropped == 0 || st.Packets != uint64(packets) {
		t.Errorf("stats = %+v, want %d packets and drops; the receiver saw %d gaps", st, packets, gaps)
	}
}

func TestStall(t *testing.T) {
	checkLeaks(t)
	s, _ := dialled(t, Config{WriteTimeout: 10 * time.Millisecond, StallTimeout: 50 * time.Millisecond})
	var err error
	for ts := uint32(0); err == nil || errors.Is(err, ErrSlow); ts += 3600 {
		err = s.WritePack(t.Context(), ts, 0, pack(300_000, 1))
	}
	// The kernel's own TCP_USER_TIMEOUT may be first.
	if !errors.Is(err, ErrStalled) && !errors.Is(err, ErrPeerClosed) {
		t.Errorf("got %v, want %v", err, ErrStalled)
	}
	<-s.Done()
}

// TestBlockedWriteEnds: a BYE does not wait for the write timeout.
func TestBlockedWriteEnds(t *testing.T) {
	checkLeaks(t)
	s, _ := dialled(t, Config{WriteTimeout: time.Hour, StallTimeout: time.Hour})
	bye := errors.New("BYE")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(50*time.Millisecond, func() { cancel(bye) })
	var err error
	for ts := uint32(0); err == nil; ts += 3600 {
		err = s.WritePack(ctx, ts, 0, pack(300_000, 1))
	}
	if !errors.Is(err, bye) {
		t.Errorf("got %v, want %v", err, bye)
	}
	if s.Err() != nil {
		t.Errorf("the sender ended with %v: the context ends the write only", s.Err())
	}
}
