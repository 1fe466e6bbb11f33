package simcam

import (
	"bufio"
	"encoding/binary"
	"errors"
	"net/textproto"
	"strconv"
	"strings"
)

// ScriptedRequest is a request that a scripted camera got.
type ScriptedRequest struct {
	Method string
	URL    string // byte for byte
	Text   string // the whole request, byte for byte
	fields textproto.MIMEHeader
}

// Get returns the first value of a header field, "" if there is none.
func (r *ScriptedRequest) Get(name string) string { return r.fields.Get(name) }

func parseScriptedRequest(head string) (*ScriptedRequest, error) {
	line, rest, _ := strings.Cut(head, "\r\n")
	words := strings.Split(line, " ")
	if len(words) != 3 || words[2] != "RTSP/1.0" {
		return nil, errors.New("no request line")
	}
	fields, err := textproto.NewReader(bufio.NewReader(strings.NewReader(rest))).ReadMIMEHeader()
	return &ScriptedRequest{Method: words[0], URL: words[1], Text: head, fields: fields}, err
}

// transport returns the first number of a pair in the Transport header.
func (r *ScriptedRequest) transport(key string) (first int, ok bool) {
	for part := range strings.SplitSeq(r.Get("Transport"), ";") {
		if pair, found := strings.CutPrefix(part, key+"="); found {
			number, _, _ := strings.Cut(pair, "-")
			first, err := strconv.Atoi(number)
			return first, err == nil
		}
	}
	return 0, false
}

// Reply is the text of a reply with a status such as "404 Not Found" and further header lines.
func Reply(r *ScriptedRequest, status string, lines ...string) string {
	return "RTSP/1.0 " + status + "\r\n" +
		strings.Join(append([]string{"CSeq: " + r.Get("CSeq")}, lines...), "\r\n") + "\r\n\r\n"
}

// Reply200 is the text of a good reply.
func Reply200(r *ScriptedRequest, lines ...string) string { return Reply(r, "200 OK", lines...) }

// ReplySDP is the text of a good reply with a description.
func ReplySDP(r *ScriptedRequest, sdp string, lines ...string) string {
	lines = append(lines, "Content-Type: application/sdp", "Content-Length: "+strconv.Itoa(len(sdp)))
	return Reply200(r, lines...) + sdp
}

// RTPPacket is an RTP packet with a plain header.
func RTPPacket(pt byte, seq uint16, ts, ssrc uint32, marker bool, payload []byte) []byte {
	b := make([]byte, 12, 12+len(payload))
	b[0], b[1] = 0x80, pt
	if marker {
		b[1] |= 0x80
	}
	binary.BigEndian.PutUint16(b[2:], seq)
	binary.BigEndian.PutUint32(b[4:], ts)
	binary.BigEndian.PutUint32(b[8:], ssrc)
	return append(b, payload...)
}

// Interleave frames a packet for the RTSP connection (RFC 2326 10.12).
func Interleave(channel byte, b []byte) []byte {
	return append([]byte{'$', channel, byte(len(b) >> 8), byte(len(b))}, b...)
}
