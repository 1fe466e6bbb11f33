package rehearsal

import (
	"context"
	"fmt"
	"time"

	"gbgate/gb28181/manscdp"
)

// asked sends a query and gives its answer the type that it has to have.
func asked[T manscdp.Message](ctx context.Context, n *Node, m manscdp.Message) (T, error) {
	answer, err := n.Ask(ctx, m)
	res, ok := answer.(T)
	if err == nil && !ok {
		h := answer.Head()
		err = fmt.Errorf("%s of %s: the answer is %s %s", m.Head().CmdType, h.DeviceID, answer.Root(), h.CmdType)
	}
	return res, err
}

// DeviceConfig changes settings of the node (id empty) or a channel.
func (n *Node) DeviceConfig(ctx context.Context, id string, s manscdp.Settings) (*manscdp.DeviceConfigResponse, error) {
	return asked[*manscdp.DeviceConfigResponse](ctx, n,
		&manscdp.DeviceConfig{Header: n.header("DeviceConfig", id), Settings: s})
}

// ConfigDownload asks for blocks of settings, named as the standard names them and joined by slashes.
func (n *Node) ConfigDownload(ctx context.Context, id, types string) (*manscdp.ConfigDownloadResponse, error) {
	return asked[*manscdp.ConfigDownloadResponse](ctx, n,
		&manscdp.ConfigDownloadQuery{Header: n.header("ConfigDownload", id), ConfigType: types})
}

// Presets asks for a camera's presets, and puts the parts of the answer together as WVP does: until SumNum have come.
func (n *Node) Presets(ctx context.Context, id string) (*manscdp.PresetResponse, error) {
	m := &manscdp.PresetQuery{Header: n.header("PresetQuery", id)}
	q := n.open(m.CmdType, m.SN)
	var whole *manscdp.PresetResponse
	err := n.send(ctx, m)
	for err == nil && (whole == nil || len(whole.Presets) < min(whole.SumNum, maxItems)) {
		var next manscdp.Message
		if next, err = q.next(ctx, n.p.cfg.ReplyTimeout); err != nil {
			break
		}
		switch part, ok := next.(*manscdp.PresetResponse); {
		case !ok:
		case whole == nil:
			whole = part
		default:
			whole.Presets, whole.Num = append(whole.Presets, part.Presets...), whole.Num+part.Num
		}
	}
	stray := q.close()
	if err != nil {
		return nil, fmt.Errorf("presets of %s: %w%s", id, err, strayText(stray))
	}
	return whole, nil
}

// HomePosition asks for a camera's home position (看守位).
func (n *Node) HomePosition(ctx context.Context, id string) (*manscdp.HomePositionResponse, error) {
	return asked[*manscdp.HomePositionResponse](ctx, n,
		&manscdp.HomePositionQuery{Header: n.header("HomePositionQuery", id)})
}

// CruiseTracks asks for the names of a camera's cruise tracks.
func (n *Node) CruiseTracks(ctx context.Context, id string) (*manscdp.CruiseTrackListResponse, error) {
	return asked[*manscdp.CruiseTrackListResponse](ctx, n,
		&manscdp.CruiseTrackListQuery{Header: n.header("CruiseTrackListQuery", id)})
}

// CruiseTrack asks for one cruise track.
func (n *Node) CruiseTrack(ctx context.Context, id string, number int) (*manscdp.CruiseTrackResponse, error) {
	return asked[*manscdp.CruiseTrackResponse](ctx, n,
		&manscdp.CruiseTrackQuery{Header: n.header("CruiseTrackQuery", id), Number: number})
}

// PTZPosition asks where a camera looks.
func (n *Node) PTZPosition(ctx context.Context, id string) (*manscdp.PTZPositionResponse, error) {
	return asked[*manscdp.PTZPositionResponse](ctx, n, &manscdp.PTZPositionQuery{Header: n.header("PTZPosition", id)})
}

// SDCardStatus asks for a camera's memory cards.
func (n *Node) SDCardStatus(ctx context.Context, id string) (*manscdp.SDCardStatusResponse, error) {
	return asked[*manscdp.SDCardStatusResponse](ctx, n,
		&manscdp.SDCardStatusQuery{Header: n.header("SDCardStatus", id)})
}

// RecordResult is how a node answered a RecordInfo query.
type RecordResult = ListResult[manscdp.RecordItem]

// RecordInfo asks for the recordings of a channel within a window. kind is all, time, alarm, manual or empty. The
// answer is put together as WVP does, to whom a recording is its two times.
func (n *Node) RecordInfo(ctx context.Context, id string, from, to time.Time, kind string) (*RecordResult, error) {
	m := &manscdp.RecordInfoQuery{Header: n.header("RecordInfo", id), Start: from, End: to, Type: kind}
	seen, last := make(map[[2]int64]bool), time.Time{}
	return collect(ctx, n, m, collector[manscdp.RecordItem]{
		what: "recordings", list: "RecordList",
		read: func(m manscdp.Message) (listPart[manscdp.RecordItem], bool) {
			p, ok := m.(*manscdp.RecordInfoResponse)
			if !ok {
				return listPart[manscdp.RecordItem]{}, false
			}
			return listPart[manscdp.RecordItem]{device: p.DeviceID, sum: p.SumNum, num: p.Num, items: p.Items}, true
		},
		take: func(it manscdp.RecordItem, f *faults) bool {
			key := [2]int64{it.Start.Unix(), it.End.Unix()}
			switch {
			case seen[key]:
				f.add("twice", "the recording from %v came twice", it.Start)
				return false
			case it.Start.Before(last):
				f.add("order", "the recording from %v came after a later one", it.Start)
			case !it.End.After(it.Start):
				f.add("length", "the recording from %v lasts less than a second", it.Start)
			}
			seen[key], last = true, it.Start
			return true
		},
	})
}
