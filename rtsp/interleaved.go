package rtsp

import (
	"encoding/binary"
	"time"

	"gbgate/media"
)

// rtpInput takes the RTP packets of one track, from whichever transport, and hands on what is inside.
//
// It follows what cameras do in the middle of a stream: another SSRC after an encoder restart or a
// channel switch in a recorder, and another payload type than the SDP named (Uniview).
type rtpInput struct {
	codec       media.Codec
	announced   uint8 // payload type of the SDP
	deliver     func(*packet)
	interrupted func() // the time line and the sequence numbers start anew

	current   uint8 // payload type taken now
	seen      bool  // the announced one was seen
	stray     int   // packets of another type in the running window
	window    int
	ssrc      uint32
	hasSSRC   bool
	pkt       packet
	packets   uint64 // taken
	strays    uint64 // of a payload type nobody expects
	malformed uint64
}

// strayWindow packets are looked at before a stray payload type that drowns the announced one is believed.
const strayWindow = 50

func newRTPInput(t *track, deliver func(*packet), interrupted func()) *rtpInput {
	return &rtpInput{
		codec: t.Codec, announced: t.PayloadType, current: t.PayloadType,
		deliver: deliver, interrupted: interrupted,
	}
}

// write takes one RTP packet; b is only read, and only during the call.
func (in *rtpInput) write(b []byte, at time.Time) {
	payload, ok := rtpPayload(b)
	if !ok {
		in.malformed++
		return
	}
	in.take(b[1]&0x7f, binary.BigEndian.Uint32(b[8:]), packet{
		Payload:   payload,
		Marker:    b[1]&0x80 != 0,
		Seq:       binary.BigEndian.Uint16(b[2:]),
		Timestamp: binary.BigEndian.Uint32(b[4:]),
		Arrived:   at,
	})
}

// take takes a packet that was parsed already.
func (in *rtpInput) take(pt uint8, ssrc uint32, p packet) {
	if len(p.Payload) == 0 {
		return // a keepalive or the padding of a bandwidth probe
	}
	if pt != in.current && !in.adopt(pt, p.Payload) {
		in.strays++
		return
	}
	in.seen = in.seen || pt == in.announced
	if in.window++; in.window >= strayWindow {
		in.window, in.stray = 0, 0
	}
	if in.hasSSRC && ssrc != in.ssrc {
		in.interrupted()
	}
	in.ssrc, in.hasSSRC = ssrc, true
	in.packets++
	in.pkt = p // a field, so that the packet does not escape to the heap each time
	in.deliver(&in.pkt)
}

// adopt decides about a packet with another payload type than the current one. The announced type
// always wins. Another one is taken at once as long as the announced one was never seen, and later
// only if nine packets in ten carry it.
func (in *rtpInput) adopt(pt uint8, payload []byte) bool {
	if pt == in.announced {
		in.current = pt
		return true
	}
	if !in.plausible(pt, payload) {
		return false
	}
	if in.seen {
		in.stray++
		in.window++
		if in.stray < strayWindow*9/10 {
			if in.window >= strayWindow {
				in.window, in.stray = 0, 0
			}
			return false
		}
		in.seen, in.window, in.stray = false, 0, 0
	}
	in.current = pt
	return true
}

// plausible tells whether a packet may belong to the track in spite of its payload type. A dynamic
// type says nothing about the codec; 72 to 76 are RTCP on the wrong channel.
func (in *rtpInput) plausible(pt uint8, payload []byte) bool {
	switch in.codec {
	case media.H264:
		kind := payload[0] & 0x1f
		return (pt < 72 || pt > 76) && payload[0]&0x80 == 0 && kind > 0 && kind < 30
	case media.H265:
		return (pt < 72 || pt > 76) && len(payload) > 2 && payload[0]&0x80 == 0 &&
			payload[0]>>1 <= 50 && payload[1]&0x07 != 0
	case media.PCMA, media.PCMU, media.AAC, media.CodecNone:
	}
	return pt >= 96 && in.announced >= 96
}

// rtpPayload returns what an RTP packet carries: without CSRC list, header extension (Hikvision's and
// ONVIF's 0xABAC) and padding (RFC 3550, 5.1).
func rtpPayload(b []byte) ([]byte, bool) {
	if len(b) < 12 || b[0]>>6 != 2 {
		return nil, false
	}
	head := 12 + 4*int(b[0]&0x0f)
	if b[0]&0x10 != 0 {
		if len(b) < head+4 {
			return nil, false
		}
		head += 4 + 4*int(binary.BigEndian.Uint16(b[head+2:]))
	}
	end := len(b)
	if b[0]&0x20 != 0 {
		end -= int(b[end-1])
	}
	if head > end {
		return nil, false
	}
	return b[head:end], true
}
