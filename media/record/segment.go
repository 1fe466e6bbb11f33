package record

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"gbgate/media"
)

// maxLength is more than a segment ever lasts.
const maxLength = 24 * time.Hour

// segment is a file that is being written. Only its recorder's goroutine changes it; readers ask progress.
type segment struct {
	dir    string
	name   name
	format *format
	file   file
	path   string

	sequence uint32

	mu     sync.Mutex
	size   int64 // of what is whole in the file
	end    int64 // ticks, of the last part
	keys   []keyPlace
	closed bool
}

// keyPlace is where a key picture is.
type keyPlace struct {
	pts    int64 // ticks since the segment's start
	offset int64 // of the moof
	sample int   // which of the pictures in it, from 0
}

// newSegment creates the file; its first bytes come with the first part. Where the name is taken (the clock
// was set back), the start moves on by a millisecond. No file is made for a format that no file can have: a camera that
// sends no parameter sets is tried again with every key picture.
func newSegment(dir string, n name, f *format, create func(string) (file, error)) (*segment, error) {
	if _, err := f.marshal(); err != nil {
		return nil, formatError{err}
	}
	s := &segment{dir: dir, name: n, format: f}
	for range 1000 {
		s.path = filepath.Join(dir, s.name.path())
		out, err := create(s.path)
		if errors.Is(err, os.ErrNotExist) {
			if err = os.MkdirAll(filepath.Dir(s.path), 0o755); err != nil {
				return nil, err
			}
			out, err = create(s.path)
		}
		if err == nil {
			s.file = out
			return s, nil
		}
		if !errors.Is(err, os.ErrExist) {
			return nil, err
		}
		s.name.start++
	}
	return nil, os.ErrExist
}

// append writes a part and empties it: with the first one also what stands at a file's beginning, in one call.
func (s *segment) append(p *part, next int64) error {
	var init []byte
	if s.size == 0 {
		var err error
		if init, err = s.format.marshal(); err != nil {
			return formatError{err}
		}
	}
	offset := s.size + int64(len(init))
	end := p.end(next)
	keys := p.keys(offset, s.track())
	pieces, size := p.finish(s.format, s.sequence+1, offset, next)
	if init != nil {
		pieces = slices.Insert(pieces, 0, init)
	}
	if err := s.write(pieces...); err != nil {
		return err
	}
	p.reset()
	s.sequence++
	s.mu.Lock()
	defer s.mu.Unlock()
	s.size = offset + size
	s.end = max(s.end, end)
	s.keys = append(s.keys, keys...)
	return nil
}

// formatError is the camera's fault, not the disk's.
type formatError struct{ error }

// write takes back what a failing disk has taken half.
func (s *segment) write(pieces ...[]byte) error {
	err := s.file.Append(pieces)
	if err != nil {
		_ = s.file.Truncate(s.size)
	}
	return err
}

// errDeleted is the end of a segment whose file somebody has deleted or moved while it was written.
var errDeleted = errors.New("somebody has deleted the file")

// finish writes the table of key pictures, closes the file and gives it its final name. A segment without a
// part is removed.
func (s *segment) finish() (length int64, err error) {
	if s.size == 0 {
		err = errors.Join(s.file.Close(), os.Remove(s.path))
		s.close(s.path, s.name)
		return 0, err
	}
	table := marshalKeys(s.keys, s.track())
	if err = s.write(table); err == nil {
		s.mu.Lock()
		s.size += int64(len(table))
		s.mu.Unlock()
	}
	if e := s.file.Close(); err == nil {
		err = e
	}
	if err != nil { // it is finished when the disk is well again
		s.close(s.path, s.name)
		return min(s.end/(media.Clock/1000), maxLength.Milliseconds()), err
	}
	final := s.name
	final.length = min(s.end/(media.Clock/1000), maxLength.Milliseconds())
	path := filepath.Join(s.dir, final.path())
	if e := os.Rename(s.path, path); e != nil {
		s.close(s.path, s.name)
		if errors.Is(e, os.ErrNotExist) {
			e = errDeleted
		}
		return final.length, e
	}
	s.close(path, final)
	return final.length, nil
}

func (s *segment) close(path string, n name) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed, s.path, s.name = true, path, n
}

