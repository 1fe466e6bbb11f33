package bridge

import (
	"context"
	"time"

	"gbgate/gb28181/manscdp"
)

// MobilePosition tells where a channel, or the gateway itself, is: by its coordinates in the
// configuration, else by the gateway's receiver. It returns nil where neither is known: the
// standard has no answer for that.
func (v *View) MobilePosition(_ context.Context, id string) (*manscdp.MobilePositionNotify, error) {
	if err := v.known(id); err != nil {
		return nil, err
	}
	fix, ok := v.coordinates(id)
	if !ok && v.site.cfg.Position != nil {
		fix, ok = v.site.cfg.Position.Fix()
	}
	if !ok {
		return nil, nil //nolint:nilnil // unknown is no failure
	}
	return &manscdp.MobilePositionNotify{
		Header: manscdp.Header{DeviceID: id}, Time: fix.Time, Longitude: &fix.Longitude, Latitude: &fix.Latitude,
		Speed: &fix.Speed, Direction: &fix.Direction, Altitude: &fix.Altitude,
	}, nil
}

// coordinates is the position of a device that does not move.
func (v *View) coordinates(id string) (Fix, bool) {
	longitude, latitude := v.site.cfg.Longitude, v.site.cfg.Latitude
	if c, ok := v.channel(id); ok {
		longitude, latitude = c.Longitude, c.Latitude
	}
	fix := Fix{Time: time.Now(), Longitude: longitude, Latitude: latitude}
	return fix, longitude != 0 || latitude != 0
}
