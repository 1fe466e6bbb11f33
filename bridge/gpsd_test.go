package bridge

import (
	"bufio"
	"context"
	"fmt"
	"math"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// receiver is a gpsd whose reports the test writes.
type receiver struct {
	net.Listener
	reports chan string // one per line; "close" ends the connection
	asked   chan string // first line of each client
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return &receiver{Listener: l, reports: make(chan string), asked: make(chan string, 10)}
}

func (r *receiver) serve() {
	for {
		conn, err := r.Accept()
		if err != nil {
			return
		}
		fmt.Fprintln(conn, `{"class":"VERSION","release":"3.25","proto_major":3,"proto_minor":15}`)
		line, _ := bufio.NewReader(conn).ReadString('\n')
		r.asked <- strings.TrimSpace(line)
		for report := range r.reports {
			if report == "close" {
				break
			}
			fmt.Fprintln(conn, report)
		}
		_ = conn.Close()
	}
}

func TestGPSDReports(t *testing.T) {
	r := newReceiver(t)
	g := &GPSD{Address: r.Addr().String(), Backoff: Retry{Min: time.Millisecond, Max: 10 * time.Millisecond}}
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(r.serve)
	all.Go(func() { _ = g.Run(ctx) })
	await := func(what string, cond func(Fix, bool) bool) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
			if fix, ok := g.Fix(); cond(fix, ok) {
				return
			} else if time.Now().After(deadline) {
				t.Fatalf("%s: still %+v %v", what, fix, ok)
			}
		}
	}
	if got, want := <-r.asked, strings.TrimSpace(gpsdWatch); got != want {
		t.Errorf("asked %q, want %q", got, want)
	}
	if _, ok := g.Fix(); ok {
		t.Error("a position before any report")
	}
	r.reports <- `{"class":"DEVICES","devices":[]}`
	r.reports <- `{"class":"TPV","mode":3,"time":"2026-01-31T02:00:00.000Z","lat":31.326319,"lon":118.376451,` +
		`"altMSL":12.5,"speed":10,"track":90.5}`
	await("a fix", func(_ Fix, ok bool) bool { return ok })
	want := Fix{
		Time: time.Date(2026, 1, 31, 2, 0, 0, 0, time.UTC), Longitude: 118.376451, Latitude: 31.326319,
		Speed: 36, Direction: 90.5, Altitude: 12.5,
	}
	if got, _ := g.Fix(); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	r.reports <- `{"class":"TPV","mode":1}`
	r.reports <- `nonsense`
	r.reports <- `{"class":"TPV","mode":3,"lat":91,"lon":0}`
	r.reports <- `close`
	<-r.asked // it came back
	r.reports <- `{"class":"TPV","mode":2,"time":"2026-01-31T02:00:01.000Z","lat":-31.5,"lon":-118.5,"alt":3}`
	await("after a reconnection", func(f Fix, ok bool) bool { return ok && f.Latitude == -31.5 && f.Altitude == 3 })
	r.reports <- strings.Repeat("x", gpsdLine+1) // a line without end costs the connection, not memory
	r.reports <- "close"
	<-r.asked
	cancel()
	close(r.reports)
	_ = r.Close()
	all.Wait()
}

func TestAFixGrowsOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &GPSD{}
		g.report([]byte(`{"class":"TPV","mode":3,"lat":31,"lon":118}`))
		time.Sleep(59 * time.Second)
		if _, ok := g.Fix(); !ok {
			t.Error("a fix of 59 s ago is gone")
		}
		time.Sleep(time.Second)
		if fix, ok := g.Fix(); ok {
			t.Errorf("a fix of a minute ago is told: %+v", fix)
		}
	})
}

func FuzzGPSDReport(f *testing.F) {
	f.Add([]byte(`{"class":"TPV","mode":3,"time":"2026-01-31T02:00:00.000Z","lat":31.3,"lon":118.3,"speed":1}`))
	f.Add([]byte(`{"class":"SKY","satellites":[]}`))
	f.Add([]byte(`{"class":"TPV","mode":2,"lat":1e400,"lon":0}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		g := &GPSD{}
		g.report(line)
		fix, _ := g.Fix()
		if math.Abs(fix.Longitude) > 180 || math.Abs(fix.Latitude) > 90 {
			t.Errorf("%s: %+v is nowhere", line, fix)
		}
	})
}
