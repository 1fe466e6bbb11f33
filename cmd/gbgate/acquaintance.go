package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"gbgate/bridge"
	"gbgate/bridge/onvif"
	"gbgate/bridge/statefile"
	"gbgate/cmd/gbgate/config"
)

// acquaintance is what is remembered, in state_dir, of the device behind a camera's name: which one it is, so that
// another one that gets the name does not get what superiors have made of this one, and whether it can be moved, which
// `ptz = "auto"` rests on: so the catalog is right from the start the next time. The device is asked when it is reached,
// whenever it is back or answers strangely, and once an hour. Until it is known the camera counts as one that moves.
type acquaintance struct {
	cfg    config.Camera
	source *source
	camera *onvif.Camera
	file   string
	log    *slog.Logger

	moved bool // Look alone: what was put aside of the device is in place, whatever the file says
	told  bool // Look alone: that the file can't be written

	mu    sync.Mutex
	fixed bool
}

const (
	// maxAcquaintance is how many bytes the file of one camera may have.
	maxAcquaintance = 2 << 20
	// maxAside is of how many other devices that had the name something is kept.
	maxAside = 4
	// infoShared is how long what a recorder says of itself does for all of its channels that ask at once.
	infoShared = 5 * time.Second
)

// remembered is the file of one camera.
type remembered struct {
	ONVIF  string    `json:"onvif"` // the address that Moves was asked at
	Moves  bool      `json:"moves"`
	Device *identity `json:"device,omitempty"` // nil: releases before this one did not note it
	// Arriving tells that what is aside of Device is not in place yet, nor what the one before had left put away.
	Arriving bool    `json:"arriving,omitempty"`
	Aside    []aside `json:"aside,omitempty"` // the newest first
}

// aside is what superiors have made of a device that had the name before.
type aside struct {
	Device  identity        `json:"device"`
	Presets []onvif.Preset  `json:"presets,omitempty"`
	Made    json.RawMessage `json:"made,omitempty"` // bridge.Made
}

// put keeps what was made of a device, and of the devices before it no more than fits.
func (r *remembered) put(a aside) {
	r.take(a.Device)
	if len(a.Presets) > 0 || a.Made != nil {
		r.Aside = slices.Insert(r.Aside, 0, a)
	}
	r.Aside = r.Aside[:min(len(r.Aside), maxAside)]
}

// take takes out what was put aside of a device.
func (r *remembered) take(device identity) aside {
	i := slices.IndexFunc(r.Aside, func(a aside) bool { return a.Device.is(device) })
	if i < 0 {
		return aside{}
	}
	a := r.Aside[i]
	r.Aside = slices.Delete(slices.Clone(r.Aside), i, i+1)
	return a
}

// numbered tells whether the device that had the name last has told its serial number.
func (r *remembered) numbered() bool { return r.Device != nil && r.Device.Serial != "" }

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

func newAcquaintance(c config.Camera, source *source, file string, log *slog.Logger) *acquaintance {
	a := &acquaintance{cfg: c, source: source, camera: source.onvif, file: file, log: log}
	r, err := a.recall()
	a.fixed = err == nil && r.ONVIF == a.camera.Client().Address() && !r.Moves
	return a
}

// recall reads the file. One that is damaged is told, put aside, and remembers nothing.
func (a *acquaintance) recall() (remembered, error) {
	blank := remembered{Moves: true}
	data, err := statefile.Read(a.file, maxAcquaintance)
	if data == nil || err != nil && !errors.Is(err, statefile.ErrTooLarge) {
		return blank, err
	}
	var r remembered
	if err == nil {
		err = json.Unmarshal(data, &r)
	}
	if err == nil {
		return r, nil
	}
	kept, asideErr := statefile.SetAside(a.file)
	a.log.Error("which device the camera was is not readable", "file", a.file, "kept_as", kept,
		"error", errors.Join(err, asideErr))
	return blank, asideErr
}

// Fixed implements bridge.Doubtful.
func (a *acquaintance) Fixed() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.fixed
}

