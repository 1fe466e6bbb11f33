package ps

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gbgate/media"
)

// recorder collects what a demuxer says.
type recorder struct {
	Demuxer
	frames []Frame
	faults []FaultKind
}

func newRecorder() *recorder {
	r := new(recorder)
	r.OnFrame = func(f *Frame) {
		c := *f
		c.Data = bytes.Clone(f.Data)
		r.frames = append(r.frames, c)
	}
	r.OnFault = func(f Fault) { r.faults = append(r.faults, f.Kind) }
	return r
}

func (r *recorder) feed(b []byte, chunk int) {
	for len(b) > 0 {
		n := min(chunk, len(b))
		_, _ = r.Write(b[:n])
		b = b[n:]
	}
	_ = r.Close()
}

// TestMuxDemux: for any units, the demuxer gives back what the muxer got.
func TestMuxDemux(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		desc := withAudio(rapid.SampledFrom([]media.Codec{
			media.CodecNone, media.PCMA, media.PCMU, media.AAC,
		}).Draw(t, "audio"))
		desc.Video.Codec = rapid.SampledFrom([]media.Codec{media.H264, media.H265}).Draw(t, "video")
		size := rapid.OneOf(rapid.IntRange(1, 3000), rapid.IntRange(maxPayload-2, maxPayload+2),
			rapid.IntRange(2*maxPayload-1, 2*maxPayload+1), rapid.IntRange(1, 300_000))
		dts := rapid.OneOf(rapid.Int64Range(0, 10000), rapid.Int64Range(1<<33-20000, 1<<33),
			rapid.Int64Range(0, 1<<40)).Draw(t, "start")

		r := newRecorder()
		var want []Frame
		var stream []byte
		for i := range rapid.IntRange(1, 8).Draw(t, "units") {
			audio := i > 0 && desc.HasAudio() && rapid.Bool().Draw(t, "isAudio")
			codec, pts, f := desc.Video.Codec, dts, Frame{StreamID: idVideo, HasPTS: true, Packs: 1}
			if audio {
				codec, f.StreamID = desc.Audio.Codec, idAudio
			} else {
				pts += rapid.Int64Range(0, 9000).Draw(t, "reorder")
			}
			data := pattern(size.Draw(t, "size"), byte(i))
			u := newUnit(codec, i == 0 || !audio && rapid.Bool().Draw(t, "key"), pts, dts, data, desc)
			p := Of(u, AudioAuto)
			if got := len(flat(p.Bufs())); got != p.Len() {
				t.Fatalf("Len = %d, but there are %d bytes", p.Len(), got)
			}
			stream = append(stream, flat(p.Bufs())...)
			f.StreamType, f.PTS, f.DTS = streamType(codec), pts&clockMask, dts&clockMask
			f.SCR, f.MuxRate = max(dts-product.lead, 0)&clockMask, product.muxRate
			f.HasPSM, f.HasSystemHeader = u.Key, u.Key
			f.PES, f.Data = (len(data)+maxPayload-1)/maxPayload, data
			want = append(want, f)
			u.Release()
			dts += rapid.Int64Range(1, 9000).Draw(t, "step")
		}
		r.feed(stream, rapid.IntRange(1, 70000).Draw(t, "chunk"))

		// Streams are independent: compare each in its own order.
		byStream := func(fs []Frame) map[byte][]Frame {
			m := map[byte][]Frame{}
			for _, f := range fs {
				m[f.StreamID] = append(m[f.StreamID], f)
			}
			return m
		}
		if diff := cmp.Diff(byStream(want), byStream(r.frames), cmp.Comparer(bytes.Equal)); diff != "" {
			t.Fatalf("frames differ (-want +got):\n%.2000s", diff)
		}
		if len(r.faults) > 0 {
			t.Fatalf("faults in our own stream: %v", r.faults)
		}
	})
}

// pattern makes bytes without start codes in them.
func pattern(n int, seed byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)*7 + seed | 2
	}
	return b
}

// builder writes the streams of other people's muxers.
type builder struct{ b []byte }

func (s *builder) pack(scr int64) *builder {
	s.b = appendPackHeader(s.b, scr, 1_000_000)
	return s
}

func (s *builder) stuffed(scr int64) *builder {
	s.pack(scr)
	s.b[len(s.b)-1] |= 6
	s.b = append(s.b, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF)
	return s
}

