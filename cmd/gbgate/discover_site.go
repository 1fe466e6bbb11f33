package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"gbgate/bridge/onvif"
)

// Bounds of one search of a site.
const (
	maxScan     = 4096 // hosts
	scanAtOnce  = 128
	lookAtOnce  = 16
	knockTime   = 500 * time.Millisecond
	optionsTime = 2 * time.Second
	lookTime    = 20 * time.Second
	looksTime   = 2 * time.Minute // at all of them: anybody may answer for a thousand
	skewAllowed = 5 * time.Second
)

// discover searches the site by ONVIF and on the RTSP ports, and looks at what it finds.
func discover(ctx context.Context, opt discoverOptions, known knownSiteConfig) discoverDoc {
	doc := discoverDoc{Verdict: good, Cameras: []foundDoc{}}
	var devices []onvif.Found
	var knocked []rtspDoor
	var onvifErr error
	var wg sync.WaitGroup
	wg.Go(func() {
		devices, onvifErr = onvif.Discover(ctx, onvif.DiscoverConfig{
			Interfaces: opt.interfaces, Port: opt.discoveryPort, Wait: opt.wait,
		})
	})
	if opt.scan {
		wg.Go(func() { knocked = scan(ctx, hostsOf(opt.networks), opt.rtspPorts) })
	}
	listening, enough := context.WithCancel(ctx)
	defer enough()
	strangers := make(chan []strangerDoc, 1)
	go func() { strangers <- hearStrangers(listening) }()
	wg.Wait()
	enough()
	doc.Strangers = <-strangers
	if onvifErr != nil {
		doc.Verdict, doc.Reason = bad, onvifErr.Error()
	}
	for _, d := range devices {
		doc.Cameras = append(doc.Cameras, fromDevice(d))
	}
	for _, k := range knocked {
		doc.Cameras = addDoor(doc.Cameras, k)
	}
	looking, done := context.WithTimeout(ctx, looksTime)
	defer done()
	slots := make(chan struct{}, lookAtOnce)
	for i := range doc.Cameras {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			ctx, cancel := context.WithTimeout(looking, lookTime)
			defer cancel()
			look(ctx, opt, &doc.Cameras[i])
		})
	}
	wg.Wait()
	doubles(doc.Cameras, networkCards())
	known.mark(doc.Cameras)
	for i := range doc.Cameras {
		f := &doc.Cameras[i]
		if f.ONVIF == "" && f.Configured == "" {
			f.because("no ONVIF: switch it on in the camera, or look its URL up in the manual")
		}
		f.Verdict = good
		if f.Reason != "" {
			f.Verdict = bad
		}
	}
	return doc
}

func fromDevice(d onvif.Found) foundDoc {
	f := foundDoc{
		ONVIF: d.Addresses[0], Model: d.Hardware, Title: d.Name, Interface: d.Interface, id: d.ID,
		Brand: brand(d.Name + " " + d.Hardware), from: d.From.String(),
	}
	for _, a := range d.Addresses {
		u, err := url.Parse(a)
		if err != nil {
			continue
		}
		f.Host = cmp.Or(f.Host, u.Hostname())
		if a != f.ONVIF {
			f.Also = append(f.Also, a)
		}
		if !slices.Contains(f.hosts, u.Hostname()) {
			f.hosts = append(f.hosts, u.Hostname())
		}
	}
	return f
}

// rtspDoor is an RTSP server that answered.
type rtspDoor struct {
	address netip.AddrPort
	server  string // its Server header
}

// addDoor joins an RTSP server to the device of its host, or adds it.
func addDoor(list []foundDoc, k rtspDoor) []foundDoc {
	host := k.address.Addr().String()
	address := "rtsp://" + k.address.String() + "/"
	for i := range list {
		f := &list[i]
		if !slices.Contains(f.hosts, host) {
			continue
		}
		if f.Brand == "" {
			f.Brand = brand(k.server)
		}
		f.RTSP, f.Server = cmp.Or(f.RTSP, address), cmp.Or(f.Server, k.server)
		return list
	}
	return append(list, foundDoc{
		Host: host, hosts: []string{host}, RTSP: address, Brand: brand(k.server), Server: k.server,
	})
}

