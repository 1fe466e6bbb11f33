package idstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"gbgate/bridge/statefile"
)

// maxFile bounds what is read: 10 000 cameras and 100 000 codes need about 10 MB.
const maxFile = 32 << 20

// format is raised only when an older release must not write what it would read. It still reads it, so that a site
// whose upgrade was taken back runs on.
const format = 1

// document is the file.
type document struct {
	Format  int               `json:"format"`
	Cameras map[string]string `json:"cameras"` // name → code
	Block   []Code            `json:"block"`
}

// Open reads a store. A file that is not there is an empty store; a damaged one, or one in which
// two cameras share a code, is an error that names it.
func Open(path string) (*Store, error) {
	s := &Store{path: path, cameras: map[string]string{}, owners: map[string]string{}}
	text, err := statefile.Read(path, maxFile)
	if err != nil {
		return nil, fmt.Errorf("ID store: %w", err)
	}
	if text == nil {
		return s, nil
	}
	if err := s.decode(text); err != nil {
		return nil, fmt.Errorf("ID store %s: %w", path, err)
	}
	return s, nil
}

func (s *Store) decode(text []byte) error {
	var d document
	if err := json.Unmarshal(text, &d); err != nil {
		return fmt.Errorf("is damaged (%w); put back a copy, or remove it and import the sheet again", err)
	}
	if d.Format < 1 {
		return fmt.Errorf("has format %d; it is no ID store", d.Format)
	}
	s.format = d.Format
	s.Add(d.Block)
	s.changed = false
	for _, camera := range slices.Sorted(maps.Keys(d.Cameras)) {
		code := d.Cameras[camera]
		if code == "" || camera == "" {
			continue
		}
		if owner, dup := s.owners[code]; dup {
			return &TakenError{code, camera, fmt.Sprintf("camera %q", owner)}
		}
		s.cameras[camera], s.owners[code] = code, camera
	}
	return nil
}

// Save replaces the file in one step, so that a power cut leaves the old one or the new one.
func (s *Store) Save() error {
	if s.path == "" {
		return errors.New("ID store: it has no file")
	}
	if s.format > format {
		return fmt.Errorf(
			"ID store: it has format %d and belongs to a newer release; this one reads it but does not write it", s.format)
	}
	d := document{Format: format, Cameras: s.cameras, Block: s.block}
	if d.Block == nil {
		d.Block = []Code{}
	}
	text, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return fmt.Errorf("ID store: %w", err)
	}
	if err := statefile.Replace(s.path, append(text, '\n')); err != nil {
		return fmt.Errorf("ID store: %w", err)
	}
	s.changed = false
	return nil
}
