package rtsp

import (
	"context"
	"errors"
	"io"
	"math"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gbgate/rtsp/simcam"
)

// pastDay is where the archives of these tests begin.
func pastDay() time.Time { return time.Date(2026, 1, 31, 8, 0, 0, 0, time.UTC) }

// startArchive runs a recorder until the test ends; nothing of it or of us is left then.
func startArchive(t *testing.T, cfg simcam.ArchiveConfig) *simcam.Archive {
	t.Helper()
	before := goleak.IgnoreCurrent()
	if cfg.Spans == nil {
		cfg.Spans = [][2]time.Time{{pastDay(), pastDay().Add(48 * time.Hour)}}
	}
	a, err := simcam.ListenArchive(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = a.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done; goleak.VerifyNone(t, before) })
	return a
}

func onvifReplay(a *simcam.Archive) ReplayConfig {
	return ReplayConfig{ONVIF: true, Locate: func(time.Time, time.Time) string { return a.URL() }}
}

func openReplay(t *testing.T, cfg ReplayConfig, from, to time.Time) *Replay {
	t.Helper()
	if cfg.FrameTimeout == 0 {
		cfg.FrameTimeout = 20 * time.Second
	}
	r, err := OpenReplay(t.Context(), cfg, from, to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// seen is what came of a replay.
type seen struct {
	pictures, keys, sounds int
	first, last            time.Time // recorded
	firstPTS, lastPTS      int64
}

// direction is where a test reads to.
type direction int

const (
	forwards  direction = iota // from a key picture on
	further                    // from where it stopped
	backwards                  // from a key picture back
)

// watchReplay reads until the end, or until n pictures came, and holds the contract on the way.
func watchReplay(t *testing.T, r *Replay, from time.Time, how direction, n int) (s seen) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	last, sound := int64(math.MinInt64), int64(math.MinInt64)
	if how == backwards {
		last = math.MaxInt64
	}
	for n == 0 || s.pictures < n {
		u, err := r.Read(ctx)
		if errors.Is(err, io.EOF) {
			return s
		}
		if err != nil {
			t.Fatalf("after %d pictures: %v", s.pictures, err)
		}
		off := ticks(u.Arrived.Sub(from)) - u.PTS
		if off < -2 || off > 2 {
			t.Fatalf("recorded %v after from, but PTS %d", u.Arrived.Sub(from), u.PTS)
		}
		if !u.Codec.IsVideo() {
			s.sounds++
			if u.DTS <= sound {
				t.Fatalf("sound steps from %d to %d", sound, u.DTS)
			}
			sound = u.DTS
			u.Release()
			continue
		}
		if s.pictures == 0 {
			s.first, s.firstPTS = u.Arrived, u.PTS
			if how != further && !u.Key {
				t.Fatal("first picture is no key picture")
			}
		}
		if u.DTS <= last != (how == backwards) {
			t.Fatalf("DTS goes from %d to %d", last, u.DTS)
		}
		last, s.last, s.lastPTS = u.DTS, u.Arrived, u.PTS
		s.pictures++
		if u.Key {
			s.keys++
		}
		u.Release()
	}
	return s
}

func TestReplayPlaysSpan(t *testing.T) {
	for name, quirks := range map[string]simcam.ArchiveQuirks{
		"bye":            {},
		"terminal bit":   {Ends: simcam.EndByTerminalBit},
		"announce":       {Ends: simcam.EndByAnnounce},
		"closing":        {Ends: simcam.EndByClosing},
		"no Require":     {NoRequire: true},
		"no extension":   {NoExtension: true},
		"dies on way":    {HangsUpAfter: 120},
		"no CSeq in ext": {ZeroCSeq: true},
	} {
		for _, clip := range []string{simcam.H264PCMA, simcam.H265AAC} {
			t.Run(name+" "+clip, func(t *testing.T) {
				a := startArchive(t, simcam.ArchiveConfig{
					Clip: clip, Quirks: quirks, Username: "admin", Password: "p@ss:w/rd#1",
					Spans: [][2]time.Time{{pastDay(), pastDay().Add(time.Hour)}},
				})
				from := pastDay().Add(59 * time.Minute) // up to the end of all, which the terminal bit marks
				cfg := onvifReplay(a)
				cfg.Username, cfg.Password = "admin", "p@ss:w/rd#1"
				r := openReplay(t, cfg, from, pastDay().Add(time.Hour))
				s := watchReplay(t, r, from, forwards, 0)
				if s.pictures != 60*25 || s.keys != 30 || s.sounds < 60*15 || !s.first.Equal(from) {
					t.Errorf("%+v, want 1500 pictures, 30 of them key pictures, and sound, from %v", s, from)
				}
			})
		}
	}
}

// TestReplayMoves takes one session through what a viewer does.
func TestReplayMoves(t *testing.T) {
	for name, quirks := range map[string]simcam.ArchiveQuirks{
		"plain": {}, "no Frames": {NoFrames: true}, "remains behind PAUSE": {Remains: true, ZeroCSeq: true},
		"late BYE": {LateBye: true},
	} {
		t.Run(name, func(t *testing.T) { replayMoves(t, quirks) })
	}
}

func replayMoves(t *testing.T, quirks simcam.ArchiveQuirks) {
	a := startArchive(t, simcam.ArchiveConfig{Quirks: quirks})
	from, to := pastDay().Add(time.Hour), pastDay().Add(3*time.Hour)
	r := openReplay(t, onvifReplay(a), from, to)
	if s := watchReplay(t, r, from, forwards, 30); s.firstPTS != 0 || s.keys != 1 {
		t.Errorf("beginning: %+v", s)
	}
	steps := []struct {
		at       time.Duration
		scale    float64
		pictures int
		first    time.Duration
		keys     int
		distance time.Duration // of the last picture from the first
		how      direction
	}{
		{time.Hour, 1, 100, time.Hour, 2, 99 * 40 * time.Millisecond, forwards},
		{time.Minute + 3*time.Second, 4, 100, time.Minute + 2*time.Second, 2, 99 * 40 * time.Millisecond, forwards},
		{90 * time.Minute, 8, 50, 90 * time.Minute, 50, 49 * 2 * time.Second, forwards},
		{time.Hour, -2, 20, time.Hour, 20, -19 * 2 * time.Second, backwards},
		{time.Second, 0.25, 60, 0, 2, 59 * 40 * time.Millisecond, forwards},
	}
	for _, c := range steps {
		if err := r.Play(t.Context(), from.Add(c.at), c.scale); err != nil {
			t.Fatalf("%+v: %v", c, err)
		}
		s := watchReplay(t, r, from, c.how, c.pictures)
		if got := s.first.Sub(from); got != c.first || s.keys != c.keys || s.last.Sub(s.first) != c.distance {
			t.Errorf("at %v × %v: from %v over %v with %d key pictures, want %v, %v, %d",
				c.at, c.scale, got, s.last.Sub(s.first), s.keys, c.first, c.distance, c.keys)
		}
		if c.scale != 1 && s.sounds > 0 {
			t.Errorf("sound at scale %v", c.scale)
		}
	}
	if err := r.Play(t.Context(), from.Add(time.Minute), -1); err != nil {
		t.Fatal(err)
	}
	if s := watchReplay(t, r, from, backwards, 0); s.pictures != 31 || s.lastPTS != 0 {
		t.Errorf("to the beginning: %+v", s)
	}
	if err := r.Play(t.Context(), to.Add(-time.Second), 1); err != nil { // after io.EOF
		t.Fatal(err)
	}
	if s := watchReplay(t, r, from, forwards, 0); s.pictures != 50 && s.pictures != 25 {
		t.Errorf("the last second: %+v", s)
	}
	if n := len(a.Requests("SETUP")); n != 4 {
		t.Errorf("%d SETUP, want those of one session, and another one after the recorder's BYE", n)
	}
}

// TestReplayMovesAnew does it where the recorder needs another session each time.
func TestReplayMovesAnew(t *testing.T) {
	shanghai := time.FixedZone("", 8*3600)
	for name, c := range map[string]struct {
		cfg      simcam.ArchiveConfig
		template string
		zone     *time.Location
	}{
		"refuses a second PLAY": {simcam.ArchiveConfig{Quirks: simcam.ArchiveQuirks{OnePlay: true}}, "", nil},
		"hikvision":             {simcam.ArchiveConfig{Vendor: "hikvision"}, "hikvision", nil},
		"hikvision, Z is local": {simcam.ArchiveConfig{Vendor: "hikvision", Zone: shanghai}, "hikvision", shanghai},
		"dahua":                 {simcam.ArchiveConfig{Vendor: "dahua", Zone: shanghai}, "dahua", nil},
		"uniview":               {simcam.ArchiveConfig{Vendor: "uniview"}, "uniview", nil},
		"passes over Scale": {
			simcam.ArchiveConfig{Vendor: "hikvision", Quirks: simcam.ArchiveQuirks{NoScale: true}}, "hikvision", nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			c.cfg.Quirks.NoRateControl = c.cfg.Vendor != ""
			c.cfg.Quirks.NoExtension = c.cfg.Vendor != ""
			a := startArchive(t, c.cfg)
			cfg := onvifReplay(a)
			if c.template != "" {
				u, err := ParseReplayURL(c.template, a.URL(), 3, c.zone)
				if err != nil {
					t.Fatal(err)
				}
				cfg = ReplayConfig{Locate: u.At, ByRange: u.ByRange()}
			}
			from := pastDay().Add(10 * time.Hour)
			r := openReplay(t, cfg, from, from.Add(time.Hour))
			for _, at := range []time.Duration{30 * time.Minute, 10 * time.Minute} {
				if err := r.Play(t.Context(), from.Add(at), 8); err != nil {
					t.Fatal(err)
				}
				if s := watchReplay(t, r, from, forwards, 3); s.first.Sub(from) != at || s.keys != 3 {
					t.Errorf("at %v: %+v", at, s)
				}
			}
			if c.template != "" {
				if err := r.Play(t.Context(), from, -1); kindOf(err) != Unsupported {
					t.Errorf("backwards: %v", err)
				}
			}
			if n := len(a.Requests("DESCRIBE")); n != 3 {
				t.Errorf("%d sessions, want 3", n)
			}
			if n := len(a.Requests("TEARDOWN")); n != 2 {
				t.Errorf("%d TEARDOWN, want one before each further session", n)
			}
		})
	}
}

