package bridge

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gbgate/gb28181/manscdp"
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
	head := &head{}
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
	var did []string
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if did = append(did, head.take()...); len(did) == 2 && did[1] == "stop" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the camera did %v, want a stop at the end of the call", did)
		}
	}
}

const (
	goLeft   = "A50F0102FF0000B6"
	goPreset = "A50F01820003003A"
)

func steer(t *testing.T, v *View, code string) {
	t.Helper()
	c := &manscdp.DeviceControl{Header: header(gate), PTZCmd: code}
	if _, err := v.DeviceControl(t.Context(), c); err != nil {
		t.Error(err)
	}
}

// A camera does not go on turning for a superior that looks no more, or is gone.
func TestNobodyTurnsACameraUnseen(t *testing.T) {
	for name, end := range map[string]func(v *View, c *Channel){
		"the last call ends":       (*View).callEnds,
		"the registration is lost": func(v *View, _ *Channel) { v.Release() },
	} {
		synctest.Test(t, func(t *testing.T) {
			head := &head{}
			site := testSite(head)
			_, stop := running(t, site, nil)
			v := site.View(ViewConfig{NodeID: node, Channels: []string{"*"}})
			c, _ := v.channel(gate)
			v.callBegins(c)
			v.callBegins(c)
			steer(t, v, goLeft)
			v.callEnds(c)
			time.Sleep(time.Second)
			if did := head.take(); len(did) != 1 {
				t.Errorf("%s: while a call goes on it did %v", name, did)
			}
			end(v, c)
			time.Sleep(time.Second)
			if did := head.take(); len(did) != 1 || did[0] != "stop" {
				t.Errorf("%s: it did %v, want a stop", name, did)
			}
			stop()
		})
	}
}
