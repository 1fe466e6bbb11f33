package rehearsal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gbgate/gb28181"
	"gbgate/gb28181/sipua"
	"gbgate/media"
)

// holdTime is how long a call is held; holdGrace how long packets may still come after the hold was answered.
const (
	holdTime  = time.Second
	holdGrace = 200 * time.Millisecond
)

// cancelLater takes the INVITE back after the play's CancelAfter. The function it returns waits for the answer.
func (c *call) cancelLater(ctx context.Context) func() error {
	if c.req.CancelAfter <= 0 {
		return func() error { return nil }
	}
	ctx, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() {
		if media.Wait(ctx, c.req.CancelAfter) != nil {
			done <- nil // the INVITE was answered before
			return
		}
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), byeTimeout)
		defer cancel()
		code, err := c.node.p.cancel(limited, c.wire, c.route)
		if err == nil && code != 200 {
			err = fmt.Errorf("the CANCEL was refused: %w", &gb28181.Error{Code: code})
		}
		done <- err
	}()
	return func() error {
		stop()
		return <-done
	}
}

// again repeats a request of the call byte for byte, and wants the very same answer to each repeat.
func (c *call) again(ctx context.Context, method string) error {
	for range c.req.Repeats {
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), byeTimeout)
		first, repeated, err := c.node.p.repeat(limited, c.wire, method, c.route)
		cancel()
		if err != nil {
			return err
		}
		if first != repeated {
			c.faults.add("repeat-"+method, "the repeated %s is answered %+v, the first was %+v", method, repeated, first)
		}
	}
	return nil
}

// reinvite sends the play's second INVITE, when half of the pictures have come.
func (c *call) reinvite(ctx context.Context) error {
	if c.req.Reinvite == NoReinvite {
		return nil
	}
	for c.sink.seen() < c.req.Pictures/2 {
		select {
		case <-c.hungUp:
			return ErrHungUp
		case <-c.sink.over:
			return nil // watch says why
		default:
		}
		if media.Wait(ctx, watchEvery) != nil {
			return context.Cause(ctx)
		}
		if time.Since(c.answered) > c.req.Timeout {
			return ErrNoMedia
		}
	}
	switch c.req.Reinvite {
	case ReinviteMove:
		return c.move(ctx)
	case ReinviteHold:
		return c.hold(ctx)
	case NoReinvite, ReinviteSame:
	}
	return c.secondOffer(ctx, string(c.request.Body), true)
}

// A port whose media have moved is silent for moveSilence, or for moveLimit it was not.
const (
	moveSilence = 150 * time.Millisecond
	moveLimit   = 2 * time.Second
)

// move asks the media to another port and closes the first one when all that was sent there has come: the second is
// read only then, so that packets are seen in the order in which they were sent.
func (c *call) move(ctx context.Context) error {
	if c.req.Transport != UDP {
		return errors.New("media moves over UDP only")
	}
	drained := make(chan struct{})
	defer close(drained)
	var err error
	if c.moved, err = openIntake(c.req.Transport, c.local, c.req.Timeout, false, c.sink, drained); err != nil {
		return err
	}
	first := c.media
	body := strings.Replace(string(c.request.Body),
		fmt.Sprintf("m=video %d ", first.port), fmt.Sprintf("m=video %d ", c.moved.port), 1)
	if err := c.secondOffer(ctx, body, true); err != nil {
		return err
	}
	c.silent(ctx)
	first.close()
	return nil
}

// silent waits until nothing more comes.
func (c *call) silent(ctx context.Context) {
	for end := time.Now().Add(moveLimit); time.Now().Before(end); {
		before := c.sink.packets()
		if media.Wait(ctx, moveSilence) != nil || c.sink.packets() == before {
			return
		}
	}
}

// hold stops the media for a while (RFC 3264 8.4) and lets them go on.
func (c *call) hold(ctx context.Context) error {
	held := strings.Replace(string(c.request.Body), "a=recvonly", "a=inactive", 1)
	if err := c.secondOffer(ctx, held, false); err != nil {
		return err
	}
	if media.Wait(ctx, holdGrace) != nil {
		return context.Cause(ctx)
	}
	before := c.sink.packets()
	if media.Wait(ctx, holdTime) != nil {
		return context.Cause(ctx)
	}
	if after := c.sink.packets() - before; after > 0 {
		c.faults.add("hold", "%d packets came while the call was held", after)
	}
	c.sink.resume()
	return c.secondOffer(ctx, string(c.request.Body), false)
}

// secondOffer sends an INVITE within the call and acknowledges its answer. sameAnswer: the answer must name the
// address and port of the first.
func (c *call) secondOffer(ctx context.Context, body string, sameAnswer bool) error {
	r := c.inDialog("INVITE", c.nextCSeq())
	r.Contact, r.Headers = c.request.Contact, slices.Clone(c.request.Headers)
	r.ContentType, r.Body = c.request.ContentType, []byte(body)
	res, err := c.node.p.ep.Do(ctx, r, c.route)
	if err != nil {
		return fmt.Errorf("second INVITE: %w", err)
	}
	if err := refusal(r, res); err != nil {
		return fmt.Errorf("second INVITE: %w", err)
	}
	if res.ToTag != c.answer.ToTag {
		c.faults.add("reinvite-tag", "the second INVITE is answered with another To-tag")
	}
	if got := mediaLine(string(res.Body)); sameAnswer && got != mediaLine(c.answerSDP) {
		c.faults.add("reinvite-sdp", "the second INVITE is answered with %q, the first with %q", got, mediaLine(c.answerSDP))
	}
	return c.node.p.ep.Send(c.inDialog("ACK", r.CSeq), c.route)
}

func mediaLine(body string) string {
	for line := range strings.SplitSeq(body, "\r\n") {
		if strings.HasPrefix(line, "m=video ") {
			return line
		}
	}
	return ""
}

func (c *call) nextCSeq() uint32 {
	c.cseq++
	return c.cseq
}

// answerInACK gives the node's offer its answer (RFC 3261 13.2.1: an INVITE without offer).
func (c *call) answerInACK(ack *sipua.Request) {
	if !c.req.NoOffer {
		return
	}
	body := strings.Replace(c.offerSDP(), "RTP/AVP 96 97 98 99", "RTP/AVP 96", 1)
	var lines []string
	for line := range strings.SplitSeq(body, "\r\n") {
		if !strings.HasPrefix(line, "a=rtpmap:97") && !strings.HasPrefix(line, "a=rtpmap:98") &&
			!strings.HasPrefix(line, "a=rtpmap:99") {
			lines = append(lines, line)
		}
	}
	ack.ContentType, ack.Body = "APPLICATION/SDP", []byte(strings.Join(lines, "\r\n"))
}
