package rtpout

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// receiver is a plain superior: an even port for RTP and the one after it for RTCP.
type receiver struct {
	t         *testing.T
	rtp, rtcp *net.UDPConn
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	for {
		r, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		next := *r.LocalAddr().(*net.UDPAddr)
		next.Port++
		if c, err := net.ListenUDP("udp4", &next); err == nil {
			_ = r.SetReadBuffer(4 << 20)
			t.Cleanup(func() { r.Close(); c.Close() })
			return &receiver{t, r, c}
		}
		r.Close()
	}
}

func (r *receiver) addr() netip.AddrPort { return r.rtp.LocalAddr().(*net.UDPAddr).AddrPort() }

func (r *receiver) packet() *rtp.Packet {
	r.t.Helper()
	buf := make([]byte, 65536)
	_ = r.rtp.SetReadDeadline(time.Now().Add(5 * time.Second))
	n, err := r.rtp.Read(buf)
	if err != nil {
		r.t.Fatal(err)
	}
	p := new(rtp.Packet)
	if err := p.Unmarshal(buf[:n]); err != nil {
		r.t.Fatal(err)
	}
	return p
}

// expect reads one pack and compares all there is in it.
func (r *receiver) expect(seq uint16, ts uint32, bufs [][]byte) (next uint16) {
	r.t.Helper()
	want := bytes.Join(bufs, nil)
	var got []byte
	for len(got) < len(want) {
		p := r.packet()
		last := len(got)+len(p.Payload) == len(want)
		if p.Version != 2 || p.Padding || p.Extension || len(p.CSRC) > 0 ||
			p.SSRC != 200000001 || p.PayloadType != 96 || p.Timestamp != ts || p.SequenceNumber != seq || p.Marker != last {
			r.t.Fatalf("header %+v, want seq %d, ts %d, marker %v", p.Header, seq, ts, last)
		}
		if !last && len(p.Payload) != 1400 {
			r.t.Fatalf("a packet of %d bytes inside a pack", len(p.Payload))
		}
		got = append(got, p.Payload...)
		seq++
	}
	if !bytes.Equal(got, want) {
		r.t.Fatal("the payloads are not the pack")
	}
	return seq
}

func open(t testing.TB, cfg Config) *Sender {
	t.Helper()
	cfg.Local, cfg.SSRC, cfg.PayloadType = netip.MustParseAddr("127.0.0.1"), 200000001, 96
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func connect(t *testing.T, s *Sender) {
	t.Helper()
	if err := s.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func force(s *Sender, p udpPath) { s.link.(*udpLink).out.path.Store(uint32(p)) }

// checkLeaks is to be the first line of a test: it runs after everything else.
func checkLeaks(t *testing.T) {
	ignore := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, ignore) })
}

func TestUDPPaths(t *testing.T) {
	for _, path := range []udpPath{pathGSO, pathMMsg, pathWrite} {
		t.Run(path.String(), func(t *testing.T) {
			checkLeaks(t)
			r := newReceiver(t)
			ports := &Ports{}
			s := open(t, Config{Remote: r.addr(), Ports: ports})
			connect(t, s)
			force(s, path)
			seq, packets, size := uint16(1), 0, 0
			for i, n := range []int{1, 94, 1399, 1400, 1401, 2800, 32 * 1400, 32*1400 + 1, 65_500, 160_000} {
				bufs := pack(n, byte(i))
				if err := s.WritePack(t.Context(), uint32(1000+3600*i), 5*time.Millisecond, bufs); err != nil {
					t.Fatal(err)
				}
				seq = r.expect(seq, uint32(1000+3600*i), bufs)
				packets += (n + 1399) / 1400
				size += n
			}
			st := s.Stats()
			if st.Path != path.String() || st.Packets != uint64(packets) || st.Bytes != uint64(size+12*packets) ||
				st.Dropped != 0 || st.MaxBurst > maxBurst {
				t.Errorf("stats = %+v, want path %v, %d packets, %d bytes", st, path, packets, size+12*packets)
			}
			s.Close()
			if got := ports.InUse(); got != 0 {
				t.Errorf("%d pairs in use after Close", got)
			}
			if err := s.WritePack(t.Context(), 1, 0, pack(1, 0)); !errors.Is(err, ErrClosed) {
				t.Errorf("writing after Close: %v, want %v", err, ErrClosed)
			}
		})
	}
}

