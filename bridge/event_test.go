package bridge

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gbgate/media"
)

// script is a Lookout whose attempts end as told, after their events; the last one lasts.
type script struct {
	began    time.Time
	attempts []attempt
	tried    []string
}

type attempt struct {
	events []Event
	lasts  time.Duration
	err    error
}

func (s *script) Watch(ctx context.Context, tell func(Event)) error {
	s.tried = append(s.tried, fmt.Sprintf("%.0fs", time.Since(s.began).Seconds()))
	if len(s.attempts) == 0 {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	a := s.attempts[0]
	s.attempts = s.attempts[1:]
	for _, e := range a.events {
		tell(e)
	}
	if err := media.Wait(ctx, a.lasts); err != nil {
		return err
	}
	return a.err
}

func TestDetector(t *testing.T) {
	motion := func(active bool) Event {
		return Event{Alarm: Alarm{Method: 5, Type: 2}, State: "motion vs1", Active: active}
	}
	begins, ends := motion(true), motion(false)
	initial := func(e Event) Event { e.Initial = true; return e }
	disk := Event{Alarm: Alarm{Method: 6, Type: 1}, State: "disk", Active: true, Standing: true}
	cells := Event{Alarm: Alarm{Method: 5, Type: 2}, State: "cells vs1", Active: true}
	line := Event{Alarm: Alarm{Method: 5, Type: 5}, Active: true}
	type step struct {
		after time.Duration
		event Event
		told  bool
	}
	const s = time.Second
	for name, steps := range map[string][]step{
		"it begins, goes on, ends and begins": {
			{0, begins, true},
			{20 * s, begins, false},
			{20 * s, begins, false},
			{s, ends, false},
			{s, begins, true},
		},
		"more often than every 10 s": {
			{0, begins, true},
			{s, ends, false},
			{s, begins, false},
			{s, ends, false},
			{8 * s, begins, true},
		},
		"two detectors see the same": {{0, begins, true}, {0, cells, false}, {60 * s, cells, true}},
		"nobody says that it ends":   {{0, begins, true}, {40 * s, begins, true}},
		"it was so already": {
			{0, initial(begins), false},
			{s, begins, false},
			{s, ends, false},
			{s, begins, true},
		},
		"it was calm when it was heard last": {
			{0, initial(ends), false},
			{s, initial(begins), true},
			{s, begins, false},
			{s, ends, false},
			{20 * s, initial(begins), true},
			{20 * s, initial(begins), false},
		},
		"it ended while nobody listened": {{0, begins, true}, {20 * s, initial(ends), false}, {s, begins, true}},
		"broken, and found broken once more": {
			{0, initial(disk), true},
			{time.Hour, initial(disk), false},
			{time.Hour, disk, false},
		},
		"what has no state":                   {{0, line, true}, {s, line, false}, {10 * s, line, true}},
		"a state that means nothing":          {{0, Event{State: "x", Active: true}, false}},
		"the other kind is not held up by it": {{0, begins, true}, {s, line, true}},
	} {
		d := detector{every: 10 * s}
		now := time.Now()
		for i, step := range steps {
			now = now.Add(step.after)
			if _, told := d.take(step.event, now); told != step.told {
				t.Errorf("%s: step %d: told %v, want %v", name, i, told, step.told)
			}
		}
	}
	d := detector{}
	for _, e := range []Event{motion(true), disk} {
		d.take(e, time.Now())
	}
	d.anew()
	if _, told := d.take(motion(true), time.Now()); !told {
		t.Error("motion after a restart of the camera is not told")
	}
	if _, told := d.take(disk, time.Now()); told {
		t.Error("the disk that was broken before a restart is told again")
	}
	d = detector{}
	for i := range 10 * maxStates {
		d.take(Event{Alarm: Alarm{Method: 5}, State: fmt.Sprint(i), Active: true}, time.Now())
	}
	if n := len(d.states); n > maxStates {
		t.Errorf("%d states are remembered, want at most %d", n, maxStates)
	}
	for i := range 10 * maxStates {
		d.take(Event{State: fmt.Sprint(i)}, time.Now())
	}
	if n := len(d.calm); n > maxStates {
		t.Errorf("%d calm states are remembered, want at most %d", n, maxStates)
	}
}

func TestACameraIsListenedToAgainAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := errors.New("connection refused")
		motion := Event{Alarm: Alarm{Method: 5, Type: 2}, Active: true}
		unsupported := fmt.Errorf("no events: %w", errors.ErrUnsupported)
		lookout := &script{began: time.Now(), attempts: []attempt{
			{err: down},           // 0 s, 5 s off
			{err: down},           // 10 s off
			{lasts: 0, err: down}, // 20 s off
			{events: []Event{motion}, lasts: 2 * time.Minute, err: down}, // well: 5 s off
			{err: wrong{locked: true}},                                   // 5 min off
			{err: unsupported},                                           // 10 min off
		}}
		site := NewSite(Config{}, []Camera{{Name: "gate", ID: gate, Source: &probe{}, Lookout: lookout}})
		v := site.View(ViewConfig{NodeID: node, Channels: []string{"*"}})
		l, stop := running(t, site, v)
		status := func() string {
			s := site.Channels()[0].Events()
			return fmt.Sprintf("%v %d %v", s.Watched, s.Events, s.Err)
		}
		time.Sleep(time.Second)
		if got := status(); got != "true 0 connection refused" {
			t.Errorf("while it is down: %s", got)
		}
		time.Sleep(59 * time.Second)
		if got := status(); got != "true 1 <nil>" {
			t.Errorf("while it is heard: %s", got)
		}
		time.Sleep(30 * time.Minute)
		stop()
		if diff := cmp.Diff([]string{"alarm 5/2 " + gate + " "}, l.take()); diff != "" {
			t.Error(diff)
		}
		if n := len(lookout.tried); n != 7 {
			t.Errorf("tried at %v, want 7 times", lookout.tried)
		}
		var last float64
		if _, err := fmt.Sscanf(lookout.tried[6], "%fs", &last); err != nil || last < 0.8*(160+15*60) || last > 160+15*60+1 {
			t.Errorf("tried at %v: the last one is wrong", lookout.tried)
		}
	})
}

// A contact of the normally closed kind is active from the start, which is no reason to record, and does not keep
// movement from being one. What goes on over a lost connection still is, and what has begun meanwhile, too.
func TestWhatIsSoWhenNothingHappensHoldsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		door := Event{Alarm: Alarm{Method: 2, Type: 5}, State: "input 1", Active: true, Initial: true}
		moves := Event{Alarm: Alarm{Method: 5, Type: 2}, State: "motion", Active: true}
		still, moving := moves, moves
		still.Active, moving.Initial = false, true
		gone := errors.New("gone")
		var heard []string
		l := &listener{
			retry: eventRetry(), log: quiet(), detect: detector{every: time.Millisecond},
			raise:  func(Alarm) { heard = append(heard, "alarm") },
			active: func(on bool) { heard = append(heard, fmt.Sprint(on)) },
			lookout: &script{attempts: []attempt{
				{events: []Event{door}, err: gone},
				{events: []Event{door, moves, still}, err: gone},
				{events: []Event{door, moves}, err: gone},
				{events: []Event{door, moving, still}, err: gone},
				{events: []Event{door, moving}, err: gone},
			}},
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		l.run(ctx)
		want := []string{"alarm", "true", "false", "alarm", "true", "false", "true", "false", "alarm", "true", "false"}
		if diff := cmp.Diff(want, heard); diff != "" {
			t.Error(diff)
		}
	})
}
