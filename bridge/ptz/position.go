package ptz

import (
	"math"

	"gbgate/gb28181/manscdp"
)

// position puts a camera's position in the units of GB/T 28181-2022 A.2.6.15. Its tilt runs from
// −30° to 90°, which makes sense for a dome under a ceiling only: + is down.
func position(pan, tilt, zoom float64) manscdp.PTZPosition {
	pan = math.Mod(pan*180+360, 360)
	tilt = min(90, max(-30, -90*tilt))
	zoom = 1 + zoom*(usualZoom-1)
	return manscdp.PTZPosition{Pan: &pan, Tilt: &tilt, Zoom: &zoom}
}

// aim is the inverse of position; nil leaves an axis alone.
func aim(to *manscdp.PTZPrecise) (pan, tilt, zoom *float64, err error) {
	if to.Pan != nil {
		if *to.Pan < 0 || *to.Pan > 360 {
			return nil, nil, nil, manscdp.ErrBadValue
		}
		half := *to.Pan
		if half >= 180 {
			half -= 360
		}
		pan = new(half / 180)
	}
	if to.Tilt != nil {
		if *to.Tilt < -90 || *to.Tilt > 90 {
			return nil, nil, nil, manscdp.ErrBadValue
		}
		tilt = new(-*to.Tilt / 90)
	}
	if to.Zoom != nil {
		if *to.Zoom <= 0 {
			return nil, nil, nil, manscdp.ErrBadValue
		}
		zoom = new(min(1, max(0, (*to.Zoom-1)/(usualZoom-1))))
	}
	if pan == nil && tilt == nil && zoom == nil {
		return nil, nil, nil, manscdp.ErrBadValue
	}
	return pan, tilt, zoom, nil
}
