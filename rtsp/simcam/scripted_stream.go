package simcam

import (
	"bytes"
	"encoding/binary"
)

// AtPicture runs do before that picture of a scripted camera's stream.
func AtPicture(picture int, do func(c *ScriptedConn)) func(*ScriptedConn, int) {
	return func(c *ScriptedConn, p int) {
		if p == picture {
			do(c)
		}
	}
}

// StreamQuirks are what cameras were seen to do in the middle of a stream.
func StreamQuirks() []RTSPQuirk {
	return append(streamNoise(), streamPackets()...)
}

// streamNoise is what comes between the packets of the stream.
func streamNoise() []RTSPQuirk {
	between := func(b []byte) func(*Scripted) {
		return func(cam *Scripted) { cam.Before = AtPicture(5, func(c *ScriptedConn) { c.Send(b) }) }
	}
	text := func(s string) func(*Scripted) { return between([]byte(s)) }
	return []RTSPQuirk{
		{"server sends options", "several", text("OPTIONS * RTSP/1.0\r\nCSeq: 9\r\n\r\n")},
		{"server sends get_parameter", "several", text("GET_PARAMETER rtsp://x/ RTSP/1.0\r\nCSeq: 9\r\n\r\n")},
		{
			"server sends set_parameter", "several",
			text("SET_PARAMETER rtsp://x/ RTSP/1.0\r\nCSeq: 9\r\nContent-Length: 5\r\n\r\n$abcd"),
		},
		{"a reply nobody asked for", "", text("RTSP/1.0 200 OK\r\nCSeq: 99\r\n\r\n")},
		{"garbage with a dollar", "many", text("\x00\x01$\x00garbage $$\xff")},
		{"garbage like a method", "many", text("PLAYGROUND\x00PLAY")},
		{"frame of an unknown channel", "many", between(Interleave(77, RTPPacket(107, 1, 1, 1, true, make([]byte, 50))))},
		{"empty frame", "many", text("$\x00\x00\x00")},
		{"frame cut short", "many", between(Interleave(0, RTPPacket(96, 1, 1, 1, true, make([]byte, 900)))[:300])},
		{"frame that lies about its length", "", text("$\x00\xff\xff\x80\x60lies")},
		{"rtcp", "Hanwha", between(Interleave(1, []byte{0x81, 203, 0, 1, 0x11, 0x22, 0x33, 0x44}))},
		{"rtcp of nonsense", "", between(Interleave(1, bytes.Repeat([]byte{0x9f, 200, 0xff, 0xff}, 10000)))},
		{"rtp of all CSRCs and none there", "", between(Interleave(0, []byte{0x8f, 96, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4, 5}))},
		{"rtp with an extension beyond its end", "", between(Interleave(0, append(
			[]byte{0x90, 96, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4, 0xab, 0xac, 0xff, 0xff}, make([]byte, 500)...)))},
		{"rtp with more padding than bytes", "", between(Interleave(0,
			[]byte{0xa0, 96, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4, 0x41, 0xff}))},
	}
}

// streamPackets is what the packets of the stream have.
func streamPackets() []RTSPQuirk {
	from := func(first int, change func(picture int, b []byte) []byte) func(*Scripted) {
		return func(cam *Scripted) {
			cam.Tweak = func(picture int, b []byte) []byte {
				if picture >= first {
					return change(picture, b)
				}
				return b
			}
		}
	}
	ssrc := func(_ int, b []byte) []byte { b[8] ^= 0xff; return b }
	payloadType := func(_ int, b []byte) []byte { b[1] = b[1]&0x80 | 105; return b }
	return []RTSPQuirk{
		{"other SSRC", "NVRs, Uniview", from(5, ssrc)},
		{"other payload type from the start", "NVRs, Uniview", from(0, payloadType)},
		{"other payload type later", "NVRs, Uniview", from(5, payloadType)},
		{"header extension with CSRC and padding", "Hikvision and ONVIF's (extension)", from(0, func(_ int, b []byte) []byte {
			out := append([]byte{b[0] | 0x20 | 0x10 | 1}, b[1:12]...)
			out = append(out, 1, 2, 3, 4, 0xab, 0xac, 0, 1, 9, 9, 9, 9)
			return append(append(out, b[12:]...), 0, 0, 0, 4)
		})},
		{"time stamps start anew", "Tapo, Intelbras", from(5, func(picture int, b []byte) []byte {
			binary.BigEndian.PutUint32(b[4:], uint32(picture*3600)+0x70000000)
			return b
		})},
	}
}
