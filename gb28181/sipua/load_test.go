package sipua

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestFloodOfStrangers sends requests of every method under ever new From users, Call-IDs and branches.
func TestFloodOfStrangers(t *testing.T) {
	log := &lines{}
	var handled atomic.Int64
	e := start(t, Config{
		Log:       slog.New(slog.NewTextHandler(log, nil)),
		Strangers: func(user string, _ netip.AddrPort) bool { return user != superior },
	}, func(e *Endpoint) {
		for _, m := range []string{"MESSAGE", "INVITE", "SUBSCRIBE"} {
			e.Handle(m, func(_ context.Context, r *Request) {
				handled.Add(1)
				_ = r.Respond(&Response{Code: 200})
			})
		}
	})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	goroutines := runtime.NumGoroutine()
	c, _ := udpSocket(t)
	methods := []string{"MESSAGE", "INVITE", "SUBSCRIBE", "REGISTER", "OPTIONS", "CANCEL", "BYE", "ACK"}
	const total = 40000
	for i := range total {
		m := methods[i%len(methods)]
		raw := message(m, fmt.Sprintf("%d %s", i+1, m), fmt.Sprint("c", i), fmt.Sprint("z9hG4bK", i), "")
		raw = strings.Replace(raw, "From: <sip:"+superior, fmt.Sprintf("From: <sip:%020d", i), 1)
		if _, err := c.WriteToUDPAddrPort([]byte(raw), e.Addr()); err != nil {
			t.Fatal(err)
		}
	}
	if res, err := e.Do(timeout(t), request("OPTIONS", "friend"), Route{Remote: e.Addr()}); err != nil || res.Code != 200 {
		t.Errorf("OPTIONS after the flood: %+v, %v", res, err)
	}
	for range 500 { // the slot of our own OPTIONS is given back behind its answer
		if len(e.slots) == 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	e.exchanges.mu.Lock()
	known, calls := len(e.exchanges.by), len(e.exchanges.calls)
	e.exchanges.mu.Unlock()
	if handled.Load() != 0 || known > 1 || calls != 0 || len(e.slots) != 0 {
		t.Errorf("%d handled, %d remembered, %d calls, %d slots taken; want none but our own OPTIONS",
			handled.Load(), known, calls, len(e.slots))
	}
	if n := runtime.NumGoroutine(); n > goroutines+10 {
		t.Errorf("%d goroutines, %d before", n, goroutines)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 4<<20 {
		t.Errorf("heap grew by %d bytes", grown)
	}
	if n := strings.Count(log.String(), "\n"); n != 1 {
		t.Errorf("%d log lines, want one:\n%s", n, log)
	}
	// Not one of them got an answer: a scanner must not learn that somebody is here.
	_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	buf := make([]byte, 2048)
	if n, err := c.Read(buf); err == nil {
		t.Errorf("a stranger got\n%s", buf[:n])
	}
}

// TestManyQueriesOfOneSuperior sends more at a time than handlers may run: each gets one final response, 200 or 503,
// what is handled keeps its place in the order of arrival, and nothing of it stays.
func TestManyQueriesOfOneSuperior(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			const total, limit = 1000, 32
			var running, most atomic.Int64
			arrived := make(chan uint64, total)
			e := start(t, Config{MaxConcurrent: limit}, func(e *Endpoint) {
				e.refusals.SetLimit(1e9) // of 503s, so that every one is seen here
				e.refusals.SetBurst(total)
				e.Handle("MESSAGE", func(_ context.Context, r *Request) {
					now := running.Add(1)
					defer running.Add(-1)
					for old := most.Load(); now > old && !most.CompareAndSwap(old, now); old = most.Load() {
					}
					arrived <- r.Arrival
					_ = r.Respond(&Response{Code: 200})
				})
			})
			w := dialWire(t, transport, e)
			codes := map[string]int{}
			const burst = 50 // what the smallest receive buffer holds
			for i := range total {
				w.send(message("MESSAGE", fmt.Sprintf("%d MESSAGE", i+1), fmt.Sprint("c", i), fmt.Sprintf("z9hG4bK%d", i), ""))
				if i%burst != burst-1 {
					continue
				}
				for range burst {
					raw, err := w.next()
					if err != nil {
						t.Fatalf("after %v: %v", codes, err)
					}
					codes[string(raw[8:11])]++ // SIP/2.0 200 OK
				}
			}
			if codes["200"]+codes["503"] != total || codes["200"] < limit {
				t.Errorf("answers = %v, want %d of 200 and 503", codes, total)
			}
			if most.Load() > limit {
				t.Errorf("%d handlers at one time, want at most %d", most.Load(), limit)
			}
			seen := map[uint64]bool{}
			for range codes["200"] {
				n := <-arrived
				if seen[n] || n == 0 || n > total {
					t.Errorf("arrival %d", n)
				}
				seen[n] = true
			}
			e.exchanges.mu.Lock()
			defer e.exchanges.mu.Unlock()
			if n := len(e.exchanges.by); n > maxExchanges || n < codes["200"] {
				t.Errorf("%d remembered, want the %d handled", n, codes["200"])
			}
			if diff := cmp.Diff(0, len(e.exchanges.calls)); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
		})
	}
}