// Look implements bridge.Scout.
func (a *acquaintance) Look(ctx context.Context, made bridge.Made) (changed bool, err error) {
	r, err := a.recall()
	if err != nil {
		return false, err
	}
	device, err := a.identify(ctx)
	if errors.Is(err, errors.ErrUnsupported) && !r.numbered() {
		err = nil
	}
	nobody := classify(err) // one that does not say who it is may say whether it moves
	if err == nil {
		err = a.welcome(ctx, &r, device, made)
	}
	var kind bridge.Kinder
	if err != nil && (nobody == nil || errors.As(nobody, &kind) && kind.LockedOut()) {
		return false, classify(err)
	}
	r.ONVIF = a.camera.Client().Address()
	if a.cfg.PTZ == "auto" {
		if r.Moves, err = a.camera.Moves(ctx); err != nil {
			return false, classify(err)
		}
		a.mu.Lock()
		changed = a.fixed == r.Moves
		a.fixed = !r.Moves
		a.mu.Unlock()
	}
	if nobody != nil {
		return changed, nobody
	}
	return changed, a.remember(r)
}

// welcome makes device the one that has the name. Where another one had it, what superiors have made of that one is put
// aside, and what was put aside of this one given back. The file says first what is to be done, so that neither a power
// cut nor a full disk loses anything.
func (a *acquaintance) welcome(ctx context.Context, r *remembered, device identity, made bridge.Made) error {
	if r.Device != nil && !r.Device.is(device) {
		a.log.Warn("another device has the camera's name: its presets, cruises, scans and home position are its own",
			"was", r.Device.String(), "is", device.String())
		if err := a.putAside(ctx, r, made); err != nil {
			return err
		}
		r.Device, r.Arriving, a.moved = &device, true, false
		if err := a.remember(*r); err != nil {
			return err
		}
	}
	if r.Device != nil && device.Serial == "" {
		device.Serial = r.Device.Serial
	}
	r.Device = &device
	if !r.Arriving {
		return nil
	}
	back := r.take(device)
	if !a.moved { // else superiors may have made something since, and only the file does not say so
		if err := a.unlearn(ctx); err != nil { // who moves the camera may have its turn for long
			return err
		}
		if err := errors.Join(a.camera.ReplacePresets(ctx, back.Presets), made.Replace(back.Made)); err != nil {
			return err
		}
		a.moved = true
	}
	r.Arriving = false
	return a.remember(*r)
}

// unlearn drops all that the device before has told of itself, where its stream is too.
func (a *acquaintance) unlearn(ctx context.Context) error {
	if err := a.camera.Unlearn(ctx); err != nil {
		return err
	}
	a.source.forget()
	return nil
}

// putAside keeps what superiors have made of the device that had the name, unless that one had not come to it yet.
func (a *acquaintance) putAside(ctx context.Context, r *remembered, made bridge.Made) error {
	if r.Arriving && !a.moved {
		return nil
	}
	presets, err := a.camera.KeptPresets(ctx)
	if err != nil {
		return err
	}
	text, err := made.Read()
	if err != nil {
		return err
	}
	r.put(aside{Device: *r.Device, Presets: presets, Made: text})
	return nil
}

// identify asks which device it is. Zeros, as some makers number all they make, are no serial number. One that does
// not tell (errors.ErrUnsupported) may be a device of which there is no more to know than its address, or may be just
// starting: many refuse everything until they are up.
func (a *acquaintance) identify(ctx context.Context) (identity, error) {
	device := identity{Channel: a.cfg.ONVIFChannel}
	if u, err := url.Parse(a.camera.Client().Address()); err == nil {
		device.Host = u.Hostname()
	}
	info, err := a.camera.Client().InfoWithin(ctx, infoShared)
	if err != nil {
		return device, err
	}
	if serial := strings.TrimSpace(info.Serial); strings.Trim(serial, "0-: ") != "" {
		device.Serial = serial
	}
	return device, nil
}

// remember writes the file unless it says so already: flash wears out.
func (a *acquaintance) remember(r remembered) error {
	data, err := json.Marshal(r)
	for err == nil && len(data) > maxAcquaintance && len(r.Aside) > 0 {
		r.Aside = r.Aside[:len(r.Aside)-1]
		data, err = json.Marshal(r)
	}
	if err != nil {
		return err
	}
	if old, err := statefile.Read(a.file, maxAcquaintance); err == nil && string(old) == string(data) {
		return nil
	}
	err = statefile.Replace(a.file, data)
	if err != nil && !a.told {
		a.log.Warn("which device the camera is and what it can do is not remembered", "reason", err.Error())
	}
	a.told = err != nil
	return err
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
