package onvif

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/ipv4"
)

// discoveryPort is WS-Discovery's.
const discoveryPort = 3702

// Limits of one discovery.
const (
	maxFound     = 2000
	maxAddresses = 8
	maxDatagram  = 64 << 10
)

// DiscoverConfig tells where to look for devices.
type DiscoverConfig struct {
	// Interfaces to ask on; empty = every one that is up and has an IPv4 address, loopback left out.
	Interfaces []net.Interface
	Port       int           // default 3702
	Wait       time.Duration // for answers; default 4 s
	Log        *slog.Logger  // nil: silent
}

// Found is a device that answered.
type Found struct {
	ID        string   // the endpoint reference, "urn:uuid:…": the same wherever a device answers
	Addresses []string // of the device service, the most useful first
	Name      string
	Hardware  string
	Location  string
	Profiles  []string   // "Streaming", "G", "T" …
	From      netip.Addr // who answered
	Interface string     // where
}

// Discover asks every interface for ONVIF devices by WS-Discovery and waits for the answers. An
// interface that cannot be asked is an error only if none could be.
func Discover(ctx context.Context, cfg DiscoverConfig) ([]Found, error) {
	cfg.Port = cmp.Or(cfg.Port, discoveryPort)
	cfg.Wait = cmp.Or(cfg.Wait, 4*time.Second)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if len(cfg.Interfaces) == 0 {
		var err error
		if cfg.Interfaces, err = interfaces(); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, cfg.Wait)
	defer cancel()
	var mu sync.Mutex
	var answers []Found
	var faults []error
	var wg sync.WaitGroup
	for _, nic := range cfg.Interfaces {
		wg.Go(func() {
			err := probeFromAll(ctx, cfg, nic, func(f Found) {
				mu.Lock()
				defer mu.Unlock()
				if len(answers) < maxFound {
					answers = append(answers, f)
				}
			})
			if err != nil {
				cfg.Log.Warn("interface cannot be searched", "interface", nic.Name, "error", err)
				mu.Lock()
				defer mu.Unlock()
				faults = append(faults, fmt.Errorf("%s: %w", nic.Name, err))
			}
		})
	}
	wg.Wait()
	if len(faults) == len(cfg.Interfaces) {
		return nil, errors.Join(faults...)
	}
	return distinct(answers), nil
}

func interfaces() ([]net.Interface, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(i net.Interface) bool {
		return i.Flags&net.FlagUp == 0 || i.Flags&net.FlagLoopback != 0 || len(ipv4Addresses(i)) == 0
	})
	if len(all) == 0 {
		return nil, errors.New("no network interface is up")
	}
	return all, nil
}

// ipv4Addresses returns an interface's IPv4 addresses, not all of them where they are many.
func ipv4Addresses(nic net.Interface) []netip.Addr {
	addrs, err := nic.Addrs()
	if err != nil {
		return nil
	}
	var list []netip.Addr
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && len(list) < maxAddresses {
			if ip, ok := netip.AddrFromSlice(n.IP); ok && ip.Unmap().Is4() {
				list = append(list, ip.Unmap())
			}
		}
	}
	return list
}

// probeFromAll asks on one interface from each of its addresses: a camera answers to networks that it is in, and to
// what its router reaches.
func probeFromAll(ctx context.Context, cfg DiscoverConfig, nic net.Interface, found func(Found)) error {
	locals := ipv4Addresses(nic)
	if len(locals) == 0 {
		return errors.New("no IPv4 address")
	}
	faults := make(chan error, len(locals))
	for _, local := range locals {
		go func() { faults <- probeOn(ctx, cfg, nic, local, found) }()
	}
	var all []error
	for range locals {
		if err := <-faults; err != nil {
			all = append(all, err)
		}
	}
	if len(all) < len(locals) {
		return nil
	}
	return errors.Join(all...)
}

// probeOn asks on one interface and hands on what answers until ctx ends. The question goes out
// twice, as UDP loses.
func probeOn(ctx context.Context, cfg DiscoverConfig, nic net.Interface, local netip.Addr, found func(Found)) error {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: local.AsSlice()})
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // nothing was written that matters
	packets := ipv4.NewPacketConn(conn)
	if err := packets.SetMulticastInterface(&nic); err != nil {
		return err
	}
	_ = packets.SetMulticastTTL(4)
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	group := &net.UDPAddr{IP: net.IPv4(239, 255, 255, 250), Port: cfg.Port}
	for range 2 {
		for _, t := range []string{"dn:NetworkVideoTransmitter", "tds:Device"} {
			if _, err := conn.WriteToUDP([]byte(probe(t)), group); err != nil {
				return err
			}
		}
	}
	buf := make([]byte, maxDatagram)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		for _, f := range readMatches(buf[:n], from.Addr().Unmap()) {
			f.Interface = nic.Name
			found(f)
		}
	}
}

