package main

import (
	"log/slog"
	"net"
	"strings"
	"testing"

	"gbgate/cmd/gbgate/config"
)

// A port that is taken and an address that is not ours are the installer's to mend: the line says how.
func TestListeningFailsInPlainWords(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, c := range []struct {
		sip, http, want string
	}{
		{taken.Addr().String(), "", "gateway.sip_listen: " + taken.Addr().String() + " is taken by another program"},
		{"127.0.0.1:0", taken.Addr().String(), "admin.listen: " + taken.Addr().String() + " is taken by another program"},
		{"192.0.2.1:5060", "", "gateway.sip_listen: this box does not have the address of 192.0.2.1:5060"},
	} {
		cfg := config.Default()
		cfg.Gateway.ID, cfg.Gateway.StateDir = demoNode, t.TempDir()
		cfg.Gateway.SIPListen, cfg.Gateway.MediaPorts, cfg.Admin.Listen = c.sip, "0", c.http
		if _, err := newGateway(cfg, slog.New(slog.DiscardHandler)); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}
