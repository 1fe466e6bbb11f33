package sipua

import (
	"net/netip"
	"regexp"
	"time"
)

// Event is one message as it was on the wire, for traces and captures.
type Event struct {
	Time      time.Time
	Out       bool   // sent by us
	Transport string // "udp" or "tcp"
	Local     netip.AddrPort
	Remote    netip.AddrPort
	Raw       string // digest responses and passwords are replaced by ***
}

var (
	secretParam = regexp.MustCompile(`(?i)(\b(?:response|password|passwd|pwd)\s*=\s*)("[^"\r\n]*"|[^\s,;&<"]+)`)
	secretBasic = regexp.MustCompile(`(?i)(authorization\s*:\s*basic\s+)\S+`)
	secretURL   = regexp.MustCompile(`(://[^/\s:@]*:)[^@\s/]+(@)`)
	secretXML   = regexp.MustCompile(`(?i)(<(\w*(?:password|passwd|pwd))\b[^<>]*>)[^<]*(</)`)
)

// redact removes what a trace may not show. From a digest response the password can be searched for off line.
func redact(raw string) string {
	raw = secretParam.ReplaceAllString(raw, `${1}"***"`)
	raw = secretBasic.ReplaceAllString(raw, `${1}***`)
	raw = secretURL.ReplaceAllString(raw, `${1}***${2}`)
	return secretXML.ReplaceAllString(raw, `${1}***${3}`)
}

func (e *Endpoint) trace(out bool, transport string, remote netip.AddrPort, raw []byte) {
	if e.cfg.Trace == nil {
		return
	}
	e.cfg.Trace(Event{
		Time: time.Now(), Out: out, Transport: transport, Local: e.addr, Remote: remote, Raw: redact(string(raw)),
	})
}
