package ps

import (
	"testing"

	"gbgate/media"
)

// A 4 Mbit/s camera: a key picture of 160 KB, pictures of 19 KB, A-law every 40 ms.
var benchUnits = []struct {
	name  string
	codec media.Codec
	key   bool
	size  int
	pol   AudioPolicy
}{
	{"key160K", media.H264, true, 160_000, AudioAuto},
	{"picture19K", media.H264, false, 19_000, AudioAuto},
	{"pcma320", media.PCMA, false, 320, AudioAuto},
	{"pcmu320converted", media.PCMU, false, 320, AudioPCMA},
}

func BenchmarkMux(b *testing.B) {
	for _, c := range benchUnits {
		b.Run(c.name, func(b *testing.B) {
			u := newUnit(c.codec, c.key, 7200, 3600, pattern(c.size, 1), withAudio(media.PCMU))
			defer u.Release()
			b.ReportAllocs()
			b.SetBytes(int64(c.size))
			for b.Loop() {
				mux(u, c.pol, product).Recycle()
			}
		})
	}
}

// BenchmarkOf is what each further viewer of a camera pays.
func BenchmarkOf(b *testing.B) {
	u := newUnit(media.H264, true, 7200, 3600, pattern(160_000, 1), withAudio(media.PCMA))
	defer u.Release()
	b.ReportAllocs()
	for b.Loop() {
		if Of(u, AudioAuto) == nil {
			b.Fatal("no pack")
		}
	}
}

func BenchmarkDemux(b *testing.B) {
	u := newUnit(media.H264, false, 7200, 3600, pattern(19_000, 1), withAudio(media.PCMA))
	defer u.Release()
	stream := flat(Of(u, AudioAuto).Bufs())
	frames := 0
	d := Demuxer{OnFrame: func(*Frame) { frames++ }}
	b.ReportAllocs()
	b.SetBytes(int64(len(stream)))
	for b.Loop() {
		for rest := stream; len(rest) > 0; {
			n := min(1400, len(rest))
			_, _ = d.Write(rest[:n])
			rest = rest[n:]
		}
		d.Flush()
	}
	if frames == 0 {
		b.Fatal("no frames")
	}
}