// hostsOf lists the hosts of the networks, or of those that we are in. A network of more than 1024
// addresses is too large to knock on: of our own, the 256 around us are taken.
func hostsOf(networks []netip.Prefix) []netip.Addr {
	own := make(map[netip.Addr]bool)
	given := len(networks) > 0
	addrs, _ := net.InterfaceAddrs()
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		ip, ok := netip.AddrFromSlice(n.IP)
		if ip = ip.Unmap(); !ok || !ip.Is4() || ip.IsLoopback() {
			continue
		}
		own[ip] = true
		bits, _ := n.Mask.Size()
		if bits < 22 {
			bits = 24
		}
		if !given {
			networks = append(networks, netip.PrefixFrom(ip, bits).Masked())
		}
	}
	var hosts []netip.Addr
	for _, p := range networks {
		for a := p.Addr(); p.Contains(a) && len(hosts) < maxScan; a = a.Next() {
			edge := p.Bits() < 31 && (a == p.Addr() || !p.Contains(a.Next()))
			if !edge && !own[a] {
				hosts = append(hosts, a)
			}
		}
	}
	return hosts
}

// scan knocks on the RTSP ports of hosts.
func scan(ctx context.Context, hosts []netip.Addr, ports []uint16) []rtspDoor {
	var mu sync.Mutex
	var doors []rtspDoor
	slots := make(chan struct{}, scanAtOnce)
	var wg sync.WaitGroup
	for _, h := range hosts {
		for _, port := range ports {
			slots <- struct{}{}
			wg.Go(func() {
				defer func() { <-slots }()
				if server, ok, _ := knock(ctx, netip.AddrPortFrom(h, port).String(), knockTime); ok {
					mu.Lock()
					defer mu.Unlock()
					doors = append(doors, rtspDoor{netip.AddrPortFrom(h, port), server})
				}
			})
		}
	}
	wg.Wait()
	slices.SortFunc(doors, func(a, b rtspDoor) int { return a.address.Compare(b.address) })
	return doors
}

// knock asks OPTIONS, which needs no password, and returns the Server header of whoever speaks RTSP. An error is one of
// connecting.
func knock(ctx context.Context, to string, patience time.Duration) (server string, ok bool, err error) {
	dialer := net.Dialer{Timeout: patience}
	conn, err := dialer.DialContext(ctx, "tcp", to)
	if err != nil {
		return "", false, err
	}
	defer conn.Close() //nolint:errcheck // it was only asked
	_ = conn.SetDeadline(time.Now().Add(optionsTime))
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	_, err = fmt.Fprintf(conn, "OPTIONS rtsp://%s/ RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: gbgate\r\n\r\n", to)
	if err != nil {
		return "", false, nil
	}
	reader := textproto.NewReader(bufio.NewReader(io.LimitReader(conn, 8<<10)))
	line, err := reader.ReadLine()
	if err != nil || !strings.HasPrefix(line, "RTSP/1.") {
		return "", false, nil
	}
	header, _ := reader.ReadMIMEHeader()
	return strings.ToValidUTF8(header.Get("Server"), "?"), true, nil
}

// factoryAccounts are what cameras are shipped with most often: two, as that is what a camera
// surely allows before it locks the account.
func factoryAccounts() [2][2]string { return [2][2]string{{"admin", "admin"}, {"admin", "12345"}} }

// look asks a device for its clock and, as far as it may, for who it is.
func look(ctx context.Context, opt discoverOptions, f *foundDoc) {
	if f.ONVIF == "" {
		return
	}
	ask := func(user, password string) (onvif.Info, error) {
		c, err := onvif.New(onvif.Config{Address: f.ONVIF, Username: user, Password: password, Timeout: 5 * time.Second})
		if err != nil {
			return onvif.Info{}, err
		}
		if f.ClockSkew == nil {
			clock, err := c.Clock(ctx)
			if err != nil {
				return onvif.Info{}, err
			}
			if clock.Known {
				skew := clock.Offset.Round(time.Second).Seconds()
				f.ClockSkew = &skew
			}
		}
		return c.Info(ctx)
	}
	info, err := ask("", "")
	for told := f.Host; unreachable(err) && f.elsewhere(); {
		if info, err = ask("", ""); !unreachable(err) {
			f.because("says that it is at " + told + ", where nobody answers")
		}
	}
	f.Open = err == nil
	switch {
	case f.Open:
		f.because("answers without a password")
	case !refusedPassword(err):
		f.because(err.Error())
	case opt.user != "":
		if info, err = ask(opt.user, opt.password); err == nil {
			f.Password, f.user = good, opt.user
		} else {
			f.Password = bad
			f.because(err.Error())
		}
	case opt.factory:
		for _, a := range factoryAccounts() {
			if info, err = ask(a[0], a[1]); err == nil {
				f.Factory, f.user = true, a[0]
				f.because("has the password it was shipped with")
				break
			}
		}
	}
	f.Model, f.Firmware = cmp.Or(info.Model, f.Model), info.Firmware
	f.Brand = cmp.Or(brand(info.Manufacturer), info.Manufacturer, f.Brand)
	if f.ClockSkew != nil && max(*f.ClockSkew, -*f.ClockSkew) > skewAllowed.Seconds() {
		f.because("its clock is off by " + skew(f.ClockSkew))
	}
}

