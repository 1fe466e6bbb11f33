// Package statefile reads and replaces files of state_dir, which must survive power cuts.
package statefile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// ErrTooLarge is of a file that has more bytes than it can have been given.
var ErrTooLarge = errors.New("file is too large")

// Read returns the content of a file, nil when there is none. One that has more than limit bytes is ErrTooLarge.
func Read(path string, limit int) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, int64(limit)+1))
	if err == nil && len(text) > limit {
		err = fmt.Errorf("%w: more than %d bytes", ErrTooLarge, limit)
	}
	return text, err
}

// SetAside renames a file that makes no sense, so that its successor does not overwrite it, and returns its new name.
func SetAside(path string) (string, error) {
	aside := path + ".damaged"
	return aside, os.Rename(path, aside)
}

// Replace gives a file another content in one step, so that a power cut leaves the old one or the new one: the text is
// written beside it, brought to the disk, and only then gets the name.
func Replace(path string, text []byte) error {
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
	sweep(path)
	return d.Close()
}

// abandoned is how old a file must be that a power cut or a kill left half written.
const abandoned = time.Hour

// sweep removes such files.
func sweep(path string) {
	left, _ := filepath.Glob(path + ".*.new")
	for _, name := range left {
		if info, err := os.Stat(name); err == nil && time.Since(info.ModTime()) > abandoned {
			_ = os.Remove(name)
		}
	}
}
