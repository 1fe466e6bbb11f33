package record

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// volume is what an archive needs of its disk, so that tests can let it fail.
type volume interface {
	// Create makes a new file for appending.
	Create(path string) (file, error)
	// Space is how many bytes may still be written, and how many there are.
	Space() (free, total int64, err error)
	// Sync brings everything that was written to the medium, names too, and tells what failed since.
	Sync() error
	// Probe tries whether data can be written and read.
	Probe() error
	// Lock makes sure that nobody else writes there; another process that does is an error.
	Lock() (unlock func(), err error)
}

// disk is the volume that a folder is on.
type disk struct{ dir string }

func (d disk) Create(path string) (file, error) { return createFile(path) }

func (d disk) Space() (free, total int64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(d.dir, &st); err != nil {
		return 0, 0, &os.PathError{Op: "statfs", Path: d.dir, Err: err}
	}
	bytes := func(blocks uint64) int64 { return int64(min(blocks, 1<<62/uint64(st.Bsize)) * uint64(st.Bsize)) }
	return bytes(st.Bavail), bytes(st.Blocks), nil
}

// Free is how many bytes may still be written to the volume that a folder is on.
func Free(dir string) (int64, error) {
	free, _, err := disk{dir}.Space()
	return free, err
}

// Sync is one call for the whole volume, whatever the number of files (syncfs(2)).
func (d disk) Sync() error {
	f, err := os.Open(d.dir)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.Syncfs(int(f.Fd())); err != nil {
		return &os.PathError{Op: "syncfs", Path: d.dir, Err: err}
	}
	return nil
}

func (d disk) Probe() error {
	path := filepath.Join(d.dir, ".probe")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(make([]byte, page)); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return os.Remove(path)
}

func (d disk) Lock() (func(), error) {
	if err := os.MkdirAll(d.dir, 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(d.dir, ".lock"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("%s: another gbgate records there", d.dir)
		}
		// Some network file systems have no locks; one process is then the operator's word.
		return func() {}, nil
	}
	return func() { _ = f.Close() }, nil
}

// isFull tells whether an error says that there is no room.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
