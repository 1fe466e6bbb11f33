package ps

import (
	"bytes"
	"testing"

	"gbgate/media"
)

func withAudio(c media.Codec) *media.Description {
	return &media.Description{
		Video: media.Track{Codec: media.H264},
		Audio: media.Track{Codec: c, SampleRate: 8000, Channels: 1},
	}
}

func newUnit(c media.Codec, key bool, pts, dts int64, data []byte, desc *media.Description) *media.Unit {
	u := media.NewUnit(len(data))
	u.Codec, u.Key, u.PTS, u.DTS, u.Desc = c, key, pts, dts, desc
	u.Append(data...)
	return u
}

// TestPolicy checks what a superior is promised and gets, for every audio codec and policy.
func TestPolicy(t *testing.T) {
	const none = media.CodecNone
	for _, c := range []struct {
		policy AudioPolicy
		audio  media.Codec
		want   media.Codec
	}{
		{AudioAuto, none, none},
		{AudioAuto, media.PCMA, media.PCMA},
		{AudioAuto, media.PCMU, media.PCMU},
		{AudioAuto, media.AAC, media.AAC},
		{AudioPCMA, none, none},
		{AudioPCMA, media.PCMA, media.PCMA},
		{AudioPCMA, media.PCMU, media.PCMA},
		{AudioPCMA, media.AAC, none},
		{AudioOff, none, none},
		{AudioOff, media.PCMA, none},
		{AudioOff, media.PCMU, none},
		{AudioOff, media.AAC, none},
	} {
		t.Run(c.policy.String()+"/"+c.audio.String(), func(t *testing.T) {
			key := newUnit(media.H264, true, 0, 0, unhex(t, dummyKey), withAudio(c.audio))
			defer key.Release()
			var d Demuxer
			var frames []Frame
			d.OnFrame = func(f *Frame) { frames = append(frames, *f) }
			d.OnFault = func(f Fault) { t.Errorf("fault: %v", f) }
			feed(&d, Of(key, c.policy))
			if got, want := d.types, typesOf(media.H264, c.want); got != want {
				t.Errorf("the map promises the wrong streams: %v", d.types)
			}
			if c.audio == none {
				return
			}
			u := newUnit(c.audio, false, 3600, 3600, []byte{0xFF, 0xFF, 0x7F, 0x7F}, withAudio(c.audio))
			defer u.Release()
			p := Of(u, c.policy)
			if (p == nil) != (c.want == none) {
				t.Fatalf("pack = %v, want a pack only if the policy carries the audio (as %v)", p, c.want)
			}
			if p == nil {
				return
			}
			feed(&d, p)
			_ = d.Close()
			want := u.Data
			if c.want != c.audio {
				want = []byte{0xD5, 0xD5, 0x55, 0x55}
			}
			if got := frames[len(frames)-1].Data; !bytes.Equal(got, want) {
				t.Errorf("samples = % X, want % X", got, want)
			}
		})
	}
}

func typesOf(video, audio media.Codec) (types [256]byte) {
	types[idVideo] = streamType(video)
	if audio != media.CodecNone {
		types[idAudio] = streamType(audio)
	}
	return types
}

func feed(d *Demuxer, p *Pack) {
	for _, b := range p.Bufs() {
		_, _ = d.Write(b)
	}
}

func TestOneMuxPerUnit(t *testing.T) {
	key := newUnit(media.H264, true, 0, 0, unhex(t, dummyKey), withAudio(media.PCMU))
	defer key.Release()
	plain := newUnit(media.H264, false, 0, 0, unhex(t, dummyKey), withAudio(media.PCMU))
	defer plain.Release()
	if first := Of(key, AudioPCMA); first != Of(key, AudioPCMA) {
		t.Error("a key unit was muxed twice for one policy")
	}
	if Of(key, AudioPCMA) == Of(key, AudioAuto) || Of(key, AudioOff) == Of(key, AudioAuto) {
		t.Error("a key unit with µ-law needs a pack per policy")
	}
	if Of(plain, AudioPCMA) != Of(plain, AudioAuto) || Of(plain, AudioOff) != Of(plain, AudioAuto) {
		t.Error("a plain picture was muxed once per policy")
	}
}

