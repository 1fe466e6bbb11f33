package rtsp

import (
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"

	"gbgate/media"
)

// track is one video or audio section of a description, as far as it can be understood.
type track struct {
	Media       string      // "video" or "audio"
	Codec       media.Codec // CodecNone: not one of ours
	Name        string      // how the camera calls it, or the static payload type's name; "" = unknown
	PayloadType uint8
	Clock       int // of the RTP timestamps, in Hz; 0 = unknown
	Channels    int // audio
	Params      map[string]string
	Control     string
	SendOnly    bool // marked as going from us to the camera
}

// trackTable is what a camera offers.
type trackTable struct {
	Control string // of the session
	Tracks  []track
}

// parseTracks reads a description. It never fails; what is not understood is not in the table.
func parseTracks(body []byte) *trackTable {
	session, sections := sanitize(body)
	table := &trackTable{Control: session.get("control")}
	for i := range sections {
		s := &sections[i]
		if s.media != "video" && s.media != "audio" {
			continue // vana, meta, data, message, application: TP-Link and others
		}
		if t, ok := sectionTrack(s, sections); ok {
			table.Tracks = append(table.Tracks, t)
		}
	}
	return table
}

// sectionTrack takes the first payload type of a section that is usable, else the first.
func sectionTrack(s *sdpSection, all []sdpSection) (track, bool) {
	var first *track
	for _, f := range s.formats {
		pt, err := strconv.ParseUint(f, 10, 7)
		if err != nil {
			continue
		}
		t := payloadTrack(s, all, uint8(pt))
		if t.Codec != media.CodecNone {
			return t, true
		}
		if first == nil {
			first = &t
		}
	}
	if first == nil {
		return track{}, false
	}
	return *first, true
}

func payloadTrack(s *sdpSection, all []sdpSection, pt uint8) track {
	t := track{
		Media: s.media, PayloadType: pt, Control: s.get("control"),
		SendOnly: s.has("sendonly"), Params: formatParams(s, all, pt),
	}
	name, clock, channels := rtpmap(s, pt)
	if name == "" {
		name, clock = staticPayload(pt)
	}
	if name == "" && t.Media == "video" {
		name = guessName(t.Params)
	}
	t.Name, t.Clock, t.Channels = name, clock, channels
	t.Codec = codecOf(t.Media, name)
	switch {
	case t.Media == "video":
		t.Channels = 0
		if t.Codec != media.CodecNone {
			t.Clock = media.Clock // whatever is written: RFC 6184 and RFC 7798 allow nothing else
		}
	case t.Codec == media.PCMA || t.Codec == media.PCMU:
		if t.Clock == 0 {
			t.Clock = 8000
		}
		if t.Clock != 8000 || t.Channels > 1 {
			t.Codec = media.CodecNone // GB/T 28181 knows G.711 as 8 kHz mono only
		}
	}
	return t
}

// attributeOf returns what "key:<pt> …" says.
func attributeOf(s *sdpSection, key string, pt uint8) (string, bool) {
	for _, a := range s.attrs {
		if a.key != key {
			continue
		}
		number, rest, _ := strings.Cut(a.value, " ")
		if n, err := strconv.ParseUint(number, 10, 8); err == nil && uint8(n) == pt {
			return strings.TrimSpace(rest), true
		}
	}
	return "", false
}

// rtpmap returns encoding name, clock rate and channels of a payload type.
func rtpmap(s *sdpSection, pt uint8) (name string, clock, channels int) {
	value, ok := attributeOf(s, "rtpmap", pt)
	if !ok {
		return "", 0, 0
	}
	parts := strings.Split(value, "/")
	name = strings.TrimSpace(parts[0])
	if len(parts) > 1 {
		clock = number(parts[1])
	}
	if len(parts) > 2 {
		channels = number(parts[2])
	}
	return name, clock, channels
}

// number reads a decimal number of sane size, or gives 0.
func number(s string) int {
	n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 24)
	if err != nil {
		return 0
	}
	return int(n)
}

