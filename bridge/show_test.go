package bridge

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gbgate/gb28181/mansrtsp"
	"gbgate/media"
)

// screen is an outlet that notes what is sent and when.
type screen struct {
	began time.Time
	grace time.Duration

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

func (s *screen) ready(ctx context.Context, _ int) error { return context.Cause(ctx) }

func (s *screen) send(_ context.Context, u *media.Unit, spread time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shown = append(s.shown, shown{
		time.Since(s.began), u.Arrived, u.Key, u.Codec.IsAudio(), u.DTS, u.Clock, spread, len(u.Data),
	})
	return nil
}

func (s *screen) alive(context.Context, int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lives++
	return nil
}

func (s *screen) over(ctx context.Context) time.Duration {
	s.mu.Lock()
	drains := s.drains
	s.mu.Unlock()
	if pause(ctx, drains) != nil {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told++
	return s.grace
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
	player *player
	tape   *tape
	done   chan error
	end    context.CancelFunc

	arrived uint64 // orders
}

func newShow(t *testing.T, tp *tape, cfg playerConfig) *show {
	t.Helper()
	cfg.Log = slog.New(slog.DiscardHandler)
	src, err := tp.Open(t.Context(), "gate", cfg.From, cfg.To)
	if err != nil {
		t.Fatal(err)
	}
	s := &show{t: t, tape: tp, player: newPlayer(src, cfg), done: make(chan error, 1)}
	s.screen = &screen{began: time.Now(), grace: leaveWithin}
	if _, err := s.player.first(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	s.end = end
	s.player.orders.enter()
	go func() {
		err := s.player.run(ctx, s.screen)
		s.player.orders.leave()
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
	return s.player.orders.give(s.t.Context(), s.arrived, r)
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
	if err := s.player.close(); err != nil || s.tape.left() != 0 {
		s.t.Errorf("%d recordings are open (%v)", s.tape.left(), err)
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

func file(start, end string) Recording {
	return Recording{Start: at(start), End: at(end), Kind: "time", Size: 1 << 20}
}

func twoHours() *tape {
	return &tape{files: []Recording{file("08:00:00", "09:00:00"), file("09:00:00", "10:00:00")}}
}

// rate is how much recorded time goes by in a second of the wall and of the stream.
func rate(list []shown) (wall, stream float64) {
	if len(list) < 2 {
		return math.NaN(), math.NaN()
	}
	first, last := list[0], list[len(list)-1]
	recorded := last.recorded.Sub(first.recorded).Seconds()
	return recorded / (last.at - first.at).Seconds(), recorded / ticks(last.dts-first.dts).Seconds()
}

func near(got, want float64) bool { return math.Abs(got-want) <= 0.02*math.Abs(want) }
