package main

import (
	"context"
	"errors"
	"slices"
	"time"

	"gbgate/bridge"
	"gbgate/gb28181"
)

// places are several kinds of Recordings as one, the nearest first.
type places []bridge.Recordings

// Find implements bridge.Recordings: what all of them have. One that can't be asked does not hide the others.
func (p places) Find(ctx context.Context, camera string, from, to time.Time, kind string) ([]bridge.Recording, error) {
	var all []bridge.Recording
	var failed []error
	for _, one := range p {
		found, err := one.Find(ctx, camera, from, to, kind)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		all = append(all, found...)
	}
	if len(all) == 0 && len(failed) > 0 {
		return nil, errors.Join(failed...)
	}
	slices.SortStableFunc(all, func(a, b bridge.Recording) int { return a.Start.Compare(b.Start) })
	return all, nil
}

// Open implements bridge.Recordings: the first one that has something then plays it.
func (p places) Open(ctx context.Context, camera string, from, to time.Time) (bridge.Playback, error) {
	for i, one := range p {
		play, err := one.Open(ctx, camera, from, to)
		if e, ok := errors.AsType[*gb28181.Error](err); ok && e.Code == 404 && i < len(p)-1 {
			continue
		}
		return play, err
	}
	return nil, gb28181.Errorf(404, "No record")
}

var _ bridge.Recordings = places{}
