package sipua

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// ErrHeaderText is the refusal to send a value with a line break or NUL in it: such a value (a camera's name, a text
// from XML) would become a header of its own. sipgo does not look.
var ErrHeaderText = errors.New("sipua: line break or NUL in a header value")

// guard looks at everything that is about to become header text.
func guard(values ...string) error {
	for _, v := range values {
		if strings.ContainsAny(v, "\r\n\x00") {
			return fmt.Errorf("%w: %q", ErrHeaderText, v)
		}
	}
	return nil
}

// guardToken looks at what stands between separators and so may not hold any of them.
func guardToken(values ...string) error {
	for _, v := range values {
		if strings.ContainsAny(v, "\r\n\x00 \t<>\";") {
			return fmt.Errorf("%w: %q", ErrHeaderText, v)
		}
	}
	return nil
}

func guardURI(u URI) error {
	if u.Host == "" {
		return errors.New("sipua: URI without host")
	}
	if err := guardToken(u.User, u.Host); err != nil {
		return err
	}
	if strings.ContainsAny(u.Params, "\r\n\x00 \t<>\"") {
		return fmt.Errorf("%w: %q", ErrHeaderText, u.Params)
	}
	return nil
}

func guardHeaders(contact *URI, contentType string, hs []Header) error {
	if contact != nil {
		if err := guardURI(*contact); err != nil {
			return err
		}
	}
	for _, h := range hs {
		if !isToken(h.Name) {
			return fmt.Errorf("%w: name %q", ErrHeaderText, h.Name)
		}
		if err := guard(h.Value); err != nil {
			return err
		}
	}
	return guard(contentType)
}

func guardRequest(r *Request) error {
	if !isToken(r.Method) {
		return fmt.Errorf("%w: method %q", ErrHeaderText, r.Method)
	}
	for _, u := range []URI{r.URI, r.From.URI, r.To.URI} {
		if err := guardURI(u); err != nil {
			return err
		}
	}
	if r.CSeq > math.MaxInt32 { // RFC 3261 §8.1.1.5
		return fmt.Errorf("sipua: CSeq %d", r.CSeq)
	}
	if r.CallID == "" {
		return errors.New("sipua: request without Call-ID")
	}
	if err := guardToken(r.From.Tag, r.To.Tag, r.CallID); err != nil {
		return err
	}
	return guardHeaders(r.Contact, r.ContentType, r.Headers)
}

// sipURI gives sipgo's form of a URI.
func sipURI(u URI) sip.Uri {
	s := sip.Uri{Scheme: "sip", User: u.User, Host: u.Host, Port: u.Port}
	if u.Params != "" {
		for _, p := range parseParams(u.Params) {
			s.UriParams.Add(p.name, p.value)
		}
	}
	return s
}

func tagParams(tag string) sip.HeaderParams {
	var ps sip.HeaderParams
	if tag != "" {
		ps.Add("tag", tag)
	}
	return ps
}

// encodeRequest makes the message that goes out; everything is exactly what the caller said, only what he left out is
// filled in.
func encodeRequest(r *Request, top *sip.ViaHeader, userAgent string) (*sip.Request, error) {
	if err := guardRequest(r); err != nil {
		return nil, err
	}
	m := sip.NewRequest(sip.RequestMethod(r.Method), sipURI(r.URI))
	m.AppendHeader(top)
	m.AppendHeader(&sip.FromHeader{Address: sipURI(r.From.URI), Params: tagParams(r.From.Tag)})
	m.AppendHeader(&sip.ToHeader{Address: sipURI(r.To.URI), Params: tagParams(r.To.Tag)})
	callID := sip.CallIDHeader(r.CallID)
	m.AppendHeader(&callID)
	m.AppendHeader(&sip.CSeqHeader{SeqNo: r.CSeq, MethodName: sip.RequestMethod(r.Method)})
	if headerValues(r.Headers, "Max-Forwards") == nil {
		m.AppendHeader(sip.NewHeader("Max-Forwards", "70"))
	}
	encodeRest(m, r.Contact, r.Headers, userAgent, r.ContentType, r.Body)
	return m, nil
}

// encodeRest writes what requests and responses have in common. Content-Length is set by SetBody, in bytes.
func encodeRest(m sip.Message, contact *URI, hs []Header, userAgent, contentType string, body []byte) {
	if contact != nil {
		m.AppendHeader(sip.NewHeader("Contact", "<"+contact.String()+">"))
	}
	for _, h := range hs {
		switch strings.ToLower(fullName(h.Name)) {
		case "content-length", "via", "from", "to", "call-id", "cseq":
			continue
		case "user-agent":
			userAgent = ""
		}
		m.AppendHeader(sip.NewHeader(h.Name, h.Value))
	}
	if userAgent != "" {
		m.AppendHeader(sip.NewHeader("User-Agent", userAgent))
	}
	if contentType != "" {
		m.AppendHeader(sip.NewHeader("Content-Type", contentType))
	}
	if body == nil {
		body = []byte{}
	}
	m.SetBody(body)
}

