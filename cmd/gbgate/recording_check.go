package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"gbgate/cmd/gbgate/config"
	"gbgate/media/record"
)

// checkRecordingsDoc is what `check` says of the folder that cameras are recorded to.
type checkRecordingsDoc struct {
	Verdict string `json:"verdict"`
	Reason  string `json:"reason,omitempty"`
	Folder  string `json:"folder"`
	Free    int64  `json:"free_bytes"`
}

// checkRecordings tells whether the gateway can record; nil: no camera is recorded. It writes nothing.
func checkRecordings(cfg *config.Config) *checkRecordingsDoc {
	if !cfg.Records() {
		return nil
	}
	d := &checkRecordingsDoc{Verdict: good, Folder: cfg.RecordingDir()}
	if err := d.look(cfg); err != nil {
		d.Verdict, d.Reason = bad, err.Error()
	}
	return d
}

func (d *checkRecordingsDoc) look(cfg *config.Config) error {
	folder, err := existing(d.Folder)
	if err != nil {
		return err
	}
	if err := unix.Access(folder, unix.W_OK|unix.X_OK); err != nil {
		return fmt.Errorf("%s can't be written to: %w", folder, err)
	}
	var own, state unix.Stat_t
	if os.Geteuid() == 0 && unix.Stat(folder, &own) == nil && unix.Stat(cfg.Gateway.StateDir, &state) == nil &&
		!mayWrite(state.Uid, state.Gid, own) {
		return fmt.Errorf("%s does not belong to the user that state_dir belongs to: chown --reference=%s %s",
			folder, cfg.Gateway.StateDir, folder)
	}
	if d.Free, err = record.Free(folder); err != nil {
		return err
	}
	if need := int64(cfg.Recording.MinFreeGB * gigabyte); d.Free < need {
		return fmt.Errorf("%s has %s free where min_free_gb keeps %s: nothing is recorded unless older recordings can go",
			folder, size(d.Free), size(need))
	}
	return nil
}

// mayWrite tells whether a user can make files in a folder. Who runs `check` as root asks for the service's user.
func mayWrite(uid, gid uint32, folder unix.Stat_t) bool {
	switch {
	case uid == 0:
		return true
	case uid == folder.Uid:
		return folder.Mode&0o200 != 0
	case gid == folder.Gid:
		return folder.Mode&0o020 != 0
	}
	return folder.Mode&0o002 != 0
}

// existing returns the folder, or what there is above it: the rest is made when something is recorded.
func existing(folder string) (string, error) {
	for {
		info, err := os.Stat(folder)
		switch parent := filepath.Dir(folder); {
		case errors.Is(err, fs.ErrNotExist) && parent != folder:
			folder = parent
		case err != nil:
			return "", err
		case !info.IsDir():
			return "", fmt.Errorf("%s is no folder", folder)
		default:
			return folder, nil
		}
	}
}

// onSystemVolume tells whether a folder is on the same volume as "/".
func onSystemVolume(folder string) bool {
	var own, root unix.Stat_t
	folder, err := existing(folder)
	return err == nil && unix.Stat(folder, &own) == nil && unix.Stat("/", &root) == nil && own.Dev == root.Dev
}

// unmounted is what it means that recording.dir names a place of its own which is on the system's volume.
const unmounted = "the disk that it should be on is not mounted, or there is none: the system's own is written to"

func printCheckedRecordings(w io.Writer, d *checkRecordingsDoc) {
	switch {
	case d == nil:
	case d.Verdict == good:
		fmt.Fprintf(w, "\nrecordings: %s free in %s\n", size(d.Free), d.Folder)
	default:
		fmt.Fprintf(w, "\nrecordings: %s: %s\n", d.Verdict, d.Reason)
	}
}
