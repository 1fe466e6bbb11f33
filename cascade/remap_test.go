package cascade

import (
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gbgate/gb28181/sipua"
	"github.com/google/go-cmp/cmp"
)

// An answer to a keepalive that shows a new address is followed by a REGISTER, at most ResetPerWindow times per
// RegisterRetry; one that shows what we wrote ourselves is not.
func TestNewMappingIsRegistered(t *testing.T) {
	for name, tt := range map[string]struct {
		seen func(n int, r *sipua.Request) string
		want []string
	}{
		"once": {func(n int, _ *sipua.Request) string {
			return map[bool]string{true: "198.51.100.1:1000", false: "198.51.100.1:2000"}[n < 3]
		}, []string{"0s REGISTER", "10s MESSAGE", "20s MESSAGE", "20s REGISTER", "30s MESSAGE", "40s MESSAGE"}},
		"another each time": {func(n int, _ *sipua.Request) string {
			return netip.AddrPortFrom(netip.MustParseAddr("198.51.100.1"), uint16(1000+n)).String()
		}, []string{
			"0s REGISTER", "10s MESSAGE", "10s REGISTER", "20s MESSAGE", "20s REGISTER", "30s MESSAGE", "40s MESSAGE",
		}},
		"only REGISTER is told": {func(_ int, r *sipua.Request) string {
			return map[bool]string{true: "198.51.100.1:1000", false: "192.0.2.20:5060"}[r.Method == "REGISTER"]
		}, []string{"0s REGISTER", "10s MESSAGE", "20s MESSAGE", "30s MESSAGE", "40s MESSAGE"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				answer := func(n int, r *sipua.Request) *sipua.Response {
					res := code(200)
					res.Received = netip.MustParseAddrPort(tt.seen(n, r))
					return res
				}
				cfg := Config{KeepaliveInterval: 10 * time.Second, Timers: Timers{ResetPerWindow: 2}}
				f, status := on(t, cfg, 45*time.Second, answer, nil)
				var got []string
				for _, line := range f.lines() {
					if !strings.HasSuffix(line, "leave") {
						got = append(got, line)
					}
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("requests (-want +got):\n%s", diff)
				}
				if status.State != Online {
					t.Errorf("state = %v", status.State)
				}
			})
		})
	}
}
