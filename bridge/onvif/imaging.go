package onvif

import (
	"context"
	"strconv"
)

// FocusOptions is which focus movements a video source offers; the ranges count where the flag is set.
type FocusOptions struct {
	HasContinuous, HasRelative, HasAbsolute bool
	Continuous                              Range // speed
	Relative                                Range // distance
}

func (c *Client) imaging(ctx context.Context, op, source string, inner ...string) (*element, error) {
	inner = append([]string{leaf("timg:VideoSourceToken", source)}, inner...)
	return c.call(ctx, request{service: imagingService, op: op, body: wrap("timg:"+op, inner...)})
}

// FocusOptions asks how the focus of a video source can be moved.
func (c *Client) FocusOptions(ctx context.Context, source string) (FocusOptions, error) {
	e, err := c.imaging(ctx, "GetMoveOptions", source)
	if err != nil {
		return FocusOptions{}, err
	}
	o := e.at("MoveOptions")
	limits := func(r *element) Range { return Range{r.num("Min"), r.num("Max")} }
	return FocusOptions{
		HasContinuous: o.at("Continuous") != nil, Continuous: limits(o.at("Continuous", "Speed")),
		HasRelative: o.at("Relative") != nil, Relative: limits(o.at("Relative", "Distance")),
		HasAbsolute: o.at("Absolute") != nil,
	}, nil
}

// MoveFocus drives the focus: far with a positive speed, in the device's units.
func (c *Client) MoveFocus(ctx context.Context, source string, speed float64) error {
	value := strconv.FormatFloat(speed, 'f', -1, 64)
	_, err := c.imaging(ctx, "Move", source,
		wrap("timg:Focus", wrap("tt:Continuous", leaf("tt:Speed", value))))
	return err
}

// StepFocus moves the focus by a distance in the device's units, far if positive.
func (c *Client) StepFocus(ctx context.Context, source string, distance float64) error {
	value := strconv.FormatFloat(distance, 'f', -1, 64)
	_, err := c.imaging(ctx, "Move", source,
		wrap("timg:Focus", wrap("tt:Relative", leaf("tt:Distance", value))))
	return err
}

// StopFocus ends the movement of the focus.
func (c *Client) StopFocus(ctx context.Context, source string) error {
	_, err := c.imaging(ctx, "Stop", source)
	return err
}

// ManualFocus takes the focus from the camera's automatic, or gives it back.
func (c *Client) ManualFocus(ctx context.Context, source string, manual bool) error {
	mode := "AUTO"
	if manual {
		mode = "MANUAL"
	}
	_, err := c.imaging(ctx, "SetImagingSettings", source,
		wrap("timg:ImagingSettings", wrap("tt:Focus", leaf("tt:AutoFocusMode", mode))),
		leaf("timg:ForcePersistence", "false"))
	return err
}

// Iris is the attenuation of a video source's iris in dB, 0 = fully open, and what it may be.
type Iris struct {
	Level  float64
	Limits Range
}

// Iris asks for the iris. Cameras without a motorised one have none.
func (c *Client) Iris(ctx context.Context, source string) (Iris, error) {
	settings, err := c.imaging(ctx, "GetImagingSettings", source)
	if err != nil {
		return Iris{}, err
	}
	options, err := c.imaging(ctx, "GetOptions", source)
	if err != nil {
		return Iris{}, err
	}
	limits := options.at("ImagingOptions", "Exposure", "Iris")
	if limits == nil {
		return Iris{}, &Error{Kind: ActionNotSupported, Op: "GetOptions", Text: "camera has no iris to set"}
	}
	return Iris{
		Level:  settings.num("ImagingSettings", "Exposure", "Iris"),
		Limits: Range{limits.num("Min"), limits.num("Max")},
	}, nil
}

// SetIris sets the iris and takes it from the automatic.
func (c *Client) SetIris(ctx context.Context, source string, level float64) error {
	value := strconv.FormatFloat(level, 'f', -1, 64)
	_, err := c.imaging(ctx, "SetImagingSettings", source,
		wrap("timg:ImagingSettings", wrap("tt:Exposure", leaf("tt:Mode", "MANUAL"), leaf("tt:Iris", value))),
		leaf("timg:ForcePersistence", "false"))
	return err
}
