package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"time"

	"gbgate/gb28181"
	"gbgate/gb28181/manscdp"
)

const (
	shotsAtOnce   = 4       // jobs of one superior that run at a time
	shotsWaiting  = 16      // and that wait
	maxShots      = 10      // pictures of a job (GB/T 28181-2022 A.2.3.2.12)
	maxInterShot  = 3600    // seconds between them
	maxPicture    = 8 << 20 // bytes
	shotTimeout   = 10 * time.Second
	imageFile     = "02" // type of the file in its ID
	minSession    = 1    // the standard says 32; platforms send less
	maxSession    = 128
	sessionLetter = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"
)

var (
	errNoPictures = errors.New("the camera takes no single pictures")
	errBusy       = errors.New("too many snapshots at once")
)

// snapshotJob is one SnapShotConfig (图像抓拍, GB/T 28181-2022 §9.14).
type snapshotJob struct {
	camera   Snapshotter
	id       string // the superior's code of the channel
	count    int
	interval time.Duration
	url      *url.URL
	session  string
}

// snapshotJob checks that what c asks for is possible and allowed.
func (v *View) snapshotJob(id string, c *manscdp.SnapShotConfig) (snapshotJob, error) {
	channel, err := v.device(id)
	switch {
	case err != nil:
		return snapshotJob{}, errNoCamera
	case channel.Snapshotter == nil:
		return snapshotJob{}, errNoPictures
	case c.SnapNum < 1 || c.SnapNum > maxShots || c.Interval < 0 || c.Interval > maxInterShot:
		return snapshotJob{}, manscdp.ErrBadValue
	case len(c.SessionID) < minSession || len(c.SessionID) > maxSession || strings.Trim(c.SessionID, sessionLetter) != "":
		return snapshotJob{}, manscdp.ErrBadValue
	}
	target, err := v.snapshots.up.target(c.UploadURL)
	if err != nil {
		return snapshotJob{}, err
	}
	return snapshotJob{
		camera: channel.Snapshotter, id: v.idOf(channel), count: c.SnapNum,
		interval: time.Duration(max(1, c.Interval)) * time.Second, url: target, session: c.SessionID,
	}, nil
}

// snapshots takes and uploads the pictures that one superior asks for.
type snapshots struct {
	up  *uploader
	log *slog.Logger

	mu    sync.Mutex
	queue chan snapshotJob                  // nil while nobody runs them
	last  map[string]manscdp.SnapShotConfig // of each device; as many as there are cameras
}

func newSnapshots(cfg ViewConfig, log *slog.Logger) *snapshots {
	return &snapshots{up: newUploader(cfg.SuperiorHost, cfg.SnapshotAllow), log: log}
}

// put hands a job in, which c asked for.
func (s *snapshots) put(job snapshotJob, c *manscdp.SnapShotConfig) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case s.queue <- job: // never while it is nil
		if s.last == nil {
			s.last = make(map[string]manscdp.SnapShotConfig)
		}
		s.last[job.id] = *c
		return nil
	default:
		return errBusy
	}
}

// asked is the last SnapShotConfig of a device, which is what it is set to; nil: there was none.
func (s *snapshots) asked(id string) *manscdp.SnapShotConfig {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, ok := s.last[id]; ok {
		return &c
	}
	return nil
}

// shots is the running side, used by one goroutine.
type shots struct {
	*snapshots
	jobs    chan snapshotJob
	done    chan *manscdp.UploadSnapShotFinished
	running int
	all     sync.WaitGroup
}

func (s *snapshots) open() *shots {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = make(chan snapshotJob, shotsWaiting)
	return &shots{snapshots: s, jobs: s.queue, done: make(chan *manscdp.UploadSnapShotFinished, shotsAtOnce)}
}

// close waits for the jobs that run; their context has ended.
func (s *snapshots) close(running *shots) {
	s.mu.Lock()
	if s.queue == running.jobs {
		s.queue = nil
	}
	s.mu.Unlock()
	running.all.Wait()
}

// next is where the next job comes from; nil while enough of them run.
func (s *shots) next() <-chan snapshotJob {
	if s.running >= shotsAtOnce {
		return nil
	}
	return s.jobs
}

func (s *shots) start(ctx context.Context, job snapshotJob) {
	s.running++
	s.all.Go(func() { s.done <- s.run(ctx, job) }) // there is room for all that run
}

// run takes the pictures one after the other and says which of them arrived.
func (s *snapshots) run(ctx context.Context, job snapshotJob) *manscdp.UploadSnapShotFinished {
	result := &manscdp.UploadSnapShotFinished{
		Header: manscdp.Header{DeviceID: job.id}, SessionID: job.session,
	}
	tick := time.NewTicker(job.interval)
	defer tick.Stop()
	for n := 1; ; n++ {
		file := fileID(job.id, time.Now(), n)
		if err := s.shoot(ctx, job, file); err != nil {
			s.log.Warn("snapshot failed", "device", job.id, "number", n, "reason", err.Error())
		} else {
			result.Files = append(result.Files, file)
		}
		if n >= job.count {
			return result
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return result
		}
	}
}

func (s *snapshots) shoot(ctx context.Context, job snapshotJob, file string) error {
	taking, cancel := context.WithTimeout(ctx, shotTimeout)
	defer cancel()
	picture, err := job.camera.Snapshot(taking)
	switch {
	case err != nil:
		return err
	case len(picture) > maxPicture:
		return fmt.Errorf("the camera's picture has %d bytes, more than %d", len(picture), maxPicture)
	case len(picture) < 4 || picture[0] != 0xff || picture[1] != 0xd8:
		return errors.New("the camera's picture is no JPEG")
	}
	return s.up.post(ctx, job.url, file, picture)
}

// fileID is the code of a picture: device, type, time in Beijing with milliseconds, number.
func fileID(device string, t time.Time, n int) string {
	at := t.In(gb28181.Zone())
	return fmt.Sprintf("%s%s%s%03d%02d", device, imageFile, at.Format("20060102150405"), at.Nanosecond()/1e6, n)
}