// track is the one whose samples readers may begin at.
func (s *segment) track() uint32 {
	if s.format.video.Codec.IsVideo() {
		return videoTrack
	}
	return audioTrack
}

// progress is how far a segment is: what readers may read, and how long it lasts so far.
type progress struct {
	path string
	name name
	size int64
	end  int64
	keys []keyPlace // from the one asked for on
}

func (s *segment) progress(keysFrom int) progress {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := progress{path: s.path, name: s.name, size: s.size, end: s.end}
	if keysFrom < len(s.keys) {
		p.keys = append(p.keys, s.keys[keysFrom:]...)
	}
	return p
}

// end is where a part ends, before it is finished.
func (p *part) end(next int64) int64 {
	pictures, sounds := int64(-1), int64(0)
	if n := len(p.pictures); n > 0 {
		pictures = p.pictures[n-1].dts + p.last(next)
	}
	if n := len(p.frames); n > 0 {
		sounds = p.frames[n-1].dts + p.frames[n-1].duration
	}
	return endOf(pictures, sounds)
}

// endOf is where something ends of which the pictures (< 0: there are none) and the sounds end then: with the pictures,
// unless those have stopped while the sound goes on.
func endOf(pictures, sounds int64) int64 {
	if pictures >= 0 && sounds-pictures < soundAlone {
		return pictures
	}
	return sounds
}

// soundAlone is more than sound is ahead of pictures, in ticks.
const soundAlone = media.Clock / 2

// keys lists what a reader may begin at in a part whose moof is at offset: key pictures, or the beginning of a part of
// a segment that has sound only.
func (p *part) keys(offset int64, track uint32) []keyPlace {
	var keys []keyPlace
	for i, s := range p.pictures {
		if s.key {
			keys = append(keys, keyPlace{s.pts, offset, i})
		}
	}
	if track == audioTrack && len(p.frames) > 0 {
		keys = append(keys, keyPlace{p.frames[0].dts, offset, 0})
	}
	return keys
}

const (
	tfraEntry = 20
	mfraBytes = 8 + 24 + 16
)

// marshalKeys returns an mfra box, which ends a finished file (ISO/IEC 14496-12 8.8.9).
func marshalKeys(keys []keyPlace, track uint32) []byte {
	b := make([]byte, 0, mfraBytes+tfraEntry*len(keys))
	b, mfra := openBox(b, "mfra")
	b, at := openFullBox(b, "tfra", 1, 0)
	b = binary.BigEndian.AppendUint32(b, track)
	b = binary.BigEndian.AppendUint32(b, 1) // sample numbers take two bytes, the other numbers one
	b = binary.BigEndian.AppendUint32(b, uint32(len(keys)))
	for _, k := range keys {
		b = binary.BigEndian.AppendUint64(b, uint64(max(0, k.pts)))
		b = binary.BigEndian.AppendUint64(b, uint64(k.offset))
		b = append(b, 1, 1) // traf and trun
		b = binary.BigEndian.AppendUint16(b, uint16(k.sample+1))
	}
	closeBox(b, at)
	b, at = openFullBox(b, "mfro", 0, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(len(b)+4-mfra))
	closeBox(b, at)
	closeBox(b, mfra)
	return b
}

// parseKeys reads the body of an mfra box for the moofs between low and high.
func parseKeys(body []byte, track uint32, low, high int64) ([]keyPlace, error) {
	var keys []keyPlace
	err := eachBox(body, func(kind string, body []byte) error {
		if kind != "tfra" {
			return nil
		}
		c := &cursor{b: body}
		long := c.u32()>>24 == 1
		if c.u32() != track {
			return nil
		}
		sizes := c.u32()
		n := c.u32()
		if sizes != 1 || !long || uint64(n)*tfraEntry > uint64(len(c.b)) {
			return errors.New("a table of another form")
		}
		keys = make([]keyPlace, 0, n)
		for range n {
			k := keyPlace{pts: int64(min(c.u64(), maxTicks)), offset: int64(c.u64())}
			c.skip(2)
			k.sample = int(c.u16()) - 1
			if k.offset < low || k.offset >= high || k.sample < 0 {
				return errors.New("a key picture outside of the file")
			}
			keys = append(keys, k)
		}
		return c.err()
	})
	return keys, err
}
