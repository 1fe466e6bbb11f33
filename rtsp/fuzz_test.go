package rtsp

import (
	"bytes"
	"testing"
	"time"

	"gbgate/media"
)

// The fuzz input is a list of packets: flags, length (two bytes), payload.
const (
	fuzzMarker    = 1 << iota // the marker bit is set
	fuzzTimestamp             // the timestamp goes on by 40 ms
	fuzzLoss                  // a packet is missing in front
	fuzzBreak                 // discontinuity in front
	fuzzSwap                  // the packet comes one too early (UDP)
	fuzzJump                  // the timestamp jumps
)

// fuzzPackets reads a fuzz input.
func fuzzPackets(b []byte, each func(flags byte, p *packet)) {
	var p packet
	p.Arrived = start
	for len(b) >= 3 {
		flags, size := b[0], int(b[1])<<8|int(b[2])
		b = b[3:]
		size = min(size, len(b))
		if flags&fuzzTimestamp != 0 {
			p.Timestamp += 3600
			p.Arrived = p.Arrived.Add(40 * time.Millisecond)
		}
		if flags&fuzzJump != 0 {
			p.Timestamp += 1 << 29
		}
		if flags&fuzzLoss != 0 {
			p.Seq++
		}
		if flags&fuzzSwap != 0 {
			p.Seq += 2
		}
		p.Marker = flags&fuzzMarker != 0
		p.Payload = b[:size]
		each(flags, &p)
		if flags&fuzzSwap != 0 {
			p.Seq -= 2
		}
		p.Seq++
		b = b[size:]
	}
}

// fuzzSeed writes packets as a fuzz input.
func fuzzSeed(pkts []packet) []byte {
	var b []byte
	for i, p := range pkts {
		flags := byte(0)
		if p.Marker {
			flags |= fuzzMarker
		}
		if i > 0 && p.Timestamp != pkts[i-1].Timestamp {
			flags |= fuzzTimestamp
		}
		b = append(b, flags, byte(len(p.Payload)>>8), byte(len(p.Payload)))
		b = append(b, p.Payload...)
	}
	return b
}

// fuzzVideo checks what holds for whatever a camera sends.
func fuzzVideo(f *testing.F, codec media.Codec, sets paramSets) {
	f.Fuzz(func(t *testing.T, udp bool, b []byte) {
		var now time.Time
		last := int64(-1)
		a := newAssembler(codec, sets, audioFormat{}, func(u *media.Unit) {
			defer u.Release()
			if u.DTS <= last || u.PTS < u.DTS {
				t.Fatalf("PTS %d DTS %d after DTS %d", u.PTS, u.DTS, last)
			}
			if last < 0 && !u.Key {
				t.Fatal("begins with an ordinary picture")
			}
			last = u.DTS
			if !bytes.HasPrefix(u.Data, startCode[:]) || len(u.Data) > maxUnitSize+maxSets*maxSetSize {
				t.Fatalf("unit of %d bytes: % x", len(u.Data), u.Data[:min(8, len(u.Data))])
			}
			if kind := kindOfNAL(codec, append(bytes.Clone(u.Data[4:]), 0, 0)); u.Key && kind.class != nalSet {
				t.Fatal("a key picture without parameter sets in front")
			}
			if u.Arrived.After(now) || u.Desc == nil || u.Desc.Video.Codec != codec {
				t.Fatalf("arrived %v, description %+v", u.Arrived, u.Desc)
			}
		}, nil)
		a.reorder = udp
		fuzzPackets(b, func(flags byte, p *packet) {
			if flags&fuzzBreak != 0 {
				a.discontinuity()
			}
			now = p.Arrived
			a.video(p)
		})
		a.close()
		if a.pictures.unit != nil {
			t.Fatal("a unit was kept")
		}
	})
}

// The fuzz targets' parameter sets, as x264 and x265 wrote them for 320x240 with B-frames.
var (
	fuzzSetsH264 = paramSets{
		[]byte("\x67\x64\x00\x0d\xac\xd9\x41\x41\xfb\x01\x10\x00\x00\x03\x00\x10\x00\x00\x03\x03" +
			"\x20\xf1\x42\x99\x60"),
		[]byte("\x68\xef\x8f\xcb"),
	}
	fuzzSetsH265 = paramSets{
		[]byte("\x40\x01\x0c\x01\xff\xff\x01\x60\x00\x00\x03\x00\x90\x00\x00\x03\x00\x00\x03\x00" +
			"\x3c\x95\x98\x09"),
		[]byte("\x42\x01\x01\x01\x60\x00\x00\x03\x00\x90\x00\x00\x03\x00\x00\x03\x00\x3c\xa0\x0a" +
			"\x08\x0f\x16\x59\x59\xa4\x93\x2b\xc0\x5a\x02\x00\x00\x03\x00\x02\x00\x00\x03\x00\x32\x10"),
		[]byte("\x44\x01\xc1\x72\xb4\x62\x40"),
	}
)

