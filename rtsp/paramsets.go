package rtsp

import (
	"bytes"
	"math"
	"slices"

	"github.com/bluenviron/mediacommon/v2/pkg/bits"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"

	"gbgate/media"
)

// paramSets are parameter sets from the SDP: NAL units (VPS, SPS, PPS) without start codes, in any
// order, possibly none. They are only a hint, since some Uniview cameras announce sets that do not fit
// the stream: the same kind of set seen in the stream replaces them.
type paramSets [][]byte

const (
	maxSetSize = 4 << 10
	maxSets    = 32 // of one stream; H.264 allows far more PPS, encoders use one to four

	reorderUnknown = -1
	maxReorder     = 16 // frames: the decoded picture buffer of H.264 and H.265
)

// setKind orders parameter sets as they stand in front of a picture.
type setKind uint8

const (
	setVPS setKind = iota
	setSPS
	setPPS
	setKinds
)

// paramSet is one parameter set in force.
type paramSet struct {
	kind setKind
	id   uint32
	hint bool // from the SDP, not yet seen in the stream
	nal  []byte
}

// setStore keeps the parameter sets in force and what they say about the video.
type setStore struct {
	codec media.Codec
	sets  []paramSet // by kind, then in order of appearance
	// annexB holds all sets with start codes, as they stand in front of a key picture.
	annexB []byte
	dirty  bool // changed since they last stood in front of a picture

	track      media.Track // from the newest SPS
	reorder    int         // frames that may precede a frame in decoding and follow it in output; or reorderUnknown
	interlaced bool        // H.264: a picture may come as two fields
}

func newSetStore(codec media.Codec, hints paramSets) *setStore {
	s := &setStore{codec: codec, track: media.Track{Codec: codec}, reorder: reorderUnknown}
	for _, nal := range hints {
		s.add(nal, true)
	}
	s.dirty = false
	return s
}

// ready tells whether there is all that a decoder needs.
func (s *setStore) ready() bool {
	var have [setKinds]bool
	have[setVPS] = s.codec == media.H264
	for i := range s.sets {
		have[s.sets[i].kind] = true
	}
	return have[setVPS] && have[setSPS] && have[setPPS]
}

// add takes a parameter set and tells whether it was acceptable. The bytes are copied.
func (s *setStore) add(nal []byte, hint bool) bool {
	kind, ok := s.kindOf(nal)
	if !ok || len(nal) > maxSetSize {
		return false
	}
	if s.known(kind, nal, hint) {
		return true
	}
	set := paramSet{kind: kind, hint: hint, nal: bytes.Clone(nal)}
	if !s.read(&set) {
		return false
	}
	s.sets = slices.DeleteFunc(s.sets, func(old paramSet) bool {
		return old.kind == kind && (old.id == set.id || old.hint && !hint)
	})
	if len(s.sets) >= maxSets {
		return false
	}
	s.sets = append(s.sets, set)
	slices.SortStableFunc(s.sets, func(a, b paramSet) int { return int(a.kind) - int(b.kind) })
	s.rebuild()
	return true
}

// kindOf reads the NAL unit's type.
func (s *setStore) kindOf(nal []byte) (setKind, bool) {
	switch {
	case len(nal) < 3:
	case s.codec == media.H265:
		if typ := h265Type(nal[0]); typ >= h265VPS && typ <= h265PPS {
			return setKind(typ - h265VPS), true
		}
	case nal[0]&0x1F == h264SPS && len(nal) > 3:
		return setSPS, true
	case nal[0]&0x1F == h264PPS:
		return setPPS, true
	}
	return 0, false
}

// known tells whether exactly this set is in force. Seen in the stream, it ends being a hint.
func (s *setStore) known(kind setKind, nal []byte, hint bool) bool {
	for i := range s.sets {
		if set := &s.sets[i]; set.kind == kind && bytes.Equal(set.nal, nal) {
			set.hint = set.hint && hint
			return true
		}
	}
	return false
}

func (s *setStore) rebuild() {
	s.annexB = s.annexB[:0]
	for i := range s.sets {
		s.annexB = append(append(s.annexB, startCode[:]...), s.sets[i].nal...)
	}
	s.dirty = true
}

// read finds out a set's id and, of an SPS, what it says about the video. A hint that can't be read is
// refused; a set from the stream is passed on all the same, since decoders know more than we do.
func (s *setStore) read(set *paramSet) bool {
	var err error
	switch {
	case set.kind == setVPS:
		set.id = uint32(set.nal[2] >> 4)
	case set.kind == setPPS:
		body := set.nal[1:]
		if s.codec == media.H265 {
			body = set.nal[2:]
		}
		pos := 0
		set.id, err = bits.ReadGolombUnsigned(body[:min(len(body), 6)], &pos)
	case s.codec == media.H265:
		err = s.readH265(set)
	default:
		err = s.readH264(set)
	}
	return err == nil || !set.hint
}

func (s *setStore) readH264(set *paramSet) error {
	var sps h264.SPS
	err := sps.Unmarshal(set.nal)
	if err != nil && set.hint {
		return err
	}
	s.track, s.reorder, s.interlaced = media.Track{Codec: s.codec}, reorderUnknown, false
	if err != nil {
		return err
	}
	set.id = sps.ID
	s.track = videoTrack(s.codec, sps.Width(), sps.Height(), sps.FPS())
	s.interlaced = !sps.FrameMbsOnlyFlag
	switch {
	case sps.PicOrderCntType == 2, sps.ProfileIdc == 66: // output order is decoding order; no B slices
		s.reorder = 0
	case sps.VUI != nil && sps.VUI.BitstreamRestriction != nil:
		s.reorder = reorderFrames(sps.VUI.BitstreamRestriction.MaxNumReorderFrames)
	}
	return nil
}

func (s *setStore) readH265(set *paramSet) error {
	var sps h265.SPS
	err := sps.Unmarshal(set.nal)
	if err != nil && set.hint {
		return err
	}
	s.track, s.reorder = media.Track{Codec: s.codec}, reorderUnknown
	if err != nil {
		return err
	}
	set.id = uint32(sps.ID)
	if sps.ChromaFormatIdc <= 3 { // beyond, Width would look outside its table
		s.track = videoTrack(s.codec, sps.Width(), sps.Height(), sps.FPS())
	}
	if n := len(sps.MaxNumReorderPics); n > 0 {
		s.reorder = reorderFrames(sps.MaxNumReorderPics[n-1])
	}
	return nil
}

func reorderFrames(n uint32) int {
	if n > maxReorder {
		return reorderUnknown
	}
	return int(n)
}

// videoTrack keeps only figures that can be true; cameras write nonsense into timing info.
func videoTrack(codec media.Codec, width, height int, fps float64) media.Track {
	t := media.Track{Codec: codec}
	if width > 0 && width <= 16384 && height > 0 && height <= 16384 {
		t.Width, t.Height = width, height
	}
	if !math.IsNaN(fps) && fps >= 0.1 && fps <= 240 {
		t.FPS = fps
	}
	return t
}
