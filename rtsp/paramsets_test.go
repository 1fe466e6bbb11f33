package rtsp

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gbgate/media"
)

// setsOf returns the clip's parameter sets and, apart, its access units without them.
func setsOf(clip encoding) (paramSets, encoding) {
	var sets paramSets
	bare := encoding{codec: clip.codec}
	for _, u := range clip.units {
		w := u
		w.nals = nil
		for _, nal := range u.nals {
			if kindOfNAL(clip.codec, nal).class != nalSet {
				w.nals = append(w.nals, nal)
			} else if !slices.ContainsFunc(sets, func(b []byte) bool { return bytes.Equal(b, nal) }) {
				sets = append(sets, nal)
			}
		}
		bare.units = append(bare.units, w)
	}
	return sets, bare
}

func TestDescription(t *testing.T) {
	for _, name := range []string{"h264", "h264-b", "h264-interlaced", "h265", "h265-b"} {
		clip := loadClip(t, name)
		c := collect(clip.codec, nil, audioFormat{}).feed(clip.single())
		want := &media.Description{Video: media.Track{Codec: clip.codec, Width: 320, Height: 240, FPS: 25}}
		if diff := cmp.Diff(want, c.units[0].desc); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if c.units[0].desc != c.units[len(c.units)-1].desc {
			t.Errorf("%s: described anew without a reason", name)
		}
	}
}

// TestSetsFromSDPOnly: the camera never sends its sets; every key picture has them in front all the same.
func TestSetsFromSDPOnly(t *testing.T) {
	for _, name := range []string{"h264", "h265"} {
		clip := loadClip(t, name)
		sets, bare := setsOf(clip)
		slices.Reverse(sets) // in any order
		c := collect(clip.codec, sets, audioFormat{}).feed(bare.single())
		c.compareUnits(t, clip, span(0, len(clip.units)))
	}
}

// TestSetsInBandOnceOnly: sent before the first picture and never again, in packets of their own with
// another timestamp.
func TestSetsInBandOnceOnly(t *testing.T) {
	for _, name := range []string{"h264", "h265"} {
		clip := loadClip(t, name)
		sets, bare := setsOf(clip)
		var pkts []packet
		for _, nal := range sets {
			pkts = append(pkts, packet{Payload: nal, Marker: true, Timestamp: 99, Arrived: start})
		}
		c := collect(clip.codec, nil, audioFormat{}).feed(renumber(append(pkts, bare.single()...)))
		c.compareUnits(t, clip, span(0, len(clip.units)))
	}
}

// TestNoSets: without them nothing comes out.
func TestNoSets(t *testing.T) {
	for _, name := range []string{"h264", "h265"} {
		clip := loadClip(t, name)
		sets, bare := setsOf(clip)
		for i := range sets {
			lacking := slices.Delete(slices.Clone(sets), i, i+1)
			c := collect(clip.codec, lacking, audioFormat{}).feed(bare.single())
			if len(c.units) != 0 {
				t.Errorf("%s without set %d: %d units", name, i, len(c.units))
			}
		}
	}
}

// TestHintsGiveWay is Uniview (mediamtx#2304, #2348): the SDP has sets that are broken or of another
// picture size, the stream has the right ones.
func TestHintsGiveWay(t *testing.T) {
	clip := loadClip(t, "h264")
	other, _ := setsOf(loadClip(t, "h264-interlaced"))
	for name, hints := range map[string]paramSets{
		"broken": {{0x67, 1, 2, 3, 4}, {0x68}, {}, nil, {0x65, 1, 2, 3, 4}},
		"other":  other,
	} {
		c := collect(clip.codec, hints, audioFormat{}).feed(clip.single())
		if len(c.units) == 0 {
			t.Fatalf("%s: nothing came out", name)
		}
		c.compareUnits(t, clip, span(0, len(clip.units)))
	}
}

// TestSetsChange: the user sets another resolution while the stream runs.
func TestSetsChange(t *testing.T) {
	clip := loadClip(t, "h264")
	b := x264("bframes=0")
	clipArgs["h264-small"] = append(slices.Clone(b), "-s", "160x120")
	small := loadClip(t, "h264-small")
	c := collect(media.H264, nil, audioFormat{}).feed(clip.single())
	again := small.single()
	for i := range again {
		again[i].Seq += uint16(len(clip.single()))
		again[i].Timestamp += 3 * media.Clock
		again[i].Arrived = again[i].Arrived.Add(3 * time.Second)
	}
	c.feed(again)
	if len(c.units) != 150 {
		t.Fatalf("%d units, want 150; %+v", len(c.units), c.stats)
	}
	if got := c.units[74].desc.Video.Width; got != 320 {
		t.Errorf("before: width %d", got)
	}
	want := media.Track{Codec: media.H264, Width: 160, Height: 120, FPS: 25}
	if diff := cmp.Diff(want, c.units[75].desc.Video); diff != "" {
		t.Error(diff)
	}
	if want := small.want(small.units[0]); !bytes.Equal(c.units[75].data, want) {
		t.Error("the first small picture has other sets in front")
	}
	c.checkOrder(t)
}

// TestChangedSetBeforeOrdinaryPicture: a decoder needs it there, not with the next key picture.
func TestChangedSetBeforeOrdinaryPicture(t *testing.T) {
	clip := loadClip(t, "h264")
	sets, _ := setsOf(clip)
	pps := append(bytes.Clone(sets[1]), 0x55) // the same id, other content
	pkts := clip.single()
	at := slices.IndexFunc(pkts, func(p packet) bool { return p.Timestamp == uint32(clip.units[5].pts) })
	pkts = slices.Insert(pkts, at, packet{Payload: pps, Timestamp: pkts[at].Timestamp, Arrived: pkts[at].Arrived})
	c := collect(media.H264, nil, audioFormat{}).feed(renumber(pkts))
	if !bytes.Contains(c.units[5].data, pps) {
		t.Error("the changed set is missing")
	}
	if bytes.Contains(c.units[6].data, pps) || c.units[5].key {
		t.Error("the set stays, or made a key picture")
	}
}

// TestSetStoreBounds: sets with ever new ids.
func TestSetStoreBounds(t *testing.T) {
	s := newSetStore(media.H265, nil)
	for i := range 1000 {
		s.add([]byte{h265PPS << 1, 1, byte(i), byte(i >> 8), 0x80}, false)
	}
	if len(s.sets) > maxSets {
		t.Errorf("%d sets kept", len(s.sets))
	}
	if s.add(append([]byte{h265PPS << 1, 1, 0x80}, make([]byte, maxSetSize)...), false) {
		t.Error("a set beyond the limit was taken")
	}
}
