package bench

import (
	"encoding/base64"
	"encoding/binary"
	"math/rand/v2"
	"time"

	"golang.org/x/sys/unix"
)

// The synthetic stream: H.264 1080p25 with a key picture every two seconds, cut as a Hikvision
// camera cuts it.
const (
	fps        = 25
	gop        = 50
	interval   = time.Second / fps
	keyWeight  = 8    // a key picture's bytes against another's
	rtpPayload = 1400 // of the camera's packets
	rtpHeader  = 12
	prefix     = 4 // "$", channel, length (RFC 2326 10.12)
	ticks      = 90000 / fps
)

// spsBase64 and ppsBase64 are those of a Hikvision DS-2CD at 1920×1080.
const (
	spsBase64 = "Z00AKpWoHgCJ+WbgICAgQA=="
	ppsBase64 = "aO48gA=="
)

// stamp stands at the end of every picture: a mark and the time its last packet left the camera,
// seven bits a byte, so that there is never a start code in it.
const (
	stampMark = "\xB7\xE3\x91\xD5"
	stampSize = len(stampMark) + 10
)

func putStamp(b []byte, t int64) {
	copy(b, stampMark)
	for i := len(stampMark); i < stampSize; i++ {
		b[i] = 0x80 | byte(t)&0x7F
		t >>= 7
	}
}

// readStamp finds the time at the end of b.
func readStamp(b []byte) (int64, bool) {
	if len(b) < stampSize {
		return 0, false
	}
	b = b[len(b)-stampSize:]
	if string(b[:len(stampMark)]) != stampMark {
		return 0, false
	}
	var t int64
	for i := stampSize - 1; i >= len(stampMark); i-- {
		t = t<<7 | int64(b[i]&0x7F)
	}
	return t, true
}

// monotonic is the machine's monotonic clock in nanoseconds: the same in every process.
func monotonic() int64 { return clock(unix.CLOCK_MONOTONIC) }

func clock(id int32) int64 {
	var t unix.Timespec
	_ = unix.ClockGettime(id, &t)
	return t.Nano()
}

// picture is one access unit as interleaved frames, sequence numbers and timestamps left to fill in.
type picture struct {
	wire    []byte
	packets []int // where each frame begins
}

// makeGOP returns the pictures of two seconds at kbps.
func makeGOP(kbps int) []picture {
	random := rand.NewChaCha8([32]byte{'b', 'e', 'n', 'c', 'h'})
	ordinary := kbps * 1000 / 8 * gop / fps / (gop - 1 + keyWeight)
	pictures := make([]picture, gop)
	for i := range pictures {
		p := &pictures[i]
		head, size := []byte{0x41, 0x9A}, ordinary
		if i == 0 {
			head, size = []byte{0x65, 0x88}, ordinary*keyWeight
			sps, _ := base64.StdEncoding.DecodeString(spsBase64)
			pps, _ := base64.StdEncoding.DecodeString(ppsBase64)
			p.add(sps, false)
			p.add(pps, false)
		}
		nal := make([]byte, max(size, 64))
		_, _ = random.Read(nal)
		for j, c := range nal {
			if c == 0 {
				nal[j] = 0x55 // so that no emulation prevention is needed
			}
		}
		copy(nal, head)
		putStamp(nal[len(nal)-stampSize:], 0)
		p.slice(nal)
	}
	return pictures
}

// slice adds a NAL unit in as many FU-A packets as it takes (RFC 6184 5.8).
func (p *picture) slice(nal []byte) {
	if len(nal) <= rtpPayload {
		p.add(nal, true)
		return
	}
	head, body := nal[0], nal[1:]
	for start := byte(0x80); len(body) > 0; start = 0 {
		n := min(len(body), rtpPayload-2)
		end := byte(0)
		if len(body)-n < stampSize {
			n = len(body)
		}
		if n == len(body) {
			end = 0x40
		}
		p.add(append([]byte{head&0xE0 | 28, start | end | head&0x1F}, body[:n]...), end != 0)
		body = body[n:]
	}
}

func (p *picture) add(payload []byte, marker bool) {
	p.packets = append(p.packets, len(p.wire))
	p.wire = append(p.wire, '$', 0)
	p.wire = binary.BigEndian.AppendUint16(p.wire, uint16(rtpHeader+len(payload)))
	kind := byte(96)
	if marker {
		kind |= 0x80
	}
	p.wire = append(p.wire, 0x80, kind, 0, 0, 0, 0, 0, 0, 0xCA, 0xFE, 0xBA, 0xBE)
	p.wire = append(p.wire, payload...)
}

// number fills in a copy of the picture and returns the next sequence number.
func (p *picture) number(wire []byte, seq uint16, ts uint32) uint16 {
	for _, at := range p.packets {
		binary.BigEndian.PutUint16(wire[at+prefix+2:], seq)
		binary.BigEndian.PutUint32(wire[at+prefix+4:], ts)
		seq++
	}
	return seq
}
