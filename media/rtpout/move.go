package rtpout

import (
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// Move directs a UDP sender elsewhere, with another SSRC and payload type if the receiver wants that. The local ports
// stay, as the receiver was told them: ZLMediaKit keeps to the source that it has seen, and so does a NAT box on the
// way. Sequence numbers go on. A sender that was opened for port 0 is told here where to send, before Connect. Move
// must not run at the same time as WritePack or Offer. What Offer took and is not sent yet goes to the new receiver,
// unless that takes it for another stream: then it is left out. After an error the sender goes where it did before.
func (s *Sender) Move(remote netip.AddrPort, ssrc uint32, payloadType uint8) error {
	u, ok := s.link.(*udpLink)
	remote = netip.AddrPortFrom(remote.Addr().Unmap(), remote.Port())
	switch {
	case !ok:
		return fmt.Errorf("rtpout: a sender over %v does not move", s.cfg.Transport)
	case remote.Port() == 0, s.cfg.RTCP && remote.Port() == 65535,
		remote.Addr().Is4() != (s.cfg.network("") == "4"), payloadType > 127:
		return fmt.Errorf("rtpout: cannot move to %v, payload type %d", remote, payloadType)
	}
	u.sending.Lock() // the wheel does not go on meanwhile
	defer u.sending.Unlock()
	if s.life.Err() != nil {
		return s.Err()
	}
	if err := u.aim(remote); err != nil {
		return fmt.Errorf("rtpout: move to %v: %w", remote, err)
	}
	if s.z.ssrc != ssrc || s.z.payloadType != payloadType {
		u.abandon()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cfg.Remote, s.cfg.SSRC, s.cfg.PayloadType = remote, ssrc, payloadType
	s.z.ssrc, s.z.payloadType = ssrc, payloadType
	if u.rtcp != nil {
		u.rtcp.aim()
	}
	return nil
}

// aim connects the socket to another receiver; what the network said of the one before counts no more. u.sending is
// held.
func (u *udpLink) aim(remote netip.AddrPort) error {
	to, err := sockaddr(remote)
	if err != nil {
		return err
	}
	if err := unix.Connect(u.out.fd, to); err != nil {
		return err
	}
	_, _ = unix.GetsockoptInt(u.out.fd, unix.SOL_SOCKET, unix.SO_ERROR) // reading it clears it
	u.refusals = [refusalsAllowed]time.Time{}
	u.failing = time.Time{}
	return nil
}

func sockaddr(a netip.AddrPort) (unix.Sockaddr, error) {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}, nil
	}
	to := &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
	if zone := a.Addr().Zone(); zone != "" {
		i, err := net.InterfaceByName(zone)
		if err != nil {
			return nil, err
		}
		to.ZoneId = uint32(i.Index)
	}
	return to, nil
}
