package ps

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gbgate/media"
)

// golden is the layout of the vectors, which were made with libmpeg's rates.
var golden = layout{muxRate: 6106, rateBound: 26234, mapVersion: 1, lead: 3600}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.NewReplacer(" ", "", "|", "").Replace(s))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func diffHex(t *testing.T, want string, got []byte) {
	t.Helper()
	if diff := cmp.Diff(hex.EncodeToString(unhex(t, want)), hex.EncodeToString(got)); diff != "" {
		t.Errorf("bytes differ (-want +got):\n%s", diff)
	}
}

func flat(bufs [][]byte) []byte { return bytes.Join(bufs, nil) }

func TestPackHeader(t *testing.T) {
	for _, c := range []struct {
		scr  int64
		want string
	}{
		{0, "00 00 01 BA 44 00 04 00 04 01 00 5F 6B F8"},
		{90000, "00 00 01 BA 44 00 16 FC 84 01 00 5F 6B F8"},
		{8589930000, "00 00 01 BA 7F FF FF 70 84 01 00 5F 6B F8"},
		{1<<33 + 90000, "00 00 01 BA 44 00 16 FC 84 01 00 5F 6B F8"},
	} {
		diffHex(t, c.want, appendPackHeader(nil, c.scr, golden.muxRate))
	}
}

func TestSystemHeader(t *testing.T) {
	diffHex(t, "00 00 01 BB 00 0C 80 CC F5 05 E1 7F E0 E1 90 C0 C0 20",
		appendSystemHeader(nil, golden.rateBound, media.H264, media.PCMA))
	diffHex(t, "00 00 01 BB 00 09 80 CC F5 01 E1 7F E0 E1 90",
		appendSystemHeader(nil, golden.rateBound, media.H265, media.CodecNone))
	diffHex(t, "00 00 01 BB 00 09 80 CC F5 05 E0 7F C0 C0 20",
		appendSystemHeader(nil, golden.rateBound, media.CodecNone, media.PCMA))
}

func TestProgramStreamMap(t *testing.T) {
	for _, c := range []struct {
		video, audio media.Codec
		want         string
	}{
		{media.H264, media.PCMA, "00 00 01 BC 00 12 E1 FF 00 00 00 08 1B E0 00 00 90 C0 00 00 B9 28 7F 16"},
		{media.H265, media.PCMA, "00 00 01 BC 00 12 E1 FF 00 00 00 08 24 E0 00 00 90 C0 00 00 19 A8 5C 03"},
		{media.H264, media.AAC, "00 00 01 BC 00 12 E1 FF 00 00 00 08 1B E0 00 00 0F C0 00 00 0D B2 09 C9"},
		{media.H264, media.CodecNone, "00 00 01 BC 00 0E E1 FF 00 00 00 04 1B E0 00 00 74 4C 1D 22"},
		{media.H265, media.CodecNone, "00 00 01 BC 00 0E E1 FF 00 00 00 04 24 E0 00 00 8C D9 10 11"},
		{media.CodecNone, media.PCMA, "00 00 01 BC 00 0E E1 FF 00 00 00 04 90 C0 00 00 70 22 9A BB"},
	} {
		diffHex(t, c.want, appendMap(nil, 1, c.video, c.audio))
	}
}

// TestMapVersion: a receiver that reads a map only when its version changes must notice that a
// track came or went.
func TestMapVersion(t *testing.T) {
	seen := map[byte][2]media.Codec{}
	for _, video := range []media.Codec{media.CodecNone, media.H264, media.H265} {
		for _, audio := range []media.Codec{media.CodecNone, media.PCMA, media.PCMU, media.AAC} {
			v := mapVersion(video, audio)
			if other, dup := seen[v]; dup || v < 1 || v > 31 {
				t.Errorf("version of %v+%v = %d, also of %v", video, audio, v, other)
			}
			seen[v] = [2]media.Codec{video, audio}
		}
	}
	if got := mapVersion(media.H264, media.PCMA); got != 1 {
		t.Errorf("version of H.264+A-law = %d, want 1", got)
	}
}

func TestCRC(t *testing.T) {
	// From a map that libmpeg's own muxer made.
	b := unhex(t, "00 00 01 BC 00 28 C2 01 00 16 71 14 69 72 65 61 64 65 72 2F 6D 65 64 69 61 2D 73 65 72"+
		"76 65 72 00 08 1B E0 00 00 90 C0 00 00")
	if got, want := crc32MPEG(b), uint32(0xABEE83EB); got != want {
		t.Errorf("got %08X, want %08X", got, want)
	}
}

func TestPESHeader(t *testing.T) {
	diffHex(t, "00 00 01 E0 00 20 84 80 05 21 00 05 DB 41", appendPESHeader(nil, idVideo, 24, 93600, 93600))
	diffHex(t, "00 00 01 E0 00 25 84 C0 0A 31 00 05 F7 61 11 00 05 DB 41",
		appendPESHeader(nil, idVideo, 24, 97200, 93600))
	diffHex(t, "00 00 01 C0 01 03 80 00 00", appendPESContinuation(nil, idAudio, 256))
}

const dummyKey = "00 00 00 01 67 42 00 1E 00 00 00 01 68 CE 3C 80 00 00 00 01 65 88 84 3F"

func TestKeyPack(t *testing.T) {
	u := newUnit(media.H264, true, 90000, 90000, unhex(t, dummyKey), withAudio(media.PCMA))
	defer u.Release()
	p := mux(u, AudioAuto, golden)
	diffHex(t, "00 00 01 BA 44 00 16 8C 04 01 00 5F 6B F8 |"+
		"00 00 01 BB 00 0C 80 CC F5 05 E1 7F E0 E1 90 C0 C0 20 |"+
		"00 00 01 BC 00 12 E1 FF 00 00 00 08 1B E0 00 00 90 C0 00 00 B9 28 7F 16 |"+
		"00 00 01 E0 00 20 84 80 05 21 00 05 BF 21 |"+dummyKey, flat(p.Bufs()))
	if got, want := p.Len(), 94; got != want {
		t.Errorf("Len = %d, want %d", got, want)
	}
	if len(p.Bufs()) != 2 || &p.Bufs()[1][0] != &u.Data[0] {
		t.Errorf("the pack does not refer to the unit's own bytes")
	}
}

func TestPlainPacks(t *testing.T) {
	desc := withAudio(media.PCMA)
	u := newUnit(media.H264, false, 97200, 93600, unhex(t, "00 00 00 01 41 9A"), desc)
	defer u.Release()
	diffHex(t, "00 00 01 BA 44 00 16 FC 84 01 00 5F 6B F8 |"+
		"00 00 01 E0 00 13 84 C0 0A 31 00 05 F7 61 11 00 05 DB 41 | 00 00 00 01 41 9A",
		flat(mux(u, AudioAuto, golden).Bufs()))

	a := newUnit(media.PCMA, false, 93600, 93600, unhex(t, "D5 D5 D5 D5"), desc)
	defer a.Release()
	diffHex(t, "00 00 01 BA 44 00 16 FC 84 01 00 5F 6B F8 |"+
		"00 00 01 C0 00 0C 84 80 05 21 00 05 DB 41 | D5 D5 D5 D5", flat(mux(a, AudioAuto, golden).Bufs()))
}
