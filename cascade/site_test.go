package cascade

import (
	"context"
	"errors"
	"net/netip"
	"sync/atomic"

	"gbgate/gb28181"
	"gbgate/gb28181/manscdp"
	"gbgate/gb28181/sdp"
)

// testSite is a site of scripted answers.
type testSite struct {
	items   []manscdp.Item
	control func(c *manscdp.DeviceControl) (*manscdp.ControlResponse, error)
	known   []string // channels; nil: gateID and yardID

	records  []manscdp.RecordItem
	presets  []manscdp.Preset
	config   func(c *manscdp.DeviceConfig) string // Result
	place    func(id string) *manscdp.MobilePositionNotify
	aim      func() (*manscdp.PTZPositionResponse, error)
	catalogs atomic.Int32 // asked for
	released atomic.Int32
}

func (s *testSite) Release() { s.released.Add(1) }

func (s *testSite) Catalog(_ context.Context, q *manscdp.CatalogQuery) (*manscdp.CatalogResponse, error) {
	s.catalogs.Add(1)
	if q.DeviceID == lostID {
		return nil, gb28181.Errorf(404, "No such device")
	}
	return &manscdp.CatalogResponse{Items: s.items}, nil
}

func (s *testSite) DeviceInfo(_ context.Context, q *manscdp.DeviceInfoQuery) (*manscdp.DeviceInfoResponse, error) {
	if q.DeviceID != nodeID {
		return nil, gb28181.Errorf(404, "No such device")
	}
	return &manscdp.DeviceInfoResponse{DeviceName: "网关", Result: manscdp.OK, Manufacturer: "ACME"}, nil
}

func (s *testSite) DeviceStatus(_ context.Context, q *manscdp.DeviceStatusQuery) (
	*manscdp.DeviceStatusResponse, error,
) {
	if q.DeviceID == yardID {
		return nil, errors.New("no idea")
	}
	return &manscdp.DeviceStatusResponse{Result: manscdp.OK, Online: "ONLINE", Status: manscdp.OK}, nil
}

func (s *testSite) DeviceControl(_ context.Context, c *manscdp.DeviceControl) (*manscdp.ControlResponse, error) {
	if s.control == nil {
		return nil, nil //nolint:nilnil // a command without Response
	}
	return s.control(c)
}

func (s *testSite) Resolve(ids []string) (string, bool) {
	known := s.known
	if known == nil {
		known = []string{gateID, yardID}
	}
	for _, id := range ids {
		for _, k := range known {
			if id == k {
				return id, true
			}
		}
	}
	return "", false
}

func (s *testSite) RecordInfo(context.Context, *manscdp.RecordInfoQuery) (*manscdp.RecordInfoResponse, error) {
	return &manscdp.RecordInfoResponse{Name: "东门", Items: s.records}, nil
}

func (s *testSite) ConfigDownload(_ context.Context, q *manscdp.ConfigDownloadQuery) (
	*manscdp.ConfigDownloadResponse, error,
) {
	if q.ConfigType != "BasicParam" {
		return nil, errors.New("no such setting")
	}
	res := &manscdp.ConfigDownloadResponse{Result: manscdp.OK}
	res.BasicParam = &manscdp.BasicParam{Name: "网关"}
	return res, nil
}

func (s *testSite) DeviceConfig(_ context.Context, c *manscdp.DeviceConfig) (*manscdp.DeviceConfigResponse, error) {
	if s.config == nil {
		return nil, errors.New("no such setting")
	}
	return &manscdp.DeviceConfigResponse{Result: s.config(c)}, nil
}

func (s *testSite) Presets(context.Context, *manscdp.PresetQuery) (*manscdp.PresetResponse, error) {
	return &manscdp.PresetResponse{SumNum: len(s.presets), Presets: s.presets}, nil
}

func (s *testSite) HomePosition(context.Context, *manscdp.HomePositionQuery) (*manscdp.HomePositionResponse, error) {
	return &manscdp.HomePositionResponse{HomePosition: &manscdp.HomePosition{Enabled: 1, ResetTime: 60}}, nil
}

func (s *testSite) CruiseTrackList(context.Context, *manscdp.CruiseTrackListQuery) (
	*manscdp.CruiseTrackListResponse, error,
) {
	return &manscdp.CruiseTrackListResponse{SumNum: 1, Tracks: []manscdp.CruiseTrack{{Name: "t0"}}}, nil
}

func (s *testSite) CruiseTrack(_ context.Context, q *manscdp.CruiseTrackQuery) (*manscdp.CruiseTrackResponse, error) {
	return &manscdp.CruiseTrackResponse{Number: q.Number, Name: "t0"}, nil
}

func (s *testSite) PTZPosition(context.Context, *manscdp.PTZPositionQuery) (*manscdp.PTZPositionResponse, error) {
	if s.aim != nil {
		return s.aim()
	}
	return &manscdp.PTZPositionResponse{PTZPosition: manscdp.PTZPosition{Pan: new(123.45)}}, nil
}

func (s *testSite) SDCardStatus(context.Context, *manscdp.SDCardStatusQuery) (*manscdp.SDCardStatusResponse, error) {
	return nil, errors.New("no slot")
}

func (s *testSite) MobilePosition(_ context.Context, id string) (*manscdp.MobilePositionNotify, error) {
	if s.place == nil {
		return nil, nil //nolint:nilnil // unknown
	}
	return s.place(id), nil
}

var _ Site = (*testSite)(nil)

// lostID is a device that nobody knows.
const lostID = "34020100001320000999"

// media is a handler that answers and then sends until the call ends, telling the test.
type media struct {
	answered chan *Call
	ended    chan error // cause
	fail     func(c *Call) error
}

func newMedia() *media { return &media{answered: make(chan *Call, 100), ended: make(chan error, 100)} }

func (m *media) ServeMedia(ctx context.Context, c *Call) error {
	if m.fail != nil {
		if err := m.fail(c); err != nil {
			return err
		}
	}
	err := c.Answer(ctx, sdp.Answer{Local: netip.AddrPortFrom(c.LocalIP(), 30002), Format: "v/2/6/25/2/4096a/1/8/1"})
	if err != nil {
		m.ended <- err
		return err
	}
	m.answered <- c
	<-ctx.Done()
	m.ended <- context.Cause(ctx)
	return nil
}
