package rehearsal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gbgate/gb28181"
	"gbgate/gb28181/manscdp"
	"gbgate/gb28181/mansrtsp"
	"gbgate/gb28181/sdp"
	"gbgate/media"
)

// RecordingsRequest is which recordings the chapter "recordings" of a rehearsal goes through, and how.
type RecordingsRequest struct {
	Channel   string
	From, To  time.Time // the window that is searched
	Transport string    // of the media, see PlayRequest
	// WallTimes: the node gives fast playbacks the times of the wall (scale_pts = "wall") and not of the recording.
	WallTimes bool
}

// Check is one step of a chapter.
type Check struct {
	Name   string
	Figure string // what was measured, for people
	Reason string // why it is bad; empty: it is good
}

// Good tells whether none of the checks is bad.
func Good(checks []Check) bool {
	return !slices.ContainsFunc(checks, func(c Check) bool { return c.Reason != "" })
}

// Bounds of what a playback may be off by.
const (
	speedMargin = 0.35 // of the speed that was asked for
	speedTries  = 4
	// sizeMargin is by how much a download may differ from its a=filesize.
	sizeMargin = 0.01
	// resumeStep is how far the stream's time may go on at a turn: a receiver takes more for a fault.
	resumeStep = 500 * time.Millisecond
	// turnTime is how long pictures may take to come after a turn.
	turnTime     = 8 * time.Second
	pauseTime    = time.Second
	downloadSpan = 40 * time.Second
	downloadGoes = 8
	// leastLength is how long a recording must be for the chapter.
	leastLength = 2 * time.Minute
)

// RehearseRecordings goes through what a platform does with recordings: it searches, plays, pauses, seeks, changes the
// speed and the direction, comes to the end, downloads. It stops at a step that leaves nothing for the others.
func (n *Node) RehearseRecordings(ctx context.Context, req RecordingsRequest) []Check {
	r := &recordings{node: n, req: req}
	if !r.check(ctx, "list", r.list) {
		return r.checks
	}
	if r.check(ctx, "playback", r.open) {
		for _, step := range []struct {
			name string
			f    func(context.Context) (string, error)
		}{
			{"pause", r.pause},
			{"resume", r.resume},
			{"seek to a quarter", r.seek(0.25)},
			{"seek to three quarters", r.seek(0.75)},
			{"seek back to the beginning", r.seek(0)},
			{"seek to the middle", r.seek(0.5)},
			{"scale 0.5", r.scale(0.5)},
			{"scale 4", r.scale(4)},
			{"scale 8", r.scale(8)},
			{"reverse", r.scale(-8)},
			{"scale 1", r.scale(1)},
			{"end", r.end},
		} {
			r.check(ctx, step.name, step.f)
		}
		r.check(ctx, "stream of the playback", r.close)
	}
	r.check(ctx, "teardown", r.teardown)
	r.check(ctx, "download", r.download)
	r.check(ctx, "nothing recorded", r.nothing)
	return r.checks
}

// recordings is the chapter under way.
type recordings struct {
	node   *Node
	req    RecordingsRequest
	checks []Check
	item   manscdp.RecordItem // what is played
	p      *Playback
	fast   bool // what came before the turn goes by key pictures, whose steps are long
}

func (r *recordings) check(ctx context.Context, name string, f func(context.Context) (string, error)) bool {
	figure, err := f(ctx)
	c := Check{Name: name, Figure: figure}
	if err != nil {
		c.Reason = err.Error()
	}
	r.checks = append(r.checks, c)
	return err == nil
}

// list searches, and chooses the longest recording.
func (r *recordings) list(ctx context.Context) (string, error) {
	res, err := r.node.RecordInfo(ctx, r.req.Channel, r.req.From, r.req.To, "all")
	if err != nil {
		return "", err
	}
	figure := fmt.Sprintf("%d recordings in %d messages, the first after %d ms", res.SumNum, res.Parts,
		res.FirstPart.Milliseconds())
	if len(res.Faults) > 0 {
		return figure, fmt.Errorf("%s", res.Faults[0])
	}
	length := func(it manscdp.RecordItem) time.Duration { return it.End.Sub(it.Start) }
	for _, it := range res.Items {
		if length(it) > length(r.item) {
			r.item = it
		}
	}
	if length(r.item) < leastLength {
		return figure, fmt.Errorf("no recording is as long as %v", leastLength)
	}
	return figure, nil
}

func (r *recordings) request(kind sdp.Kind, from, to time.Time) PlayRequest {
	return PlayRequest{Channel: r.req.Channel, Transport: r.req.Transport, Kind: kind, Start: from, Stop: to}
}