// TestStepDown: kernels and devices that do not know a path. The pack in hand is not lost.
func TestStepDown(t *testing.T) {
	for _, c := range []struct {
		gso, mmsg unix.Errno
		want      udpPath
	}{
		{0, 0, pathGSO},
		{unix.EIO, 0, pathMMsg},
		{unix.EINVAL, 0, pathMMsg},
		{unix.EMSGSIZE, 0, pathMMsg},
		{unix.ENOPROTOOPT, unix.ENOSYS, pathWrite},
	} {
		t.Run(c.gso.Error()+"/"+c.mmsg.Error(), func(t *testing.T) {
			checkLeaks(t)
			r := newReceiver(t)
			s := open(t, Config{Remote: r.addr()})
			connect(t, s)
			out := &s.link.(*udpLink).out
			out.sendmsg = func(fd int, msg *unix.Msghdr) unix.Errno {
				if msg.Control != nil && c.gso != 0 {
					return c.gso
				}
				return sendmsg(fd, msg)
			}
			out.sendmmsg = func(fd int, msgs []mmsghdr) (int, unix.Errno) {
				if c.mmsg != 0 {
					return 0, c.mmsg
				}
				return sendmmsg(fd, msgs)
			}
			for i := range uint32(3) {
				if err := s.WritePack(t.Context(), 3600*i, 0, pack(20_000, byte(i))); err != nil {
					t.Fatal(err)
				}
				r.expect(uint16(1+15*i), 3600*i, pack(20_000, byte(i)))
			}
			if got := s.Stats().Path; got != c.want.String() {
				t.Errorf("path = %s, want %v", got, c.want)
			}
		})
	}
}

// TestHiccups: errors that pass are tried again, and a short sendmmsg goes on where it stopped.
func TestHiccups(t *testing.T) {
	for _, path := range []udpPath{pathGSO, pathMMsg, pathWrite} {
		for _, errno := range []unix.Errno{unix.ENOBUFS, unix.EINTR, unix.ECONNREFUSED} {
			t.Run(path.String()+"/"+errno.Error(), func(t *testing.T) {
				checkLeaks(t)
				r := newReceiver(t)
				s := open(t, Config{Remote: r.addr()})
				connect(t, s)
				force(s, path)
				out := &s.link.(*udpLink).out
				calls := 0
				out.sendmsg = func(fd int, msg *unix.Msghdr) unix.Errno {
					if calls++; calls == 2 {
						return errno
					}
					return sendmsg(fd, msg)
				}
				out.sendmmsg = func(fd int, msgs []mmsghdr) (int, unix.Errno) {
					switch calls++; calls {
					case 1:
						return sendmmsg(fd, msgs[:5])
					case 2:
						return 0, errno
					}
					return sendmmsg(fd, msgs)
				}
				for i := range uint32(3) {
					if err := s.WritePack(t.Context(), 3600*i, 0, pack(20_000, byte(i))); err != nil {
						t.Fatal(err)
					}
					r.expect(uint16(1+15*i), 3600*i, pack(20_000, byte(i)))
				}
				if st := s.Stats(); st.Dropped != 0 || st.Packets != 45 {
					t.Errorf("stats = %+v, want 45 packets and none dropped", st)
				}
			})
		}
	}
}

// TestUplinkDown: no route for a while loses packets, not the call; for long it is the end.
func TestUplinkDown(t *testing.T) {
	checkLeaks(t)
	r := newReceiver(t)
	s := open(t, Config{Remote: r.addr(), StallTimeout: 50 * time.Millisecond})
	connect(t, s)
	out := &s.link.(*udpLink).out
	down := true
	out.sendmsg = func(fd int, msg *unix.Msghdr) unix.Errno {
		if down {
			return unix.ENETUNREACH
		}
		return sendmsg(fd, msg)
	}
	if err := s.WritePack(t.Context(), 0, 0, pack(2000, 0)); err != nil {
		t.Fatal(err)
	}
	down = false
	if err := s.WritePack(t.Context(), 3600, 0, pack(2000, 1)); err != nil {
		t.Fatal(err)
	}
	r.expect(3, 3600, pack(2000, 1))
	if st := s.Stats(); st.Dropped != 2 || st.Packets != 2 {
		t.Errorf("stats = %+v, want 2 sent and 2 dropped", st)
	}
	down = true
	var err error
	for ts := uint32(7200); err == nil; ts += 3600 {
		err = s.WritePack(t.Context(), ts, 0, pack(2000, 1))
	}
	if !errors.Is(err, ErrStalled) || !errors.Is(s.Err(), ErrStalled) || !errors.Is(err, unix.ENETUNREACH) {
		t.Errorf("ended with %v (%v), want %v", err, s.Err(), ErrStalled)
	}
}

// TestFullQueue: a socket whose queue never empties ends the write by its time limit or its context.
func TestFullQueue(t *testing.T) {
	checkLeaks(t)
	r := newReceiver(t)
	s := open(t, Config{Remote: r.addr(), WriteTimeout: 20 * time.Millisecond})
	connect(t, s)
	s.link.(*udpLink).out.sendmsg = func(int, *unix.Msghdr) unix.Errno {
		return unix.EAGAIN
	}
	if err := s.WritePack(t.Context(), 0, 0, pack(2000, 0)); err != nil {
		t.Errorf("got %v, want the pack dropped", err)
	}
	if st := s.Stats(); st.Dropped != 2 {
		t.Errorf("stats = %+v, want 2 dropped", st)
	}
}

