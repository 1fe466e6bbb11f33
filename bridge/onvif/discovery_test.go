package onvif_test

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gbgate/bridge/onvif"
	"gbgate/rtsp/simcam"
)

func loopback(t *testing.T) net.Interface {
	t.Helper()
	all, err := net.Interfaces()
	must(t, err)
	i := slices.IndexFunc(all, func(n net.Interface) bool { return n.Flags&net.FlagLoopback != 0 })
	if i < 0 {
		t.Fatal("no loopback interface")
	}
	return all[i]
}

// freePort returns a UDP port that nobody uses now.
func freePort(t *testing.T) int {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "0.0.0.0:0")
	must(t, err)
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).Port
}

// Every device on an interface is found once, although it is asked several times.
func TestDiscover(t *testing.T) {
	nic, port := loopback(t), freePort(t)
	cfg := simcam.ONVIFConfig{Discovery: []net.Interface{nic}, DiscoveryPort: port}
	plain := start(t, cfg)
	cfg.Name, cfg.Model, cfg.Fixed = "后门 cam", "X 1", true
	cfg.Quirks.Host = "0.0.0.0"
	start(t, cfg)
	got, err := onvif.Discover(t.Context(), onvif.DiscoverConfig{
		Interfaces: []net.Interface{nic}, Port: port, Wait: 2 * time.Second,
	})
	must(t, err)
	slices.SortFunc(got, func(a, b onvif.Found) int { return len(a.Name) - len(b.Name) })
	here := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	want := []onvif.Found{
		{Name: "gbgate", Hardware: "SIM-PTZ", Addresses: []string{plain.URL()}},
		{Name: "后门 cam", Hardware: "X 1", Addresses: []string{"http://127.0.0.1/onvif/device_service"}},
	}
	for i := range want {
		want[i].From, want[i].Interface, want[i].Profiles = here, nic.Name, []string{"Streaming"}
	}
	for i := range got {
		if got[i].ID == "" {
			t.Errorf("%s has no endpoint", got[i].Name)
		}
		got[i].ID = ""
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
}

// Cameras whose maker gave all of them one endpoint are found each; one that names another address than it has is found
// at its own, too.
func TestDiscoverCopiesAndWrongAddresses(t *testing.T) {
	nic, port := loopback(t), freePort(t)
	cfg := simcam.ONVIFConfig{
		Discovery: []net.Interface{nic}, DiscoveryPort: port, Quirks: simcam.ONVIFQuirks{CopiedID: true},
	}
	one, two := start(t, cfg), start(t, cfg)
	cfg.Quirks.Host = "192.0.2.99:81"
	start(t, cfg)
	got, err := onvif.Discover(t.Context(), onvif.DiscoverConfig{
		Interfaces: []net.Interface{nic}, Port: port, Wait: 2 * time.Second,
	})
	must(t, err)
	var found []string
	for _, f := range got {
		found = append(found, strings.Join(f.Addresses, " "))
	}
	slices.Sort(found)
	want := []string{
		one.URL(), two.URL(),
		"http://192.0.2.99:81/onvif/device_service http://127.0.0.1:81/onvif/device_service",
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
}

func TestDiscoverNothing(t *testing.T) {
	got, err := onvif.Discover(t.Context(), onvif.DiscoverConfig{
		Interfaces: []net.Interface{loopback(t)}, Port: freePort(t), Wait: 50 * time.Millisecond,
	})
	if err != nil || len(got) > 0 {
		t.Errorf("found %v, %v in nothing", got, err)
	}
}

func TestDiscoverOnNoInterface(t *testing.T) {
	got, err := onvif.Discover(t.Context(), onvif.DiscoverConfig{
		Interfaces: []net.Interface{{Index: 9999, Name: "none9"}}, Wait: 50 * time.Millisecond,
	})
	if err == nil {
		t.Errorf("found %v on an interface that is not there", got)
	}
}
