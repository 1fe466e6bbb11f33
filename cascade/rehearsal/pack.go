package rehearsal

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The start codes of a program stream (ISO/IEC 13818-1 table 2-18).
const (
	codeEnd    = 0xB9
	codePack   = 0xBA
	codeSystem = 0xBB
	codeMap    = 0xBC
	codePad    = 0xBE
	codePriv2  = 0xBF
)

// errTruncated says that a pack ends before its own lengths say so.
var errTruncated = errors.New("the bytes end inside it")

// pack is one program stream pack, read to the letter. It is a reader of its own, so that a mistake which the
// gateway's muxer and demuxer have in common is still seen.
type pack struct {
	scr     int64 // 33-bit base, 90 kHz
	scrExt  int
	muxRate int64 // bytes per second
	size    int   // bytes, headers included
	system  *systemHeader
	psm     *programMap
	pes     []pes
	ended   bool // a program end code stands in it
}

type systemHeader struct {
	rateBound int64 // bytes per second
}

type programMap struct {
	current bool
	infoLen int
	crcGood bool
	streams []mapEntry
}

type mapEntry struct {
	streamType, streamID byte
	infoLen              int
}

// pes is one PES packet. pts and dts are -1 when not written.
type pes struct {
	id       byte
	aligned  bool
	pts, dts int64
	payload  []byte
}

// startsPack tells whether b begins with a pack header's start code.
func startsPack(b []byte) bool {
	return len(b) >= 4 && b[0] == 0 && b[1] == 0 && b[2] == 1 && b[3] == codePack
}

// parsePacks reads all packs in b. An error is a clause to follow "the pack", and wraps errTruncated when more
// bytes could have completed it; the packs read until then are returned with it, the broken one last if its header
// was whole.
func parsePacks(b []byte) ([]pack, error) {
	var packs []pack
	for len(b) > 0 {
		if !startsPack(b) {
			return packs, errors.New("does not begin with a pack header")
		}
		var p pack
		n, err := p.parse(b)
		p.size = n
		if n > 0 {
			packs = append(packs, p)
		}
		if err != nil {
			return packs, err
		}
		b = b[n:]
	}
	return packs, nil
}

// parse reads one pack up to the next pack header or the end of b and returns its size.
func (p *pack) parse(b []byte) (int, error) {
	pos, err := p.parseHeader(b)
	if err != nil {
		return pos, err
	}
	for pos < len(b) && !startsPack(b[pos:]) {
		n, err := p.parsePart(b[pos:])
		if err != nil {
			return pos, err
		}
		pos += n
	}
	return pos, nil
}

func (p *pack) parseHeader(b []byte) (int, error) {
	if len(b) < 14 {
		return 0, fmt.Errorf("has no whole pack header: %w", errTruncated)
	}
	h := binary.BigEndian.Uint64(b[4:12])
	const markers = 1<<58 | 1<<42 | 1<<26 | 1<<16
	if h>>62 != 1 || h&markers != markers || b[12]&3 != 3 {
		return 0, errors.New("has a pack header with wrong marker bits")
	}
	p.scr = int64(h>>59&7<<30 | h>>43&0x7FFF<<15 | h>>27&0x7FFF)
	p.scrExt = int(h >> 17 & 0x1FF)
	p.muxRate = 50 * (int64(h&0xFFFF)<<6 | int64(b[12]>>2))
	size := 14 + int(b[13]&7)
	if len(b) < size {
		return 0, fmt.Errorf("has no whole pack header: %w", errTruncated)
	}
	return size, nil
}

