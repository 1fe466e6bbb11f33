package rtsp

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"gbgate/media"
)

// TestReorderedUDP shuffles packets within the window and repeats some: nothing is lost.
func TestReorderedUDP(t *testing.T) {
	for _, name := range []string{"h264-slices", "h265-b"} {
		clip := loadClip(t, name)
		pkts := clip.packetise(t, 400)
		rnd := rand.New(rand.NewPCG(1, 2))
		for i := 1; i+4 < len(pkts); i += 4 {
			rnd.Shuffle(4, func(a, b int) {
				pkts[i+a], pkts[i+b] = pkts[i+b], pkts[i+a]
				// they come in this order, so at these times
				pkts[i+a].Arrived, pkts[i+b].Arrived = pkts[i+b].Arrived, pkts[i+a].Arrived
			})
		}
		var twice []packet
		for i, p := range pkts {
			twice = append(twice, p)
			if i%5 == 0 {
				twice = append(twice, p)
			}
		}
		c := collect(clip.codec, nil, audioFormat{})
		c.reorder = true
		c.feed(twice)
		c.close()
		c.compareUnits(t, clip, span(0, len(clip.units)))
		c.checkOrder(t)
	}
}

// TestLossOverUDP: what was held back behind the hole comes out, and the hole is counted.
func TestLossOverUDP(t *testing.T) {
	clip := loadClip(t, "h264")
	pkts := clip.packetise(t, 400)
	ts := pkts[0].Timestamp + 5*3600
	at := slices.IndexFunc(pkts, func(p packet) bool { return p.Timestamp == ts })
	c := collect(clip.codec, nil, audioFormat{})
	c.reorder = true
	c.feed(pkts[:at]).feed(pkts[at+1:])
	c.close()
	c.compareUnits(t, clip, append(span(0, 5), span(25, 75)...))
	if c.stats.Lost != 1 {
		t.Errorf("lost %d, want 1", c.stats.Lost)
	}
}

// TestFrozenTimestampsWithAudio: after the camera's timestamps were given up, pictures are where the
// audio is.
func TestFrozenTimestampsWithAudio(t *testing.T) {
	clip := loadClip(t, "h264")
	c := collect(media.H264, nil, audioFormat{Codec: media.PCMA})
	seq := uint16(0)
	for lap := range 3 {
		for i, u := range clip.units {
			n := lap*75 + i
			at := start.Add(time.Duration(n) * 40 * time.Millisecond)
			for j, nal := range u.nals {
				c.video(&packet{Payload: nal, Seq: seq, Timestamp: 5, Arrived: at, Marker: j == len(u.nals)-1})
				seq++
			}
			c.audio(&packet{Payload: make([]byte, 320), Seq: uint16(n), Timestamp: uint32(n) * 320, Arrived: at})
		}
	}
	c.checkOrder(t)
	var sound, sight int64
	for _, g := range c.units {
		if g.codec.IsVideo() {
			sight = g.pts
		} else {
			sound = g.pts
		}
	}
	if d := sound - sight; d < -7200 || d > 7200 {
		t.Errorf("picture and sound are %d ticks apart", d)
	}
}

// steady runs a clip through an assembler again and again, as one endless stream.
type steady struct {
	*assembler
	pkts []packet
	next int
	lap  uint32
	seq  uint16
	now  time.Time
	pkt  packet // a field, so that it does not escape to the heap each time
	n    int    // units emitted
}

func newSteady(t testing.TB, name string, mtu int) *steady {
	clip := loadClip(t, name)
	s := &steady{pkts: clip.packetise(t, mtu), now: start}
	s.assembler = newAssembler(clip.codec, nil, audioFormat{Codec: media.AAC, Config: aac16k}, func(u *media.Unit) {
		s.n++
		u.Release()
	}, nil)
	return s
}

// unit feeds packets until the next unit came out.
func (s *steady) unit() {
	for before := s.n; s.n == before; {
		s.pkt = s.pkts[s.next]
		s.pkt.Seq = s.seq
		s.pkt.Timestamp += s.lap * 3 * media.Clock
		s.pkt.Arrived = s.now
		s.seq++
		s.assembler.video(&s.pkt)
		if s.next++; s.next == len(s.pkts) {
			s.next = 0
			s.lap++
		}
	}
	s.now = s.now.Add(40 * time.Millisecond)
}

// TestNoGarbage: in the long run an access unit costs no allocation.
func TestNoGarbage(t *testing.T) {
	if raceEnabled {
		// sync.Pool drops entries on purpose there; the bytes are the same.
		t.Log("counting allocations means nothing under the race detector")
		return
	}
	for _, name := range []string{"h264", "h264-slices", "h264-b", "h265", "h265-b"} {
		s := newSteady(t, name, 1400)
		for range 150 {
			s.unit()
		}
		if got := testing.AllocsPerRun(300, s.unit); got > 0 {
			t.Errorf("%s: %v allocations per access unit, want 0", name, got)
		}
	}
	s := newSteady(t, "h264", 1400)
	s.unit()
	payload, seq := hbr([]int{200}, make([]byte, 200)), uint16(0)
	sound := func() {
		s.pkt = packet{
			Payload: payload, Seq: seq, Timestamp: uint32(seq) * 1024, Marker: true,
			Arrived: start.Add(time.Duration(seq) * 64 * time.Millisecond),
		}
		s.assembler.audio(&s.pkt)
		seq++
	}
	sound()
	if got := testing.AllocsPerRun(300, sound); got > 0 {
		t.Errorf("audio: %v allocations per unit, want 0", got)
	}
}

func BenchmarkAccessUnit(b *testing.B) {
	for _, name := range []string{"h264", "h264-b", "h265"} {
		b.Run(name, func(b *testing.B) {
			s := newSteady(b, name, 1400)
			for range 100 {
				s.unit()
			}
			size := 0
			for _, p := range s.pkts {
				size += len(p.Payload)
			}
			b.SetBytes(int64(size / 75))
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				s.unit()
			}
		})
	}
}

// BenchmarkAccessUnit4Mbit is a picture of a 4 Mbit/s stream at 25 pictures a second: 20 kB, 15 packets.
func BenchmarkAccessUnit4Mbit(b *testing.B) {
	clip := loadClip(b, "h264")
	sets, _ := setsOf(clip)
	rnd := rand.New(rand.NewPCG(3, 4))
	nal := make([]byte, 20_000)
	for i := range nal {
		nal[i] = byte(rnd.Uint32()) // zeros, too, but no start code with this seed
	}
	nal[0], nal[1] = 0x61, 0x9A
	packets := fragments(media.H264, nal, 1400, 0x80, 0, 0x40)
	a := newAssembler(media.H264, sets, audioFormat{}, (*media.Unit).Release, nil)
	seq, ts, now, pkt := uint16(0), uint32(0), start, packet{}
	picture := func() {
		now = now.Add(40 * time.Millisecond)
		ts += 3600
		for i, payload := range packets {
			pkt = packet{Payload: payload, Marker: i == len(packets)-1, Seq: seq, Timestamp: ts, Arrived: now}
			a.video(&pkt)
			seq++
		}
	}
	packets[0][1] = 0x80 | h264IDR
	picture()
	packets[0][1] = 0x80 | 1
	b.SetBytes(int64(len(nal)))
	b.ReportAllocs()
	for b.Loop() {
		picture()
	}
	if a.stats.Frames < uint64(b.N) {
		b.Fatalf("%d pictures of %d came out", a.stats.Frames, b.N)
	}
}
