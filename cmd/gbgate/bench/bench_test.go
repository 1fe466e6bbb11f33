package bench

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestStampIsFoundAtTheEndOfAPicture(t *testing.T) {
	for _, p := range makeGOP(4000) {
		wire := bytes.Clone(p.wire)
		p.number(wire, 65530, 3600)
		want := monotonic()
		putStamp(wire[len(wire)-stampSize:], want)
		last := wire[p.packets[len(p.packets)-1]:]
		if size := int(binary.BigEndian.Uint16(last[2:])); size != len(last)-prefix || last[prefix+1]&0x80 == 0 {
			t.Fatalf("last packet of %d bytes says %d, marker %v", len(last), size, last[prefix+1]&0x80 != 0)
		}
		if got, ok := readStamp(last); !ok || got != want {
			t.Fatalf("stamp %d %v, want %d", got, ok, want)
		}
		if at := bytes.Index(last[prefix+rtpHeader+2:], []byte{0, 0}); at >= 0 {
			t.Fatal("two zero bytes in a row: emulation prevention would be needed")
		}
	}
}

// TestLineCountsLossAndBursts feeds a line by hand.
func TestLineCountsLossAndBursts(t *testing.T) {
	l := &line{}
	for _, p := range []struct {
		seq uint16
		at  int64 // µs
	}{{1, 0}, {2, 10}, {3, 20}, {5, 2000}, {4, 2010}, {6, 2020}, {7, 2030}, {9, 5000}} {
		b := make([]byte, 100)
		binary.BigEndian.PutUint16(b[2:], p.seq)
		l.take(b, 1+p.at*1000)
	}
	if l.packets != 8 || l.lost != 1 || l.longest != 4 {
		t.Errorf("%d packets, %d lost, longest burst %d; want 8, 1, 4", l.packets, l.lost, l.longest)
	}
}

// TestPercentilesAreNearestRanks: that of 99 is not the worst of a hundred.
func TestPercentilesAreNearestRanks(t *testing.T) {
	for n, want := range map[int]percentiles{
		1: {1, 1, 1, 1}, 2: {2, 1, 2, 2}, 3: {3, 2, 3, 3}, 100: {100, 50, 99, 100}, 300: {300, 150, 297, 300},
	} {
		var all []float64
		for i := range n {
			all = append(all, float64(n-i))
		}
		if got := percentilesOf(all); got != want {
			t.Errorf("of 1 to %d: %+v, want %+v", n, got, want)
		}
	}
	if got := percentilesOf(nil); got != (percentiles{}) {
		t.Errorf("of none: %+v", got)
	}
}

func TestReceiversTellWhenTheFirstPacketCame(t *testing.T) {
	defer goleak.VerifyNone(t)
	r, err := newReceivers()
	if err != nil {
		t.Fatal(err)
	}
	defer r.shut()
	l, err := r.open()
	if err != nil {
		t.Fatal(err)
	}
	fd, err := connectUDP(l.address())
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	before := monotonic()
	if _, err := unix.Write(fd, append(make([]byte, rtpHeader), 0, 0, 1, 0xBA)); err != nil {
		t.Fatal(err)
	}
	at, key, err := r.awaitFirst(l, firstTimeout)
	if err != nil || key || at < before || at > monotonic() {
		t.Errorf("first packet at %d (sent after %d), key %v, error %v", at, before, key, err)
	}
}

// A machine that grows slower all the time does not make dearer what comes and goes.
func TestAboveTakesOutDrift(t *testing.T) {
	if got, want := above([]float64{1, 12, 3, 14, 5}), []float64{10, 10}; !slices.Equal(got, want) || mean(got) != 10 {
		t.Errorf("got %v, want %v", got, want)
	}
}
