package record

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"gbgate/media"
)

const (
	headBytes = 4096    // read at once where a box begins: a part's moof as a rule
	maxParts  = 1 << 17 // of a segment
)

// openReader opens a file of which limit bytes may be read, < 0: all.
func openReader(path string, limit int64) (r *reader, closeFile func(), err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	if limit < 0 {
		info, err := f.Stat()
		if err != nil {
			_ = f.Close()
			return nil, nil, err
		}
		limit = info.Size()
	}
	if r, err = newReader(f, limit); err != nil {
		_ = f.Close()
		return nil, nil, err
	}
	return r, func() { _ = f.Close() }, nil
}

var errEmpty = errors.New("there is no whole part in it")

// reader reads one segment: a finished one, one that was never finished, or one that is being written.
type reader struct {
	in     io.ReaderAt
	format *format
	first  int64 // offset of the first part
	limit  int64 // offset behind what may be read
	keys   []keyPlace
	head   []byte
}

// newReader reads what stands at the beginning of a file of size bytes.
func newReader(in io.ReaderAt, size int64) (*reader, error) {
	r := &reader{in: in, limit: size, head: make([]byte, headBytes)}
	for offset := int64(0); ; {
		h, got, err := r.box(offset)
		if err != nil {
			return nil, fmt.Errorf("no beginning: %w", plainEOF(err))
		}
		switch h.kind {
		case "moov":
			body, err := r.body(offset, h, got, maxMoov)
			if err != nil {
				return nil, err
			}
			if r.format, err = parseMoov(body); err != nil {
				return nil, fmt.Errorf("moov: %w", err)
			}
		case "moof", "mdat", "mfra":
			return nil, errors.New("no beginning: there is no moov box in front of the media")
		}
		offset += h.size
		if r.format != nil {
			r.first = offset
			return r, nil
		}
	}
}

// plainEOF keeps the end of a file from being taken for the end of a recording.
func plainEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// box reads the head of the box at offset, and as much more as was read with it. io.EOF: there is no whole
// box.
func (r *reader) box(offset int64) (h boxHead, got []byte, err error) {
	room := r.limit - offset
	if room < boxHeader {
		return h, nil, io.EOF
	}
	n, err := r.in.ReadAt(r.head[:min(room, headBytes)], offset)
	if n < boxHeader {
		if err == nil || errors.Is(err, io.EOF) {
			return h, nil, io.EOF
		}
		return h, nil, err
	}
	got = r.head[:n]
	if h, err = parseHead(got, room); err != nil {
		return h, nil, io.EOF // torn
	}
	return h, got, nil
}

// body returns what is in a box, reading what is not in got.
func (r *reader) body(offset int64, h boxHead, got []byte, most int64) ([]byte, error) {
	if h.size > most {
		return nil, fmt.Errorf("%s: %d bytes", h.kind, h.size)
	}
	if h.size > int64(len(got)) {
		got = make([]byte, h.size)
		if _, err := r.in.ReadAt(got, offset); err != nil {
			return nil, plainEOF(err)
		}
	}
	return got[h.header:h.size], nil
}

// part reads the samples of the part at offset, or of the next one behind what is no part, and tells where
// the one after begins. io.EOF: there is no further whole part.
func (r *reader) part(offset int64, out []place) (places []place, at, next int64, err error) {
	for range maxParts {
		h, got, err := r.box(offset)
		if err != nil {
			return out, offset, offset, err
		}
		if h.kind != "moof" {
			offset += h.size
			continue
		}
		at := offset
		body, err := r.body(at, h, got, maxMoof)
		if err != nil {
			return out, at, at, err
		}
		offset += h.size
		var head [longHeader]byte
		if h.size+longHeader <= int64(len(got)) {
			copy(head[:], got[h.size:])
		} else if n, err := r.in.ReadAt(head[:], offset); n < boxHeader {
			return out, at, at, plainEnd(err)
		}
		if r.limit-offset < boxHeader {
			return out, at, at, io.EOF
		}
		data, err := parseHead(head[:], r.limit-offset)
		if err != nil {
			return out, at, at, io.EOF // torn
		}
		if data.kind != "mdat" {
			return out, at, at, fmt.Errorf("a %q box where a part's data should be", data.kind)
		}
		end := offset + data.size
		places, err := parseMoof(body, r.format, at, offset+data.header, end, out)
		return places, at, end, err
	}
	return out, offset, offset, errors.New("too many boxes")
}

func plainEnd(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return io.EOF
	}
	return err
}

// findKeys fills keys: from the table at the end of a finished file, else by reading every part's head.
func (r *reader) findKeys() error {
	if err := r.tableKeys(); err == nil {
		return nil
	}
	r.keys = nil
	_, err := r.walk(func(at int64, places []place) { r.keys = r.appendKeys(r.keys, at, places) })
	return err
}

