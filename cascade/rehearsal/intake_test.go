package rehearsal

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestHeldPort: between the offer and a late listen nobody else gets the port, and it refuses. Left free, another
// test's socket once took it in the CI, and the node's media went there.
func TestHeldPort(t *testing.T) {
	for _, addr := range []string{"127.0.0.1", "::1"} {
		t.Run(addr, func(t *testing.T) {
			in, err := openIntake(TCPPassive, netip.MustParseAddr(addr), time.Second, true, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer in.close()
			at := &net.TCPAddr{IP: in.local.AsSlice(), Port: in.port}
			if c, err := net.DialTCP("tcp", nil, at); !errors.Is(err, unix.ECONNREFUSED) {
				t.Fatalf("a held port answers: %v, %v", c, err)
			}
			if err := bindAlone(in.local, in.port); !errors.Is(err, unix.EADDRINUSE) {
				t.Errorf("another program binds the held port: %v", err)
			}
			port := in.port
			if err := in.listen(); err != nil || in.port != port {
				t.Fatalf("listening on the held port %d: port %d, %v", port, in.port, err)
			}
			l := in.sockets[1].(*net.TCPListener)
			if got := l.Addr().(*net.TCPAddr).Port; got != port {
				t.Errorf("listens on %d, want %d", got, port)
			}
		})
	}
}

// bindAlone binds a port as a program does that shares it with nobody.
func bindAlone(addr netip.Addr, port int) error {
	family, at := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Addr: addr.As16(), Port: port})
	if addr.Is4() {
		family, at = unix.AF_INET, &unix.SockaddrInet4{Addr: addr.As4(), Port: port}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	return unix.Bind(fd, at)
}
