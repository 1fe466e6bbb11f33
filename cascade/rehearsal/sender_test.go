package rehearsal

import (
	"net/netip"
	"testing"
	"time"

	"gbgate/media"
	"gbgate/media/ps"
	"gbgate/media/rtpout"

	"go.uber.org/goleak"
)

// TestSenderPasses judges the gateway's own muxer and sender, over every transport.
func TestSenderPasses(t *testing.T) {
	for transport, sends := range map[string]rtpout.Transport{
		UDP: rtpout.UDP, TCPPassive: rtpout.TCPActive, TCPActive: rtpout.TCPPassive,
	} {
		t.Run(transport, func(t *testing.T) { sendAll(t, transport, sends) })
	}
}

func sendAll(t *testing.T, transport string, sends rtpout.Transport) {
	defer goleak.VerifyNone(t)
	ctx := testContext(t)
	loopback := netip.MustParseAddr("127.0.0.1")
	sink := newSink(Expect{SSRC: testSSRC, TCP: transport != UDP}, 75)
	in, err := openIntake(transport, loopback, 10*time.Second, false, sink, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer in.close()
	out, err := rtpout.Open(rtpout.Config{
		Transport: sends, Local: loopback, Remote: netip.AddrPortFrom(loopback, uint16(in.port)),
		SSRC: testSSRC, PayloadType: 96, RTCP: true, CNAME: nodeID, SRInterval: 20 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	if transport == TCPActive {
		if err := in.dial(ctx, netip.AddrPortFrom(loopback, out.LocalPort())); err != nil {
			t.Fatal(err)
		}
	}
	if err := out.Connect(ctx); err != nil {
		t.Fatal(err)
	}
	desc := &media.Description{
		Video: media.Track{Codec: media.H265}, Audio: media.Track{Codec: media.AAC, SampleRate: 16000, Channels: 1},
	}
	for _, u := range liveUnits(75, true, 0x0F) {
		m := media.NewUnit(len(u.es))
		m.Append(u.es...)
		m.Codec, m.Key, m.PTS, m.DTS, m.Desc = media.H265, u.system, u.pts, u.dts, desc
		if u.id == audioID {
			m.Codec = media.AAC
		}
		if err := out.WritePack(ctx, u.timestamp, time.Millisecond, ps.Of(m, ps.AudioAuto).Bufs()); err != nil {
			t.Fatal(err)
		}
		m.Release()
		time.Sleep(time.Millisecond) // the receiver's buffer is what the kernel grants
	}
	select {
	case <-sink.reached:
	case <-ctx.Done():
	}
	got, reports := sink.finish()
	wantFaults(t, got.Faults, nil)
	if got.Pictures != 75 || got.Codec != "H.265" || got.Audio != "AAC" || got.FPS != 25 {
		t.Errorf("%d pictures, %s, %s, %v fps; want 75, H.265, AAC, 25", got.Pictures, got.Codec, got.Audio, got.FPS)
	}
	if (reports > 0) != (transport == UDP) {
		t.Errorf("%d sender reports over %s", reports, transport)
	}
}
