package simcam

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/ipv4"
)

// finder answers WS-Discovery.
type finder struct {
	d    *ONVIF
	conn net.PacketConn
	id   string
}

func listenFinder(d *ONVIF) (*finder, error) {
	port := cmp.Or(d.cfg.DiscoveryPort, 3702)
	group := net.IPv4(239, 255, 255, 250)
	// A multicast address makes Go share the port, with any number of devices on this machine.
	conn, err := net.ListenPacket("udp4", fmt.Sprintf("%s:%d", group, port)) //nolint:noctx // binds at once
	if err != nil {
		return nil, err
	}
	packets := ipv4.NewPacketConn(conn)
	for _, nic := range d.cfg.Discovery {
		if err := packets.JoinGroup(&nic, &net.UDPAddr{IP: group}); err != nil {
			_ = conn.Close()
			return nil, fmt.Errorf("%s: %w", nic.Name, err)
		}
	}
	at := d.Addr().Addr().As16()
	id := fmt.Sprintf("urn:uuid:5f5a69c2-e0ae-504f-829b-%x%04x", at[12:], d.Addr().Port())
	if d.cfg.Quirks.CopiedID {
		id = "urn:uuid:5f5a69c2-e0ae-504f-829b-000000000000"
	}
	return &finder{d: d, conn: conn, id: id}, nil
}

// run answers until ctx ends.
func (f *finder) run(ctx context.Context) {
	defer f.conn.Close() //nolint:errcheck // nothing was written that matters
	stop := context.AfterFunc(ctx, func() { _ = f.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	buf := make([]byte, 64<<10)
	for {
		n, from, err := f.conn.ReadFrom(buf)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			f.d.log.Warn("discovery ends", "error", err)
			return
		}
		if answer := f.answer(buf[:n], from); answer != "" {
			_, _ = f.conn.WriteTo([]byte(answer), from)
		}
	}
}

// answer returns the ProbeMatches for a Probe that means devices like us.
func (f *finder) answer(data []byte, from net.Addr) string {
	env, err := parseXML(data)
	probe := env.child("Body", "Probe")
	if err != nil || probe == nil {
		return ""
	}
	if types := probe.str("Types"); types != "" &&
		!strings.Contains(types, "NetworkVideoTransmitter") && !strings.Contains(types, "Device") {
		return ""
	}
	host := f.d.cfg.Quirks.Host
	if host == "" {
		host = netip.AddrPortFrom(f.local(from), f.d.Addr().Port()).String()
	}
	return `<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"` +
		` xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing"` +
		` xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"` +
		` xmlns:dn="http://www.onvif.org/ver10/network/wsdl" xmlns:tds="http://www.onvif.org/ver10/device/wsdl">` +
		in("s:Header", el("a:MessageID", f.id), el("a:RelatesTo", env.str("Header", "MessageID")),
			el("a:To", "http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous"),
			el("a:Action", "http://schemas.xmlsoap.org/ws/2005/04/discovery/ProbeMatches")) +
		in("s:Body", in("d:ProbeMatches", in("d:ProbeMatch",
			in("a:EndpointReference", el("a:Address", f.id)),
			el("d:Types", "dn:NetworkVideoTransmitter tds:Device"), el("d:Scopes", strings.Join(f.d.scopes(), " ")),
			el("d:XAddrs", "http://"+host+"/onvif/device_service"), el("d:MetadataVersion", "1")))) +
		"</s:Envelope>"
}

// local is our address as the asker sees it.
func (f *finder) local(from net.Addr) netip.Addr {
	own := f.d.Addr().Addr()
	if !own.IsUnspecified() {
		return own
	}
	conn, err := net.Dial("udp4", from.String()) //nolint:noctx // sends nothing
	if err != nil {
		return own
	}
	defer conn.Close() //nolint:errcheck // nothing was sent
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr()
}
