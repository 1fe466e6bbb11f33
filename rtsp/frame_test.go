package rtsp

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/format/rtph264"
	"github.com/bluenviron/gortsplib/v4/pkg/format/rtph265"
	"github.com/pion/rtp"

	"gbgate/media"
)

// TestPicturesMatchClip sends what FFmpeg encoded through gortsplib's packetiser, and compares the units
// with the encoder's access units, the times with the ones FFmpeg's muxer knows, and the access units with
// those of gortsplib's own depacketiser.
func TestPicturesMatchClip(t *testing.T) {
	for name := range clipArgs {
		if name == "h264-refresh" || name == "h264-open-gop" {
			continue // key pictures without IDR: see TestRecoveryPoint
		}
		clip := loadClip(t, name)
		for _, mtu := range []int{100, 1000, 1450, 9000} {
			t.Run(fmt.Sprintf("%s/%d", name, mtu), func(t *testing.T) {
				pkts := clip.packetise(t, mtu)
				c := collect(clip.codec, nil, audioFormat{}).feed(pkts)
				c.close()
				c.compareUnits(t, clip, span(0, len(clip.units)))
				c.compareTimes(t, clip)
				compareWithGortsplib(t, clip, pkts, c.units)
				if c.stats.Dropped != 0 || c.stats.Lost != 0 || c.stats.Malformed != 0 {
					t.Errorf("stats %+v", c.stats)
				}
			})
		}
	}
}

// compareTimes checks the units' times, which begin with the first PTS, against the muxer's.
func (c *collector) compareTimes(t *testing.T, clip encoding) {
	t.Helper()
	base := c.units[0].pts
	for i, g := range c.units {
		w := clip.units[i]
		if g.pts-base != w.pts || g.dts-base != w.dts {
			t.Fatalf("unit %d: pts %d dts %d, want %d %d", i, g.pts-base, g.dts-base, w.pts, w.dts)
		}
	}
}

// compareWithGortsplib joins the same packets with gortsplib's depacketiser.
func compareWithGortsplib(t *testing.T, clip encoding, pkts []packet, units []got) {
	t.Helper()
	decode := gortsplibDecoder(t, clip.codec)
	n := 0
	for _, p := range pkts {
		au, err := decode(&rtp.Packet{
			Header: rtp.Header{
				Version: 2, Marker: p.Marker, SequenceNumber: p.Seq, Timestamp: p.Timestamp,
			},
			Payload: p.Payload,
		})
		if err != nil {
			continue // it needs more packets
		}
		if want := clip.want(clipUnit{nals: au}); n >= len(units) || !bytes.Equal(units[n].data, want) {
			t.Fatalf("access unit %d is not gortsplib's", n)
		}
		n++
	}
	if n != len(units) {
		t.Errorf("gortsplib has %d access units, we have %d", n, len(units))
	}
}

func gortsplibDecoder(t *testing.T, codec media.Codec) func(*rtp.Packet) ([][]byte, error) {
	t.Helper()
	if codec == media.H265 {
		d := &rtph265.Decoder{}
		if err := d.Init(); err != nil {
			t.Fatal(err)
		}
		return d.Decode
	}
	d := &rtph264.Decoder{PacketizationMode: 1}
	if err := d.Init(); err != nil {
		t.Fatal(err)
	}
	return d.Decode
}

// checkOrder checks what every reader relies on.
func (c *collector) checkOrder(t *testing.T) {
	t.Helper()
	last := map[bool]int64{}
	for i, g := range c.units {
		video := g.codec.IsVideo()
		if before, ok := last[video]; ok && g.dts <= before {
			t.Errorf("unit %d: DTS %d after %d", i, g.dts, before)
		}
		if g.pts < g.dts || g.dts < 0 {
			t.Errorf("unit %d: PTS %d, DTS %d", i, g.pts, g.dts)
		}
		last[video] = g.dts
	}
}

// TestMarkerOnParameterSets is Tapo TC70 and Reolink Duo 2: every NAL unit of a key picture is marked.
// The pictures come out whole and at once, not with the next one.
func TestMarkerOnParameterSets(t *testing.T) {
	for _, name := range []string{"h264", "h265"} {
		clip := loadClip(t, name)
		pkts := clip.single()
		c := collect(clip.codec, nil, audioFormat{})
		pictures := 0
		for i := range pkts {
			pkts[i].Marker = true
			c.feed(pkts[i : i+1])
			if kindOfNAL(clip.codec, pkts[i].Payload).class == nalSlice {
				pictures++
			}
			if len(c.units) != pictures {
				t.Fatalf("%s: %d units after %d slices", name, len(c.units), pictures)
			}
		}
		c.compareUnits(t, clip, span(0, len(clip.units)))
	}
}