// probe returns a WS-Discovery Probe (the April 2005 edition, as ONVIF uses).
func probe(types string) string {
	return `<?xml version="1.0" encoding="UTF-8"?>` +
		`<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"` +
		` xmlns:w="http://schemas.xmlsoap.org/ws/2004/08/addressing"` +
		` xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"` +
		` xmlns:dn="http://www.onvif.org/ver10/network/wsdl" xmlns:tds="http://www.onvif.org/ver10/device/wsdl">` +
		`<e:Header><w:MessageID>uuid:` + newUUID() + `</w:MessageID>` +
		`<w:To e:mustUnderstand="true">urn:schemas-xmlsoap-org:ws:2005:04:discovery</w:To>` +
		`<w:Action e:mustUnderstand="true">http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</w:Action>` +
		`</e:Header><e:Body><d:Probe><d:Types>` + types + `</d:Types></d:Probe></e:Body></e:Envelope>`
}

// readMatches takes the ProbeMatches of one datagram; one may speak for several devices.
func readMatches(data []byte, from netip.Addr) []Found {
	root, err := parse(data)
	if err != nil {
		return nil
	}
	var list []Found
	for _, m := range root.findAll("ProbeMatch") {
		f := Found{
			ID: m.str("EndpointReference", "Address"), From: from,
			Addresses: addresses(m.str("XAddrs"), from),
		}
		if len(f.Addresses) == 0 {
			continue
		}
		f.Addresses = withSender(f.Addresses, from)
		for scope := range strings.FieldsSeq(m.str("Scopes")) {
			f.scope(scope)
		}
		list = append(list, f)
	}
	return list
}

// addresses reads XAddrs, several with blanks between. A host that nobody can connect to (0.0.0.0,
// IPv6 link-local) is replaced by the sender; the sender's own address comes first.
func addresses(xaddrs string, from netip.Addr) []string {
	var list []string
	for x := range strings.FieldsSeq(xaddrs) {
		u, err := url.Parse(x)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || len(list) >= maxAddresses {
			continue
		}
		if host := u.Hostname(); host == "" || unusable(host) {
			u.Host = hostPort(from, u.Port())
		}
		if s := u.String(); !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	slices.SortStableFunc(list, func(a, b string) int {
		rank := func(s string) int {
			u, _ := url.Parse(s)
			switch {
			case u.Hostname() == from.String():
				return 0
			case strings.Contains(u.Hostname(), ":"):
				return 2
			}
			return 1
		}
		return rank(a) - rank(b)
	})
	return list
}

// withSender adds the same service at who answered, where none of the addresses is that host's: cameras name the
// address that they had before, or have behind a router.
func withSender(list []string, from netip.Addr) []string {
	u, err := url.Parse(list[0])
	if err != nil || slices.ContainsFunc(list, func(a string) bool {
		other, err := url.Parse(a)
		return err == nil && other.Hostname() == from.String()
	}) {
		return list
	}
	u.Host = hostPort(from, u.Port())
	return append(list, u.String())
}

func hostPort(a netip.Addr, port string) string {
	host := a.WithZone("").String()
	if a.Is6() {
		host = "[" + host + "]"
	}
	if port != "" {
		host += ":" + port
	}
	return host
}

// scope takes what a scope tells of the device.
func (f *Found) scope(s string) {
	rest, ok := strings.CutPrefix(s, "onvif://www.onvif.org/")
	if !ok {
		return
	}
	name, value, _ := strings.Cut(rest, "/")
	if plain, err := url.PathUnescape(value); err == nil {
		value = plain
	}
	value = cut(strings.ToValidUTF8(value, "?"), 100)
	switch strings.ToLower(name) {
	case "name":
		f.Name = value
	case "hardware":
		f.Hardware = value
	case "location":
		f.Location = cmp.Or(f.Location, value)
	case "profile":
		if !slices.Contains(f.Profiles, value) && len(f.Profiles) < 16 {
			f.Profiles = append(f.Profiles, value)
		}
	}
}

// distinct keeps one of each device, ordered by who answered. A device that answers from several addresses, or again,
// has them all. An endpoint alone is no proof: makers copy it from camera to camera, and one that is left out is never
// found.
func distinct(answers []Found) []Found {
	slices.SortStableFunc(answers, func(a, b Found) int { return a.From.Compare(b.From) })
	var list []Found
	for _, f := range answers {
		i := slices.IndexFunc(list, func(known Found) bool {
			return known.ID == f.ID &&
				slices.ContainsFunc(f.Addresses, func(a string) bool { return slices.Contains(known.Addresses, a) })
		})
		if i < 0 {
			list = append(list, f)
			continue
		}
		for _, a := range f.Addresses {
			if !slices.Contains(list[i].Addresses, a) && len(list[i].Addresses) < maxAddresses {
				list[i].Addresses = append(list[i].Addresses, a)
			}
		}
	}
	return list
}
