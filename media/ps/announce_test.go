package ps

import (
	"testing"

	"gbgate/media"
)

// TestTheMapFollowsTheStream sends a stream whose sound starts late and then changes its codec, as after a
// camera's reconnect its pictures do. Whatever comes is announced by then, and heard.
func TestTheMapFollowsTheStream(t *testing.T) {
	type part struct{ video, audio media.Codec }
	parts := []part{
		{media.H264, media.CodecNone},
		{media.H264, media.PCMA}, // late, in the middle of a group of pictures
		{media.H264, media.AAC},
		{media.H265, media.AAC},
		{media.H265, media.PCMU},
	}
	for policy, wantMaps := range map[AudioPolicy]int{AudioAuto: 5, AudioPCMA: 4, AudioOff: 2} {
		stream := media.NewStream(media.Limits{})
		reader := stream.Subscribe(media.FromNextKey)
		var d Demuxer
		var maps, pictures int
		sounds := map[byte]int{}
		d.OnFrame = func(f *Frame) {
			if f.HasPSM {
				maps++
			}
			if f.IsVideo() {
				pictures++
			} else {
				sounds[f.StreamType]++
			}
		}
		d.OnFault = func(f Fault) { t.Errorf("%v: %v", policy, f) }
		video, at := media.CodecNone, int64(0)
		want := map[byte]int{}
		for _, p := range parts {
			desc := &media.Description{Video: media.Track{Codec: p.video}, Audio: media.Track{Codec: p.audio}}
			for i := range 10 {
				at += 3600
				key := p.video != video // ordinary pictures go on where only the sound changes
				video = p.video
				if p.audio != media.CodecNone && i == 0 && !key {
					// The sound comes first: the picture behind it announces nothing.
					stream.Write(newUnit(p.audio, false, at-1800, at-1800, make([]byte, 160), desc))
				} else if p.audio != media.CodecNone {
					stream.Write(newUnit(p.video, key, at, at, unhex(t, dummyKey), desc))
					stream.Write(newUnit(p.audio, false, at, at, make([]byte, 160), desc))
					continue
				}
				stream.Write(newUnit(p.video, key, at, at, unhex(t, dummyKey), desc))
			}
			if c := policy.carried(p.audio); c != media.CodecNone {
				want[streamType(c)] += 10
			}
		}
		for range len(parts)*10 + (len(parts)-1)*10 {
			u, err := reader.Read(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if p := Of(u, policy); p != nil {
				feed(&d, p)
			}
			u.Release()
		}
		_ = d.Close()
		if pictures != len(parts)*10 || len(sounds) != len(want) {
			t.Errorf("%v: %d pictures and the sounds %v, want %d and %v", policy, pictures, sounds, len(parts)*10, want)
		}
		for kind, n := range want {
			if sounds[kind] != n {
				t.Errorf("%v: %d frames of type %#x, want %d", policy, sounds[kind], kind, n)
			}
		}
		if maps != wantMaps {
			t.Errorf("%v: %d maps, want %d", policy, maps, wantMaps)
		}
	}
}
