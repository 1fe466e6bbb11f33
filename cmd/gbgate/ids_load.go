package main

import (
	"fmt"
	"os"

	"gbgate/bridge/idstore"
	"gbgate/cmd/gbgate/config"
)

// loadConfig reads a configuration whose cameras may leave their codes to the ID store. Codes that
// were free until now are only shown; keepCodes makes them last.
func loadConfig(file string) (*config.Config, error) {
	return config.Load(file, config.WithCodes(freshCodes))
}

// keepCodes remembers which camera has which code, so that it stays so. A site whose configuration
// gives every code, and which never had a store, needs none.
func keepCodes(cfg *config.Config) error {
	path := storePath(cfg)
	if _, err := os.Stat(path); err != nil {
		return nil //nolint:nilerr // there is no store
	}
	return idstore.Update(path, func(s *idstore.Store) error {
		for _, b := range s.Settle(request(cfg)) {
			if b.Err != nil {
				return b.Err
			}
		}
		return nil
	})
}

// request is what a configuration asks of the store.
func request(cfg *config.Config) idstore.Request {
	r := idstore.Request{Reserved: cfg.Reserved()}
	for _, c := range cfg.Cameras {
		r.Cameras = append(r.Cameras, idstore.Camera{Name: c.Name, Title: c.Title, Code: c.ID})
	}
	return r
}

// freshCodes finds the code of every camera that has none in the file, without keeping it.
func freshCodes(dir string, cameras []config.CodeRequest, reserved map[string]string) (
	codes, faults map[string]string,
) {
	codes, faults = map[string]string{}, map[string]string{}
	r := idstore.Request{Reserved: reserved}
	wanted := map[string]bool{}
	for _, c := range cameras {
		r.Cameras = append(r.Cameras, idstore.Camera{Name: c.Camera, Title: c.Title, Code: c.Code})
		if c.Code == "" {
			wanted[c.Camera] = true
		}
	}
	if len(wanted) == 0 {
		return codes, faults
	}
	s, err := idstore.Open(storePath(&config.Config{Gateway: config.Gateway{StateDir: dir}}))
	if err != nil {
		for camera := range wanted {
			faults[camera] = fmt.Sprintf("is missing: %v", err)
		}
		return codes, faults
	}
	for _, b := range s.Settle(r) {
		switch {
		case !wanted[b.Camera]:
		case b.Err != nil:
			faults[b.Camera] = fmt.Sprintf("is missing, and %v; give one, or run `gbgate ids assign` "+
				"after `gbgate ids import` of the platform's sheet", b.Err)
		default:
			codes[b.Camera] = b.Code
		}
	}
	return codes, faults
}
