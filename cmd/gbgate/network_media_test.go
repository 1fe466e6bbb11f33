package main

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"sync"
	"testing"
	"time"

	"gbgate/cascade/rehearsal"
	"gbgate/cascade/rehearsal/relay"
	"gbgate/gb28181/sipua"
	"gbgate/rtsp/simcam"
)

// A hop with a queue of 64 packets, drained at twice the rate of the interval in which a key picture is sent, loses
// nothing of a paced stream, whether the camera is cold or warm.
func TestNetworkShortQueueLosesNoMedia(t *testing.T) {
	cam := startCamera(t, simcam.Config{Bitrate: 4000})
	platform := startPlatform(t, rehearsal.Config{Password: "12345678"})
	g := startGateway(t, 0, superiorTOML(platform, "12345678", "udp")+cameraTOML("gate", channelID, cam.URL(), "", ""))
	n := node(t, platform)

	largest := packetsOfLargestPicture(t, n, cam)
	rate := 2 * largest * int(cam.Clip().Video.FPS)
	for _, camera := range []string{"cold", "warm"} {
		up := throughShortQueue(t, g, n, camera == "cold", rate)
		if up.Overflowed > 0 {
			t.Errorf("%s camera: the queue lost %d of %d packets", camera, up.Overflowed, up.Seen)
		}
		t.Logf("%s camera: key picture of %d packets, hop of %d packets a second, longest queue %d of 64",
			camera, largest, rate, up.MaxQueue)
	}
	if lost := inOneBurst(t, largest, rate); lost == 0 {
		t.Error("a burst loses nothing either: the queue proves nothing")
	} else {
		t.Logf("the same picture without pacing: %d of %d packets lost", lost, largest)
	}
}

// inOneBurst sends as many packets as a key picture has through such a hop without any pause, and returns how many
// it loses.
func inOneBurst(t *testing.T, packets, rate int) uint64 {
	t.Helper()
	hop := mediaRelay(t)
	hop.Impair(relay.Path{Rate: rate, Queue: 64}, relay.Path{})
	sink, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer sink.Close()
	hop.SetTarget(sink.LocalAddr().(*net.UDPAddr).AddrPort())
	out, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(hop.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	for range packets {
		if _, err := out.Write(make([]byte, 1412)); err != nil {
			t.Fatal(err)
		}
	}
	var up relay.Stats
	waitFor(t, "the burst at the hop", func() bool {
		up, _ = hop.Stats()
		return up.Seen == uint64(packets)
	})
	return up.Overflowed
}

// stall is a pause in the media of 25 pictures a second that the gateway did not make: the machine was busy. What was
// held up comes in one burst then, whoever sends it.
const stall = 100 * time.Millisecond

// throughShortQueue plays until the machine did not stall meanwhile, and returns what the queue saw.
func throughShortQueue(t *testing.T, g *gatewayUnderTest, n *rehearsal.Node, cold bool, rate int) relay.Stats {
	t.Helper()
	for range 10 {
		if cold {
			g.status(t, "idle camera", func(doc statusDoc) bool { return doc.Cameras[0].Feed == "idle" })
		}
		rtp := mediaRelay(t)
		rtp.Impair(relay.Path{Rate: rate, Queue: 64}, relay.Path{})
		req := throughRelay(rtp, 0)
		req.Duration = 5 * time.Second // with two or three key pictures
		r, err := n.Play(limited(t, time.Minute), req)
		if err != nil {
			t.Fatal(err)
		}
		up, _ := rtp.Stats()
		if up.MaxGap > stall {
			t.Logf("the machine stood still for %v: again", up.MaxGap)
			continue
		}
		if uint64(r.LostPackets) != up.Overflowed {
			t.Errorf("the queue lost %d packets, the receiver misses %d", up.Overflowed, r.LostPackets)
		}
		return up
	}
	t.Fatal("this machine is too busy to say anything about bursts")
	return relay.Stats{}
}

// mediaRelay is a relay for RTP, with one for RTCP on the port above; throughRelay gives it its target.
func mediaRelay(t *testing.T) *relay.UDP {
	t.Helper()
	rtp, rtcp, err := relay.ListenPair(relay.Config{})
	if err != nil {
		t.Fatal(err)
	}
	background(t, rtp.Run)
	background(t, rtcp.Run)
	return rtp
}

var mediaLine = regexp.MustCompile(`(?m)^(m=video )(\d+)`)

// throughRelay is a play whose offer names the relay's port in place of the platform's.
func throughRelay(rtp *relay.UDP, pictures int) rehearsal.PlayRequest {
	return rehearsal.PlayRequest{
		Channel: channelID, Transport: "udp", Pictures: pictures,
		Edit: func(r *sipua.Request) {
			port := mediaLine.FindSubmatch(r.Body)[2]
			rtp.SetTarget(netip.MustParseAddrPort("127.0.0.1:" + string(port)))
			r.Body = mediaLine.ReplaceAll(r.Body, fmt.Appendf(nil, "${1}%d", rtp.Addr().Port()))
		},
	}
}

// packetsOfLargestPicture plays a while and counts the packets of each RTP timestamp.
func packetsOfLargestPicture(t *testing.T, n *rehearsal.Node, cam *simcam.Camera) int {
	t.Helper()
	var mu sync.Mutex
	packets := make(map[string]int)
	rtp := mediaRelay(t)
	rtp.Impair(relay.Path{Drop: func(_ uint64, b []byte) bool {
		mu.Lock()
		defer mu.Unlock()
		if len(b) >= 8 {
			packets[string(b[4:8])]++
		}
		return false
	}}, relay.Path{})
	wantPlay(t, n, throughRelay(rtp, cam.Clip().GOP+10), true)
	mu.Lock()
	defer mu.Unlock()
	largest := 0
	for _, n := range packets {
		largest = max(largest, n)
	}
	if largest < 32 {
		t.Errorf("the largest picture has %d packets: that proves nothing", largest)
	}
	return largest
}