// A reader that rests makes the recorder wait, and what it has sent is bounded.
func TestReplayWaitsForItsReader(t *testing.T) {
	a := startArchive(t, simcam.ArchiveConfig{})
	from := pastDay()
	r := openReplay(t, onvifReplay(a), from, time.Time{})
	watchReplay(t, r, from, forwards, 10)
	full := func() bool {
		r.queue.mu.Lock()
		defer r.queue.mu.Unlock()
		return len(r.queue.units) >= replayUnits || r.queue.bytes > replayBytes/2
	}
	for deadline := time.Now().Add(time.Minute); !full(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("queue never fills")
		}
	}
	if s := watchReplay(t, r, from, further, 2000); s.pictures != 2000 || s.last.Sub(s.first) != 1999*40*time.Millisecond {
		t.Errorf("after the rest: %+v", s)
	}
}

// A recorder that goes on sending after PAUSE does not keep its own reply to PLAY from being read.
func TestReplayMovesWhereNothingPauses(t *testing.T) {
	a := startArchive(t, simcam.ArchiveConfig{Quirks: simcam.ArchiveQuirks{NoPause: true, NoExtension: true}})
	from := pastDay()
	r := openReplay(t, onvifReplay(a), from, time.Time{})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for i := range 3 {
		if err := r.Play(ctx, from.Add(time.Duration(i+1)*time.Hour), 1); err != nil {
			t.Fatal(err)
		}
		u, err := r.Read(ctx)
		if err != nil {
			t.Fatal(err)
		}
		u.Release()
	}
	if n := len(a.Requests("DESCRIBE")); n != 1 {
		t.Errorf("%d sessions, want one", n)
	}
}

