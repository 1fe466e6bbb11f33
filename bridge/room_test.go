package bridge

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"gbgate/gb28181"
	"gbgate/gb28181/sdp"
)

// moving is a call whose media is under way already.
type moving struct {
	invitation
	line io.Closer
}

func (m *moving) Kept() io.Closer { return m.line }
func (m *moving) Keep(io.Closer)  {}

// Without room for it a new call is refused with 486 and the reason in plain words; one that only moves is
// served, and so is the next one when there is room again.
func TestNoRoomForACall(t *testing.T) {
	full := errors.New("memory is short: 3.0 MB left, 8.0 MB needed")
	room := full
	site := NewSite(Config{Room: func() error { return room }}, []Camera{
		{Name: "gate", Title: "Gate", ID: gate, Source: &camera{}},
	})
	_, stop := running(t, site, nil)
	defer stop()
	v := site.View(ViewConfig{NodeID: node, Channels: []string{"*"}, SourceGrace: time.Minute})
	socket, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	call := func() invitation {
		return invitation{answered: make(chan sdp.Answer, 1), offer: &sdp.Offer{
			Kind: sdp.Play, Channel: gate, Transport: sdp.UDP, PayloadType: 96, SSRC: 200000001,
			Remote: netip.MustParseAddrPort(socket.LocalAddr().String()),
		}}
	}
	bye := errors.New("BYE")
	served := func(call Call, answered chan sdp.Answer) error {
		ctx, hangUp := context.WithCancelCause(t.Context())
		defer hangUp(bye)
		done := make(chan error, 1)
		go func() { done <- v.ServeMedia(ctx, call) }()
		select {
		case <-answered:
		case err := <-done:
			return err
		}
		hangUp(bye)
		if err := <-done; !errors.Is(err, bye) {
			return err
		}
		return nil
	}

	first := call()
	err = served(&first, first.answered)
	if code, reason := gb28181.StatusOf(err); code != 486 || reason != full.Error() {
		t.Errorf("a new call ended with %v, want 486 and %q", err, full)
	}
	second := moving{invitation: call(), line: io.NopCloser(nil)}
	if err := served(&second, second.answered); err != nil {
		t.Errorf("a call that moves ended with %v", err)
	}
	room = nil
	third := call()
	if err := served(&third, third.answered); err != nil {
		t.Errorf("with room again: %v", err)
	}
}