// TestMarkerOnEverySlice: the first picture of such a camera comes in two units, all others in one, and
// no byte is missing.
func TestMarkerOnEverySlice(t *testing.T) {
	for _, name := range []string{"h264-slices", "h265-slices"} {
		clip := loadClip(t, name)
		pkts := clip.single()
		for i := range pkts {
			pkts[i].Marker = true
		}
		c := collect(clip.codec, nil, audioFormat{}).feed(pkts)
		c.close()
		c.checkOrder(t)
		if len(c.units) < 2 || !c.units[0].key || c.units[1].key {
			t.Fatalf("%s: begins with %d units", name, len(c.units))
		}
		c.units[0].data = append(c.units[0].data, c.units[1].data...)
		c.units = slices.Delete(c.units, 1, 2)
		c.compareUnits(t, clip, span(0, len(clip.units)))
	}
}

// TestLoss takes packets out: the picture with the hole and all up to the next key picture are missing.
func TestLoss(t *testing.T) {
	for _, name := range []string{"h264", "h264-slices", "h265-slices", "h265-b"} {
		clip := loadClip(t, name)
		all := clip.packetise(t, 400)
		first := func(picture int) int { // its first packet
			ts := uint32(clip.units[picture].pts) + 4_294_900_000
			return slices.IndexFunc(all, func(p packet) bool { return p.Timestamp == ts })
		}
		key := 6 + slices.IndexFunc(clip.units[6:], func(u clipUnit) bool { return u.key })
		tests := []struct {
			what     string
			from, to int // packets that are lost
			broken   int // the first picture with a hole
		}{
			{"start of a picture", first(5), first(5) + 1, 5},
			{"end of a picture", first(6) - 1, first(6), 5},
			{"end of one, start of the next", first(6) - 1, first(6) + 1, 5},
			{"a whole picture", first(5), first(6), 5},
			{"inside a key picture", first(key+1) - 2, first(key+1) - 1, key},
			{"end of a key picture", first(key+1) - 1, first(key + 1), key},
		}
		for _, test := range tests {
			t.Run(name+"/"+test.what, func(t *testing.T) {
				next := test.broken + 1
				next += slices.IndexFunc(clip.units[next:], func(u clipUnit) bool { return u.key })
				want := append(span(0, test.broken), span(next, len(clip.units))...)
				c := collect(clip.codec, nil, audioFormat{})
				c.feed(all[:test.from]).feed(all[test.to:])
				c.compareUnits(t, clip, want)
				c.checkOrder(t)
				if got, want := c.stats.Lost, uint64(test.to-test.from); got != want {
					t.Errorf("lost %d packets, want %d", got, want)
				}
				// A picture of which nothing came is not counted.
				missing := uint64(len(clip.units) - len(want))
				if d := c.stats.Dropped; d != missing && d != missing-1 {
					t.Errorf("dropped %d pictures, want %d", d, missing)
				}
			})
		}
	}
}

// TestStartBehindKeyPicture: a camera that is joined in the middle of a group.
func TestStartBehindKeyPicture(t *testing.T) {
	clip := loadClip(t, "h264-b")
	pkts := clip.packetise(t, 1000)
	ts := uint32(clip.units[3].pts) + 4_294_900_000
	from := slices.IndexFunc(pkts, func(p packet) bool { return p.Timestamp == ts })
	c := collect(clip.codec, nil, audioFormat{}).feed(pkts[from:])
	c.compareUnits(t, clip, span(25, 75))
	if want := uint64(22); c.stats.Dropped != want {
		t.Errorf("dropped %d, want %d", c.stats.Dropped, want)
	}
}

func renumberFrom(pkts []packet, from int) []packet {
	for i := range pkts {
		pkts[i].Seq = uint16(from + i)
	}
	return pkts
}

