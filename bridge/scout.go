package bridge

import (
	"context"
	"log/slog"
	"time"
)

const (
	scoutWithin = 15 * time.Second // for one look
	// lookAgain is how often a camera is looked at that has not been away: another may be put up between two checks.
	lookAgain = time.Hour
	// strangeAgain is how often one is looked at that answers strangely. It may do so for weeks, as a dead channel of a
	// recorder does.
	strangeAgain = 5 * time.Minute
)

// scouting looks which device a camera is and what it can do: until it has found out, whenever the camera is back or
// answers strangely, and once an hour. Nothing waits for it.
type scouting struct {
	scout   Scout
	slots   *slots // shared by all cameras
	changed func()
	made    Made // what superiors have made of the camera
	log     *slog.Logger
	back    chan struct{} // holds a token when the camera is back
	strange chan struct{} // holds a token when it has answered strangely
	told    time.Time     // when the last token was put there; isStrange alone
}

func (s *scouting) run(ctx context.Context) {
	retry := Retry{Min: 5 * time.Second, Max: 5 * time.Minute, Locked: 5 * time.Minute}
	for failures := 0; ; {
		slot := s.slots.well
		if failures > 0 {
			slot = s.slots.ill
		}
		select {
		case slot <- struct{}{}:
		case <-ctx.Done():
			return
		}
		changed, err := s.look(ctx)
		<-slot
		if changed {
			s.log.Info("camera can do something else than was known")
			s.changed()
		}
		wait := lookAgain
		if failures++; err == nil {
			failures = 0
		} else if ctx.Err() == nil {
			s.log.Debug("what the camera can do is not known yet", "reason", err.Error())
			wait = retry.delay(failures, err)
		}
		if s.rest(ctx, wait) {
			failures = 0
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// rest waits until it is time for the next look, or (back) the camera has come back.
func (s *scouting) rest(ctx context.Context, wait time.Duration) (back bool) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	select {
	case <-s.back:
		return true
	case <-s.strange:
		return false
	case <-ctx.Done():
		return false
	}
}

// isBack has the camera looked at soon. It does not block.
func (s *scouting) isBack() {
	select {
	case s.back <- struct{}{}:
	default:
	}
}

// isStrange has the camera looked at soon, unless it was for the same reason lately. It does not block, and is not
// called twice at the same time.
func (s *scouting) isStrange() {
	if !s.told.IsZero() && time.Since(s.told) < strangeAgain {
		return
	}
	s.told = time.Now()
	select {
	case s.strange <- struct{}{}:
	default:
	}
}

func (s *scouting) look(ctx context.Context) (changed bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, scoutWithin)
	defer cancel()
	return s.scout.Look(ctx, s.made)
}
