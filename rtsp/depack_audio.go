package rtsp

import (
	"slices"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"

	"gbgate/media"
)

const (
	g711Rate     = 8000
	g711MaxUnit  = 480 // bytes: 60 ms pass as they came
	g711CutUnit  = 320 // longer packets are cut at 40 ms
	aacFrame     = 1024
	adtsHeader   = 7
	adtsMaxFrame = 1<<13 - 1 // the header's length field
	maxAUHeaders = 64        // AAC frames in one packet; cameras send up to 5
	maxLATM      = 16 << 10  // bytes of one audioMuxElement
)

// adtsRates is ISO/IEC 14496-3 table 1.18.
//
//nolint:gochecknoglobals // a table
var adtsRates = [...]int{96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350}

// audioFrame is one frame on its way into a unit; header and data are valid during the call only.
type audioFrame struct {
	track     media.Track
	timestamp uint32
	offset    int64 // behind timestamp, in ticks of media.Clock
	arrived   time.Time
	header    []byte
	data      []byte
}

// audio cuts the RTP payloads of the audio track into frames.
type audio struct {
	format    audioFormat
	clockRate int
	track     media.Track
	object    byte // AAC: object type, of which ADTS knows 1 to 4
	mux       *mpeg4audio.StreamMuxConfig
	stats     *assemblerStats
	done      func(audioFrame)

	// the packet at hand
	timestamp uint32
	arrived   time.Time

	fragment []byte // of an AAC frame or audioMuxElement
	want     int    // its full size, 0 = unknown
	header   [adtsHeader]byte
	sizes    [maxAUHeaders]int
}

// newAudio returns nil if the format is none that is carried.
func newAudio(f audioFormat, stats *assemblerStats, done func(audioFrame)) *audio {
	a := &audio{format: f, stats: stats, done: done, object: byte(mpeg4audio.ObjectTypeAACLC)}
	a.track = media.Track{Codec: f.Codec, SampleRate: f.SampleRate, Channels: f.Channels}
	switch {
	case f.Codec == media.PCMA || f.Codec == media.PCMU:
		if f.SampleRate != 0 && f.SampleRate != g711Rate {
			return nil // GB/T 28181 knows G.711 at 8 kHz only
		}
		a.track.SampleRate = g711Rate
		a.track.Channels = max(a.track.Channels, 1)
	case f.Codec != media.AAC:
		return nil
	default:
		a.configureAAC()
	}
	a.clockRate = f.ClockRate
	if a.clockRate <= 0 {
		a.clockRate = a.track.SampleRate
	}
	return a
}

// configureAAC reads the SDP's config and fills in what is missing.
func (a *audio) configureAAC() {
	var config *mpeg4audio.AudioSpecificConfig
	if a.format.LATM {
		mux := new(mpeg4audio.StreamMuxConfig)
		if len(a.format.Config) > 0 && mux.Unmarshal(a.format.Config) == nil {
			a.mux, config = mux, muxedConfig(mux)
		}
	} else {
		asc := new(mpeg4audio.AudioSpecificConfig)
		if len(a.format.Config) > 0 && asc.Unmarshal(a.format.Config) == nil {
			config = asc
		}
	}
	a.useConfig(config)
	if a.track.SampleRate <= 0 {
		a.track.SampleRate = 48000
		if a.format.ClockRate > 0 {
			a.track.SampleRate = a.format.ClockRate
		}
	}
	a.track.Channels = max(a.track.Channels, 1)
	if a.format.SizeLength == 0 && a.format.IndexLength == 0 && a.format.IndexDeltaLength == 0 {
		a.format.SizeLength, a.format.IndexLength, a.format.IndexDeltaLength = 13, 3, 3
	}
}

func muxedConfig(mux *mpeg4audio.StreamMuxConfig) *mpeg4audio.AudioSpecificConfig {
	if len(mux.Programs) == 0 || len(mux.Programs[0].Layers) == 0 {
		return nil
	}
	return mux.Programs[0].Layers[0].AudioSpecificConfig
}

