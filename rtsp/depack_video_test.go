package rtsp

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"gbgate/media"
)

// single makes one RTP packet per NAL unit (as if the MTU were endless), marker on the last.
func (c *encoding) single() []packet {
	var out []packet
	for i, u := range c.units {
		for j, nal := range u.nals {
			out = append(out, packet{
				Payload: nal, Marker: j == len(u.nals)-1, Timestamp: uint32(u.pts),
				Arrived: start.Add(time.Duration(i) * 40 * time.Millisecond),
			})
		}
	}
	return renumber(out)
}

// joined makes one RTP packet per access unit, its NAL units joined by start codes.
func (c *encoding) joined(code []byte) []packet {
	var out []packet
	for i, u := range c.units {
		out = append(out, packet{
			Payload: bytes.Join(u.nals, code), Marker: true, Timestamp: uint32(u.pts),
			Arrived: start.Add(time.Duration(i) * 40 * time.Millisecond),
		})
	}
	return renumber(out)
}

// TestPayloadQuirks sends the same pictures in the ways that cameras are known to bend them.
func TestPayloadQuirks(t *testing.T) {
	eachPacket := func(change func(p *packet)) func(encoding) []packet {
		return func(c encoding) []packet {
			pkts := c.single()
			for i := range pkts {
				change(&pkts[i])
			}
			return pkts
		}
	}
	insert := func(extra func(codec media.Codec) []byte) func(encoding) []packet {
		return func(c encoding) []packet {
			var out []packet
			for _, p := range c.single() {
				e := p
				e.Payload, e.Marker = extra(c.codec), false
				out = append(out, e, p)
				if kindOfNAL(c.codec, p.Payload).class == nalSlice {
					// not between the slices of a picture, where only filler may stand
					out = slices.Delete(out, len(out)-2, len(out)-1)
				}
			}
			return renumber(out)
		}
	}
	tests := []struct {
		name string
		make func(c encoding) []packet
		lack int // pictures that are not known to be whole at the end
	}{
		{"one packet per NAL unit", eachPacket(func(*packet) {}), 0},
		{"no marker (go2rtc#675)", eachPacket(func(p *packet) { p.Marker = false }), 0},
		{"no marker, timestamps stand still", eachPacket(func(p *packet) { p.Marker, p.Timestamp = false, 7 }), 0},
		{"timestamps stand still", eachPacket(func(p *packet) { p.Timestamp = 7 }), 0},
		{"joined by 4-byte start codes (WebRTC#391)", func(c encoding) []packet { return c.joined([]byte{0, 0, 0, 1}) }, 0},
		{"joined by 3-byte start codes (Amatek)", func(c encoding) []packet { return c.joined([]byte{0, 0, 1}) }, 0},
		{"start code in front (Xiongmai)", eachPacket(func(p *packet) {
			p.Payload = append([]byte{0, 0, 0, 1}, p.Payload...)
		}), 0},
		{"filler between slices", func(c encoding) []packet {
			var out []packet
			for _, p := range c.single() {
				e := p
				e.Payload, e.Marker = map[media.Codec][]byte{
					media.H264: {12, 0xFF, 0x80}, media.H265: {38 << 1, 1, 0xFF, 0x80},
				}[c.codec], false
				out = append(out, e, p)
			}
			return renumber(out)
		}, 0},
		{"delimiters", insert(func(codec media.Codec) []byte {
			return map[media.Codec][]byte{media.H264: {9, 0xF0}, media.H265: {35 << 1, 1, 0x50}}[codec]
		}), 0},
		{"layers above the base", insert(func(codec media.Codec) []byte {
			return map[media.Codec][]byte{
				media.H264: {0x74, 0x80, 0, 0}, media.H265: {19 << 1, 1<<3 | 1, 0x80, 0, 0},
			}[codec]
		}), 0},
		{"whole NAL units as one fragment, S and E set (OpenIPC)", func(c encoding) []packet {
			out := c.single()
			for i := range out {
				out[i].Payload = fragments(c.codec, out[i].Payload, 1<<20, 0x80|0x40, 0, 0x40)[0]
			}
			return out
		}, 0},
		{"end flags missing (Uniview)", func(c encoding) []packet {
			var out []packet
			for _, p := range c.single() {
				for _, b := range fragments(c.codec, p.Payload, 500, 0x80, 0, 0) {
					f := p
					f.Payload, f.Marker = b, false
					out = append(out, f)
				}
			}
			return renumber(out)
		}, 1},
	}
	for _, test := range tests {
		for _, name := range []string{"h264", "h264-slices", "h265", "h265-slices"} {
			t.Run(test.name+"/"+name, func(t *testing.T) {
				clip := loadClip(t, name)
				c := collect(clip.codec, nil, audioFormat{}).feed(test.make(clip))
				c.close()
				c.compareUnits(t, clip, span(0, len(clip.units)-test.lack))
				c.checkOrder(t)
			})
		}
	}
}

// fragments cuts a NAL unit into FU packets with these flags on the first, the middle and the last.
func fragments(codec media.Codec, nal []byte, size int, first, middle, last byte) [][]byte {
	n := 1
	head := []byte{nal[0]&0xE0 | h264FUA, nal[0] & 0x1F}
	if codec == media.H265 {
		n = 2
		head = []byte{nal[0]&0x81 | h265FU<<1, nal[1], h265Type(nal[0])}
	}
	var out [][]byte
	body := nal[n:]
	for at := 0; at < len(body); at += size {
		b := append(bytes.Clone(head), body[at:min(at+size, len(body))]...)
		switch {
		case at == 0:
			b[n] |= first
		case at+size >= len(body):
			b[n] |= last
		default:
			b[n] |= middle
		}
		out = append(out, b)
	}
	return out
}
