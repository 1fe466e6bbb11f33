package main

import (
	"context"
	"encoding/json"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gbgate/rtsp/simcam"
)

// A camera that has the address it was shipped with, in another network than the box, is heard, and found once the box
// has an address there. It asks for its router before it answers.
func TestNetworkCameraElsewhere(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	cable(t, "", "cam0", "192.168.1.64/24", gatewayNS, "cam1", "10.83.1.2/24")
	sh(t, "ip route add default via 192.168.1.1 dev cam0")
	nic, err := net.InterfaceByName("cam0")
	if err != nil {
		t.Fatal(err)
	}
	startDevice(t, simcam.ONVIFConfig{
		Listen: "192.168.1.64:80", Discovery: []net.Interface{*nic}, Username: "admin", Password: "x",
	})
	search := func() (doc discoverDoc) {
		out, err := exec.CommandContext(t.Context(), "ip", "netns", "exec", gatewayNS, program(t),
			"discover", "--json", "--net", "192.168.1.64").Output()
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(out, &doc); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return doc
	}
	doc := search()
	if len(doc.Cameras) != 0 || len(doc.Strangers) != 1 || doc.Strangers[0].Host != "192.168.1.64" {
		t.Fatalf("from another network: %+v", doc)
	}
	sh(t, "ip netns exec "+gatewayNS+" "+doc.Strangers[0].Fix)
	doc = search()
	if len(doc.Cameras) != 1 || len(doc.Strangers) != 0 || doc.Cameras[0].Host != "192.168.1.64" {
		t.Errorf("with an address there: %+v", doc)
	}
}

// A socket that can't be read from any more is left, rather than asked again and again until the search ends.
func TestDeadSocketHearsNobody(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	list := hearARP(ctx, os.NewFile(uintptr(fd), "not connected")) // reading fails with ENOTCONN
	if ctx.Err() != nil || len(list) != 0 {
		t.Errorf("heard %v until %v", list, ctx.Err())
	}
}

func TestARPSender(t *testing.T) {
	packet := func(change func(b []byte)) []byte {
		b := []byte{0, 1, 8, 0, 6, 4, 0, 1, 2, 3, 4, 5, 6, 7, 192, 168, 1, 64, 0, 0, 0, 0, 0, 0, 192, 168, 1, 1}
		change(b)
		return b
	}
	host, card, ok := arpSender(packet(func([]byte) {}))
	if !ok || host.String() != "192.168.1.64" || card.String() != "02:03:04:05:06:07" {
		t.Errorf("got %v, %v, %v", host, card, ok)
	}
	for name, b := range map[string][]byte{
		"cut short":     packet(func([]byte) {})[:27],
		"no Ethernet":   packet(func(b []byte) { b[1] = 6 }),
		"no IPv4":       packet(func(b []byte) { b[2] = 0x86 }),
		"other lengths": packet(func(b []byte) { b[4] = 8 }),
		"a probe":       packet(func(b []byte) { copy(b[14:18], []byte{0, 0, 0, 0}) }),
	} {
		if host, _, ok := arpSender(b); ok {
			t.Errorf("%s: got %v", name, host)
		}
	}
}

func TestAddressFix(t *testing.T) {
	for host, want := range map[string]string{
		"192.168.1.64":  "ip addr add 192.168.1.250/24 dev eth0",
		"192.168.0.250": "ip addr add 192.168.0.251/24 dev eth0",
		"169.254.3.4":   "ip addr add 169.254.3.250/16 dev eth0",
	} {
		if got := addressFix(netip.MustParseAddr(host), "eth0"); got != want {
			t.Errorf("%s: %s, want %s", host, got, want)
		}
	}
}

// Addresses that seem to be one device's are told, not hidden.
func TestDoublesAreTold(t *testing.T) {
	list := []foundDoc{
		{Host: "10.0.0.1", ONVIF: "http://10.0.0.1/", id: "urn:a"},
		{Host: "10.0.0.2", ONVIF: "http://10.0.0.2/", id: "urn:a"},
		{Host: "10.0.0.3", ONVIF: "http://10.0.0.3/", id: "urn:b"},
		{Host: "10.0.0.4", RTSP: "rtsp://10.0.0.4/"},
	}
	doubles(list, map[string]string{"10.0.0.3": "aa", "10.0.0.4": "aa", "10.0.0.1": "bb"})
	for i, want := range []string{"", "calls itself the same as 10.0.0.1", "", "has the network card of 10.0.0.3"} {
		if got := list[i].Reason; want == "" && got != "" || !strings.HasPrefix(got, want) {
			t.Errorf("%s: %q, want %q", list[i].Host, got, want)
		}
	}
}

// A device that names an address where nobody answers is looked at where its answer came from.
func TestDeviceIsLookedAtWhereItAnswered(t *testing.T) {
	device, _ := startDevice(t, simcam.ONVIFConfig{Model: "M1"})
	dead := "http://127.0.0.2:" + strings.TrimPrefix(device.Addr().String(), "127.0.0.1:") + "/onvif/device_service"
	f := foundDoc{ONVIF: dead, Host: "127.0.0.2", from: "127.0.0.1", Also: []string{device.URL()}}
	look(t.Context(), discoverOptions{}, &f)
	if f.Host != "127.0.0.1" || f.ONVIF != device.URL() || f.Model != "M1" ||
		!strings.Contains(f.Reason, "says that it is at 127.0.0.2") {
		t.Errorf("%+v", f)
	}
}