// encodeResponse answers a received request: Via, From, To, Call-ID and CSeq come from it.
func encodeResponse(req *sip.Request, res *Response, tag, userAgent string) (*sip.Response, error) {
	if res.Code < 100 || res.Code > 699 {
		return nil, fmt.Errorf("sipua: status code %d", res.Code)
	}
	if err := guard(res.Reason); err != nil {
		return nil, err
	}
	if err := guardToken(res.ToTag); err != nil {
		return nil, err
	}
	if err := guardHeaders(res.Contact, res.ContentType, res.Headers); err != nil {
		return nil, err
	}
	reason := res.Reason
	if reason == "" {
		reason = reasonPhrase(res.Code)
	}
	m := sip.NewResponse(res.Code, reason)
	for _, h := range req.GetHeaders("via") {
		m.AppendHeader(sip.HeaderClone(h))
	}
	m.AppendHeader(sip.HeaderClone(req.From()))
	to := sip.HeaderClone(req.To()).(*sip.ToHeader)
	if res.ToTag != "" {
		tag = res.ToTag
	}
	if !to.Params.Has("tag") && res.Code > 100 {
		to.Params.Add("tag", tag)
	}
	m.AppendHeader(to)
	m.AppendHeader(sip.HeaderClone(req.CallID()))
	m.AppendHeader(sip.HeaderClone(req.CSeq()))
	encodeRest(m, res.Contact, res.Headers, userAgent, res.ContentType, res.Body)
	return m, nil
}

func decodeURI(u sip.Uri) URI {
	d := URI{User: u.User, Host: strings.Trim(u.Host, "[]"), Port: u.Port}
	if len(u.UriParams) > 0 {
		d.Params = u.UriParams.ToString(';')
	}
	return d
}

// decodeRequest gives a parsed request its outward form.
func decodeRequest(m *sip.Request) *Request {
	r := &Request{
		Method: string(m.Method),
		URI:    decodeURI(m.Recipient),
		CallID: m.CallID().Value(),
		CSeq:   m.CSeq().SeqNo,
		Body:   m.Body(),
	}
	r.From.URI = decodeURI(m.From().Address)
	r.From.Tag, _ = m.From().Params.Get("tag")
	r.To.URI = decodeURI(m.To().Address)
	r.To.Tag, _ = m.To().Params.Get("tag")
	r.Branch, _ = m.Via().Params.Get("branch")
	r.Headers, r.ContentType = decodeHeaders(m.Headers())
	r.Contact = contactURI(r.Header("Contact"))
	return r
}

// decodeResponse gives a parsed response its outward form.
func decodeResponse(m *sip.Response, src netip.AddrPort) *Response {
	r := &Response{Code: m.StatusCode, Reason: m.Reason, Body: m.Body(), Source: src}
	r.ToTag, _ = m.To().Params.Get("tag")
	r.Headers, r.ContentType = decodeHeaders(m.Headers())
	r.Contact = contactURI(r.Header("Contact"))
	r.Received = viaReceived(m.Via())
	return r
}

// viaReceived is received and rport of a Via of ours; where one is missing, what we had written stands for it.
func viaReceived(v *sip.ViaHeader) netip.AddrPort {
	received, _ := v.Params.Get("received")
	rport, _ := v.Params.Get("rport")
	if received == "" && rport == "" {
		return netip.AddrPort{}
	}
	if received == "" {
		received = v.Host
	}
	addr, err := netip.ParseAddr(strings.Trim(received, "[]"))
	if err != nil {
		return netip.AddrPort{}
	}
	port := v.Port
	if n, err := strconv.ParseUint(rport, 10, 16); err == nil && n > 0 {
		port = int(n)
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(port)) //nolint:gosec // repaired: at most 65535
}

func decodeHeaders(hs []sip.Header) (rest []Header, contentType string) {
	for _, h := range hs {
		switch name := h.Name(); strings.ToLower(name) {
		case "via", "from", "to", "call-id", "cseq", "content-length":
		case "content-type":
			contentType = h.Value()
		default:
			rest = append(rest, Header{name, h.Value()})
		}
	}
	return rest, contentType
}

// newParser is sipgo's parser with only those headers taken apart that transactions need: an odd Contact or
// Max-Forwards must not lose the message.
func newParser() *sip.Parser {
	all := sip.DefaultHeadersParser() // sipgo's own map, shared: not to be changed
	few := map[string]sip.HeaderParser{}
	for _, name := range []string{"via", "from", "to", "call-id", "cseq", "content-length"} {
		few[name] = all[name]
	}
	p := sip.NewParser(sip.WithHeadersParsers(few))
	p.MaxMessageLength = 2 * maxMessage // repair may lengthen what was within the bound
	return p
}
