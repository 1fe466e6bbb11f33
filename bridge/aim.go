package bridge

import (
	"context"
	"errors"

	"gbgate/gb28181/manscdp"
)

// Presets lists the presets of a channel; one that can't tell has none.
func (v *View) Presets(ctx context.Context, q *manscdp.PresetQuery) (*manscdp.PresetResponse, error) {
	c, err := v.device(q.DeviceID)
	if err != nil {
		return nil, err
	}
	answer := &manscdp.PresetResponse{Header: q.Answer()}
	lister, ok := c.PTZ.(PresetLister)
	if !ok || v.cfg.NoPTZ || !c.moves() {
		return answer, nil
	}
	ctx, cancel := context.WithTimeout(ctx, deviceTimeout)
	defer cancel()
	presets, err := lister.Presets(ctx)
	if err != nil {
		// An answer without presets is worth more to the asker than none: WVP waits 10 s for it.
		v.log.Warn("presets unknown", "camera", c.Name, "reason", err.Error())
	}
	for _, p := range presets {
		if p.Number >= 1 && p.Number <= 255 {
			answer.Presets = append(answer.Presets, manscdp.Preset{ID: p.Number, Name: p.Name})
		}
	}
	answer.SumNum = len(answer.Presets)
	return answer, nil
}

// HomePosition tells the home position (看守位) that was set last.
func (v *View) HomePosition(_ context.Context, q *manscdp.HomePositionQuery) (*manscdp.HomePositionResponse, error) {
	c, err := v.device(q.DeviceID)
	if err != nil {
		return nil, err
	}
	return &manscdp.HomePositionResponse{Header: q.Answer(), HomePosition: c.homePosition()}, nil
}

// CruiseTrackList lists the cruise tracks (巡航轨迹) of a channel.
func (v *View) CruiseTrackList(_ context.Context, q *manscdp.CruiseTrackListQuery) (
	*manscdp.CruiseTrackListResponse, error,
) {
	if err := v.known(q.DeviceID); err != nil {
		return nil, err
	}
	answer := &manscdp.CruiseTrackListResponse{Header: q.Answer()}
	if c, err := v.device(q.DeviceID); err == nil && c.mount != nil {
		answer.Tracks = c.mount.Tracks()
		answer.SumNum = len(answer.Tracks)
	}
	return answer, nil
}

// CruiseTrack describes one cruise track; one that there is not has no points.
func (v *View) CruiseTrack(_ context.Context, q *manscdp.CruiseTrackQuery) (*manscdp.CruiseTrackResponse, error) {
	if err := v.known(q.DeviceID); err != nil {
		return nil, err
	}
	answer := &manscdp.CruiseTrackResponse{Header: q.Answer(), Number: q.Number}
	if c, err := v.device(q.DeviceID); err == nil && c.mount != nil {
		answer.Name, answer.Points = c.mount.Track(q.Number)
		answer.SumNum = len(answer.Points)
	}
	return answer, nil
}

// PTZPosition tells where a channel looks; one that can't tell answers without a position.
func (v *View) PTZPosition(ctx context.Context, q *manscdp.PTZPositionQuery) (*manscdp.PTZPositionResponse, error) {
	c, err := v.device(q.DeviceID)
	if err != nil {
		return nil, err
	}
	answer := &manscdp.PTZPositionResponse{Header: q.Answer()}
	if !c.moves() {
		return answer, nil
	}
	position, err := c.mount.Position(ctx)
	switch {
	case err == nil:
		answer.PTZPosition = position
	case !errors.Is(err, errors.ErrUnsupported):
		v.log.Warn("PTZ position unknown", "camera", c.Name, "reason", err.Error())
	}
	return answer, nil
}
