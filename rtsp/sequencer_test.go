package rtsp

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// arrival is a packet as the socket delivers it; its payload is its number.
type arrival struct {
	seq uint16
	at  time.Duration
}

func arrivals(seqs ...uint16) []arrival {
	var a []arrival
	for _, s := range seqs {
		a = append(a, arrival{seq: s})
	}
	return a
}

func sequence(from uint16, n int) []arrival {
	var a []arrival
	for i := range n {
		a = append(a, arrival{seq: from + uint16(i)})
	}
	return a
}

func TestSequencer(t *testing.T) {
	type out struct {
		Seq uint16
		Gap int
	}
	tests := []struct {
		name    string
		reorder bool
		in      []arrival
		want    []out
	}{
		{"in order", true, arrivals(65534, 65535, 0, 1), []out{{65534, 0}, {65535, 0}, {0, 0}, {1, 0}}},
		{"swapped", true, arrivals(1, 3, 2, 4), []out{{1, 0}, {2, 0}, {3, 0}, {4, 0}}},
		{"swapped where the count wraps", true, arrivals(65534, 0, 65535, 1), []out{{65534, 0}, {65535, 0}, {0, 0}, {1, 0}}},
		{"repeated", true, arrivals(1, 1, 2, 3, 2, 4, 4), []out{{1, 0}, {2, 0}, {3, 0}, {4, 0}}},
		{"repeated while held", true, arrivals(1, 3, 3, 2, 3), []out{{1, 0}, {2, 0}, {3, 0}}},
		{
			"lost, known after 100 ms", true,
			[]arrival{{seq: 1}, {3, 10 * time.Millisecond}, {4, 60 * time.Millisecond}, {5, 115 * time.Millisecond}},
			[]out{{1, 0}, {3, 1}, {4, 0}, {5, 0}},
		},
		{"over TCP a gap is one at once", false, arrivals(1, 4, 5), []out{{1, 0}, {4, 2}, {5, 0}}},
		{"over TCP, no count at all", false, arrivals(0, 0, 0), []out{{0, 0}, {0, 0}, {0, 0}}},
		{"over TCP, a new count", false, arrivals(9000, 9001, 5, 6), []out{{9000, 0}, {9001, 0}, {5, 1}, {6, 0}}},
		{"a new count", true, arrivals(9000, 9001, 5, 6), []out{{9000, 0}, {9001, 0}, {5, 1}, {6, 0}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got []out
			s := sequencer{reorder: test.reorder, deliver: func(p *packet, gap int) {
				if p.Payload[0] != byte(p.Seq) || p.Payload[1] != byte(p.Seq>>8) {
					t.Errorf("packet %d has another's payload", p.Seq)
				}
				got = append(got, out{p.Seq, gap})
			}}
			payload := make([]byte, 2) // the same for all, as a socket's buffer
			for _, a := range test.in {
				payload[0], payload[1] = byte(a.seq), byte(a.seq>>8)
				s.push(&packet{Seq: a.seq, Payload: payload, Arrived: start.Add(a.at)})
				payload[0], payload[1] = 0xEE, 0xEE
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestSequencerWindow: a packet that never comes is given up when the window is full, or when as many
// came late that the count must be a new one.
func TestSequencerWindow(t *testing.T) {
	delivered, gaps := 0, 0
	s := sequencer{reorder: true, deliver: func(_ *packet, gap int) { delivered++; gaps += gap }}
	push := func(as []arrival) {
		for _, a := range as {
			s.push(&packet{Seq: a.seq, Arrived: start})
		}
	}
	push(sequence(100, 10))
	push(sequence(111, reorderWindow-1)) // 110 is missing
	if delivered != 10 {
		t.Fatalf("delivered %d, want 10 and the rest held", delivered)
	}
	push(sequence(111+reorderWindow-1, 1))
	if delivered != 10+reorderWindow || gaps != 1 {
		t.Errorf("delivered %d with %d missing, want %d with 1", delivered, gaps, 10+reorderWindow)
	}
	before := delivered
	push(sequence(50, staleLimit+10)) // an older count goes on
	if delivered-before != 10 {
		t.Errorf("after %d stale packets %d were taken, want 10", staleLimit, delivered-before)
	}
}
