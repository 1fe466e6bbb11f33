package rtsp

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gbgate/media"
)

// step is one unit as the camera sends it: its arrival and its timestamp.
type step struct {
	at   time.Duration
	ts   uint32
	want int64 // ticks behind the first unit
}

func TestTrackClock(t *testing.T) {
	const ms = time.Millisecond
	tests := []struct {
		name  string
		rate  int64
		steps []step
	}{
		{"arrival jitter does not show", 90000, []step{
			{0, 1000, 0}, {70 * ms, 4600, 3600}, {75 * ms, 8200, 7200},
		}},
		{"32 bits wrap", 90000, []step{
			{0, 0xFFFFFF00, 0}, {40 * ms, 0xFFFFFF00 + 3600 - 1<<32, 3600},
		}},
		{"8 kHz audio", 8000, []step{{0, 5, 0}, {20 * ms, 165, 1800}, {40 * ms, 325, 3600}}},
		{"44.1 kHz audio does not drift", 44100, []step{{0, 0, 0}, {23 * ms, 1024, 2089}, {990 * ms, 44100, 90000}}},
		{"B-frames step back", 90000, []step{
			{0, 0, 0}, {40 * ms, 10800, 10800}, {80 * ms, 3600, 3600}, {120 * ms, 7200, 7200},
		}},
		{"a timestamp that stands still", 90000, []step{{0, 7, 0}, {40 * ms, 7, 3600}, {80 * ms, 7, 7200}}},
		{"a timestamp that counts pictures", 90000, []step{{0, 7, 0}, {40 * ms, 8, 3600}, {80 * ms, 9, 7200}}},
		{"a timestamp in milliseconds", 90000, []step{{0, 7, 0}, {40 * ms, 47, 3600}, {80 * ms, 87, 7200}}},
		{"several frames of one packet", 16000, []step{{0, 7, 0}, {0, 7, 0}, {64 * ms, 1031, 5760}}},
		{"a pause that is one", 90000, []step{{0, 0, 0}, {2 * time.Second, 180000, 180000}}},
		{"forward jump (Tapo)", 90000, []step{
			{0, 0, 0}, {40 * ms, 1 << 30, 3600}, {80 * ms, 1<<30 + 3600, 7200},
		}},
		{"backward jump (Intelbras)", 90000, []step{
			{0, 1 << 30, 0}, {40 * ms, 5, 3600}, {80 * ms, 3605, 7200},
		}},
		{"jump in a burst", 90000, []step{{0, 0, 0}, {0, 1 << 30, 90}, {0, 1<<30 + 3600, 3690}}},
		{"jump after a long silence", 90000, []step{{0, 0, 0}, {time.Hour, 1 << 30, 10 * 90000}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := trackClock{timeline: &timeline{}, rate: test.rate}
			var got, want []int64
			for _, s := range test.steps {
				got = append(got, c.tick(s.ts, start.Add(s.at))-timelineStart)
				want = append(want, s.want)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestTracksAlignAtArrival: timestamps of two tracks have nothing in common.
func TestTracksAlignAtArrival(t *testing.T) {
	var line timeline
	video := trackClock{timeline: &line, rate: 90000}
	audio := trackClock{timeline: &line, rate: 8000}
	v := video.tick(4_000_000_000, start)
	a := audio.tick(17, start.Add(100*time.Millisecond))
	if a-v != 9000 {
		t.Errorf("audio is %d ticks behind video, want 9000", a-v)
	}
}

// TestBadTimestamps is the cheap camera whose timestamps are not 90 kHz: after two seconds the arrival
// times take over, and what was lost meanwhile is made up.
func TestBadTimestamps(t *testing.T) {
	tests := []struct {
		name string
		ts   func(i int) uint32
	}{
		{"stand still", func(int) uint32 { return 4711 }},
		{"count pictures", func(i int) uint32 { return uint32(i) }},
		{"milliseconds", func(i int) uint32 { return uint32(i * 40) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := trackClock{timeline: &timeline{}, rate: 90000}
			last := int64(0)
			for i := range 250 { // ten seconds
				out := c.tick(test.ts(i), start.Add(time.Duration(i)*40*time.Millisecond)) - timelineStart
				if i > 60 && (out <= last || out < int64(i)*3600-3600 || out > int64(i)*3600+3600) {
					t.Fatalf("picture %d at %d, want about %d", i, out, i*3600)
				}
				last = out
			}
		})
	}
}

// TestGoodTimestampsAreKept: neither stalls, bursts nor a slow frame rate are evidence.
func TestGoodTimestampsAreKept(t *testing.T) {
	tests := []struct {
		name    string
		arrival func(i int) time.Duration
		step    uint32
	}{
		{"stall of three seconds, then a burst", func(i int) time.Duration {
			at := time.Duration(i) * 40 * time.Millisecond
			if at > time.Second {
				at = max(at, 4*time.Second)
			}
			return at
		}, 3600},
		{"one picture a second", func(i int) time.Duration { return time.Duration(i) * time.Second }, 90000},
		{"replay as fast as it goes", func(i int) time.Duration { return time.Duration(i) * 12 * time.Millisecond }, 3600},
		{"slow camera clock", func(i int) time.Duration { return time.Duration(i) * 44 * time.Millisecond }, 3600},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := trackClock{timeline: &timeline{}, rate: 90000}
			for i := range 500 {
				out := c.tick(uint32(i)*test.step, start.Add(test.arrival(i))) - timelineStart
				if want := int64(i) * int64(test.step); out != want {
					t.Fatalf("unit %d at %d, want %d", i, out, want)
				}
			}
		})
	}
}

func TestDecodeClock(t *testing.T) {
	const f = 3600
	type times struct{ PTS, DTS int64 }
	tests := []struct {
		name  string
		depth int
		pts   []int64
		want  []times
	}{
		{"no reordering", 0, []int64{0, f, 2 * f}, []times{{0, 0}, {f, f}, {2 * f, 2 * f}}},
		{
			"one B-frame", 1,
			[]int64{0, 2 * f, f, 4 * f, 3 * f},
			[]times{{0, -f}, {2 * f, 0}, {f, f}, {4 * f, 2 * f}, {3 * f, 3 * f}},
		},
		{
			"pyramid", 2,
			[]int64{0, 4 * f, 2 * f, f, 3 * f, 8 * f},
			[]times{{0, -2 * f}, {4 * f, -f}, {2 * f, 0}, {f, f}, {3 * f, 2 * f}, {8 * f, 3 * f}},
		},
		{
			"announced depth that is not used", 2,
			[]int64{0, f, 2 * f, 3 * f},
			[]times{{0, -2 * f}, {f, -f}, {2 * f, 0}, {3 * f, f}},
		},
		{
			"timestamps tremble", 0,
			[]int64{0, f, f - 5, 2 * f},
			[]times{{0, 0}, {f, f}, {f + 1, f + 1}, {2 * f, 2 * f}},
		},
		{
			"depth learned from the first B-frame", reorderUnknown,
			[]int64{0, 2 * f, f, 4 * f, 3 * f, 6 * f, 5 * f},
			[]times{
				{0, 0}, {2 * f, 2 * f}, {2*f + 1, 2*f + 1}, {4 * f, 2*f + 2}, {3 * f, 3 * f}, {6 * f, 4 * f}, {5 * f, 5 * f},
			},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var d decodeClock
			d.configure(test.depth, 25)
			var got []times
			for _, in := range test.pts {
				pts, dts := d.next(in)
				got = append(got, times{pts, dts})
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// FuzzTimeline holds what every reader relies on, whatever a camera sends.
func FuzzTimeline(f *testing.F) {
	f.Add(uint8(0), []byte{0, 0, 0, 0, 0, 16, 14, 40, 0, 0, 0, 0})
	f.Add(uint8(2), []byte{255, 255, 255, 255, 9, 1, 1, 1, 1, 1, 80, 0, 0, 0, 200})
	f.Add(uint8(0xFF), []byte{1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1, 2, 3, 4, 5})
	f.Fuzz(func(t *testing.T, depth uint8, b []byte) {
		c := trackClock{timeline: &timeline{}, rate: media.Clock}
		var d decodeClock
		d.configure(int(depth%(maxReorder+2))-1, 25)
		now, last := start, int64(-1)
		for ; len(b) >= 5; b = b[5:] {
			now = now.Add(time.Duration(b[4]) * 10 * time.Millisecond)
			in := c.tick(uint32(b[0])<<24|uint32(b[1])<<16|uint32(b[2])<<8|uint32(b[3]), now)
			pts, dts := d.next(in)
			if dts <= last || pts < dts {
				t.Fatalf("PTS %d DTS %d after DTS %d", pts, dts, last)
			}
			last = dts
		}
	})
}
