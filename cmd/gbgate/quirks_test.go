package main

import (
	"net"
	"slices"
	"strings"
	"testing"

	"gbgate/cascade/rehearsal"
	"gbgate/rtsp/simcam"
)

// Cameras with quirks of RTSP: the superior sees a picture and no fault.
func TestQuirksAreSeenFromAbove(t *testing.T) {
	t.Parallel()
	names := []string{
		"wrong CSeq", "content base mapped address", "transport without TCP", "garbage with a dollar",
		"digest realm with quotes", "SDP garbage and NULs", "units joined by start codes",
	}
	var quirks []simcam.RTSPQuirk
	for _, table := range simcam.RTSPQuirks() {
		quirks = append(quirks, table...)
	}
	var cameras strings.Builder
	var channels []string
	for i, name := range names {
		found := slices.IndexFunc(quirks, func(q simcam.RTSPQuirk) bool { return q.Name == name })
		if found < 0 {
			t.Fatalf("no quirk is called %q", name)
		}
		cam := startScripted(t, quirks[found])
		channels = append(channels, channelID[:len(channelID)-1]+string(rune('1'+i)))
		cameras.WriteString(cameraTOML(strings.ReplaceAll(name, " ", "-"), channels[i], cam.URL(), cam.Username,
			cam.Password))
	}
	r := newRig(t, setup{rest: cameras.String()})
	for i, name := range names {
		res, err := r.node.Play(t.Context(), rehearsal.PlayRequest{
			Channel: channels[i], Transport: rehearsal.UDP, Pictures: 25,
		})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		noFaults(t, name, res.Faults)
		if res.Pictures < 25 || res.Codec != "H.264" || res.Width != 640 || res.LostPackets > 0 {
			t.Errorf("%s: %d pictures of %s, %d wide, %d packets lost", name, res.Pictures, res.Codec, res.Width,
				res.LostPackets)
		}
	}
	if code := r.gateway.terminate(t); code != exitGood {
		t.Errorf("exit %d", code)
	}
}

// startScripted is a camera that sends in real time and has a quirk.
func startScripted(t *testing.T, quirk simcam.RTSPQuirk) *simcam.Scripted {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cam := simcam.NewScripted(l, func(err error) { t.Error(err) })
	cam.Change(func() {
		cam.Pace = simcam.ScriptedDuration
		quirk.Script(cam)
	})
	t.Cleanup(cam.Close)
	return cam
}
