package rtpout

import (
	"testing"
	"time"
)

// run plays packs against a clock of its own and returns when which burst went out.
type played struct {
	at time.Duration
	n  int
}

func play(p *pacer, now *time.Time, start time.Time, n int, spread, late time.Duration) (out []played) {
	count, step := chunks(n, spread)
	size := (n + count - 1) / count
	due := *now
	for n > 0 {
		k := min(size, n)
		*now = now.Add(max(due.Sub(*now), p.wait(*now, k)))
		if len(out) == 1 {
			*now = now.Add(late) // the scheduler let us wait
		}
		out = append(out, played{now.Sub(start), k})
		p.sent(*now, k, step)
		due = due.Add(step)
		n -= k
	}
	return out
}

func TestSpread(t *testing.T) {
	var p pacer
	start := time.Unix(1000, 0)
	now := start
	got := play(&p, &now, start, 100, 40*time.Millisecond, 0)
	want := []played{{0, 25}, {10 * time.Millisecond, 25}, {20 * time.Millisecond, 25}, {30 * time.Millisecond, 25}}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("burst %d = %v, want %v", i, got[i], want[i])
		}
	}
	// The next picture comes in time and waits for nothing.
	now = start.Add(40 * time.Millisecond)
	if wait := p.wait(now, 32); wait != 0 {
		t.Errorf("the next pack waits %v", wait)
	}
}

// TestQueue plays streams into a hop with a queue of 64 packets that drains at twice the mean rate
// of a big pack's interval: nothing may overflow, whatever the scheduler does.
func TestQueue(t *testing.T) {
	for _, late := range []time.Duration{0, 3 * time.Millisecond, 9 * time.Millisecond, 25 * time.Millisecond} {
		for _, n := range []int{33, 64, 65, 200, 700} {
			var p pacer
			start := time.Unix(1000, 0)
			now := start
			const spread = 40 * time.Millisecond
			queue, last := 0.0, time.Duration(0)
			for _, b := range play(&p, &now, start, n, spread, late) {
				queue = max(queue-(b.at-last).Seconds()*2*float64(n)/spread.Seconds(), 0) + float64(b.n)
				last = b.at
				if queue > 64 {
					t.Errorf("%d packets, %v late: %v in the queue at %v", n, late, queue, b.at)
				}
			}
			if p.max > maxBurst {
				t.Errorf("%d packets, %v late: a burst of %d", n, late, p.max)
			}
		}
	}
}

// TestBurstsOfPacks: packs that come at once share the limit, audio passes in a pause.
func TestBurstsOfPacks(t *testing.T) {
	var p pacer
	start := time.Unix(1000, 0)
	now := start
	for range 20 {
		play(&p, &now, start, 20, 0, 0)
		play(&p, &now, start, 1, 0, 0)
	}
	if p.max > maxBurst {
		t.Errorf("a burst of %d", p.max)
	}
	if took := now.Sub(start); took > 60*time.Millisecond {
		t.Errorf("420 packets took %v", took)
	}
	now = now.Add(40 * time.Millisecond)
	if wait := p.wait(now, 20); wait != 0 {
		t.Errorf("a pack after a pause waits %v", wait)
	}
}
