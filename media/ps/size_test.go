package ps

import (
	"testing"

	"gbgate/media"
)

// TestSizeIsThatOfThePacks muxes ten groups of pictures with their sound and wants the announced size to be theirs.
func TestSizeIsThatOfThePacks(t *testing.T) {
	for _, c := range []struct {
		name       string
		key, other int // bytes
		audio      media.Codec
		policy     AudioPolicy
		delay      int64
	}{
		{"plain", 1000, 200, media.CodecNone, AudioAuto, 0},
		{"with sound", 20_000, 500, media.PCMA, AudioAuto, 0},
		{"sound converted", 20_000, 500, media.PCMU, AudioPCMA, 0},
		{"sound left out", 20_000, 500, media.AAC, AudioPCMA, 0},
		{"DTS of their own", 20_000, 500, media.AAC, AudioAuto, 3600},
		{"big pictures", 300_000, 20_000, media.PCMA, AudioAuto, 0},
		{"small pictures, big in sum", 30_000, 30_000, media.PCMA, AudioAuto, 0},
	} {
		var e media.Extent
		var size int64
		desc := &media.Description{Video: media.Track{Codec: media.H264}, Audio: media.Track{Codec: c.audio}}
		var first *media.Unit
		for i := range int64(250) {
			n := c.other
			if i%25 == 0 {
				n = c.key
				e.KeyUnits++
			}
			u := newUnit(media.H264, i%25 == 0, i*3600+c.delay, i*3600, make([]byte, n), desc)
			e.VideoUnits++
			e.VideoBytes += int64(n)
			size += int64(Of(u, c.policy).Len())
			if first == nil {
				first = u
			}
			if c.audio == media.CodecNone {
				continue
			}
			a := newUnit(c.audio, false, i*3600, i*3600, make([]byte, 320), desc)
			e.AudioUnits++
			e.AudioBytes += 320
			if p := Of(a, c.policy); p != nil {
				size += int64(p.Len())
			}
		}
		if got := Size(e, first, c.policy); got < size*9995/10_000 || got > size*10_005/10_000 {
			t.Errorf("%s: %d bytes announced, %d muxed", c.name, got, size)
		}
	}
}

func TestAnnouncementIsAPack(t *testing.T) {
	var d Demuxer
	d.OnFrame = func(f *Frame) { t.Errorf("a frame of %d bytes", len(f.Data)) }
	d.OnFault = func(f Fault) { t.Errorf("fault: %v", f) }
	d.Write(Announcement(withAudio(media.PCMA), AudioAuto, 90_000))
	if got, want := d.types, typesOf(media.H264, media.PCMA); got != want {
		t.Errorf("the map promises %v", d.types)
	}
}
