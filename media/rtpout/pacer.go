package rtpout

import "time"

const (
	// maxBurst is how many packets may follow each other without a pause: half of the queue of a
	// cheap switch port (GB/T 28181-2022 4.3.6 asks the sender to keep peaks down).
	maxBurst = 32
	// A pause lasts as long as a 100 Mbit/s link needs for what was sent, within these bounds.
	packetTime = 125 * time.Microsecond
	minPause   = time.Millisecond
)

// pacer keeps bursts short, within a pack and from one pack to the next. It does not sleep itself.
type pacer struct {
	last  time.Time     // when packets were sent
	pause time.Duration // after which the next ones are a burst of their own
	burst int           // packets in the burst of last
	max   int           // the longest burst so far
}

// chunks returns in how many bursts a pack of n packets goes out, and the time from one to the next.
func chunks(n int, spread time.Duration) (count int, step time.Duration) {
	count = (n + maxBurst - 1) / maxBurst
	return count, spread / time.Duration(count)
}

// wait returns how long n more packets have to wait.
func (p *pacer) wait(now time.Time, n int) time.Duration {
	if p.burst+n <= maxBurst {
		return 0
	}
	return max(p.pause-now.Sub(p.last), 0)
}

// sent notes n packets; step is the time until the pack's next burst is due, 0 = not known.
// The pause is at most half of it, so that a late burst takes no following one with it.
func (p *pacer) sent(now time.Time, n int, step time.Duration) {
	if now.Sub(p.last) >= p.pause {
		p.burst = 0
	}
	p.last = now
	p.burst += n
	p.max = max(p.max, p.burst)
	p.pause = time.Duration(p.burst) * packetTime
	if step > 0 {
		p.pause = min(p.pause, step/2)
	}
	p.pause = max(p.pause, minPause)
}
