package bridge

import (
	"context"
	"time"

	"gbgate/gb28181/manscdp"
)

// RecordInfo lists what was recorded of a channel. Times are those of the whole files, also
// where they reach beyond the window: platforms ask for playback with them.
func (v *View) RecordInfo(ctx context.Context, q *manscdp.RecordInfoQuery) (*manscdp.RecordInfoResponse, error) {
	c, err := v.device(q.DeviceID)
	if err != nil {
		return nil, err
	}
	answer := &manscdp.RecordInfoResponse{Header: q.Answer(), Name: v.title(c)}
	if v.site.cfg.Recordings == nil {
		return answer, nil
	}
	kind := q.Type
	if kind == "" {
		kind = "all"
	}
	found, err := v.site.cfg.Recordings.Find(ctx, c.Name, q.Start, q.End, kind)
	if err != nil {
		return nil, err
	}
	for _, r := range found {
		item := manscdp.RecordItem{
			DeviceID: v.idOf(c), Name: answer.Name, FilePath: r.Path, Start: r.Start.Truncate(time.Second),
			End: r.End.Truncate(time.Second), Type: r.Kind, RecorderID: v.cfg.NodeID, FileSize: r.Size,
		}
		// Platforms tell recordings apart by their times in whole seconds, and a recording
		// shorter than one has none (WVP drops the message that holds the same pair twice).
		if n := len(answer.Items); n > 0 {
			last := answer.Items[n-1]
			if last.Start.Equal(item.Start) && last.End.Equal(item.End) {
				continue
			}
		}
		if item.End.After(item.Start) {
			answer.Items = append(answer.Items, item)
		}
	}
	answer.SumNum = len(answer.Items)
	return answer, nil
}

// SDCardStatus tells that a channel has no memory card that we know of.
func (v *View) SDCardStatus(_ context.Context, q *manscdp.SDCardStatusQuery) (*manscdp.SDCardStatusResponse, error) {
	if err := v.known(q.DeviceID); err != nil {
		return nil, err
	}
	return &manscdp.SDCardStatusResponse{Header: q.Answer()}, nil
}
