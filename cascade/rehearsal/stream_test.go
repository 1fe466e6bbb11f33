package rehearsal

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// Parameter sets of real encoders.
var (
	sps264 = []byte{
		0x67, 0x64, 0x00, 0x1f, 0xac, 0xd9, 0x40, 0x50, 0x05, 0xbb, 0x01, 0x6c, 0x80, 0x00, 0x00, 0x03,
		0x00, 0x80, 0x00, 0x00, 0x1e, 0x07, 0x8c, 0x18, 0xcb,
	} // 1280x720
	pps264 = []byte{0x68, 0xeb, 0xe3, 0xcb, 0x22, 0xc0}
	vps265 = []byte{0x40, 0x01, 0x0c, 0x01, 0xff, 0xff, 0x01, 0x60, 0x00, 0x00, 0x03}
	sps265 = []byte{
		0x42, 0x01, 0x01, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00, 0x00, 0x03,
		0x00, 0x78, 0xa0, 0x03, 0xc0, 0x80, 0x10, 0xe5, 0x96, 0x66, 0x69, 0x24, 0xca, 0xe0, 0x10, 0x00,
		0x00, 0x03, 0x00, 0x10, 0x00, 0x00, 0x03, 0x01, 0xe0, 0x80,
	} // 1920x1080
	pps265 = []byte{0x44, 0x01, 0xc1, 0x72, 0xb4, 0x62, 0x40}
)

const (
	testSSRC = 200000001
	gopSize  = 25
	tick25   = 3600  // of 25 pictures a second
	epoch    = 90000 // first DTS
)

// unit is one frame to be sent, as the plain rules want it; tests break it before it is written.
type unit struct {
	timestamp uint32
	scr       int64
	pts, dts  int64
	mux       int64 // units of 50 bytes/s
	bound     int64
	system    bool
	types     []byte // stream type, stream id …; nil: no PSM
	id        byte
	es        []byte

	noMarker, notCurrent, badCRC, descriptor, noPTS, noAlign bool
	maxPES                                                   int
	patch                                                    func([]byte) []byte // the finished pack
}

func annexB(nals ...[]byte) []byte {
	var out []byte
	for _, n := range nals {
		out = append(append(out, 0, 0, 0, 1), n...)
	}
	return out
}

// noise is payload without start codes in it.
func noise(head []byte, size int) []byte {
	out := slices.Clone(head)
	for i := range size {
		out = append(out, byte(i%250)+2)
	}
	return out
}

func picture264(key bool, size int) []byte {
	if key {
		return annexB(sps264, pps264, noise([]byte{0x65, 0x88}, size))
	}
	return annexB(noise([]byte{0x41, 0x9a}, size))
}

func picture265(key bool, size int) []byte {
	if key {
		return annexB(vps265, sps265, pps265, noise([]byte{0x26, 0x01}, size))
	}
	return annexB(noise([]byte{0x02, 0x01}, size))
}

// adtsFrame is one AAC-LC frame, 16 kHz mono: 64 ms.
func adtsFrame(size int) []byte {
	n := size + 7
	head := []byte{0xFF, 0xF1, 0x60, 0x40 | byte(n>>11), byte(n >> 3), byte(n<<5) | 0x1F, 0xFC}
	return noise(head, size)
}

// liveUnits is a faultless stream: 25 pictures a second and G.711A or AAC between them.
func liveUnits(pictures int, h265 bool, audioType byte) []*unit {
	types := []byte{0x1B, videoID}
	draw := picture264
	if h265 {
		types[0], draw = 0x24, picture265
	}
	if audioType != 0 {
		types = append(types, audioType, audioID)
	}
	var out []*unit
	sound := int64(epoch + 1000)
	for i := range pictures {
		dts := int64(epoch + i*tick25)
		key := i%gopSize == 0
		size := 3000
		if key {
			size = 20000
		}
		u := newUnit(dts, videoID, draw(key, size))
		if key {
			u.system, u.types = true, types
		}
		out = append(out, u)
		for ; audioType != 0 && sound < dts+tick25; sound += soundTicks(audioType) {
			es := noise(nil, 320)
			if audioType == 0x0F {
				es = adtsFrame(200)
			}
			out = append(out, newUnit(sound, audioID, es))
		}
	}
	return out
}

func soundTicks(audioType byte) int64 {
	if audioType == 0x0F {
		return 1024 * 90000 / 16000
	}
	return 320 * 90000 / 8000
}