// TestAudioOnly: without video every pack announces the stream, since a receiver may join anywhere.
func TestAudioOnly(t *testing.T) {
	desc := &media.Description{Audio: media.Track{Codec: media.PCMA}}
	u := newUnit(media.PCMA, false, 7200, 7200, make([]byte, 320), desc)
	defer u.Release()
	var got []Frame
	d := Demuxer{OnFrame: func(f *Frame) { got = append(got, *f) }}
	feed(&d, Of(u, AudioAuto))
	d.Flush()
	if len(got) != 1 || !got[0].HasPSM || !got[0].HasSystemHeader || got[0].StreamType != TypePCMA {
		t.Errorf("frames = %+v, want one of A-law with a map", got)
	}
}

func TestNothingToSend(t *testing.T) {
	for _, u := range []*media.Unit{
		newUnit(media.H264, true, 0, 0, nil, withAudio(media.PCMA)),
		newUnit(media.CodecNone, false, 0, 0, []byte{1}, nil),
	} {
		if p := Of(u, AudioAuto); p != nil {
			t.Errorf("Of(%v unit of %d bytes) = %v, want nil", u.Codec, len(u.Data), p)
		}
		u.Release()
	}
}

// TestALaw compares the table with the definition of both codes in ITU-T G.711.
func TestALaw(t *testing.T) {
	for code := range 256 {
		level := ulawLevel(byte(code))
		nearest := 1 << 30
		for a := range 256 {
			if d := alawLevel(byte(a)) - level; max(d, -d) < nearest {
				nearest = max(d, -d)
			}
		}
		got := alawLevel(appendALaw(nil, []byte{byte(code)})[0]) - level
		if max(got, -got) != nearest {
			t.Errorf("µ-law %02X (level %d) is off by %d, nearest is %d", code, level, got, nearest)
		}
	}
}

func ulawLevel(c byte) int {
	c = ^c
	level := (int(c&0x0F)<<3 + 0x84) << (c >> 4 & 7)
	if c&0x80 != 0 {
		return 0x84 - level
	}
	return level - 0x84
}

func alawLevel(c byte) int {
	c ^= 0x55
	level, segment := int(c&0x0F)<<4+8, int(c>>4&7)
	if segment > 0 {
		level = (level + 0x100) << (segment - 1)
	}
	if c&0x80 == 0 {
		return -level
	}
	return level
}

// Audio that is ahead of its pictures keeps the place that the stream gave it: the clock of the
// packs, which times RTP and SCR, never steps back.
func TestPackHasTheUnitsPlaceOnTheClock(t *testing.T) {
	s := media.NewStream(media.Limits{})
	r := s.Subscribe(media.FromNextKey)
	desc := &media.Description{Video: media.Track{Codec: media.H264}, Audio: media.Track{Codec: media.PCMA}}
	for i, dts := range []int64{90000, 93600, 120000, 97200} {
		u := media.NewUnit(4)
		u.Codec, u.Key, u.DTS, u.PTS, u.Desc = media.H264, i == 0, dts, dts, desc
		if dts == 120000 {
			u.Codec = media.PCMA
		}
		u.Append(0, 0, 0, 1)
		s.Write(u)
	}
	last := int64(-1)
	for range 4 {
		u, err := r.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		p := Of(u, AudioAuto)
		if p.Clock() <= last || u.Codec.IsVideo() && p.Clock() != u.DTS {
			t.Errorf("%v with DTS %d is at %d, after %d", u.Codec, u.DTS, p.Clock(), last)
		}
		last = p.Clock()
		u.Release()
	}
	_ = r.Close()
	s.Close(nil)
}
