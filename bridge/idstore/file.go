package idstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// maxFile bounds what is read: 10 000 cameras and 100 000 codes need about 10 MB.
const maxFile = 32 << 20

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
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("ID store: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("ID store: %w", err)
	}
	if err := s.decode(text); err != nil {
		return nil, fmt.Errorf("ID store %s: %w", path, err)
	}
	return s, nil
}

func (s *Store) decode(text []byte) error {
	if len(text) > maxFile {
		return fmt.Errorf("is larger than %d bytes", maxFile)
	}
	var d document
	if err := json.Unmarshal(text, &d); err != nil {
		return fmt.Errorf("is damaged (%w); put back a copy, or remove it and import the sheet again", err)
	}
	if d.Format != format {
		return fmt.Errorf("has format %d, this program knows %d; it belongs to another release", d.Format, format)
	}
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
	d := document{Format: format, Cameras: s.cameras, Block: s.block}
	if d.Block == nil {
		d.Block = []Code{}
	}
	text, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return fmt.Errorf("ID store: %w", err)
	}
	if err := replace(s.path, append(text, '\n')); err != nil {
		return fmt.Errorf("ID store: %w", err)
	}
	s.changed = false
	return nil
}

// replace writes text beside path, brings it to the disk, and only then gives it the name.
func replace(path string, text []byte) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, filepath.Base(path)+".*.new")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already when all went well
	_, err = f.Write(text)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	_ = d.Sync() // some file systems can't; the rename itself has happened
	return d.Close()
}