// unreachable tells whether nobody was met who could answer.
func unreachable(err error) bool {
	e, ok := errors.AsType[*onvif.Error](err)
	return ok && (e.Kind == onvif.Unreachable || e.Kind == onvif.Refused)
}

// elsewhere takes the address that the answer came from in the place of one that the device told.
func (f *foundDoc) elsewhere() bool {
	for i, a := range f.Also {
		u, err := url.Parse(a)
		if err != nil || u.Hostname() != f.from || f.Host == f.from {
			continue
		}
		f.ONVIF, f.Also[i], f.Host = a, f.ONVIF, f.from
		return true
	}
	return false
}

// because adds a reason.
func (f *foundDoc) because(reason string) {
	if f.Reason != "" {
		f.Reason += "; "
	}
	f.Reason += reason
}

// doubles tells of devices that share an address, as two with the address they were shipped with do, and of addresses
// that seem to be one device's: they are not joined, as makers copy endpoints, and radio bridges show one card for
// many.
func doubles(list []foundDoc, cards map[string]string) {
	at, endpoints, hosts := make(map[string][]int), make(map[string][]int), make(map[string][]int)
	for i, f := range list {
		if u, err := url.Parse(f.ONVIF); err == nil && f.ONVIF != "" {
			at[u.Host] = append(at[u.Host], i)
			endpoints[f.id] = append(endpoints[f.id], i)
		}
		if card := cards[f.Host]; card != "" {
			hosts[card] = append(hosts[card], i)
		}
	}
	for _, same := range at {
		for _, i := range same {
			if len(same) > 1 {
				list[i].because(fmt.Sprintf("%d devices answer from this address", len(same)))
			}
		}
	}
	for _, c := range []struct {
		groups map[string][]int
		words  string
	}{{endpoints, "calls itself the same as "}, {hosts, "has the network card of "}} {
		for key, same := range c.groups {
			for _, i := range same[1:] {
				if first := list[same[0]].Host; key != "" && list[i].Host != first {
					list[i].because(c.words + first + ": one device with two addresses, or two")
				}
			}
		}
	}
}

// brand finds a maker in what a device says of itself.
func brand(words string) string {
	words = strings.ToLower(words)
	for _, b := range [][2]string{
		{"hikvision", "Hikvision"},
		{"ds-2", "Hikvision"},
		{"dahua", "Dahua"},
		{"dh-", "Dahua"},
		{"ipc-h", "Dahua"},
		{"amcrest", "Amcrest"},
		{"imou", "Imou"},
		{"uniview", "Uniview"},
		{"ezviz", "EZVIZ"},
		{"tp-link", "TP-Link"},
		{"tapo", "TP-Link"},
		{"mercury", "Mercury"},
		{"tiandy", "Tiandy"},
		{"kedacom", "Kedacom"},
		{"axis", "Axis"},
		{"hanwha", "Hanwha"},
		{"wisenet", "Hanwha"},
		{"bosch", "Bosch"},
		{"reolink", "Reolink"},
		{"sony", "Sony"},
		{"panasonic", "Panasonic"},
		{"vivotek", "Vivotek"},
		{"h264dvr", "Xiongmai"},
		{"xiongmai", "Xiongmai"},
	} {
		if strings.Contains(words, b[0]) {
			return b[1]
		}
	}
	return ""
}