// A recorder that gives up on a reader that rests is opened once more, and nothing is missing or comes twice.
func TestReplayOutlivesSession(t *testing.T) {
	a := startArchive(t, simcam.ArchiveConfig{Quirks: simcam.ArchiveQuirks{HangsUpWhenUnread: 50 * time.Millisecond}})
	from := pastDay()
	r := openReplay(t, onvifReplay(a), from, from.Add(2*time.Hour))
	watchReplay(t, r, from, forwards, 10)
	for deadline := time.Now().Add(time.Minute); a.Clients() > 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("recorder keeps a reader that rests")
		}
	}
	s := watchReplay(t, r, from, further, 30000)
	if s.pictures != 30000 || s.last.Sub(from) != 30009*40*time.Millisecond {
		t.Errorf("%+v, want 30000 pictures up to %v", s, 30009*40*time.Millisecond)
	}
}

func TestReplayGapsAndEnds(t *testing.T) {
	at := func(minutes int) time.Time { return pastDay().Add(time.Duration(minutes) * time.Minute) }
	spans := [][2]time.Time{{at(0), at(1)}, {at(30), at(31)}}
	t.Run("gap", func(t *testing.T) {
		a := startArchive(t, simcam.ArchiveConfig{Spans: spans})
		r := openReplay(t, onvifReplay(a), at(0), at(40))
		if s := watchReplay(t, r, at(0), forwards, 0); s.pictures != 2*60*25 ||
			!s.last.Equal(at(31).Add(-40*time.Millisecond)) {
			t.Errorf("%+v", s)
		}
	})
	t.Run("silence", func(t *testing.T) {
		a := startArchive(t, simcam.ArchiveConfig{Spans: spans, Quirks: simcam.ArchiveQuirks{Ends: simcam.EndBySilence}})
		cfg := onvifReplay(a)
		cfg.FrameTimeout = time.Second
		r := openReplay(t, cfg, at(30), at(40))
		if s := watchReplay(t, r, at(30), forwards, 0); s.pictures != 60*25 {
			t.Errorf("%+v", s)
		}
	})
	t.Run("nothing there", func(t *testing.T) {
		a := startArchive(t, simcam.ArchiveConfig{Spans: spans})
		if _, err := OpenReplay(t.Context(), onvifReplay(a), at(50), at(60)); kindOf(err) != NotFound {
			t.Errorf("%v, want not found", err)
		}
	})
	t.Run("a jump to nowhere", func(t *testing.T) {
		a := startArchive(t, simcam.ArchiveConfig{Spans: spans})
		r := openReplay(t, onvifReplay(a), at(0), at(60))
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		refused := func() {
			t.Helper()
			if err := r.Play(t.Context(), at(50), 8); err == nil {
				t.Error("what nobody recorded is played")
			}
			if err := r.Play(ended, at(30), 1); !errors.Is(err, context.Canceled) {
				t.Errorf("a caller that has gone: %v", err)
			}
		}
		refused()
		s := watchReplay(t, r, at(0), forwards, 10)
		if s.pictures != 10 || !s.first.Equal(at(0)) {
			t.Errorf("before anything has come: %+v", s)
		}
		refused()
		s = watchReplay(t, r, at(0), further, 50)
		if s.pictures != 50 || !s.first.Equal(at(0).Add(400*time.Millisecond)) {
			t.Errorf("after ten pictures: %+v", s)
		}
		watchReplay(t, r, at(0), further, 0)
		refused()
		if u, err := r.Read(t.Context()); !errors.Is(err, io.EOF) {
			t.Errorf("after the end: %v, %v", u, err)
		}
	})
	t.Run("read ended by its context", func(t *testing.T) {
		a := startArchive(t, simcam.ArchiveConfig{Spans: spans, Quirks: simcam.ArchiveQuirks{NoRateControl: true}})
		r := openReplay(t, onvifReplay(a), at(0), at(40))
		errStop := errors.New("stop")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errStop)
		for {
			u, err := r.Read(ctx)
			if err == nil {
				u.Release()
				continue
			}
			if !errors.Is(err, errStop) {
				t.Fatal(err)
			}
			break
		}
		if err := r.Play(t.Context(), at(30), 1); err != nil {
			t.Fatal(err)
		}
		watchReplay(t, r, at(0), forwards, 5)
	})
}

