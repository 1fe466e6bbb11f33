package idstore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// lockWait is how long another process may hold the store; its work takes milliseconds.
const lockWait = 5 * time.Second

// Update opens the store, lets change work on it and saves it if it was changed, while other
// processes wait: the gateway and an `ids` command may run at the same time. An error of change
// leaves the file as it was.
func Update(path string, change func(*Store) error) error {
	unlock, err := lock(path + ".lock")
	if err != nil {
		return fmt.Errorf("ID store: %w", err)
	}
	defer unlock()
	s, err := Open(path)
	if err != nil {
		return err
	}
	if err := change(s); err != nil || !s.changed {
		return err
	}
	return s.Save()
}

// lock takes the advisory lock of a file of its own, as the store's file is replaced. It is opened
// for reading, so that a service user can lock what root created.
func lock(path string) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(lockWait); ; time.Sleep(20 * time.Millisecond) {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil // closing unlocks
		}
		busy := errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR)
		if !busy || time.Now().After(deadline) {
			_ = f.Close()
			return nil, fmt.Errorf("%s is held by another process: %w", path, err)
		}
	}
}
