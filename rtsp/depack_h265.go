package rtsp

// H.265 NAL unit types (ITU-T H.265 table 7-1) and RTP packet types (RFC 7798 4.4).
const (
	h265LastTrailing = 9  // RASL_R
	h265FirstIRAP    = 16 // BLA_W_LP
	h265LastIRAP     = 21 // CRA_NUT
	h265VPS          = 32
	h265SPS          = 33
	h265PPS          = 34
	h265AUD          = 35
	h265EndSeq       = 36
	h265EndStream    = 37
	h265PrefixSEI    = 39
	h265SuffixSEI    = 40
	h265AP           = 48
	h265FU           = 49
)

func h265Type(head byte) byte { return head >> 1 & 0x3F }

// depackH265 hands the NAL units of one RTP payload to the picture (RFC 7798 4.4.1 to 4.4.3). Decoding
// order numbers (sprop-max-don-diff > 0) are not read: no camera sends them. OpenIPC sets both S and E on
// a NAL unit that fits one fragmentation unit; fragment takes that as a whole one.
func depackH265(v *video, b []byte) bool {
	if len(b) < 3 {
		return false
	}
	switch typ := h265Type(b[0]); {
	case typ == h265AP:
		return depackAggregate(v, b[2:])
	case typ == h265FU:
		if len(b) < 4 {
			return false
		}
		fu := b[2]
		return v.fragment(fu&0x80 != 0, fu&0x40 != 0, [2]byte{b[0]&0x81 | fu&0x3F<<1, b[1]}, b[3:])
	case typ > h265FU:
		return false
	case b[0] == 0 && b[1] == 0: // no NAL unit has temporal id 0 plus 1 = 0
		v.pieces(b)
		return true
	}
	v.whole(b)
	return true
}

// classifyH265 sorts a NAL unit by its header and first payload bytes.
func classifyH265(head, head2 byte, body []byte) nalKind {
	typ := h265Type(head)
	if layer := head&1<<5 | head2>>3; layer != 0 {
		return nalKind{class: nalIgnored} // scalable and multiview layers: the base decodes alone
	}
	switch {
	case typ <= h265LastTrailing, typ >= h265FirstIRAP && typ <= h265LastIRAP:
		// first_slice_segment_in_pic_flag is the first bit of every slice segment header.
		return nalKind{class: nalSlice, key: typ >= h265FirstIRAP, first: len(body) > 0 && body[0]&0x80 != 0}
	case typ == h265VPS, typ == h265SPS, typ == h265PPS:
		return nalKind{class: nalSet}
	case typ == h265AUD:
		return nalKind{class: nalDelimiter}
	case typ == h265PrefixSEI:
		return nalKind{class: nalPrefix}
	case typ == h265SuffixSEI, typ == h265EndSeq, typ == h265EndStream:
		return nalKind{class: nalSuffix}
	}
	return nalKind{class: nalIgnored} // filler (38), reserved and unspecified ones
}