// open plays at the speed of life.
func (r *recordings) open(ctx context.Context) (string, error) {
	began := time.Now()
	p, err := r.node.OpenPlayback(ctx, r.request(sdp.Playback, r.item.Start, r.item.End))
	if err != nil {
		return "", err
	}
	r.p = p
	now, err := r.await(ctx, 30)
	if err != nil {
		return "", err
	}
	taken := now.First.Sub(began)
	got, err := r.judge(ctx, now, 1)
	return fmt.Sprintf("first picture after %d ms, speed %.2f", taken.Milliseconds(), got), err
}

// await waits for pictures since the last mark.
func (r *recordings) await(ctx context.Context, pictures int) (Progress, error) {
	limited, cancel := context.WithTimeout(ctx, turnTime)
	defer cancel()
	now, err := r.p.Await(limited, func(p Progress) bool { return p.Pictures >= pictures })
	if err != nil {
		return now, fmt.Errorf("%d of %d pictures came: %w", now.Pictures, pictures, err)
	}
	return now, nil
}

// judge compares the speed of the stream's time. A recorder that hesitates at a turn and then makes up for it is given
// some more pictures to come to its speed.
func (r *recordings) judge(ctx context.Context, now Progress, speed float64) (got float64, err error) {
	want := max(speed, -speed)
	if r.req.WallTimes {
		want = 1
	}
	for range speedTries {
		if got = now.Speed(); got >= want*(1-speedMargin) && got <= want*(1+speedMargin) {
			return got, nil
		}
		r.p.Mark()
		if now, err = r.await(ctx, now.Pictures); err != nil {
			return got, err
		}
	}
	return got, fmt.Errorf("the stream's time goes by at %.2f of the speed of life, not %.2f", got, want)
}

func (r *recordings) pause(ctx context.Context) (string, error) {
	if err := r.p.Control(ctx, mansrtsp.Request{Method: mansrtsp.Pause}); err != nil {
		return "", err
	}
	_ = media.Wait(ctx, watchEvery) // what was on the way
	r.p.Mark()
	_ = media.Wait(ctx, pauseTime)
	if now := r.p.Progress(); now.Pictures > 0 {
		return "", fmt.Errorf("%d pictures came in a pause", now.Pictures)
	}
	return "", nil
}

func (r *recordings) resume(ctx context.Context) (string, error) {
	return r.turn(ctx, mansrtsp.Request{Method: mansrtsp.Play, Range: &mansrtsp.Range{Now: true}}, 15, 1)
}

// seek goes to a part of the recording.
func (r *recordings) seek(part float64) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		at := time.Duration(part * float64(r.item.End.Sub(r.item.Start))).Truncate(time.Second)
		return r.turn(ctx, mansrtsp.Request{Method: mansrtsp.Play, Range: &mansrtsp.Range{Start: at}}, 15, 1)
	}
}

// scale changes speed and direction.
func (r *recordings) scale(speed float64) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		pictures := 15
		keys := onlyKeys(speed)
		if keys {
			pictures = 6
		}
		figure, err := r.turn(ctx, mansrtsp.Request{Method: mansrtsp.Play, Scale: speed, HasScale: true}, pictures, speed)
		if now := r.p.Progress(); err == nil && keys && now.KeyPictures < now.Pictures {
			err = fmt.Errorf("%d of %d pictures are no key pictures", now.Pictures-now.KeyPictures, now.Pictures)
		} else if err == nil && keys && now.AudioFrames > 0 {
			err = fmt.Errorf("%d frames of sound came", now.AudioFrames)
		}
		return figure, err
	}
}

// onlyKeys tells whether a playback at a speed has key pictures alone.
func onlyKeys(speed float64) bool { return speed < 0 || speed > 4 }

// mostUnderWay is how many pictures of before a turn may come behind its answer: they were in the connection, or in
// the sockets of a busy machine.
const mostUnderWay = 25

// turn sends a control, waits for pictures and judges how the stream goes on.
func (r *recordings) turn(ctx context.Context, control mansrtsp.Request, pictures int, speed float64) (string, error) {
	r.p.Mark()
	began := time.Now()
	if err := r.p.Control(ctx, control); err != nil {
		return "", err
	}
	early := r.p.Mark() // came before the answer: of before the turn, or the first of behind it
	now, err := r.await(ctx, pictures)
	for left := 0; err == nil && onlyKeys(speed) && now.KeyPictures < now.Pictures &&
		left < mostUnderWay; left += now.Pictures {
		r.p.Mark()
		now, err = r.await(ctx, pictures)
	}
	if err != nil {
		return "", err
	}
	taken := now.First.Sub(began)
	if control.Range != nil && !control.Range.Now {
		switch {
		case early.KeyPictures > 0:
			taken = early.FirstKey.Sub(began)
		case now.KeyPictures > 0:
			taken = now.FirstKey.Sub(began)
		default:
			return "", errors.New("no key picture came after a seek")
		}
	}
	if step := max(early.Step, now.Step); step > resumeStep && speed == 1 && !r.fast {
		return "", fmt.Errorf("the stream's time makes a step of %v", step)
	}
	r.fast = speed != 1
	got, err := r.judge(ctx, now, speed)
	return fmt.Sprintf("first picture after %d ms, speed %.2f", taken.Milliseconds(), got), err
}

