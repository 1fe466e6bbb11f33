package gb28181

import (
	"bytes"
	"errors"
	"testing"
)

func TestDecode(t *testing.T) {
	for _, tc := range []struct {
		name, body, declared, want string
	}{
		{"GBK", "\xB6\xAB\xC3\xC5\xC7\xF2\xBB\xFA", "GB2312", "东门球机"},
		{"GBK undeclared", "\xB6\xAB\xC3\xC5\xC7\xF2\xBB\xFA", "", "东门球机"},
		{"GBK declared UTF-8", "\xB6\xAB\xC3\xC5\xC7\xF2\xBB\xFA", "UTF-8", "东门球机"},
		{"beyond GB2312", "\xE9\x46\x86\xB4", "GB2312", "镕喆"},
		{"GBK that is valid UTF-8", "\xC1\xAA\xCD\xA8", "GB2312", "联通"},
		{"the same undeclared", "\xC1\xAA\xCD\xA8", "", "联通"},
		{"four-byte GB 18030", "\x95\x32\x82\x36", "GB18030", "𠀀"},
		{"UTF-8 declared GB2312", "东门球机", "GB2312", "东门球机"},
		{"UTF-8 undeclared", "东门球机，1 号", "", "东门球机，1 号"},
		{"UTF-8 with quotation marks, declared GB2312", "“东门”·①", "GB2312", "“东门”·①"},
		{"UTF-8 with an accent and an emoji, undeclared", "东门café，📷", "", "东门café，📷"},
		{"UTF-8 with a replaced character", "东\ufffd门", "GB2312", "东\ufffd门"},
		{"GBK with quotation marks", "\xA1\xB0\xB6\xAB\xC3\xC5\xA1\xB1", "", "“东门”"},
		{"UTF-8 declared", "Caméra", "utf-8", "Caméra"},
		{"byte-order mark", "\xEF\xBB\xBF东门é", "GB2312", "东门é"},
		{"ASCII", "East gate", "GB18030", "East gate"},
		{"empty", "", "", ""},
	} {
		got, err := Decode([]byte(tc.body), tc.declared)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
		}
		if got != tc.want {
			t.Errorf("%s: got %q, want %q", tc.name, got, tc.want)
		}
	}
}

func TestDecodeKeepsWhatItCan(t *testing.T) {
	// A name cut in the middle of a character must not swallow the tag after it.
	got, err := Decode([]byte("<Name>\xB6\xAB\xC3</Name>"), "GB2312")
	if !errors.Is(err, ErrCharset) {
		t.Errorf("error %v, want ErrCharset", err)
	}
	if want := "<Name>东\ufffd</Name>"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	got, err = Decode([]byte("\xEF\xBB\xBFa\xffb"), "")
	if !errors.Is(err, ErrCharset) || got != "a\ufffdb" {
		t.Errorf("broken UTF-8 after a byte-order mark: %q, %v", got, err)
	}
}

func TestEncode(t *testing.T) {
	for _, tc := range []struct {
		in   string
		cs   Charset
		want string
	}{
		{"东门球机", GB2312, "\xB6\xAB\xC3\xC5\xC7\xF2\xBB\xFA"},
		{"东门球机", GB18030, "\xB6\xAB\xC3\xC5\xC7\xF2\xBB\xFA"},
		{"东门球机", UTF8, "东门球机"},
		{"镕喆", GB2312, "\xE9\x46\x86\xB4"},
		{"联通", GB18030, "\xC1\xAA\xCD\xA8"},
		{"𠀀", GB18030, "\x95\x32\x82\x36"},
		{"a\xffb", GB18030, "a?b"},
		{"a\xffb", UTF8, "a?b"},
		{"东门球机 A·℃", GB2312Strict, "\xB6\xAB\xC3\xC5\xC7\xF2\xBB\xFA A\xA1\xA4\xA1\xE6"},
		{"镕喆𠀀é€东", GB2312Strict, "???\xA8\xA6?\xB6\xAB"},
		{"齄亍座", GB2312Strict, "\xF7\xFE\xD8\xA1\xD7\xF9"},
		{"ⅰⅠ〇", GB2312Strict, "?\xA2\xF1?"},
	} {
		if got := Encode(tc.in, tc.cs); !bytes.Equal(got, []byte(tc.want)) {
			t.Errorf("Encode(%q, %v) = % X, want % X", tc.in, tc.cs, got, tc.want)
		}
	}
}

// GB 2312 has 682 symbols and 6763 Chinese characters.
func TestGB2312IsWhole(t *testing.T) {
	symbols, chinese := 0, 0
	for r := rune(0x80); r < 0x110000; r++ {
		switch b := Encode(string(r), GB2312Strict); {
		case len(b) == 1: // a question mark
		case len(b) != 2 || b[0] < 0xa1 || b[1] < 0xa1:
			t.Fatalf("%q becomes % X", r, b)
		case b[0] < 0xb0:
			symbols++
		default:
			chinese++
		}
	}
	if symbols != 682 || chinese != 6763 {
		t.Errorf("%d symbols and %d Chinese characters, want 682 and 6763", symbols, chinese)
	}
	if got := GB2312Strict.String(); got != "GB2312" {
		t.Errorf("declared as %q, want GB2312", got)
	}
}

func TestCharsetNames(t *testing.T) {
	for _, cs := range []Charset{GB2312, GB18030, UTF8} {
		if got, ok := ParseCharset(cs.String()); !ok || got != cs {
			t.Errorf("ParseCharset(%q) = %v, %v", cs.String(), got, ok)
		}
	}
	if got, ok := ParseCharset("Big5"); ok {
		t.Errorf("ParseCharset(Big5) = %v", got)
	}
	if got, ok := ParseCharset(" gbk "); !ok || got != GB2312 {
		t.Errorf("ParseCharset(gbk) = %v, %v", got, ok)
	}
}

func FuzzCharset(f *testing.F) {
	f.Add([]byte("\xB6\xAB\xC3\xC5"), "GB2312")
	f.Add([]byte("\xC1\xAA\xCD\xA8"), "")
	f.Add([]byte("东门"), "GB2312")
	f.Fuzz(func(t *testing.T, body []byte, declared string) {
		text, err := Decode(body, declared)
		if err != nil {
			return
		}
		again, err := Decode(Encode(text, UTF8), "UTF-8")
		if want := string(bytes.TrimPrefix([]byte(text), []byte("\xEF\xBB\xBF"))); err != nil || again != want {
			t.Errorf("% X: %q → %q, %v", body, text, again, err)
		}
	})
}