func FuzzH264(f *testing.F) {
	slice := func(b ...byte) packet { return packet{Payload: b} }
	f.Add(false, fuzzSeed([]packet{slice(0x65, 0x88, 1), slice(0x41, 0x9A, 2), slice(0x41, 0x40, 2)}))
	f.Add(true, fuzzSeed([]packet{slice(0x7C, 0x85, 0x88, 1), slice(0x7C, 0x05, 3), slice(0x7C, 0x45, 4)}))
	f.Add(false, fuzzSeed([]packet{slice(24, 0, 2, 0x68, 0xCB, 0, 3, 0x65, 0x88, 1), slice(0, 0, 0, 1, 0x65, 0x88)}))
	fuzzVideo(f, media.H264, fuzzSetsH264)
}

func FuzzH265(f *testing.F) {
	slice := func(b ...byte) packet { return packet{Payload: b} }
	f.Add(false, fuzzSeed([]packet{slice(0x26, 1, 0xAF, 1), slice(0x02, 1, 0xD0, 2), slice(0x02, 1, 0x40, 2)}))
	f.Add(true, fuzzSeed([]packet{slice(0x62, 1, 0x93, 0xAF, 1), slice(0x62, 1, 0x13, 3), slice(0x62, 1, 0x53, 4)}))
	f.Add(false, fuzzSeed([]packet{slice(0x60, 1, 0, 3, 0x44, 1, 0xC0, 0, 4, 0x26, 1, 0xAF, 9)}))
	fuzzVideo(f, media.H265, fuzzSetsH265)
}

func FuzzAAC(f *testing.F) {
	f.Add(uint8(0), fuzzSeed([]packet{{Payload: hbr([]int{3, 2}, []byte{1, 2, 3, 4, 5}), Marker: true}}))
	f.Add(uint8(0), fuzzSeed([]packet{{Payload: hbr([]int{9}, []byte{1, 2, 3})}, {Payload: hbr([]int{9}, []byte{1})}}))
	f.Add(uint8(0), []byte{1, 0, 9, 0xFF, 0xF1, 0x60, 0x40, 1, 0x3F, 0xFC, 1, 2})
	f.Add(uint8(1), []byte{1, 0, 5, 3, 1, 2, 3, 4})
	f.Add(uint8(2), []byte{1, 0, 9, 0x40, 0x00, 0x28, 0x10, 0x3F, 0xC0, 0, 0x80, 1})
	f.Fuzz(func(t *testing.T, mode uint8, b []byte) {
		format := aacFormat()
		switch mode % 4 {
		case 1:
			format.LATM, format.Config = true, []byte{0x40, 0x00, 0x28, 0x10, 0x3F, 0xC0}
		case 2:
			format.LATM, format.Config = true, nil
		case 3:
			format.SizeLength, format.IndexLength, format.IndexDeltaLength = 6, 2, 2
		}
		last := int64(-1)
		a := newAssembler(media.CodecNone, nil, format, func(u *media.Unit) {
			defer u.Release()
			if u.DTS <= last || u.PTS != u.DTS {
				t.Fatalf("PTS %d DTS %d after DTS %d", u.PTS, u.DTS, last)
			}
			last = u.DTS
			d := u.Data
			if size := int(d[3]&3)<<11 | int(d[4])<<3 | int(d[5])>>5; d[0] != 0xFF || size != len(d) {
				t.Fatalf("not an ADTS frame: % x", d[:min(8, len(d))])
			}
		}, nil)
		fuzzPackets(b, func(flags byte, p *packet) {
			if flags&fuzzBreak != 0 {
				a.discontinuity()
			}
			a.audio(p)
		})
		a.close()
	})
}

// TestFuzzSeedsDecode: the seeds reach as far as they should.
func TestFuzzSeedsDecode(t *testing.T) {
	for codec, sets := range map[media.Codec]paramSets{media.H264: fuzzSetsH264, media.H265: fuzzSetsH265} {
		want := media.Track{Codec: codec, Width: 320, Height: 240, FPS: 25}
		if s := newSetStore(codec, sets); !s.ready() || s.track != want || s.reorder != 2 {
			t.Errorf("%v: ready %v, %+v, reorder %d", codec, s.ready(), s.track, s.reorder)
		}
	}
}
