package gb28181

import (
	"bytes"
	"errors"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"
)

// Charset is the encoding that an outgoing body declares.
type Charset uint8

// The charsets. The bytes of GB2312 and GB18030 are the same here: GB 18030,
// whose two-byte part is what platforms of 2016 read under the name GB2312.
const (
	GB2312 Charset = iota
	GB18030
	UTF8
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
	case GB2312:
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
// undeclared UTF-8 must look like Chinese UTF-8: every multi-byte sequence three
// bytes long, led by E3 to E9 or EF. A byte-order mark settles it and is removed.
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
	ascii = true
	for i := 0; i < len(b); {
		if b[i] < utf8.RuneSelf {
			i++
			continue
		}
		ascii = false
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError || n != 3 || !(b[i] >= 0xe3 && b[i] <= 0xe9 || b[i] == 0xef) {
			return false, false
		}
		i += n
	}
	return ascii, !ascii
}

// Encode returns s in the charset. Every character of s can be written; bytes
// of s that are not UTF-8 become '?'.
func Encode(s string, cs Charset) []byte {
	s = strings.ToValidUTF8(s, "?")
	if cs == UTF8 {
		return []byte(s)
	}
	out, err := simplifiedchinese.GB18030.NewEncoder().Bytes([]byte(s))
	if err != nil { // GB 18030 covers all of Unicode
		return []byte(strings.Repeat("?", len(s)))
	}
	return out
}
