package rtsp

import "bytes"

// H.264 NAL unit types (ITU-T H.264 table 7-1) and RTP packet types (RFC 6184 table 1).
const (
	h264SliceA    = 2 // data partition A, the one with the slice header
	h264SliceB    = 3
	h264SliceC    = 4
	h264IDR       = 5
	h264SEI       = 6
	h264SPS       = 7
	h264PPS       = 8
	h264AUD       = 9
	h264EndSeq    = 10
	h264EndStream = 11
	h264STAPA     = 24
	h264FUA       = 28
)

// depackH264 hands the NAL units of one RTP payload to the picture (RFC 6184 5.6, 5.7.1, 5.8).
// packetization-mode is not looked at: cameras announce 0 and send FU-A. STAP-B, MTAP and FU-B belong to
// the interleaved mode, which no camera sends.
func depackH264(v *video, b []byte) bool {
	if len(b) < 2 {
		return false
	}
	switch typ := b[0] & 0x1F; {
	case typ == h264STAPA:
		return depackAggregate(v, b[1:])
	case typ == h264FUA:
		if len(b) < 3 {
			return false
		}
		fu := b[1]
		return v.fragment(fu&0x80 != 0, fu&0x40 != 0, [2]byte{b[0]&0xE0 | fu&0x1F}, b[2:])
	case typ == 0 && bytes.HasPrefix(bytes.TrimLeft(b, "\x00"), startCode[3:]):
		v.pieces(b) // Xiongmai: the start code is sent along
		return true
	case typ == 0 || typ > h264STAPA:
		return false
	}
	v.whole(b)
	return true
}

// depackAggregate reads the 16-bit sizes and NAL units of a STAP-A or an H.265 aggregation packet.
// Trailing zeros are tolerated, as some encoders pad the packet.
func depackAggregate(v *video, b []byte) bool {
	for len(b) >= 2 {
		size := int(b[0])<<8 | int(b[1])
		b = b[2:]
		if size == 0 {
			continue
		}
		if size > len(b) {
			return false
		}
		v.whole(b[:size])
		b = b[size:]
	}
	return true
}

// classifyH264 sorts a NAL unit by its header and first payload bytes.
func classifyH264(head byte, body []byte) nalKind {
	switch head & 0x1F {
	case 1, h264SliceA, h264SliceB, h264SliceC, h264IDR:
		typ := head & 0x1F
		k := nalKind{class: nalSlice, key: typ == h264IDR}
		// first_mb_in_slice is the first Exp-Golomb code; a leading 1 bit is zero.
		k.first = typ != h264SliceB && typ != h264SliceC && len(body) > 0 && body[0]&0x80 != 0
		return k
	case h264SEI:
		return nalKind{class: nalPrefix}
	case h264SPS, h264PPS:
		return nalKind{class: nalSet}
	case h264AUD:
		return nalKind{class: nalDelimiter}
	case h264EndSeq, h264EndStream:
		return nalKind{class: nalSuffix}
	}
	// Filler (12); SVC and MVC layers (14, 15, 20, 21: Hikvision's SVC mode), whose base layer decodes
	// alone; auxiliary pictures; whatever is reserved.
	return nalKind{class: nalIgnored}
}

// hasRecoveryPoint tells whether an SEI payload (behind the NAL header) holds a recovery point message
// (payloadType 6 in H.264 D.1.8 and in H.265 D.2.8 alike).
func hasRecoveryPoint(b []byte) bool {
	for len(b) >= 2 && b[0] != 0x80 {
		var typ, size int
		if typ, b = seiNumber(b); len(b) == 0 {
			return false
		}
		if typ == 6 {
			return true
		}
		if size, b = seiNumber(b); size > len(b) {
			return false
		}
		b = b[size:]
	}
	return false
}

func seiNumber(b []byte) (int, []byte) {
	n := 0
	for len(b) > 0 {
		c := b[0]
		b = b[1:]
		n += int(c)
		if c != 0xFF {
			break
		}
	}
	return n, b
}
