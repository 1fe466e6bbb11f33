package rehearsal

import (
	"bytes"
	"math"
	"slices"
	"time"

	"gbgate/media"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"
)

// maxSteps bounds the time steps kept for the frame rate: two and a half minutes at 25 pictures a second.
const maxSteps = 4096

// videoTrack is what was learned of the video.
type videoTrack struct {
	dts   clock
	first int64 // DTS of the first picture
	prev  int64 // DTS of the picture before
	steps []int64
	codec media.Codec // sniffed
}

func (v *videoTrack) span() time.Duration {
	if !v.dts.set {
		return 0
	}
	return media.Duration(v.dts.value - v.first)
}

// rate is the mean of the time steps, without those over holes.
func (v *videoTrack) rate() float64 {
	if len(v.steps) == 0 {
		return 0
	}
	sorted := slices.Clone(v.steps)
	slices.Sort(sorted)
	limit := 2 * sorted[len(sorted)/2]
	var sum, n int64
	for _, s := range sorted {
		if s < limit {
			sum += s
			n++
		}
	}
	if sum == 0 {
		return 0
	}
	return math.Round(100*media.Clock*float64(n)/float64(sum)) / 100
}

// access is what the NAL units of one access unit tell.
type access struct {
	codec         media.Codec // by a parameter set that parses; CodecNone without one
	width, height int
	key, sets     bool // sets: all parameter sets stand before the first slice
	slices        int
	startCode     bool // it begins with a four-byte start code
}

// picture judges the access unit in a pack's video packets.
func (c *checker) picture(p *pack, packets []pes, f *frame, whole bool) {
	var es []byte
	for _, q := range packets {
		es = append(es, q.payload...)
	}
	told, known := c.announced(videoID), c.video.codec
	if known == media.CodecNone {
		known = told
	}
	a := readAccess(es, known)
	if !a.startCode {
		c.faults.add("annexb", "a picture does not begin with the start code 00 00 00 01")
	}
	if a.codec != media.CodecNone {
		c.sniffed(a, told)
	}
	if !whole || known == media.CodecNone && a.codec == media.CodecNone {
		return
	}
	if a.slices == 0 {
		c.faults.add("slice", "a video frame holds no picture slice")
		return
	}
	c.keyRules(p, a)
	c.count(a, f)
}

// sniffed takes over what a parameter set says.
func (c *checker) sniffed(a access, told media.Codec) {
	if told != a.codec && told != media.CodecNone {
		c.faults.add("sniff", "the program stream map says %v, but the bytes are %v", told, a.codec)
	}
	if c.video.codec != media.CodecNone && c.video.codec != a.codec {
		c.faults.add("codec", "the video changes from %v to %v", c.video.codec, a.codec)
	}
	c.video.codec = a.codec
	c.report.Codec = a.codec.String()
	c.report.Width, c.report.Height = a.width, a.height
}

// keyRules judges what a picture must bring with it; annex C puts the system header and the PSM before a key frame.
func (c *checker) keyRules(p *pack, a access) {
	if c.report.Pictures == 0 && (!a.key || !a.sets) {
		c.faults.add("idr", "the first picture is not an IDR with its parameter sets")
		return
	}
	if !a.key {
		return
	}
	if !a.sets {
		c.faults.add("sets", "a key picture comes without its parameter sets")
	}
	if p.system == nil || p.psm == nil {
		c.faults.add("key-psm", "a key picture's pack has no system header or no program stream map")
	}
}

func (c *checker) count(a access, f *frame) {
	v := &c.video
	if c.report.Pictures == 0 {
		c.report.FirstPicture = f.end
		v.first = v.dts.value
	} else if step := v.dts.value - v.prev; step > 0 && !c.gap && len(v.steps) < maxSteps {
		v.steps = append(v.steps, step)
	}
	c.stretch.picture(v.prev, v.dts.value, a.key, f.end, c.report.Pictures == 0)
	v.prev = v.dts.value
	c.report.Pictures++
	if a.key {
		c.report.KeyPictures++
	}
}

