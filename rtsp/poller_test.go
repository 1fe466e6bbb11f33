package rtsp

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gbgate/media"
	"gbgate/rtsp/simcam"
)

// runPoller runs a poller until the returned function is called.
func runPoller(t *testing.T) (p *Poller, stop func()) {
	t.Helper()
	p, err := NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	return p, sync.OnceFunc(func() {
		cancel(errEnough)
		if err := <-done; !errors.Is(err, errEnough) {
			t.Errorf("poller ended with %v", err)
		}
	})
}

// TestPollerServesManyCameras pulls several cameras at once and wants every picture of a while, and an
// orderly goodbye.
func TestPollerServesManyCameras(t *testing.T) {
	defer goleak.VerifyNone(t)
	cam, err := simcam.Listen(simcam.Config{Username: "admin", Password: "p", Bitrate: 4000})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- cam.Run(ctx) }()
	defer func() { cancel(); <-served }()
	p, stop := runPoller(t)
	defer stop()

	const sources, pictures = 24, 60
	var wg sync.WaitGroup
	for range sources {
		wg.Go(func() {
			src := &Source{Config: Config{URL: cam.URL(), Username: "admin", Password: "p", Poller: p}}
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			n, last := 0, int64(-1)
			err := src.Run(ctx, func(u *media.Unit) {
				defer u.Release()
				if !u.Codec.IsVideo() {
					return
				}
				if step := u.DTS - last; last >= 0 && (step < media.Clock/50 || step > media.Clock/12) {
					t.Errorf("a picture came %d ticks after the one before", step)
				}
				last = u.DTS
				if n++; n == pictures {
					cancel(errEnough)
				}
			})
			if !errors.Is(err, errEnough) {
				t.Errorf("source ended with %v", err)
			}
		})
	}
	wg.Wait()
	for deadline := time.Now().Add(5 * time.Second); cam.Sessions() > 0 && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
	}
	if n := cam.Sessions(); n != 0 {
		t.Errorf("%d sessions are left at the camera", n)
	}
}

// TestPollerEndEndsConnections wants a reader that waits to be told when the poller ends under it.
func TestPollerEndEndsConnections(t *testing.T) {
	defer goleak.VerifyNone(t)
	ours, theirs := tcpPair(t)
	defer theirs.Close()
	p, stop := runPoller(t)
	c, err := p.adopt(ours)
	if err != nil {
		t.Fatal(err)
	}
	n := newNormConn(c, nil, new(channelUse))
	n.polled = true
	if err := p.begin(c, n.readable); err != nil {
		t.Fatal(err)
	}
	read := make(chan error, 1)
	go func() {
		_, err := n.Read(make([]byte, 1))
		read <- err
	}()
	stop()
	if err := <-read; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Read ended with %v, want %v", err, net.ErrClosed)
	}
	if _, err := p.adopt(ours); err == nil {
		t.Error("a connection that was given away can be adopted")
	}
	if err := p.begin(&polledConn{users: 1}, func() bool { return false }); !errors.Is(err, net.ErrClosed) {
		t.Errorf("begin after the end: %v", err)
	}
}

// TestPolledConnWrite fills a connection nobody reads: the deadline ends the write, and so does Close.
func TestPolledConnWrite(t *testing.T) {
	defer goleak.VerifyNone(t)
	ours, theirs := tcpPair(t)
	defer theirs.Close()
	p, stop := runPoller(t)
	defer stop()
	c, err := p.adopt(ours)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
	var timeout interface{ Timeout() bool }
	if _, err := c.Write(make([]byte, 64<<20)); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("write beyond the deadline: %v", err)
	}
	_ = c.SetWriteDeadline(time.Time{})
	wrote := make(chan error, 1)
	go func() {
		_, err := c.Write(make([]byte, 64<<20))
		wrote <- err
	}()
	_ = c.Close()
	if err := <-wrote; err == nil {
		t.Error("a write on a closed connection went through")
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("read of a closed connection: %v", err)
	}
}

func tcpPair(t *testing.T) (ours *net.TCPConn, theirs net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if theirs, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return c.(*net.TCPConn), theirs
}
