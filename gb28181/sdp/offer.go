package sdp

import (
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"gbgate/gb28181"
)

// Kind is what an INVITE asks for: the s= line.
type Kind uint8

// The kinds of session (2022 Annex G).
const (
	Play     Kind = iota // live, 实时点播
	Playback             // 回放
	Download             // 下载
	Talk                 // 对讲, 2016
)

// String returns the s= text of the kind.
func (k Kind) String() string {
	switch k {
	case Playback:
		return "Playback"
	case Download:
		return "Download"
	case Talk:
		return "Talk"
	case Play:
	}
	return "Play"
}

// Transport is how the media travels, named after the superior's a=setup.
type Transport uint8

// The transports.
const (
	UDP        Transport = iota
	TCPPassive           // the superior listens, we connect
	TCPActive            // the superior connects, we listen
)

// String returns udp, tcp-passive or tcp-active.
func (t Transport) String() string {
	switch t {
	case TCPPassive:
		return "tcp-passive"
	case TCPActive:
		return "tcp-active"
	case UDP:
	}
	return "udp"
}

// Codec is what the RTP packets carry.
type Codec uint8

// The codecs. A Talk may have any of them, everything else is PS.
const (
	PS   Codec = iota // MPEG program stream, 2022 Annex C
	PCMA              // G.711 A-law, bare
	PCMU              // G.711 µ-law, bare
)

// String returns the encoding name and clock rate as a=rtpmap wants them.
func (c Codec) String() string {
	switch c {
	case PCMA:
		return "PCMA/8000"
	case PCMU:
		return "PCMU/8000"
	case PS:
	}
	return "PS/90000"
}

// Offer is what a superior's INVITE asks for.
type Offer struct {
	Kind          Kind
	Channel       string         // the code in u=; "" when there is none
	Remote        netip.AddrPort // where the media goes; any port, also 0, when the superior connects to us
	Transport     Transport
	PayloadType   uint8     // of Codec
	Codec         Codec     // PS, but for a Talk
	SSRC          uint32    // 0: the offer has none, the answer brings its own
	SSRCText      string    // as offered, to be echoed; "" when SSRC is 0
	Start, Stop   time.Time // Playback and Download; a zero Stop means to the end
	Record        string    // of Playback and Download: manual, alarm or time, from u=; "" = any
	DownloadSpeed float64   // a=downloadspeed; 0 when absent
	Stream        int       // 0 main, 1 sub …; StreamUnset when the offer does not say
	Session       *Session
}

// StreamUnset is the Stream of an offer that names none.
const StreamUnset = -1

// ParseOffer reads the body of an INVITE that came from source with the given
// Subject header ("" when it has none). It fails with a *gb28181.Error: 400
// when the description can't be read or lacks m=, port or address, 488 when it
// offers no PS or no transport that we know.
func ParseOffer(body []byte, source netip.Addr, subject string) (*Offer, error) {
	s, err := Parse(body)
	if err != nil {
		return nil, err
	}
	o := &Offer{Kind: s.kind(), Channel: s.channel(), Session: s}
	m := s.media(o.Kind)
	switch {
	case len(s.Media) == 0:
		return nil, gb28181.Errorf(400, "SDP has no m= line")
	case m == nil:
		return nil, gb28181.Errorf(488, "SDP asks for no video")
	}
	if o.Transport, err = s.transport(m); err != nil {
		return nil, err
	}
	if o.PayloadType, o.Codec, err = payloadType(m, o.Kind); err != nil {
		return nil, err
	}
	addr, err := s.remote(m, source)
	if err != nil {
		return nil, err
	}
	if m.Port == 0 && o.Transport != TCPActive {
		return nil, gb28181.Errorf(400, "SDP has no media port")
	}
	o.Remote = netip.AddrPortFrom(addr, m.Port)
	if o.Kind == Playback || o.Kind == Download {
		o.Start, o.Stop = wallTime(s.Start), wallTime(s.Stop)
		o.Record = s.record()
	}
	o.SSRC, o.SSRCText = s.ssrc(subject)
	o.DownloadSpeed = s.downloadSpeed(m)
	o.Stream = s.stream(m)
	return o, nil
}

// kind reads s= in any case; what it doesn't say, t= does.
func (s *Session) kind() Kind {
	for _, k := range []Kind{Play, Playback, Download, Talk} {
		if strings.EqualFold(s.Name, k.String()) {
			return k
		}
	}
	if s.Start == 0 && s.Stop == 0 {
		return Play
	}
	return Playback
}

// channel returns the code in "u=<code>:<type>"; a URL names no channel.
func (s *Session) channel() string {
	code, _, _ := strings.Cut(s.URI, ":")
	code = strings.TrimSpace(code)
	if code == "" || strings.Trim(code, "0123456789") != "" {
		return ""
	}
	return code
}

// record returns which kind of recordings "u=<code>:<type>" asks for (录像类型: 0 all, 1 manual, 2 alarm, 3 time).
func (s *Session) record() string {
	if s.channel() == "" {
		return ""
	}
	_, kind, _ := strings.Cut(s.URI, ":")
	return map[string]string{"1": "manual", "2": "alarm", "3": "time"}[strings.TrimSpace(kind)]
}

// media returns the m= line that we answer: video, or audio for a Talk. Of
// several the first that has a port.
func (s *Session) media(k Kind) *Media {
	wanted := "video"
	if k == Talk {
		wanted = "audio"
	}
	var first *Media
	for i := range s.Media {
		m := &s.Media[i]
		switch {
		case m.Type != wanted:
		case m.Port != 0:
			return m
		case first == nil:
			first = m
		}
	}
	if first == nil && len(s.Media) == 1 && k == Talk { // a Talk whose PS comes on m=video
		return &s.Media[0]
	}
	return first
}