// TestFullQueueForEach: a pack behind one that was given up has its own time to be tried in.
func TestFullQueueForEach(t *testing.T) {
	checkLeaks(t)
	s := open(t, Config{Remote: newReceiver(t).addr(), WriteTimeout: time.Second})
	connect(t, s)
	u := s.link.(*udpLink)
	u.out.sendmsg = func(int, *unix.Msghdr) unix.Errno { return unix.EAGAIN }
	u.sending.Lock()
	defer u.sending.Unlock()
	for i := range 3 {
		u.queue[i] = offered{ts: uint32(i) * 3600, bufs: pack(2000, 0)}
	}
	u.queued = 3
	now := time.Now()
	for i := range 3 {
		if dropped := s.Stats().Dropped; dropped != uint64(2*i) {
			t.Errorf("%d packets were dropped after %d s, want %d", dropped, i, 2*i)
		}
		for end := now.Add(time.Second); now.Before(end); {
			next, err := u.advance(now)
			if err != nil || !next.After(now) {
				t.Fatalf("go on at %v, %v", next.Sub(now), err)
			}
			now = next
		}
		if _, err := u.advance(now); err != nil {
			t.Fatal(err)
		}
	}
}

// TestUnreachable: nobody listens, and on loopback ICMP says so at once.
func TestUnreachable(t *testing.T) {
	checkLeaks(t)
	// A socket that is connected elsewhere refuses ours, and nobody else gets its port.
	held, err := net.DialUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9})
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	s := open(t, Config{Remote: held.LocalAddr().(*net.UDPAddr).AddrPort()})
	connect(t, s)
	s.link.(*udpLink).spacing = time.Microsecond
	for i := 0; err == nil && i < 1000; i++ {
		err = s.WritePack(t.Context(), uint32(i)*3600, 0, pack(100, 0))
		time.Sleep(100 * time.Microsecond)
	}
	if !errors.Is(err, ErrUnreachable) {
		t.Fatalf("got %v, want %v", err, ErrUnreachable)
	}
	<-s.Done()
}

func TestRefusalsAreCountedPerSecond(t *testing.T) {
	u := &udpLink{s: &Sender{}, spacing: refusalSpacing}
	start := time.Unix(1000, 0)
	for _, c := range []struct {
		at   time.Duration
		want bool
	}{
		{0, false},
		{time.Millisecond, false},
		{999 * time.Millisecond, false},
		{time.Second, false},
		{11 * time.Second, false}, // the first is too long ago
		{10500 * time.Millisecond, false},
		{12 * time.Second, false},
		{13 * time.Second, true},
	} {
		if got := u.refused(start.Add(c.at)); got != c.want {
			t.Errorf("refusal at %v: end = %v, want %v", c.at, got, c.want)
		}
	}
}

