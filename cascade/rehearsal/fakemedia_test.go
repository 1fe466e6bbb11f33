package rehearsal

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"gbgate/gb28181"
	"gbgate/gb28181/sipua"
)

// media opens the sending side and writes the answer's session description.
func (n *fakeNode) media(r *sipua.Request) (func() (net.Conn, error), string, error) {
	var port int
	_, _ = fmt.Sscanf(line(r.Body, "m=video "), "%d", &port)
	remote := netip.AddrPortFrom(netip.MustParseAddr(line(r.Body, "c=IN IP4 ")), uint16(port))
	setup := map[string]string{"passive": "active", "active": "passive"}[line(r.Body, "a=setup:")]
	proto, attributes := "TCP/RTP/AVP", "a=setup:"+setup+"\r\na=connection:new\r\n"
	var out func() (net.Conn, error)
	var local net.Addr
	switch setup {
	case "":
		proto, attributes = "RTP/AVP", ""
		conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(remote))
		if err != nil {
			return nil, "", err
		}
		out, local = func() (net.Conn, error) { return conn, nil }, conn.LocalAddr()
	case "active":
		out, local = func() (net.Conn, error) { return n.dial(remote) }, &net.TCPAddr{Port: 40000}
	case "passive":
		l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			return nil, "", err
		}
		_ = l.SetDeadline(time.Now().Add(10 * time.Second))
		out = func() (net.Conn, error) {
			defer func() { _ = l.Close() }()
			return l.Accept()
		}
		local = l.Addr()
	}
	_, portText, _ := strings.Cut(local.String()[strings.LastIndex(local.String(), ":"):], ":")
	y := line(r.Body, "y=")
	if y == "" {
		y = gb28181.FormatSSRC(testSSRC)
	}
	return out, "v=0\r\no=" + cameraID + " 0 0 IN IP4 127.0.0.1\r\ns=Play\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n" +
		"m=video " + portText + " " + proto + " 96\r\na=sendonly\r\na=rtpmap:96 PS/90000\r\n" + attributes +
		"y=" + y + "\r\nf=v/2/5/25/2/1024a/1/8/1\r\n", nil
}

// dial tries for a while, as superiors listen late.
func (n *fakeNode) dial(remote netip.AddrPort) (net.Conn, error) {
	for range 100 {
		conn, err := net.Dial("tcp", remote.String())
		if err == nil {
			if n.twice {
				if second, err := net.Dial("tcp", remote.String()); err == nil {
					_, _ = second.Read(make([]byte, 1)) // until it is closed
					_ = second.Close()
				}
			}
			return conn, nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return nil, errors.New("nobody listens")
}

// stream sends the packets, a millisecond between frames, until the call ended.
func (n *fakeNode) stream(r *sipua.Request, out func() (net.Conn, error), ended <-chan struct{}) {
	conn, err := out()
	if err != nil {
		return
	}
	if n.strayUDP {
		other, err := net.Dial("udp", conn.RemoteAddr().String())
		if err == nil {
			_ = conn.Close()
			conn = other
		}
	}
	defer func() { _ = conn.Close() }()
	if n.sr {
		n.senderReport(conn)
	}
	ssrc, ok := gb28181.ParseSSRC(line(r.Body, "y="))
	if !ok {
		ssrc = testSSRC
	}
	sent := packets(n.units)
	for _, b := range sent {
		binary.BigEndian.PutUint32(b[8:], ssrc)
	}
	if n.damage != nil {
		sent = n.damage(sent)
	}
	for _, b := range sent {
		if !n.write(conn, b) {
			return
		}
		if b[1]&0x80 != 0 {
			time.Sleep(time.Millisecond)
		}
		select {
		case <-ended:
			return
		default:
		}
	}
	n.afterwards(r, conn, ended, sent[len(sent)-1])
}

// senderReport sends one RTCP sender report to the port above the media's.
func (n *fakeNode) senderReport(conn net.Conn) {
	to := *conn.RemoteAddr().(*net.UDPAddr)
	to.Port++
	rtcp, err := net.DialUDP("udp", nil, &to)
	if err != nil {
		n.t.Error(err)
		return
	}
	defer func() { _ = rtcp.Close() }()
	b := make([]byte, 28)
	b[0], b[1], b[3] = 0x80, rtcpSR, 6
	_, _ = rtcp.Write(b)
}

func (n *fakeNode) write(conn net.Conn, b []byte) bool {
	if _, tcp := conn.(*net.TCPConn); tcp {
		if n.framing != nil {
			b = n.framing(b)
		} else {
			b = append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...)
		}
	}
	_, err := conn.Write(b)
	return err == nil
}

func (n *fakeNode) afterwards(r *sipua.Request, conn net.Conn, ended <-chan struct{}, last []byte) {
	if n.closeTCP {
		return
	}
	if n.hangUp {
		if n.byeLate {
			_ = conn.Close()
			time.Sleep(50 * time.Millisecond)
		}
		bye := n.request("BYE")
		bye.CallID, bye.From, bye.To = r.CallID, r.To, r.From
		bye.From.Tag = r.LocalTag
		res, err := n.ep.Do(context.Background(), bye, n.route)
		if errors.Is(err, sipua.ErrClosed) {
			return // the test is over
		}
		if err != nil || res.Code != 200 {
			n.t.Errorf("BYE: %v, %v", res, err)
		}
		return
	}
	for seq := binary.BigEndian.Uint16(last[2:]); ; {
		select {
		case <-ended:
			return
		case <-time.After(5 * time.Millisecond):
			if n.afterBye {
				seq++
				binary.BigEndian.PutUint16(last[2:], seq)
				n.write(conn, last)
			}
		}
	}
}
