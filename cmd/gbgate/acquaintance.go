package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"

	"gbgate/bridge"
	"gbgate/bridge/onvif"
	"gbgate/bridge/statefile"
	"gbgate/cmd/gbgate/config"
)

// acquaintance is what is remembered, in state_dir, of the device behind a camera's name: which one it is, so that
// another one that gets the name does not get what superiors have made of this one, and whether it can be moved, which
// `ptz = "auto"` rests on: so the catalog is right from the start the next time. The device is asked when it is first
// reached. Until it is known the camera counts as one that moves.
type acquaintance struct {
	cfg    config.Camera
	camera *onvif.Camera
	file   string
	log    *slog.Logger

	mu    sync.Mutex
	fixed bool
}

// maxAcquaintance is how many bytes the file of one camera may have.
const maxAcquaintance = 4 << 10

// remembered is the file of one camera.
type remembered struct {
	ONVIF  string    `json:"onvif"` // the address that Moves was asked at
	Moves  bool      `json:"moves"`
	Device *identity `json:"device,omitempty"` // nil: releases before this one did not note it
}

// identity is which device it is.
type identity struct {
	Host    string `json:"host"`
	Serial  string `json:"serial,omitempty"`  // "" = it tells none
	Channel int    `json:"channel,omitempty"` // of a recorder, from 1
}

// is tells whether two are the same device: by their serial numbers, wherever it is now, or else by the host.
func (i identity) is(other identity) bool {
	switch {
	case max(i.Channel, 1) != max(other.Channel, 1):
		return false
	case i.Serial != "" && other.Serial != "":
		return i.Serial == other.Serial
	}
	return i.Host == other.Host
}

// String says it for the log.
func (i identity) String() string {
	text := i.Host
	if i.Serial != "" {
		text += ", serial number " + i.Serial
	}
	if i.Channel > 1 {
		text += fmt.Sprintf(", channel %d", i.Channel)
	}
	return text
}

func newAcquaintance(c config.Camera, camera *onvif.Camera, file string, log *slog.Logger) *acquaintance {
	a := &acquaintance{cfg: c, camera: camera, file: file, log: log}
	r, err := a.recall()
	a.fixed = err == nil && r.ONVIF == camera.Client().Address() && !r.Moves
	return a
}

// recall reads the file; one that is missing or damaged remembers nothing.
func (a *acquaintance) recall() (remembered, error) {
	var r remembered
	data, err := statefile.Read(a.file, maxAcquaintance)
	if err != nil || data == nil {
		return remembered{Moves: true}, err
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return remembered{Moves: true}, err
	}
	return r, nil
}

// Fixed implements bridge.Doubtful.
func (a *acquaintance) Fixed() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.fixed
}

// Look implements bridge.Scout.
func (a *acquaintance) Look(ctx context.Context, forget func() error) (changed bool, err error) {
	r, _ := a.recall()
	now := remembered{ONVIF: a.camera.Client().Address(), Moves: r.Moves}
	if a.cfg.PTZ == "auto" {
		if now.Moves, err = a.camera.Moves(ctx); err != nil {
			return false, classify(err)
		}
		a.mu.Lock()
		changed = a.fixed == now.Moves
		a.fixed = !now.Moves
		a.mu.Unlock()
	}
	device, err := a.identify(ctx)
	if err != nil {
		return changed, classify(err)
	}
	switch {
	case r.Device == nil:
	case !r.Device.is(device):
		a.log.Warn("another device has the camera's name: its presets, cruises, scans and home position begin anew",
			"was", r.Device.String(), "is", device.String())
		if err := errors.Join(a.camera.ForgetPresets(ctx), forget()); err != nil {
			return changed, err
		}
	case device.Serial == "":
		device.Serial = r.Device.Serial
	}
	now.Device = &device
	if err := a.remember(now); err != nil {
		a.log.Warn("what the camera is and can do is not remembered", "reason", err.Error())
	}
	return changed, nil
}

// identify asks which device it is. Zeros, as some makers number all they make, are no serial number.
func (a *acquaintance) identify(ctx context.Context) (identity, error) {
	device := identity{Channel: a.cfg.ONVIFChannel}
	if u, err := url.Parse(a.camera.Client().Address()); err == nil {
		device.Host = u.Hostname()
	}
	info, err := a.camera.Client().Info(ctx)
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return identity{}, err
	}
	if serial := strings.TrimSpace(info.Serial); strings.Trim(serial, "0-: ") != "" {
		device.Serial = serial
	}
	return device, nil
}

// remember writes the file unless it says so already: flash wears out.
func (a *acquaintance) remember(r remembered) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if old, err := statefile.Read(a.file, maxAcquaintance); err == nil && string(old) == string(data) {
		return nil
	}
	return statefile.Replace(a.file, data)
}

var (
	_ bridge.Doubtful = moving{}
	_ bridge.Scout    = (*acquaintance)(nil)
)

// moving is a head that may turn out to be fixed.
type moving struct {
	*head
	*acquaintance
}
