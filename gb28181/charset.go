package gb28181

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"
)

// Charset is the encoding that an outgoing body declares.
type Charset uint8

// The charsets. The bytes of GB2312 and GB18030 are the same here: GB 18030,
// whose two-byte part is what platforms of 2016 read under the name GB2312.
//
// GB2312Strict is for parsers that take the name at its word and drop the whole
// text for a character such as 镕 or 喆: what GB 2312 lacks becomes '?'.
const (
	GB2312 Charset = iota
	GB18030
	UTF8
	GB2312Strict // declared as GB2312
)

// ErrCharset says that a body held bytes that are no character in any charset we know.
var ErrCharset = errors.New("bytes that are neither UTF-8 nor GB 18030")

// String returns the name written into the XML declaration.
func (c Charset) String() string {
	switch c {
	case GB18030:
		return "GB18030"
	case UTF8:
		return "UTF-8"
	case GB2312, GB2312Strict:
	}
	return "GB2312"
}

// ParseCharset reads the name of a charset, in any case.
func ParseCharset(name string) (c Charset, ok bool) {
	switch strings.ToUpper(strings.TrimSpace(name)) {
	case "GB2312", "GBK", "GB_2312-80", "CP936":
		return GB2312, true
	case "GB18030", "GB-18030":
		return GB18030, true
	case "UTF-8", "UTF8":
		return UTF8, true
	}
	return GB2312, false
}

// Decode returns the text of body, whose sender declared the named charset ("" when it declared none).
//
// The declaration is a hint only, as UTF-8 declared GB2312 is common. "Is it
// valid UTF-8?" is no test either: 联通 in GBK (C1 AA CD A8) is valid UTF-8. So
// undeclared UTF-8 must look like Chinese UTF-8: its multi-byte sequences are
// three bytes long and led by E3 to E9 or EF, but for quotation marks (E2) and
// at most as many middle dots, accents and the like. A byte-order mark settles
// it and is removed.
//
// Bytes that are no character become U+FFFD and the error is ErrCharset; the text is usable all the same.
func Decode(body []byte, declared string) (string, error) {
	if rest, ok := bytes.CutPrefix(body, []byte("\xef\xbb\xbf")); ok {
		return decodeUTF8(rest)
	}
	ascii, chinese := surveyUTF8(body)
	if cs, _ := ParseCharset(declared); ascii || chinese || cs == UTF8 && utf8.Valid(body) {
		return string(body), nil
	}
	out, err := simplifiedchinese.GB18030.NewDecoder().Bytes(body)
	if err != nil {
		return strings.ToValidUTF8(string(body), "\ufffd"), ErrCharset
	}
	if bytes.ContainsRune(out, utf8.RuneError) {
		return string(out), ErrCharset
	}
	return string(out), nil
}

func decodeUTF8(b []byte) (string, error) {
	if !utf8.Valid(b) {
		return strings.ToValidUTF8(string(b), "\ufffd"), ErrCharset
	}
	return string(b), nil
}

// surveyUTF8 tells whether b is plain ASCII, and whether it is UTF-8 of the
// kind that Chinese text makes.
func surveyUTF8(b []byte) (ascii, chinese bool) {
	han, marks, other := 0, 0, 0
	for i := 0; i < len(b); {
		if b[i] < utf8.RuneSelf {
			i++
			continue
		}
		r, n := utf8.DecodeRune(b[i:])
		switch {
		case r == utf8.RuneError && n < 3:
			return false, false
		case b[i] >= 0xe3 && b[i] <= 0xe9 || b[i] == 0xef:
			han++
		case b[i] == 0xe2: // quotation marks, dashes, circled digits: they prove nothing
			marks++
		default:
			other++
		}
		i += n
	}
	return han+marks+other == 0, han > 0 && han >= other
}

// Encode returns s in the charset. Every character of s can be written, but
// for GB2312Strict; bytes of s that are not UTF-8 become '?'.
func Encode(s string, cs Charset) []byte {
	s = strings.ToValidUTF8(s, "?")
	if cs == UTF8 {
		return []byte(s)
	}
	out, err := simplifiedchinese.GB18030.NewEncoder().Bytes([]byte(s))
	if err != nil { // GB 18030 covers all of Unicode
		return []byte(strings.Repeat("?", len(s)))
	}
	if cs == GB2312Strict {
		return narrow(out)
	}
	return out
}

// narrow replaces what is in GB 18030 but not in GB 2312.
func narrow(b []byte) []byte {
	out := b[:0]
	for i := 0; i < len(b); {
		size := 1
		switch {
		case b[i] < utf8.RuneSelf:
		case i+3 < len(b) && b[i+1] >= '0' && b[i+1] <= '9':
			size = 4
		case i+1 < len(b):
			size = 2
		}
		if b[i] < utf8.RuneSelf || size == 2 && inGB2312(b[i], b[i+1]) {
			out = append(out, b[i:i+size]...)
		} else {
			out = append(out, '?')
		}
		i += size
	}
	return out
}

// inGB2312 tells whether two bytes are a character of GB 2312-80: rows 1 to 9
// are symbols, 16 to 55 and 56 to 87 Chinese.
func inGB2312(row, column byte) bool {
	if row >= 0xb0 && row <= 0xf7 {
		return column >= 0xa1 && column <= 0xfe && (row != 0xd7 || column <= 0xf9)
	}
	symbols := [...][][2]byte{
		{{0xa1, 0xfe}},
		{{0xb1, 0xe2}, {0xe5, 0xee}, {0xf1, 0xfc}},
		{{0xa1, 0xfe}},
		{{0xa1, 0xf3}},
		{{0xa1, 0xf6}},
		{{0xa1, 0xb8}, {0xc1, 0xd8}},
		{{0xa1, 0xc1}, {0xd1, 0xf1}},
		{{0xa1, 0xba}, {0xc5, 0xe9}},
		{{0xa4, 0xef}},
	}
	if row < 0xa1 || int(row-0xa1) >= len(symbols) {
		return false
	}
	return slices.ContainsFunc(symbols[row-0xa1], func(r [2]byte) bool { return column >= r[0] && column <= r[1] })
}