func (a *audio) useConfig(c *mpeg4audio.AudioSpecificConfig) {
	if c == nil {
		return
	}
	a.object = byte(c.Type)
	a.track.SampleRate = c.SampleRate
	if c.ChannelConfig > 0 {
		a.track.Channels = channelCount(c.ChannelConfig)
	}
}

// channelCount reads a channel configuration (ISO/IEC 14496-3 table 1.19): 7 means eight channels.
func channelCount(config uint8) int { return int(config) + int(config)/7 }

// packet takes the next RTP packet; gap is how many are missing in front of it.
func (a *audio) packet(p *packet, gap int) {
	if gap > 0 {
		a.lost()
	}
	ok := true
	switch {
	case a.track.Codec != media.AAC:
		a.timestamp, a.arrived = p.Timestamp, p.Arrived
		a.g711(p.Payload)
	case a.format.LATM:
		ok = a.latm(p)
	default:
		ok = a.aac(p)
	}
	if !ok {
		a.stats.Malformed++
		a.lost()
	}
}

// g711 passes packets of usual length whole and cuts longer ones, as one PES packet must not delay the
// receiver (some DVRs send 140 ms at a time).
func (a *audio) g711(b []byte) {
	unit := len(b)
	if unit > g711MaxUnit*a.track.Channels {
		unit = g711CutUnit * a.track.Channels
	}
	for at := 0; at < len(b); at += unit {
		a.done(audioFrame{
			track: a.track, timestamp: a.timestamp, arrived: a.arrived,
			offset: int64(at) * media.Clock / int64(g711Rate*a.track.Channels),
			data:   b[at:min(at+unit, len(b))],
		})
	}
}

// aac reads one RFC 3640 payload: AU headers, then AUs, or a fragment of one.
func (a *audio) aac(p *packet) bool {
	if len(a.fragment) > 0 && p.Timestamp != a.timestamp {
		a.flush() // it was whole, only the marker was missing
	}
	a.timestamp, a.arrived = p.Timestamp, p.Arrived
	if isADTS(p.Payload) {
		a.access(p.Payload, 0) // no AU headers at all
		return true
	}
	n, b := a.auHeaders(p.Payload)
	if n == 0 {
		return false
	}
	if n == 1 && (len(a.fragment) > 0 || !p.Marker || a.sizes[0] > len(b)) {
		return a.collect(b[:min(len(b), a.sizes[0])], a.sizes[0], p.Marker)
	}
	frames := 0
	for _, size := range a.sizes[:n] {
		if size > len(b) {
			return false
		}
		frames += a.access(b[:size], frames)
		b = b[size:]
	}
	return true
}

// collect takes a fragment. RFC 3640 has the full size in each AU header, gortsplib and FFmpeg the
// fragment's. A frame whose marker is missing looks like a fragment until the timestamp moves.
func (a *audio) collect(b []byte, size int, last bool) bool {
	if len(a.fragment)+len(b) > adtsMaxFrame {
		return false
	}
	if size > len(b) {
		a.want = size
	}
	a.fragment = append(a.fragment, b...)
	if last || a.want > 0 && len(a.fragment) >= a.want {
		if len(a.fragment) < a.want {
			return false
		}
		a.flush()
	}
	return true
}

// flush passes on the frame that was collected.
func (a *audio) flush() {
	if len(a.fragment) > 0 && len(a.fragment) >= a.want && !a.format.LATM {
		a.access(a.fragment, 0)
	}
	a.lost()
}

// lost drops a half frame.
func (a *audio) lost() { a.fragment, a.want = a.fragment[:0], 0 }

// auHeaders reads the sizes of the AUs in a payload into a.sizes; n = 0 means it can't be read.
func (a *audio) auHeaders(b []byte) (n int, data []byte) {
	if len(b) < 2 {
		return 0, nil
	}
	length := int(b[0])<<8 | int(b[1]) // in bits
	b = b[2:]
	bytes := (length + 7) / 8
	if bytes > len(b) || a.format.SizeLength <= 0 || a.format.SizeLength > 16 {
		return 0, nil
	}
	for pos := 0; pos+a.format.SizeLength <= length && n < maxAUHeaders; n++ {
		size := 0
		for i := range a.format.SizeLength {
			at := pos + i
			size = size<<1 | int(b[at/8]>>(7-at%8)&1)
		}
		a.sizes[n] = size
		pos += a.format.SizeLength
		if n == 0 {
			pos += max(a.format.IndexLength, 0)
		} else {
			pos += max(a.format.IndexDeltaLength, 0)
		}
	}
	return n, b[bytes:]
}

