package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"

	"gbgate/bridge"
	"gbgate/bridge/onvif"
	"gbgate/bridge/statefile"
)

// ability is what `ptz = "auto"` rests on: whether the camera can be moved. It is asked when the
// camera is first reached, and remembered in state_dir, so that the catalog is right from the start
// the next time. Until it is known the camera counts as one that moves.
type ability struct {
	camera *onvif.Camera
	file   string
	log    *slog.Logger

	mu    sync.Mutex
	fixed bool
}

// maxAbility is how many bytes the file of one camera may have.
const maxAbility = 4 << 10

// remembered is the file of one camera.
type remembered struct {
	ONVIF string `json:"onvif"` // the address it was asked at: another device may have taken the name
	Moves bool   `json:"moves"`
}

func newAbility(camera *onvif.Camera, file string, log *slog.Logger) *ability {
	a := &ability{camera: camera, file: file, log: log}
	var r remembered
	data, err := statefile.Read(file, maxAbility)
	if err == nil && json.Unmarshal(data, &r) == nil && r.ONVIF == camera.Client().Address() {
		a.fixed = !r.Moves
	}
	return a
}

// Fixed implements bridge.Doubtful.
func (a *ability) Fixed() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.fixed
}

// Look implements bridge.Scout.
func (a *ability) Look(ctx context.Context) (changed bool, err error) {
	moves, err := a.camera.Moves(ctx)
	if err != nil {
		return false, classify(err)
	}
	a.mu.Lock()
	changed = a.fixed == moves
	a.fixed = !moves
	a.mu.Unlock()
	if err := a.remember(moves); err != nil {
		a.log.Warn("what the camera can do is not remembered", "reason", err.Error())
	}
	return changed, nil
}

// remember writes the file unless it says so already: flash wears out.
func (a *ability) remember(moves bool) error {
	data, err := json.Marshal(remembered{ONVIF: a.camera.Client().Address(), Moves: moves})
	if err != nil {
		return err
	}
	if old, err := statefile.Read(a.file, maxAbility); err == nil && string(old) == string(data) {
		return nil
	}
	return statefile.Replace(a.file, data)
}

var (
	_ bridge.Doubtful = (*moving)(nil)
	_ bridge.Scout    = (*ability)(nil)
)

// moving is a head that may turn out to be fixed.
type moving struct {
	*head
	*ability
}
