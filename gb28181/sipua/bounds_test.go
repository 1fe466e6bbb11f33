package sipua

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestLargeBodies(t *testing.T) {
	for transport, size := range map[string]int{"udp": 60000, "tcp": maxMessage} {
		e, seen := collector(t, Config{})
		req := request("MESSAGE", transport)
		// GB18030, also with bytes that look like line ends' neighbours and a four-byte character.
		req.Body = bytes.Repeat([]byte("\xc4\xe3\xba\xc3\r\n\x81\x30\x89\x38\xd5\x5c"), size/12+1)[:size]
		res, err := e.Do(timeout(t), req, Route{Transport: transport, Remote: e.Addr()})
		if err != nil || res.Code != 200 {
			t.Fatalf("%s: %+v, %v", transport, res, err)
		}
		if got := receiveOne(t, seen, "MESSAGE"); !bytes.Equal(got.Body, req.Body) {
			t.Errorf("%s: body of %d bytes changed", transport, size)
		}
	}
}

// lines collects log lines.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func TestArrivalIsTheOrderOfTheSocket(t *testing.T) {
	const total = 1000
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			seen := make(chan *Request, total)
			e := start(t, Config{MaxConcurrent: total}, func(e *Endpoint) {
				e.Handle("MESSAGE", func(_ context.Context, r *Request) {
					_ = r.Respond(&Response{Code: 200}) // nobody reads it
					seen <- r
				})
			})
			w := dialWire(t, transport, e)
			order := map[uint64]uint32{}
			collect := func(n int) {
				for range n {
					r := receiveOne(t, seen, "MESSAGE")
					order[r.Arrival] = r.CSeq
				}
			}
			for i := range total {
				w.send(message("MESSAGE", fmt.Sprintf("%d MESSAGE", i+1), "c", fmt.Sprintf("z9hG4bK%d", i), ""))
				if i%50 == 49 { // no more than the smallest receive buffer holds
					collect(50)
				}
			}
			for i := range uint64(total) {
				if order[i+1] != uint32(i+1) {
					t.Fatalf("arrival %d is CSeq %d", i+1, order[i+1])
				}
			}
		})
	}
}

func TestGarbageCostsNothing(t *testing.T) {
	log := &lines{}
	e := start(t, Config{Log: slog.New(slog.NewTextHandler(log, nil))}, nil)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	c, _ := udpSocket(t)
	for i := range 20000 {
		raw := fmt.Sprintf("garbage %d", i)
		switch i % 4 {
		case 1:
			raw = strings.Repeat("\xff", 1200)
		case 2: // SIP to look at, without Call-ID
			raw = strings.Replace(message("MESSAGE", "1 MESSAGE", "c", "z9hG4bK1", ""), "Call-ID", "X", 1)
		case 3: // answers to nothing
			raw = message("X", "1 X", fmt.Sprint(i), fmt.Sprint("z9hG4bK", i), "")
			raw = "SIP/2.0 200 OK" + raw[strings.Index(raw, "\r\n"):]
		}
		if _, err := c.WriteToUDPAddrPort([]byte(raw), e.Addr()); err != nil {
			t.Fatal(err)
		}
	}
	if res, err := e.Do(timeout(t), request("OPTIONS", "c1"), Route{Remote: e.Addr()}); err != nil || res.Code != 200 {
		t.Errorf("OPTIONS after the flood: %+v, %v", res, err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 4<<20 {
		t.Errorf("heap grew by %d bytes", grown)
	}
	if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), "not SIP") {
		t.Errorf("%d log lines, want one:\n%s", n, log)
	}
}

func TestNoiseIsOneLineAMinute(t *testing.T) {
	q := newNoise(slog.New(slog.DiscardHandler))
	a, now := netip.MustParseAddr("192.0.2.1"), time.Unix(1763740800, 0)
	var said []int
	for i := range 313 {
		if n, say := q.count(a, now.Add(time.Duration(i)*time.Millisecond)); say {
			said = append(said, n)
		}
	}
	if n, say := q.count(a, now.Add(time.Minute)); say {
		said = append(said, n)
	}
	if diff := cmp.Diff([]int{1, 313}, said); diff != "" {
		t.Errorf("dropped counts (-want +got):\n%s", diff)
	}
	for i := range 5000 {
		q.count(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), now.Add(time.Minute))
	}
	if n := len(q.by); n > noiseSources+1 {
		t.Errorf("%d sources remembered, want at most %d", n, noiseSources+1)
	}
}

func TestExchangesAreBounded(t *testing.T) {
	x := newExchanges()
	for i := range 3 * maxExchanges {
		in := &inbound{key: exchangeKey{method: "MESSAGE", branch: fmt.Sprint(i)}}
		if !x.add(in) || x.find(in.key) != in {
			t.Fatalf("exchange %d is not remembered", i)
		}
	}
	if n := len(x.by); n != maxExchanges || x.order.Len() != n {
		t.Errorf("%d exchanges in %d places, want %d", n, x.order.Len(), maxExchanges)
	}
}

func TestTraceShowsNoSecrets(t *testing.T) {
	var mu sync.Mutex
	var events []Event
	e := start(t, Config{Trace: func(ev Event) {
		mu.Lock()
		defer mu.Unlock()
		events = append(events, ev)
	}}, nil)
	r := request("OPTIONS", "c1")
	r.Headers = []Header{
		{"Authorization", `Digest username="u",nonce="n",response="6a2143ae65b119e2",algorithm=MD5`},
		{"Proxy-Authorization", "Basic geheim5"},
	}
	r.Body = []byte("<Password>geheim1</Password>\r\n" +
		"<NewPassword >geheim2</NewPassword>\r\npassword=geheim3 rtsp://u:geheim4@h/")
	if _, err := e.Do(timeout(t), r, Route{Remote: e.Addr()}); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(events) < 4 {
		t.Fatalf("%d events, want request and response, out and in", len(events))
	}
	for _, ev := range events {
		if strings.Contains(ev.Raw, "geheim") || strings.Contains(ev.Raw, "6a2143") {
			t.Errorf("secret in %q", ev.Raw)
		}
		if ev.Transport != "udp" || ev.Remote != e.Addr() || ev.Time.IsZero() {
			t.Errorf("event %+v", ev)
		}
	}
	if out := events[0]; !out.Out || !strings.HasPrefix(out.Raw, "OPTIONS sip:") ||
		!strings.Contains(out.Raw, `response="***",algorithm`) {
		t.Errorf("first event %+v", out)
	}
}