func newUnit(dts int64, id byte, es []byte) *unit {
	return &unit{
		timestamp: uint32(dts), scr: dts - 3600, pts: dts, dts: dts, mux: 100_000, bound: 100_000,
		id: id, es: es, maxPES: maxPESPayload,
	}
}

// pack writes the unit's pack.
func (u *unit) pack() []byte {
	b := []byte{0, 0, 1, codePack}
	s := uint64(u.scr)
	h := uint64(1)<<62 | 1<<58 | 1<<42 | 1<<26 | 1<<16 |
		s>>30&7<<59 | s>>15&0x7FFF<<43 | s&0x7FFF<<27 | uint64(u.mux)>>6
	b = binary.BigEndian.AppendUint64(b, h)
	b = append(b, byte(u.mux<<2)|3, 0xF8)
	if u.system {
		b = append(b, systemHeaderBytes(u.bound)...)
	}
	if u.types != nil {
		b = append(b, u.programMapBytes()...)
	}
	for first, es := true, u.es; first || len(es) > 0; first = false {
		n := min(len(es), u.maxPES)
		b = append(b, u.pesBytes(es[:n], first)...)
		es = es[n:]
	}
	if u.patch != nil {
		b = u.patch(b)
	}
	return b
}

func systemHeaderBytes(bound int64) []byte {
	return []byte{
		0, 0, 1, codeSystem, 0, 12, 0x80 | byte(bound>>15), byte(bound >> 7), byte(bound<<1) | 1,
		0x05, 0xE1, 0x7F, 0xE0, 0xE1, 0x90, 0xC0, 0xC0, 0x20,
	}
}

func (u *unit) programMapBytes() []byte {
	var entries []byte
	for i := 0; i < len(u.types); i += 2 {
		entries = append(entries, u.types[i], u.types[i+1], 0, 0)
	}
	var info []byte
	if u.descriptor {
		info = []byte{0x71, 2, 'h', 'i'}
	}
	flags := byte(0xE1)
	if u.notCurrent {
		flags = 0x61
	}
	b := []byte{0, 0, 1, codeMap, 0, byte(6 + len(info) + len(entries) + 4), flags, 0xFF, 0, byte(len(info))}
	b = append(b, info...)
	b = append(b, 0, byte(len(entries)))
	b = append(b, entries...)
	crc := crcMPEG2(b)
	if u.badCRC {
		crc++
	}
	return binary.BigEndian.AppendUint32(b, crc)
}

func (u *unit) pesBytes(es []byte, first bool) []byte {
	var stamps []byte
	flags, align := byte(0), byte(0x80)
	if first && !u.noAlign {
		align = 0x84
	}
	if first && !u.noPTS {
		flags, stamps = 0x80, stamp(0x20, u.pts)
		if u.pts != u.dts {
			flags, stamps = 0xC0, append(stamp(0x30, u.pts), stamp(0x10, u.dts)...)
		}
	}
	b := []byte{0, 0, 1, u.id}
	b = binary.BigEndian.AppendUint16(b, uint16(3+len(stamps)+len(es)))
	b = append(b, align, flags, byte(len(stamps)))
	return append(append(b, stamps...), es...)
}

func stamp(prefix byte, t int64) []byte {
	return []byte{
		prefix | byte(t>>29)&0x0E | 1, byte(t >> 22), byte(t>>14) | 1, byte(t >> 7), byte(t<<1) | 1,
	}
}

// packets cuts the units into RTP packets of at most 1400 bytes of payload.
func packets(units []*unit) [][]byte {
	var out [][]byte
	for _, u := range units {
		b := u.pack()
		for len(b) > 0 {
			n := min(len(b), 1400)
			second := byte(96)
			if n == len(b) && !u.noMarker {
				second |= 0x80
			}
			out = append(out, rtpPacket(uint16(len(out)+1), second, u.timestamp, b[:n]))
			b = b[n:]
		}
	}
	return out
}

func rtpPacket(seq uint16, second byte, timestamp uint32, payload []byte) []byte {
	b := []byte{0x80, second}
	b = binary.BigEndian.AppendUint16(b, seq)
	b = binary.BigEndian.AppendUint32(b, timestamp)
	b = binary.BigEndian.AppendUint32(b, testSSRC)
	return append(b, payload...)
}

// programStream is all packs behind one another.
func programStream(units []*unit) []byte {
	var b bytes.Buffer
	for _, u := range units {
		b.Write(u.pack())
	}
	return b.Bytes()
}
