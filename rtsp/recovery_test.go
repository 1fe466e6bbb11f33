package rtsp

import (
	"bytes"
	"log/slog"
	"slices"
	"testing"
	"time"

	"gbgate/media"
)

// TestRecoveryPoint: a stream that has no IDR picture behind the first one. For a while the camera is given the chance
// to send one, then pictures with a recovery point count as key.
func TestRecoveryPoint(t *testing.T) {
	for _, name := range []string{"h264-refresh", "h264-open-gop"} {
		clip := loadClip(t, name)
		sets := paramSets(clip.units[0].nals[:2])
		for _, patience := range []time.Duration{2 * time.Second, recoveryAfter} {
			c := collect(clip.codec, sets, audioFormat{})
			c.pictures.recoveryAfter = patience
			c.feed(laps(t, clip, 6, func(int) bool { return false }))
			if len(c.units) == 0 {
				t.Fatalf("%s: no key picture", name)
			}
			if after := c.units[0].arrived.Sub(start); after < patience || after > patience+3*time.Second {
				t.Errorf("%s: first key picture after %v", name, after)
			}
			if !bytes.HasPrefix(c.units[0].data, append([]byte{0, 0, 0, 1}, sets[0]...)) {
				t.Errorf("%s: no parameter sets in front", name)
			}
		}
	}
}

// Where IDR pictures come, if seldom, nobody starts anywhere else; where they come no more, as soon as they are late.
func TestRecoveryPointBetweenIDRs(t *testing.T) {
	const never = 1000
	for _, c := range []struct {
		every, n int // laps
		keys     []time.Duration
	}{
		{every: 3, n: 9, keys: []time.Duration{0, 9 * time.Second, 18 * time.Second}},
		{every: 6, n: 12, keys: []time.Duration{0, 18 * time.Second}},
		{every: never, n: 7, keys: []time.Duration{0}},
		{every: never, n: 9, keys: []time.Duration{0, idrGrace + usualGroup}}, // up to two seconds later, then on and on
	} {
		for _, name := range []string{"h264-refresh", "h264-open-gop"} {
			clip := loadClip(t, name)
			pkts := laps(t, clip, c.n, func(lap int) bool { return lap%c.every == 0 })
			got := collect(clip.codec, nil, audioFormat{}).feed(pkts)
			var keys []time.Duration
			for _, u := range got.units {
				if u.key && len(keys) < len(c.keys) || u.key && c.every < never {
					keys = append(keys, u.arrived.Sub(start).Round(time.Second))
				}
			}
			for i, key := range keys {
				if i >= len(c.keys) || key < c.keys[i] || key > c.keys[i]+2*time.Second {
					t.Errorf("%s, an IDR every %d s: key pictures at %v, want them at %v", name, c.every*3, keys, c.keys)
					break
				}
			}
			if len(keys) < len(c.keys) {
				t.Errorf("%s, an IDR every %d s: key pictures at %v, want them at %v", name, c.every*3, keys, c.keys)
			}
		}
	}
}

// An IDR on request, long behind the one before, makes nobody wait as long for the next one.
func TestRecoveryPointBehindIDROnRequest(t *testing.T) {
	clip := loadClip(t, "h264-refresh")
	const request = 100 // laps: five minutes
	at := start.Add(request * 3 * time.Second)
	c := collect(clip.codec, nil, audioFormat{})
	c.feed(laps(t, clip, request+30, func(lap int) bool { return lap == 0 || lap == request }))
	for _, u := range c.units {
		if late := u.arrived.Sub(at); u.key && late > 0 {
			if late < idrGrace+smartGroup || late > idrGrace+smartGroup+2*time.Second {
				t.Errorf("the next key picture came after %v", late)
			}
			return
		}
	}
	t.Error("no further key picture")
}

// TestRecoveryPointBehindLoss: packets lost anywhere, of IDR pictures too, keep nobody waiting until the session is given
// up; but an IDR has its chance first.
func TestRecoveryPointBehindLoss(t *testing.T) {
	const lap = 3 * time.Second
	first := func(lap int) bool { return lap == 0 }
	for what, c := range map[string]struct {
		idr  func(lap int) bool
		lost func(at time.Duration, idr bool) bool // the last packet of such pictures
	}{
		"of the IDR at the beginning": {first, func(_ time.Duration, idr bool) bool { return idr }},
		"of each IDR":                 {func(int) bool { return true }, func(_ time.Duration, idr bool) bool { return idr }},
		"behind an IDR":               {first, func(at time.Duration, _ bool) bool { return at > lap && at < lap+50*time.Millisecond }},
		"behind a group of a minute": {
			func(lap int) bool { return lap%20 == 0 && lap < 40 },
			func(at time.Duration, _ bool) bool { return at > 21*lap && at < 21*lap+50*time.Millisecond },
		},
	} {
		for _, name := range []string{"h264-refresh", "h264-open-gop"} {
			clip := loadClip(t, name)
			pkts := laps(t, clip, 32, c.idr)
			holes, origin := 0, pkts[0].Timestamp
			pkts = slices.DeleteFunc(pkts, func(p packet) bool {
				idr := (p.Timestamp-origin)%(3*media.Clock) == 0
				hole := p.Marker && c.lost(p.Arrived.Sub(start), idr)
				if hole {
					holes++
				}
				return hole
			})
			got := collect(clip.codec, nil, audioFormat{}).feed(pkts)
			before, longest := start, time.Duration(0)
			for _, u := range got.units {
				longest = max(longest, u.arrived.Sub(before))
				before = u.arrived
			}
			longest = max(longest, pkts[len(pkts)-1].Arrived.Sub(before))
			if holes == 0 || longest < recoveryAfter || longest > recoveryAfter+2*time.Second {
				t.Errorf("%s: %d packets lost %s: no picture for %v", name, holes, what, longest)
			}
		}
	}
}

// laps plays a clip of three seconds n times, with its first picture, the only IDR, where idr says so.
func laps(t *testing.T, clip encoding, n int, idr func(lap int) bool) []packet {
	t.Helper()
	pkts := clip.packetise(t, 1000)
	from := slices.IndexFunc(pkts, func(p packet) bool { return p.Timestamp != pkts[0].Timestamp })
	var all []packet
	for lap := range n {
		again := slices.Clone(pkts)
		if !idr(lap) {
			again = again[from:]
		}
		for i := range again {
			again[i].Arrived = again[i].Arrived.Add(time.Duration(lap) * 3 * time.Second)
			again[i].Timestamp += uint32(lap) * 3 * media.Clock
		}
		all = append(all, again...)
	}
	return renumberFrom(all, 0)
}

// A session that has less patience than usual for pictures has less for an IDR, too.
func TestRecoveryPointBeforeTheSessionIsGivenUp(t *testing.T) {
	s := &session{
		cfg:   Config{FrameTimeout: 3 * time.Second, Log: slog.New(slog.DiscardHandler)},
		offer: &offer{video: &track{Codec: media.H264, PayloadType: 96}},
	}
	s.openFeed((*media.Unit).Release)
	if got := s.feed.Load().assembler.pictures.recoveryAfter; got != s.cfg.FrameTimeout/2 {
		t.Errorf("an IDR is waited for %v", got)
	}
}
