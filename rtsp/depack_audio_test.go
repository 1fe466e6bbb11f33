package rtsp

import (
	"bytes"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/format/rtpmpeg4audio"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
	"github.com/google/go-cmp/cmp"

	"gbgate/media"
)

// heard is what a test looks at in an audio unit.
type heard struct {
	At   int64 // ticks behind the first unit
	Size int
}

func (c *collector) heard() []heard {
	var h []heard
	for _, g := range c.units {
		h = append(h, heard{g.pts - c.units[0].pts, len(g.data)})
	}
	return h
}

func (c *collector) feedAudio(pkts []packet) *collector {
	buf := make([]byte, 0, 65536)
	for _, p := range pkts {
		buf = append(buf[:0], p.Payload...)
		p.Payload = buf
		c.audio(&p)
		for i := range buf {
			buf[i] = 0xEE
		}
	}
	return c
}

func TestG711(t *testing.T) {
	tests := []struct {
		name  string
		bytes int // of each packet, three of them
		want  []heard
	}{
		{"20 ms", 160, []heard{{0, 160}, {1800, 160}, {3600, 160}}},
		{"60 ms", 480, []heard{{0, 480}, {5400, 480}, {10800, 480}}},
		{"64 ms are cut", 512, []heard{{0, 320}, {3600, 192}, {5760, 320}, {9360, 192}, {11520, 320}, {15120, 192}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := collect(media.CodecNone, nil, audioFormat{Codec: media.PCMA})
			var sent, came []byte
			for i := range 3 {
				b := bytes.Repeat([]byte{byte(i + 1)}, test.bytes)
				sent = append(sent, b...)
				c.feedAudio([]packet{{
					Payload: b, Seq: uint16(i), Timestamp: uint32(7 + i*test.bytes),
					Arrived: start.Add(time.Duration(i*test.bytes/8) * time.Millisecond),
				}})
			}
			if diff := cmp.Diff(test.want, c.heard()); diff != "" {
				t.Error(diff)
			}
			for _, g := range c.units {
				came = append(came, g.data...)
			}
			if !bytes.Equal(sent, came) {
				t.Error("the samples differ")
			}
			want := &media.Description{Audio: media.Track{Codec: media.PCMA, SampleRate: 8000, Channels: 1}}
			if diff := cmp.Diff(want, c.units[0].desc); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// frames makes n AAC frames of rising size. Their content is of no matter here.
func frames(n, size int) [][]byte {
	var out [][]byte
	for i := range n {
		b := bytes.Repeat([]byte{byte(0x21 + i)}, size+i)
		out = append(out, b)
	}
	return out
}

func adts(t *testing.T, rate, channels int, frame []byte) []byte {
	t.Helper()
	b, err := mpeg4audio.ADTSPackets{{
		Type: mpeg4audio.ObjectTypeAACLC, SampleRate: rate, ChannelConfig: uint8(channels), AU: frame,
	}}.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// aac16k is AudioSpecificConfig for AAC-LC, 16 kHz, mono.
var aac16k = []byte{0x14, 0x08}

func aacFormat() audioFormat {
	return audioFormat{Codec: media.AAC, ClockRate: 16000, SampleRate: 16000, Channels: 1, Config: aac16k}
}

// TestAACMatchesGortsplib sends frames through gortsplib's packetiser: several in a packet, one in a
// packet, one over several packets.
func TestAACMatchesGortsplib(t *testing.T) {
	for _, mtu := range []int{60, 300, 1450} {
		e := &rtpmpeg4audio.Encoder{
			PayloadType: 97, PayloadMaxSize: mtu, SizeLength: 13, IndexLength: 3, IndexDeltaLength: 3,
		}
		if err := e.Init(); err != nil {
			t.Fatal(err)
		}
		d := &rtpmpeg4audio.Decoder{SizeLength: 13, IndexLength: 3, IndexDeltaLength: 3}
		if err := d.Init(); err != nil {
			t.Fatal(err)
		}
		c := collect(media.CodecNone, nil, aacFormat())
		var want [][]byte
		for batch := range 10 {
			pkts, err := e.Encode(frames(5, 200))
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range pkts {
				ts := p.Timestamp + uint32(batch)*5*1024
				c.feedAudio([]packet{{
					Payload: p.Payload, Marker: p.Marker, Seq: p.SequenceNumber, Timestamp: ts,
					Arrived: start.Add(time.Duration(batch) * 320 * time.Millisecond),
				}})
				if aus, err := d.Decode(p); err == nil {
					want = append(want, aus...)
				}
			}
		}
		if len(want) != 50 || len(c.units) != 50 {
			t.Fatalf("MTU %d: %d units, gortsplib %d, want 50; %+v", mtu, len(c.units), len(want), c.stats)
		}
		for i, g := range c.units {
			if !bytes.Equal(g.data, adts(t, 16000, 1, want[i])) {
				t.Fatalf("MTU %d: frame %d differs", mtu, i)
			}
			if at := g.pts - c.units[0].pts; at != int64(i)*5760 {
				t.Fatalf("MTU %d: frame %d at %d, want %d", mtu, i, at, i*5760)
			}
		}
	}
}

// hbr is one RFC 3640 payload with these AU sizes in its headers.
func hbr(sizes []int, data ...[]byte) []byte {
	b := []byte{0, byte(16 * len(sizes))}
	for _, s := range sizes {
		b = append(b, byte(s>>5), byte(s<<3))
	}
	return append(b, bytes.Join(data, nil)...)
}

func TestAACQuirks(t *testing.T) {
	f := frames(3, 200)
	wrapped := adts(t, 8000, 2, f[0])
	tests := []struct {
		name string
		in   []packet
		want [][]byte
	}{
		{"no marker", []packet{
			{Payload: hbr([]int{200}, f[0])},
			{Payload: hbr([]int{201}, f[1]), Timestamp: 1024},
			{Payload: hbr([]int{202}, f[2]), Timestamp: 2048, Marker: true},
		}, [][]byte{adts(t, 16000, 1, f[0]), adts(t, 16000, 1, f[1]), adts(t, 16000, 1, f[2])}},
		{"fragments with the full size in each header (RFC 3640)", []packet{
			{Payload: hbr([]int{200}, f[0][:150])},
			{Payload: hbr([]int{200}, f[0][150:]), Marker: true},
		}, [][]byte{adts(t, 16000, 1, f[0])}},
		{"a lost fragment", []packet{
			{Payload: hbr([]int{200}, f[0][:100])},
			{Payload: hbr([]int{200}, f[0][150:]), Marker: true, Seq: 1},
			{Payload: hbr([]int{201}, f[1]), Marker: true, Timestamp: 1024},
		}, [][]byte{adts(t, 16000, 1, f[1])}},
		{"ADTS inside the AU (go2rtc#1328), of another rate (Reolink doorbell)", []packet{
			{Payload: hbr([]int{len(wrapped)}, wrapped), Marker: true},
		}, [][]byte{wrapped}},
		{"ADTS without AU headers, two frames", []packet{
			{Payload: append(bytes.Clone(wrapped), wrapped...), Marker: true},
		}, [][]byte{wrapped, wrapped}},
		{"sizes beyond the packet", []packet{
			{Payload: hbr([]int{200, 4000}, f[0], f[1]), Marker: true},
			{Payload: hbr([]int{201}, f[1]), Marker: true, Timestamp: 2048},
		}, [][]byte{adts(t, 16000, 1, f[0]), adts(t, 16000, 1, f[1])}},
		{"garbage", []packet{
			{Payload: nil},
			{Payload: []byte{0}},
			{Payload: []byte{0xFF, 0xFE, 1}},
			{Payload: []byte{0, 0, 1, 2}},
			{Payload: hbr([]int{200}, f[0]), Marker: true},
		}, [][]byte{adts(t, 16000, 1, f[0])}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for i := range test.in {
				test.in[i].Seq += uint16(i)
				test.in[i].Arrived = start.Add(time.Duration(i) * 64 * time.Millisecond)
			}
			c := collect(media.CodecNone, nil, aacFormat()).feedAudio(test.in)
			c.close()
			var got [][]byte
			for _, g := range c.units {
				got = append(got, g.data)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
			c.checkOrder(t)
		})
	}
}

// TestAACConfig: where the SDP says nothing, the rate of the RTP clock is the best guess.
func TestAACConfig(t *testing.T) {
	tests := []struct {
		name   string
		format audioFormat
		want   media.Track
	}{
		{"config", aacFormat(), media.Track{Codec: media.AAC, SampleRate: 16000, Channels: 1}},
		{
			"config against rtpmap",
			audioFormat{Codec: media.AAC, ClockRate: 48000, SampleRate: 48000, Channels: 2, Config: aac16k},
			media.Track{Codec: media.AAC, SampleRate: 16000, Channels: 1},
		},
		{
			"no config",
			audioFormat{Codec: media.AAC, ClockRate: 32000},
			media.Track{Codec: media.AAC, SampleRate: 32000, Channels: 1},
		},
		{
			"bad config",
			audioFormat{Codec: media.AAC, ClockRate: 8000, Channels: 2, Config: []byte{0xFF}},
			media.Track{Codec: media.AAC, SampleRate: 8000, Channels: 2},
		},
	}
	for _, test := range tests {
		c := collect(media.CodecNone, nil, test.format)
		c.feedAudio([]packet{{Payload: hbr([]int{3}, []byte{1, 2, 3}), Marker: true, Arrived: start}})
		if len(c.units) != 1 {
			t.Fatalf("%s: %d units", test.name, len(c.units))
		}
		if diff := cmp.Diff(test.want, c.units[0].desc.Audio); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
	}
}

// TestLATM unpacks MP4A-LATM with the config in the SDP (cpresent=0) and in band (cpresent=1).
func TestLATM(t *testing.T) {
	config := mpeg4audio.StreamMuxConfig{Programs: []*mpeg4audio.StreamMuxConfigProgram{{
		Layers: []*mpeg4audio.StreamMuxConfigLayer{{
			AudioSpecificConfig: &mpeg4audio.AudioSpecificConfig{
				Type: mpeg4audio.ObjectTypeAACLC, SampleRate: 16000, ChannelConfig: 1,
			},
			LatmBufferFullness: 255,
		}},
	}}}
	raw, err := config.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	frame := frames(1, 300)[0]
	for _, inBand := range []bool{false, true} {
		element := mpeg4audio.AudioMuxElement{
			MuxConfigPresent: inBand, StreamMuxConfig: &config, Payloads: [][][][]byte{{{frame}}},
		}
		b, err := element.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		format := audioFormat{Codec: media.AAC, LATM: true, ClockRate: 16000, SampleRate: 16000, Channels: 1}
		if !inBand {
			format.Config = raw
		}
		c := collect(media.CodecNone, nil, format)
		for i := range 3 {
			at := start.Add(time.Duration(i) * 64 * time.Millisecond)
			c.feedAudio([]packet{
				{Payload: b[:100], Seq: uint16(2 * i), Timestamp: uint32(i) * 1024, Arrived: at},
				{Payload: b[100:], Seq: uint16(2*i + 1), Timestamp: uint32(i) * 1024, Arrived: at, Marker: true},
			})
		}
		if len(c.units) != 3 {
			t.Fatalf("in band %v: %d units, want 3; %+v", inBand, len(c.units), c.stats)
		}
		if !bytes.Equal(c.units[2].data, adts(t, 16000, 1, frame)) {
			t.Errorf("in band %v: the frame differs", inBand)
		}
	}
}

// TestLateAudio: the description has audio only from its first unit on, and audio in front of the first
// picture is dropped.
func TestLateAudio(t *testing.T) {
	clip := loadClip(t, "h264")
	c := collect(media.H264, nil, audioFormat{Codec: media.PCMU})
	sound := func(i int) {
		c.feedAudio([]packet{{
			Payload: make([]byte, 320), Seq: uint16(i), Timestamp: uint32(i) * 320,
			Arrived: start.Add(time.Duration(i) * 40 * time.Millisecond),
		}})
	}
	pkts := clip.single()
	sound(0)
	if len(c.units) != 0 {
		t.Error("audio in front of the first picture")
	}
	for i, p := range pkts {
		c.feed(pkts[i : i+1])
		if p.Marker && p.Timestamp >= media.Clock {
			sound(int(p.Timestamp / 3600))
		}
	}
	var changes []media.Description
	for i, g := range c.units {
		if i == 0 || g.desc != c.units[i-1].desc {
			changes = append(changes, *g.desc)
		}
	}
	video := media.Track{Codec: media.H264, Width: 320, Height: 240, FPS: 25}
	want := []media.Description{
		{Video: video},
		{Video: video, Audio: media.Track{Codec: media.PCMU, SampleRate: 8000, Channels: 1}},
	}
	if diff := cmp.Diff(want, changes); diff != "" {
		t.Error(diff)
	}
	c.checkOrder(t)
}

// TestForeignAudio: what GB/T 28181 has no place for is left out rather than mislabelled.
func TestForeignAudio(t *testing.T) {
	for _, f := range []audioFormat{{}, {Codec: media.PCMA, SampleRate: 16000}} {
		c := collect(media.CodecNone, nil, f).feedAudio([]packet{{Payload: make([]byte, 160), Arrived: start}})
		c.close()
		if len(c.units) != 0 {
			t.Errorf("%+v: %d units", f, len(c.units))
		}
	}
}
