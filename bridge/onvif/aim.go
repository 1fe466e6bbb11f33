package onvif

import (
	"context"
	"math"
)

// What no interface tells of a camera: how much its zoom magnifies at the long end, and how wide the
// picture is at the short one, in degrees. The values are those of a usual dome.
const (
	usualZoom   = 30
	usualAngle  = 60
	usualAspect = 9.0 / 16
)

// MoveTo goes to a position: pan and tilt from −1 to 1 over the camera's range, zoom from 0 to 1; nil
// leaves an axis where it is.
func (c *Camera) MoveTo(ctx context.Context, pan, tilt, zoom *float64) error {
	l, release, stale, err := c.begin(ctx)
	if err != nil || stale {
		return err
	}
	defer release()
	var v Vector
	if pan != nil || tilt != nil {
		at := [2]float64{}
		if pan == nil || tilt == nil { // pan and tilt go together
			s, err := c.client.PTZStatus(ctx, l.ptz.Token)
			if err != nil {
				return c.forget(err)
			}
			at = s.PanTilt
		}
		if pan != nil {
			at[0] = l.node.Position.X.from(*pan)
		}
		if tilt != nil {
			at[1] = l.node.Position.Y.from(*tilt)
		}
		v.PanTilt = &at
	}
	if zoom != nil {
		z := l.node.ZoomPosition.X.from(2**zoom - 1)
		v.Zoom = &z
	}
	return c.forget(c.client.AbsoluteMove(ctx, l.ptz.Token, v))
}

// Position tells where the camera looks, in the units of MoveTo.
func (c *Camera) Position(ctx context.Context) (pan, tilt, zoom float64, err error) {
	l, err := c.learn(ctx)
	if err != nil {
		return 0, 0, 0, err
	}
	return c.position(ctx, l)
}

func (c *Camera) position(ctx context.Context, l *layout) (pan, tilt, zoom float64, err error) {
	s, err := c.client.PTZStatus(ctx, l.ptz.Token)
	if err != nil {
		return 0, 0, 0, c.forget(err)
	}
	if !s.HasPanTilt {
		return 0, 0, 0, &Error{Kind: ActionNotSupported, Op: "GetStatus", Text: "camera does not tell where it looks"}
	}
	if s.HasZoom {
		zoom = (l.node.ZoomPosition.X.to(s.Zoom) + 1) / 2
	}
	return l.node.Position.X.to(s.PanTilt[0]), l.node.Position.Y.to(s.PanTilt[1]), zoom, nil
}

// DragZoom brings a point of the picture to its middle and zooms by factor (2 = twice as near, 0.5
// = twice as far). x and y are −1 to 1 from the middle, right and up. A camera with a space in fields
// of view does it exactly; for others the angles are estimated from where the zoom is. How far to
// zoom is an estimate always, since ONVIF has no unit for it.
func (c *Camera) DragZoom(ctx context.Context, x, y, factor float64) error {
	l, release, stale, err := c.begin(ctx)
	if err != nil || stale {
		return err
	}
	defer release()
	var v Vector
	if l.node.FOV.URI != "" {
		v.PanTilt = &[2]float64{l.node.FOV.X.velocity(x), l.node.FOV.Y.velocity(y)}
		v.PanTiltSpace = l.node.FOV.URI
	} else {
		_, _, zoom, err := c.position(ctx, l)
		if err != nil {
			return err
		}
		half := usualAngle / 2 / (1 + zoom*(usualZoom-1)) // degrees from the middle to the edge
		pan, tilt := l.node.Position.X, l.node.Position.Y
		v.PanTilt = &[2]float64{
			l.node.Translation.X.within(x * half / 360 * pan.span()),
			l.node.Translation.Y.within(y * half * usualAspect / 180 * tilt.span()),
		}
	}
	if factor > 0 && factor != 1 {
		z := math.Log(factor) / math.Log(usualZoom) * l.node.ZoomPosition.X.span()
		z = l.node.ZoomTranslation.X.within(z)
		v.Zoom = &z
	}
	return c.forget(c.client.RelativeMove(ctx, l.ptz.Token, v))
}

// GotoHome goes to the camera's own home position.
func (c *Camera) GotoHome(ctx context.Context) error {
	l, release, stale, err := c.begin(ctx)
	if err != nil || stale {
		return err
	}
	defer release()
	return c.forget(c.client.Home(ctx, l.ptz.Token))
}
