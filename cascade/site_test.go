package cascade

import (
	"context"
	"errors"
	"net/netip"

	"gbgate/gb28181"
	"gbgate/gb28181/manscdp"
	"gbgate/gb28181/sdp"
)

// testSite is a site of scripted answers.
type testSite struct {
	items   []manscdp.Item
	control func(c *manscdp.DeviceControl) (*manscdp.ControlResponse, error)
	known   []string
}

func (s *testSite) Catalog(context.Context, *manscdp.CatalogQuery) (*manscdp.CatalogResponse, error) {
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
	for _, id := range ids {
		for _, k := range s.known {
			if id == k {
				return id, true
			}
		}
	}
	return "", false
}

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