// measure fills in what is computed from the time line.
func (c *checker) measure(r *Report) {
	r.FPS = c.video.rate()
	r.MediaTime = c.video.span()
	if r.Pictures == 0 {
		r.MediaTime = c.audio.span()
	}
	frame := time.Duration(0)
	if r.FPS > 0 {
		frame = time.Duration(float64(time.Second) / r.FPS)
	}
	if whole := r.MediaTime + frame; r.MediaTime > 0 {
		r.BitrateKbps = int(int64(r.Bytes) * 8 * int64(time.Second) / int64(whole) / 1000)
	}
}

// readAccess reads the NAL headers of an access unit; known is the codec so far, for pictures without a
// parameter set, whose headers alone are ambiguous.
func readAccess(es []byte, known media.Codec) access {
	a := access{startCode: bytes.HasPrefix(es, []byte{0, 0, 0, 1})}
	nals := splitNALs(es)
	for _, n := range nals {
		if a.sniff(n) {
			break
		}
	}
	codec := a.codec
	if codec == media.CodecNone {
		codec = known
	}
	var have uint8
	for _, n := range nals {
		set, slice, key := classify(n, codec)
		have |= set
		if !slice {
			continue
		}
		if a.slices == 0 {
			a.sets = have == 7
		}
		a.slices++
		a.key = a.key || key
	}
	return a
}

// sniff takes codec and size from a sequence parameter set.
func (a *access) sniff(n []byte) bool {
	if len(n) < 4 || n[0]&0x80 != 0 {
		return false
	}
	if n[0]&0x1F == byte(h264.NALUTypeSPS) {
		var s h264.SPS
		if s.Unmarshal(n) == nil {
			a.codec, a.width, a.height = media.H264, s.Width(), s.Height()
			return true
		}
	}
	if n[0]>>1 == byte(h265.NALUType_SPS_NUT) && n[1]>>3 == 0 {
		var s h265.SPS
		if s.Unmarshal(n) == nil {
			a.codec, a.width, a.height = media.H265, s.Width(), s.Height()
			return true
		}
	}
	return false
}

// classify tells what a NAL unit is: set has a bit per kind of parameter set, and 7 means all of them.
func classify(n []byte, codec media.Codec) (set uint8, slice, key bool) {
	if len(n) == 0 {
		return 0, false, false
	}
	if codec == media.H264 {
		switch typ := h264.NALUType(n[0] & 0x1F); typ {
		case h264.NALUTypeSPS:
			return 1, false, false
		case h264.NALUTypePPS:
			return 2 | 4, false, false
		case h264.NALUTypeNonIDR, h264.NALUTypeDataPartitionA, h264.NALUTypeIDR:
			return 0, true, typ == h264.NALUTypeIDR
		}
		return 0, false, false
	}
	switch typ := h265.NALUType(n[0] >> 1 & 0x3F); {
	case typ == h265.NALUType_VPS_NUT:
		return 1, false, false
	case typ == h265.NALUType_SPS_NUT:
		return 2, false, false
	case typ == h265.NALUType_PPS_NUT:
		return 4, false, false
	case typ < h265.NALUType_VPS_NUT:
		return 0, true, typ >= h265.NALUType_BLA_W_LP && typ <= h265.NALUType_CRA_NUT
	}
	return 0, false, false
}

// splitNALs cuts an Annex B access unit at its start codes.
func splitNALs(es []byte) [][]byte {
	var out [][]byte
	code := []byte{0, 0, 1}
	for pos := bytes.Index(es, code); pos >= 0; {
		es = es[pos+3:]
		pos = bytes.Index(es, code)
		n := es
		if pos >= 0 {
			n = es[:pos]
		}
		if n = bytes.TrimRight(n, "\x00"); len(n) > 0 {
			out = append(out, n)
		}
	}
	return out
}
