package rtpout

import (
	"encoding/binary"
	"sync"
)

// image is one pack as the bytes of its datagrams. The kernel copies one piece faster than the forty of a scattered
// pack, and a further viewer of the same stream needs other headers in it, nothing else. It is made when the second
// viewer comes, so that streams with one do without.
type image struct {
	mu         sync.Mutex
	seen       *[]byte // the pack that was sent last, only compared
	pack       *[]byte // the pack that is in data; nil: none
	holder     Holder  // retained, so that no other pack can have this address
	maxPayload int
	data       []byte
}

// of makes m the image of the pack in z's hand and tells whether it is; m is locked, nothing of the pack is sent.
func (m *image) of(z *packetizer, h Holder) bool {
	pack := &z.bufs[0]
	switch {
	case m.pack == pack && m.maxPayload == z.maxPayload:
		return true
	case m.seen != pack:
		m.seen = pack
		return false
	}
	m.forget()
	h.Retain()
	m.pack, m.holder, m.maxPayload = pack, h, z.maxPayload
	m.data = m.data[:0]
	room := 0 // in the packet
	for _, b := range z.bufs {
		for len(b) > 0 {
			if room == 0 {
				m.data = append(m.data, make([]byte, rtpHeader)...)
				room = z.maxPayload
			}
			n := min(room, len(b))
			m.data = append(m.data, b[:n]...)
			b, room = b[n:], room-n
		}
	}
	return true
}

// forget lets go of the pack.
func (m *image) forget() {
	if m.holder != nil {
		m.holder.Release()
	}
	m.pack, m.seen, m.holder = nil, nil, nil
}

// stamp writes z's headers for n packets.
func (m *image) stamp(z *packetizer, n int) {
	for i := range n {
		b := m.data[i*(rtpHeader+z.maxPayload):]
		b[0], b[1] = 0x80, z.payloadType
		if i == n-1 {
			b[1] |= 0x80
		}
		binary.BigEndian.PutUint16(b[2:], z.seq+uint16(i))
		binary.BigEndian.PutUint32(b[4:], z.ts)
		binary.BigEndian.PutUint32(b[8:], z.ssrc)
	}
}

// sendImage sends the pack in hand, all of it in one burst, by its image if there is one and nobody else uses it.
// false: it is not sent.
func (u *udpLink) sendImage(packets int) bool {
	z := &u.s.z
	if u.holder == nil || packets < 2 || udpPath(u.out.path.Load()) != pathGSO {
		return false
	}
	m := &u.wheel.image
	if !m.mu.TryLock() {
		return false
	}
	defer m.mu.Unlock()
	if !m.of(z, u.holder) {
		return false
	}
	m.stamp(z, packets)
	if u.out.sendFlat(m.data) != 0 {
		return false // the other way knows what to do
	}
	z.seq += uint16(packets)
	z.bufs, z.left = nil, 0
	u.gone(packets, len(m.data))
	return true
}
