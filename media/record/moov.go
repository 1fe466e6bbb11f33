package record

import (
	"errors"
	"fmt"

	"gbgate/media"
)

// parseMoov reads the body of a segment's moov box.
func parseMoov(body []byte) (*format, error) {
	f := &format{}
	err := eachBox(body, func(kind string, body []byte) error {
		if kind != "trak" {
			return nil
		}
		return f.parseTrak(body)
	})
	if err == nil && !f.video.Codec.IsVideo() && !f.audio.Codec.IsAudio() {
		err = errors.New("there is no track that can be read")
	}
	return f, err
}

func (f *format) parseTrak(body []byte) error {
	var track, scale uint32
	var entry []byte
	err := descend(body, func(kind string, body []byte) error {
		c := &cursor{b: body}
		switch kind {
		case "tkhd":
			if c.u32()>>24 == 1 {
				c.skip(8)
			}
			c.skip(8)
			track = c.u32()
		case "mdhd":
			if c.u32()>>24 == 1 {
				c.skip(8)
			}
			c.skip(8)
			scale = c.u32()
		case "stsd":
			c.skip(8)
			entry = c.b
		}
		return c.err()
	})
	if err != nil {
		return err
	}
	if scale == 0 {
		return errors.New("a track without a time scale")
	}
	return eachBox(entry, func(kind string, body []byte) error {
		switch track {
		case videoTrack:
			if scale != media.Clock {
				return fmt.Errorf("a video track with %d ticks a second", scale)
			}
			return f.parseVideo(kind, body)
		case audioTrack:
			return f.parseAudio(kind, body, scale)
		}
		return nil
	})
}

// descend calls f with the boxes that describe a track, wherever they are in it.
func descend(body []byte, f func(kind string, body []byte) error) error {
	return eachBox(body, func(kind string, body []byte) error {
		switch kind {
		case "mdia", "minf", "stbl":
			return descend(body, f)
		}
		return f(kind, body)
	})
}

func (f *format) parseVideo(kind string, body []byte) error {
	switch kind {
	case "avc1", "avc3":
		f.video.Codec = media.H264
	case "hvc1", "hev1":
		f.video.Codec = media.H265
	default:
		return nil
	}
	c := &cursor{b: body}
	c.skip(24)
	f.video.Width, f.video.Height = int(c.u16()), int(c.u16())
	c.skip(50)
	return c.err()
}

func (f *format) parseAudio(kind string, body []byte, scale uint32) error {
	c := &cursor{b: body}
	c.skip(16)
	f.audio = media.Track{Channels: int(c.u16()), SampleRate: int(min(scale, 1<<20))}
	c.skip(10)
	switch kind {
	case "alaw":
		f.audio.Codec = media.PCMA
	case "ulaw":
		f.audio.Codec = media.PCMU
	case "mp4a":
		if c.short {
			break
		}
		return eachBox(c.b, func(kind string, body []byte) error {
			if kind != "esds" {
				return nil
			}
			config, err := decoderConfig(body)
			if err != nil {
				return err
			}
			f.audio.Codec = media.AAC
			return f.aac.Unmarshal(config)
		})
	}
	return c.err()
}

// decoderConfig finds the DecoderSpecificInfo in an esds box (ISO/IEC 14496-1 7.2.6).
func decoderConfig(body []byte) ([]byte, error) {
	c := &cursor{b: body}
	c.skip(4)
	for len(c.b) > 0 {
		tag, size := c.u8(), 0
		for i := 0; ; i++ {
			b := c.u8()
			size = size<<7 | int(b&0x7F)
			if b&0x80 == 0 || i == 3 {
				break
			}
		}
		if c.short || size > len(c.b) {
			return nil, errBox
		}
		switch tag {
		case 3: // ES descriptor
			c.skip(3)
		case 4: // decoder configuration
			c.skip(13)
		case 5:
			return c.b[:size], nil
		default:
			c.b = c.b[size:]
		}
	}
	return nil, errors.New("AAC without a configuration")
}
