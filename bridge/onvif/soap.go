package onvif

import (
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"strings"
	"time"
)

// service is one of the web services of a device.
type service uint8

const (
	deviceService service = iota + 1
	mediaService
	media2Service
	ptzService
	imagingService
	eventService
	deviceIOService
	recordingService
	searchService
	replayService
)

// services names each service for people, its namespace, and where GetCapabilities keeps its address.
var services = map[service]struct {
	name, namespace string
	capability      []string
}{
	deviceService:    {"device", "http://www.onvif.org/ver10/device/wsdl", []string{"Device"}},
	mediaService:     {"media", "http://www.onvif.org/ver10/media/wsdl", []string{"Media"}},
	media2Service:    {"media2", "http://www.onvif.org/ver20/media/wsdl", []string{"Extension", "Media2"}},
	ptzService:       {"PTZ", "http://www.onvif.org/ver20/ptz/wsdl", []string{"PTZ"}},
	imagingService:   {"imaging", "http://www.onvif.org/ver20/imaging/wsdl", []string{"Imaging"}},
	eventService:     {"event", "http://www.onvif.org/ver10/events/wsdl", []string{"Events"}},
	deviceIOService:  {"device IO", "http://www.onvif.org/ver10/deviceIO/wsdl", []string{"Extension", "DeviceIO"}},
	recordingService: {"recording", "http://www.onvif.org/ver10/recording/wsdl", []string{"Extension", "Recording"}},
	searchService:    {"search", "http://www.onvif.org/ver10/search/wsdl", []string{"Extension", "Search"}},
	replayService:    {"replay", "http://www.onvif.org/ver10/replay/wsdl", []string{"Extension", "Replay"}},
}

// String returns the service's name.
func (s service) String() string { return services[s].name }

// action returns the WSDL action of an operation.
func (s service) action(op string) string { return services[s].namespace + "/" + op }

// The prefixes that bodies use.
const envelopeHead = `<?xml version="1.0" encoding="UTF-8"?>` +
	`<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"` +
	` xmlns:tds="http://www.onvif.org/ver10/device/wsdl" xmlns:trt="http://www.onvif.org/ver10/media/wsdl"` +
	` xmlns:tr2="http://www.onvif.org/ver20/media/wsdl" xmlns:tptz="http://www.onvif.org/ver20/ptz/wsdl"` +
	` xmlns:timg="http://www.onvif.org/ver20/imaging/wsdl" xmlns:tev="http://www.onvif.org/ver10/events/wsdl"` +
	` xmlns:tmd="http://www.onvif.org/ver10/deviceIO/wsdl" xmlns:tse="http://www.onvif.org/ver10/search/wsdl"` +
	` xmlns:trp="http://www.onvif.org/ver10/replay/wsdl" xmlns:trc="http://www.onvif.org/ver10/recording/wsdl"` +
	` xmlns:tt="http://www.onvif.org/ver10/schema" xmlns:wsnt="http://docs.oasis-open.org/wsn/b-2"` +
	` xmlns:wsa="http://www.w3.org/2005/08/addressing">`

// envelope wraps a body. Both parts are XML already.
func envelope(header, body string) string {
	return envelopeHead + "<s:Header>" + header + "</s:Header><s:Body>" + body + "</s:Body></s:Envelope>"
}

// xmlText returns a value as XML text. Characters that XML lacks become U+FFFD.
func xmlText(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s))
	return b.String()
}

// leaf returns an element with a text.
func leaf(name, value string) string { return "<" + name + ">" + xmlText(value) + "</" + name + ">" }

// wrap returns an element with elements inside.
func wrap(name string, inner ...string) string {
	return "<" + name + ">" + strings.Join(inner, "") + "</" + name + ">"
}

const (
	wsseNS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
	wsuNS  = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"

	passwordType = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordDigest"
	nonceType    = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary"
)

// usernameToken returns the WS-Security header (UsernameToken profile 1.0): a digest over a fresh
// nonce and the device's own time, as devices refuse tokens that are a few seconds off theirs.
func usernameToken(user, password string, deviceTime time.Time) string {
	nonce := make([]byte, 16)
	_, _ = rand.Read(nonce) // never fails since Go 1.24
	created := deviceTime.UTC().Format("2006-01-02T15:04:05.000Z")
	sum := sha1.Sum([]byte(string(nonce) + created + password))
	return fmt.Sprintf(`<wsse:Security s:mustUnderstand="1" xmlns:wsse="%s" xmlns:wsu="%s"><wsse:UsernameToken>%s`+
		`<wsse:Password Type="%s">%s</wsse:Password><wsse:Nonce EncodingType="%s">%s</wsse:Nonce>%s`+
		`</wsse:UsernameToken></wsse:Security>`,
		wsseNS, wsuNS, leaf("wsse:Username", user),
		passwordType, base64.StdEncoding.EncodeToString(sum[:]),
		nonceType, base64.StdEncoding.EncodeToString(nonce), leaf("wsu:Created", created))
}

// newUUID returns a random UUID (RFC 9562, version 4).
func newUUID() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
