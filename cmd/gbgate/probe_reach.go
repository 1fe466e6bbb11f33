package main

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// reachTime is how long a port is waited for.
const reachTime = 3 * time.Second

// reach leaves those ports that somebody answers on; the error is why there are none.
func (p *prober) reach(ctx context.Context) error {
	type port struct {
		number     int
		rtsp, open bool
		err        error
	}
	ports := make([]port, 0, len(p.tcpPorts)+len(p.rtspPorts))
	for _, n := range p.tcpPorts {
		ports = append(ports, port{number: n})
	}
	for _, n := range p.rtspPorts {
		ports = append(ports, port{number: n, rtsp: true})
	}
	var wg sync.WaitGroup
	for i := range ports {
		wg.Go(func() {
			at := &ports[i]
			address := net.JoinHostPort(p.host, strconv.Itoa(at.number))
			if at.rtsp {
				_, at.open, at.err = knock(ctx, address, reachTime)
				return
			}
			dialer := net.Dialer{Timeout: reachTime}
			var conn net.Conn
			if conn, at.err = dialer.DialContext(ctx, "tcp", address); at.err == nil {
				at.open = true
				_ = conn.Close()
			}
		})
	}
	wg.Wait()
	p.tcpPorts, p.rtspPorts = nil, nil
	var why error
	for _, at := range ports {
		switch {
		case at.open && at.rtsp:
			p.rtspPorts = append(p.rtspPorts, at.number)
		case at.open:
			p.tcpPorts = append(p.tcpPorts, at.number)
		case at.err != nil && (why == nil || errors.Is(at.err, syscall.ECONNREFUSED)):
			why = at.err // who refuses is there
		}
	}
	p.tcpPorts = slices.DeleteFunc(p.tcpPorts, func(n int) bool { return slices.Contains(p.rtspPorts, n) })
	if len(p.tcpPorts)+len(p.rtspPorts) > 0 {
		return nil
	}
	return why
}

// nobody is the verdict on a host where no port answers.
func (p *prober) nobody(doc probeDoc, why error) probeDoc {
	doc.Verdict = bad
	if errors.Is(why, syscall.ECONNREFUSED) {
		doc.Reason = "the host is there, but connections to every port where a camera answers are refused"
		doc.Fixes = append(doc.Fixes,
			"switch ONVIF or RTSP on in the camera, or give the port: gbgate probe camera "+p.host+":PORT")
		return doc
	}
	doc.Reason = "no answer from " + p.host + ": " + plainly(why)
	doc.Fixes = append(doc.Fixes,
		"look at its cable, its power and its address; gbgate discover finds cameras by themselves")
	host, err := netip.ParseAddr(p.host)
	if err == nil && host.Is4() && host.IsPrivate() && !isOwn(ownNetworks(), host) {
		doc.Fixes = append([]string{
			"it is in no network of this box; if it is on the same cable, let us reach it: " + addressFix(host, cardInUse()),
		}, doc.Fixes...)
	}
	return doc
}

// cardInUse is the first network card that is in use.
func cardInUse() string {
	all, _ := net.Interfaces()
	for _, nic := range all {
		if addrs, _ := nic.Addrs(); nic.Flags&net.FlagUp != 0 && nic.Flags&net.FlagLoopback == 0 && len(addrs) > 0 {
			return nic.Name
		}
	}
	return "CARD"
}

// plainly tells a failure to connect in the words of an operator.
func plainly(err error) string {
	var name *net.DNSError
	var timeout net.Error
	switch {
	case errors.As(err, &name):
		return "nobody knows a host of that name"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "no route to host"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "it is silent"
	}
	return err.Error()
}