// end plays the last seconds and waits to be told.
func (r *recordings) end(ctx context.Context) (string, error) {
	at := r.item.End.Sub(r.item.Start) - 3*time.Second
	if err := r.p.Control(ctx, mansrtsp.Request{Method: mansrtsp.Play, Range: &mansrtsp.Range{Start: at}}); err != nil {
		return "", err
	}
	limited, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	began := time.Now()
	if err := r.p.Finished(limited); err != nil {
		return "", err
	}
	return fmt.Sprintf("told after %d ms", time.Since(began).Milliseconds()), nil
}

func (r *recordings) close(ctx context.Context) (string, error) {
	res, err := r.p.Close(ctx)
	if err != nil {
		return "", err
	}
	figure := fmt.Sprintf("%d pictures, %d frames of %s, %d packets, %d lost", res.Pictures, res.AudioFrames, res.Audio,
		res.Packets, res.LostPackets)
	if len(res.Faults) > 0 {
		return figure, fmt.Errorf("%s", strings.Join(res.Faults, "; "))
	}
	return figure, nil
}

// teardown stops a playback by its control; no end is told then.
func (r *recordings) teardown(ctx context.Context) (string, error) {
	var err error
	if r.p, err = r.node.OpenPlayback(ctx, r.request(sdp.Playback, r.item.Start, r.item.End)); err != nil {
		return "", err
	}
	_, err = r.await(ctx, 5)
	if err == nil {
		err = r.p.Control(ctx, mansrtsp.Request{Method: mansrtsp.Teardown})
	}
	if err == nil {
		_ = media.Wait(ctx, watchEvery)
		r.p.Mark()
		_ = media.Wait(ctx, pauseTime/2)
		if now := r.p.Progress(); now.Pictures > 0 {
			err = fmt.Errorf("%d pictures came after the TEARDOWN", now.Pictures)
		}
	}
	figure, closeErr := r.close(ctx)
	if err == nil {
		err = closeErr
	}
	return figure, err
}

// download fetches a part of the recording as fast as the node allows.
func (r *recordings) download(ctx context.Context) (string, error) {
	req := r.request(sdp.Download, r.item.Start, r.item.Start.Add(downloadSpan))
	req.Speed = downloadGoes
	var err error
	if r.p, err = r.node.OpenPlayback(ctx, req); err != nil {
		return "", err
	}
	limited, cancel := context.WithTimeout(ctx, 2*downloadSpan)
	defer cancel()
	began := time.Now()
	err = r.p.Finished(limited)
	took, size := time.Since(began), r.p.FileSize()
	res, closeErr := r.p.Close(ctx)
	switch {
	case err != nil:
		return "", err
	case closeErr != nil:
		return "", closeErr
	}
	bytes := int64(res.Report.Bytes)
	figure := fmt.Sprintf("%d bytes of %d announced, %v of media in %v", bytes, size,
		res.Report.MediaTime.Round(time.Second), took.Round(100*time.Millisecond))
	switch off := float64(bytes-size) / float64(max(size, 1)); {
	case len(res.Faults) > 0:
		return figure, fmt.Errorf("%s", strings.Join(res.Faults, "; "))
	case size > 0 && (off > sizeMargin || off < -sizeMargin):
		return figure, fmt.Errorf("the size differs from a=filesize by %.1f %%", 100*off)
	case res.Report.MediaTime < downloadSpan-2*time.Second:
		return figure, fmt.Errorf("%v of %v came", res.Report.MediaTime, downloadSpan)
	}
	return figure, nil
}

// nothing asks for a time of which nothing is recorded.
func (r *recordings) nothing(ctx context.Context) (string, error) {
	long := r.req.From.AddDate(-20, 0, 0)
	p, err := r.node.OpenPlayback(ctx, r.request(sdp.Playback, long, long.Add(time.Hour)))
	if err == nil {
		_, _ = p.Close(ctx)
		return "", fmt.Errorf("a playback of %s is accepted", long.Format(time.DateOnly))
	}
	if code, _ := gb28181.StatusOf(err); code != 404 {
		return "", fmt.Errorf("refused with %d, not 404: %w", code, err)
	}
	return "", nil
}
