package main

import (
	"testing"

	"gbgate/cascade/rehearsal"
	"gbgate/cascade/rehearsal/relay"
)

// A NAT box on the way was restarted: the platform would send to a dead mapping until the registration ran out, so
// we tell it the new one as soon as an answer shows it to us.
func TestNetworkNATForgets(t *testing.T) {
	t.Parallel()
	platform := startPlatform(t, rehearsal.Config{Password: "12345678"})
	nat := udpRelay(t, relay.Config{Target: platform.Addr()})
	g := startGateway(t, 0, superiorAt("above", demoPlatform, nat.Addr().String(), "udp", `keepalive_interval = "5s"`))
	n := node(t, platform)
	g.status(t, "registration", online)
	before := n.State()
	nat.Forget()
	waitNode(t, g, n, "news of the mapping", func(s rehearsal.NodeState) bool { return s.Source != before.Source })
	wantCatalog(t, n, nil)
}
