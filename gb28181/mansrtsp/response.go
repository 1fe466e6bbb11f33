package mansrtsp

import (
	"strconv"
	"strings"

	"gbgate/gb28181"
)

// Response is the body of the 200 to an INFO. Platforms look at the SIP status
// and do without it.
type Response struct {
	Version  string // "" is RTSP
	Code     int
	Reason   string
	CSeq     string
	Scale    float64 // the speed that was taken, with HasScale: -1 from a node that has no other reverse play
	HasScale bool
	Range    *Range
	RTPInfo  string // "seq=…;rtptime=…" of the first packet
}

// ParseResponse reads such a body, as leniently as Parse; the error is a *gb28181.Error 400.
func ParseResponse(body []byte) (*Response, error) {
	first, headers, err := split(body)
	if err != nil {
		return nil, err
	}
	words := strings.Fields(first)
	if len(words) < 2 || !isVersion(words[0]) {
		return nil, gb28181.Errorf(400, "No playback control response: %.40q", first)
	}
	code, err := strconv.ParseUint(words[1], 10, 10)
	if err != nil || code < 100 || code > 999 {
		return nil, gb28181.Errorf(400, "Playback control status %.40q is none", words[1])
	}
	r := &Response{
		Version: words[0], Code: int(code), Reason: strings.Join(words[2:], " "),
		CSeq: headers.get("CSeq"), RTPInfo: headers.get("RTP-Info"),
	}
	if r.Scale, r.HasScale, err = parseScale(headers.get("Scale")); err != nil {
		return nil, err
	}
	if text := headers.get("Range"); text != "" {
		if r.Range, err = parseRange(text); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// Marshal writes the response with CRLF line ends and an empty line at the end.
func (r *Response) Marshal() []byte {
	w := writer{}
	w.line(strings.TrimSpace(version(r.Version) + " " + strconv.Itoa(r.Code) + " " + r.Reason))
	w.header("CSeq", or(word(r.CSeq), "1"))
	if r.HasScale {
		w.header("Scale", formatScale(r.Scale))
	}
	if r.Range != nil {
		w.header("Range", r.Range.String())
	}
	if r.RTPInfo != "" {
		w.header("RTP-Info", r.RTPInfo)
	}
	return w.end()
}