// appendKeys lists what a reader may begin at in the part at an offset.
func (r *reader) appendKeys(keys []keyPlace, at int64, places []place) []keyPlace {
	video := r.format.video.Codec.IsVideo()
	number := 0
	for _, p := range places {
		if p.audio == video {
			continue
		}
		if p.key && (video || number == 0) {
			keys = append(keys, keyPlace{p.pts, at, number})
		}
		number++
	}
	return keys
}

// walk calls f with every whole part, and tells where they end.
func (r *reader) walk(f func(at int64, places []place)) (end int64, err error) {
	var places []place
	end = r.first
	for range maxParts {
		var at, next int64
		places, at, next, err = r.part(end, places[:0])
		if errors.Is(err, io.EOF) {
			return end, nil
		}
		if err != nil {
			return end, err
		}
		f(at, places)
		end = next
	}
	return end, errors.New("too many parts")
}

// length tells when the last whole part ends, and its offset.
func (r *reader) length() (ticks, end int64) {
	end, _ = r.walk(func(_ int64, places []place) { ticks = max(ticks, endOfPart(places)) })
	return ticks, end
}

// endOfPart is when a part ends.
func endOfPart(places []place) int64 {
	pictures, sounds := int64(-1), int64(0)
	for _, p := range places {
		if p.audio {
			sounds = max(sounds, p.dts+p.duration)
		} else {
			pictures = max(pictures, p.dts+p.duration)
		}
	}
	return endOf(pictures, sounds)
}

// tableKeys reads the mfra box (ISO/IEC 14496-12 8.8.9), whose length stands in the file's last bytes.
func (r *reader) tableKeys() error {
	var tail [16]byte
	if r.limit < r.first+mfraBytes {
		return errEmpty
	}
	if _, err := r.in.ReadAt(tail[:], r.limit-16); err != nil {
		return err
	}
	size := int64(binary.BigEndian.Uint32(tail[12:]))
	if string(tail[4:8]) != "mfro" || size < mfraBytes || size > min(maxMfra, r.limit-r.first) {
		return errBox
	}
	b := make([]byte, size)
	if _, err := r.in.ReadAt(b, r.limit-size); err != nil {
		return err
	}
	h, err := parseHead(b, size)
	if err != nil || h.kind != "mfra" {
		return errBox
	}
	track := uint32(audioTrack)
	if r.format.video.Codec.IsVideo() {
		track = videoTrack
	}
	r.keys, err = parseKeys(b[h.header:h.size], track, r.first, r.limit-size)
	return err
}

// keyBefore returns the index of the last key picture shown at or before t, −1: there is none.
func (r *reader) keyBefore(t int64) int {
	n, _ := slices.BinarySearchFunc(r.keys, t, func(k keyPlace, t int64) int {
		if k.pts <= t {
			return -1
		}
		return 1
	})
	return n - 1
}

// unit reads a sample. Times are left to the caller.
func (r *reader) unit(p place) (*media.Unit, error) {
	head := 0
	if p.audio && r.format.audio.Codec == media.AAC {
		head = adtsHeader
	}
	u := media.NewUnit(head + int(p.size))
	u.Data = u.Data[:head+int(p.size)]
	if n, err := r.in.ReadAt(u.Data[head:], p.offset); n < int(p.size) {
		u.Release()
		return nil, plainEOF(err)
	}
	switch {
	case head > 0:
		r.format.putADTS(u.Data)
		u.Codec = media.AAC
	case p.audio:
		u.Codec = r.format.audio.Codec
	default:
		u.Codec, u.Key = r.format.video.Codec, p.key
		if !toStartCodes(u.Data) {
			u.Release()
			return nil, errors.New("a picture's lengths do not add up")
		}
	}
	return u, nil
}

// adtsHeader is the length of an ADTS header without CRC (ISO/IEC 13818-7 6.2).
const adtsHeader = 7

// putADTS fills in the header of a frame.
func (f *format) putADTS(frame []byte) {
	rates := [...]int{96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350}
	rate := max(0, slices.Index(rates[:], f.aac.SampleRate))
	n, channels := len(frame), int(f.aac.ChannelConfig)
	frame[0], frame[1] = 0xFF, 0xF1
	frame[2] = byte(int(f.aac.Type-1)&3<<6 | rate<<2 | channels>>2&1)
	frame[3] = byte(channels&3<<6 | n>>11&3)
	frame[4] = byte(n >> 3)
	frame[5] = byte(n&7<<5 | 0x1F)
	frame[6] = 0xFC
}
