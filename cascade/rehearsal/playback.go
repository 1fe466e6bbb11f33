package rehearsal

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"gbgate/gb28181/manscdp"
	"gbgate/gb28181/mansrtsp"
	"gbgate/media"
)

// Playback is a playback or download under way. Its methods are for one goroutine.
type Playback struct {
	c       *call
	cseq    int // of the playback controls
	notices int // that the node had sent before
	closed  bool
}

// OpenPlayback invites a channel for what it has recorded and returns when the call is acknowledged. Close ends it.
// Errors are those of Play.
func (n *Node) OpenPlayback(ctx context.Context, req PlayRequest) (*Playback, error) {
	req.Timeout = orDefault(req.Timeout, 10*time.Second)
	c, err := n.newCall(req)
	if err != nil {
		return nil, fmt.Errorf("%v of %s: %w", req.Kind, req.Channel, err)
	}
	p := &Playback{c: c, notices: len(n.Notices())}
	n.p.enter(c)
	if err = c.invite(ctx); err == nil {
		if err = c.acknowledge(ctx); err == nil {
			err = c.connect(ctx)
		}
		if err != nil {
			_ = c.hangUp(ctx)
		}
	}
	if err != nil {
		p.release()
		return nil, fmt.Errorf("%v of %s: %w", req.Kind, req.Channel, err)
	}
	return p, nil
}

// Hold stops the media by a second INVITE for a while and lets them go on by a third.
func (p *Playback) Hold(ctx context.Context) error {
	p.c.sink.turning(true)
	defer p.c.sink.turning(false)
	return p.c.hold(ctx)
}

// Move wants the media at another port from now on.
func (p *Playback) Move(ctx context.Context) error { return p.c.move(ctx) }

func (p *Playback) release() {
	if !p.closed {
		p.closed = true
		p.c.media.close()
		if p.c.moved != nil {
			p.c.moved.close()
		}
		p.c.node.p.leave(p.c)
	}
}

// Control sends a playback control and wants 200 for it; a refusal has a *gb28181.Error in its chain.
func (p *Playback) Control(ctx context.Context, r mansrtsp.Request) error {
	p.cseq++
	r.CSeq = strconv.Itoa(p.cseq)
	_, err := p.Tell(ctx, "Application/MANSRTSP", string(r.Marshal()))
	return err
}

// Tell sends an INFO with any body and returns the body of the answer.
func (p *Playback) Tell(ctx context.Context, contentType, body string) (reply string, err error) {
	r := p.c.inDialog("INFO", p.c.nextCSeq())
	r.ContentType, r.Body = contentType, []byte(body)
	p.c.sink.turning(true)
	defer p.c.sink.turning(false)
	res, err := p.c.node.p.ep.Do(ctx, r, p.c.route)
	if err != nil {
		return "", fmt.Errorf("INFO: %w", err)
	}
	return string(res.Body), refusal(r, res)
}

// Mark begins a new stretch of the stream and returns what came in the one before.
func (p *Playback) Mark() Progress { return p.c.sink.mark(time.Now()) }

// Progress returns what came since the last mark.
func (p *Playback) Progress() Progress { return p.c.sink.progress(time.Now()) }

// Await waits until what came since the last mark meets a condition.
func (p *Playback) Await(ctx context.Context, met func(Progress) bool) (Progress, error) {
	for {
		now := p.Progress()
		if met(now) {
			return now, nil
		}
		select {
		case <-p.c.hungUp:
			return now, ErrHungUp
		default:
		}
		if media.Wait(ctx, watchEvery) != nil {
			return now, context.Cause(ctx)
		}
	}
}

// Finished waits until the node says, inside the call's dialog, that all was sent (MediaStatus 121).
func (p *Playback) Finished(ctx context.Context) error {
	for from := p.notices; ; {
		note, err := p.c.node.WaitNotice(ctx, "MediaStatus", from)
		if err != nil {
			return err
		}
		status, ok := note.Message.(*manscdp.MediaStatusNotify)
		if !ok || note.CallID != p.c.request.CallID {
			from++ // of another call
			continue
		}
		if status.NotifyType != manscdp.MediaStatusEnd || status.DeviceID != p.c.req.Channel {
			p.c.faults.add("mediastatus", "MediaStatus says %s of %s", status.NotifyType, status.DeviceID)
		}
		p.notices = from + 1
		return nil
	}
}

// HungUp is closed when the node has said BYE.
func (p *Playback) HungUp() <-chan struct{} { return p.c.hungUp }

var filesize = regexp.MustCompile(`(?m)^a=filesize:(\d+)\r?$`)

// FileSize is the a=filesize of the answer, 0 where it has none.
func (p *Playback) FileSize() int64 {
	found := filesize.FindStringSubmatch(p.c.answerSDP)
	if found == nil {
		return 0
	}
	n, _ := strconv.ParseInt(found[1], 10, 64)
	return n
}

// Close says BYE, if the node has not, and returns how it went.
func (p *Playback) Close(ctx context.Context) (*PlayResult, error) {
	if p.closed {
		return nil, errors.New("the playback is closed")
	}
	err := p.c.hangUp(ctx)
	p.release()
	return p.c.result(), err
}
