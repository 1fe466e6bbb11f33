package record

import (
	"errors"
	"fmt"
)

// What is read of a file is bounded by these, whatever its boxes say.
const (
	maxMoov    = 64 << 10
	maxMoof    = 1 << 20
	maxSamples = 1 << 16 // of a part
	maxSample  = 8 << 20
	maxMfra    = 8 << 20
	maxTicks   = 1 << 46 // of a time in a segment: 27 years of 90 kHz
)

// place is where a sample's bytes are.
type place struct {
	sample
	audio  bool
	offset int64 // in the file
}

// parseMoof reads the body of a moof box that stands at offset in a file, followed by an mdat whose body
// lies between data and end. Samples come in decoding order over both tracks.
func parseMoof(body []byte, f *format, offset, data, end int64, out []place) ([]place, error) {
	var video, audio []place
	err := eachBox(body, func(kind string, body []byte) error {
		if kind != "traf" {
			return nil
		}
		samples, track, err := parseTraf(body, f, offset)
		if err != nil {
			return err
		}
		for _, s := range samples {
			if s.offset < data || s.offset+int64(s.size) > end {
				return errors.New("a sample lies outside of the part")
			}
		}
		switch {
		case track == videoTrack && video == nil && f.video.Codec.IsVideo():
			video = samples
		case track == audioTrack && audio == nil && f.audio.Codec.IsAudio():
			audio = samples
		}
		return nil
	})
	if err != nil {
		return out, err
	}
	for len(video) > 0 || len(audio) > 0 {
		if len(audio) == 0 || len(video) > 0 && video[0].dts <= audio[0].dts {
			out, video = append(out, video[0]), video[1:]
		} else {
			out, audio = append(out, audio[0]), audio[1:]
		}
	}
	return out, nil
}

// traf is what the boxes in front of the samples say.
type traf struct {
	track          uint32
	rate           int64
	duration, size uint32 // defaults
	flags          uint32
	time           int64 // of the next sample, in the track's scale
	samples        []place
}

func parseTraf(body []byte, f *format, offset int64) (samples []place, track uint32, err error) {
	var t traf
	err = eachBox(body, func(kind string, body []byte) error {
		c := &cursor{b: body}
		switch kind {
		case "tfhd":
			return t.header(c, f)
		case "tfdt":
			long := c.u32()>>24 != 0
			time := uint64(0)
			if long {
				time = c.u64()
			} else {
				time = uint64(c.u32())
			}
			if time > maxTicks {
				return errors.New("a time beyond any")
			}
			t.time = int64(time)
			return c.err()
		case "trun":
			return t.run(c, offset)
		}
		return nil
	})
	return t.samples, t.track, err
}

func (t *traf) header(c *cursor, f *format) error {
	flags := c.u32()
	t.track = c.u32()
	t.rate = 90000
	if t.track == audioTrack {
		t.rate = f.audioRate()
	}
	if flags&tfhdBase != 0 {
		return errors.New("a base offset is not supported")
	}
	if flags&tfhdDescription != 0 {
		c.skip(4)
	}
	if flags&tfhdDuration != 0 {
		t.duration = c.u32()
	}
	if flags&tfhdSize != 0 {
		t.size = c.u32()
	}
	if flags&tfhdFlags != 0 {
		t.flags = c.u32()
	}
	return c.err()
}

// run reads a trun. Every sample must have its size there, or four bytes could stand for 4 billion of them.
func (t *traf) run(c *cursor, offset int64) error {
	if t.rate == 0 {
		return errors.New("no tfhd in front")
	}
	flags := c.u32() & 0xFFFFFF
	count := c.u32()
	if count > uint32(maxSamples-len(t.samples)) || flags&trunSize == 0 {
		return fmt.Errorf("%d samples, flags %X", count, flags)
	}
	at := offset
	if flags&trunOffset != 0 {
		at += int64(int32(c.u32()))
	}
	if flags&trunFirstFlags != 0 {
		c.skip(4)
	}
	for range count {
		duration, size, kind, composition := t.duration, t.size, t.flags, int32(0)
		if flags&trunDuration != 0 {
			duration = c.u32()
		}
		if flags&trunSize != 0 {
			size = c.u32()
		}
		if flags&trunFlags != 0 {
			kind = c.u32()
		}
		if flags&trunComposition != 0 {
			composition = int32(c.u32())
		}
		if c.short || size > maxSample {
			return errBox
		}
		s := place{audio: t.track == audioTrack, offset: at}
		s.dts = scaled(t.time, 90000, t.rate)
		s.pts = s.dts + scaled(int64(composition), 90000, t.rate)
		s.duration = scaled(int64(duration), 90000, t.rate)
		s.size, s.key = int32(size), kind&isNonSync == 0
		t.samples = append(t.samples, s)
		at += int64(size)
		if t.time += int64(duration); t.time > maxTicks {
			return errors.New("a time beyond any")
		}
	}
	return c.err()
}
