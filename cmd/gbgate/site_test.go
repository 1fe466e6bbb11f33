package main

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gbgate/cascade/rehearsal"
	"gbgate/rtsp/simcam"
)

// deaf is a camera that takes a connection and never answers. given counts how often it was given up.
type deaf struct {
	listener net.Listener
	given    atomic.Int64
}

func startDeaf(t *testing.T) *deaf {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &deaf{listener: l}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				_, _ = io.Copy(io.Discard, c) // until the gateway hangs up
				d.given.Add(1)
				_ = c.Close()
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	return d
}

// Of 64 cameras 8 are dead in every way. The others are in the catalog, checked and played before a silent one has
// been given up for good.
func TestDeadCamerasDelayNobody(t *testing.T) {
	t.Parallel()
	living := startCamera(t, simcam.Config{})
	platform := startPlatform(t, rehearsal.Config{})
	lists := superiorTOML(platform, "", "tcp")
	code := func(i int) string { return fmt.Sprintf("3402010000132%07d", i+1) }
	var silent []*deaf
	for i := range 64 {
		url := living.URL()
		switch {
		case i%8 != 0:
		case i < 40: // first of all, and in between
			d := startDeaf(t)
			silent = append(silent, d)
			url = "rtsp://" + d.listener.Addr().String() + "/"
		case i < 56:
			url = fmt.Sprintf("rtsp://127.0.0.1:%d/", freePort(t))
		default:
			url = "rtsp://camera.invalid/"
		}
		lists += cameraTOML(fmt.Sprintf("cam%d", i), code(i), url, "", "")
	}
	began := time.Now()
	g := startGateway(t, 0, lists)
	n := node(t, platform)
	if items, err := n.Catalog(t.Context()); err != nil || len(items) != 64 {
		t.Errorf("catalog: %d items, %v", len(items), err)
	}
	var wg sync.WaitGroup
	for i := range 64 {
		if i%8 != 1 {
			continue
		}
		wg.Go(func() {
			r, err := n.Play(t.Context(), rehearsal.PlayRequest{Channel: code(i), Transport: "udp", Pictures: 5})
			if err != nil || len(r.Faults) > 0 {
				t.Errorf("camera %d: %+v %v", i, r, err)
			}
		})
	}
	wg.Wait()
	t.Logf("8 living cameras have played %v after the start", time.Since(began))
	for i, d := range silent {
		if given := d.given.Load(); given >= 2 {
			t.Errorf("silent camera %d was given up %d times before the living ones played", i, given)
		}
	}
	doc := g.status(t, "end of all checks", func(doc statusDoc) bool {
		bad := 0
		for _, c := range doc.Cameras {
			if c.Reason != "" {
				bad++
			}
		}
		return bad == 8
	})
	for i, c := range doc.Cameras {
		if dead := i%8 == 0; dead != (c.Reason != "") {
			t.Errorf("camera %s: %q", c.Name, c.Reason)
		}
	}
	if !strings.Contains(fmt.Sprint(doc.Cameras[0].Reason), "did not answer") {
		t.Errorf("silent camera: %q", doc.Cameras[0].Reason)
	}
	if code := g.terminate(t); code != exitGood {
		t.Errorf("exit %d", code)
	}
}
