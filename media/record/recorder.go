package record

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"gbgate/media"
)

// Mode says when a camera is recorded.
type Mode uint8

// The modes; a camera that is never recorded has no Recorder.
const (
	Always  Mode = iota
	OnAlarm      // around alarms, and when told to by hand
)

const (
	// A part ends with the first picture after partLength, or with whatever comes partPatience after its first unit, so
	// that a second is what a kill costs, though it may wait for writeEvery.
	partLength   = media.Clock * 8 / 10
	partPatience = 900 * time.Millisecond
	partBytes    = 8 << 20         // it ends also when it has grown to this
	stallAfter   = 2 * time.Second // without units a part is written out
	gapTicks     = 3 * media.Clock // a longer step between two units begins a new segment
	// A camera's clock runs a little differently from ours; units of one that stalls come late.
	jitter   = 500 * time.Millisecond // so much between two segments is none
	maxDrift = 2 * time.Second        // more in a segment begins a new one
	overtime = 15 * time.Second       // a segment that should end waits so long for a key picture
)

// Units is what a Recorder reads: a media.Reader, or what has one in it. One that tells how many units it has
// Dropped is asked for that.
type Units interface {
	Read(ctx context.Context) (*media.Unit, error)
	Inline(f func(*media.Unit) bool)
}

// Recorder records one camera. Run does the work; the other methods may be called at any time.
type Recorder struct {
	archive *Archive
	camera  string
	mode    Mode
	log     *slog.Logger

	disk sync.Mutex // held while something is written; taken before mu

	mu     sync.Mutex // taken by whoever writes to the stream, so nothing is done under it that can block
	until  time.Time  // an alarm's recording lasts until then
	held   time.Time  // or then, while what it is about goes on
	manual bool
	kick   context.CancelFunc // wakes Run from its Read
	ring   ring
	take   take
	full   fullPart  // waits for the archive to write it
	broken bool      // writing that has failed: the segment is to be given up
	newest time.Time // arrival of the newest unit
	stats  RecorderStatus
	lagged uint64 // units that the present reader has dropped
	loss   loss
}

// RecorderStatus is a snapshot of a recorder.
type RecorderStatus struct {
	Mode      Mode
	Recording Kind      // None: nothing is written now
	Since     time.Time // start of the segment that is written
	Parts     uint64    // written since the start
	Bytes     uint64
	Lost      uint64 // units that could not be written, or came faster than the disk took them
	Err       error  // why the last attempt to write failed; nil when it did not
}

// NewRecorder returns a recorder of a camera. There is one at a time for each camera.
func (a *Archive) NewRecorder(camera string, mode Mode) *Recorder {
	return &Recorder{
		archive: a, camera: camera, mode: mode, log: a.cfg.Log.With("camera", camera),
		ring: ring{span: a.cfg.Pre},
	}
}

// Alarm makes what is recorded from now on an alarm's, and in mode OnAlarm begins to record, for the time
// that the configuration gives after it.
func (r *Recorder) Alarm() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.until = time.Now().Add(r.archive.cfg.Post)
	r.wake()
}

// maxHold is how long something may go on that nobody ends: some cameras never say that movement is over.
const maxHold = 10 * time.Minute

// Hold tells that what an alarm was about goes on, or that it is over.
func (r *Recorder) Hold(on bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if on {
		r.held = now.Add(maxHold)
	} else {
		r.until, r.held = now.Add(r.archive.cfg.Post), time.Time{}
	}
	r.wake()
}

// Manual starts or stops recording by hand.
func (r *Recorder) Manual(on bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.manual = on
	r.wake()
}

// wake lets Run look at what is wanted. r.mu is held.
func (r *Recorder) wake() {
	if r.kick != nil {
		r.kick()
	}
}

// Status returns a snapshot.
func (r *Recorder) Status() RecorderStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	st := r.stats
	st.Mode = r.mode
	st.Lost += r.lagged
	return st
}

// wanted is what a unit of now is recorded as. r.mu is held.
func (r *Recorder) wanted() Kind {
	switch {
	case r.alarmed(time.Now()):
		return Alarm
	case r.manual:
		return Manual
	case r.mode == Always:
		return Time
	}
	return None
}

// alarmed tells whether an alarm is recorded at a time. r.mu is held.
func (r *Recorder) alarmed(at time.Time) bool { return at.Before(r.until) || at.Before(r.held) }

