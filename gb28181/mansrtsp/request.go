// Package mansrtsp is the playback control of GB/T 28181 (2022 Annex B):
// RTSP-like requests and responses that travel in the bodies of SIP INFO.
package mansrtsp

import (
	"slices"
	"strings"
	"time"

	"gbgate/gb28181"
)

// Methods of a Request.
const (
	Play     = "PLAY"
	Pause    = "PAUSE"
	Teardown = "TEARDOWN"
)

// Versions that platforms write on the first line.
const (
	RTSP     = "RTSP/1.0"     // 2016, 2022, WVP
	MANSRTSP = "MANSRTSP/1.0" // 2011
)

// Speeds that Parse lets through; others are brought to the nearest.
const (
	MinScale = 0.125
	MaxScale = 16
)

// Request is one playback control command.
type Request struct {
	Method   string         // Play, Pause or Teardown
	Version  string         // as written, for the response; "" is RTSP
	CSeq     string         // as written; srs-sip always sends 0
	Scale    float64        // speed: 1 real time, negative backwards. Only with HasScale
	HasScale bool           // the request names a speed; else it stays as it is
	Range    *Range         // nil: the position stays as it is
	PauseAt  *time.Duration // with Pause: media time from the start of the session; nil pauses at once
}

// Range is a part of the recording, in media time from the start of the session (its t=).
type Range struct {
	Now   bool           // from where the playback is: it resumes. Start is 0 then
	Start time.Duration  // not negative
	End   *time.Duration // nil: to the end. An End before Start asks for reverse play
}

// Parse reads the body of an INFO: header names in any case, CRLF, LF or CR,
// with or without the empty line at the end, "npt=now" with or without its dash.
// It fails with a *gb28181.Error 400 when the body is no such request, its
// Range counts anything but npt, or its Scale is no speed.
func Parse(body []byte) (*Request, error) {
	first, headers, err := split(body)
	if err != nil {
		return nil, err
	}
	words := strings.Fields(first)
	at := slices.IndexFunc(words, isVersion)
	if at < 1 { // a URL may stand before it
		return nil, gb28181.Errorf(400, "No playback control: %.40q", first)
	}
	r := &Request{Method: strings.ToUpper(words[0]), Version: words[at], CSeq: headers.get("CSeq")}
	switch r.Method {
	case Play, Pause, Teardown:
	default:
		return nil, gb28181.Errorf(400, "Playback control %.40q is not known", r.Method)
	}
	if r.Scale, r.HasScale, err = parseScale(headers.get("Scale")); err != nil {
		return nil, err
	}
	if text := headers.get("Range"); text != "" {
		if r.Range, err = parseRange(text); err != nil {
			return nil, err
		}
	}
	if text := headers.get("PauseTime"); r.Method == Pause && text != "" {
		if r.PauseAt, err = parsePause(text); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// Marshal writes the request with CRLF line ends and an empty line at the end.
func (r *Request) Marshal() []byte {
	w := writer{}
	w.line(word(r.Method) + " " + version(r.Version))
	w.header("CSeq", or(word(r.CSeq), "1"))
	if r.HasScale {
		w.header("Scale", formatScale(r.Scale))
	}
	if r.Range != nil {
		w.header("Range", r.Range.String())
	}
	if r.Method == Pause {
		at := "now"
		if r.PauseAt != nil {
			at = formatNPT(*r.PauseAt)
		}
		w.header("PauseTime", at)
	}
	return w.end()
}

// Answer returns the response to the request: its version, its CSeq.
func (r *Request) Answer(code int, reason string) *Response {
	return &Response{Version: r.Version, Code: code, Reason: reason, CSeq: r.CSeq}
}