// access passes on one AU, the index-th of its packet, and returns how many frames it was. Some cameras
// wrap AUs into ADTS, whose header is then believed rather than the SDP (Reolink doorbells announce
// another rate than they send).
func (a *audio) access(b []byte, index int) int {
	n := 0
	for isADTS(b) {
		size := int(b[3]&3)<<11 | int(b[4])<<3 | int(b[5])>>5
		header := adtsHeader
		if b[1]&1 == 0 {
			header += 2 // CRC
		}
		rate := int(b[2] >> 2 & 0xF)
		if size < header || size > len(b) || rate >= len(adtsRates) {
			break
		}
		a.object = b[2]>>6 + 1
		a.track.SampleRate = adtsRates[rate]
		if channels := b[2]&1<<2 | b[3]>>6; channels > 0 {
			a.track.Channels = channelCount(channels)
		}
		a.frame(b[header:size], index+n)
		n++
		b = b[size:]
	}
	switch {
	case n > 0 || len(b) == 0:
	case isADTS(b): // broken: a raw frame never begins like this
		a.stats.Malformed++
	default:
		a.frame(b, index)
		n = 1
	}
	return n
}

func isADTS(b []byte) bool {
	return len(b) > adtsHeader && b[0] == 0xFF && b[1]&0xF6 == 0xF0
}

// frame puts an ADTS header in front of a raw AAC frame.
func (a *audio) frame(b []byte, index int) {
	size := adtsHeader + len(b)
	rate := slices.Index(adtsRates[:], a.track.SampleRate)
	if rate < 0 || size > adtsMaxFrame || len(b) == 0 {
		a.stats.Malformed++
		return
	}
	profile := a.object - 1
	if profile > 3 {
		profile = byte(mpeg4audio.ObjectTypeAACLC) - 1 // HE-AAC: the core is LC, SBR is found in the frame
	}
	channels := a.track.Channels
	if channels > 6 {
		channels = 7
	}
	a.header = [adtsHeader]byte{
		0xFF, 0xF1,
		profile<<6 | byte(rate)<<2 | byte(channels>>2),
		byte(channels&3)<<6 | byte(size>>11),
		byte(size >> 3),
		byte(size&7)<<5 | 0x1F,
		0xFC,
	}
	a.done(audioFrame{
		track: a.track, timestamp: a.timestamp, arrived: a.arrived,
		offset: int64(index) * aacFrame * media.Clock / int64(a.track.SampleRate),
		header: a.header[:], data: b,
	})
}

// latm collects an audioMuxElement (RFC 6416 6.3), which ends at the marker, and unpacks it.
func (a *audio) latm(p *packet) bool {
	if len(a.fragment) > 0 && p.Timestamp != a.timestamp {
		a.lost()
	}
	a.timestamp, a.arrived = p.Timestamp, p.Arrived
	if len(a.fragment)+len(p.Payload) > maxLATM {
		return false
	}
	a.fragment = append(a.fragment, p.Payload...)
	if !p.Marker {
		return true
	}
	// Without a config in the SDP it comes in band (cpresent=1, Meraki).
	element := mpeg4audio.AudioMuxElement{MuxConfigPresent: len(a.format.Config) == 0, StreamMuxConfig: a.mux}
	err := element.Unmarshal(a.fragment)
	a.lost()
	if err != nil {
		return false
	}
	if element.StreamMuxConfig != a.mux {
		a.mux = element.StreamMuxConfig
		a.useConfig(muxedConfig(a.mux))
	}
	for i, sub := range element.Payloads {
		if len(sub) > 0 && len(sub[0]) > 0 {
			a.access(sub[0][0], i)
		}
	}
	return true
}