// transport reads the protocol of m= and a=setup. SRS offers TCP without a=setup and listens.
func (s *Session) transport(m *Media) (Transport, error) {
	proto := strings.ToUpper(m.Proto)
	switch proto {
	case "RTP/AVP", "RTP/AVPF", "UDP/RTP/AVP", "RTP/AVP/UDP", "RTP/RTCP": // the last is panjjo/gosip's playback
		return UDP, nil
	case "TCP/RTP/AVP", "TCP/RTP/AVPF", "RTP/AVP/TCP":
	default:
		return UDP, gb28181.Errorf(488, "Transport %.40s is not supported", m.Proto)
	}
	if setup, _ := s.Attr(m, "setup"); strings.EqualFold(setup, "active") {
		return TCPActive, nil
	}
	return TCPPassive, nil // passive, actpass (we choose to connect), or nothing
}

// payloadType finds what we can send: PS by its rtpmap, whatever the number, or
// as a bare 96; G.711 first for a Talk.
func payloadType(m *Media, k Kind) (uint8, Codec, error) {
	named := m.encodings()
	formats := m.Formats
	if len(formats) == 0 {
		formats = []string{"96"}
	}
	wanted := []struct {
		codec        Codec
		name, number string // the number means the codec unless an rtpmap says otherwise; "" none does
	}{{PCMA, "PCMA", ""}, {PCMA, "", "8"}, {PS, "PS", ""}, {PS, "", "96"}, {PCMU, "PCMU", ""}, {PCMU, "", "0"}}
	for _, w := range wanted {
		if w.codec != PS && k != Talk {
			continue
		}
		for _, pt := range formats {
			n, err := strconv.ParseUint(pt, 10, 7)
			if err == nil && named[pt] == w.name && (w.number == "" || w.number == pt) {
				return uint8(n), w.codec, nil
			}
		}
	}
	return 0, PS, gb28181.Errorf(488, "No PS among the offered payloads")
}

// encodings returns the encoding names that rtpmap gives to payload types, in upper case.
func (m *Media) encodings() map[string]string {
	named := map[string]string{}
	for _, a := range m.Attributes {
		if !strings.EqualFold(a.Name, "rtpmap") {
			continue
		}
		f := strings.Fields(a.Value)
		if len(f) < 2 {
			continue
		}
		encoding, _, _ := strings.Cut(f[1], "/")
		if _, ok := named[f[0]]; !ok {
			named[f[0]] = strings.ToUpper(encoding)
		}
	}
	return named
}

// remote returns the address the media goes to: c= of the media, of the
// session, else o=. 0.0.0.0 stands for where the INVITE came from.
func (s *Session) remote(m *Media, source netip.Addr) (netip.Addr, error) {
	for _, text := range []string{m.Conn, s.Conn, s.OriginAddr} {
		addr, err := netip.ParseAddr(text)
		if err != nil || addr.Zone() != "" {
			continue
		}
		if addr = addr.Unmap(); addr.IsUnspecified() {
			addr = source.Unmap()
		}
		if addr.IsValid() {
			return addr, nil
		}
	}
	return netip.Addr{}, gb28181.Errorf(400, "SDP has no media address")
}

// ssrc returns the SSRC of y=, or of the sender's serial in Subject when y= is
// missing or zero and the serial is one: ten digits, 0 or 1 first.
func (s *Session) ssrc(subject string) (uint32, string) {
	if n, ok := gb28181.ParseSSRC(s.SSRC); ok {
		return n, s.SSRC
	}
	serial := ParseSubject(subject).SenderSerial
	if len(serial) != 10 || strings.Trim(serial, "0123456789") != "" || serial[0] > '1' {
		return 0, ""
	}
	if n, ok := gb28181.ParseSSRC(serial); ok {
		return n, serial
	}
	return 0, ""
}

func (s *Session) downloadSpeed(m *Media) float64 {
	text, _ := s.Attr(m, "downloadspeed")
	speed, err := strconv.ParseFloat(text, 64)
	if err != nil || !(speed > 0) || math.IsInf(speed, 0) {
		return 0
	}
	return speed
}

// stream reads which stream of the camera is wanted: a=streamnumber (2022),
// streamprofile (Dahua), streamMode:MAIN|SUB (TP-Link), stream (WVP).
func (s *Session) stream(m *Media) int {
	for _, name := range []string{"streamnumber", "streamprofile", "streammode", "stream"} {
		value, ok := s.Attr(m, name)
		if !ok {
			continue
		}
		switch strings.ToLower(value) {
		case "main":
			return 0
		case "sub":
			return 1
		}
		if n, err := strconv.ParseUint(value, 10, 8); err == nil {
			return int(n)
		}
	}
	return StreamUnset
}

// wallTime turns a t= value into a time. The standard counts Unix seconds, old
// platforms NTP seconds, which since 2000 are numbers that Unix time reaches in 2070.
func wallTime(seconds int64) time.Time {
	const (
		ntpToUnix = 2_208_988_800
		ntpOf2000 = ntpToUnix + 946_684_800
		ntpEnds   = 1 << 32
	)
	switch {
	case seconds == 0 || seconds >= ntpEnds:
		return time.Time{}
	case seconds >= ntpOf2000:
		seconds -= ntpToUnix
	}
	return time.Unix(seconds, 0).In(gb28181.Zone())
}
