package onvif

import "context"

// DevicePreset is a preset as the device keeps it.
type DevicePreset struct{ Token, Name string }

// DevicePresets lists the presets, in the device's order.
func (c *Client) DevicePresets(ctx context.Context, profile string) ([]DevicePreset, error) {
	e, err := c.ptz(ctx, "GetPresets", profile)
	if err != nil {
		return nil, err
	}
	var list []DevicePreset
	for _, p := range e.all("Preset") {
		if token := p.attr("token"); token != "" {
			list = append(list, DevicePreset{Token: token, Name: p.str("Name")})
		}
	}
	return list, nil
}

// SetDevicePreset stores where the camera looks now and returns the preset's token. An empty
// token makes a new preset.
func (c *Client) SetDevicePreset(ctx context.Context, profile, token, name string) (string, error) {
	var inner []string
	if name != "" {
		inner = append(inner, leaf("tptz:PresetName", name))
	}
	if token != "" {
		inner = append(inner, leaf("tptz:PresetToken", token))
	}
	e, err := c.ptz(ctx, "SetPreset", profile, inner...)
	if err != nil {
		return "", err
	}
	if got := e.str("PresetToken"); got != "" {
		return got, nil
	}
	if token == "" {
		return "", &Error{Kind: NotONVIF, Op: "SetPreset", Text: "camera does not name the preset it made"}
	}
	return token, nil
}

// GotoDevicePreset goes to a preset.
func (c *Client) GotoDevicePreset(ctx context.Context, profile, token string) error {
	_, err := c.ptz(ctx, "GotoPreset", profile, leaf("tptz:PresetToken", token))
	return err
}

// RemoveDevicePreset forgets a preset.
func (c *Client) RemoveDevicePreset(ctx context.Context, profile, token string) error {
	_, err := c.ptz(ctx, "RemovePreset", profile, leaf("tptz:PresetToken", token))
	return err
}

// Tour is a preset tour.
type Tour struct {
	Token, Name, State string
	Presets            []string // tokens, in order
}

// Tours lists the preset tours.
func (c *Client) Tours(ctx context.Context, profile string) ([]Tour, error) {
	e, err := c.ptz(ctx, "GetPresetTours", profile)
	if err != nil {
		return nil, err
	}
	var list []Tour
	for _, t := range e.all("PresetTour") {
		tour := Tour{Token: t.attr("token"), Name: t.str("Name"), State: t.str("Status", "State")}
		for _, spot := range t.all("TourSpot") {
			tour.Presets = append(tour.Presets, spot.str("PresetDetail", "PresetToken"))
		}
		list = append(list, tour)
	}
	return list, nil
}

// OperateTour starts, pauses or stops a tour: op is "Start", "Pause" or "Stop".
func (c *Client) OperateTour(ctx context.Context, profile, token, op string) error {
	_, err := c.ptz(ctx, "OperatePresetTour", profile, leaf("tptz:PresetTourToken", token), leaf("tptz:Operation", op))
	return err
}
