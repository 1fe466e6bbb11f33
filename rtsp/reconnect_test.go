package rtsp

import (
	"context"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"gbgate/media"
	"gbgate/rtsp/simcam"
)

// holding is what a process holds.
type holding struct{ goroutines, files, rss int }

func measure(t *testing.T) holding {
	t.Helper()
	debug.FreeOSMemory()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	status, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(status))[1])
	if err != nil {
		t.Fatal(err)
	}
	return holding{runtime.NumGoroutine(), len(files), pages * os.Getpagesize()}
}

// A camera that is lost again and again, each time in another way, leaves nothing behind. (`make reconnects` does it
// 10 000 times.)
func TestReconnectsLeaveNothing(t *testing.T) {
	rounds := 150
	if text := os.Getenv("RECONNECTS"); text != "" {
		var err error
		if rounds, err = strconv.Atoi(text); err != nil || rounds < 100 {
			t.Fatalf("RECONNECTS=%q is no number from 100 up", text)
		}
	}
	poller, err := NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	polling := make(chan error, 1)
	go func() { polling <- poller.Run(ctx) }()
	defer func() { cancel(); <-polling }()

	cam := newFakeCamera(t)
	answer := func(c *camConn, r *camRequest) string {
		switch c.Number % 10 {
		case 1:
			return simcam.AnswerTo("DESCRIBE", func(*camRequest) string { return "!" })(c, r)
		case 2:
			return simcam.Refuse("SETUP", "453 Not Enough Bandwidth")(c, r)
		case 3:
			return simcam.Refuse("DESCRIBE", "401 Unauthorized")(c, r)
		case 4:
			return simcam.AnswerTo("PLAY", func(*camRequest) string {
				return "RTSP/1.0 200 OK\r\nContent-Length: 99999999999\r\n\r\n"
			})(c, r)
		case 5:
			return simcam.AnswerTo("OPTIONS", func(*camRequest) string { return strings.Repeat("\x00", 1000) })(c, r)
		}
		return ""
	}
	disturb := func(c *camConn, picture int) {
		switch {
		case picture < 2:
		case c.Number%10 == 6:
			c.Send([]byte("ANNOUNCE rtsp://x/ RTSP/1.0\r\nCSeq: 3\r\n\r\n"))
		case c.Number%10 == 7:
			c.Send(simcam.Interleave(0, simcam.RTPPacket(96, 1, 1, 1, true, make([]byte, 900)))[:300])
			_ = c.Close()
		case c.Number%10 == 8:
			if tcp, ok := c.Conn.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0) // a reset
			}
			_ = c.Close()
		default:
			_ = c.Close()
		}
	}
	// The poller's own system calls tell the race detector nothing.
	cam.Change(func() { cam.Answer, cam.Before = answer, disturb })
	source := &Source{Config: Config{URL: cam.URL(), Poller: poller, ReplyTimeout: 50 * time.Millisecond}}
	pictures := 0
	var before holding
	for round := range rounds {
		if round == rounds/3 {
			before = measure(t)
		}
		if err := source.Run(ctx, func(u *media.Unit) { pictures++; u.Release() }); err == nil {
			t.Fatal("a session ends without a reason")
		}
		cam.Forget()
	}
	after := measure(t)
	deadline := time.Now().Add(20 * time.Second)
	for after.goroutines > before.goroutines+5 && time.Now().Before(deadline) {
		time.Sleep(20 * time.Millisecond) // the camera's own may still be at it
		after = measure(t)
	}
	t.Logf("%d sessions, %d pictures: %d goroutines, %d files, %d kB then; %d, %d, %d kB at the end", rounds, pictures,
		before.goroutines, before.files, before.rss>>10, after.goroutines, after.files, after.rss>>10)
	if pictures < rounds/2 {
		t.Errorf("only %d pictures came", pictures)
	}
	if after.goroutines > before.goroutines+5 || after.files > before.files+5 ||
		after.rss > before.rss+before.rss/4+(8<<20) {
		t.Errorf("%+v became %+v", before, after)
	}
}
