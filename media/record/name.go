package record

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Kind tells why something was recorded; the words are those of RecordInfo's Type (录像产生类型).
type Kind uint8

// The kinds, in the order of their precedence: an alarm during a manual recording makes it an alarm's.
const (
	None Kind = iota // nothing is recorded
	Time
	Manual
	Alarm
)

// String returns the word in RecordInfo and in file names.
func (k Kind) String() string { return [...]string{"none", "time", "manual", "alarm"}[k] }

// ParseKind is the inverse of String; All ("all" or "") is None.
func ParseKind(s string) (Kind, error) {
	switch s {
	case "all", "":
		return None, nil
	case "time":
		return Time, nil
	case "manual":
		return Manual, nil
	case "alarm":
		return Alarm, nil
	}
	return None, fmt.Errorf("%q is no kind of recording: time, alarm, manual or all", s)
}

// A segment's path is <camera>/<day>/<camera>_<start>_<kind>_<length>.mp4 below the archive's folder: day and
// start in UTC, the length in milliseconds. While a segment is written, or after the process was killed, the
// length is missing. The names are the index: no other file is needed to find a recording.
const (
	extension   = ".mp4"
	dayFormat   = "2006-01-02"
	startFormat = "20060102T150405.000Z"
	unknown     = -1 // length of a segment that was not finished

	// MaxCamera is the longest name of a camera, in bytes, escaped ones counting three: names must fit into
	// the 255 bytes that file systems give them. Whoever names cameras keeps to it.
	MaxCamera = 180
)

// name is what a segment's path says.
type name struct {
	camera string
	start  int64 // ms since 1970
	length int64 // ms, or unknown
	kind   Kind
}

// path returns it relative to the archive's folder.
func (n name) path() string {
	camera, start := escape(n.camera), time.UnixMilli(n.start).UTC()
	file := camera + "_" + start.Format(startFormat) + "_" + n.kind.String()
	if n.length >= 0 {
		file += "_" + strconv.FormatInt(n.length, 10)
	}
	return filepath.Join(camera, start.Format(dayFormat), file+extension)
}

// parseName reads the last element of a path.
func parseName(file string) (n name, ok bool) {
	rest, ok := strings.CutSuffix(file, extension)
	if !ok {
		return n, false
	}
	rest, last, ok := cutLast(rest)
	if !ok {
		return n, false
	}
	n.length = unknown
	if ms, err := strconv.ParseInt(last, 10, 64); err == nil {
		if n.length = ms; ms < 0 || ms > maxLength.Milliseconds() {
			return n, false
		}
		if rest, last, ok = cutLast(rest); !ok {
			return n, false
		}
	}
	var err error
	if n.kind, err = ParseKind(last); err != nil || n.kind == None {
		return n, false
	}
	camera, last, ok := cutLast(rest)
	if !ok || camera == "" {
		return n, false
	}
	start, err := time.Parse(startFormat, last)
	if err != nil || start.Year() > maxYear || start.UnixMilli() < 0 {
		return n, false
	}
	n.start = start.UnixMilli()
	n.camera, ok = unescape(camera)
	return n, ok
}

// maxYear keeps sums of times far from overflowing.
const maxYear = 9998

func cutLast(s string) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, '_')
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

// escape makes a camera's name a file's: what FAT, NTFS or a shell minds becomes %XX. Chinese stays.
func escape(camera string) string {
	var b strings.Builder
	for i, r := range camera {
		_, size := utf8.DecodeRuneInString(camera[i:])
		last := i+size == len(camera)
		switch {
		case r == utf8.RuneError && size == 1, r < ' ', r == 0x7F, strings.ContainsRune(`%/\:*?"<>| `, r),
			r == '.' && (i == 0 || last):
			fmt.Fprintf(&b, "%%%02X", camera[i])
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func unescape(s string) (string, bool) {
	if !strings.Contains(s, "%") {
		return s, true
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		if i+3 > len(s) {
			return "", false
		}
		c, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
		if err != nil {
			return "", false
		}
		b.WriteByte(byte(c))
		i += 2
	}
	return b.String(), true
}
