package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// strangerDoc is a host on one of our cables that has an address in another network, as cameras have that come from the
// box (192.168.1.64): it hears our question, and can't answer.
type strangerDoc struct {
	Host      string `json:"host"`
	Card      string `json:"mac"`
	Interface string `json:"interface"`
	Fix       string `json:"fix"` // the line, for root, that lets us reach it
}

const maxStrangers = 64

// hearStrangers listens until ctx ends to ARP: who wants to answer us from another network asks for its router. Only
// root may listen; others hear nobody.
func hearStrangers(ctx context.Context) []strangerDoc {
	arp := int(binary.NativeEndian.Uint16([]byte{unix.ETH_P_ARP >> 8, unix.ETH_P_ARP & 0xff})) // in the network's order
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, arp)
	if err != nil {
		return nil
	}
	return hearARP(ctx, os.NewFile(uintptr(fd), "arp"))
}

// hearARP takes over a socket.
func hearARP(ctx context.Context, socket *os.File) []strangerDoc {
	defer socket.Close() //nolint:errcheck // it was only read from
	stop := context.AfterFunc(ctx, func() { _ = socket.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil
	}
	own := ownNetworks()
	var list []strangerDoc
	buf := make([]byte, 1500)
	for {
		var n int
		var from unix.Sockaddr
		var failed error
		err := raw.Read(func(fd uintptr) bool {
			n, from, failed = unix.Recvfrom(int(fd), buf, 0)
			return failed != unix.EAGAIN
		})
		switch {
		case err != nil:
			return list
		case failed == unix.EINTR:
			continue
		case failed != nil: // what was heard is all
			return list
		}
		link, ok := from.(*unix.SockaddrLinklayer)
		if !ok || len(list) >= maxStrangers {
			continue
		}
		host, card, ok := arpSender(buf[:n])
		if !ok || isOwn(own, host) || slices.ContainsFunc(list, func(s strangerDoc) bool { return s.Host == host.String() }) {
			continue
		}
		if nic, err := net.InterfaceByIndex(link.Ifindex); err == nil {
			list = append(list, strangerDoc{host.String(), card.String(), nic.Name, addressFix(host, nic.Name)})
		}
	}
}

// arpSender reads who sent an ARP packet (RFC 826) for IPv4 over Ethernet; a host without an address yet is none.
func arpSender(b []byte) (host netip.Addr, card net.HardwareAddr, ok bool) {
	if len(b) < 28 || binary.BigEndian.Uint16(b) != 1 || binary.BigEndian.Uint16(b[2:]) != unix.ETH_P_IP ||
		b[4] != 6 || b[5] != 4 {
		return host, nil, false
	}
	host = netip.AddrFrom4([4]byte(b[14:18]))
	card = slices.Clone(net.HardwareAddr(b[8:14]))
	return host, card, !host.IsUnspecified() && !host.IsMulticast() && !host.IsLoopback()
}

// ownNetworks are those of our IPv4 addresses.
func ownNetworks() []netip.Prefix {
	var list []netip.Prefix
	addrs, _ := net.InterfaceAddrs()
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() {
			list = append(list, p)
		}
	}
	return list
}

func isOwn(own []netip.Prefix, host netip.Addr) bool {
	return slices.ContainsFunc(own, func(p netip.Prefix) bool { return p.Contains(host) })
}

// addressFix is the line that gives us, until the next start, an address beside a host's.
func addressFix(host netip.Addr, nic string) string {
	bits, at := 24, host.As4()
	if host.IsLinkLocalUnicast() {
		bits = 16
	}
	if at[3] = 250; host.As4()[3] == 250 {
		at[3] = 251
	}
	return fmt.Sprintf("ip addr add %s/%d dev %s", netip.AddrFrom4(at), bits, nic)
}

// networkCards tells the network card of each host that we have spoken to lately.
func networkCards() map[string]string {
	file, err := os.Open("/proc/net/arp")
	if err != nil {
		return nil
	}
	defer file.Close() //nolint:errcheck // it was only read from
	cards := make(map[string]string)
	for lines := bufio.NewScanner(file); lines.Scan(); {
		// IP address, HW type, Flags, HW address, Mask, Device; no flags: nobody answered
		if f := strings.Fields(lines.Text()); len(f) == 6 && f[2] != "0x0" && strings.Contains(f[3], ":") {
			cards[f[0]] = f[3]
		}
	}
	return cards
}