// parsePart reads what follows a pack header: one system header, map, PES packet or end code.
func (p *pack) parsePart(b []byte) (int, error) {
	if len(b) < 4 {
		return 0, fmt.Errorf("ends in half a start code: %w", errTruncated)
	}
	if b[0] != 0 || b[1] != 0 || b[2] != 1 || b[3] < codeEnd {
		return 0, fmt.Errorf("has bytes % X where a start code must be: a PES or header length is wrong", b[:4])
	}
	if b[3] == codeEnd {
		p.ended = true
		return 4, nil
	}
	if len(b) < 6 {
		return 0, fmt.Errorf("ends in half a header: %w", errTruncated)
	}
	size := int(binary.BigEndian.Uint16(b[4:6]))
	if size == 0 {
		return 0, fmt.Errorf("has a part %02X of length 0", b[3])
	}
	if len(b) < 6+size {
		return 0, fmt.Errorf("has a part %02X of length %d with only %d bytes left: %w",
			b[3], size, len(b)-6, errTruncated)
	}
	body := b[6 : 6+size]
	var err error
	switch b[3] {
	case codeSystem:
		err = p.parseSystem(body)
	case codeMap:
		err = p.parseMap(b[:6+size])
	case codePad, codePriv2:
	default:
		err = p.parsePES(b[3], body)
	}
	return 6 + size, err
}

func (p *pack) parseSystem(b []byte) error {
	if len(b) < 6 || b[0]&0x80 == 0 || b[2]&1 == 0 {
		return errors.New("has a malformed system header")
	}
	rate := int64(b[0]&0x7F)<<15 | int64(b[1])<<7 | int64(b[2]>>1)
	p.system = &systemHeader{rateBound: 50 * rate}
	return nil
}

// parseMap reads a program stream map, start code included, because the CRC covers it.
func (p *pack) parseMap(b []byte) error {
	malformed := errors.New("has a malformed program stream map")
	if len(b) < 16 {
		return malformed
	}
	m := programMap{current: b[6]&0x80 != 0, infoLen: int(binary.BigEndian.Uint16(b[8:10]))}
	end := len(b) - 4
	pos := 10 + m.infoLen
	if pos+2 > end {
		return malformed
	}
	if pos+2+int(binary.BigEndian.Uint16(b[pos:])) != end {
		return malformed
	}
	for pos += 2; pos < end; {
		if pos+4 > end {
			return malformed
		}
		e := mapEntry{streamType: b[pos], streamID: b[pos+1], infoLen: int(binary.BigEndian.Uint16(b[pos+2:]))}
		m.streams = append(m.streams, e)
		pos += 4 + e.infoLen
	}
	if pos != end {
		return malformed
	}
	m.crcGood = crcMPEG2(b[:end]) == binary.BigEndian.Uint32(b[end:])
	p.psm = &m
	return nil
}

func (p *pack) parsePES(id byte, b []byte) error {
	if len(b) < 3 || b[0]>>6 != 2 {
		return fmt.Errorf("has a malformed PES header (stream %02X)", id)
	}
	q := pes{id: id, aligned: b[0]&4 != 0, pts: -1, dts: -1}
	flags, size := b[1]>>6, int(b[2])
	want := [4]int{0, 0, 5, 10}[flags]
	if flags == 1 || size < want || 3+size > len(b) {
		return fmt.Errorf("has a malformed PES header (stream %02X)", id)
	}
	good := true
	if flags >= 2 {
		q.pts, good = parseStamp(b[3:], flags)
		q.dts = q.pts
	}
	if flags == 3 && good {
		q.dts, good = parseStamp(b[8:], 1)
	}
	if !good {
		return fmt.Errorf("has a PES time stamp with wrong marker bits (stream %02X)", id)
	}
	q.payload = b[3+size:]
	p.pes = append(p.pes, q)
	return nil
}

// parseStamp reads a 33-bit PTS or DTS in its five bytes.
func parseStamp(b []byte, prefix byte) (int64, bool) {
	good := b[0]>>4 == prefix && b[0]&b[2]&b[4]&1 == 1
	return int64(b[0]>>1&7)<<30 | int64(b[1])<<22 | int64(b[2]>>1)<<15 | int64(b[3])<<7 | int64(b[4]>>1), good
}

// crcMPEG2 is the CRC-32 of ISO/IEC 13818-1 annex A: not reflected, no final inversion.
func crcMPEG2(b []byte) uint32 {
	crc := ^uint32(0)
	for _, c := range b {
		crc ^= uint32(c) << 24
		for range 8 {
			if crc&0x80000000 != 0 {
				crc = crc<<1 ^ 0x04C11DB7
			} else {
				crc <<= 1
			}
		}
	}
	return crc
}
