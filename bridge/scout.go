package bridge

import (
	"context"
	"log/slog"
	"time"

	"gbgate/media"
)

const scoutWithin = 15 * time.Second // for one look

// scouting looks what a camera can do until it has found out. Nothing waits for it.
type scouting struct {
	scout   Scout
	slots   *slots // shared by all cameras
	changed func()
	forget  func() error // what superiors have made of the camera
	log     *slog.Logger
}

func (s *scouting) run(ctx context.Context) {
	retry := Retry{Min: 5 * time.Second, Max: 5 * time.Minute, Locked: 5 * time.Minute}
	for failures := 1; ; failures++ {
		slot := s.slots.well
		if failures > 1 {
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
		if ctx.Err() != nil || err == nil {
			return
		}
		s.log.Debug("what the camera can do is not known yet", "reason", err.Error())
		if media.Wait(ctx, retry.delay(failures, err)) != nil {
			return
		}
	}
}

func (s *scouting) look(ctx context.Context) (changed bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, scoutWithin)
	defer cancel()
	return s.scout.Look(ctx, s.forget)
}
