package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"gbgate/bridge/onvif"
	"gbgate/bridge/statefile"
)

// presetFile keeps the presets of one camera in a JSON file.
type presetFile string

// maxPresetFile is more bytes than 255 presets have.
const maxPresetFile = 1 << 20

// Load implements onvif.PresetStore. A damaged file is told once and put aside: the numbers are made anew from the
// camera's list.
func (f presetFile) Load() ([]onvif.Preset, error) {
	data, err := statefile.Read(string(f), maxPresetFile)
	if data == nil || err != nil && !errors.Is(err, statefile.ErrTooLarge) {
		return nil, err
	}
	var list []onvif.Preset
	if err == nil {
		err = json.Unmarshal(data, &list)
	}
	if err != nil {
		aside, asideErr := statefile.SetAside(string(f))
		return nil, errors.Join(fmt.Errorf("%s is damaged, now %s: %w", string(f), aside, err), asideErr)
	}
	return list, nil
}

// Save implements onvif.PresetStore: the file is replaced at once or not at all.
func (f presetFile) Save(list []onvif.Preset) error {
	data, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		return err
	}
	return statefile.Replace(string(f), append(data, '\n'))
}