func (s *builder) headers() *builder {
	s.b = appendSystemHeader(s.b, 26234, media.H264, media.PCMA)
	s.b = appendMap(s.b, 1, media.H264, media.PCMA)
	return s
}

func (s *builder) pes(t int64, data string) *builder {
	s.b = append(appendPESHeader(s.b, idVideo, len(data), t, t), data...)
	return s
}

func (s *builder) more(data string) *builder {
	s.b = append(appendPESContinuation(s.b, idVideo, len(data)), data...)
	return s
}

func (s *builder) audio(t int64, data string) *builder {
	s.b = append(appendPESHeader(s.b, idAudio, len(data), t, t), data...)
	return s
}

func (s *builder) raw(b ...byte) *builder {
	s.b = append(s.b, b...)
	return s
}

// patch changes the stream's tail: f gets everything written so far.
func (s *builder) patch(f func([]byte)) *builder {
	f(s.b)
	return s
}

// TestDialects reads the streams of other muxers, and names what is wrong with them.
func TestDialects(t *testing.T) {
	start := func() *builder { return new(builder).pack(0).headers() }
	const big = 40000
	for _, c := range []struct {
		name   string
		stream *builder
		max    int
		frames []string // data
		faults []FaultKind
	}{
		{
			name: "pack header stuffed to 20 bytes (Hikvision)", stream: new(builder).stuffed(0).headers().
				pes(3600, "one").stuffed(3600).pes(7200, "two"),
			frames: []string{"one", "two"},
		},
		{
			name:   "a PES per NAL unit, all with the time",
			stream: start().pes(3600, "sps").pes(3600, "pps").pes(3600, "idr").pack(3600).pes(7200, "p"),
			frames: []string{"spsppsidr", "p"},
		},
		{
			name:   "a PES per NAL unit, the first with the time",
			stream: start().pes(3600, "sps").more("pps").more("idr").pack(3600).pes(7200, "p"),
			frames: []string{"spsppsidr", "p"},
		},
		{
			name:   "a frame over three packs",
			stream: start().pes(3600, "a").pack(10).more("b").pack(20).more("c").pack(3600).pes(7200, "p"),
			frames: []string{"abc", "p"},
		},
		{
			name:   "audio behind the video of a pack",
			stream: start().pes(3600, "v1").audio(3600, "a1").audio(4000, "a2").pack(3600).pes(7200, "v2"),
			frames: []string{"a1", "a2", "v1", "v2"},
		},
		{
			name:   "private streams and padding between",
			stream: start().pes(3600, "v1").raw(0, 0, 1, 0xBD, 0, 3, 1, 2, 3).raw(0, 0, 1, 0xBE, 0, 1, 0xFF).more("v2"),
			frames: []string{"v1v2"},
		},
		{
			name:   "program end in the middle",
			stream: start().pes(3600, "v1").raw(0, 0, 1, 0xB9).pack(3600).pes(7200, "v2"),
			frames: []string{"v1", "v2"},
		},
		{
			name: "joined in the middle of a pack", stream: new(builder).raw(1, 2, 0, 0, 1, 0xE0, 0, 9).
				pack(0).headers().pes(3600, "one"),
			frames: []string{"one"},
		},
		{
			name: "PES length 0 (libmpeg's old muxer)", stream: start().pes(3600, "onlyone").
				patch(func(b []byte) { binary.BigEndian.PutUint16(b[len(b)-17:], 0) }).
				pack(3600).pes(7200, "two"),
			frames: []string{"onlyone", "two"}, faults: []FaultKind{FaultPESLength},
		},
		{
			name: "PES length too short", stream: start().pes(3600, "abcdef").
				patch(func(b []byte) { b[len(b)-15]-- }).pack(3600).pes(7200, "two"),
			frames: []string{"two"}, faults: []FaultKind{FaultLostSync},
		},
		{
			name: "wrong CRC in the map (Dahua)", stream: start().patch(func(b []byte) { b[len(b)-1]++ }).
				pes(3600, "one"),
			frames: []string{"one"}, faults: []FaultKind{FaultMapCRC},
		},
		{
			name: "descriptors in the map (Tiandy)", stream: new(builder).pack(0).raw(withCRC(
				0, 0, 1, 0xBC, 0, 0x12, 0xE1, 0xFF, 0, 2, 0x99, 0, 0, 6, 0x1B, 0xE0, 0, 2, 0x77, 0,
			)...).pes(3600, "one"),
			frames: []string{"one"}, faults: []FaultKind{FaultMapDescriptors, FaultMapDescriptors},
		},
		{
			name:   "map shorter than it says",
			stream: new(builder).pack(0).raw(withCRC(0, 0, 1, 0xBC, 0, 0x0A, 0xE1, 0xFF, 0, 0, 0, 4)...).pes(3600, "one"),
			frames: []string{"one"}, faults: []FaultKind{FaultMapSyntax, FaultUnannounced},
		},
		{
			name: "no map", stream: new(builder).pack(0).pes(3600, "one").pack(3600).pes(7200, "two"),
			frames: []string{"one", "two"}, faults: []FaultKind{FaultNoMap},
		},
		{
			name: "audio that the map does not list", stream: new(builder).pack(0).
				raw(appendMap(nil, 1, media.H264, 0)...).audio(3600, "one"),
			frames: []string{"one"}, faults: []FaultKind{FaultUnannounced},
		},
		{
			name: "SCR steps back", stream: start().pes(9000, "one").pack(8000).pes(12600, "two").
				pack(7999).pes(16200, "three"),
			frames: []string{"one", "two", "three"}, faults: []FaultKind{FaultSCRBack},
		},
		{
			name: "SCR wraps", stream: new(builder).pack(1<<33-1).headers().pes(0, "one").pack(2).pes(3600, "two"),
			frames: []string{"one", "two"},
		},
		{
			name:   "SCR after the DTS",
			stream: start().pes(3600, "one").pack(7300).pes(7200, "two"),
			frames: []string{"one", "two"}, faults: []FaultKind{FaultSCRLate},
		},
		{
			name:   "DTS steps back",
			stream: start().pes(7200, "one").pack(10).pes(3600, "two"),
			frames: []string{"one", "two"}, faults: []FaultKind{FaultDTSBack},
		},
		{
			name: "no time", stream: start().more("one"),
			frames: []string{"one"}, faults: []FaultKind{FaultNoPTS},
		},
		{
			name: "mux rate 0", stream: new(builder).raw(appendPackHeader(nil, 0, 0)...).headers().pes(3600, "one"),
			frames: []string{"one"}, faults: []FaultKind{FaultMuxRate},
		},
		{
			name: "mux rate below the real rate", stream: new(builder).raw(appendPackHeader(nil, 0, 700)...).headers().
				pes(3600, string(pattern(big, 1))).raw(appendPackHeader(nil, 90000, 700)...).pes(93600, "two"),
			frames: []string{string(pattern(big, 1)), "two"}, faults: []FaultKind{FaultMuxRate},
		},
		{
			name: "frame too big", stream: start().pes(3600, "0123456789").more("x").pack(3600).pes(7200, "two"),
			max: 10, frames: []string{"two"}, faults: []FaultKind{FaultFrameTooBig},
		},
		{
			name: "MPEG-1 pack header", stream: new(builder).
				raw(0, 0, 1, 0xBA, 0x21, 0, 1, 0, 1, 0x80, 1, 1, 0, 0).pack(0).headers().pes(3600, "one"),
			frames: []string{"one"}, faults: []FaultKind{FaultPackHeader},
		},
		{
			name:   "PES header longer than the packet",
			stream: start().raw(0, 0, 1, 0xE0, 0, 4, 0x80, 0x80, 5, 0x21).pes(3600, "one"),
			frames: []string{"one"}, faults: []FaultKind{FaultPESHeader},
		},
		{
			name:   "time flags without a time",
			stream: start().pes(3600, "one").raw(0, 0, 1, 0xE0, 0, 4, 0x80, 0x40, 0, 'x'),
			frames: []string{"onex"}, faults: []FaultKind{FaultPESHeader},
		},
		{
			name:   "marker bits of the time unset",
			stream: start().pes(3600, "one").patch(func(b []byte) { b[len(b)-4] &^= 1 }),
			frames: []string{"one"}, faults: []FaultKind{FaultPESHeader},
		},
		{
			name: "cut at the end", stream: start().pes(3600, "one").raw(0, 0, 1, 0xE0, 0, 9, 0x80),
			frames: []string{"one"}, faults: []FaultKind{FaultTruncated},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, chunk := range []int{1, 7, 1400, 1 << 20} {
				r := newRecorder()
				r.MaxFrame = c.max
				r.feed(c.stream.b, chunk)
				var got []string
				for _, f := range r.frames {
					got = append(got, string(f.Data))
				}
				if !slices.Equal(got, c.frames) {
					t.Errorf("in pieces of %d: frames = %.200q, want %.200q", chunk, got, c.frames)
				}
				if !slices.Equal(r.faults, c.faults) {
					t.Errorf("in pieces of %d: faults = %v, want %v", chunk, r.faults, c.faults)
				}
			}
		})
	}
}

