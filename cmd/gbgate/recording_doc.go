package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"gbgate/media/record"
)

// recordingsDoc is what /api/v1/recordings shows: the volume, and what is kept of each camera.
type recordingsDoc struct {
	Verdict  string               `json:"verdict"`
	Reason   string               `json:"reason,omitempty"`
	Hint     string               `json:"hint,omitempty"`
	State    string               `json:"state"` // starting | working | full | broken
	Since    time.Time            `json:"since"`
	Folder   string               `json:"folder"`
	Segments int                  `json:"segments"`
	Bytes    int64                `json:"bytes"`
	Free     int64                `json:"free_bytes"`
	Deleted  uint64               `json:"deleted_segments"`
	Oldest   *time.Time           `json:"oldest,omitempty"`
	Cameras  []cameraRecordingDoc `json:"cameras"`
}

// cameraRecordingDoc tells what is kept of a camera, and what its recorder does.
type cameraRecordingDoc struct {
	Camera   string     `json:"camera"`
	Mode     string     `json:"mode"`            // off | always | alarm
	Doing    string     `json:"doing,omitempty"` // time | alarm | manual | waiting
	Since    *time.Time `json:"since,omitempty"` // of the file that is written
	Segments int        `json:"segments"`
	Bytes    int64      `json:"bytes"`
	Oldest   *time.Time `json:"oldest,omitempty"`
	Newest   *time.Time `json:"newest,omitempty"`
	Written  uint64     `json:"written_bytes"` // since the start
	Lost     uint64     `json:"lost_frames"`   // that could not be written
	Reason   string     `json:"reason,omitempty"`
}

// document returns nil where nothing is recorded.
func (r *recorders) document() *recordingsDoc {
	if r == nil {
		return nil
	}
	st := r.archive.Status()
	d := &recordingsDoc{
		Verdict: good, Reason: st.Reason, State: st.State.String(), Since: st.Since, Folder: st.Dir,
		Segments: st.Segments, Bytes: st.Bytes, Free: st.Free, Deleted: st.Deleted, Oldest: optional(st.Oldest),
		Cameras: []cameraRecordingDoc{},
	}
	if st.State == record.Full || st.State == record.Broken {
		d.Verdict = bad
	}
	if r.apart && onSystemVolume(st.Dir) {
		d.Hint = unmounted
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	stored := make(map[string]record.CameraStatus)
	for _, c := range st.Cameras {
		stored[c.Camera] = c
	}
	for name := range r.of {
		if _, ok := stored[name]; !ok {
			stored[name] = record.CameraStatus{Camera: name}
		}
	}
	for name, c := range stored {
		doc := cameraRecordingDoc{
			Camera: name, Mode: "off", Segments: c.Segments, Bytes: c.Bytes,
			Oldest: optional(c.Oldest), Newest: optional(c.Newest),
		}
		if one := r.of[name]; one != nil {
			doc.add(one.Status())
		}
		d.Cameras = append(d.Cameras, doc)
	}
	slices.SortFunc(d.Cameras, func(a, b cameraRecordingDoc) int { return strings.Compare(a.Camera, b.Camera) })
	return d
}

func (d *cameraRecordingDoc) add(st record.RecorderStatus) {
	d.Mode = map[record.Mode]string{record.Always: "always", record.OnAlarm: "alarm"}[st.Mode]
	d.Doing, d.Since, d.Written, d.Lost = doing(st), optional(st.Since), st.Bytes, st.Lost
	if st.Err != nil {
		d.Reason = st.Err.Error()
	}
}

func doing(st record.RecorderStatus) string {
	if st.Recording == record.None {
		return "waiting"
	}
	return st.Recording.String()
}

// doing tells what is being recorded of a camera; "": its record is off.
func (r *recorders) doing(camera string) string {
	one := r.get(camera)
	if one == nil {
		return ""
	}
	return doing(one.Status())
}

// measure makes metrics of the document.
func (d *recordingsDoc) measure(gauge func(name string, value float64)) {
	if d == nil {
		return
	}
	gauge("gbgate_recordings_working", boolean(d.State == record.Working.String()))
	gauge("gbgate_recordings_segments", float64(d.Segments))
	gauge("gbgate_recordings_bytes", float64(d.Bytes))
	gauge("gbgate_recordings_free_bytes", float64(d.Free))
	gauge("gbgate_recordings_deleted_segments_total", float64(d.Deleted))
	for _, c := range d.Cameras {
		if c.Mode == "off" {
			continue
		}
		label := "{camera=" + strconv.Quote(c.Camera) + "}"
		gauge("gbgate_camera_recording"+label, boolean(c.Doing != "waiting"))
		gauge("gbgate_camera_recorded_bytes_total"+label, float64(c.Written))
		gauge("gbgate_camera_recording_lost_frames_total"+label, float64(c.Lost))
	}
}

func printRecordings(w io.Writer, d *recordingsDoc, now time.Time) {
	if d == nil {
		return
	}
	fmt.Fprintf(w, "\nrecordings: %s, %d files, %s, %s free in %s", d.State, d.Segments, size(d.Bytes), size(d.Free),
		d.Folder)
	if d.Reason != "" {
		fmt.Fprintf(w, ": %s", d.Reason)
	}
	fmt.Fprintln(w)
	if d.Hint != "" {
		fmt.Fprintf(w, "hint: %s\n", d.Hint)
	}
	if len(d.Cameras) == 0 {
		return
	}
	table(w, "RECORDED\tMODE\tNOW\tFILES\tSIZE\tFROM\tTO\tLOST\tREASON", func(row func(...any)) {
		for _, c := range d.Cameras {
			row(c.Camera, c.Mode, dash(c.Doing), c.Segments, size(c.Bytes), before(c.Oldest, now), before(c.Newest, now), c.Lost,
				c.Reason)
		}
	})
}

// size is a number of bytes for people.
func size(n int64) string {
	switch {
	case n < 1e6:
		return fmt.Sprintf("%d kB", (n+999)/1000)
	case n < 1e9:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.1f GB", float64(n)/1e9)
}