// TestLimits feeds what never ends.
func TestLimits(t *testing.T) {
	clip := loadClip(t, "h264")
	whole := clip.single()
	big := make([]byte, 60_000)
	for i := range big {
		big[i] = 0xAB
	}
	tests := []struct {
		name string
		pkt  func(i int) packet
		n    int
	}{
		{"endless slice", func(i int) packet {
			head := []byte{0x60 | h264FUA, h264IDR}
			if i == 0 {
				head[1] |= 0x80
			}
			return packet{Payload: append(head, big...)}
		}, 200},
		{"endless parameter set", func(i int) packet {
			head := []byte{0x60 | h264FUA, h264SPS}
			if i == 0 {
				head[1] |= 0x80
			}
			return packet{Payload: append(head, big...)}
		}, 200},
		{"endless slices", func(i int) packet {
			b := []byte{0x65, 0x80, 1, 2, 3}
			if i > 0 {
				b[1] = 0x40
			}
			return packet{Payload: b}
		}, 600},
		{"endless SEI", func(int) packet { return packet{Payload: append([]byte{6, 5}, big...)} }, 200},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := collect(media.H264, paramSets(clip.units[0].nals[:2]), audioFormat{})
			for i := range test.n {
				p := test.pkt(i)
				p.Seq, p.Timestamp, p.Arrived = uint16(i), 1, start
				c.video(&p)
				if n := cap(c.pictures.side); n > 3*maxUnitSize {
					t.Fatalf("%d bytes held", n)
				}
			}
			for i := range whole {
				whole[i].Seq = uint16(test.n + i)
				whole[i].Timestamp += 3600
				whole[i].Arrived = start.Add(time.Minute)
			}
			c.feed(whole)
			if c.stats.Malformed == 0 {
				t.Error("the limit was not met")
			}
			if n := len(c.units); n < 50 {
				t.Errorf("%d pictures afterwards: %+v", n, c.stats)
			}
		})
	}
}

// TestCloseAndDiscontinuity: a half picture never comes out.
func TestCloseAndDiscontinuity(t *testing.T) {
	clip := loadClip(t, "h264")
	pkts := clip.packetise(t, 400)
	second := slices.IndexFunc(pkts, func(p packet) bool { return p.Timestamp != pkts[0].Timestamp })
	for _, test := range []struct {
		name string
		end  func(*collector)
	}{
		{"close", func(c *collector) { c.close() }},
		{"discontinuity", func(c *collector) { c.discontinuity(); c.close() }},
	} {
		c := collect(clip.codec, nil, audioFormat{}).feed(pkts[:second-1])
		test.end(c)
		if len(c.units) != 0 {
			t.Errorf("%s: half a picture came out", test.name)
		}
	}
}

// TestContinueAfterDiscontinuity: a reconnected camera with other numbers goes on in time.
func TestContinueAfterDiscontinuity(t *testing.T) {
	clip := loadClip(t, "h264-b")
	pkts := clip.packetise(t, 1000)
	c := collect(clip.codec, nil, audioFormat{}).feed(pkts)
	c.discontinuity()
	again := slices.Clone(pkts)
	for i := range again {
		again[i].Seq -= 30000
		again[i].Timestamp += 1 << 30
		again[i].Arrived = again[i].Arrived.Add(4 * time.Second)
	}
	c.feed(again)
	c.checkOrder(t)
	if len(c.units) != 150 {
		t.Fatalf("%d units, want 150", len(c.units))
	}
	if gap := c.units[75].pts - c.units[0].pts; gap < 3*media.Clock || gap > 4*media.Clock+media.Clock/2 {
		t.Errorf("the second connection begins %d ticks after the first, want about 4 s", gap)
	}
	if c.stats.Lost != 0 {
		t.Errorf("%d packets counted as lost", c.stats.Lost)
	}
}

// TestTwoFields: an old DVR sends the fields of an interlaced frame as pictures of their own with one
// timestamp; they are one unit. Progressive pictures with one timestamp are not.
func TestTwoFields(t *testing.T) {
	for name, want := range map[string]int{"h264-interlaced": 3, "h264": 6} {
		sets, _ := setsOf(loadClip(t, name))
		c := collect(media.H264, sets, audioFormat{})
		for i := range 6 {
			nal := []byte{0x41, 0x9A, byte(i + 1)}
			if i == 0 {
				nal[0] = 0x65
			}
			c.feed([]packet{{
				Payload: nal, Seq: uint16(i), Timestamp: uint32(i/2) * 3600,
				Arrived: start.Add(time.Duration(i) * 20 * time.Millisecond),
			}})
		}
		c.close()
		c.checkOrder(t)
		if len(c.units) != want {
			t.Errorf("%s: %d units, want %d", name, len(c.units), want)
		}
	}
}
