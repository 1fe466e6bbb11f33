package sipua

import (
	"log/slog"
	"net/netip"
	"sync"
	"time"
)

// noise logs what the endpoint throws away: one line per source and minute, however much comes.
type noise struct {
	log *slog.Logger
	mu  sync.Mutex
	by  map[netip.Addr]*noiseEntry

	swept time.Time
}

type noiseEntry struct {
	last    time.Time
	dropped int // since the last line
}

// noiseSources bounds the table; sources beyond it share one entry.
const noiseSources = 1024

func newNoise(log *slog.Logger) *noise { return &noise{log: log, by: map[netip.Addr]*noiseEntry{}} }

// drop tells of one dropped message of n bytes.
func (q *noise) drop(what string, from netip.AddrPort, n int, why error) {
	dropped, say := q.count(from.Addr(), time.Now())
	if !say {
		return
	}
	q.log.Warn("sip: "+what, "from", from.String(), "bytes", n, "reason", why, "dropped", dropped)
}

func (q *noise) count(src netip.Addr, now time.Time) (dropped int, say bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	en := q.by[src]
	if en == nil {
		if len(q.by) >= noiseSources && now.Sub(q.swept) >= time.Second {
			q.swept = now
			for a, old := range q.by {
				if now.Sub(old.last) >= time.Minute {
					delete(q.by, a)
				}
			}
		}
		if len(q.by) >= noiseSources {
			src = netip.Addr{}
			en = q.by[src]
		}
		if en == nil {
			en = &noiseEntry{}
			q.by[src] = en
		}
	}
	en.dropped++
	if now.Sub(en.last) < time.Minute {
		return 0, false
	}
	dropped, en.dropped, en.last = en.dropped, 0, now
	return dropped, true
}