func TestReplayURLs(t *testing.T) {
	from := time.Date(2026, 1, 31, 16, 30, 5, 0, time.UTC)
	to := from.Add(time.Hour)
	plus8 := time.FixedZone("", 8*3600)
	for _, c := range []struct {
		text, live string
		channel    int
		zone       *time.Location
		want       string // "" = refused
	}{
		{
			"hikvision", "rtsp://nvr:5554/Streaming/Channels/1702", 0, nil,
			"rtsp://nvr:5554/Streaming/tracks/1701?starttime=20260131T163005Z&endtime=20260131T173005Z",
		},
		{
			"hikvision", "rtsp://nvr/Streaming/Channels/101", 4, plus8,
			"rtsp://nvr/Streaming/tracks/401?starttime=20260201T003005Z&endtime=20260201T013005Z",
		},
		{
			"dahua", "rtsp://a:b@nvr/cam/realmonitor?channel=12&subtype=0", 0, nil,
			"rtsp://nvr/cam/playback?channel=12&subtype=0&starttime=2026_02_01_00_30_05&endtime=2026_02_01_01_30_05",
		},
		{"uniview", "rtsp://nvr/unicast/c5/s0/live", 0, nil, "rtsp://nvr/c5/b1769877005/e1769880605/replay/"},
		{
			"vivotek", "rtsp://cam/live.sdp", 0, nil,
			"rtsp://cam/mod.sdp?stime=20260131_163005.000&etime=20260131_173005.000&loctime=0",
		},
		{
			"xvr", "rtsp://nvr/rtsp/streaming?channel=2&subtype=0", 0, nil, "rtsp://nvr/rtsp/playback?channel=2&subtype=0" +
				"&starttime=2026-02-01T00:30:05Z&endtime=2026-02-01T01:30:05Z&localtime=true",
		},
		{
			"/x?c={ch}&b={start:unix}&e={end:20060102150405}", "rtsps://cam:322/live", 7, nil,
			"rtsps://cam:322/x?c=7&b=1769877005&e=20260131173005",
		},
		{"rtsp://other/c/replay", "", 0, nil, "rtsp://other/c/replay"},
		{"kedacom", "rtsp://cam/live", 0, nil, ""},
		{"/x?{begin}", "rtsp://cam/live", 0, nil, ""},
		{"/x?e={end:unix}", "rtsp://cam/live", 0, nil, ""},
		{"hikvision", "", 0, nil, ""},
	} {
		u, err := ParseReplayURL(c.text, c.live, c.channel, c.zone)
		if err != nil {
			if c.want != "" {
				t.Errorf("%s: %v", c.text, err)
			}
			continue
		}
		if got := u.At(from, to); got != c.want {
			t.Errorf("%s: %s, want %s", c.text, got, c.want)
		}
	}
}

// A context that ends while a session is opened once more costs nothing: the next Read goes on.
func TestReplayDiesUnderEndedContext(t *testing.T) {
	a := startArchive(t, simcam.ArchiveConfig{Quirks: simcam.ArchiveQuirks{HangsUpAfter: 60}})
	from := pastDay()
	r := openReplay(t, onvifReplay(a), from, from.Add(time.Minute))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	pictures := int64(0)
	for {
		u, err := r.Read(ended)
		if errors.Is(err, context.Canceled) {
			u, err = r.Read(t.Context())
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if u.Codec.IsVideo() {
			if u.DTS != pictures*3600 {
				t.Fatalf("picture %d at %d", pictures, u.DTS)
			}
			pictures++
		}
		u.Release()
	}
	if pictures != 60*25 {
		t.Errorf("%d pictures", pictures)
	}
}
