package rtpout

import "encoding/binary"

const (
	rtpHeader = 12
	// maxTies is how many ticks a timestamp may be moved to make it differ from the one before.
	maxTies = 8
)

// packetizer cuts packs into RTP packets (RFC 3550 5.1). It copies nothing: a packet is a header
// followed by slices of the pack.
type packetizer struct {
	ssrc        uint32
	payloadType byte
	maxPayload  int
	framing     int // bytes in front of each packet: 0, 2 (RFC 4571) or 4 ("$", RFC 2326 10.12)
	seq         uint16
	ts          uint32
	started     bool

	// The rest of the pack in hand.
	bufs [][]byte
	off  int // into bufs[0]
	left int

	// The chunk: pieces of packet i end before pieces[ends[i]].
	heads  []byte
	pieces [][]byte
	ends   []int
	size   int // bytes in all
}

// open makes z ready for chunks of at most batch packets. The first sequence number is 1: one superior insists on it
// and none minds.
func (z *packetizer) open(cfg *Config, batch int) {
	z.ssrc, z.payloadType, z.maxPayload, z.seq = cfg.SSRC, cfg.PayloadType, cfg.MaxPayload, 1
	z.pieces, z.ends = make([][]byte, 0, 4*batch), make([]int, 0, batch)
	switch {
	case cfg.Transport == UDP:
	case cfg.Interleaved:
		z.framing = 4
	default:
		z.framing = 2
	}
	z.heads = make([]byte, 0, batch*z.headSize())
}

func (z *packetizer) headSize() int { return z.framing + rtpHeader }

// begin takes the next pack and returns how many packets it makes. A timestamp that is not after the
// one before is moved a tick on: ZLMediaKit takes packs of one timestamp for one frame.
func (z *packetizer) begin(ts uint32, bufs [][]byte) int {
	if ahead := int32(ts - z.ts); z.started && ahead <= 0 && ahead > -maxTies {
		ts = z.ts + 1
	}
	z.ts, z.started = ts, true
	z.bufs, z.off, z.left = bufs, 0, 0
	for _, b := range bufs {
		z.left += len(b)
	}
	return z.packets()
}

// packets returns how many packets the rest of the pack makes.
func (z *packetizer) packets() int { return (z.left + z.maxPayload - 1) / z.maxPayload }

// skip leaves out the rest of the pack. Its sequence numbers are used up, so that the receiver sees
// a loss and waits for the next key picture.
func (z *packetizer) skip() {
	z.seq += uint16(z.packets())
	z.bufs, z.left = nil, 0
}

// next makes the next chunk of up to n packets.
func (z *packetizer) next(n int) {
	z.heads, z.pieces, z.ends, z.size = z.heads[:0], z.pieces[:0], z.ends[:0], 0
	for range n {
		if z.left == 0 {
			break
		}
		size := min(z.left, z.maxPayload)
		z.left -= size
		z.header(size)
		for size > 0 {
			piece := z.bufs[0][z.off:]
			if len(piece) > size {
				piece = piece[:size]
				z.off += size
			} else {
				z.bufs, z.off = z.bufs[1:], 0
			}
			if len(piece) > 0 {
				z.pieces = append(z.pieces, piece)
			}
			size -= len(piece)
			z.size += len(piece)
		}
		z.ends = append(z.ends, len(z.pieces))
	}
}

// header adds the header of a packet with size bytes of payload.
func (z *packetizer) header(size int) {
	start := len(z.heads)
	switch z.framing {
	case 2:
		z.heads = binary.BigEndian.AppendUint16(z.heads, uint16(rtpHeader+size))
	case 4:
		z.heads = append(z.heads, '$', 0)
		z.heads = binary.BigEndian.AppendUint16(z.heads, uint16(rtpHeader+size))
	}
	marker := byte(0)
	if z.left == 0 {
		marker = 0x80
	}
	z.heads = append(z.heads, 0x80, marker|z.payloadType)
	z.heads = binary.BigEndian.AppendUint16(z.heads, z.seq)
	z.heads = binary.BigEndian.AppendUint32(z.heads, z.ts)
	z.heads = binary.BigEndian.AppendUint32(z.heads, z.ssrc)
	z.seq++
	z.pieces = append(z.pieces, z.heads[start:])
	z.size += len(z.heads) - start
}
