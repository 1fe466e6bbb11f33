package rtsp

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/format/rtph264"
	"github.com/bluenviron/gortsplib/v4/pkg/format/rtph265"
	"github.com/pion/rtp"

	"gbgate/media"
)

// encoding is a video that FFmpeg encoded: its access units with the times a muxer knows.
type encoding struct {
	codec media.Codec
	units []clipUnit
}

type clipUnit struct {
	nals     [][]byte // without delimiters
	key      bool
	pts, dts int64 // from the first unit's PTS
}

// clipArgs are the encodings that the tests use.
var clipArgs = map[string][]string{
	"h264":            x264("bframes=0"),
	"h264-slices":     x264("bframes=0:slices=8"),
	"h264-b":          x264("bframes=3:b-pyramid=normal:slices=4"),
	"h264-open-gop":   x264("bframes=2:open-gop=1"),
	"h264-interlaced": x264("bframes=0:tff=1"),
	"h264-refresh":    x264("bframes=0:intra-refresh=1"),
	"h265":            x265("bframes=0:slices=1"),
	"h265-slices":     x265("bframes=0:slices=4"),
	"h265-b":          x265("bframes=4:b-pyramid=1:open-gop=1"),
}

func x264(params string) []string {
	return []string{
		"libx264", "-preset", "veryfast", "-x264-params",
		"aud=1:repeat-headers=1:keyint=25:scenecut=0:" + params,
	}
}

func x265(params string) []string {
	return []string{
		"libx265", "-preset", "veryfast", "-x265-params",
		"log-level=error:aud=1:repeat-headers=1:keyint=25:scenecut=0:" + params,
	}
}

var clipCache sync.Map // name → func() (encoding, error)

func loadClip(t testing.TB, name string) encoding {
	t.Helper()
	dir := t.TempDir()
	load, _ := clipCache.LoadOrStore(name, sync.OnceValues(func() (encoding, error) { return encodeClip(dir, name) }))
	c, err := load.(func() (encoding, error))()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func run(name string, args ...string) ([]byte, error) {
	if _, err := exec.LookPath(name); err != nil {
		return nil, fmt.Errorf("%w: these tests encode with FFmpeg, install it with: apt-get install ffmpeg", err)
	}
	var stderr bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, &stderr)
	}
	return out, nil
}

// encodeClip makes three seconds of 25 pictures each, with a key picture every second.
func encodeClip(dir, name string) (encoding, error) {
	c := encoding{codec: media.H264}
	raw := "h264"
	if strings.HasPrefix(name, "h265") {
		c.codec, raw = media.H265, "hevc"
	}
	ts := filepath.Join(dir, name+".ts")
	args := []string{"-v", "error", "-f", "lavfi", "-i", "testsrc2=s=320x240:r=25:d=3", "-c:v"}
	args = append(args, clipArgs[name]...)
	if _, err := run("ffmpeg", append(args, "-f", "mpegts", ts)...); err != nil {
		return c, err
	}
	times, err := run("ffprobe", "-v", "error", "-show_entries", "packet=pts,dts", "-of", "csv=p=0", ts)
	if err != nil {
		return c, err
	}
	es, err := run("ffmpeg", "-v", "error", "-i", ts, "-c", "copy", "-f", raw, "-")
	if err != nil {
		return c, err
	}
	c.split(es)
	return c, c.time(strings.Fields(string(times)))
}

// split cuts the elementary stream at its access unit delimiters.
func (c *encoding) split(es []byte) {
	for _, nal := range annexB(es) {
		kind := kindOfNAL(c.codec, nal)
		if kind.class == nalDelimiter {
			c.units = append(c.units, clipUnit{})
			continue
		}
		u := &c.units[len(c.units)-1]
		u.nals = append(u.nals, nal)
		u.key = u.key || kind.key
	}
}

func (c *encoding) time(rows []string) error {
	if len(rows) != len(c.units) {
		return fmt.Errorf("%d times for %d access units", len(rows), len(c.units))
	}
	for i, row := range rows {
		pts, rest, _ := strings.Cut(row, ",")
		dts, _, _ := strings.Cut(rest, ",")
		u := &c.units[i]
		var err error
		if u.pts, err = strconv.ParseInt(pts, 10, 64); err != nil {
			return err
		}
		if u.dts, err = strconv.ParseInt(dts, 10, 64); err != nil {
			return err
		}
	}
	base := c.units[0].pts
	for i := range c.units {
		c.units[i].pts -= base
		c.units[i].dts -= base
	}
	return nil
}