// TestToldToBear: neither ICMP nor reports that stop end a sender that is not to mind them.
func TestToldToBear(t *testing.T) {
	checkLeaks(t)
	r := newReceiver(t)
	s := open(t, Config{
		Remote: r.addr(), RTCP: true, SRInterval: 5 * time.Millisecond, RRTimeout: -1, BearRefusals: true,
	})
	connect(t, s)
	u := s.link.(*udpLink)
	u.spacing = time.Microsecond
	s.mu.Lock()
	u.rtcp.heard, u.rtcp.quiet = true, time.Hour
	s.mu.Unlock()
	r.rtp.Close()
	for i := range 30 {
		if err := s.WritePack(t.Context(), uint32(i)*3600, 0, pack(100, 0)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
	if err := s.Err(); err != nil {
		t.Error(err)
	}
}

func TestSenderReport(t *testing.T) {
	checkLeaks(t)
	r := newReceiver(t)
	s := open(t, Config{Remote: r.addr(), RTCP: true, CNAME: "34020100002000000001", SRInterval: 20 * time.Millisecond})
	if s.LocalPort()%2 != 0 {
		t.Errorf("RTP port %d is odd", s.LocalPort())
	}
	connect(t, s)
	before := time.Now()
	if err := s.WritePack(t.Context(), 90000, 0, pack(3000, 0)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 2048)
	_ = r.rtcp.SetReadDeadline(time.Now().Add(5 * time.Second))
	n, from, err := r.rtcp.ReadFromUDPAddrPort(buf)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := from.Port(), s.LocalPort()+1; got != want {
		t.Errorf("report from port %d, want %d", got, want)
	}
	packets, err := rtcp.Unmarshal(buf[:n])
	if err != nil || len(packets) != 2 {
		t.Fatalf("%v, %v; want a sender report and a description", packets, err)
	}
	sr, ok := packets[0].(*rtcp.SenderReport)
	if !ok || sr.SSRC != 200000001 || sr.PacketCount != 3 || sr.OctetCount != 3000 {
		t.Errorf("sender report = %+v, want 3 packets and 3000 octets", packets[0])
	}
	ntp := time.Unix(int64(sr.NTPTime>>32)-2208988800, int64(sr.NTPTime&(1<<32-1)*1e9>>32))
	if ntp.Before(before.Add(-time.Millisecond)) || ntp.After(time.Now().Add(time.Millisecond)) {
		t.Errorf("NTP time is %v, not between %v and now", ntp, before)
	}
	if ticks := ntp.Sub(before).Microseconds() * 9 / 100; int64(sr.RTPTime) < 90000 || int64(sr.RTPTime) > 90000+ticks+90 {
		t.Errorf("RTP time is %d, want 90000 and up to %d more", sr.RTPTime, ticks)
	}
	sd, ok := packets[1].(*rtcp.SourceDescription)
	if !ok || sd.Chunks[0].Items[0].Text != "34020100002000000001" {
		t.Errorf("description = %+v, want the node's code", packets[1])
	}
}

// TestReceiverReports: loss is shown; reports that stop end the sender, but only while it sends.
func TestReceiverReports(t *testing.T) {
	checkLeaks(t)
	r := newReceiver(t)
	s := open(t, Config{Remote: r.addr(), RTCP: true, SRInterval: 5 * time.Millisecond, RRTimeout: 25 * time.Millisecond})
	connect(t, s)
	write := func(i int) error { return s.WritePack(t.Context(), uint32(i)*3600, 0, pack(100, 0)) }
	// Without any report nothing ends, however long it takes.
	for i := range 20 {
		if err := write(i); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Millisecond)
	}
	report := func(ssrc uint32) {
		b, err := rtcp.Marshal([]rtcp.Packet{&rtcp.ReceiverReport{SSRC: 1, Reports: []rtcp.ReceptionReport{
			{SSRC: ssrc, FractionLost: 64, TotalLost: 17},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		to := netip.AddrPortFrom(r.addr().Addr(), s.LocalPort()+1)
		if _, err := r.rtcp.WriteToUDPAddrPort(b, to); err != nil {
			t.Fatal(err)
		}
	}
	report(4711) // somebody else's stream
	report(200000001)
	for i := 0; s.Stats().RRs == 0 && i < 1000; i++ {
		time.Sleep(time.Millisecond)
	}
	if st := s.Stats(); st.RRs != 1 || st.RRLost != 17 || st.RRLoss != 0.25 {
		t.Fatalf("stats = %+v, want one report with 17 lost, a quarter", st)
	}
	// A pause is no silence.
	time.Sleep(60 * time.Millisecond)
	if err := s.Err(); err != nil {
		t.Fatalf("ended in a pause: %v", err)
	}
	var err error
	for i := 100; err == nil && i < 3000; i++ {
		err = write(i)
		time.Sleep(3 * time.Millisecond)
	}
	if !errors.Is(err, ErrSilent) {
		t.Errorf("ended with %v, want %v", err, ErrSilent)
	}
}

// TestPacedWriteEnds: neither a context nor Close waits for a pack that is being spread.
func TestPacedWriteEnds(t *testing.T) {
	checkLeaks(t)
	r := newReceiver(t)
	s := open(t, Config{Remote: r.addr()})
	connect(t, s)
	done := make(chan error, 1)
	go func() { done <- s.WritePack(t.Context(), 0, time.Hour, pack(100_000, 0)) }()
	r.packet()
	s.Close()
	if err := <-done; !errors.Is(err, ErrClosed) {
		t.Errorf("got %v, want %v", err, ErrClosed)
	}
}

// TestNobodyWatchesTheSocket: there is room to write again behind every send, and an epoll instance that has the
// socket, as Go's has net's, wakes a thread for it.
func TestNobodyWatchesTheSocket(t *testing.T) {
	s := open(t, Config{Remote: newReceiver(t).addr()})
	connect(t, s)
	descriptors, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	instances := 0
	for _, d := range descriptors {
		text, err := os.ReadFile("/proc/self/fdinfo/" + d.Name())
		if err != nil || !bytes.Contains(text, []byte("tfd:")) {
			continue
		}
		instances++
		for line := range strings.Lines(string(text)) {
			var fd int
			if n, _ := fmt.Sscanf(line, "tfd: %d", &fd); n == 1 && fd == s.link.(*udpLink).out.fd {
				t.Errorf("epoll instance %s: %s", d.Name(), line)
			}
		}
	}
	if instances == 0 {
		t.Error("not even Go's own epoll instance is to be seen")
	}
}
