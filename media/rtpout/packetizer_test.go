package rtpout

import (
	"bytes"
	"encoding/hex"
	"testing"

	"github.com/pion/rtp"
)

func packetizerFor(t *testing.T, cfg Config) *packetizer {
	t.Helper()
	cfg.SSRC, cfg.PayloadType = 200000001, 96
	if err := cfg.complete(); err != nil {
		t.Fatal(err)
	}
	z := new(packetizer)
	z.open(&cfg, maxBurst)
	return z
}

// pack returns a pack of n bytes in pieces as the muxer makes them, some empty.
func pack(n int, seed byte) [][]byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i>>8) ^ byte(i)*13 + seed
	}
	cut1, cut2, cut3 := min(56, n), min(20000, n), min(20019, n)
	return [][]byte{b[:cut1], b[cut1:cut2], {}, b[cut2:cut3], b[cut3:]}
}

func TestFraming(t *testing.T) {
	for _, c := range []struct {
		name        string
		interleaved bool
		want        string
	}{
		{"RFC 4571", false, "006a80e00001" + "00015f90" + "0bebc201"},
		{"dollar", true, "2400006a80e00001" + "00015f90" + "0bebc201"},
	} {
		z := packetizerFor(t, Config{Transport: TCPPassive, Interleaved: c.interleaved})
		z.begin(90000, [][]byte{make([]byte, 94)})
		z.next(1)
		if got := hex.EncodeToString(z.pieces[0]); got != c.want {
			t.Errorf("%s: header = %s, want %s", c.name, got, c.want)
		}
	}
}

func TestWrap(t *testing.T) {
	z := packetizerFor(t, Config{Transport: TCPPassive})
	z.seq, z.ts, z.started = 65535, 1<<32-1, true
	var p rtp.Packet
	for i, want := range []struct {
		seq uint16
		ts  uint32
	}{{65535, 3599}, {0, 3599}, {1, 7199}} {
		if i != 1 {
			z.begin(want.ts, [][]byte{make([]byte, 2000)[:2000-1000*(i/2)]})
		}
		z.next(1)
		if err := p.Unmarshal(bytes.Join(z.pieces, nil)[2:]); err != nil {
			t.Fatal(err)
		}
		if p.SequenceNumber != want.seq || p.Timestamp != want.ts {
			t.Errorf("packet %d: seq %d ts %d, want %d %d", i, p.SequenceNumber, p.Timestamp, want.seq, want.ts)
		}
	}
}

// TestTies: ZLMediaKit would take two packs of one timestamp for one frame.
func TestTies(t *testing.T) {
	z := packetizerFor(t, Config{Transport: TCPPassive})
	for i, c := range []struct{ ts, want uint32 }{
		{100, 100}, {100, 101}, {100, 102}, {3700, 3700}, {50, 50}, {46, 51}, {1 << 31, 1 << 31},
	} {
		z.begin(c.ts, pack(10, 0))
		if z.ts != c.want {
			t.Errorf("pack %d: timestamp %d became %d, want %d", i, c.ts, z.ts, c.want)
		}
		z.skip()
	}
}

// TestSkip: what is left out shows as a gap in the sequence numbers.
func TestSkip(t *testing.T) {
	z := packetizerFor(t, Config{Transport: TCPPassive})
	z.begin(1, pack(1400*10, 0))
	z.next(3)
	z.skip()
	if z.seq != 11 || z.left != 0 {
		t.Errorf("after skipping: next seq %d, %d bytes left, want 11 and 0", z.seq, z.left)
	}
}

func TestNothingIsCopied(t *testing.T) {
	z := packetizerFor(t, Config{Transport: TCPPassive})
	bufs := pack(3000, 0)
	z.begin(1, bufs)
	z.next(2)
	if &z.pieces[1][0] != &bufs[0][0] || &z.pieces[2][0] != &bufs[1][0] {
		t.Error("the payload was copied")
	}
}