// Run records what comes from units until that ends or ctx does, and says why.
func (r *Recorder) Run(ctx context.Context, units Units) error {
	units.Inline(r.inline)
	loss, lossy := units.(interface{ Dropped() uint64 })
	defer r.end()
	defer r.archive.attach(r)()
	patience := stallAfter
	for {
		wait, cancel := context.WithTimeoutCause(ctx, patience, errStall)
		r.mu.Lock()
		r.kick = cancel
		r.mu.Unlock()
		u, err := units.Read(wait)
		if lossy {
			r.lag(loss.Dropped())
		}
		woken := wait.Err() != nil
		cancel()
		patience = stallAfter
		switch {
		case err == nil:
			r.step(u)
			u.Release()
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case woken:
			patience = r.idle()
		default:
			return err
		}
	}
}

// end finishes what is being written when the stream is over.
func (r *Recorder) end() {
	r.mu.Lock()
	r.ring.clear()
	r.stats.Lost += r.lagged
	r.lagged = 0
	r.mu.Unlock()
	r.disk.Lock()
	defer r.disk.Unlock()
	r.close(-1)
}

var errStall = errors.New("no pictures")

// inline takes a unit on the goroutine that writes to the stream, if that means memory only.
func (r *Recorder) inline(u *media.Unit) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.accept(u)
}

// accept takes a unit unless it needs the disk. r.mu is held.
func (r *Recorder) accept(u *media.Unit) bool {
	r.newest = u.Arrived
	switch {
	case r.take.recording():
		switch r.due(u) {
		case goOn:
		case flush:
			if !r.swap(r.take.following(u)) {
				return false
			}
		default:
			return false
		}
		r.take.add(u)
	case r.wanted() == None:
		r.ring.add(u)
	case !r.archive.working.Load():
		r.stats.Lost++
	default:
		return !r.take.begins(u)
	}
	return true
}

// step takes a unit that may need the disk.
func (r *Recorder) step(u *media.Unit) {
	r.mu.Lock()
	r.newest = u.Arrived
	if !r.take.recording() {
		if r.wanted() == None {
			r.ring.add(u)
			r.mu.Unlock()
			return
		}
		queued := r.ring.drain(u.Arrived)
		r.mu.Unlock()
		for _, q := range queued {
			r.put(q)
			q.Release()
		}
		r.put(u)
		return
	}
	r.mu.Unlock()
	r.put(u)
}

// put records a unit.
func (r *Recorder) put(u *media.Unit) {
	r.mu.Lock()
	if !r.take.recording() {
		r.begin(u)
		r.mu.Unlock()
		return
	}
	v := r.due(u)
	r.mu.Unlock()
	r.disk.Lock()
	switch v {
	case goOn:
	case flush:
		r.flush(r.take.following(u))
	case renew, finish:
		r.close(r.take.following(u))
	case forsake:
		r.abandon(nil)
	}
	r.disk.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.take.recording():
		r.take.add(u)
	case v == finish:
		r.ring.add(u)
	default:
		r.begin(u)
		if v == renew && r.take.recording() && r.stats.Err == nil { // else the first write shows whether it goes on
			r.stats.Recording, r.stats.Since = r.take.kind, u.Arrived
		}
	}
}

// begin starts a segment with u, if one can start with it. Its file is made with its first part. r.mu is held.
func (r *Recorder) begin(u *media.Unit) {
	kind := r.wanted()
	if kind == None {
		return
	}
	if !r.archive.working.Load() {
		r.stats.Lost++
		return
	}
	if !r.take.begins(u) {
		return
	}
	r.take.begin(u, kind)
}

// idle is called where no unit came for a while, or somebody wants something else. It returns when to look
// again.
func (r *Recorder) idle() (patience time.Duration) {
	r.mu.Lock()
	silence := time.Since(r.newest)
	recording, wanted := r.take.recording(), r.wanted()
	var queued []*media.Unit
	if !recording && wanted != None {
		queued = r.ring.drain(time.Now())
	}
	r.mu.Unlock()
	for _, u := range queued {
		r.put(u)
		u.Release()
	}
	r.disk.Lock()
	defer r.disk.Unlock()
	switch {
	case !recording && len(queued) == 0:
	case silence >= 5*stallAfter, recording && wanted == None && silence >= stallAfter:
		r.close(-1)
	case silence >= stallAfter || len(queued) > 0:
		r.flush(-1)
	default:
		return stallAfter - silence
	}
	return stallAfter
}