// formatParams reads a payload type's fmtp. Some cameras put it into another track's section.
func formatParams(s *sdpSection, all []sdpSection, pt uint8) map[string]string {
	value, ok := attributeOf(s, "fmtp", pt)
	for i := 0; !ok && i < len(all); i++ {
		value, ok = attributeOf(&all[i], "fmtp", pt)
	}
	if !ok {
		return nil
	}
	params := make(map[string]string)
	for _, kv := range strings.Split(value, ";") {
		k, v, _ := strings.Cut(kv, "=")
		if k = strings.ToLower(strings.TrimSpace(k)); k != "" && len(params) < maxParams {
			params[k] = strings.TrimSpace(v)
		}
	}
	return params
}

// staticPayload names the payload types of RFC 3551 that cameras use.
func staticPayload(pt uint8) (name string, clock int) {
	switch pt {
	case 0:
		return "PCMU", 8000
	case 2:
		return "G726-32", 8000
	case 4:
		return "G723", 8000
	case 5:
		return "DVI4", 8000
	case 8:
		return "PCMA", 8000
	case 9:
		return "G722", 8000
	case 10, 11:
		return "L16", 44100
	case 14:
		return "MPA", 90000
	case 18:
		return "G729", 8000
	case 26:
		return "JPEG", 90000
	case 31:
		return "H261", 90000
	case 32:
		return "MPV", 90000
	case 33:
		return "MP2T", 90000
	case 34:
		return "H263", 90000
	}
	return "", 0
}

// guessName names a video track without rtpmap by the parameters that only one codec has.
func guessName(params map[string]string) string {
	for key := range params {
		switch key {
		case "sprop-vps", "sprop-sps", "sprop-pps":
			return "H265"
		case "sprop-parameter-sets", "packetization-mode":
			return "H264"
		}
	}
	return ""
}

func codecOf(kind, name string) media.Codec {
	switch name = strings.ToUpper(name); {
	case kind == "video" && (name == "H264" || name == "H.264" || name == "AVC"):
		return media.H264
	case kind == "video" && (name == "H265" || name == "H.265" || name == "HEVC"):
		return media.H265
	case kind == "audio" && name == "PCMA":
		return media.PCMA
	case kind == "audio" && name == "PCMU":
		return media.PCMU
	case kind == "audio" && (name == "MPEG4-GENERIC" || name == "MP4A-LATM"):
		return media.AAC
	}
	return media.CodecNone
}

// sets returns the parameter sets that a video track's fmtp announces; what cannot be decoded is left out.
func (t *track) sets() paramSets {
	keys := []string{"sprop-parameter-sets"}
	if t.Codec == media.H265 {
		keys = []string{"sprop-vps", "sprop-sps", "sprop-pps"}
	}
	var sets paramSets
	for _, key := range keys {
		for _, text := range strings.Split(t.Params[key], ",") {
			nal, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(strings.TrimSpace(text), "="))
			if err == nil && len(nal) > 3 {
				sets = append(sets, nal)
			}
		}
	}
	return sets
}

// audio returns what the depacketiser needs to know. t may be nil: no audio.
func (t *track) audio() audioFormat {
	if t == nil {
		return audioFormat{}
	}
	f := audioFormat{Codec: t.Codec, ClockRate: t.Clock, SampleRate: t.Clock, Channels: t.Channels}
	if t.Codec != media.AAC {
		return f
	}
	f.LATM = strings.EqualFold(t.Name, "MP4A-LATM")
	if config, err := hex.DecodeString(t.Params["config"]); err == nil && len(config) <= 64 {
		f.Config = config
	}
	f.SizeLength = number(t.Params["sizelength"])
	f.IndexLength = number(t.Params["indexlength"])
	f.IndexDeltaLength = number(t.Params["indexdeltalength"])
	if f.SizeLength == 0 && strings.EqualFold(t.Params["mode"], "AAC-lbr") {
		f.SizeLength, f.IndexLength, f.IndexDeltaLength = 6, 2, 2 // RFC 3640, 3.3.5
	}
	if len(f.Config) > 0 {
		f.SampleRate, f.Channels = 0, 0 // the config knows better than rtpmap (HE-AAC)
	} else if f.Channels == 0 {
		f.Channels = 1 // rtpmap's default
	}
	return f
}
