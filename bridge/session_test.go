package bridge

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"gbgate/gb28181/sdp"
)

// invitation is a Call to a socket of ours.
type invitation struct {
	offer    *sdp.Offer
	answered chan sdp.Answer
}

func (i *invitation) Channel() string   { return gate }
func (i *invitation) Offer() *sdp.Offer { return i.offer }
func (i *invitation) LocalIP() netip.Addr {
	return netip.MustParseAddr("127.0.0.1")
}

func (i *invitation) Answer(_ context.Context, a sdp.Answer) error {
	i.answered <- a
	return nil
}

func TestTheEndOfACallStopsTheCamera(t *testing.T) {
	socket, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	head := &turret{began: time.Now()}
	site := testSite(head)
	_, stop := running(t, site, nil)
	defer stop()
	v := site.View(ViewConfig{NodeID: node, Channels: []string{"*"}, SourceGrace: time.Minute})
	call := &invitation{answered: make(chan sdp.Answer, 1), offer: &sdp.Offer{
		Kind: sdp.Play, Channel: gate, Transport: sdp.UDP, PayloadType: 96, SSRC: 200000001,
		Remote: socket.LocalAddr().(*net.UDPAddr).AddrPort(),
	}}
	ctx, hangUp := context.WithCancelCause(t.Context())
	bye := errors.New("BYE")
	var over sync.WaitGroup
	over.Go(func() {
		if err := v.ServeMedia(ctx, call); !errors.Is(err, bye) {
			t.Errorf("the call ended with %v, want %v", err, bye)
		}
	})
	<-call.answered
	packet := make([]byte, 2048)
	_ = socket.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := socket.Read(packet); err != nil {
		t.Error(err)
	}
	steer(t, v, goLeft)
	hangUp(bye)
	over.Wait()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		head.mu.Lock()
		did := slices.Clone(head.did)
		head.mu.Unlock()
		if len(did) == 2 && did[1][len(did[1])-4:] == "stop" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the camera did %v, want a stop at the end of the call", did)
		}
	}
}