// annexB is a second, simple reading of start codes.
func annexB(es []byte) [][]byte {
	var nals [][]byte
	for _, piece := range bytes.Split(es, []byte{0, 0, 1}) {
		if piece = bytes.TrimRight(piece, "\x00"); len(piece) > 0 {
			nals = append(nals, piece)
		}
	}
	return nals
}

func kindOfNAL(codec media.Codec, nal []byte) nalKind {
	if codec == media.H265 {
		return classifyH265(nal[0], nal[1], nal[2:])
	}
	return classifyH264(nal[0], nal[1:])
}

// want is the Data that the access unit must become: start codes, parameter sets in front if it is key.
func (c *encoding) want(u clipUnit) []byte {
	var sets, rest []byte
	for _, nal := range u.nals {
		b := append([]byte{0, 0, 0, 1}, nal...)
		if kindOfNAL(c.codec, nal).class == nalSet {
			sets = append(sets, b...)
		} else {
			rest = append(rest, b...)
		}
	}
	return append(sets, rest...)
}

// packetise cuts the clip into RTP packets with gortsplib's encoder.
func (c *encoding) packetise(t testing.TB, mtu int) []packet {
	t.Helper()
	encode := c.encoder(t, mtu)
	var out []packet
	for i, u := range c.units {
		pkts, err := encode(u.nals)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range pkts {
			out = append(out, packet{
				Payload: p.Payload, Marker: p.Marker, Seq: p.SequenceNumber,
				Timestamp: uint32(u.pts) + 4_294_900_000, // wraps on the way
				Arrived:   start.Add(time.Duration(i) * 40 * time.Millisecond),
			})
		}
	}
	return out
}

func (c *encoding) encoder(t testing.TB, mtu int) func(au [][]byte) ([]*rtp.Packet, error) {
	t.Helper()
	seq := uint16(65500)
	if c.codec == media.H265 {
		e := &rtph265.Encoder{PayloadType: 96, PayloadMaxSize: mtu, InitialSequenceNumber: &seq}
		if err := e.Init(); err != nil {
			t.Fatal(err)
		}
		return e.Encode
	}
	e := &rtph264.Encoder{PayloadType: 96, PayloadMaxSize: mtu, InitialSequenceNumber: &seq, PacketizationMode: 1}
	if err := e.Init(); err != nil {
		t.Fatal(err)
	}
	return e.Encode
}

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// got is what a test keeps of a unit.
type got struct {
	codec    media.Codec
	key      bool
	pts, dts int64
	data     []byte
	desc     *media.Description
	arrived  time.Time
}

// collector is an assembler that keeps what it emits.
type collector struct {
	*assembler
	units []got
}

func collect(codec media.Codec, sets paramSets, audio audioFormat) *collector {
	c := &collector{}
	c.assembler = newAssembler(codec, sets, audio, func(u *media.Unit) {
		c.units = append(c.units, got{
			u.Codec, u.Key, u.PTS, u.DTS, bytes.Clone(u.Data), u.Desc, u.Arrived,
		})
		u.Release()
	}, nil)
	return c
}

// feed hands packets over in buffers that are overwritten after each call.
func (c *collector) feed(pkts []packet) *collector {
	buf := make([]byte, 0, 65536)
	for _, p := range pkts {
		buf = append(buf[:0], p.Payload...)
		p.Payload = buf
		c.video(&p)
		for i := range buf {
			buf[i] = 0xEE
		}
	}
	return c
}

// renumber gives the packets rising sequence numbers.
func renumber(pkts []packet) []packet {
	for i := range pkts {
		pkts[i].Seq = uint16(65530 + i)
	}
	return pkts
}

// compareUnits checks Data and Key against the clip's units from..to.
func (c *collector) compareUnits(t *testing.T, clip encoding, indexes []int) {
	t.Helper()
	if len(c.units) != len(indexes) {
		t.Fatalf("got %d units, want %d; stats %+v", len(c.units), len(indexes), c.stats)
	}
	for i, at := range indexes {
		g, w := c.units[i], clip.units[at]
		if g.key != w.key {
			t.Errorf("unit %d: key %v, want %v", i, g.key, w.key)
		}
		if want := clip.want(w); !bytes.Equal(g.data, want) {
			t.Fatalf("unit %d: %d bytes, want %d (picture %d)", i, len(g.data), len(want), at)
		}
	}
}

func span(from, to int) []int {
	var s []int
	for i := from; i < to; i++ {
		s = append(s, i)
	}
	return s
}
