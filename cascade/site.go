package cascade

import (
	"context"
	"net/netip"

	"gbgate/gb28181/manscdp"
	"gbgate/gb28181/sipua"
)

// Site is one superior's view of what the gateway has. Its methods may be called concurrently; an error that is a
// gb28181.Error keeps its meaning upward.
type Site interface {
	// Catalog gives every item the query asks for, at once; the superior's limits are met by paging here.
	Catalog(ctx context.Context, q *manscdp.CatalogQuery) (*manscdp.CatalogResponse, error)
	DeviceInfo(ctx context.Context, q *manscdp.DeviceInfoQuery) (*manscdp.DeviceInfoResponse, error)
	DeviceStatus(ctx context.Context, q *manscdp.DeviceStatusQuery) (*manscdp.DeviceStatusResponse, error)
	// DeviceControl runs one command. Commands of one DeviceID come one after the other, in the order in which
	// they arrived. A nil response is a command that has none (GB/T 28181-2022 9.3.1).
	DeviceControl(ctx context.Context, c *manscdp.DeviceControl) (*manscdp.ControlResponse, error)
	// RecordInfo gives every recording in the window, at once; the superior's limits are met by paging here.
	RecordInfo(ctx context.Context, q *manscdp.RecordInfoQuery) (*manscdp.RecordInfoResponse, error)
	ConfigDownload(ctx context.Context, q *manscdp.ConfigDownloadQuery) (*manscdp.ConfigDownloadResponse, error)
	DeviceConfig(ctx context.Context, c *manscdp.DeviceConfig) (*manscdp.DeviceConfigResponse, error)
	Presets(ctx context.Context, q *manscdp.PresetQuery) (*manscdp.PresetResponse, error)
	HomePosition(ctx context.Context, q *manscdp.HomePositionQuery) (*manscdp.HomePositionResponse, error)
	CruiseTrackList(ctx context.Context, q *manscdp.CruiseTrackListQuery) (*manscdp.CruiseTrackListResponse, error)
	CruiseTrack(ctx context.Context, q *manscdp.CruiseTrackQuery) (*manscdp.CruiseTrackResponse, error)
	PTZPosition(ctx context.Context, q *manscdp.PTZPositionQuery) (*manscdp.PTZPositionResponse, error)
	SDCardStatus(ctx context.Context, q *manscdp.SDCardStatusQuery) (*manscdp.SDCardStatusResponse, error)
	// MobilePosition is where a device is, in either form of the standard; nil while nobody knows.
	MobilePosition(ctx context.Context, id string) (*manscdp.MobilePositionNotify, error)
	// Resolve names the channel that an INVITE means: the first of the candidates that is one of this superior's,
	// else the site's only camera.
	Resolve(ids []string) (channel string, ok bool)
	// Release stops, soon, what the superior has set in motion: it is gone, and its stops would not come.
	Release()
}

// MediaHandler sends the media of calls.
type MediaHandler interface {
	// ServeMedia is one call, from its INVITE to its end: returning hangs up. An error before Call.Answer becomes
	// the final response (gb28181.StatusOf). ctx ends, with a cause, when the call is over for another reason:
	// BYE, CANCEL, no ACK, a superior gone offline, shutdown. A superior that moves the media (re-INVITE) gets a
	// second call, of the same ID: as soon as that is answered ctx of the first ends.
	ServeMedia(ctx context.Context, c *Call) error
}

// MediaHandlerFunc is a function that serves media.
type MediaHandlerFunc func(ctx context.Context, c *Call) error

// ServeMedia calls f.
func (f MediaHandlerFunc) ServeMedia(ctx context.Context, c *Call) error { return f(ctx, c) }

// ua is what a Platform needs of the SIP endpoint.
type ua interface {
	Do(ctx context.Context, r *sipua.Request, to sipua.Route) (*sipua.Response, error)
	LocalFor(remote netip.AddrPort) (netip.AddrPort, error)
}

var _ ua = (*sipua.Endpoint)(nil)
