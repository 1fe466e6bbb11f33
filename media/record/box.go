package record

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The boxes of ISO/IEC 14496-12 that are read here: a size, a type, a body. Whatever is read comes from a
// disk that may be failing or from a stranger, so every size is checked against what holds it.

const (
	boxHeader  = 8
	longHeader = 16
)

var errBox = errors.New("box does not fit into what holds it")

// boxHead is a box's first bytes.
type boxHead struct {
	kind   string
	header int64 // bytes of the header
	size   int64 // of the whole box
}

// parseHead reads the head of a box of which at most room bytes can be there. b has at least eight bytes.
func parseHead(b []byte, room int64) (h boxHead, err error) {
	h = boxHead{kind: string(b[4:8]), header: boxHeader, size: int64(binary.BigEndian.Uint32(b))}
	if h.size == 1 {
		if len(b) < longHeader {
			return h, errBox
		}
		h.header = longHeader
		size := binary.BigEndian.Uint64(b[8:])
		if size > uint64(room) {
			return h, errBox
		}
		h.size = int64(size)
	}
	if h.size < h.header || h.size > room {
		return h, errBox
	}
	return h, nil
}

// eachBox calls f with the boxes in b, one after the other.
func eachBox(b []byte, f func(kind string, body []byte) error) error {
	for len(b) > 0 {
		if len(b) < boxHeader {
			return errBox
		}
		h, err := parseHead(b, int64(len(b)))
		if err != nil {
			return err
		}
		if err := f(h.kind, b[h.header:h.size]); err != nil {
			return fmt.Errorf("%s: %w", h.kind, err)
		}
		b = b[h.size:]
	}
	return nil
}

// cursor reads numbers from a box's body; beyond its end they are 0 and short is set.
type cursor struct {
	b     []byte
	short bool
}

func (c *cursor) take(n int) []byte {
	if n > len(c.b) {
		c.short, c.b = true, nil
		return make([]byte, n) // n is a constant of at most 78 bytes
	}
	taken := c.b[:n]
	c.b = c.b[n:]
	return taken
}

func (c *cursor) u8() uint8   { return c.take(1)[0] }
func (c *cursor) u16() uint16 { return binary.BigEndian.Uint16(c.take(2)) }
func (c *cursor) u32() uint32 { return binary.BigEndian.Uint32(c.take(4)) }
func (c *cursor) u64() uint64 { return binary.BigEndian.Uint64(c.take(8)) }
func (c *cursor) skip(n int)  { c.take(n) }

func (c *cursor) err() error {
	if c.short {
		return errBox
	}
	return nil
}

// openBox appends the head of a box whose size closeBox fills in.
func openBox(b []byte, kind string) (out []byte, at int) {
	return append(append(b, 0, 0, 0, 0), kind...), len(b)
}

func openFullBox(b []byte, kind string, version byte, flags uint32) (out []byte, at int) {
	b, at = openBox(b, kind)
	return binary.BigEndian.AppendUint32(b, uint32(version)<<24|flags), at
}

func closeBox(b []byte, at int) { binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at)) }
