package playback_test

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gbgate/bridge/playback"
	"gbgate/bridge/playback/tape"
	"gbgate/gb28181/mansrtsp"
	"gbgate/media"
)

// screen is an Outlet that notes what is sent and when.
type screen struct {
	began time.Time

	mu     sync.Mutex
	shown  []shown
	told   int
	lives  int
	drains time.Duration // until the receiver has everything
}

func (s *screen) all() []shown {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shown
}

// ends is how often the end was told.
func (s *screen) ends() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.told
}

// shown is one unit as it was sent.
type shown struct {
	at       time.Duration // since the beginning
	recorded time.Time
	key      bool
	audio    bool
	dts      int64
	clock    int64
	spread   time.Duration
	size     int
}

func (s *screen) Ready(ctx context.Context, _ int) error { return context.Cause(ctx) }

func (s *screen) Send(_ context.Context, u *media.Unit, spread time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shown = append(s.shown, shown{
		time.Since(s.began), u.Arrived, u.Key, u.Codec.IsAudio(), u.DTS, u.Clock, spread, len(u.Data),
	})
	return nil
}

func (s *screen) Alive(context.Context, media.Description, int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lives++
	return nil
}

func (s *screen) Over(ctx context.Context) bool {
	s.mu.Lock()
	drains := s.drains
	s.mu.Unlock()
	if media.Wait(ctx, drains) != nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told++
	return true
}

// drain says how long the receiver will take for the end.
func (s *screen) drain(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drains = d
}

// show is a player that runs in a bubble.
type show struct {
	*screen
	t      *testing.T
	player *playback.Player
	tape   *tape.Tape
	done   chan error
	end    context.CancelFunc

	arrived uint64 // orders
}

func newShow(t *testing.T, tp *tape.Tape, cfg playback.Config) *show {
	t.Helper()
	cfg.Camera, cfg.Log = "gate", slog.New(slog.DiscardHandler)
	player, err := playback.Open(t.Context(), tp, cfg)
	if err != nil {
		t.Fatal(err)
	}
	s := &show{t: t, tape: tp, player: player, done: make(chan error, 1)}
	s.screen = &screen{began: time.Now()}
	ctx, end := context.WithCancel(t.Context())
	s.end = end
	deaf := s.player.Listen()
	go func() {
		err := s.player.Run(ctx, s.screen)
		deaf()
		s.done <- err
	}()
	return s
}

// tell gives an order as its text.
func (s *show) tell(body string) error {
	s.t.Helper()
	r, err := mansrtsp.Parse([]byte(body))
	if err != nil {
		s.t.Fatal(err)
	}
	s.arrived++
	return s.player.Control(s.t.Context(), s.arrived, r)
}

// after lets time go by, and the player do what it does at its end.
func (s *show) after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// must gives an order, which is carried out.
func (s *show) must(body string) {
	s.t.Helper()
	if err := s.tell(body); err != nil {
		s.t.Errorf("%q: %v", body, err)
	}
	synctest.Wait()
}

// sentBy is how many units had been sent before a time.
func (s *show) sentBy(at time.Duration) int {
	n := 0
	for _, u := range s.all() {
		if u.at < at {
			n++
		}
	}
	return n
}

// stop ends the player and judges what every receiver wants of the times.
func (s *show) stop() {
	s.t.Helper()
	s.end()
	if err := <-s.done; err != nil && !errors.Is(err, context.Canceled) {
		s.t.Errorf("the player ended with %v", err)
	}
	if err := s.player.Close(); err != nil || s.tape.Left() != 0 {
		s.t.Errorf("%d recordings are open (%v)", s.tape.Left(), err)
	}
	var clock int64
	last := map[bool]int64{}
	for i, u := range s.all() {
		if i == 0 && !u.key {
			s.t.Error("the first unit is no key picture")
		}
		if u.clock <= clock || u.dts <= last[u.audio] {
			s.t.Fatalf("unit %d (recorded %v): clock %d after %d, DTS %d after %d", i, u.recorded.Format(time.TimeOnly),
				u.clock, clock, u.dts, last[u.audio])
		}
		clock, last[u.audio] = u.clock, u.dts
	}
}

// video are the pictures among what was sent from number from on.
func (s *show) video(from int) []shown {
	var list []shown
	for _, u := range s.all()[from:] {
		if !u.audio {
			list = append(list, u)
		}
	}
	return list
}

// rate is how much recorded time goes by in a second of the wall and of the stream.
func rate(list []shown) (wall, stream float64) {
	if len(list) < 2 {
		return math.NaN(), math.NaN()
	}
	first, last := list[0], list[len(list)-1]
	recorded := last.recorded.Sub(first.recorded).Seconds()
	return recorded / (last.at - first.at).Seconds(), recorded / media.Duration(last.dts-first.dts).Seconds()
}

func near(got, want float64) bool { return math.Abs(got-want) <= 0.02*math.Abs(want) }
