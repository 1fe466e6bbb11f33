package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"gbgate/cascade/rehearsal"
	"gbgate/rtsp/simcam"
)

// Line 12 of the list: several superiors.

// secondTOML is one more superior.
func secondTOML(name, id string, p *rehearsal.Platform, transport, more string) string {
	return fmt.Sprintf("[[superior]]\nname = %q\nid = %q\naddress = %q\npassword = \"\"\ntransport = %q\n%s", name, id,
		p.Addr(), transport, more)
}

// The same camera goes to two superiors at the same time, with the same SSRC: each call is its own.
func TestLine12SameSSRC(t *testing.T) {
	t.Parallel()
	const other = "34020000002000000002"
	b, _ := startSecond(t, other, rehearsal.Config{})
	cam := startCamera(t, simcam.Config{})
	r := newRig(t, setup{
		rest: secondTOML("other", other, b, "tcp", "") + cameraTOML("gate", channelID, cam.URL(), "", ""),
	})
	n := node(t, b)
	results := make(chan error, 2)
	for _, viewer := range []*rehearsal.Node{r.node, n} {
		go func() {
			res, err := viewer.Play(t.Context(), rehearsal.PlayRequest{
				Channel: channelID, Transport: rehearsal.UDP, SSRC: 200000001, Pictures: 50,
			})
			if err == nil && (len(res.Faults) > 0 || res.LostPackets > 0) {
				err = fmt.Errorf("lost %d, %q", res.LostPackets, res.Faults)
			}
			results <- err
		}()
	}
	for range cap(results) {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if got := cam.Opened(); got != 1 {
		t.Errorf("the camera was opened %d times for two superiors", got)
	}
}

// Each superior has its own edition, charset, choice of channels and codes.
func TestLine12OwnViews(t *testing.T) {
	t.Parallel()
	const other, alias = "34020000002000000002", "34029900001310000007"
	b, tapeB := startSecond(t, other, rehearsal.Config{Version: "3.0"})
	rest := strings.Replace(offCameras(3, 1), "\nid = ", "\ntitle = \"东门\"\nid = ", 1)
	r := newRig(t, setup{rest: secondTOML("other", other, b, "udp",
		"channels = [\"cam001\", \"cam003\"]\n[superior.ids]\ncam001 = \""+alias+"\"\n") + rest})
	n := node(t, b)
	r.gateway.status(t, "registration", online)
	first, err := r.node.Catalog(t.Context())
	if err != nil || len(first) != 3 || first[0].DeviceID != channelID || first[0].Name != "东门" {
		t.Errorf("the first sees %+v, %v", first, err)
	}
	second, err := n.Catalog(t.Context())
	if err != nil || len(second) != 2 || second[0].DeviceID != alias || second[0].Name != "东门" {
		t.Errorf("the second sees %+v, %v", second, err)
	}
	if len(r.tape.in("<CmdType>Catalog</CmdType>", `encoding="GB2312"`)) == 0 ||
		len(tapeB.in("<CmdType>Catalog</CmdType>", `encoding="GB18030"`)) == 0 {
		t.Error("the charsets are not those of the editions")
	}
	if items, err := n.CatalogOf(t.Context(), channelID); err != nil || len(items.Items) != 0 {
		t.Errorf("the second finds a channel by the first's code: %+v, %v", items, err)
	}
}

// A superior that is down, and one that answers nothing, do not touch the others.
func TestLine12OneDown(t *testing.T) {
	t.Parallel()
	const dead, mute = "34020000002000000002", "34020000002000000003"
	b, err := rehearsal.Listen(rehearsal.Config{ID: dead})
	if err != nil {
		t.Fatal(err)
	}
	address := b
	if err := b.Close(); err != nil { // nobody listens there any more
		t.Fatal(err)
	}
	// A platform that is bound but not run reads nothing and answers nothing.
	c, err := rehearsal.Listen(rehearsal.Config{ID: mute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	cam := startCamera(t, simcam.Config{})
	r := newRig(t, setup{
		superior: "keepalive_interval = \"5s\"\n",
		rest: secondTOML("dead", dead, address, "tcp", "register_retry = \"1s\"\n") +
			secondTOML("mute", mute, c, "udp", "register_retry = \"1s\"\n") + cameraTOML("gate", channelID, cam.URL(), "", ""),
	})
	res, err := r.node.Play(soon(t, 30*time.Second), rehearsal.PlayRequest{
		Channel: channelID, Transport: rehearsal.UDP, Pictures: 150,
	})
	if err != nil || len(res.Faults) > 0 || res.LostPackets > 0 {
		t.Errorf("%v %+v", err, res)
	}
	if err := r.node.WaitState(soon(t, 20*time.Second), func(s rehearsal.NodeState) bool {
		return s.Keepalives >= 1
	}); err != nil {
		t.Error(err)
	}
	if s := r.node.State(); s.Registrations != 1 || s.BadSNs != 0 {
		t.Errorf("%+v", s)
	}
	doc := r.gateway.status(t, "verdicts", func(doc statusDoc) bool {
		return doc.Superiors[0].Verdict == good && doc.Superiors[1].Verdict == bad && doc.Superiors[2].Verdict == bad
	})
	if doc.Superiors[1].Reason == "" || doc.Superiors[2].Reason == "" {
		t.Errorf("no reasons: %+v", doc.Superiors)
	}
}

// Two identities at one superior: each is asked for by its own code.
func TestLine12TwoIdentities(t *testing.T) {
	t.Parallel()
	const second = "34020100002000000002"
	p := startPlatform(t, rehearsal.Config{})
	cams := offCameras(2, 1)
	one := superiorTOML(p, "", "udp") + "channels = [\"cam001\"]\n"
	two := strings.Replace(superiorTOML(p, "", "udp"), "name = \"above\"",
		"name = \"again\"\nnode_id = \""+second+"\"\nchannels = [\"cam002\"]", 1)
	startGateway(t, 0, one+two+cams)
	a := node(t, p)
	b, err := p.WaitNode(soon(t, 30*time.Second), second)
	if err != nil {
		t.Fatal(err)
	}
	for i, n := range []*rehearsal.Node{a, b} {
		items, err := n.Catalog(t.Context())
		if want := fmt.Sprintf("3402010000132%07d", i+1); err != nil || len(items) != 1 || items[0].DeviceID != want {
			t.Errorf("%s has %+v, %v; want %s", n.ID(), items, err, want)
		}
	}
}

// Thirty-two superiors at one box: all are registered and all get the catalog.
func TestLine12ThirtyTwo(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	var platforms []*rehearsal.Platform
	for i := range 32 {
		id := fmt.Sprintf("3402000000200%07d", i+1)
		p, _ := startSecond(t, id, rehearsal.Config{})
		platforms = append(platforms, p)
		text.WriteString(secondTOML(fmt.Sprintf("s%02d", i), id, p, []string{"udp", "tcp"}[i%2], ""))
	}
	startGateway(t, 0, text.String()+offCameras(4, 1))
	for i, p := range platforms {
		items, err := node(t, p).Catalog(soon(t, 30*time.Second))
		if err != nil || len(items) != 4 {
			t.Errorf("superior %d: %d items, %v", i, len(items), err)
		}
	}
}