func withCRC(b ...byte) []byte { return binary.BigEndian.AppendUint32(b, crc32MPEG(b)) }

func TestFrameFacts(t *testing.T) {
	r := newRecorder()
	r.feed(new(builder).pack(0).headers().pes(3600, "a").more("b").pack(9).more("c").
		pack(3600).pes(7200, "p").b, 1400)
	want := []Frame{
		{
			StreamID: 0xE0, StreamType: TypeH264, HasPTS: true, PTS: 3600, DTS: 3600, MuxRate: 1_000_000,
			HasSystemHeader: true, HasPSM: true, PES: 3, Packs: 2, Data: []byte("abc"),
		},
		{
			StreamID: 0xE0, StreamType: TypeH264, HasPTS: true, PTS: 7200, DTS: 7200, SCR: 3600,
			MuxRate: 1_000_000, PES: 1, Packs: 1, Data: []byte("p"),
		},
	}
	if diff := cmp.Diff(want, r.frames); diff != "" {
		t.Errorf("frames differ (-want +got):\n%s", diff)
	}
}

// TestFlush: at the RTP marker a frame is handed out without waiting for the next one.
func TestFlush(t *testing.T) {
	r := newRecorder()
	first := new(builder).pack(0).headers().pes(3600, "one").b
	_, _ = r.Write(first[:len(first)-1])
	r.Flush()
	if len(r.frames) != 0 {
		t.Fatalf("a frame came out inside its packet: %q", r.frames[0].Data)
	}
	_, _ = r.Write(first[len(first)-1:])
	r.Flush()
	if len(r.frames) != 1 || string(r.frames[0].Data) != "one" {
		t.Fatalf("frames = %v, want one", r.frames)
	}
	// The end of a PES packet of length 0 is the marker, too.
	unbounded := new(builder).pack(3600).pes(7200, "two").patch(func(b []byte) { b[19] = 0 }).b
	_, _ = r.Write(unbounded)
	r.Flush()
	if len(r.frames) != 2 || string(r.frames[1].Data) != "two" {
		t.Errorf("frames = %v, want a second one", r.frames)
	}
}

