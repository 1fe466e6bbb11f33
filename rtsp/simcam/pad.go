package simcam

import "gbgate/media"

// keyWeight is how many times the bytes of another picture a key picture gets when a bit
// rate is asked for: about what a camera watching a quiet street sends.
const keyWeight = 10

// padded returns p's NAL units brought up to its share of kbps, with an SEI message in front
// of the picture that decoders skip and no receiver may drop. A picture that is bigger
// already stays as it is.
func padded(clip *Clip, p *Picture, kbps int) [][]byte {
	gopBytes := float64(kbps) * 1000 / 8 * float64(clip.GOP) / clip.Video.FPS
	want := gopBytes / float64(clip.GOP-1+keyWeight)
	if p.Key {
		want *= keyWeight
	}
	size := int(want)
	for _, nalu := range p.NALUs {
		size -= len(nalu)
	}
	if size < seiUUID+seiOverhead {
		return p.NALUs
	}
	at := firstSlice(clip.Video.Codec, p.NALUs)
	out := make([][]byte, 0, len(p.NALUs)+1)
	out = append(out, p.NALUs[:at]...)
	out = append(out, paddingSEI(clip.Video.Codec, size))
	return append(out, p.NALUs[at:]...)
}

const (
	seiUUID     = 16 // the identifier that user data begin with
	seiOverhead = 5  // header, payload type, one length byte, trailing bits
)

// paddingSEI returns a NAL unit of about size bytes: one message user_data_unregistered
// (H.264 D.1.7, H.265 D.2.7) whose bytes need no emulation prevention.
func paddingSEI(codec media.Codec, size int) []byte {
	nalu := make([]byte, 0, size+seiOverhead)
	if codec == media.H264 {
		nalu = append(nalu, 6)
	} else {
		nalu = append(nalu, 39<<1, 1)
	}
	nalu = append(nalu, 5)
	payload := size - seiOverhead - size/0xff
	for n := payload; ; n -= 0xff {
		if n < 0xff {
			nalu = append(nalu, byte(n))
			break
		}
		nalu = append(nalu, 0xff)
	}
	for range payload {
		nalu = append(nalu, 0xa5)
	}
	return append(nalu, 0x80)
}
