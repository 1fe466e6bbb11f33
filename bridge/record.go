package bridge

import (
	"context"
	"slices"
	"strings"
	"time"

	"gbgate/bridge/playback"
	"gbgate/gb28181/manscdp"
)

// maxRecords bounds the rows of an answer (GB/T 28181-2022 Annex M).
const maxRecords = 10_000

// RecordInfo lists what was recorded of a channel. Times are those of the whole recordings, also
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
	kind := strings.ToLower(strings.TrimSpace(q.Type))
	if kind == "" {
		kind = "all"
	}
	found, err := playback.List(ctx, v.site.cfg.Recordings, c.Name, q.Start, q.End, kind)
	if err != nil {
		return nil, err
	}
	for _, r := range found {
		item := manscdp.RecordItem{
			DeviceID: v.idOf(c), Name: answer.Name, FilePath: r.Path, Start: r.Start.Truncate(time.Second),
			End: r.End.Truncate(time.Second), Type: r.Kind, RecorderID: v.cfg.NodeID, FileSize: r.Size,
		}
		if r.Start.Before(q.End) && r.End.After(q.Start) && matches(q, &item, c.Address) {
			answer.Items = append(answer.Items, item)
		}
	}
	answer.Items = distinct(answer.Items)
	if n := len(answer.Items); n > maxRecords {
		v.log.Warn("list of recordings cut", "camera", c.Name, "found", n, "told", maxRecords)
		answer.Items = answer.Items[:maxRecords]
	}
	answer.SumNum = len(answer.Items)
	return answer, nil
}

// distinct leaves out what platforms can't tell apart, for they go by times in whole seconds (WVP drops the message
// that holds the same pair twice), and what has no length in them.
func distinct(items []manscdp.RecordItem) []manscdp.RecordItem {
	type times struct{ start, end int64 }
	seen := make(map[times]bool, len(items))
	return slices.DeleteFunc(items, func(it manscdp.RecordItem) bool {
		t := times{it.Start.Unix(), it.End.Unix()}
		again := seen[t]
		seen[t] = true
		return again || !it.End.After(it.Start)
	})
}

// matches tells whether a recording is of those that a query asks for beyond its window and type. The codes of who
// recorded are ours alone; FilePath and Address are exact or, with IndistinctQuery 1, parts.
func matches(q *manscdp.RecordInfoQuery, it *manscdp.RecordItem, address string) bool {
	fits := func(want, have string) bool {
		switch {
		case want == "":
			return true
		case q.IndistinctQuery != nil && *q.IndistinctQuery == 1:
			return strings.Contains(have, want)
		}
		return have == want
	}
	return fits(q.FilePath, it.FilePath) && fits(q.Address, address) &&
		(q.RecorderID == "" || q.RecorderID == it.RecorderID || q.RecorderID == it.DeviceID)
}

// SDCardStatus tells that a channel has no memory card that we know of.
func (v *View) SDCardStatus(_ context.Context, q *manscdp.SDCardStatusQuery) (*manscdp.SDCardStatusResponse, error) {
	if err := v.known(q.DeviceID); err != nil {
		return nil, err
	}
	return &manscdp.SDCardStatusResponse{Header: q.Answer()}, nil
}