func TestLost(t *testing.T) {
	r := newRecorder()
	_, _ = r.Write(new(builder).pack(0).headers().pes(3600, "half").b)
	r.Lost()
	_, _ = r.Write(new(builder).raw(1, 2, 3).pes(7200, "no pack").pack(9).more("tail").pack(10).pes(9000, "two").b)
	_ = r.Close()
	if len(r.frames) != 1 || string(r.frames[0].Data) != "two" {
		t.Errorf("frames = %v, want only the one after the gap", r.frames)
	}
	if len(r.faults) > 0 {
		t.Errorf("faults = %v: the gap was taken for the sender's", r.faults)
	}
}

// TestBounded: a stream of one endless packet does not fill the memory.
func TestBounded(t *testing.T) {
	r := newRecorder()
	_, _ = r.Write(new(builder).pack(0).headers().raw(0, 0, 1, 0xE0, 0, 0, 0x80, 0, 0).b)
	junk := pattern(1<<20, 1)
	for range 20 {
		_, _ = r.Write(junk)
	}
	if got, limit := cap(r.buf), 2*defaultMaxFrame; got > limit {
		t.Errorf("%d bytes are held, want at most %d", got, limit)
	}
	if !slices.Contains(r.faults, FaultFrameTooBig) {
		t.Errorf("faults = %v, want %v", r.faults, FaultFrameTooBig)
	}
}
